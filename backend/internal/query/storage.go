package query

import (
	"context"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/profile"
)

// ingestStorage answers what profiles take on disk. It is of the whole
// installation, so only who may see every namespace is told.
func (q *Query) ingestStorage(ctx context.Context, _ request) (any, error) {
	if scope, ok := access.From(ctx); ok && !scope.Everything() {
		return nil, api.Errorf(profile.Forbidden, "what is stored is of every namespace, and you see %s", scope)
	}
	stored, err := q.Prober.Storage(ctx)
	if err != nil {
		return nil, err
	}
	out := api.IngestStorage{Days: []api.StoredDay{}, Services: []api.StoredService{}, Truncated: stored.Truncated}
	for _, d := range stored.Days {
		out.Days = append(out.Days, api.StoredDay{Day: d.Day.Format(time.DateOnly), Bytes: d.Bytes, Samples: d.Rows})
	}
	for _, s := range stored.Services {
		out.Services = append(out.Services, api.StoredService{Cluster: s.Cluster, Namespace: s.Namespace, Service: s.Service, Bytes: s.Bytes, Days: s.Days})
	}
	return out, nil
}

package client

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// mostThreads is how many thread groups are asked for: as many as the API has at a
// time, and more than a target keeps apart.
const mostThreads = "200"

// ByThread is the query for a timeline of one point by groups of threads. What is
// chosen of threads and functions does not narrow it.
func (s Selection) ByThread() url.Values {
	q := s.Unfiltered().Query()
	q.Set("by", "thread")
	q.Set("parts", mostThreads)
	q.Set("points", "1")
	return q
}

// CheckThreads returns an *api.Error if a selection names a group of threads that
// it does not have: one that is misspelt would leave an answer empty, or whole.
// Where more groups are than can be listed, or none, it says nothing. All says to
// whoever asks where the groups are that the error has no room for.
func CheckThreads(ctx context.Context, a API, s Selection, all string) error {
	asked := slices.Concat(s.Threads, s.NotThreads)
	if len(asked) == 0 {
		return nil
	}
	series, err := Ask[api.Series](ctx, a, "/api/v1/series", s.ByThread())
	if err != nil || series.OtherParts > 0 || len(series.Parts) == 0 {
		return err
	}
	var known []string
	for _, part := range series.Parts {
		known = append(known, part.Name)
	}
	for _, name := range asked {
		if !slices.Contains(known, name) {
			e := api.Errorf(profile.NotFound, "no thread group %q in %s", name, s.Key)
			e.Hint = "Known are " + strings.Join(known[:min(len(known), mostNamed)], ", ") + more(len(known)-mostNamed)
			if len(known) > mostNamed {
				e.Hint += ". " + all
			}
			return e
		}
	}
	return nil
}

package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Storage is what profiles take on disk.
type Storage struct {
	Days []DayStorage // the oldest first
	// Services are the largest ones, at most MaxStored; Truncated says that there
	// are more.
	Services  []ServiceStorage
	Truncated bool
	Cost      Cost
}

// DayStorage is what a day takes, all its tables together.
type DayStorage struct {
	Day   time.Time
	Bytes uint64
	Rows  uint64 // of samples
}

// ServiceStorage is what a service takes. Tables hold all services together, so
// the bytes of a day are shared out by rows of samples.
type ServiceStorage struct {
	ServiceKey
	Bytes uint64   // sum of Days
	Days  []uint64 // bytes, by day of Storage
}

// MaxStored bounds Storage.Services.
const MaxStored = 1000

// Storage returns what profiles take, by day and service. Days whose samples were
// given up are those of their headers.
func (s *Store) Storage(ctx context.Context) (*Storage, error) {
	answer := make(chan *Storage, 1) // not shared with a read that was given up
	cost, err := s.reading(ctx, "read what is stored", func(ctx context.Context, r *read) error {
		out, err := r.storage(ctx)
		answer <- out
		return err
	})
	if err != nil {
		return nil, err
	}
	out := <-answer
	out.Cost = cost
	return out, nil
}

func (r *read) storage(ctx context.Context) (*Storage, error) {
	out := &Storage{}
	err := r.query(ctx, `SELECT toDate(partition), sum(bytes_on_disk), sumIf(rows, table = 'samples') FROM `+r.store.partsOf(append(bulky(), "profiles")...)+`
GROUP BY partition ORDER BY partition`, nil, func(row driver.Rows) error {
		var d DayStorage
		err := row.Scan(&d.Day, &d.Bytes, &d.Rows)
		out.Days = append(out.Days, d)
		return err
	})
	if err != nil || len(out.Days) == 0 {
		return out, err
	}
	// Without FINAL: what few headers are there twice changes a share by little.
	statement := fmt.Sprintf(`SELECT cluster, namespace, service, toDate(window_start) AS day, sum(stacks) FROM @.profiles
WHERE type != '' GROUP BY cluster, namespace, service, day LIMIT %d`, maxStoredDays)
	of := map[ServiceKey]*ServiceStorage{}
	err = r.query(ctx, statement, nil, func(row driver.Rows) error {
		var key ServiceKey
		var day time.Time
		var rows uint64
		err := row.Scan(&key.Cluster, &key.Namespace, &key.Service, &day, &rows)
		i := slices.IndexFunc(out.Days, func(d DayStorage) bool { return d.Day.Equal(day) })
		if err != nil || i < 0 || out.Days[i].Rows == 0 {
			return err
		}
		if of[key] == nil {
			of[key] = &ServiceStorage{ServiceKey: key, Days: make([]uint64, len(out.Days))}
		}
		share := min(float64(rows)/float64(out.Days[i].Rows), 1)
		of[key].Days[i] = uint64(math.Round(share * float64(out.Days[i].Bytes)))
		of[key].Bytes += of[key].Days[i]
		return nil
	})
	for _, one := range of {
		out.Services = append(out.Services, *one)
	}
	slices.SortFunc(out.Services, func(a, b ServiceStorage) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Cluster, b.Cluster))
	})
	out.Truncated = len(out.Services) > MaxStored
	out.Services = out.Services[:min(len(out.Services), MaxStored)]
	return out, err
}

// maxStoredDays bounds the rows that are shared out: services by day.
const maxStoredDays = 100_000

package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"
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
	Day   time.Time `ch:"day"`
	Bytes uint64    `ch:"bytes"`
	Rows  uint64    `ch:"of_samples"`
}

// ServiceStorage is what a service takes. Tables hold all services together, so
// the bytes of a day are shared out by rows of samples.
type ServiceStorage struct {
	ServiceKey
	Bytes uint64   // sum of Days
	Days  []uint64 // bytes, by day of Storage
}

// serviceDay is what a service stored on a day.
type serviceDay struct {
	Cluster   string    `ch:"cluster"`
	Namespace string    `ch:"namespace"`
	Service   string    `ch:"service"`
	Day       time.Time `ch:"day"`
	Rows      uint64    `ch:"of_samples"`
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
	err := rowsOf(ctx, r, `SELECT toDate(partition) AS day, sum(bytes_on_disk) AS bytes, sumIf(rows, table = 'samples') AS of_samples FROM `+r.store.partsOf(append(bulky(), "profiles")...)+`
GROUP BY partition ORDER BY partition`, nil, func(d *DayStorage) error {
		out.Days = append(out.Days, *d)
		return nil
	})
	if err != nil || len(out.Days) == 0 {
		return out, err
	}
	// Without FINAL: what few headers are there twice changes a share by little.
	statement := fmt.Sprintf(`SELECT cluster, namespace, service, toDate(window_start) AS day, sum(stacks) AS of_samples FROM @.profiles
WHERE type != '' GROUP BY cluster, namespace, service, day LIMIT %d`, maxStoredDays)
	of := map[ServiceKey]*ServiceStorage{}
	err = rowsOf(ctx, r, statement, nil, func(one *serviceDay) error {
		key := ServiceKey{one.Cluster, one.Namespace, one.Service}
		i := slices.IndexFunc(out.Days, func(d DayStorage) bool { return d.Day.Equal(one.Day) })
		if i < 0 || out.Days[i].Rows == 0 {
			return nil
		}
		if of[key] == nil {
			of[key] = &ServiceStorage{ServiceKey: key, Days: make([]uint64, len(out.Days))}
		}
		share := min(float64(one.Rows)/float64(out.Days[i].Rows), 1)
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

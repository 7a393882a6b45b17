package store

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	inserts          prometheus.Histogram
	rows             prometheus.Counter
	duplicates       prometheus.Counter
	conflicts        prometheus.Counter
	groups           prometheus.Histogram
	queued           prometheus.Gauge
	blocks           prometheus.Counter
	isolated         prometheus.Counter
	strays           prometheus.Counter
	errors           *prometheus.CounterVec // class
	exceptions       *prometheus.CounterVec // code
	rollups          prometheus.Counter
	rollupFailures   prometheus.Counter
	activityFailures prometheus.Counter
	daysGivenUp      prometheus.Counter
	eventsLost       prometheus.Counter
	cacheMissing     prometheus.Counter
	moved            prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) *metrics {
	with := promauto.With(registry)
	m := &metrics{
		inserts: with.NewHistogram(prometheus.HistogramOpts{
			Name: "podflame_store_insert_seconds", Help: "Duration of inserts of windows that succeeded.",
			Buckets: []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
		}),
		rows:       with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_rows_total", Help: "Rows of samples inserted."}),
		duplicates: with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_duplicates_total", Help: "Windows that were stored already."}),
		conflicts:  with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_id_conflicts_total", Help: "Windows that were stored already with other content."}),
		groups: with.NewHistogram(prometheus.HistogramOpts{
			Name: "podflame_store_commit_windows", Help: "Windows that were written together.", Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		queued:   with.NewGauge(prometheus.GaugeOpts{Name: "podflame_store_commit_queue_windows", Help: "Windows that wait to be written."}),
		blocks:   with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_blocks_total", Help: "Blocks sent to ClickHouse, of all tables."}),
		isolated: with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_isolated_total", Help: "Windows that were written one by one, as ClickHouse refused their group."}),
		strays:   with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_strays_total", Help: "Samples of failed inserts that were removed, by window and type."}),
		errors: with.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_store_errors_total", Help: "Operations on ClickHouse that failed, by class.",
		}, []string{"class"}),
		exceptions: with.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_store_exceptions_total", Help: "Operations on ClickHouse that it ended by an exception, by its code: 243 is a full disk, 252 too many parts, 241 no memory, 516 a wrong password.",
		}, []string{"code"}),
		rollups:          with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_rollups_total", Help: "Hours of services that were rolled up."}),
		rollupFailures:   with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_rollup_failures_total", Help: "Hours of services that could not be rolled up and are tried again; their answers come from samples."}),
		activityFailures: with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_activity_failures_total", Help: "Hours whose headers could not be summed up for lists and are tried again; lists are read from headers."}),
		daysGivenUp:      with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_given_up_total", Help: "Days whose samples were removed before their time, as there was no room."}),
		eventsLost:       with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_events_lost_total", Help: "Counts of ingest events given up because ClickHouse was away too long."}),
		cacheMissing:     with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_stack_cache_misses_total", Help: "Stacks that were read because no call tree held them."}),
		moved:            with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_reads_repeated_total", Help: "Reads that began again because windows arrived while they were counted."}),
	}
	for class := range classes {
		m.errors.WithLabelValues(class.String())
	}
	for _, code := range append(knownCodes(), otherCode) {
		m.exceptions.WithLabelValues(labelOf(code))
	}
	return m
}

func (m *metrics) failed(err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return
	}
	m.errors.WithLabelValues(e.Class.String()).Inc()
	if e.Code == 0 {
		return
	}
	code := e.Code
	if !slices.Contains(knownCodes(), code) {
		code = otherCode
	}
	m.exceptions.WithLabelValues(labelOf(code)).Inc()
}

// otherCode stands for all exceptions that are not among knownCodes.
const otherCode = -1

func labelOf(code int32) string {
	if code == otherCode {
		return "other"
	}
	return strconv.Itoa(int(code))
}

func (m *metrics) inserted(rows int, took time.Duration) {
	m.inserts.Observe(took.Seconds())
	m.rows.Add(float64(rows))
}

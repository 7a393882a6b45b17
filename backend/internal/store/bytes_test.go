package store_test

import (
	"fmt"
	"testing"

	"github.com/podflame/podflame/backend/internal/store/storetest"
)

// CPU time is sampled at an interval, so it does not take the room that numbers of its
// size would.
func TestSamplesOfAnIntervalTakeFewBytes(t *testing.T) {
	s := storetest.Open(t)
	const pods, minutes, stacks = 5, 15, 2000
	exec(t, s, fmt.Sprintf(`INSERT INTO @.samples (cluster, namespace, service, type, window_start, duration_s, series_id, stack_id, value, count)
SELECT 'c1', 'shop', 'cart', 'cpu', toDateTime(%d, 'UTC') + 60 * (intDiv(number, %d) %% %d), 60, intDiv(number, %d * %d), cityHash64(number %% %d), 10000000 * n, n
FROM (SELECT number, 1 + cityHash64(number) %% 7 AS n FROM numbers(%d))`, today().Unix(), stacks, minutes, stacks, minutes, stacks, pods*minutes*stacks))
	exec(t, s, "OPTIMIZE TABLE @.samples FINAL")
	if got := bytesOf(t, s, "samples") / (pods * minutes * stacks); got > 2 {
		t.Errorf("a sample takes %.2f bytes, want at most 2", got)
	}
}

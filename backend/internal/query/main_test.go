package query

import (
	"testing"

	"github.com/podflame/podflame/backend/internal/store/storetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// noLeaks fails the test if it leaves goroutines behind.
func noLeaks(t *testing.T) {
	t.Helper()
	current := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, current) })
}

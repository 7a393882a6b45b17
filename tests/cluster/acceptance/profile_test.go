package acceptance

import (
	"fmt"
	"math"
	"time"
)

// known is what the workloads divide three to one, by type of profile.
var known = map[string][2]string{
	"cpu":   {"Work.price", "Work.discount"},
	"alloc": {"Work.render", "Work.pack"},
	"lock":  {"Work.reserve", "Work.bill"},
}

// heavyShare is the heavy function's part of both.
const heavyShare, tolerance = 0.75, 0.1

// warmUp is how long a JVM compiles what it runs, from the step's start and, as
// those of a batch start at once and under little load, from the pod's: until
// then the shares are not those of the source.
const warmUp, warmUpOfPod = 20 * time.Second, 50 * time.Second

// shares waits until two functions have enough samples together, from when the
// step is warm, and checks their values: the heavy one has three quarters.
func (s *step) shares(namespace, service, kind, heavy, light string, samples int64) {
	s.Helper()
	var got top
	s.until(fmt.Sprintf("%d %s samples of %s and %s in service %s", samples, kind, heavy, light, service), func() (bool, string) {
		if err := shared.backend.get(s.ctx, "/api/v1/top", scopeSince(namespace, service, kind, s.warm), &got); err != nil {
			return false, err.Error()
		}
		both := got.total(heavy).add(got.total(light))
		return both.Count >= samples, fmt.Sprintf("%+v of %+v; targets: %s", both, got.Total, shared.targetsText(s, namespace))
	})
	a, b := got.total(heavy), got.total(light)
	share := float64(a.Value) / float64(a.Value+b.Value)
	s.measure("%s %s: %s has %.1f %% of %d samples", service, kind, heavy, 100*share, a.Count+b.Count)
	if math.Abs(share/heavyShare-1) > tolerance {
		s.Errorf("%s %s: %s has %.3f of the value, want %.2f within %.0f %%", service, kind, heavy, share, heavyShare, 100*tolerance)
	}
	s.ledgerAddsUp(service+" "+kind, got)
}

func (s *step) ledgerAddsUp(what string, got top) {
	s.Helper()
	ledger := got.Coverage
	if sum := ledger.Stored.add(ledger.Truncated).add(ledger.Dropped); sum != ledger.Captured || sum.Count == 0 {
		s.Errorf("%s: captured %+v, stored + truncated + dropped %+v", what, ledger.Captured, sum)
	}
	if got.Total != ledger.Stored {
		s.Errorf("%s: the total is %+v, the ledger's stored %+v", what, got.Total, ledger.Stored)
	}
}

// targetsText is what the API says of a namespace's targets.
func (l *lab) targetsText(s *step, namespace string) string {
	targets, err := l.backend.targets(s.ctx, namespace)
	if err != nil {
		return err.Error()
	}
	var text string
	for _, t := range targets {
		text += fmt.Sprintf("%s/%s %s %s %s; ", t.Identity.Pod, t.Identity.Container, t.State.State, t.State.Reason, t.State.Detail)
	}
	return text
}

package ingest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/reason"
)

// Free text for a reason is counted and reaches no column, however much of it
// there is.
func TestOddReasonsReachNoColumn(t *testing.T) {
	h := newHarness(t, nil)
	for i := range 60 {
		w := window(time.Hour)
		w.ID[0] = byte(i)
		stored := w.Coverage[0].Captured
		for j := range 100 {
			odd := profile.Reason(fmt.Sprintf("odd %d %d %s", i, j, strings.Repeat("x", 2000)))
			w.Losses = append(w.Losses, profile.Loss{Outcome: profile.Dropped, Reason: odd, Count: 1})
			w.Coverage[0].Losses = append(w.Coverage[0].Losses, profile.Loss{Outcome: profile.Dropped, Reason: odd, Value: 2, Count: 1})
		}
		w.Coverage[0].Losses = append(w.Coverage[0].Losses, profile.Loss{Outcome: profile.Noticed, Reason: ""})
		w.Coverage[0].Captured = stored.Add(profile.Amount{Value: 200, Count: 100})
		if code, answer := h.put(t, encode(t, w)); code != http.StatusOK {
			t.Fatalf("window %d is answered %d %s", i, code, answer)
		}
	}
	words := newVocabulary()
	for id, w := range h.store.windows {
		if err := w.Check(); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		for _, list := range [][]profile.Loss{w.Losses, w.Coverage[0].Losses} {
			if len(list) > len(reason.Profiling()) {
				t.Errorf("%s has %d losses", id, len(list))
			}
			odd := int64(0)
			for _, l := range list {
				if _, ok := words[l.Reason]; !ok {
					t.Fatalf("%s has the reason %.40q", id, l.Reason)
				}
				if l.Reason == profile.UnknownReason {
					odd += l.Count
				}
			}
			if odd != 100 {
				t.Errorf("%s has %d samples for reasons that are not known, want 100", id, odd)
			}
		}
	}
}

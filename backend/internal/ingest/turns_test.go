package ingest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// One source with many uploads does not make another one wait for all of them.
func TestTurnsGoRoundTheSources(t *testing.T) {
	turns := newTurns(1)
	if !turns.take(t.Context(), "busy") {
		t.Fatal("no turn is free")
	}
	var order []string
	done := make(chan struct{})
	queue := func(source string, before int) {
		go func() {
			if turns.take(context.Background(), source) {
				order = append(order, source) // one at a time has a turn
				turns.give()
			}
			done <- struct{}{}
		}()
		awaitWaiting(turns, before+1)
	}
	for i := range 20 {
		queue("busy", i)
	}
	queue("other", 20)
	queue("third", 21)
	turns.give()
	for range 22 {
		<-done
	}
	if want := []string{"busy", "other", "third"}; !slices.Equal(order[:3], want) {
		t.Errorf("turns went to %v, want %v first", order, want)
	}
	if turns.free != 1 || len(turns.waiting) != 0 || len(turns.sources) != 0 {
		t.Errorf("in the end %+v", turns)
	}
}

// awaitWaiting returns when so many wait.
func awaitWaiting(t *turns, n int) {
	for {
		t.mu.Lock()
		waiting := 0
		for _, all := range t.waiting {
			waiting += len(all)
		}
		t.mu.Unlock()
		if waiting >= n {
			return
		}
		runtime.Gosched()
	}
}

// Whoever comes, works and gives up, turns are neither lost nor made.
func TestTurnsAreNeverLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3).Draw(t, "turns")
		turns := newTurns(n)
		gone, leave := context.WithCancel(context.Background())
		leave()
		held := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if held > 0 && rapid.Bool().Draw(t, "give") {
				turns.give()
				held--
			} else if turns.take(gone, fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "source"))) {
				held++
			}
			if held > n || turns.free != n-held || len(turns.waiting)+len(turns.sources) != 0 {
				t.Fatalf("%d of %d turns are held: %+v", held, n, turns)
			}
		}
	})
}

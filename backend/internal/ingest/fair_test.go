package ingest

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/auth"
	"github.com/podflame/podflame/backend/internal/quota"
	"github.com/podflame/podflame/backend/profile"
)

// A namespace whose uploads do not end leaves room for those of another, and a pod
// for those of the others of its namespace.
func TestOneSenderKeepsNobodyOut(t *testing.T) {
	h, server := guarded(t)
	h.ingest.uploads.limit, h.ingest.pods = 8, quota.New[auth.Pod](3)
	h.store.hold, h.store.entered = make(chan struct{}), make(chan struct{}, 8)
	var all sync.WaitGroup
	begin := func(seed int, namespace, pod string) {
		token := server.Pod(audience, namespace, pod, "uid-"+pod, now.Add(time.Hour))
		_, body := windowOf(t, seed, namespace, pod, "uid-"+pod)
		all.Go(func() {
			if w := h.send(t, "/api/v1/windows", token, body); w.Code != http.StatusOK {
				t.Errorf("upload of %s/%s is answered %d %s", namespace, pod, w.Code, w.Body)
			}
		})
		<-h.store.entered
	}
	refused := func(seed int, namespace, pod string, actual, limit int64) {
		t.Helper()
		token := server.Pod(audience, namespace, pod, "uid-"+pod, now.Add(time.Hour))
		_, body := windowOf(t, seed, namespace, pod, "uid-"+pod)
		e := apitest.Refused(t, h.send(t, "/api/v1/windows", token, body), http.StatusTooManyRequests, profile.SourceLimit)
		if e.Actual != actual || e.Limit != limit || e.Hint == "" {
			t.Errorf("%s/%s is refused by %+v", namespace, pod, e)
		}
	}
	for i := range 3 {
		begin(i, "noisy", "pod-0")
	}
	refused(3, "noisy", "pod-0", 4, 3)
	for i := range 3 {
		begin(i, "noisy", fmt.Sprint("pod-", i+1))
	}
	refused(4, "noisy", "pod-9", 7, 8) // the last two are kept for others
	for i := range 2 {
		begin(i, "quiet", "pod-0")
	}
	close(h.store.hold)
	all.Wait()
	if h.ingest.uploads.inUse() != 0 || h.ingest.pods.Keys() != 0 {
		t.Errorf("in the end %d uploads of %d pods", h.ingest.uploads.inUse(), h.ingest.pods.Keys())
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

// After an outage a whole fleet uploads at once. Each pod repeats what is turned
// away, and one in four repeats what was taken: in the end each window is there
// once, and what had no place in a limit was told to come again.
func TestManyPodsAtOnce(t *testing.T) {
	const pods = 80
	b := start(t, "--data-dir="+t.TempDir(), "--insert-timeout=30s")
	url := "http://" + b.address(t)
	client := &http.Client{Timeout: patience}
	t.Cleanup(client.CloseIdleConnections)
	ready(t, client, url)
	end := time.Now().UTC().Truncate(time.Minute)
	var want profile.Coverage
	var all sync.WaitGroup
	for pod := range pods {
		w := profiletest.Window(profiletest.Options{
			Seed: uint64(pod), Start: end.Add(-time.Minute), Target: profiletest.Target("checkout", fmt.Sprint("pod-", pod)), Lossy: true, Stacks: 300,
		})
		want = profile.MergeCoverage(profile.CPU, want, *w.CoverageOf(profile.CPU))
		all.Go(func() {
			statuses := []string{api.Accepted}
			if pod%4 == 0 {
				statuses = append(statuses, api.Duplicate)
			}
			for _, status := range statuses {
				got, again := putUntil(t, client, url, w)
				if again { // the first try may have been stored without an answer
					status = got.Status
				}
				if got.Status != status || got.Stored[profile.CPU] != w.CoverageOf(profile.CPU).Stored {
					t.Errorf("receipt of pod %d is %+v, want %s", pod, got, status)
				}
			}
		})
	}
	all.Wait()
	code, body := get(t, client, fmt.Sprintf("%s/api/v1/coverage?cluster=prod&namespace=shop&service=checkout&type=cpu&from=%d&to=%d", url, end.Unix()-3600, end.Unix()))
	var got api.Coverage
	if err := json.Unmarshal(body, &got); code != http.StatusOK || err != nil {
		t.Fatalf("coverage is %d %s", code, body)
	}
	if got.Stored != want.Stored || got.Captured != want.Captured || got.Windows.Stored != pods {
		t.Errorf("coverage is %+v, want %d windows with %+v", got, pods, want)
	}
}

// putUntil uploads a window as a sidecar does, and returns the receipt and whether
// it took more than one try.
func putUntil(t *testing.T, client *http.Client, url string, w *profile.Window) (receipt api.Receipt, again bool) {
	for deadline := time.Now().Add(patience); ; again = true {
		code, body := put(t, client, url, "", w)
		if code == http.StatusOK {
			if err := json.Unmarshal(body, &receipt); err != nil {
				t.Errorf("receipt %s: %v", body, err)
			}
			return receipt, again
		}
		if code != http.StatusServiceUnavailable && code != http.StatusTooManyRequests || time.Now().After(deadline) {
			t.Errorf("upload is %d %s", code, body)
			return receipt, again
		}
		time.Sleep(50 * time.Millisecond)
	}
}

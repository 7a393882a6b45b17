package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

// ClickHouse is killed while windows come in: the senders are told to come
// again, ClickHouse comes back by itself, and in the end every window is there
// exactly once.
func TestEveryWindowOnceThoughClickHouseIsKilled(t *testing.T) {
	const windows, killAfter = 48, 12
	b := start(t, "--data-dir="+t.TempDir())
	url := "http://" + b.address(t)
	client := &http.Client{Timeout: patience}
	t.Cleanup(client.CloseIdleConnections)
	ready(t, client, url)

	end := time.Now().UTC().Truncate(time.Minute)
	var want profile.Coverage
	work := make(chan *profile.Window, windows)
	for i := range windows {
		w := profiletest.Window(profiletest.Options{
			Seed: uint64(i), Start: end.Add(time.Duration(i%12-12) * time.Minute), Target: profiletest.Target("checkout", fmt.Sprint("pod-", i/12)), Lossy: true, Stacks: 100,
		})
		want = profile.MergeCoverage(profile.CPU, want, *w.CoverageOf(profile.CPU))
		work <- w
	}
	close(work)
	var acknowledged, refused atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for w := range work {
				for deadline := time.Now().Add(patience); ; {
					code, body := put(t, client, url, "", w)
					if code == http.StatusOK {
						break
					}
					refused.Add(1)
					if code != http.StatusServiceUnavailable || time.Now().After(deadline) {
						t.Errorf("upload is %d %s", code, body)
						break
					}
					time.Sleep(50 * time.Millisecond)
				}
				if acknowledged.Add(1) == killAfter {
					b.killClickHouse(t)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d uploads were refused and came again", refused.Load())
	ready(t, client, url)
	code, body := get(t, client, fmt.Sprintf("%s/api/v1/coverage?cluster=prod&namespace=shop&service=checkout&type=cpu&from=%d&to=%d", url, end.Unix()-3600, end.Unix()))
	var got api.Coverage
	if err := json.Unmarshal(body, &got); code != 200 || err != nil {
		t.Fatalf("coverage is %d %s", code, body)
	}
	if got.Stored != want.Stored || got.Captured != want.Captured || got.Windows.Stored != windows {
		t.Errorf("coverage is %+v, want %d windows with %+v\n%s", got, windows, want, b.log)
	}
}

// killClickHouse kills the process of the ClickHouse inside, as the log tells
// it.
func (b *backend) killClickHouse(t *testing.T) {
	pid := 0
	for line := range strings.Lines(b.log.String()) {
		var record struct {
			Msg string
			PID int
		}
		if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "embedded ClickHouse answers" {
			pid = record.PID
		}
	}
	if pid <= 0 { // 0 would be our own process group
		t.Errorf("no process of ClickHouse in the log:\n%s", b.log)
		return
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("kill ClickHouse: %v", err)
	}
}

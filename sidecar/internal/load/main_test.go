package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"

	"github.com/podflame/podflame/sidecar/internal/push"
)

var (
	program = flag.String("load.backend", "", "path of the backend to load; empty: none is, and nothing measured")
	windows = flag.Int("load.windows", 50_000, "windows of TestManyWindows")
	soak    = flag.Duration("load.soak", 45*time.Minute, "how long TestSoak runs")
	pods    = flag.Int("load.pods", 1_000, "sidecars of TestFleetAfterAnOutage")
	steady  = flag.Int("load.steady", 10_000, "pods of TestManyPods")
	length  = flag.Duration("load.length", 15*time.Minute, "how long TestManyPods runs")
	outage  = flag.Duration("load.outage", 90*time.Second, "how long the backend is away in TestFleetAfterAnOutage")
	freeze  = flag.Duration("load.freeze", time.Minute, "how long ClickHouse is frozen in TestFreeze")
)

// patience bounds waits for a state.
const patience = 2 * time.Minute

// asSidecars is how long sidecars wait for an answer.
const asSidecars = 10 * time.Second

// backend is a running backend with the ClickHouse inside.
type backend struct {
	doors   map[string]string // addresses by name, of people, sidecars and operations
	process *exec.Cmd
	args    []string
	began   time.Time
	cpu     spent // when the measurement began
}

// spent are CPU seconds: of the backend, of the ClickHouse inside, and of who loads
// them, which takes from the same cores.
type spent struct{ backend, clickhouse, load float64 }

func (s spent) since(before spent) spent {
	return spent{s.backend - before.backend, s.clickhouse - before.clickhouse, s.load - before.load}
}

// maxTold bounds the warnings of a backend that are printed: hostile senders make many.
const maxTold = 50

// startBackend starts one in a directory of its own.
func startBackend(t *testing.T, args ...string) *backend {
	t.Helper()
	if *program == "" {
		t.Skip("run by hand: make load")
	}
	b := &backend{args: append([]string{"serve", "--data-dir=" + filepath.Join(t.TempDir(), "data")}, args...)}
	b.start(t, "127.0.0.1:0")
	t.Cleanup(func() { b.stop(t) })
	return b
}

// start starts it with doors of their own, as it has in a cluster. That of sidecars is
// at an address; all of them come from that of this host, which counts as many.
func (b *backend) start(t *testing.T, sidecars string) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	many := strconv.Itoa(2 * max(*pods, *steady, 1000))
	b.process = exec.Command(*program, append(b.args, "--listen=127.0.0.1:0", "--listen-operations=127.0.0.1:0", "--listen-sidecars="+sidecars,
		"--sidecar-connections-per-address="+many)...)
	b.process.Stderr = writer
	b.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := b.process.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	opened := make(chan map[string]string, 1)
	go func() {
		defer reader.Close()
		doors, told := map[string]string{}, 0
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			var record struct{ Level, Msg, Door, Address string }
			if json.Unmarshal(lines.Bytes(), &record) == nil && record.Msg == "backend serves" {
				if doors[record.Door] = record.Address; len(doors) == 3 {
					opened <- doors
				}
			} else if record.Level == "ERROR" || record.Level == "WARN" && told < maxTold {
				told++
				fmt.Fprintln(os.Stderr, lines.Text())
			}
		}
	}()
	select {
	case b.doors = <-opened:
	case <-time.After(patience):
		t.Fatal("the backend does not serve")
	}
	for deadline := time.Now().Add(patience); b.get(operations, "/readyz") != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the backend is not ready: %v", b.get(operations, "/readyz"))
		}
	}
	b.begin(t)
}

// settle waits until the backend is done with what begins with it, and with merging
// what it was sent.
func (b *backend) settle(t *testing.T) {
	t.Helper()
	const look, idle = time.Second, 0.1 // of a core
	deadline := time.Now().Add(patience)
	for before := b.spent(t); ; {
		time.Sleep(look)
		now := b.spent(t)
		if used := now.since(before); used.backend+used.clickhouse < idle*look.Seconds() {
			return
		}
		if before = now; time.Now().After(deadline) {
			t.Fatalf("the backend does not come to rest within %s", patience)
		}
	}
}

// begin begins a measurement of time and CPU.
func (b *backend) begin(t *testing.T) { b.began, b.cpu = time.Now(), b.spent(t) }

func (b *backend) stop(t *testing.T) {
	if b.process == nil {
		return
	}
	_ = b.process.Process.Signal(syscall.SIGTERM)
	if err := b.process.Wait(); err != nil {
		t.Errorf("the backend ended: %v", err)
	}
	b.process = nil
}

// The doors.
const (
	people     = "people"
	sidecars   = "sidecars"
	operations = "operations"
)

func (b *backend) url(door string) string { return "http://" + b.doors[door] }

func (b *backend) get(door, path string) error {
	response, err := http.Get(b.url(door) + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// metrics asks the backend for its metrics: values by name and labels.
func (b *backend) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	response, err := http.Get(b.url(operations) + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	values := map[string]float64{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			values[name] = value
		}
	}
	return values
}

// retryable are the uploads that were told to come again.
func retryable(metrics map[string]float64) (n float64) {
	for name, value := range metrics {
		if strings.HasPrefix(name, `podflame_ingest_windows_total{outcome="retryable"`) {
			n += value
		}
	}
	return n
}

// outcomes are the uploads that were answered, by outcome and reason.
func outcomes(metrics map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		if labels, ok := strings.CutPrefix(name, "podflame_ingest_windows_total"); ok && metrics[name] > 0 {
			parts = append(parts, fmt.Sprintf("%s %.0f", labels, metrics[name]))
		}
	}
	return strings.Join(parts, ", ")
}

// processes are those of the backend and of the ClickHouse inside.
func (b *backend) processes(t *testing.T) []procfs.Proc {
	t.Helper()
	all, err := procfs.AllProcs()
	if err != nil {
		t.Fatal(err)
	}
	var ours []procfs.Proc
	for _, p := range all {
		stat, err := p.Stat()
		if err == nil && (p.PID == b.process.Process.Pid || stat.PPID == b.process.Process.Pid) {
			ours = append(ours, p)
		}
	}
	return ours
}

func (b *backend) spent(t *testing.T) (s spent) {
	for _, p := range b.processes(t) {
		stat, err := p.Stat()
		if err != nil {
			continue
		}
		if p.PID == b.process.Process.Pid {
			s.backend += stat.CPUTime()
		} else {
			s.clickhouse += stat.CPUTime()
		}
	}
	self, err := procfs.Self()
	if err != nil {
		t.Fatal(err)
	}
	stat, err := self.Stat()
	if err != nil {
		t.Fatal(err)
	}
	s.load = stat.CPUTime()
	return s
}

// peaks are the largest resident sets until now, in MiB.
func (b *backend) peaks(t *testing.T) (backend, clickhouse uint64) {
	for _, p := range b.processes(t) {
		status, err := p.NewStatus()
		if err != nil {
			continue
		}
		if p.PID == b.process.Process.Pid {
			backend = status.VmHWM >> 20
		} else {
			clickhouse = status.VmHWM >> 20
		}
	}
	return backend, clickhouse
}

// report states what was measured, and where.
func (b *backend) report(t *testing.T, windows, rows int, more string) {
	t.Helper()
	took, cpu := time.Since(b.began), b.spent(t).since(b.cpu)
	ours, theirs := b.peaks(t)
	t.Logf("%d windows, %d rows in %s: %.0f windows/s, %.0f rows/s; %s; peak memory %d MiB, of ClickHouse %d MiB; %s; %s",
		windows, rows, took.Round(10*time.Millisecond), float64(windows)/took.Seconds(), float64(rows)/took.Seconds(), cpu.per(rows), ours, theirs, outcomes(b.metrics(t)), more)
	t.Logf("on %s", machine())
	if ends := b.health(t).Store.Ended; ends != nil {
		t.Errorf("ClickHouse ended %d times, the last time by %q", ends.Count, ends.How)
	}
}

// per states what a row cost.
func (s spent) per(rows int) string {
	row := float64(max(rows, 1)) / 1e6
	return fmt.Sprintf("%.2f µs of CPU per row (backend %.2f, ClickHouse %.2f), and %.2f of who sent them", (s.backend+s.clickhouse)/row, s.backend/row, s.clickhouse/row, s.load/row)
}

func machine() string {
	load, _ := os.ReadFile("/proc/loadavg")
	cpu := ""
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(info) {
		if name, ok := bytes.CutPrefix(line, []byte("model name\t: ")); ok {
			cpu = string(bytes.TrimSpace(name))
			break
		}
	}
	return fmt.Sprintf("%d cores of %s, load %s", runtime.NumCPU(), cpu, bytes.TrimSpace(load))
}

// client is one of a sidecar.
func (b *backend) client(t *testing.T, timeout time.Duration) *push.Client {
	t.Helper()
	config := push.DefaultConfig()
	config.URL, config.Timeout = b.url(sidecars), timeout
	c, err := push.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// once uploads a window as it is.
func once(c *push.Client, body []byte) error {
	_, err := c.Window(context.Background(), body)
	return err
}

// untilTaken uploads a window until it is taken.
func untilTaken(t *testing.T, c *push.Client, body []byte) {
	for deadline := time.Now().Add(2 * patience); ; time.Sleep(time.Second) {
		err := once(c, body)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("not taken within %s: %v", 2*patience, err)
			return
		}
	}
}

func registry() *prometheus.Registry { return prometheus.NewRegistry() }

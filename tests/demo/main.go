// Command demo runs Podflame on this host and shows it at work: the backend
// with embedded ClickHouse and the UI, a small Java shop whose profile is known,
// a load on it, and a sidecar with windows of ten seconds. With --pid it
// profiles a JVM of yours instead of the shop. Ctrl-C ends everything it
// started and leaves no file, process or profiler session behind.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/podflame/podflame/tests/internal/stack"
)

// checkoutsPerSecond keep about a fifth of a core busy.
const checkoutsPerSecond = 40

type options struct {
	Build   string        `default:"build" type:"existingdir" help:"Directory with the built programs."`
	Java    string        `default:"tests/demo/java" type:"existingdir" help:"Sources of the demo shop."`
	Listen  string        `default:"127.0.0.1:8080" help:"Address of the UI."`
	PID     int           `env:"DEMO_PID" help:"Profile this JVM instead of the demo shop."`
	Window  time.Duration `default:"10s" help:"Length of a window."`
	Timeout time.Duration `default:"3m" help:"How long to wait for the first flame graph."`
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("demo"), kong.Description("Runs Podflame on this host, with a Java service to look at."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if err := addressFree(ctx, o.Listen); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "podflame-demo-")
	if err != nil {
		return fmt.Errorf("make a scratch directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	// The JVM, which may be another user's, reads the library in here.
	if err := os.Chmod(work, 0o755); err != nil { //nolint:gosec // see above
		return fmt.Errorf("open the scratch directory: %w", err)
	}
	d := &demo{options: o, paths: stack.Paths{Build: o.Build, Work: work, Java: o.Java}}
	defer d.stop()
	if err := d.start(ctx); err != nil {
		return err
	}
	return d.watch(ctx)
}

func addressFree(ctx context.Context, address string) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("the UI cannot listen on %s: %w; choose another address: make demo DEMO_LISTEN=127.0.0.1:PORT", address, err)
	}
	return l.Close()
}

// demo is what runs; stop ends it in the reverse order.
type demo struct {
	options
	paths     stack.Paths
	service   string
	backend   *stack.Backend
	sidecar   *stack.Process
	processes []*stack.Process
	endLoad   context.CancelFunc
	load      sync.WaitGroup
}

func (d *demo) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	if d.PID != 0 {
		if err := runs(d.PID); err != nil {
			return err
		}
		var ended context.CancelCauseFunc
		ctx, ended = context.WithCancelCause(ctx)
		defer ended(nil)
		go follow(ctx, d.PID, ended)
	}
	say("starting the backend with embedded ClickHouse")
	backend, err := stack.StartBackend(ctx, d.paths, d.Listen)
	if err != nil {
		return err
	}
	d.backend = backend
	d.processes = append(d.processes, backend.Process)
	pid, err := d.startService(ctx)
	if err != nil {
		return err
	}
	say("starting the sidecar on JVM %d, windows of %s", pid, d.Window)
	d.sidecar, err = stack.StartSidecar(d.paths, backend.URL, pid, d.Window, d.service)
	if err != nil {
		return err
	}
	d.processes = append(d.processes, d.sidecar)
	say("waiting for the first window, at most %s", d.Timeout)
	if err := d.backend.WaitFlame(ctx, d.service, "cpu", d.sidecar); err != nil {
		return cmp.Or(causeOf(ctx), err)
	}
	return nil
}

// runs returns an error if there is no such process.
func runs(pid int) error {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("there is no process %d (DEMO_PID): %w; build/sidecar targets lists the JVMs of this host", pid, err)
	}
	return nil
}

// follow calls ended when the process has ended.
func follow(ctx context.Context, pid int, ended context.CancelCauseFunc) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if err := runs(pid); err != nil {
				ended(err)
				return
			}
		}
	}
}

// causeOf is why a context was cancelled, if somebody has said so.
func causeOf(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return cause
	}
	return nil
}

// startService starts the shop and its load, or takes the user's JVM.
func (d *demo) startService(ctx context.Context) (pid int, err error) {
	if d.PID != 0 {
		d.service = fmt.Sprintf("jvm-%d", d.PID)
		return d.PID, nil
	}
	d.service = "shop"
	say("starting the demo shop and a load on it")
	shop, err := stack.StartShop(ctx, d.paths)
	if err != nil {
		return 0, err
	}
	d.processes = append(d.processes, shop.Process)
	loadContext, end := context.WithCancel(context.Background()) //nolint:contextcheck // ends in stop, in order
	d.endLoad = end
	d.load.Go(func() { shop.Load(loadContext, checkoutsPerSecond) })
	return shop.PID(), nil
}

// watch tells what to look at and waits for Ctrl-C, or for a process that ends
// too early.
func (d *demo) watch(ctx context.Context) error {
	page := d.backend.URL + "/profile?" + url.Values{"service": {d.service}, "namespace": {"demo"}}.Encode()
	fmt.Printf("\nPodflame is running:\n\n    %s\n\n", page)
	if d.PID == 0 {
		fmt.Print("What to look at:\n" +
			"  cpu    shop.Pricing: applyDiscounts takes three parts, computeTax one\n" +
			"  alloc  shop.Receipt: page makes four parts of the bytes, line one\n" +
			"  lock   shop.Stock waits for a monitor, shop.Ledger for a ReentrantLock\n")
	}
	fmt.Printf("Logs are in %s until you stop.\nStop with Ctrl-C.\n", d.paths.Work)
	ended := make(chan *stack.Process, len(d.processes))
	for _, p := range d.processes {
		go func() { <-p.Done(); ended <- p }()
	}
	select {
	case <-ctx.Done():
		return nil
	case p := <-ended:
		return fmt.Errorf("%s has ended; its log ends:\n%s", p.Name(), p.LogTail())
	}
}

func (d *demo) stop() {
	say("stopping")
	if d.sidecar != nil {
		d.sidecar.Stop() // ends its profiler session while the JVM still runs
	}
	if d.endLoad != nil {
		d.endLoad()
		d.load.Wait()
	}
	for _, v := range slices.Backward(d.processes) {
		if !v.Exited() {
			v.Stop()
		}
	}
	say("stopped; nothing of it is left (%s is removed)", filepath.Base(d.paths.Work))
}

func say(format string, args ...any) { fmt.Printf("demo: "+format+"\n", args...) }

package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/tests/cluster/images"
	"github.com/podflame/podflame/tests/cluster/kube"
)

// mode says what is run: ACCEPTANCE is empty (only what needs no cluster), "smoke"
// (install and uninstall), "all", or names of parts by commas.
var mode = os.Getenv("ACCEPTANCE")

// parts are what runs between install and uninstall, or after it: all but the ten
// minutes of high volume belong to "all".
var parts = []string{"workloads", "terminal", "faults", "latency", "ui", "upgrade", "high-volume"}

func wantsPart(name string) bool {
	return mode == "all" && name != "high-volume" || slices.Contains(strings.Split(mode, ","), name)
}

// onlyClaims, a pattern, chooses among the claims of the parts; what others stand
// on always runs.
var onlyClaims = regexp.MustCompile(os.Getenv("ACCEPTANCE_CLAIMS"))

// lab is what all tests share. They run one after the other, in the order of
// the files' names, on one installation.
type lab struct {
	*kube.Cluster
	node     *kube.Node // nil on somebody else's cluster
	lacks    []string   // images of the workloads that a node of it does not have
	workshop images.Workshop
	root     string
	report   *Report
	backend  *backend
	deadline time.Time
}

var shared *lab

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if mode == "" {
		return m.Run(), nil
	}
	directory, err := os.MkdirTemp("", "podflame-acceptance-")
	if err != nil {
		return 1, fmt.Errorf("make a folder for the cluster: %w", err)
	}
	defer os.RemoveAll(directory)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	l, err := newLab(ctx, directory)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	l.deadline = time.Now().Add(runLimit)
	shared = l
	code = m.Run()
	if len(l.report.Results) == 0 {
		return code, nil
	}
	return code, l.writeReport(false)
}

// writeReport stores what was seen until now: a run of an hour that is broken off
// has something to tell, too.
func (l *lab) writeReport(unfinished bool) error {
	l.report.Seconds, l.report.Unfinished = time.Since(l.report.Started).Seconds(), unfinished
	return l.report.Write(l.reportFolder())
}

// reportFolder is the repository's for a whole run: make says so.
func (l *lab) reportFolder() string {
	if folder := os.Getenv("ACCEPTANCE_REPORT"); folder != "" {
		return folder
	}
	return filepath.Join(l.root, "build", "acceptance")
}

func newLab(ctx context.Context, directory string) (*lab, error) {
	binaries, err := kube.Find()
	if err != nil {
		return nil, err
	}
	root, err := kube.RepositoryRoot()
	if err != nil {
		return nil, err
	}
	l := &lab{root: root, workshop: images.Workshop{Root: root, Cache: filepath.Dir(binaries.Cache), Folder: directory}}
	if kubeconfig := os.Getenv("KUBECONFIG"); kubeconfig != "" {
		err = l.connect(ctx, binaries, kubeconfig, directory)
	} else {
		err = l.startNode(ctx, binaries, filepath.Join(directory, "node"))
	}
	if err != nil {
		return nil, err
	}
	l.backend = &backend{cluster: l.Cluster}
	l.report, err = l.newReport(ctx)
	return l, err
}

// connect takes somebody else's cluster, and refuses one that has Podflame or its
// demo: the run ends with their removal.
func (l *lab) connect(ctx context.Context, binaries kube.Binaries, kubeconfig, directory string) (err error) {
	if l.Cluster, err = kube.Connect(binaries, kubeconfig, directory); err != nil {
		return err
	}
	for _, name := range []string{systemNamespace, demoNamespace} {
		_, err := l.Client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			return fmt.Errorf("the cluster of %s has a namespace %s: acceptance installs Podflame and removes it in the end", kubeconfig, name)
		}
		if !kube.IsGone(err) {
			return fmt.Errorf("look for namespace %s: %w", name, err)
		}
	}
	l.lacks, err = l.lackingImages(ctx)
	return err
}

// lackingImages are those of the workloads that a node which takes pods does not
// tell. A kubelet tells 50 images unless it is told otherwise (--node-status-max-images).
func (l *lab) lackingImages(ctx context.Context) (lacking []string, err error) {
	nodes, err := l.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the nodes: %w", err)
	}
	for _, node := range nodes.Items {
		if node.Spec.Unschedulable {
			continue
		}
		var has []string
		for _, image := range node.Status.Images {
			has = append(has, image.Names...)
		}
		for _, name := range images.WorkloadNames() {
			if !slices.Contains(has, name) && !slices.Contains(lacking, name) {
				lacking = append(lacking, name)
			}
		}
	}
	return lacking, nil
}

// skipElsewhere leaves a part out on somebody else's cluster, and says so in the
// report.
func (l *lab) skipElsewhere(t *testing.T, part string) {
	t.Helper()
	if l.node == nil {
		l.skip(t, part, "this is not a cluster of ours: nothing is broken on it, and no image is put there")
	}
}

// skipWithoutImages leaves a part out where its pods could not start.
func (l *lab) skipWithoutImages(t *testing.T, part string) {
	t.Helper()
	if len(l.lacks) > 0 {
		l.skip(t, part, fmt.Sprintf("nodes lack %s; load the archives that `make workload-images` writes", strings.Join(l.lacks, ", ")))
	}
}

func (l *lab) skip(t *testing.T, part, reason string) {
	t.Helper()
	l.report.leaveOut(part, reason)
	t.Skip(reason)
}

func (l *lab) startNode(ctx context.Context, binaries kube.Binaries, directory string) error {
	own := filepath.Join(l.root, "build", "images.tar")
	if _, err := os.Stat(own); err != nil {
		return fmt.Errorf("find Podflame's images: %w; run make images", err)
	}
	archives, err := l.workshop.Node(ctx)
	if err != nil {
		return err
	}
	if err := os.Mkdir(directory, 0o700); err != nil {
		return fmt.Errorf("make a folder for the node: %w", err)
	}
	if l.node, err = kube.StartNode(ctx, binaries, directory, append(archives, own)...); err != nil {
		return err
	}
	l.Cluster = l.node.Cluster
	return nil
}

func (l *lab) close() error {
	if l.node != nil {
		return l.node.Stop()
	}
	return l.Stop()
}

func (l *lab) newReport(ctx context.Context) (*Report, error) {
	server, err := l.Client.Discovery().ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("ask the cluster for its version: %w", err)
	}
	version, err := exec.CommandContext(ctx, "git", "-C", l.root, "describe", "--tags", "--always").Output()
	if err != nil {
		return nil, fmt.Errorf("describe the commit: %w", err)
	}
	load, _ := os.ReadFile("/proc/loadavg")
	machine := fmt.Sprintf("%s/%s, %d cores, cgroup v%d, load average at the start %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cgroupVersion(), strings.Join(strings.Fields(string(load))[:1], ""))
	return &Report{Started: time.Now(), Version: strings.TrimSpace(string(version)), Kubernetes: server.GitVersion, Machine: machine}, nil
}

// cgroupVersion is that of this host's memory limits.
func cgroupVersion() int {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return 2
	}
	return 1
}

// step is a test that is a claim of the report.
type step struct {
	*testing.T
	ctx     context.Context
	started time.Time
	limit   time.Duration
	warm    time.Time // from when on samples are judged
	result  *Result
}

// A step takes stepLimit at most unless it says otherwise, all of them runLimit:
// what is left when that is over fails at once.
const (
	stepLimit = 3 * time.Minute
	runLimit  = 90 * time.Minute
)

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// claim runs one step, if it is wanted, and says whether it held. It needs a
// cluster.
func claim(t *testing.T, group, text string, check func(s *step)) bool {
	t.Helper()
	return claimWithin(t, stepLimit, group, text, check)
}

func claimWithin(t *testing.T, limit time.Duration, group, text string, check func(s *step)) bool {
	t.Helper()
	return !onlyClaims.MatchString(text) || require(t, limit, group, text, check)
}

// require is a claim that others stand on.
func require(t *testing.T, limit time.Duration, group, text string, check func(s *step)) bool {
	t.Helper()
	return t.Run(text, func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), earlier(time.Now().Add(limit), shared.deadline))
		defer cancel()
		s := &step{T: t, ctx: ctx, started: time.Now(), limit: limit, result: &Result{Group: group, Claim: text}}
		s.warm = s.started.Add(warmUp)
		defer func() {
			s.result.Passed, s.result.Seconds = !t.Failed() && !t.Skipped(), time.Since(s.started).Seconds()
			if !t.Skipped() {
				shared.report.add(s.result)
				if err := shared.writeReport(true); err != nil {
					s.Error(err)
				}
			}
		}()
		check(s)
	})
}

// measure puts a value into the report.
func (s *step) measure(format string, values ...any) {
	s.result.measure(fmt.Sprintf(format, values...))
	s.Logf(format, values...)
}

func (s *step) Errorf(format string, values ...any) {
	s.Helper()
	s.result.fail(fmt.Sprintf(format, values...))
	s.T.Errorf(format, values...)
}

func (s *step) Fatalf(format string, values ...any) {
	s.Helper()
	s.result.fail(fmt.Sprintf(format, values...))
	s.T.Fatalf(format, values...)
}

func (s *step) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%v", err)
	}
}

// until polls until a condition holds or the step's time is over; the string
// says what is the case.
func (s *step) until(what string, condition func() (bool, string)) {
	s.Helper()
	s.within(s.limit, what, condition)
}

func (s *step) within(limit time.Duration, what string, condition func() (bool, string)) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	var last string
	for {
		holds, seen := condition()
		if holds {
			return
		}
		if ctx.Err() == nil { // else it says no more than that the time is over
			last = seen
		}
		select {
		case <-ctx.Done():
			s.Fatalf("not within %s: %s; last seen: %s", limit, what, last)
		case <-ticker.C:
		}
	}
}

// needsCluster skips a test where there is none to run on, and refuses parts that
// there are not.
func needsCluster(t *testing.T) {
	t.Helper()
	if mode == "" {
		t.Skipf("ACCEPTANCE is not set; make acceptance runs this on a cluster: all, smoke, or some of %v", parts)
	}
	for name := range strings.SplitSeq(mode, ",") {
		if name != "all" && name != "smoke" && !slices.Contains(parts, name) {
			t.Fatalf("ACCEPTANCE names %q, which is neither all nor smoke nor one of %v", name, parts)
		}
	}
}

package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	pprof "github.com/google/pprof/profile"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/profile"
)

func TestExportCollapsed(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	all := merged(h.store.windows, profile.CPU)
	for amount, wanted := range map[string]func(profile.Stack) int64{
		"value": func(s profile.Stack) int64 { return s.Value }, "count": func(s profile.Stack) int64 { return s.Count },
	} {
		want := map[string]int64{}
		for _, s := range all.Stacks {
			want[strings.Join(namesOf(&all, s), ";")] += wanted(s)
		}
		w := h.Get(t, "/api/v1/export?format=collapsed&amount="+amount+"&"+selection+hour)
		got := map[string]int64{}
		for line := range strings.Lines(w.Body.String()) {
			at := strings.LastIndex(line, " ")
			got[line[:at]] += number(t, strings.TrimSpace(line[at+1:]))
		}
		if !maps.Equal(got, want) {
			t.Errorf("amount %q: %d lines, want %d", amount, len(got), len(want))
		}
		if name := w.Header().Get("Content-Disposition"); !strings.Contains(name, `"checkout.cpu.2026`) || !strings.Contains(name, `.collapsed.txt"`) {
			t.Errorf("name is %q", name)
		}
	}
}

// A file has every stack by itself, so some nodes can be any number of frames.
func TestExportIsBoundedInFrames(t *testing.T) {
	frames := int64(0)
	windows := tenMinutes()
	set := merged(windows, profile.CPU)
	for _, s := range set.Stacks {
		frames += int64(len(s.Frames))
	}
	for limit, status := range map[int64]int{frames - 1: http.StatusUnprocessableEntity, frames: http.StatusOK} {
		h := newHarness(t, func(c *Config) { c.Limits.ExportFrames = limit })
		h.store.windows = windows
		w := h.Get(t, "/api/v1/export?format=collapsed&nodes=262144&"+selection+hour)
		if w.Code != status {
			t.Errorf("%d frames, %d may be: %d %.200s", frames, limit, w.Code, w.Body)
		}
		if status != http.StatusOK {
			if e := apitest.Refused(t, w, status, profile.QueryTooExpensive); e.Actual != frames || !strings.Contains(e.Message, "--export-frames") {
				t.Errorf("the error is %+v", e)
			}
		}
	}
}

// What the limit leaves out is in the file, so its total is right.
func TestExportAddsUpHoweverSmall(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	h.store.omitted = profile.Amount{Value: 7, Count: 1}
	all := merged(h.store.windows, profile.CPU)
	want := all.Total().Add(h.store.omitted)
	for _, nodes := range []int{1, 20, 262144} {
		w := h.Get(t, fmt.Sprintf("/api/v1/export?format=pprof&nodes=%d&%s%s", nodes, selection, hour))
		p, err := pprof.ParseData(w.Body.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		var sum profile.Amount
		for _, s := range p.Sample {
			sum = sum.Add(profile.Amount{Count: s.Value[0], Value: s.Value[1]})
		}
		if sum != want || p.DefaultSampleType != "cpu" || !slices.ContainsFunc(p.Comments, func(c string) bool { return strings.HasPrefix(c, "windows: 10 of 10") }) {
			t.Errorf("%d nodes: pprof has %+v, want %+v; comments %q", nodes, sum, want, p.Comments)
		}
		var file struct {
			Shared   struct{ Frames []struct{ Name string } }
			Profiles []struct {
				Unit     string
				EndValue int64
				Samples  [][]int
				Weights  []int64
			}
		}
		if err := json.Unmarshal(h.Get(t, fmt.Sprintf("/api/v1/export?format=speedscope&nodes=%d&%s%s", nodes, selection, hour)).Body.Bytes(), &file); err != nil {
			t.Fatal(err)
		}
		for i, wanted := range []int64{want.Value, want.Count} {
			p, sum := file.Profiles[i], int64(0)
			for _, w := range p.Weights {
				sum += w
			}
			if sum != wanted || p.EndValue != wanted || len(p.Samples) != len(p.Weights) {
				t.Errorf("%d nodes: speedscope has %d %s, want %d", nodes, sum, p.Unit, wanted)
			}
		}
	}
	apitest.Refused(t, h.Get(t, "/api/v1/export?format=svg&"+selection+hour), 400, profile.BadParameter)
	apitest.Refused(t, h.Get(t, "/api/v1/export?"+selection+hour), 400, profile.BadParameter)
	apitest.Refused(t, h.Get(t, "/api/v1/export?format=collapsed&amount=both&"+selection+hour), 400, profile.BadParameter)
}

// pprof itself, on the export, says what the table says: another program and
// another algorithm.
func TestPprofAgreesWithTheTable(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	file := filepath.Join(t.TempDir(), "export.pb.gz")
	if err := os.WriteFile(file, h.Get(t, "/api/v1/export?format=pprof&"+selection+hour).Body.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	table := apitest.Decode[api.Top](t, h.Get(t, "/api/v1/top?limit=10000&"+selection+hour))
	rows := pprofTop(t, file)
	for _, f := range table.Functions {
		if got := rows[f.Name]; got != [2]int64{f.Self.Value, f.Total.Value} {
			t.Errorf("pprof says flat and cum of %s are %v, the table %d and %d", f.Name, got, f.Self.Value, f.Total.Value)
		}
		delete(rows, f.Name)
	}
	if len(rows) > 0 || len(table.Functions) < 20 {
		t.Errorf("pprof has %v beside the %d of the table", rows, len(table.Functions))
	}
	all := merged(h.store.windows, profile.CPU)
	compared := 0
	for _, f := range table.Functions {
		if !calledOnce(&all, f.Name) || compared == 3 {
			continue
		}
		compared++
		above, below := pprofPeek(t, file, f.Name)
		for side, want := range map[string]map[string]int64{"callers": above, "callees": below} {
			graph := apitest.Decode[api.Flame](t, h.Get(t, "/api/v1/"+side+"?nodes=262144&function="+url.QueryEscape(f.Name)+"&"+selection+hour))
			if got := secondLevel(treeOf(graph.Graph)); !maps.Equal(got, want) {
				t.Errorf("%s of %s are %v, pprof says %v", side, f.Name, got, want)
			}
		}
	}
	if compared == 0 {
		t.Error("no function without recursion was compared")
	}
}

// calledOnce reports whether a function is in no stack twice. Where it is, pprof
// counts each edge, and a sandwich the outermost call.
func calledOnce(set *profile.StackSet, name string) bool {
	return !slices.ContainsFunc(set.Stacks, func(s profile.Stack) bool {
		names := namesOf(set, s)
		i := slices.Index(names, name)
		return i >= 0 && slices.Contains(names[i+1:], name)
	})
}

// secondLevel are the totals of the nodes two below the root.
func secondLevel(t *calltree.Graph) map[string]int64 {
	out := map[string]int64{}
	totals := t.Totals(0)
	for node := 1; node < len(t.Parent); node++ {
		if up := t.Parent[node]; up > 0 && t.Parent[up] == 0 {
			out[t.Functions[t.Function[node]].Name] += totals[node].Value
		}
	}
	return out
}

func runPprof(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool", "pprof", "-unit=ns", "-nodefraction=0", "-edgefraction=0", "-nodecount=100000"}, args...)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", cmd.Args, err, log.String())
	}
	return string(out)
}

// pprofTop returns flat and cum of each function.
func pprofTop(t *testing.T, file string) map[string][2]int64 {
	line := regexp.MustCompile(`^ *(\d+)(?:ns)? +[\d.]+% +[\d.]+% +(\d+)(?:ns)? +[\d.]+% +(.+)$`)
	out := map[string][2]int64{}
	for text := range strings.Lines(runPprof(t, "-top", file)) {
		if m := line.FindStringSubmatch(strings.TrimRight(text, "\n")); m != nil {
			out[m[3]] = [2]int64{number(t, m[1]), number(t, m[2])}
		}
	}
	return out
}

// pprofPeek returns the callers and callees of a function.
func pprofPeek(t *testing.T, file, name string) (above, below map[string]int64) {
	edge := regexp.MustCompile(`^ +(\d+)(?:ns)? +[\d.]+% \| +(.+)$`)
	node := regexp.MustCompile(`^ *\d+(?:ns)? +[\d.]+% +[\d.]+% +\d+(?:ns)? +[\d.]+% +\| (.+)$`)
	above, below = map[string]int64{}, map[string]int64{}
	into := above
	for text := range strings.Lines(runPprof(t, "-peek=^"+regexp.QuoteMeta(name)+"$", file)) {
		text = strings.TrimRight(text, "\n")
		if node.MatchString(text) {
			into = below
		} else if m := edge.FindStringSubmatch(text); m != nil {
			into[m[2]] += number(t, m[1])
		}
	}
	return above, below
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

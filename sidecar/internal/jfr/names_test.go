package jfr

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr/jfrtest"
)

// namesOf returns the names of a recording's functions of a kind, sorted.
func namesOf(t *testing.T, recording string, kind profile.Kind) []string {
	t.Helper()
	f, layout := openFixture(t, recording)
	o := DefaultOptions()
	r := decode(f, layout.Chunks, &o, func(int) {})
	var names []string
	for _, set := range r.Sets {
		for _, f := range set.Functions {
			if f.Kind == kind {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

// The same program has the same names in each JVM.
func TestNamesAreTheSameInEachRun(t *testing.T) {
	generated := func(recording string) []string {
		var classes []string
		names := namesOf(t, recording, profile.Java)
		for _, want := range []string{"Lam$$Lambda.applyAsInt", "java.lang.invoke.LambdaForm$MH.invoke_MT"} {
			if !slices.Contains(names, want) {
				t.Errorf("there is no %s in %s", want, recording)
			}
		}
		for _, name := range names {
			if class := name[:strings.LastIndexByte(name, '.')]; strings.Contains(class, "$$Lambda") || strings.Contains(class, "LambdaForm$") {
				classes = append(classes, class)
			}
		}
		slices.Sort(classes)
		return slices.Compact(classes)
	}
	if diff := cmp.Diff(generated("lambda-jdk11-run0"), generated("lambda-jdk11-run1")); diff != "" {
		t.Errorf("generated classes of two runs (-first +second):\n%s", diff)
	}
}

// Classes of a user stay apart although their names look generated.
func TestClassesOfAUserStayApart(t *testing.T) {
	f, layout := openFixture(t, "names-merged")
	o := DefaultOptions()
	r := decode(f, layout.Chunks, &o, func(int) {})
	counts := map[string]int64{}
	for _, s := range r.Sets[0].Stacks {
		for _, f := range s.Frames {
			if name := r.Sets[0].Functions[f].Name; strings.Contains(name, "$ByteBuddy$") {
				counts[name[strings.LastIndexByte(name, '$')+1:strings.LastIndexByte(name, '.')]] += s.Count
			}
		}
	}
	if diff := cmp.Diff(map[string]int64{"ModuleSupport": 38, "Interceptors": 135}, counts); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

// Each name of the rules goes through a recording, as the JVM writes it.
func TestGeneratedNamesOfARecording(t *testing.T) {
	c := jfrtest.NewChunk()
	c.Profiler("perf_events", "cpu", "0")
	want := map[string]bool{}
	for _, rule := range profile.NameRules() {
		for _, e := range rule.Examples {
			if strings.HasSuffix(e.Recorded, "[]") || strings.Contains(e.Recorded, "/") {
				continue // no method, or a form that is delivered with dots
			}
			dot := strings.LastIndexByte(e.Recorded, '.')
			internal := strings.ReplaceAll(e.Recorded[:dot], ".", "/")
			stack := c.Stack(internal + e.Recorded[dot:])
			c.Event(executionSample, jfrtest.Fields{"stackTrace": stack, "state": jfrtest.StateDefault})
			want[e.Stored] = true
		}
	}
	r := decodeChunks(t, DefaultOptions(), c)
	got := map[string]bool{}
	for _, f := range r.Sets[0].Functions {
		got[f.Name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 20 {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// modified encodes as the JVM does.
func modified(s string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		if unit == 0 {
			b = append(b, 0xC0, 0x80)
			continue
		}
		if unit < 0x80 {
			b = append(b, byte(unit))
			continue
		}
		if unit < 0x800 {
			b = append(b, 0xC0|byte(unit>>6), 0x80|byte(unit&0x3F))
			continue
		}
		b = append(b, 0xE0|byte(unit>>12), 0x80|byte(unit>>6&0x3F), 0x80|byte(unit&0x3F))
	}
	return string(b)
}

func TestModifiedUTF8(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		if got := string(fromModified([]byte(modified(s)))); got != s {
			t.Fatalf("%q becomes %q", s, got)
		}
	})
	for _, broken := range []string{"\xED", "\xED\xA0\x80", "\xED\xA0\x80\xED", "\xC0", "a\xED\xB0\x80"} {
		if got := fromModified([]byte(broken)); string(got) != broken {
			t.Errorf("%q becomes %q", broken, got)
		}
	}
	c := jfrtest.NewChunk()
	c.Profiler("perf_events", "cpu", "0")
	stack := c.Stack("app/" + modified("\U0001F600\U00020BB7") + "." + modified("f\u00e9\U0001D4D0"))
	c.Event(executionSample, jfrtest.Fields{"stackTrace": stack, "state": jfrtest.StateDefault})
	r := decodeChunks(t, DefaultOptions(), c)
	if got, want := r.Sets[0].Functions[0].Name, "app.\U0001F600\U00020BB7.f\u00e9\U0001D4D0"; got != want || !utf8.ValidString(got) {
		t.Errorf("name %q, want %q", got, want)
	}
}

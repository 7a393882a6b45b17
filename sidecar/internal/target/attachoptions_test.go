package target

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const disable, enable = "-XX:+DisableAttachMechanism", "-XX:-DisableAttachMechanism"

// Attach switched off, and -Xrs, are seen in every spelling that HotSpot and its
// launcher take.
func TestAttachOptions(t *testing.T) {
	files := map[string]string{
		"/args":    "# a comment\n-Xmx1g '-cp' \"a b\" " + disable + "\n",
		"/main":    "-cp x Main @args\n",
		"/cp":      "/app/a.jar:/app/b.jar",
		"/flags":   "# comment\n+DisableAttachMechanism\nMaxHeapSize=1g",
		"/options": "-Xmx1g \"-XX:+Disable\"AttachMechanism",
		"/joined":  "\"-XX:+Disable\\\n    AttachMechanism\"",
	}
	missing := func(name string) string { return "open " + name + ": file does not exist" }
	tests := []struct {
		line string
		env  []string
		want Options
	}{
		{line: "java Main"},
		{line: "java -cp /x Main " + disable + " -Xrs"},
		{line: "java -jar /app.jar " + disable},
		{line: "java -Xrs Main", want: Options{ReducedSignals: true}},
		{line: "java -XX:+ReduceSignalUsage Main", want: Options{ReducedSignals: true}},
		{line: "java " + disable + " Main", want: Options{AttachDisabled: true}},
		{line: "java " + disable + " " + enable + " Main"},
		{line: "java -XX:-ReduceSignalUsage Main", env: []string{"JAVA_TOOL_OPTIONS=-Xrs"}},
		{line: "java Main", env: []string{"_JAVA_OPTIONS=" + disable}, want: Options{AttachDisabled: true}},
		{line: "java Main", env: []string{"JAVA_TOOL_OPTIONS='-XX:+DisableAttach'Mechanism"}, want: Options{AttachDisabled: true}},
		{line: "java Main", env: []string{`JDK_JAVA_OPTIONS="` + disable + `" -Dx=1`}, want: Options{AttachDisabled: true}},
		{line: "java Main", env: []string{"JDK_JAVA_OPTIONS=@/args"}, want: Options{AttachDisabled: true}},
		{line: "java @/args Main", want: Options{AttachDisabled: true}},
		{line: "java @/main", want: Options{}},
		{line: "java -cp @/cp Main @/nothing"},
		{line: "java @@/nothing Main"},
		{line: "java --disable-@files @/nothing Main"},
		{line: "java @/joined Main", want: Options{AttachDisabled: true}},
		{line: "java @/nothing Main", want: Options{Unread: missing("/nothing")}},
		{line: "java -XX:Flags=/flags Main", want: Options{AttachDisabled: true}},
		{line: "java -XX:Flags=/flags " + enable + " Main"},
		{line: "java -XX:Flags=/nothing Main", want: Options{Unread: missing("/nothing")}},
		{line: "java -XX:VMOptionsFile=/options Main", want: Options{AttachDisabled: true}},
		{line: "java " + enable + " -XX:VMOptionsFile=/options Main", want: Options{AttachDisabled: true}},
		{line: "java -XX:VMOptionsFile=/options " + enable + " Main"},
		{line: "java Main", env: []string{"JAVA_TOOL_OPTIONS=-XX:VMOptionsFile=/options"}, want: Options{AttachDisabled: true}},
		{line: "java " + strings.Repeat("@/args ", maxOptionFiles+1) + "Main", want: Options{AttachDisabled: true, Unread: "more than 16 option files"}},
	}
	for _, test := range tests {
		r := optionReader{read: func(name string) ([]byte, error) {
			if content, ok := files[name]; ok {
				return []byte(content), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}}
		r.all(strings.Fields(test.line), test.env)
		if diff := cmp.Diff(test.want, r.Options); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", test.line, test.env, diff)
		}
	}
}

// Files are read in the process's own root, and from its working directory.
func TestOptionFilesOfAContainer(t *testing.T) {
	r := newTree(t, proc{pid: 10, maps: []string{libjvm}, args: []string{"java", "@app.args", "Main"}})
	r.write("10/root/work/app.args", disable)
	r.link("10/cwd", "/work")
	p, err := r.finder().Process(10)
	if err != nil || p.Reason != "attach_disabled" {
		t.Errorf("process %+v, %v", p, err)
	}
}

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		split func(string) []string
		in    string
		want  []string
	}{
		{splitQuoted, "", nil},
		{splitQuoted, "  a\tb\n", []string{"a", "b"}},
		{splitQuoted, `a'b c'd "e\"f`, []string{"ab cd", `e\f`}},
		{splitQuoted, `# 'x`, []string{"#", "x"}},
		{splitFlags, "# c\n+A #b\n-C", []string{"+A", "-C"}},
		{splitArgFile, `"a\tb\"c\\" d\n`, []string{"a\tb\"c\\", `d\n`}},
		{splitArgFile, "\"a\\\n   b\\\r\n\tc\"", []string{"abc"}},
		{splitArgFile, `"a\`, []string{`a\`}},
	} {
		if diff := cmp.Diff(test.want, test.split(test.in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.in, diff)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("a 'b c' \"d\\\n e\" # f\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, split := range []func(string) []string{splitQuoted, splitFlags, splitArgFile} {
			n := 0
			for _, token := range split(s) {
				n += len(token)
			}
			if n > len(s) {
				t.Errorf("%q: tokens of %d bytes out of %d", s, n, len(s))
			}
		}
	})
}

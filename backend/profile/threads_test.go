package profile

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// What the names of threads become. Those that differ in what the group does not
// tell are of one group.
func TestThreadsOfAPoolAreOneGroup(t *testing.T) {
	groups := NewThreadGroups()
	for _, test := range []struct {
		group   string
		threads []string
	}{
		{"http-nio-8080-exec-#", []string{"http-nio-8080-exec-1", "http-nio-8080-exec-12", "http-nio-8080-exec-1234"}},
		{"https-jsse-nio-8443-exec-#", []string{"https-jsse-nio-8443-exec-3"}},
		{"http-nio-8080-Acceptor", []string{"http-nio-8080-Acceptor"}},
		{"ForkJoinPool-1-worker-#", []string{"ForkJoinPool-1-worker-3"}},
		{"ForkJoinPool.commonPool-worker-#", []string{"ForkJoinPool.commonPool-worker-11"}},
		{"pool-2-thread-#", []string{"pool-2-thread-7"}},
		{"pool-#-thread-#", []string{"pool-200-thread-7", "pool-1234567-thread-1"}},
		{"GC Thread#", []string{"GC Thread#3", "GC Thread#0"}},
		{"G1 Conc#", []string{"G1 Conc#0"}},
		{"C2 CompilerThread#", []string{"C2 CompilerThread0"}},
		{"C1 CompilerThread#", []string{"C1 CompilerThread14"}},
		{"VM Thread", []string{"VM Thread"}},
		{"main", []string{"main"}},
		{"Thread-#", []string{"Thread-0", "Thread-99999999999999999999999"}},
		{"qtp#-#", []string{"qtp1234567890-42"}},
		{"RMI TCP Connection(#)-#", []string{"RMI TCP Connection(12)-10.2.3.4", "RMI TCP Connection(3)-192.168.0.77"}},
		{"kafka-producer-network-thread | producer-#", []string{"kafka-producer-network-thread | producer-1"}},
		{"session #", []string{"session 123e4567-e89b-12d3-a456-426614174000", "session deadbeef01", "session 8f14e45fceea167a5a36dedd4bea2543"}},
		{"OkHttp https://#", []string{"OkHttp https://api.example.com/...", "OkHttp https://10.0.0.1:8443/v1"}},
		{"OkHttp #", []string{"OkHttp api.example.com", "OkHttp shop.svc.cluster.local", "OkHttp api.example.com:8443"}},
		{"com.mchange.v2.async.Runner$PoolThread-#", []string{"com.mchange.v2.async.Runner$PoolThread-#0"}},
		{"io.netty.util.Timer", []string{"io.netty.util.Timer"}},
		{"mail to #", []string{"mail to alice@example.com", "mail to b.o-b@shop.example.org"}},
		{"Finalizer for Thing@#", []string{"Finalizer for Thing@1f2e3d", "Finalizer for Thing@7"}},
		{"native #", []string{"native 0x7f00dead", "native 0xff"}},
		{"from #", []string{"from [fe80::1]:443", "from fe80:0:0:0:1"}},
		{"from ip-#", []string{"from ip-10-1-2-3.ec2.internal", "from ip-10-1-2-3"}},
		{"[tid=#]", []string{"[tid=7]", "[tid=123456]"}},
		{"(unnamed)", []string{"", " ", "\x00"}},
		{"日本-#", []string{"日本-5"}},
	} {
		for _, thread := range test.threads {
			if got := groups.Of(thread); got != test.group {
				t.Errorf("%q is of group %q, want %q", thread, got, test.group)
			}
		}
	}
}

func checkGroup(t interface{ Fatalf(string, ...any) }, name string) {
	groups := NewThreadGroups()
	group := groups.Of(name)
	if len(group) > MaxThreadGroup || group == "" || !utf8.ValidString(group) || strings.ContainsFunc(group, func(r rune) bool { return r < ' ' }) {
		t.Fatalf("%q is of group %q", name, group)
	}
	if again := groups.Of(group); again != group {
		t.Fatalf("%q is of group %q, which is of group %q", name, group, again)
	}
}

func FuzzThreadGroup(f *testing.F) {
	for _, name := range []string{"", "http-nio-8080-exec-12", "a@b.c", "::::", strings.Repeat("x1", 300), "\xff", "0x0x0", "é\u0301"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) { checkGroup(t, name) })
}

func TestThreadGroupOfAGroupIsTheGroup(t *testing.T) {
	part := rapid.SampledFrom([]string{
		"pool", "-", "7", "2048", "80", " ", "nio", "http-", "0x", "ff", ".", ":", "com", "@", "#", "(", ")", "[", "]", "=", "/", "é", "fe80::1", "10.1.2.3", "deadbeef9", "ip-1-2-3-4",
	})
	rapid.Check(t, func(t *rapid.T) {
		checkGroup(t, strings.Join(rapid.SliceOfN(part, 0, 40).Draw(t, "parts"), ""))
	})
}

// However many names there are, there are no more groups than can be kept.
func TestThreadGroupsAreBounded(t *testing.T) {
	groups, seen := NewThreadGroups(), map[string]bool{}
	for i := range 4 * maxThreadNames {
		name := "user"
		for ; i > 0; i /= 26 {
			name += string(rune('a' + i%26))
		}
		seen[groups.Of(name)] = true
	}
	if len(seen) > maxThreadNames+1 || !seen[OtherThreads] || len(groups.names) > maxThreadNames {
		t.Errorf("%d groups, %d names", len(seen), len(groups.names))
	}
}

// sumByFrames is what a set holds when threads are not told apart.
func sumByFrames(s *StackSet) StackSet {
	return StackSet{Type: s.Type, Functions: s.Functions, Stacks: withoutThreads(s.Stacks)}
}

// Telling threads apart changes no sum: not of the set, of a stack or of the
// ledger. If there is room for the stacks none is given up for their threads.
func TestThreadGroupsChangeNoSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{MaxStacks: rapid.IntRange(0, 12).Draw(t, "max stacks"), MaxThreads: rapid.IntRange(0, 4).Draw(t, "max threads")}
		apart, plain, distinct := NewBuilder(Lock, limits), NewBuilder(Lock, limits), NewBuilder(Lock, Limits{})
		for range rapid.IntRange(0, 60).Draw(t, "samples") {
			thread := rapid.SampledFrom([]string{"", "main", "pool-#", "GC Thread#", "a", "b", "c", OtherThreads}).Draw(t, "thread")
			frames, amount := genFrames(t, plain), genAmount(t)
			names := make([]uint32, len(frames))
			for i, f := range frames {
				names[i] = apart.Function(plain.functions[f].Name, plain.functions[f].Kind)
				distinct.Function(plain.functions[f].Name, plain.functions[f].Kind)
			}
			apart.AddIn(thread, names, amount)
			plain.Add(frames, amount)
			distinct.Add(names, amount)
		}
		set, coverage := apart.Build()
		whole, _ := distinct.Build()
		if err := (&Window{Sets: []StackSet{set}, Coverage: []Coverage{coverage}}).Check(); err != nil {
			t.Fatal(err)
		}
		if limits.MaxStacks > 0 && len(set.Stacks) > limits.MaxStacks {
			t.Fatalf("%d stacks, limit %d", len(set.Stacks), limits.MaxStacks)
		}
		if limits.MaxStacks == 0 || len(whole.Stacks) <= limits.MaxStacks {
			if diff := cmp.Diff(whole, sumByFrames(&set), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("without threads (-want +got):\n%s", diff)
			}
			if got := coverage.Sum(Truncated); got != (Amount{}) {
				t.Fatalf("%+v given up for threads", got)
			}
		}
		checkThreads(t, &set, &coverage, limits.MaxThreads)
	})
}

// checkThreads holds the groups of a set against the limit and the ledger.
func checkThreads(t *rapid.T, set *StackSet, coverage *Coverage, most int) {
	groups, other := map[string]bool{}, Amount{}
	for _, s := range set.Stacks {
		if s.Thread == OtherThreads {
			other = other.Add(Amount{s.Value, s.Count})
		} else if s.Thread != "" {
			groups[s.Thread] = true
		}
	}
	if most > 0 && len(groups) > most {
		t.Fatalf("%d groups, limit %d", len(groups), most)
	}
	told := Amount{}
	for _, l := range coverage.Losses {
		if l.Reason == ThreadLimit {
			told = told.Add(Amount{l.Value, l.Count})
		}
	}
	if told != other {
		t.Fatalf("%+v in %s, and the ledger says %+v", other, OtherThreads, told)
	}
}

// A window with thread groups is whole for who does not know them: the fields
// that an older backend reads are those of the window without them.
func TestThreadGroupsAreBesideTheStacks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genWindow(t)
		for i := range w.Sets {
			set := &w.Sets[i]
			older := appendStackSet(nil, new(sumByFrames(set)))
			if with := appendStackSet(nil, set); string(with[:len(older)]) != string(older) {
				t.Fatalf("%+v is %x, and without threads %x", set, with, older)
			}
		}
	})
}

func TestThreadGroupsThatDoNotAddUpAreRefused(t *testing.T) {
	b := NewBuilder(CPU, Limits{})
	f := b.Function("a.B.c", Java)
	b.AddIn("main", []uint32{f}, Amount{50, 5})
	b.AddIn("pool-#", []uint32{f}, Amount{30, 3})
	set, coverage := b.Build()
	w := exampleWindow(t)
	w.Sets, w.Coverage = []StackSet{set}, []Coverage{coverage}
	for name, change := range map[string]func(s *StackSet){
		"more in a group than in the stack": func(s *StackSet) { s.Stacks[1].Value = 1 << 60 },
		"group of a long name":              func(s *StackSet) { s.Stacks[1].Thread = strings.Repeat("x", 257) },
		"group that is no text":             func(s *StackSet) { s.Stacks[1].Thread = "\xff" },
	} {
		changed := *w
		changed.Sets = []StackSet{{Type: CPU, Functions: set.Functions, Stacks: append([]Stack(nil), set.Stacks...)}}
		change(&changed.Sets[0])
		encoded, err := Encode(&changed)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(encoded, DefaultDecodeLimits()); err == nil {
			t.Errorf("%s became %+v", name, got.Sets[0].Stacks)
		}
	}
	encoded, _ := Encode(w)
	for name, limits := range map[string]func(*DecodeLimits){
		"thread groups of a set": func(l *DecodeLimits) { l.MaxThreads = 1 },
		"stacks and thread":      func(l *DecodeLimits) { l.MaxStacks = 1 },
	} {
		tight := DefaultDecodeLimits()
		limits(&tight)
		if _, err := Decode(encoded, tight); err == nil || !strings.Contains(fmt.Sprint(err), name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
}

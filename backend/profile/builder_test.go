package profile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBuilderKeepsTheHeaviest(t *testing.T) {
	b := NewBuilder(CPU, Limits{MaxStacks: 2})
	main := b.Function("main", Java)
	for name, value := range map[string]int64{"light": 1, "heavy": 100, "middle": 10} {
		b.Add([]uint32{main, b.Function(name, Java)}, Amount{value, 1})
	}
	set, coverage := b.Build()
	want := StackSet{
		Type:      CPU,
		Functions: []Function{{"heavy", Java}, {"main", Java}, {"middle", Java}},
		Stacks:    []Stack{{[]uint32{1, 0}, 100, 1}, {[]uint32{1, 2}, 10, 1}},
	}
	if diff := cmp.Diff(want, set); diff != "" {
		t.Error(diff)
	}
	wantLosses := []Loss{{Outcome: Truncated, Reason: StackLimit, Value: 1, Count: 1}}
	if diff := cmp.Diff(wantLosses, coverage.Losses); diff != "" {
		t.Error(diff)
	}
}

func TestBuilderShortens(t *testing.T) {
	b := NewBuilder(CPU, Limits{MaxDepth: 2, MaxNameBytes: 3})
	b.Add([]uint32{b.Function("a", Java), b.Function("b", Java), b.Function("c", Java)}, Amount{5, 1})
	b.Add([]uint32{b.Function("abé", Java)}, Amount{7, 1})
	set, coverage := b.Build()
	want := StackSet{
		Type:      CPU,
		Functions: []Function{{CutFrames, Omitted}, {"ab", Java}, {"c", Java}},
		Stacks:    []Stack{{[]uint32{0, 2}, 5, 1}, {[]uint32{1}, 7, 1}},
	}
	if diff := cmp.Diff(want, set); diff != "" {
		t.Error(diff)
	}
	wantLosses := []Loss{
		{Outcome: Shortened, Reason: DepthLimit, Value: 5, Count: 1},
		{Outcome: Shortened, Reason: NameLimit, Value: 7, Count: 1},
	}
	if diff := cmp.Diff(wantLosses, coverage.Losses); diff != "" {
		t.Error(diff)
	}
	if err := coverage.Check(); err != nil {
		t.Error(err)
	}
}

func TestBuilderBoundsPendingStacks(t *testing.T) {
	b := NewBuilder(CPU, Limits{MaxStacks: 10})
	for i := range 1000 {
		b.Add([]uint32{b.Function(string(rune('a'+i)), Java)}, Amount{1, 1})
	}
	if len(b.stacks) > pendingFactor*10 {
		t.Errorf("builder holds %d stacks", len(b.stacks))
	}
	set, coverage := b.Build()
	if len(set.Stacks) != 10 || coverage.Sum(Truncated) != (Amount{990, 990}) {
		t.Errorf("kept %d stacks, truncated %+v", len(set.Stacks), coverage.Sum(Truncated))
	}
}

func TestNormalizer(t *testing.T) {
	tests := map[string]string{
		"demo.Workload$$Lambda$2.0x00007fe950002c00.run":              "demo.Workload$$Lambda.run",
		"demo.Workload$$Lambda+0x00007f8177090218/543846639.run":      "demo.Workload$$Lambda.run",
		"demo.Workload$$Lambda/0x00007f8177090218.run":                "demo.Workload$$Lambda.run",
		"demo.Workload$$Lambda$14/543846639.run":                      "demo.Workload$$Lambda.run",
		"java.lang.invoke.LambdaForm$MH.0x00007fe950003800.invoke":    "java.lang.invoke.LambdaForm$MH.invoke",
		"jdk.internal.reflect.GeneratedMethodAccessor12.invoke":       "jdk.internal.reflect.GeneratedMethodAccessor.invoke",
		"com.sun.proxy.$Proxy31.call":                                 "com.sun.proxy.$Proxy.call",
		"app.Service$$EnhancerBySpringCGLIB$$a1b2c3d4.call":           "app.Service$$EnhancerBySpringCGLIB.call",
		"app.Entity$HibernateProxy$x7Yz1a2B.get":                      "app.Entity$HibernateProxy.get",
		"demo.Hidden.0x00007fe950002c00.run":                          "demo.Hidden.run",
		"demo.Outer$Inner.run":                                        "demo.Outer$Inner.run",
		"demo.Outer$1.run":                                            "demo.Outer$1.run",
		"[libc.so.6]":                                                 "[libc.so.6]",
		"java.util.concurrent.ThreadPoolExecutor$Worker.run":          "java.util.concurrent.ThreadPoolExecutor$Worker.run",
		"scala.Foo.$anonfun$bar$1":                                    "scala.Foo.$anonfun$bar$1",
		"kotlin.Foo$bar$2.invokeSuspend":                              "kotlin.Foo$bar$2.invokeSuspend",
		"app.OrderService$$SpringCGLIB$$0.place":                      "app.OrderService$$SpringCGLIB$$0.place",
		"app.Map0x1f.get":                                             "app.Map0x1f.get",
		"a.B$$Lambda$1.0x0000000000000001.c$$Lambda$2.0x000000000002": "a.B$$Lambda.c$$Lambda",
	}
	n := NewNormalizer()
	for name, want := range tests {
		got := n.Name(name)
		if got != want {
			t.Errorf("Name(%q) = %q, want %q", name, got, want)
		}
		if again := n.Name(got); again != got {
			t.Errorf("Name(%q) = %q: not stable", got, again)
		}
	}
}

func TestEveryReasonIsExplained(t *testing.T) {
	seen := map[Reason]bool{}
	for _, text := range ReasonTexts() {
		if seen[text.Reason] {
			t.Errorf("%s comes twice", text.Reason)
		}
		seen[text.Reason] = true
		if text.Text == "" || text.Text[len(text.Text)-1] == '.' {
			t.Errorf("%s: text %q is empty or ends with a full stop", text.Reason, text.Text)
		}
	}
	for _, r := range declaredReasons(t) {
		if !seen[r] {
			t.Errorf("%s has no text", r)
		}
	}
}

func BenchmarkBuilder(b *testing.B) {
	const functions, depth = 5000, 60
	builder := NewBuilder(CPU, DefaultLimits())
	ids := make([]uint32, functions)
	for i := range ids {
		ids[i] = builder.Function("com.example.service.Class.method"+string(rune('A'+i%26))+string(rune(0x4e00+i)), Java)
	}
	frames := make([]uint32, depth)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		for i := range frames {
			frames[i] = ids[(n%3000*7+i*i)%functions]
		}
		builder.Add(frames, Amount{10_000_000, 1})
	}
}

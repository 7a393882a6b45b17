package jfr

import (
	_ "embed"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"github.com/podflame/podflame/sidecar/internal/target"
)

//go:embed testdata/Pools.java
var poolsSource []byte

// Two pools that run the same stacks, one three times as much as the other, come out
// apart, with what each of them used.
func TestPoolsComeOutApart(t *testing.T) {
	for _, jdk := range []string{"11", "25"} {
		t.Run(jdk, func(t *testing.T) { checkPools(t, jdk) })
	}
}

func checkPools(t *testing.T, jdk string) {
	file := filepath.Join(t.TempDir(), "pools.jfr")
	agent := fmt.Sprintf("-agentpath:%s=start,event=cpu,interval=5ms,alloc=64k,jfr,file=%s,log=%s.log", jvmtest.Library(t), file, file)
	cmd := exec.Command(jvmtest.Java(t, jdk), agent, "-Xmx128m", "-XX:+UseSerialGC", "-cp", jvmtest.Compile(t, "Pools", poolsSource), "Pools", "40")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var much, little struct{ cpu, bytes int64 }
	if _, err := fmt.Sscan(string(out), &much.cpu, &much.bytes, &little.cpu, &little.bytes); err != nil {
		t.Fatalf("the program printed %q: %v", out, err)
	}
	if much.bytes != 3*little.bytes {
		t.Fatalf("the program printed %q", out)
	}
	f, layout := openRecording(t, file)
	o := DefaultOptions()
	o.Settings.Tick = target.KernelTick()
	r := decode(f, layout.Chunks, &o, func(int) {})
	const exec, worker = "http-nio-8080-exec-#", "worker-#"
	cpu := byGroup(setOf(t, &r, profile.CPU), "Pools$Pool.request")
	alloc := byGroup(setOf(t, &r, profile.Alloc), "Pools$Pool.request")
	for _, of := range []map[string]int64{cpu, alloc} {
		if len(of) != 2 {
			t.Errorf("groups %v, want %s and %s", of, exec, worker)
		}
	}
	t.Logf("CPU %v of %d and %d, bytes %v of %d and %d", cpu, much.cpu, little.cpu, alloc, much.bytes, little.bytes)
	near(t, "CPU time of "+exec, cpu[exec], much.cpu, 25)
	near(t, "CPU time of "+worker, cpu[worker], little.cpu, 40)
	near(t, "bytes of "+exec, alloc[exec], much.bytes, 10)
	near(t, "bytes of "+worker, alloc[worker], little.bytes, 10)
}

// byGroup is what was measured in stacks with a method, by thread group.
func byGroup(set *profile.StackSet, name string) map[string]int64 {
	groups := map[string]int64{}
	for i, s := range set.Stacks {
		one := *set
		one.Stacks = set.Stacks[i : i+1]
		if a := through(&one, name); a.Count > 0 {
			groups[s.Thread] += a.Value
		}
	}
	return groups
}

package target

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

func TestSigns(t *testing.T) {
	jli := "/opt/jdk/lib/libjli.so"
	r := newTree(t,
		proc{pid: 10, nspid: 7, sigCgt: 4, args: []string{"java", "Main"}, maps: []string{libjvm, jli, "/tmp/hsperfdata_app/7"},
			threads: []string{"VM Thread", "Signal Dispatch", "Service Thread", "Attach Listener"}},
		proc{pid: 11, nspid: 11, args: []string{"uwsgi"}, maps: []string{libjvm, "/tmp/hsperfdata_app/7"}},
		proc{pid: 12, nspid: 12, args: []string{"java", "Main"}, maps: []string{libjvm, jli + " (deleted)", "/tmp/hsperfdata_app/12"}},
		proc{pid: 13, nspid: 13, maps: []string{libjvm, jli}},
	)
	r.write("10/root/tmp/hsperfdata_app/7", string(perfWith(binary.LittleEndian, "1\x00", 1)))
	r.write("11/root/tmp/hsperfdata_app/7", string(perfWith(binary.LittleEndian, "1\x00", 1)))
	r.write("secret", string(perfWith(binary.LittleEndian, "1\x00", 1)))
	r.link("12/root/tmp/hsperfdata_app/12", r.root+"/secret")
	f := r.finder()
	for pid, want := range map[int]Signs{
		10: {
			Signals: Signals{CatchesQuit: true}, Threads: JVMThreads{VM: true, Dispatcher: true, Listener: true, Late: true},
			PerfData: PerfData{Attachable: true, Initialised: true}, HasPerf: true, Launched: true,
		},
		11: {Options: Options{Unread: "what its launcher passes through JNI"}}, // the data is another process's
		12: {Launched: true},                                                   // the symlink leads out of the container
		13: {Launched: true, Options: Options{Unread: "its command line or environment"}},
	} {
		p, err := f.Process(pid)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Signs(p)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("process %d (-want +got):\n%s", pid, diff)
		}
	}
}

// The signs of real JVMs, of every version.
func TestSignsOfRealJVMs(t *testing.T) {
	f, err := NewFinder("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, jdk := range append(jvmtest.JDKs(), jvmtest.JDK1105) {
		for _, test := range []struct {
			flags []string
			want  Signs
		}{
			{nil, Signs{
				Signals: Signals{CatchesQuit: true}, Threads: JVMThreads{VM: true, Dispatcher: true, Late: true},
				PerfData: PerfData{Attachable: true, Initialised: true}, HasPerf: true, Launched: true,
			}},
			{[]string{"-Xrs", "-XX:-UsePerfData"}, Signs{
				Threads: JVMThreads{VM: true, Listener: true, Late: true}, Launched: true, Options: Options{ReducedSignals: true},
			}},
			{[]string{disable}, Signs{
				Signals: Signals{CatchesQuit: true}, Threads: JVMThreads{VM: true, Dispatcher: true, Late: true},
				PerfData: PerfData{Initialised: true}, HasPerf: true, Launched: true, Options: Options{AttachDisabled: true},
			}},
		} {
			t.Run(fmt.Sprint(jdk, test.flags), func(t *testing.T) {
				j := jvmtest.Start(t, jvmtest.Options{JDK: jdk, Flags: test.flags})
				p, err := f.Process(j.PID)
				if err != nil {
					t.Fatal(err)
				}
				got, err := f.Signs(p)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("signs (-want +got):\n%s", diff)
				}
			})
		}
	}
}

package asprof

import (
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/target"
	"pgregory.net/rapid"
)

// ordinary are the signs of a JVM that may be woken.
func ordinary() target.Signs {
	return target.Signs{
		Signals: target.Signals{CatchesQuit: true}, Threads: target.JVMThreads{VM: true, Dispatcher: true, Late: true},
		PerfData: target.PerfData{Attachable: true, Initialised: true}, HasPerf: true, Launched: true,
	}
}

func TestRefuseSignal(t *testing.T) {
	none := func(s *target.Signs) { *s = target.Signs{Launched: true} }
	noPerf := func(s *target.Signs) { s.HasPerf, s.PerfData = false, target.PerfData{} }
	jdk8 := func(s *target.Signs) { s.Threads = target.JVMThreads{} }
	tests := []struct {
		name   string
		change []func(*target.Signs)
		young  bool
		want   profile.Reason
	}{
		{name: "ordinary"},
		{name: "without performance data", change: []func(*target.Signs){noPerf}},
		{name: "JDK 8", change: []func(*target.Signs){jdk8}},
		{name: "JDK 8 without performance data", change: []func(*target.Signs){jdk8, noPerf}, want: profile.NoJVMSigns},
		{name: "JDK 8 with unknown options", change: []func(*target.Signs){jdk8, unread}, want: profile.OptionsUnreadable},
		{name: "stopped", change: []func(*target.Signs){func(s *target.Signs) { s.Stopped = true }}, want: profile.JVMStopped},
		{name: "pending", change: []func(*target.Signs){func(s *target.Signs) { s.QuitPending = true }}, want: profile.AttachTimeout},
		{name: "attach disabled by performance data", change: []func(*target.Signs){func(s *target.Signs) { s.PerfData.Attachable = false }}, want: profile.AttachDisabled},
		{name: "attach disabled by options", change: []func(*target.Signs){noPerf, func(s *target.Signs) { s.Options.AttachDisabled = true }}, want: profile.AttachDisabled},
		{name: "-Xrs by options", change: []func(*target.Signs){func(s *target.Signs) { s.Options.ReducedSignals = true }}, want: profile.SignalsReduced},
		{name: "-Xrs by threads", change: []func(*target.Signs){func(s *target.Signs) { s.CatchesQuit, s.Threads.Dispatcher, s.Threads.Listener = false, false, true }}, want: profile.SignalsReduced},
		{name: "young without signs", change: []func(*target.Signs){none}, young: true, want: profile.JVMStarting},
		{name: "old without signs", change: []func(*target.Signs){none}, want: profile.NoJVMSigns},
		{name: "a handler and no dispatcher", change: []func(*target.Signs){none, func(s *target.Signs) { s.CatchesQuit = true }}, want: profile.NoJVMSigns},
		{name: "not past its start, however old", change: []func(*target.Signs){noPerf, func(s *target.Signs) { s.Threads.Late = false }}, want: profile.JVMStarting},
		{name: "another launcher", change: []func(*target.Signs){func(s *target.Signs) { s.Launched = false }}, want: profile.LauncherNotJava},
		{name: "options in a file that cannot be read", change: []func(*target.Signs){noPerf, unread}, want: profile.OptionsUnreadable},
		{name: "the same with performance data", change: []func(*target.Signs){unread}},
	}
	for _, test := range tests {
		s := ordinary()
		for _, change := range test.change {
			change(&s)
		}
		p := target.Process{Start: time.Now().Add(-time.Hour)}
		if test.young {
			p.Start = time.Now()
		}
		if got, detail := RefuseSignal(p, s, false); got != test.want {
			t.Errorf("%s: %q (%s), want %q", test.name, got, detail, test.want)
		}
	}
}

func unread(s *target.Signs) { s.Options.Unread = "/app/args" }

// A JVM of another launcher may be woken if that is allowed, but not without
// knowing its options.
func TestLaunchersThatMayBeSignalled(t *testing.T) {
	s := ordinary()
	s.Launched, s.Options.Unread = false, "what its launcher passes through JNI"
	if reason, _ := RefuseSignal(target.Process{}, s, true); reason != "" {
		t.Errorf("refused: %s", reason)
	}
	s.HasPerf, s.PerfData = false, target.PerfData{}
	if reason, _ := RefuseSignal(target.Process{}, s, true); reason != profile.OptionsUnreadable {
		t.Errorf("without performance data: %q", reason)
	}
}

// Whatever shows: a signal needs a handler, a JVM's own sign, and no word
// against it.
func TestNoSignalWithoutSigns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.Bool()
		s := target.Signs{
			Signals:  target.Signals{CatchesQuit: b.Draw(t, "catches"), QuitPending: b.Draw(t, "pending"), Stopped: b.Draw(t, "stopped")},
			Threads:  target.JVMThreads{VM: b.Draw(t, "vm"), Dispatcher: b.Draw(t, "dispatcher"), Listener: b.Draw(t, "listener"), Late: b.Draw(t, "late")},
			HasPerf:  b.Draw(t, "perf"),
			Launched: b.Draw(t, "launched"),
			Options:  target.Options{ReducedSignals: b.Draw(t, "xrs"), AttachDisabled: b.Draw(t, "disabled"), Unread: rapid.SampledFrom([]string{"", "x"}).Draw(t, "unread")},
		}
		if s.HasPerf {
			s.PerfData = target.PerfData{Attachable: b.Draw(t, "attachable"), Initialised: b.Draw(t, "initialised")}
		}
		launchers := b.Draw(t, "launchers")
		reason, _ := RefuseSignal(target.Process{}, s, launchers)
		if reason != "" {
			return
		}
		sign := s.Threads.Dispatcher || s.PerfData.Initialised
		known := s.PerfData.Attachable || !s.HasPerf && s.Options.Unread == ""
		forbidden := s.Stopped || s.QuitPending || s.Options.AttachDisabled || s.Options.ReducedSignals
		if !s.CatchesQuit || !sign || !known || forbidden || !s.Launched && !launchers {
			t.Errorf("a signal is allowed to %+v", s)
		}
	})
}

func TestRemakesSocket(t *testing.T) {
	for version, want := range map[string]bool{
		"": false, "x": false, "1.8.0_402": false, "11.0.5": false, "11.0.13": true, "11": false, "16.0.2": false, "17": true, "17.0.9": true, "21.0.8": true, "25": true, "25-ea": true,
	} {
		if got := remakesSocket(version); got != want {
			t.Errorf("remakesSocket(%q) = %v, want %v", version, got, want)
		}
	}
}

package agent

import (
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	targets  *prometheus.GaugeVec   // by state
	commands *prometheus.CounterVec // by reason, ok if there is none
	seconds  prometheus.Histogram   // of a command
	windows  *prometheus.CounterVec // by content
	lost     *prometheus.CounterVec // seconds that nobody profiled, by reason
	crashes  prometheus.Counter
	adapt    *prometheus.CounterVec // changes of intervals by the sampling budget, by event and direction
	bounded  *prometheus.CounterVec // windows with more samples than the sampling budget, by event
	waited   prometheus.Counter     // seconds for a turn to read a recording
	time     prometheus.Gauge       // seconds by which the account of time is wrong
}

// unprofiled are the reasons for which time goes unprofiled.
func unprofiled() []profile.Reason {
	return []profile.Reason{
		profile.JVMStarting, profile.SignalsReduced, profile.AttachDisabled, profile.AttachTimeout, profile.AttachRefused,
		profile.AccessDenied, profile.TmpNotWritable, profile.LibraryNotLoaded, profile.ProfilerError, profile.Conflict,
		profile.UnknownProfiler, profile.CrashedAfterAttach, profile.SessionEnded, profile.SidecarRestarted,
		profile.SharedDirNotUsable, profile.RecordingTooLarge, profile.ChunkUnfinished, profile.RecordingMissing, profile.RecordingUnreadable,
		profile.ProfilerStall, profile.JVMExited, profile.Paused, profile.SidecarError, profile.NoJVMSigns, profile.LauncherNotJava,
		profile.OptionsUnreadable, profile.SignalUnanswered, profile.SocketMissing, profile.JVMStopped, profile.TmpMissing,
		profile.TmpReadOnly, profile.TmpFull, profile.CapabilitiesMissing, profile.NotDumpable, profile.DependencyMissing,
	}
}

const noReason = "none"

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		targets:  f.NewGaugeVec(prometheus.GaugeOpts{Name: "podflame_sidecar_targets", Help: "JVMs by state."}, []string{"state"}),
		commands: f.NewCounterVec(prometheus.CounterOpts{Name: "podflame_sidecar_profiler_commands_total", Help: "Profiler commands by the reason of their failure."}, []string{"reason"}),
		seconds:  f.NewHistogram(prometheus.HistogramOpts{Name: "podflame_sidecar_profiler_command_seconds", Help: "Time that a profiler command takes.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9)}),
		windows:  f.NewCounterVec(prometheus.CounterOpts{Name: "podflame_sidecar_windows_total", Help: "Windows put into the spool."}, []string{"content"}),
		lost:     f.NewCounterVec(prometheus.CounterOpts{Name: "podflame_sidecar_unprofiled_seconds_total", Help: "Time of JVMs that nobody profiled, by reason."}, []string{"reason"}),
		time:     f.NewGauge(prometheus.GaugeOpts{Name: "podflame_sidecar_time_difference_seconds", Help: "Largest difference, of any JVM, between wall time and what windows tell as recorded or lost; not 0 is an error of the sidecar."}),
		crashes:  f.NewCounter(prometheus.CounterOpts{Name: "podflame_sidecar_jvm_crashes_total", Help: "JVMs that died shortly after a profiler command."}),
	}
	m.waited = f.NewCounter(prometheus.CounterOpts{Name: "podflame_sidecar_read_wait_seconds_total", Help: "Time that windows waited for recordings of other JVMs of the sidecar to be read; see --decode-children."})
	m.adapt = f.NewCounterVec(prometheus.CounterOpts{Name: "podflame_sidecar_sampling_changes_total", Help: "Changes of a JVM's sampling interval by the sampling budget."}, []string{"event", "interval"})
	m.bounded = f.NewCounterVec(prometheus.CounterOpts{Name: "podflame_sidecar_sampling_bounded_windows_total", Help: "Windows with more samples than the sampling budget, whose interval may not be longer."}, []string{"event"})
	for _, event := range contract.Budgeted() {
		m.bounded.WithLabelValues(event)
		m.adapt.WithLabelValues(event, longer)
		m.adapt.WithLabelValues(event, shorter)
	}
	for _, s := range states() {
		m.targets.WithLabelValues(s)
	}
	m.commands.WithLabelValues(noReason)
	for _, r := range unprofiled() {
		m.commands.WithLabelValues(string(r))
		m.lost.WithLabelValues(string(r))
	}
	m.windows.WithLabelValues("samples")
	m.windows.WithLabelValues("losses")
	return m
}

func states() []string {
	return []string{
		"excluded", string(session.Free), string(session.Owned), string(session.Orphaned),
		string(session.Conflict), string(session.LoadedIdle), string(session.Unknown),
	}
}

func (m *metrics) showStates(all map[string]TargetStatus) {
	count := map[string]int{}
	var difference time.Duration
	for _, s := range all {
		state := string(s.State)
		if state == "" {
			state = "excluded"
		}
		count[state]++
		difference = max(difference, s.Difference)
	}
	m.time.Set(difference.Seconds())
	for _, s := range states() {
		m.targets.WithLabelValues(s).Set(float64(count[s]))
	}
}

// What becomes of an interval.
const (
	longer  = "longer"
	shorter = "shorter"
)

func (m *metrics) adapted(event string, isLonger bool) {
	direction := shorter
	if isLonger {
		direction = longer
	}
	m.adapt.WithLabelValues(event, direction).Inc()
}

func (m *metrics) command(took time.Duration, r profile.Reason) {
	if r == "" {
		m.seconds.Observe(took.Seconds())
		r = noReason
	}
	m.commands.WithLabelValues(string(r)).Inc()
}

func (m *metrics) window(w *profile.Window) {
	content := "losses"
	if len(w.Sets) > 0 {
		content = "samples"
	}
	m.windows.WithLabelValues(content).Inc()
	for _, l := range w.Losses {
		m.lost.WithLabelValues(string(l.Reason)).Add(l.Duration.Seconds())
	}
}

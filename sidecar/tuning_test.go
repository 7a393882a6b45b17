package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/supervise"
)

// parseRun reads the environment as "sidecar run" does.
func parseRun(t *testing.T) (RunCmd, error) {
	t.Helper()
	var line struct {
		Run RunCmd `cmd:""`
	}
	parser, err := kong.New(&line, kong.Name("sidecar"), kong.Vars{"state": "", "shared": "", "library": "", "recordings": "", "version": ""})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"run"}); err != nil {
		return line.Run, err
	}
	_, err = line.Run.agentConfig()
	return line.Run, err
}

// TestTunings: the sidecar has each flag that an installation may set, reads it
// from that variable, and starts with all that its bounds allow, whatever the
// longest window that an annotation asks for.
func TestTunings(t *testing.T) {
	for _, tuning := range contract.Tunings() {
		if tuning.Variable() == envRestartWait { // of the first process
			if least, err := time.ParseDuration(tuning.Values[0]); err != nil || least < supervise.Defaults().MinWait {
				t.Errorf("%s from %s on, %v", tuning.Flag, least, err)
			}
			continue
		}
		for _, value := range tuning.Values {
			t.Run(tuning.Flag+"="+value, func(t *testing.T) {
				before, err := parseRun(t)
				if err != nil {
					t.Fatal(err)
				}
				t.Setenv(tuning.Variable(), value)
				t.Setenv(contract.EnvWindow, contract.MaxWindow.String())
				after, err := parseRun(t)
				if err != nil {
					t.Fatal(err)
				}
				before.Window = after.Window
				if isDefault := slices.Contains(defaults(), tuning.Flag+"="+value); reflect.DeepEqual(before, after) != isDefault {
					t.Errorf("%s has no effect, or should have none", tuning.Variable())
				}
				if _, rest, err := contract.DefaultSettings().Tune(map[string]string{tuning.Flag: value}); err != nil || rest[tuning.Flag] != value {
					t.Errorf("an installation may not set it: %v %v", rest, err)
				}
			})
		}
	}
}

// defaults are the values in the bounds that are what a sidecar does anyway.
func defaults() []string {
	return []string{"log-level=info", "retry-crashed=false", "keep-unreadable=false", "decode-children=1"}
}

// Each variable that the sidecar reads is one that an installation may set, or one
// that the webhook gives by pod, or not for pods.
func TestVariablesOfTheSidecar(t *testing.T) {
	settable := map[string]bool{}
	for _, tuning := range contract.Tunings() {
		settable[tuning.Variable()] = true
	}
	byPod := []string{
		contract.EnvBackend, contract.EnvBackendCA, contract.EnvTokenFile, contract.EnvRecordings, contract.EnvLibraryDir, contract.EnvShared,
		contract.EnvState, contract.EnvAnnotations, contract.EnvNativeSidecar, contract.EnvCluster, contract.EnvNamespace, contract.EnvPod,
		contract.EnvPodUID, contract.EnvNode, contract.EnvService, contract.EnvVersion, contract.EnvContainers, contract.EnvEvents, contract.EnvAllEvents,
		contract.EnvWindow, contract.EnvCPUInterval, contract.EnvAllocInterval, contract.EnvLockThreshold, contract.EnvSampleRate,
		contract.EnvFixedIntervals, contract.EnvThreads, contract.EnvSignalLaunchers, contract.EnvMetrics, contract.EnvDecodeMemory,
		"PODFLAME_LIBRARY", "PODFLAME_KEEP_RECORDINGS", // of the image, of tests
	}
	read := variables(reflect.TypeFor[RunCmd]())
	if len(read) < 40 {
		t.Fatalf("variables %v", read)
	}
	for _, name := range read {
		if settable[name] == slices.Contains(byPod, name) {
			t.Errorf("%s: an installation may set it: %t", name, settable[name])
		}
	}
}

// variables are those in the tags of flags.
func variables(of reflect.Type) (names []string) {
	for field := range of.Fields() {
		if field.Anonymous {
			names = append(names, variables(field.Type)...)
		} else if env := field.Tag.Get("env"); env != "" {
			names = append(names, strings.Split(env, ",")...)
		}
	}
	return names
}

// What a newer webhook asks for and this version does not know is left out and told.
func TestEventsOfANewerWebhook(t *testing.T) {
	t.Setenv(contract.EnvEvents, "cpu,alloc")
	t.Setenv(contract.EnvAllEvents, "cpu,alloc,live,heapdump")
	run, err := parseRun(t)
	if err != nil {
		t.Fatal(err)
	}
	config, err := run.agentConfig()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(config.Settings.Events, ","); got != "cpu,alloc,live" || !strings.Contains(config.Refused, `"heapdump"`) {
		t.Errorf("events %s, refused %q", got, config.Refused)
	}
}

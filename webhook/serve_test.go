package main

import (
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// parseServe parses arguments as the program does, without running anything.
func parseServe(t *testing.T, arguments ...string) (serveCmd, error) {
	t.Helper()
	var line commandLine
	parser, err := kong.New(&line, kong.Name("webhook"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(arguments)
	return line.Serve, err
}

func TestServeIsTheDefault(t *testing.T) {
	t.Setenv("PODFLAME_SIDECAR_IMAGE", "registry.example/sidecar:2")
	t.Setenv("PODFLAME_CLUSTER", "blue")
	t.Setenv("PODFLAME_SIDECAR_MEMORY_LIMIT", "400Mi")
	t.Setenv("PODFLAME_EXCLUDED_NAMESPACES", "a,b")
	serve, err := parseServe(t, "--port=1", "--server-version=1.28.3")
	if err != nil {
		t.Fatal(err)
	}
	config, err := serve.decisions(nil) // the version is given: no cluster is asked
	if err != nil {
		t.Fatal(err)
	}
	if config.Image != "registry.example/sidecar:2" || config.Cluster != "blue" || config.MemoryLimit.String() != "400Mi" || config.ServerVersion != "1.28.3" {
		t.Errorf("config %+v", config)
	}
	if got := strings.Join(config.ExcludedNamespaces, " "); got != "kube-system kube-public kube-node-lease a b podflame-system" {
		t.Errorf("excluded namespaces %q", got)
	}
	standard := inject.DefaultConfig()
	if config.CPULimit.Cmp(standard.CPULimit) != 0 || config.TokenLifetime != standard.TokenLifetime || len(config.IgnoredContainers) != len(standard.IgnoredContainers) {
		t.Error("a flag that was not given changed a default")
	}
}

// What an annotation can set is its default, the rest is passed as it is.
func TestSettingsOfAllSidecars(t *testing.T) {
	t.Setenv("PODFLAME_SIDECAR_SETTINGS", "events=cpu,alloc;sample-rate=100;alloc-interval=1m;longest-alloc-interval=16m")
	serve, err := parseServe(t, "--sidecar-image=i", "--server-version=1.34")
	if err != nil {
		t.Fatal(err)
	}
	config, err := serve.decisions(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := config.Settings
	if len(s.Events) != 2 || s.SampleRate != 100 || s.AllocInterval != 1<<20 || len(s.Fixed) != 1 || s.Fixed[0] != "alloc" {
		t.Errorf("settings %+v", s)
	}
	if len(config.Tuned) != 1 || config.Tuned["longest-alloc-interval"] != "16m" {
		t.Errorf("tuned %v", config.Tuned)
	}
}

func TestServeRefusesBadFlags(t *testing.T) {
	for arguments, want := range map[string]string{
		"":                                    "--sidecar-image",
		"--sidecar-image=i --max-in-flight=0": "--max-in-flight",
		"--sidecar-image=i --decision-timeout=-1s":  "--decision-timeout",
		"--sidecar-image=i --audit-every=0s":        "--audit-every",
		"--sidecar-image=i --cert-lifetime=1h":      "--cert-renew-before=2160h0m0s must be below --cert-lifetime=1h0m0s",
		"--sidecar-image=i --ca-lifetime=1h":        "--ca-lifetime=1h0m0s",
		"--sidecar-image=i --ca-overlap=1m":         "--ca-settle=10m0s must be below --ca-overlap=1m0s",
		"--sidecar-image=i --certs=vault":           "--certs",
		"--sidecar-image=i --sidecar-pull-policy=x": "--sidecar-pull-policy",
	} {
		if _, err := parseServe(t, strings.Fields(arguments)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", arguments, err, want)
		}
	}
	for arguments, want := range map[string]string{
		"--memory-limit=lots":           "--memory-limit=lots",
		"--memory-limit=4Gi":            "memory limit and maximum",
		"--backend=backend:8443":        "is not an http or https URL",
		"--token-lifetime=1m":           "token lifetime 1m0s",
		"--server-version=the-new-one":  "the-new-one",
		"--cpu-request=2 --cpu-limit=1": "CPU request and limit",
		"--recordings-size=0":           "podflame-rec",

		"--sidecar-settings=sample-rate=100;decode-memory=1": `read --sidecar-settings: "decode-memory" is not one of events, window`,
		"--sidecar-settings=window=1h":                       `read --sidecar-settings: window: 1h is outside 5s to 10m0s`,
		"--sidecar-settings=renew=5m":                        "read --sidecar-settings: renew: 5m is outside 20m0s to 24h0m0s",
		"--sidecar-settings=max-targets=64":                  "64 recordings (max-targets)",
	} {
		serve, err := parseServe(t, append(strings.Fields(arguments), "--sidecar-image=i", "--server-version=1.34")...)
		if strings.Contains(arguments, "server-version") {
			serve, err = parseServe(t, arguments, "--sidecar-image=i")
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := serve.decisions(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", arguments, err, want)
		}
	}
}

// An API server that is slow for half a minute ends no webhook, and a lease is
// tried to be kept more than once before it is given up.
func TestLease(t *testing.T) {
	for _, arguments := range [][]string{{}, {"--lease=6s"}} {
		serve, err := parseServe(t, append(arguments, "--sidecar-image=i")...)
		if err != nil {
			t.Fatal(err)
		}
		options := serve.managerOptions(nil)
		lease, renew, retry := *options.LeaseDuration, *options.RenewDeadline, *options.RetryPeriod
		if lease <= renew || renew < 3*retry || retry <= 0 {
			t.Errorf("%v: lease %s, renewed within %s, tried each %s", arguments, lease, renew, retry)
		}
		if len(arguments) == 0 && renew < 30*time.Second {
			t.Errorf("a leader ends after %s without an API server", renew)
		}
	}
	if _, err := parseServe(t, "--lease=5s", "--sidecar-image=i"); err == nil || !strings.Contains(err.Error(), "--lease=5s must be at least 6s") {
		t.Errorf("a lease of 5 s: %v", err)
	}
}

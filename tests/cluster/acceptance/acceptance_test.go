package acceptance

import (
	"testing"

	"github.com/podflame/podflame/tests/cluster/furnish"
)

// demoNamespace is where the demo of the manifests runs.
const demoNamespace = "podflame-demo"

// TestAcceptance is the whole run, in the order of a person's first day. What
// needs an installation is not tried without one.
func TestAcceptance(t *testing.T) {
	needsCluster(t)
	if shared.node != nil {
		if err := furnish.Node(t.Context(), shared.node, shared.workshop); err != nil {
			t.Fatal(err)
		}
	} else {
		t.Cleanup(func() { shared.leaveNothing(t) })
	}
	if mode != "upgrade" { // which installs by itself
		installed(t)
	}
	if wantsPart("upgrade") {
		t.Run("upgrade", upgrade)
	}
}

// installed is what needs an installation, and its removal.
func installed(t *testing.T) {
	if !t.Run("install", install) {
		t.FailNow()
	}
	if mode != "smoke" {
		shared.scaleDemo(t, 0) // its load is the workloads'
	}
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"workloads", workloads}, {"terminal", terminal}, {"faults", faults}, {"latency", latency}, {"ui", ui}, {"high-volume", highVolume},
	} {
		if wantsPart(part.name) {
			t.Run(part.name, part.run)
		}
	}
	if mode != "smoke" {
		shared.scaleDemo(t, 2)
	}
	t.Run("uninstall", uninstall)
}

package acceptance

import "testing"

// demoNamespace is where the demo of the manifests runs.
const demoNamespace = "podflame-demo"

// TestAcceptance is the whole run, in the order of a person's first day. What
// needs an installation is not tried without one.
func TestAcceptance(t *testing.T) {
	needsCluster(t, "smoke", "all")
	if !t.Run("install", install) {
		t.FailNow()
	}
	if mode == "all" {
		shared.scaleDemo(t, 0) // its load is the workloads'
		t.Run("workloads", workloads)
		t.Run("terminal", terminal)
		t.Run("faults", faults)
		t.Run("ui", ui)
		shared.scaleDemo(t, 2)
	}
	t.Run("uninstall", uninstall)
}

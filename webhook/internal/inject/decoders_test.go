package inject

import (
	"strconv"
	"testing"

	"github.com/podflame/podflame/sidecar/contract"
)

// However many processes that read recordings an installation asks for, those of a pod
// fit into its memory limit.
func TestDecodersFitTheMemoryLimit(t *testing.T) {
	for _, c := range []struct {
		asked            string
		limit            int64 // MiB
		children, memory string
	}{
		{"", 384, "", "256"},
		{"", 160, "", "96"}, // the least that a decoder starts with
		{"1", 384, "1", "256"},
		{"2", 384, "2", "128"},
		{"16", 384, "2", "128"},
		{"16", 160, "1", "96"},
		{"4", 2048, "4", "256"},
		{"16", 2048, "16", "120"},
	} {
		cfg, plan := testConfig(), Plan{Containers: []string{"app"}, MemLimit: c.limit * mebibyte}
		if c.asked != "" {
			cfg.Tuned = map[string]string{contract.DecodeChildren: c.asked}
		}
		got := map[string]string{}
		for _, variable := range sidecarEnv(plan, cfg) {
			got[variable.Name] = variable.Value
		}
		if got[contract.EnvDecodeChildren] != c.children || got[contract.EnvDecodeMemory] != c.memory {
			t.Errorf("%q asked for in %d MiB: %q of %q MiB, want %q of %q", c.asked, c.limit,
				got[contract.EnvDecodeChildren], got[contract.EnvDecodeMemory], c.children, c.memory)
		}
	}
}

// Their number is passed in the variable that the sidecar reads it from.
func TestVariableOfDecoders(t *testing.T) {
	for _, tuning := range contract.Tunings() {
		if tuning.Flag != contract.DecodeChildren {
			continue
		}
		if most, err := strconv.Atoi(tuning.Values[1]); tuning.Variable() != contract.EnvDecodeChildren || err != nil || most < 2 {
			t.Errorf("%+v", tuning)
		}
		return
	}
	t.Error("an installation cannot set it")
}

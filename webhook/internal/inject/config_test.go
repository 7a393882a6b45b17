package inject

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

func TestValidate(t *testing.T) {
	if err := testConfig().Validate(); err != nil {
		t.Fatalf("the configuration of the tests: %v", err)
	}
	for want, spoil := range map[string]func(*Config){
		"sidecar image":     func(c *Config) { c.Image = "" },
		"backend":           func(c *Config) { c.Backend = "backend:80" },
		"token lifetime":    func(c *Config) { c.TokenLifetime = time.Minute },
		"server version":    func(c *Config) { c.ServerVersion = "new" },
		"CPU request":       func(c *Config) { c.CPURequest = resource.MustParse("1") },
		"CPU limit":         func(c *Config) { c.CPULimit = resource.MustParse("3") },
		"guaranteed CPU":    func(c *Config) { c.CPUGuaranteed = resource.Quantity{} },
		"memory request":    func(c *Config) { c.MemoryRequest = resource.MustParse("-1") },
		"memory limit":      func(c *Config) { c.MemoryLimit = resource.MustParse("3Gi") },
		"below 160Mi":       func(c *Config) { c.MemoryLimit = resource.MustParse("128Mi") },
		"podflame-rec":      func(c *Config) { c.RecordingsSize = resource.Quantity{} },
		"10m0s":             func(c *Config) { c.TokenLifetime = 599 * time.Second },
		"not an image name": func(c *Config) { c.Image = "a b" },
		"32 recordings":     func(c *Config) { c.Tuned = map[string]string{"max-targets": "32"} },
		"of 128 MiB":        func(c *Config) { c.Tuned = map[string]string{"max-recording": "128"} },
		"spool-bytes":       func(c *Config) { c.Tuned = map[string]string{"spool-bytes": "257"} },
	} {
		cfg := testConfig()
		spoil(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one about %q", err, want)
		}
	}
}

// Sizes that are set for sidecars of the default numbers stay as they were.
func TestTunedSidecarsFitTheirVolumes(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"small volumes, as before": func(c *Config) {
			c.RecordingsSize, c.StateSize = resource.MustParse("100Mi"), resource.MustParse("10Mi")
		},
		"fewer but larger": func(c *Config) { c.Tuned = map[string]string{"max-targets": "4", "max-recording": "256"} },
		"more, and a larger volume": func(c *Config) {
			c.Tuned, c.RecordingsSize = map[string]string{"max-targets": "32"}, resource.MustParse("2Gi")
		},
	} {
		cfg := testConfig()
		change(&cfg)
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNativeSidecars(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		server           string
		set              *bool
		native, possible bool
	}{
		{"", nil, false, true},
		{"1.28.15", nil, false, false},
		{"1.29.0", nil, true, true},
		{"v1.34.4+k3s1", nil, true, true},
		{"1.34", &no, false, true},
		{"1.28", &yes, true, true},
		{"1.28", &no, false, false},
	} {
		cfg := testConfig()
		cfg.ServerVersion, cfg.Native = c.server, c.set
		if native, possible := cfg.nativeSidecars(); native != c.native || possible != c.possible {
			t.Errorf("server %q: native %v, possible %v; want %v, %v", c.server, native, possible, c.native, c.possible)
		}
	}
}

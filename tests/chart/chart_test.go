// Package chart proves that the Helm chart installs what the kustomize overlays
// do, and what its values change of that.
package chart

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"

	"github.com/podflame/podflame/tests/cluster/kube"
)

var update = flag.Bool("update", false, "write the chart's files anew from the overlays")

func root(t *testing.T) string {
	t.Helper()
	found, err := kube.RepositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// kustomize builds a folder of manifests; certManager adds what that overlay
// adds to the quickstart.
func kustomize(t *testing.T, overlay string, certManager bool, components ...string) string {
	t.Helper()
	manifests := filepath.Join(root(t), "manifests")
	directory := t.TempDir()
	relative := func(path string) string {
		found, err := filepath.Rel(directory, filepath.Join(manifests, path))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	kustomization := map[string]any{"namespace": "podflame-system", "resources": []string{relative(overlay)}}
	var relativeComponents []string
	for _, component := range components {
		relativeComponents = append(relativeComponents, relative(component))
	}
	kustomization["components"] = relativeComponents
	if certManager {
		from := "overlays/cert-manager/"
		kustomization["resources"] = []string{relative(overlay), relative(from + "certificates.yaml")}
		kustomization["patches"] = []map[string]string{{"path": relative(from + "webhook.yaml")}, {"path": relative(from + "mutatingwebhookconfiguration.yaml")}}
	}
	text, err := yaml.Marshal(kustomization)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "kustomization.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	binaries, err := kube.Find()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binaries.Kubernetes, "kubectl", "kustomize", "--load-restrictor=LoadRestrictionsNone", directory)
	var complaint bytes.Buffer
	command.Stderr = &complaint
	built, err := command.Output()
	if err != nil {
		t.Fatalf("build %s: %v: %s", overlay, err, &complaint)
	}
	return string(built)
}

// TestFilesAreTheOverlays: what is in the chart is what kustomize builds now.
// Run with -update after a change of the manifests.
func TestFilesAreTheOverlays(t *testing.T) {
	for file, build := range map[string]func() string{
		"embedded":              func() string { return kustomize(t, "overlays/quickstart", false) },
		"embedded-cert-manager": func() string { return kustomize(t, "overlays/quickstart", true) },
		"external":              func() string { return kustomize(t, "overlays/external-clickhouse", false) },
		"external-cert-manager": func() string { return kustomize(t, "overlays/external-clickhouse", true) },
		"embedded-people":       func() string { return kustomize(t, "overlays/quickstart", false, "components/people") },
		"embedded-people-cert-manager": func() string {
			return kustomize(t, "overlays/quickstart", true, "components/people")
		},
		"servicemonitors": func() string { return kustomize(t, "components/servicemonitor/servicemonitor.yaml", false) },
	} {
		path := filepath.Join(root(t), "manifests", "helm", "podflame", "files", file+".yaml")
		built := build()
		if *update {
			if err := os.WriteFile(path, []byte(built), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(built, string(have)); diff != "" {
			t.Errorf("%s is not what kustomize builds (run go test ./tests/chart -update):\n%s", path, diff)
		}
	}
}

// render makes the objects of the chart as Helm does, by kind and name.
func render(t *testing.T, release, namespace, values string) (map[string]map[string]any, error) {
	t.Helper()
	chart, err := loader.Load(filepath.Join(root(t), "manifests", "helm", "podflame"))
	if err != nil {
		t.Fatal(err)
	}
	var given map[string]any
	if err := yaml.Unmarshal([]byte(values), &given); err != nil {
		t.Fatal(err)
	}
	merged, err := util.ToRenderValues(chart, given, common.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true}, nil)
	if err != nil {
		return nil, err
	}
	rendered, err := engine.Render(chart, merged)
	if err != nil {
		return nil, err
	}
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		if strings.HasSuffix(name, ".yaml") {
			all.WriteString(rendered[name] + "\n---\n")
		}
	}
	return objects(t, all.String()), nil
}

func mustRender(t *testing.T, release, namespace, values string) map[string]map[string]any {
	t.Helper()
	found, err := render(t, release, namespace, values)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func objects(t *testing.T, text string) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for document := range strings.SplitSeq(text, "\n---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatalf("%v:\n%s", err, document)
		}
		if len(object) > 0 {
			key := object["kind"].(string) + " " + at(object, "metadata", "name").(string)
			if found[key] != nil {
				t.Errorf("%s is there twice", key)
			}
			onOneLine(object["data"])
			found[key] = object
		}
	}
	return found
}

// onOneLine takes out the line ends that kustomize puts into long values of a
// Secret and Helm does not.
func onOneLine(data any) {
	values, _ := data.(map[string]any)
	for key, value := range values {
		if text, ok := value.(string); ok {
			values[key] = strings.ReplaceAll(strings.TrimSpace(text), "\n", "")
		}
	}
}

// at follows keys and indexes; nil where there is nothing.
func at(value any, path ...any) any {
	for _, step := range path {
		switch have := value.(type) {
		case map[string]any:
			key, _ := step.(string)
			value = have[key]
		case []any:
			i, _ := step.(int)
			if i >= len(have) {
				return nil
			}
			value = have[i]
		default:
			return nil
		}
	}
	return value
}

// TestDefaultsEqualTheOverlays compares each combination with what kustomize
// built, object by object.
func TestDefaultsEqualTheOverlays(t *testing.T) {
	for file, values := range map[string]string{
		"embedded":              "createNamespace: true",
		"embedded-cert-manager": "{createNamespace: true, certificates: cert-manager}",
		"external":              "{createNamespace: true, clickhouse: {mode: external}}",
		"embedded-people":       "{createNamespace: true, people: {enabled: true}}",
		"external-cert-manager": "{createNamespace: true, clickhouse: {mode: external}, certificates: cert-manager}",
	} {
		text, err := os.ReadFile(filepath.Join(root(t), "manifests", "helm", "podflame", "files", file+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(objects(t, string(text)), mustRender(t, "podflame", "podflame-system", values)); diff != "" {
			t.Errorf("%s (-kustomize +helm):\n%s", file, diff)
		}
	}
	if found := mustRender(t, "podflame", "podflame-system", ""); found["Namespace podflame-system"] != nil {
		t.Error("the chart makes the namespace that Helm makes")
	}
}

// TestRelocation: nothing of another release's name or namespace is left over.
func TestRelocation(t *testing.T) {
	found := mustRender(t, "blue", "profiling", "")
	text, err := yaml.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		rest := strings.NewReplacer("blue-podflame", "", "podflame-trust", "", "ghcr.io/podflame/", "", "/var/run/podflame", "", "/var/lib/podflame", "").Replace(line)
		if strings.Contains(rest, "podflame-") {
			t.Errorf("not relocated: %s", strings.TrimSpace(line))
		}
	}
	for _, key := range []string{"Deployment blue-podflame-webhook", "Deployment blue-podflame-backend", "MutatingWebhookConfiguration blue-podflame", "ClusterRole blue-podflame-webhook"} {
		if found[key] == nil {
			t.Errorf("no %s", key)
		}
	}
	settings := settingsOf(t, found, "blue-podflame-webhook")
	for key, want := range map[string]string{
		"PODFLAME_BACKEND":               "https://blue-podflame-backend.profiling.svc:8443",
		"PODFLAME_WEBHOOK_SERVICE":       "blue-podflame-webhook",
		"PODFLAME_WEBHOOK_CONFIGURATION": "blue-podflame",
		"PODFLAME_CERT_SECRET":           "blue-podflame-webhook-certs",
	} {
		if settings[key] != want {
			t.Errorf("%s is %v, want %s", key, settings[key], want)
		}
	}
	if service := at(found["MutatingWebhookConfiguration blue-podflame"], "webhooks", 0, "clientConfig", "service", "name"); service != "blue-podflame-webhook" {
		t.Errorf("the API server calls service %v", service)
	}
	if found := mustRender(t, "blue", "profiling", "fullnameOverride: p"); found["Deployment p-webhook"] == nil {
		t.Error("fullnameOverride has no effect")
	}
}

func settingsOf(t *testing.T, found map[string]map[string]any, program string) map[string]any {
	t.Helper()
	name := at(found["Deployment "+program], "spec", "template", "spec", "containers", 0, "envFrom", 0, "configMapRef", "name")
	data, _ := at(found["ConfigMap "+name.(string)], "data").(map[string]any)
	return data
}

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestValues(t *testing.T) {
	found := mustRender(t, "podflame", "podflame-system", `
cluster: east
priorityClassName: system-cluster-critical
labels: {team: observability}
images:
  registry: mirror.example
  webhook: {digest: `+digest+`}
  sidecar: {tag: "2"}
  pullSecrets: [mine]
  sidecarPullSecrets: [a, b]
webhook:
  settings: {PODFLAME_AUDIT_EVERY: 1m}
  tolerations: [{operator: Exists}]
  resources: {limits: {memory: 1Gi}}
  podAnnotations: {x: "y"}
clickhouse: {storage: {size: 5Gi, storageClassName: fast, keep: true}}
serviceMonitors: {enabled: true}
podDisruptionBudgets: {enabled: false}
networkPolicies: {egress: [{ports: [{port: 8443}]}]}
`)
	webhook := found["Deployment podflame-webhook"]
	pod := at(webhook, "spec", "template", "spec")
	for what, got := range map[string][2]any{
		"image":          {at(pod, "containers", 0, "image"), "mirror.example/podflame/webhook@" + digest},
		"backend image":  {at(found["Deployment podflame-backend"], "spec", "template", "spec", "containers", 0, "image"), "mirror.example/podflame/backend:0.1.0"},
		"pull secret":    {at(pod, "imagePullSecrets", 0, "name"), "mine"},
		"priority":       {at(pod, "priorityClassName"), "system-cluster-critical"},
		"toleration":     {at(pod, "tolerations", 0, "operator"), "Exists"},
		"memory":         {at(pod, "containers", 0, "resources", "limits", "memory"), "1Gi"},
		"label":          {at(webhook, "metadata", "labels", "team"), "observability"},
		"pod label":      {at(webhook, "spec", "template", "metadata", "labels", "team"), "observability"},
		"selector":       {at(webhook, "spec", "selector", "matchLabels", "team"), nil},
		"annotation":     {at(webhook, "spec", "template", "metadata", "annotations", "x"), "y"},
		"size":           {at(found["PersistentVolumeClaim podflame-clickhouse"], "spec", "resources", "requests", "storage"), "5Gi"},
		"class":          {at(found["PersistentVolumeClaim podflame-clickhouse"], "spec", "storageClassName"), "fast"},
		"keep":           {at(found["PersistentVolumeClaim podflame-clickhouse"], "metadata", "annotations", "helm.sh/resource-policy"), "keep"},
		"budget":         {at(found["PodDisruptionBudget podflame-webhook"], "kind"), nil},
		"monitor":        {at(found["ServiceMonitor podflame-webhook"], "kind"), "ServiceMonitor"},
		"sidecar image":  {settingsOf(t, found, "podflame-webhook")["PODFLAME_SIDECAR_IMAGE"], "mirror.example/podflame/sidecar:2"},
		"sidecar secret": {settingsOf(t, found, "podflame-webhook")["PODFLAME_SIDECAR_PULL_SECRETS"], "a,b"},
		"setting":        {settingsOf(t, found, "podflame-webhook")["PODFLAME_AUDIT_EVERY"], "1m"},
		"backend's":      {settingsOf(t, found, "podflame-backend")["PODFLAME_CLUSTER"], "east"},
		"cluster":        {settingsOf(t, found, "podflame-webhook")["PODFLAME_CLUSTER"], "east"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %v, want %v", what, got[0], got[1])
		}
	}
	rules, _ := at(found["NetworkPolicy podflame-webhook"], "spec", "egress").([]any)
	if len(rules) == 0 || at(rules[len(rules)-1], "ports", 0, "port") != float64(8443) {
		t.Errorf("egress rules: %v", rules)
	}
}

// What a container sets itself beats its settings, so that is only what nobody may
// choose.
func TestSettingsHold(t *testing.T) {
	fixed := map[string]bool{"PODFLAME_NAMESPACE": true, "PODFLAME_CERTS": true, "GOMEMLIMIT": true}
	for _, values := range []string{"", "clickhouse: {mode: external}", "people: {enabled: true}", "certificates: cert-manager"} {
		found := mustRender(t, "podflame", "podflame-system", values)
		if variables := at(found["Deployment podflame-backend"], "spec", "template", "spec", "containers", 0, "env"); variables != nil {
			t.Errorf("with %q the backend has %v beside its settings", values, variables)
		}
		variables, _ := at(found["Deployment podflame-webhook"], "spec", "template", "spec", "containers", 0, "env").([]any)
		for i := range variables {
			if name, _ := at(variables[i], "name").(string); !fixed[name] {
				t.Errorf("with %q the webhook has %s beside its settings", values, name)
			}
		}
	}
	found := mustRender(t, "podflame", "podflame-system", "backend: {settings: {PODFLAME_CLICKHOUSE_MEMORY: 2GB}}")
	if memory := settingsOf(t, found, "podflame-backend")["PODFLAME_CLICKHOUSE_MEMORY"]; memory != "2GB" {
		t.Errorf("the memory of ClickHouse is %v", memory)
	}
}

// TestSettingsRestart: pods are replaced when their settings change, by an
// annotation, as the name of the ConfigMap stays.
func TestSettingsRestart(t *testing.T) {
	annotation := func(values string) any {
		return at(mustRender(t, "podflame", "podflame-system", values)["Deployment podflame-webhook"], "spec", "template", "metadata", "annotations", "podflame.io/settings")
	}
	one, two := annotation("cluster: one"), annotation("cluster: two")
	if annotation("") != nil || one == nil || one == two {
		t.Errorf("annotations %v, %v and %v", annotation(""), one, two)
	}
}

func TestExternalSecret(t *testing.T) {
	found := mustRender(t, "podflame", "podflame-system", "clickhouse: {mode: external, existingSecret: mine}")
	if from := at(found["Deployment podflame-backend"], "spec", "template", "spec", "containers", 0, "envFrom", 1, "secretRef", "name"); from != "mine" {
		t.Errorf("the backend reads Secret %v", from)
	}
	for key := range found {
		if strings.HasPrefix(key, "Secret ") {
			t.Errorf("%s beside the one that exists", key)
		}
	}
}

func TestClusterOfClickHouse(t *testing.T) {
	found := mustRender(t, "podflame", "podflame-system", "clickhouse: {mode: external, cluster: main}")
	if name := settingsOf(t, found, "podflame-backend")["PODFLAME_CLICKHOUSE_CLUSTER"]; name != "main" {
		t.Errorf("the cluster of the backend's ClickHouse is %v", name)
	}
	if name, ok := settingsOf(t, found, "podflame-webhook")["PODFLAME_CLICKHOUSE_CLUSTER"]; ok {
		t.Errorf("the webhook has cluster %v", name)
	}
}

// TestSchemaRefuses what a typing error would make of the values.
func TestSchemaRefuses(t *testing.T) {
	for _, values := range []string{
		"clickhouse: {mode: internal}", "clickhouse: {cluster: main}", "clickhouse: {mode: external, cluster: 'a b'}", "certificates: none", "image: {}", "images: {webhook: {digest: latest}}",
		"webhook: {settings: {AUDIT_EVERY: 1m}}", "webhook: {replicas: -1}", "labels: {a: 1}",
	} {
		if _, err := render(t, "podflame", "podflame-system", values); err == nil {
			t.Errorf("%s: accepted", values)
		}
	}
}

package acceptance

import (
	"fmt"
	"strings"

	"github.com/podflame/podflame/sidecar/contract"
)

// manifest is the workload as YAML: what a person would write.
func (w workload) manifest() string {
	var annotations string
	if !w.defaults {
		annotations += fmt.Sprintf("%s: 10s\n%s: 4ms\n", contract.Window, contract.CPUInterval)
	}
	if w.namespace != labelledNamespace {
		annotations += contract.Enabled + ": \"true\"\n"
	}
	annotations += w.annotations
	metadata := fmt.Sprintf("metadata:\n  labels: {app: %s}\n  annotations:\n%s", w.name, indent(annotations, 4))
	spec := "spec:\n" + indent("terminationGracePeriodSeconds: 5\nautomountServiceAccountToken: false\n"+w.spec, 2)
	head := fmt.Sprintf("metadata: {name: %s, namespace: %s}\n", w.name, w.namespace)
	switch w.kind {
	case "Pod":
		return "apiVersion: v1\nkind: Pod\n" + strings.Replace(metadata, "metadata:\n", fmt.Sprintf("metadata:\n  name: %s\n  namespace: %s\n", w.name, w.namespace), 1) + spec
	case "Job":
		return "apiVersion: batch/v1\nkind: Job\n" + head + "spec:\n  backoffLimit: 0\n  template:\n" + indent(metadata+spec, 4)
	case "CronJob":
		return "apiVersion: batch/v1\nkind: CronJob\n" + head + "spec:\n  schedule: \"* * * * *\"\n  concurrencyPolicy: Forbid\n  jobTemplate:\n    spec:\n      backoffLimit: 0\n      template:\n" + indent(metadata+spec, 8)
	case "StatefulSet":
		return "apiVersion: apps/v1\nkind: StatefulSet\n" + head + "spec:\n  serviceName: " + w.name + selector(w.name) + indent(metadata+spec, 4)
	}
	return "apiVersion: apps/v1\nkind: Deployment\n" + head + "spec:\n  replicas: 1" + selector(w.name) + indent(metadata+spec, 4)
}

// resource is the kind as kubectl takes it.
func (w workload) resource() string {
	if w.kind == "" {
		return "deployment"
	}
	return strings.ToLower(w.kind)
}

func selector(name string) string {
	return fmt.Sprintf("\n  selector: {matchLabels: {app: %s}}\n  template:\n", name)
}

func indent(text string, by int) string {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		out.WriteString(strings.Repeat(" ", by) + line)
	}
	return out.String()
}

func (l *lab) applyText(s *step, manifest string) {
	s.Helper()
	if _, _, err := l.Kubectl(s.ctx, strings.NewReader(manifest), "apply", "-f", "-"); err != nil {
		s.Fatalf("%v\n%s", err, manifest)
	}
}

func (l *lab) makeNamespaces(s *step) {
	s.Helper()
	for name, labels := range map[string]string{
		annotatedNamespace:  "",
		labelledNamespace:   contract.Enabled + `: "true"`,
		baselineNamespace:   "pod-security.kubernetes.io/enforce: baseline",
		restrictedNamespace: "pod-security.kubernetes.io/enforce: restricted",
	} {
		l.applyText(s, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {%s}}\n", name, labels))
	}
}

package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/webhook/internal/inject"
)

// podPath is where an object of a group and kind keeps its pod.
var podPath = map[[2]string][]string{
	{"", "Pod"}:                   {},
	{"", "PodTemplate"}:           {"template"},
	{"", "ReplicationController"}: {"spec", "template"},
	{"apps", "Deployment"}:        {"spec", "template"},
	{"apps", "StatefulSet"}:       {"spec", "template"},
	{"apps", "DaemonSet"}:         {"spec", "template"},
	{"apps", "ReplicaSet"}:        {"spec", "template"},
	{"batch", "Job"}:              {"spec", "template"},
	{"batch", "CronJob"}:          {"spec", "jobTemplate", "spec", "template"},
}

// templatePaths are where kinds that are not known here keep their pod, if they
// do: Rollouts, CloneSets, DeploymentConfigs. A Knative Service keeps it there
// too, but its pods are made by admission of their own, and it accepts no
// containers like ours.
var templatePaths = [][]string{{"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}}

// pathOfPod is where the object keeps its pod; false if it has none.
func pathOfPod(h header, object *yaml.Node) ([]string, bool) {
	if path, known := podPath[[2]string{h.group(), h.Kind}]; known {
		return path, true
	}
	if h.group() == "serving.knative.dev" {
		return nil, false
	}
	for _, path := range templatePaths {
		containers := field(object, append(slices.Clone(path), "spec", "containers")...)
		if containers != nil && containers.Kind == yaml.SequenceNode && len(containers.Content) > 0 {
			return path, true
		}
	}
	return nil, false
}

// header is what all objects have.
type header struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metav1.ObjectMeta `json:"metadata"`
}

func (h header) group() string {
	group, _, named := strings.Cut(h.APIVersion, "/")
	if !named {
		return ""
	}
	return group
}

// object injects into one object, or into those of a List, and tells whether
// it changed the node. itemKind is the kind of items that name none.
func (w *work) object(n *yaml.Node, itemKind string, depth int) (bool, error) {
	plain, err := resolved(n)
	if err != nil {
		return false, err
	}
	if plain.Tag == "!!null" {
		return false, nil // an item that a template left empty
	}
	h, err := readHeader(plain)
	if err != nil {
		return false, err
	}
	if h.Kind == "" {
		h.Kind = itemKind
	}
	if items := field(n, "items"); items != nil && strings.HasSuffix(h.Kind, "List") {
		return w.list(items, strings.TrimSuffix(h.Kind, "List"), depth)
	}
	path, has := pathOfPod(h, plain)
	if !has || isPatch(plain) {
		return false, nil
	}
	target := field(plain, path...)
	if target == nil || target.Kind != yaml.MappingNode {
		return false, fmt.Errorf("%s %q has no %s", h.Kind, h.Metadata.Name, strings.Join(path, "."))
	}
	before, after, err := w.pod(h, target, len(path) > 0)
	if err != nil {
		return false, fmt.Errorf("%s %q: %w", h.Kind, h.Metadata.Name, err)
	}
	return w.overlay(n, path, before, after)
}

func (w *work) list(items *yaml.Node, itemKind string, depth int) (bool, error) {
	if depth == maxDepth {
		return false, fmt.Errorf("lists are nested more than %d deep", maxDepth)
	}
	anyChanged := false
	for i, item := range items.Content {
		changed, err := w.object(item, itemKind, depth+1)
		if err != nil {
			return false, fmt.Errorf("item %d: %w", i, err)
		}
		anyChanged = anyChanged || changed
	}
	return anyChanged, nil
}

// pod decides about the pod, or pod template, in target, and returns what it was
// and what it is to be.
func (w *work) pod(h header, target *yaml.Node, template bool) (before, after *corev1.Pod, err error) {
	var read corev1.Pod
	if err := into(target, &read); err != nil {
		return nil, nil, err
	}
	if len(read.Spec.Containers) == 0 {
		return nil, nil, errors.New("the pod has no containers")
	}
	namespace := firstNonEmpty(h.Metadata.Namespace, w.options.Namespace)
	pod := read.DeepCopy()
	pod.Namespace = namespace
	if template {
		pod.OwnerReferences = ownerOf(h)
	}
	if w.options.Annotate && !hasEnabled(pod.ObjectMeta) {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, contract.Enabled, "true")
	}
	d := inject.Decide(pod, w.namespace(namespace), w.options.Config)
	if template && !hasEnabled(pod.ObjectMeta) && hasEnabled(h.Metadata) {
		d.Warnings = append(d.Warnings, inject.Finding{Reason: inject.AnnotationOnWorkload, Detail: contract.Enabled})
	}
	after = inject.Apply(pod, d, w.options.Config)
	w.results = append(w.results, Result{
		Kind: h.Kind, Namespace: namespace, Name: firstNonEmpty(h.Metadata.Name, h.Metadata.GenerateName), Decision: d,
		QoSBefore: inject.QoS(pod), QoSAfter: inject.QoS(after),
	})
	after.Namespace, after.OwnerReferences = read.Namespace, read.OwnerReferences
	return &read, after, nil
}

// ownerOf is the owner that pods of the workload will have, as far as the
// decision looks at it. A Deployment's pods are owned by a ReplicaSet, which
// package inject names after the Deployment.
func ownerOf(h header) []metav1.OwnerReference {
	kind, controller := h.Kind, true
	if kind == "CronJob" {
		kind = "Job"
	}
	return []metav1.OwnerReference{{APIVersion: h.APIVersion, Kind: kind, Name: h.Metadata.Name, Controller: &controller}}
}

func hasEnabled(m metav1.ObjectMeta) bool {
	_, annotated := m.Annotations[contract.Enabled]
	_, labelled := m.Labels[contract.Enabled]
	return annotated || labelled
}

// remember keeps the namespaces that the input holds.
func (w *work) remember(n *yaml.Node, depth int) {
	if n == nil || depth > maxDepth {
		return
	}
	if n.Kind == yaml.DocumentNode {
		n = n.Content[0]
	}
	plain, err := resolved(n)
	if err != nil {
		return // said when it is decided upon
	}
	h, err := readHeader(plain)
	if err != nil {
		return
	}
	if h.group() == "" && h.Kind == "Namespace" {
		w.namespaces[h.Metadata.Name] = &inject.Namespace{ObjectMeta: h.Metadata}
	}
	if items := field(n, "items"); items != nil && strings.HasSuffix(h.Kind, "List") {
		for _, item := range items.Content {
			w.remember(item, depth+1)
		}
	}
}

func (w *work) namespace(name string) *inject.Namespace {
	if ns := w.namespaces[name]; ns != nil {
		return ns
	}
	if w.options.NamespaceLabels == nil && w.options.NamespaceAnnotations == nil {
		return nil
	}
	return &inject.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: w.options.NamespaceLabels, Annotations: w.options.NamespaceAnnotations,
	}}
}

func firstNonEmpty(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

package inject

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/podflame/podflame/sidecar/contract"
)

// TestCorpus holds the pods of other projects to the laws: every pod and pod
// template in the YAML files under the folder CORPUS, opted in. What is no YAML,
// such as a template of a chart, and what is only part of a pod are counted and
// left out. The pods are written to the folder CORPUS_PODS, if there is one, for
// tests/cluster to show to an API server.
func TestCorpus(t *testing.T) {
	folder := os.Getenv("CORPUS")
	if folder == "" {
		t.Skip("CORPUS names no folder with manifests of other projects")
	}
	outcomes, pods, excerpts, unread := map[Reason]int{}, 0, 0, 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if extension := filepath.Ext(path); err != nil || entry.IsDir() || extension != ".yaml" && extension != ".yml" {
			return err
		}
		templates, err := templatesOf(path)
		if err != nil {
			unread++
		}
		for _, template := range templates {
			pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
			pod.Annotations = maps.Clone(pod.Annotations)
			if pod.Annotations == nil {
				pod.Annotations = map[string]string{}
			}
			pod.Annotations[contract.Enabled] = "true"
			var faults counter
			if checkSound(&faults, pod); faults > 0 { // an excerpt of one, such as a patch, or volumes come from a StatefulSet
				excerpts++
				continue
			}
			pods++
			outcomes[Decide(pod, nil, testConfig()).Reason()]++
			t.Run(path, func(t *testing.T) { checkLaws(t, pod, nil, testConfig()) })
			if into := os.Getenv("CORPUS_PODS"); into != "" {
				writePod(t, filepath.Join(into, fmt.Sprintf("%04d.pod.yaml", pods)), pod)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d pods; left out: %d excerpts of pods, the rest of %d files", pods, excerpts, unread)
	for _, reason := range slices.Sorted(maps.Keys(outcomes)) {
		t.Logf("%s: %d", reason, outcomes[reason])
	}
	if outcomes[Injected] == 0 {
		t.Errorf("no pod of %s is injected", folder)
	}
}

// writePod writes a pod without what an API server looks up: its name, namespace,
// ServiceAccount and priority.
func writePod(t *testing.T, path string, pod *corev1.Pod) {
	t.Helper()
	pod = pod.DeepCopy()
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	pod.ObjectMeta = metav1.ObjectMeta{Name: "corpus", Labels: pod.Labels, Annotations: pod.Annotations}
	pod.Spec.ServiceAccountName, pod.Spec.DeprecatedServiceAccount, pod.Spec.PriorityClassName = "", "", ""
	text, err := sigsyaml.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// counter counts faults.
type counter int

func (c *counter) Helper()               {}
func (c *counter) Errorf(string, ...any) { *c++ }
func (c *counter) Fatalf(string, ...any) { *c++ }

// templatesOf are the pods and pod templates of a file.
func templatesOf(path string) ([]corev1.PodTemplateSpec, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found []corev1.PodTemplateSpec
	for reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		var object map[string]any
		if err := sigsyaml.Unmarshal(document, &object); err != nil {
			return found, err
		}
		found = append(found, templatesIn(object)...)
	}
}

// templatesIn looks for what has metadata or not, and a spec with containers.
func templatesIn(value any) []corev1.PodTemplateSpec {
	var found []corev1.PodTemplateSpec
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			found = append(found, templatesIn(item)...)
		}
	case map[string]any:
		spec, _ := value["spec"].(map[string]any)
		if containers, _ := spec["containers"].([]any); len(containers) > 0 {
			var template corev1.PodTemplateSpec
			text, err := sigsyaml.Marshal(value)
			if err == nil && sigsyaml.Unmarshal(text, &template) == nil {
				return []corev1.PodTemplateSpec{template}
			}
		}
		for _, key := range sortedKeys(value) {
			found = append(found, templatesIn(value[key])...)
		}
	}
	return found
}

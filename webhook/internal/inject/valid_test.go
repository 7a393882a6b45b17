package inject

import (
	"path"
	"strings"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var quantities = cmp.Comparer(func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 })

// checkValid holds a pod to the API server's rules that adding a container and
// volumes could break.
func checkValid(t fataler, pod *corev1.Pod) {
	t.Helper()
	if HasSidecar(pod) {
		checkSound(t, pod)
	}
}

// checkSound is checkValid for a pod without the sidecar, too.
func checkSound(t fataler, pod *corev1.Pod) {
	t.Helper()
	for _, err := range apivalidation.ValidateAnnotations(pod.Annotations, field.NewPath("metadata")) {
		t.Errorf("%v", err)
	}
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		checkName(t, v.Name, volumes)
	}
	names := map[string]bool{}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			checkName(t, containers[i].Name, names)
			checkContainer(t, &containers[i], volumes)
		}
	}
	if i := indexOf(pod.Spec.InitContainers, sidecarName); i >= 0 {
		if !isRestartable(&pod.Spec.InitContainers[i]) {
			t.Errorf("the sidecar is an init container that would have to end")
		}
	}
}

func checkName(t fataler, name string, seen map[string]bool) {
	t.Helper()
	if problems := metavalidation.IsDNS1123Label(name); len(problems) > 0 {
		t.Errorf("name %q: %s", name, strings.Join(problems, ", "))
	}
	if seen[name] {
		t.Errorf("name %q is there twice", name)
	}
	seen[name] = true
}

func checkContainer(t fataler, c *corev1.Container, volumes map[string]bool) {
	t.Helper()
	paths, variables := map[string]bool{}, map[string]bool{}
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] {
			t.Errorf("container %s mounts volume %q, which does not exist", c.Name, m.Name)
		}
		if p := path.Clean(m.MountPath); paths[p] {
			t.Errorf("container %s mounts on %s twice", c.Name, p)
		} else {
			paths[p] = true
		}
	}
	for _, e := range c.Env {
		if variables[e.Name] {
			t.Errorf("container %s has variable %s twice", c.Name, e.Name)
		}
		variables[e.Name] = true
	}
	for name, request := range c.Resources.Requests {
		if limit, ok := c.Resources.Limits[name]; ok && request.Cmp(limit) > 0 {
			t.Errorf("container %s requests more %s than its limit", c.Name, name)
		}
	}
}

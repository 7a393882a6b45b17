package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/tests/cluster/kube"
)

// TestUninstall deletes what the manifests made and what the webhook made, in
// a cluster of its own: nothing of ours is left but the pods that were
// injected, which go on as they are.
func TestUninstall(t *testing.T) {
	binaries, err := kube.Find()
	if err != nil {
		t.Fatal(err)
	}
	ctx := testContext(t)
	installed := shared
	defer func() { shared = installed }()
	cluster, err := kube.Start(ctx, binaries, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	shared = &world{Cluster: cluster, root: installed.root, program: installed.program, service: installed.service}
	if err := shared.install(ctx, binaries); err != nil {
		t.Fatal(err)
	}
	before := inventory(t)
	t.Run("use", func(t *testing.T) { // its end stops the webhook
		startWebhook(t, 1)
		pod, _ := create(t, "default", plainPod("profiled", annotated(contract.Enabled, "true")), metav1.CreateOptions{})
		if sidecar(pod) == nil {
			t.Fatal("the pod is not injected")
		}
		trustBundle(t, "default")
	})
	overlay := filepath.Join(cluster.Directory, "overlay")
	// As the README says.
	for _, arguments := range [][]string{
		{"delete", "-k", overlay, "--wait", "--timeout=60s"},
		{"delete", "configmap", "--all-namespaces", "--field-selector", "metadata.name=" + contract.TrustConfigMap},
	} {
		if _, _, err := cluster.Kubectl(ctx, nil, arguments...); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range inventory(t) {
		if strings.Contains(line, "podflame") {
			t.Errorf("left behind: %s", line)
		}
	}
	if len(before) == 0 {
		t.Error("the inventory found nothing even before")
	}
	pod, err := cluster.Client.CoreV1().Pods("default").Get(ctx, "profiled", metav1.GetOptions{})
	if err != nil || sidecar(pod) == nil {
		t.Errorf("the injected pod: %v", err)
	}
	again, _ := create(t, "default", plainPod("again", annotated(contract.Enabled, "true")), metav1.CreateOptions{})
	if sidecar(again) != nil {
		t.Error("a pod is injected after the webhook was removed")
	}
}

// inventory lists the objects of every kind that can be listed, by name; those
// the API server or its controllers make on their own carry other names.
func inventory(t testing.TB) []string {
	t.Helper()
	_, lists, err := shared.Client.Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, list := range lists {
		group, _, _ := strings.Cut(list.GroupVersion, "/")
		if !strings.Contains(list.GroupVersion, "/") {
			group = ""
		}
		for _, r := range list.APIResources {
			if strings.Contains(strings.Join(r.Verbs, ","), "list") && !strings.Contains(r.Name, "event") {
				kinds = append(kinds, strings.TrimSuffix(r.Name+"."+group, "."))
			}
		}
	}
	out, _, err := shared.Kubectl(context.Background(), nil, "get", strings.Join(kinds, ","), "--all-namespaces", "-o", "name", "--ignore-not-found")
	if err != nil {
		t.Fatal(fmt.Errorf("take an inventory: %w", err))
	}
	return strings.Fields(out)
}

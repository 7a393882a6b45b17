package inject

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

// Whoever makes a pod can write its status: what the audit keeps of it, and
// puts into Events, is bounded and printable.
func TestStatusOfAStrangerIsBounded(t *testing.T) {
	written := Status{Reason: NoContainer, Detail: "left out: é\n\x1b[2J" + strings.Repeat("x", 200<<10)}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{contract.Status: written.json()}}}
	status, ok := StatusOf(pod)
	if !ok || len(status.Detail) != maxDetail || !strings.HasPrefix(status.Detail, "left out: ???[2Jxxx") {
		t.Errorf("%v, %d bytes: %.40q", ok, len(status.Detail), status.Detail)
	}
}

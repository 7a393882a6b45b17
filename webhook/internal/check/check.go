// Package check looks at an installation the way an administrator would: with
// requests to the API server, and the rights of whoever asks.
package check

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// Level is what a check came to.
type Level int

// The levels. Unknown is a check for which the right to look is missing.
const (
	Passed Level = iota
	Warned
	Failed
	Unknown
)

// Result is one check.
type Result struct {
	Name   string // what is so if it passed
	Level  Level
	Detail string // what was found instead
	Remedy string // what to do about it
}

// Installation is what is looked at.
type Installation struct {
	Client        kubernetes.Interface
	Namespace     string // of the webhook
	Configuration string // MutatingWebhookConfiguration
	Service       string // and Deployment of the webhook
	Inject        inject.Config
	SettingsError error             // why Inject is not known
	Registry      http.RoundTripper // the way to the registry of the image; nil is the usual one
}

// check is one question; its results are one or more.
type check struct {
	name string
	ask  func(context.Context) []Result
}

// Run asks all questions, one after the other, in the order in which a fault
// explains those after it.
func (i Installation) Run(ctx context.Context) iter.Seq[Result] {
	checks := []check{
		{"the API server is Kubernetes 1.30 or later", i.version},
		{"the webhook runs in two replicas or more", i.deployment},
		{"the webhook's settings are valid", i.settings},
		{"the webhook configuration calls the webhook's Service", i.configuration},
		{"caBundle holds certificates that are valid", i.caBundle},
		{"the API server reaches the webhook, which injects a pod (dry run)", i.injects},
		{"the webhook has its rights", i.rights},
		{"namespaces opt in by a label, not by an annotation", i.namespaces},
		{"no pod waits for the sidecar's image", i.waiting},
		{"the sidecar's image is in its registry, for the nodes' architectures", i.pullable},
		{"no node is of an architecture without sidecars", i.architectures},
		{"all sidecars are of the version that is given to new pods", i.versions},
		{"network policies let sidecars reach the backend", i.egress},
		{"volumes find a storage class", i.storage},
	}
	return func(yield func(Result) bool) {
		for _, c := range checks {
			for _, result := range c.ask(ctx) {
				if result.Name == "" {
					result.Name = c.name
				}
				if !yield(result) {
					return
				}
			}
		}
	}
}

func passed() []Result { return []Result{{Level: Passed}} }

func warned(detail, remedy string) Result {
	return Result{Level: Warned, Detail: detail, Remedy: remedy}
}

func failed(detail, remedy string) []Result {
	return []Result{{Level: Failed, Detail: detail, Remedy: remedy}}
}

// unanswered tells a missing right from a missing object.
func unanswered(what string, err error, remedy string) []Result {
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		return []Result{{Level: Unknown, Detail: fmt.Sprintf("%s: %v", what, err), Remedy: "Run this with the rights of an administrator"}}
	}
	return failed(fmt.Sprintf("%s: %v", what, err), remedy)
}

// orPassed is what was found, or that all is well.
func orPassed(found []Result) []Result {
	if len(found) == 0 {
		return passed()
	}
	return found
}

package inject

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"

	"github.com/podflame/podflame/reason"
	"github.com/podflame/podflame/sidecar/contract"
)

// Status is the JSON of the annotation profiling.io/status: the decision, for
// people, for the audit and for the next call of the webhook.
type Status struct {
	Injected   bool                         `json:"injected"`
	Reason     Reason                       `json:"reason"`
	Detail     string                       `json:"detail,omitempty"`
	Remedy     string                       `json:"remedy,omitempty"`
	Version    string                       `json:"version,omitempty"` // of the webhook
	Containers []string                     `json:"containers,omitempty"`
	LeftOut    []string                     `json:"leftOut,omitempty"` // containers that would be profiled if they could
	Service    string                       `json:"service,omitempty"`
	Security   Security                     `json:"security,omitempty"`
	Raised     *corev1.ResourceRequirements `json:"raised,omitempty"` // of the pod's own resources as a whole
	Warnings   []Finding                    `json:"warnings,omitempty"`
}

// StatusOf reads the annotation of a pod; false if there is none or it is not
// one of ours.
func StatusOf(pod *corev1.Pod) (Status, bool) {
	var s Status
	text, ok := pod.Annotations[contract.Status]
	if !ok || json.Unmarshal([]byte(text), &s) != nil || s.Reason == "" {
		return Status{}, false
	}
	s.Detail = printable(s.Detail, maxDetail) // anybody may have written the annotation
	return s, true
}

func (d Decision) status(cfg Config) Status {
	s := Status{Injected: d.Inject, Reason: d.Reason(), Version: cfg.Version, Warnings: d.Warnings}
	if d.Inject {
		s.Containers, s.LeftOut = d.Plan.Containers, d.Plan.LeftOut
		s.Raised = d.Plan.Raised
		s.Service, s.Security = d.Plan.Service, d.Plan.Security
		return s
	}
	s.Detail, s.Remedy = d.Reasons[0].Detail, reason.Sentence(d.Reason().Remedy())
	return s
}

// json cannot fail: a Status holds strings and booleans only.
func (s Status) json() string {
	text, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return string(text)
}

package main

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podflame/podflame/reason"
	"github.com/podflame/podflame/webhook/internal/check"
	"github.com/podflame/podflame/webhook/internal/inject"
	"github.com/podflame/podflame/webhook/internal/manifest"
)

// describer writes decisions for people.
type describer struct {
	text    strings.Builder
	colored bool
}

// Colours of a terminal, by what became of a pod.
const (
	green  = "32" // injected
	red    = "31" // skipped
	yellow = "33" // a warning
)

func (d *describer) color(code, text string) string {
	if !d.colored {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// describe writes one line with the outcome, and below it what it means.
func (d *describer) describe(r manifest.Result) {
	decision := r.Decision
	fmt.Fprintf(&d.text, "%s %s/%s: %s", r.Kind, r.Namespace, r.Name, d.color(outcomeColor(decision), string(decision.Reason())))
	if decision.Inject {
		plan := decision.Plan
		fmt.Fprintf(&d.text, " (containers %s; service %s; sidecar %s)", strings.Join(plan.Containers, ", "), plan.Service, plan.Security)
	}
	d.text.WriteByte('\n')
	if decision.Inject {
		d.resources(r)
	} else {
		for _, f := range decision.Reasons {
			d.explain("", f)
		}
	}
	for _, f := range decision.Warnings {
		d.explain(d.color(yellow, "warning: "), f)
	}
}

func outcomeColor(d inject.Decision) string {
	switch {
	case d.Inject, d.Reason() == inject.AlreadyInjected:
		return green
	case d.Asked():
		return red
	}
	return ""
}

// resources are what the pod takes more than before, which quotas, the
// scheduler and autoscalers by utilisation will see.
func (d *describer) resources(r manifest.Result) {
	list := func(l corev1.ResourceList) string {
		return l.Cpu().String() + " CPU, " + l.Memory().String() + " memory"
	}
	added := r.Decision.Plan.Resources
	fmt.Fprintf(&d.text, "  adds requests of %s, limits of %s", list(added.Requests), list(added.Limits))
	if r.QoSBefore != r.QoSAfter {
		fmt.Fprintf(&d.text, "; QoS class %s becomes %s", r.QoSBefore, r.QoSAfter)
	}
	d.text.WriteByte('\n')
}

func (d *describer) explain(prefix string, f inject.Finding) {
	fmt.Fprintf(&d.text, "  %s%s\n", prefix, reason.Sentence(f.Reason.Text()))
	if f.Detail != "" {
		fmt.Fprintf(&d.text, "    detail: %s\n", f.Detail)
	}
	if remedy := f.Reason.Remedy(); remedy != "" {
		fmt.Fprintf(&d.text, "    remedy: %s\n", reason.Sentence(remedy))
	}
}

// levels are the marks of a check, as linkerd has them.
var levels = map[check.Level]struct{ mark, color string }{
	check.Passed:  {"√", green},
	check.Warned:  {"‼", yellow},
	check.Failed:  {"×", red},
	check.Unknown: {"?", yellow},
}

// check writes one line, and below it what was found instead.
func (d *describer) check(r check.Result) {
	level := levels[r.Level]
	fmt.Fprintf(&d.text, "%s %s\n", d.color(level.color, level.mark), r.Name)
	if r.Detail != "" {
		fmt.Fprintf(&d.text, "    found:  %s\n", r.Detail)
	}
	if r.Remedy != "" {
		fmt.Fprintf(&d.text, "    remedy: %s\n", reason.Sentence(strings.TrimSuffix(r.Remedy, ".")))
	}
}

// pod writes why a pod is profiled or not.
func (d *describer) pod(e check.Explained) {
	fmt.Fprintf(&d.text, "pod %s/%s\n", e.Namespace, e.Name)
	if e.Sidecar != "" {
		fmt.Fprintf(&d.text, "sidecar: %s\n", e.Sidecar)
	}
	if e.Told.Reason != "" {
		fmt.Fprintf(&d.text, "when it was created: %s\n", d.color(outcomeColor(inject.Decision{Inject: e.Told.Injected, Reasons: []inject.Finding{{Reason: e.Told.Reason}}}), string(e.Told.Reason)))
		d.explain("", inject.Finding{Reason: e.Told.Reason, Detail: e.Told.Detail})
		for _, f := range e.Told.Warnings {
			d.explain(d.color(yellow, "warning: "), f)
		}
	} else {
		d.text.WriteString("when it was created: the webhook did not see it\n")
	}
	fmt.Fprintf(&d.text, "such a pod now: ")
	d.describe(manifest.Result{Kind: "Pod", Namespace: e.Namespace, Name: e.Name, Decision: e.Decision})
}

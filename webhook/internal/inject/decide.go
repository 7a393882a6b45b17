package inject

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// Decide says whether pod gets the sidecar, why, and how. ns is nil where it is
// not known. Decide changes nothing and asks nobody.
func Decide(pod *corev1.Pod, ns *corev1.Namespace, cfg Config) Decision {
	if outcome := requested(pod, ns, cfg); outcome.Reason != "" {
		return skip(outcome.Reason, outcome.Detail)
	}
	if outcome := unsuitable(pod); outcome.Reason != "" {
		return skip(outcome.Reason, outcome.Detail)
	}
	ours := HasSidecar(pod)
	asked := readAnnotations(pod, cfg)
	plan, outcome := planFor(pod, ns, ours, asked, cfg)
	warnings := asked.warnings
	if outcome.Reason != "" {
		return skip(outcome.Reason, outcome.Detail, warnings...)
	}
	d := Decision{Inject: true, Reasons: []Finding{{Reason: Injected}}, Warnings: bounded(warnings), Plan: plan}
	if !annotationFits(pod, d.status(cfg).json()) {
		return skip(AnnotationsFull, "")
	}
	if ours && equality.Semantic.DeepEqual(pod, Apply(pod, d, cfg)) {
		return skip(AlreadyInjected, "")
	}
	return d
}

// planFor works out how the pod will be profiled, or the outcome that forbids
// it. It adds warnings to asked.
func planFor(pod *corev1.Pod, ns *corev1.Namespace, ours bool, asked *annotations, cfg Config) (Plan, Finding) {
	native := useNative(pod, ours, asked, cfg)
	if !native && runsToCompletion(pod) {
		return Plan{}, finding(JobWithoutNativeSidecar, "")
	}
	if !ours {
		if what := collision(pod); what != "" {
			return Plan{}, finding(NameCollision, what)
		}
	}
	containers, outcome := selectContainers(pod, ours, asked, cfg)
	if outcome.Reason != "" {
		return Plan{}, outcome
	}
	security, outcome := secure(pod, ns, containers, asked, cfg)
	if outcome.Reason != "" {
		return Plan{}, outcome
	}
	plan := Plan{
		Service:  serviceName(pod, asked),
		Version:  versionName(pod, security.containers[0], asked),
		Settings: asked.settings,
		Security: security.row,
		UID:      security.uid,
		GID:      security.gid,
		Native:   native,
		LeftOut:  asked.leftOut,
	}
	for _, c := range security.containers {
		plan.Containers = append(plan.Containers, c.Name)
		if needsTmp(c) {
			plan.TmpFor = append(plan.TmpFor, c.Name)
		}
	}
	plan.Resources, plan.MemLimit = sidecarResources(pod, len(plan.TmpFor), asked, cfg)
	return plan, Finding{}
}

// useNative chooses the kind of sidecar: where one already is, it stays; else
// the annotation, then the configuration, then the version of the server. An
// older server would drop restartPolicy from an init container, which would then
// hold up the pod for ever, so there no annotation can ask for it.
func useNative(pod *corev1.Pod, ours bool, asked *annotations, cfg Config) bool {
	native, possible := cfg.nativeSidecars()
	if asked.native != nil {
		if *asked.native && !possible {
			asked.warn(NativeUnsupported, "Kubernetes "+cfg.ServerVersion)
		}
		native = *asked.native && possible
	}
	if ours {
		return indexOf(pod.Spec.InitContainers, sidecarName) >= 0
	}
	return native
}

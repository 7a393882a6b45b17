package inject

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// Decide says whether pod gets the sidecar, why, and how. ns is nil where it is
// not known. Decide changes nothing and asks nobody.
func Decide(pod *corev1.Pod, ns *Namespace, cfg Config) Decision {
	if outcome := requested(pod, ns, cfg); outcome.Reason != "" {
		return skip(outcome.Reason, outcome.Detail)
	}
	if outcome := unsuitable(pod, cfg); outcome.Reason != "" {
		return skip(outcome.Reason, outcome.Detail)
	}
	ours := HasSidecar(pod)
	if !ours && ns != nil && ns.Unpullable != "" {
		return skip(ImageUnpullable, ns.Unpullable)
	}
	asked := readAnnotations(pod, ns, cfg)
	plan, outcome := planFor(pod, ns, ours, asked, cfg)
	warnings := asked.warnings
	if outcome.Reason != "" {
		return skip(outcome.Reason, outcome.Detail, warnings...)
	}
	d := Decision{Inject: true, Reasons: []Finding{{Reason: Injected}}, Warnings: bounded(warnings), Plan: plan}
	injected := Apply(pod, d, cfg)
	switch {
	case !annotationsFit(injected):
		return skip(AnnotationsFull, "")
	case ours && equality.Semantic.DeepEqual(pod, injected):
		return skip(AlreadyInjected, "")
	}
	return d
}

// planFor works out how the pod will be profiled, or the outcome that forbids
// it. It adds warnings to asked.
func planFor(pod *corev1.Pod, ns *Namespace, ours bool, asked *annotations, cfg Config) (Plan, Finding) {
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
	application := application(pod, security.containers, cfg)
	plan := Plan{
		Service:  serviceName(pod, application, asked),
		Version:  versionName(pod, application, asked),
		Settings: asked.settings,
		Security: security.row,
		UID:      security.uid,
		GID:      security.gid,
		Add:      security.add,
		Native:   native,
		LeftOut:  asked.leftOut,
	}
	for _, c := range security.containers {
		plan.Containers = append(plan.Containers, c.Name)
		if needsTmp(c) {
			plan.TmpFor = append(plan.TmpFor, c.Name)
		}
	}
	plan.MetricsPort = metricsPort(pod, asked)
	plan.SignalLaunchers = asked.signalLaunchers
	confined := commonConfinement(pod, security.containers, asked)
	plan.AppArmor, plan.SELinux = confined.appArmor, confined.seLinux
	plan.MeshAnnotations = meshAnnotations(pod, ns, asked, cfg)
	if isSandboxed(&pod.Spec) {
		asked.warn(SandboxedRuntime, "runtimeClassName "+*pod.Spec.RuntimeClassName)
	}
	plan.Resources = sidecarResources(pod, plan, asked, cfg)
	if outcome := fit(pod, &plan.Resources, ns, asked); outcome.Reason != "" {
		return Plan{}, outcome
	}
	plan.Raised = raised(pod, plan.Resources)
	plan.MemLimit = plan.Resources.Limits.Memory().Value()
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

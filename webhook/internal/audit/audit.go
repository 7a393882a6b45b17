package audit

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podflame/podflame/reason"
	"github.com/podflame/podflame/webhook/internal/inject"
)

// Finding is a pod that opted in and runs without the sidecar, or whose sidecar
// is in trouble.
type Finding struct {
	Namespace string        `json:"namespace"`
	Service   string        `json:"service"` // that it is or would be called
	Pod       string        `json:"pod"`
	UID       types.UID     `json:"uid"`
	OwnerKind string        `json:"ownerKind,omitempty"`
	OwnerName string        `json:"ownerName,omitempty"`
	CreatedAt time.Time     `json:"createdAt"`
	Reason    inject.Reason `json:"reason"`
	Detail    string        `json:"detail,omitempty"`
	Text      string        `json:"text"`
	Remedy    string        `json:"remedy,omitempty"`
}

// key orders findings and is the token of a page.
func (f Finding) key() string { return f.Namespace + "/" + f.Pod }

// Announcer tells people about a finding, once per pod however often it is
// called. It says false if it could not do so now.
type Announcer interface {
	Announce(ctx context.Context, finding Finding) bool
}

// Options govern an Auditor.
type Options struct {
	Cache     client.Reader // of slim pods, of namespaces' metadata and of network policies
	Live      client.Reader // of whole pods
	Inject    inject.Config
	Every     time.Duration
	Max       int             // findings kept; more are counted only
	Leader    <-chan struct{} // closed when this replica leads: only then it announces
	Announcer Announcer
	Breaker   *Breaker
	Metrics   *Metrics
	Log       *slog.Logger
}

// Auditor looks at all pods again and again.
type Auditor struct {
	options   Options
	door      Door                  // of the backend
	inCluster bool                  // whether it is one of pods of the cluster
	verdicts  map[types.UID]Finding // of pods looked at closely, so that each is fetched once
	announced map[types.UID]bool
	latest    atomic.Pointer[report]
}

// report is what one round found.
type report struct {
	at          time.Time
	optedIn     int
	withSidecar int
	troubled    map[inject.Reason]int // of those with the sidecar, by trouble; the first of them are in findings too
	images      map[string]int        // of those with the sidecar, by its image
	image       string                // that new pods get
	missing     int                   // opted in and without sidecar
	examined    int                   // of those, with their reason in findings
	findings    []Finding
}

// New makes an Auditor that knows nothing yet.
func New(options Options) *Auditor {
	a := &Auditor{options: options, verdicts: map[types.UID]Finding{}, announced: map[types.UID]bool{}}
	a.door, a.inCluster = DoorOf(options.Inject.Backend)
	return a
}

// NeedLeaderElection is false: every replica answers /audit.
func (a *Auditor) NeedLeaderElection() bool { return false }

// Start audits until the context ends. It implements manager.Runnable.
func (a *Auditor) Start(ctx context.Context) error {
	ticker := time.NewTicker(a.options.Every)
	defer ticker.Stop()
	for {
		if err := a.round(ctx); err != nil && ctx.Err() == nil {
			a.options.Metrics.failures.Inc()
			a.options.Log.Warn("audit not finished, the last one stays", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (a *Auditor) round(ctx context.Context) error {
	namespaces, err := a.namespaces(ctx)
	if err != nil {
		return err
	}
	var pods corev1.PodList
	if err := a.options.Cache.List(ctx, &pods, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list pods in cache: %w", err)
	}
	policies, err := a.policies(ctx)
	if err != nil {
		return err
	}
	next := &report{at: time.Now(), troubled: map[inject.Reason]int{}, images: map[string]int{}, image: a.options.Inject.Image}
	var missing []*corev1.Pod
	var troubled []Finding
	for i := range pods.Items {
		pod := &pods.Items[i]
		switch {
		case !runs(pod) || !inject.Decide(pod, namespaces[pod.Namespace], a.options.Inject).Asked():
			continue
		case inject.HasSidecar(pod):
			next.withSidecar++
			next.images[ImageOf(pod)]++
			if code, detail := a.trouble(pod, policies[pod.Namespace]); code != "" {
				troubled = append(troubled, findingOf(pod, serviceOf(pod), code, detail))
			}
		default:
			missing = append(missing, pod)
		}
		next.optedIn++
	}
	next.missing = len(missing)
	if err := a.examine(ctx, next, missing, namespaces); err != nil {
		return err
	}
	a.addSidecars(ctx, next, troubled)
	a.latest.Store(next)
	a.options.Metrics.publish(next, len(a.options.Breaker.namespaces()))
	a.announce(ctx, next)
	return nil
}

func (a *Auditor) namespaces(ctx context.Context) (map[string]*inject.Namespace, error) {
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := a.options.Cache.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("list namespaces in cache: %w", err)
	}
	byName := make(map[string]*inject.Namespace, len(list.Items))
	for i := range list.Items {
		byName[list.Items[i].Name] = &inject.Namespace{ObjectMeta: list.Items[i].ObjectMeta}
	}
	return byName, nil
}

// runs says whether a pod could be profiled now.
func runs(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

// examine finds out why pods run without the sidecar, the first Max of them by
// name.
func (a *Auditor) examine(ctx context.Context, next *report, missing []*corev1.Pod, namespaces map[string]*inject.Namespace) error {
	slices.SortFunc(missing, func(x, y *corev1.Pod) int {
		return strings.Compare(x.Namespace+"/"+x.Name, y.Namespace+"/"+y.Name)
	})
	verdicts := make(map[types.UID]Finding, min(len(missing), a.options.Max))
	for _, pod := range missing[:min(len(missing), a.options.Max)] {
		finding, known := a.verdicts[pod.UID]
		if !known {
			var gone bool
			var err error
			if finding, gone, err = a.look(ctx, pod, namespaces[pod.Namespace]); err != nil {
				return err
			}
			if gone {
				next.missing--
				next.optedIn--
				continue
			}
			a.verdicts[pod.UID] = finding // kept even if this round is not finished
		}
		verdicts[pod.UID] = finding
		next.findings = append(next.findings, finding)
	}
	a.verdicts = verdicts
	return nil
}

// look fetches the whole pod and says why it has no sidecar. What the webhook
// wrote at the time counts first; a pod without that, which would be injected
// now, never came to the webhook.
func (a *Auditor) look(ctx context.Context, slim *corev1.Pod, namespace *inject.Namespace) (found Finding, gone bool, err error) {
	var pod corev1.Pod
	err = a.options.Live.Get(ctx, client.ObjectKeyFromObject(slim), &pod)
	if apierrors.IsNotFound(err) || err == nil && pod.UID != slim.UID {
		return Finding{}, true, nil
	}
	if err != nil {
		return Finding{}, false, fmt.Errorf("read pod %s/%s: %w", slim.Namespace, slim.Name, err)
	}
	code, detail := inject.MissedByWebhook, ""
	decision := inject.Decide(&pod, namespace, a.options.Inject)
	if status, ok := inject.StatusOf(&pod); ok && !status.Injected && slices.Contains(inject.Outcomes(), status.Reason) {
		code, detail = status.Reason, status.Detail
	} else if !decision.Inject {
		code, detail = decision.Reason(), decision.Reasons[0].Detail
	}
	return findingOf(&pod, inject.ServiceName(&pod, namespace, a.options.Inject), code, detail), false, nil
}

func findingOf(pod *corev1.Pod, service string, code inject.Reason, detail string) Finding {
	found := Finding{
		Namespace: pod.Namespace,
		Service:   service,
		Pod:       pod.Name,
		UID:       pod.UID,
		CreatedAt: pod.CreationTimestamp.UTC(),
		Reason:    code,
		Detail:    detail,
		Text:      reason.Sentence(code.Text()),
		Remedy:    reason.Sentence(code.Remedy()),
	}
	if owner := metav1.GetControllerOf(pod); owner != nil {
		found.OwnerKind, found.OwnerName = owner.Kind, owner.Name
	}
	return found
}

// announce tells of findings not told of yet, if this replica leads. A sidecar
// of an earlier version is no news to the pod's people.
func (a *Auditor) announce(ctx context.Context, r *report) {
	select {
	case <-a.options.Leader:
	default:
		return
	}
	announced := make(map[types.UID]bool, len(r.findings))
	for _, finding := range r.findings {
		if finding.Reason == inject.SidecarOutdated {
			continue
		}
		if a.announced[finding.UID] || a.options.Announcer.Announce(ctx, finding) {
			announced[finding.UID] = true
		}
	}
	a.announced = announced
}

package admission

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// Path is where the webhook is served.
const Path = "/mutate-v1-pod"

// Namespaces finds a namespace by its name, with at least its labels.
type Namespaces interface {
	Namespace(ctx context.Context, name string) (*corev1.Namespace, error)
}

// Reporter tells those who own a pod what was decided about it. It must not
// block.
type Reporter interface {
	Report(pod *corev1.Pod, namespace string, decision inject.Decision)
}

// Options govern a handler.
type Options struct {
	Inject      inject.Config
	Timeout     time.Duration // after which a pod is admitted unchanged
	MaxInFlight int           // requests worked on at once
	Namespaces  Namespaces
	Reporter    Reporter
	Metrics     *Metrics
	Log         *slog.Logger
}

// New makes the HTTP handler of the webhook.
func New(scheme *runtime.Scheme, options Options) http.Handler {
	hook := admission.WithDefaulter(scheme, &defaulter{options: options})
	guarded := &guard{next: hook.Handler, options: options, slots: make(chan struct{}, options.MaxInFlight)}
	hook.Handler = guarded
	return &door{next: hook, options: options, slots: make(chan struct{}, options.MaxInFlight)}
}

// door turns away what is not an admission request before its body is read,
// and bounds how many bodies are in memory.
type door struct {
	next    http.Handler
	options Options
	slots   chan struct{}
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		d.refuse(w, r, http.StatusMethodNotAllowed, fmt.Sprintf("method %s is not POST", r.Method))
		return
	case r.Header.Get("Content-Type") != "application/json":
		d.refuse(w, r, http.StatusUnsupportedMediaType, fmt.Sprintf("content type %.100q is not application/json", r.Header.Get("Content-Type")))
		return
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	default:
		d.options.Metrics.decided(inject.DecisionTimeout, false)
		http.Error(w, fmt.Sprintf("webhook: %d requests are in flight, the limit is %d", len(d.slots), cap(d.slots)), http.StatusServiceUnavailable)
		return
	}
	d.options.Metrics.inFlight.Inc()
	defer d.options.Metrics.inFlight.Dec()
	o := &outcome{}
	d.next.ServeHTTP(w, r.WithContext(withOutcome(r.Context(), o)))
	if !o.reached {
		d.options.Metrics.decided(inject.BadRequest, false)
		d.options.Log.Warn("request was not an AdmissionReview", "reason", inject.BadRequest, "from", r.RemoteAddr)
	}
}

func (d *door) refuse(w http.ResponseWriter, r *http.Request, status int, why string) {
	d.options.Metrics.decided(inject.BadRequest, false)
	d.options.Log.Warn("request was not an AdmissionReview", "reason", inject.BadRequest, "from", r.RemoteAddr, "why", why)
	http.Error(w, "webhook: "+why+"; POST an AdmissionReview of admission.k8s.io/v1 here", status)
}

// outcome is what the defaulter found out, on its way to the guard: a
// defaulter can change an object, but has no way to add warnings.
type outcome struct {
	reached  bool // the request was an AdmissionReview
	decision *inject.Decision
	pod      *corev1.Pod // as it was asked for
	err      error       // our own; the pod is unchanged
}

type outcomeKey struct{}

func withOutcome(ctx context.Context, o *outcome) context.Context {
	return context.WithValue(ctx, outcomeKey{}, o)
}

// outcomeOf never returns nil, so that nobody need ask.
func outcomeOf(ctx context.Context) *outcome {
	if o, ok := ctx.Value(outcomeKey{}).(*outcome); ok {
		return o
	}
	return &outcome{}
}

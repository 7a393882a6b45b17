package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// Path is where the webhook is served.
const Path = "/mutate-v1-pod"

// Namespaces finds a namespace by its name, with at least its labels and
// annotations, and what in it matters for a pod that is to be created there.
type Namespaces interface {
	Namespace(ctx context.Context, name string, pod *corev1.Pod) (*inject.Namespace, error)
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

// maxBody is as much as controller-runtime reads: two objects of the largest
// size that API servers store, and the request around them.
const maxBody = 7 << 20

// door turns away what is not an admission request, and bounds how many bodies
// are in memory. controller-runtime would take any JSON object for an
// AdmissionReview of the right version.
type door struct {
	next    http.Handler
	options Options
	slots   chan struct{}
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	default:
		d.options.Metrics.decided(inject.DecisionTimeout, false)
		http.Error(w, fmt.Sprintf("webhook: more than %d requests are in flight", cap(d.slots)), http.StatusServiceUnavailable)
		return
	}
	d.options.Metrics.inFlight.Inc()
	defer d.options.Metrics.inFlight.Dec()
	body, status, err := d.read(w, r)
	if err != nil {
		d.refuse(w, r, status, err)
		return
	}
	o := &outcome{}
	r = r.WithContext(withOutcome(r.Context(), o))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	d.next.ServeHTTP(w, r)
	if !o.reached {
		d.options.Metrics.decided(inject.BadRequest, false)
		d.options.Log.Warn("request could not be read as an AdmissionReview", "reason", inject.BadRequest, "from", r.RemoteAddr)
	}
}

// read returns the body of an AdmissionReview, or the HTTP status of the
// error. A body that does not arrive within the timeout would keep its slot
// from pods, and come too late for its own.
func (d *door) read(w http.ResponseWriter, r *http.Request) (body []byte, status int, err error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, http.StatusMethodNotAllowed, fmt.Errorf("method %s is not POST", r.Method)
	}
	if contentType := r.Header.Get("Content-Type"); contentType != "application/json" {
		return nil, http.StatusUnsupportedMediaType, fmt.Errorf("content type %.100q is not application/json", contentType)
	}
	deadline := http.NewResponseController(w)
	if err := deadline.SetReadDeadline(time.Now().Add(d.options.Timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, http.StatusInternalServerError, fmt.Errorf("set deadline of the body: %w", err)
	}
	body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", maxBody)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, http.StatusRequestTimeout, fmt.Errorf("the body did not arrive within %s", d.options.Timeout)
	}
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("read the body: %w", err)
	}
	_ = deadline.SetReadDeadline(time.Time{}) // it was for the body, not for the connection
	var found metav1.TypeMeta
	if err := json.Unmarshal(body, &found); err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("read the body of %d bytes as JSON: %w", len(body), err)
	}
	if want := admissionv1.SchemeGroupVersion.String(); found.APIVersion != want || found.Kind != "AdmissionReview" {
		return nil, http.StatusBadRequest, fmt.Errorf("the body is a %.100q of %.100q, not an AdmissionReview of %s", found.Kind, found.APIVersion, want)
	}
	return body, http.StatusOK, nil
}

func (d *door) refuse(w http.ResponseWriter, r *http.Request, status int, err error) {
	d.options.Metrics.decided(inject.BadRequest, false)
	d.options.Log.Warn("request is not an AdmissionReview", "reason", inject.BadRequest, "from", r.RemoteAddr, "error", err)
	http.Error(w, fmt.Sprintf("webhook: %v; POST an AdmissionReview of %s here", err, admissionv1.SchemeGroupVersion), status)
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

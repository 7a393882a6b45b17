package admission

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// guard makes every way in which the next handler can go wrong an admission of
// the unchanged object.
type guard struct {
	next    admission.Handler
	options Options
	slots   chan struct{} // held by work, also by work that nobody waits for any more
}

// answer is what the work behind the guard came to.
type answer struct {
	response admission.Response
	outcome  *outcome
}

var (
	errBusy = errors.New("too many requests are being worked on")
	errSlow = errors.New("the time for the decision is over")
)

// Handle implements admission.Handler.
func (g *guard) Handle(ctx context.Context, request admission.Request) admission.Response {
	outcomeOf(ctx).reached = true
	begin := time.Now()
	response, reason := g.decide(ctx, request)
	g.options.Metrics.duration.Observe(time.Since(begin).Seconds())
	g.options.Metrics.decided(reason, dryRun(request))
	return response
}

func (g *guard) decide(ctx context.Context, request admission.Request) (admission.Response, inject.Reason) {
	if why := notPodCreation(request); why != "" {
		return g.unchanged(request, inject.BadRequest, errors.New(why))
	}
	// When the manager ends, it cancels the requests that it still answers;
	// those pods are to be injected like any other.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.options.Timeout)
	defer cancel()
	select {
	case g.slots <- struct{}{}:
	case <-ctx.Done():
		return g.unchanged(request, inject.DecisionTimeout, errBusy)
	}
	done := make(chan answer, 1)
	go func() {
		defer func() { <-g.slots }()
		done <- g.work(ctx, request)
	}()
	select {
	case a := <-done:
		return g.conclude(request, a)
	case <-ctx.Done():
		return g.unchanged(request, inject.DecisionTimeout, errSlow)
	}
}

// work runs the next handler with an outcome of its own, because after a
// timeout nobody reads it any more while it is still written.
func (g *guard) work(ctx context.Context, request admission.Request) (a answer) {
	o := &outcome{}
	defer func() {
		if r := recover(); r != nil {
			g.options.Metrics.panics.Inc()
			g.options.Log.Error("panic while deciding about a pod", append(attributes(request), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))...)
			a = answer{outcome: &outcome{err: fmt.Errorf("panic: %v", r)}}
		}
	}()
	return answer{response: g.next.Handle(withOutcome(ctx, o), request), outcome: o}
}

func (g *guard) conclude(request admission.Request, a answer) (admission.Response, inject.Reason) {
	switch {
	case errors.Is(a.outcome.err, context.DeadlineExceeded):
		return g.unchanged(request, inject.DecisionTimeout, a.outcome.err)
	case a.outcome.err != nil:
		return g.unchanged(request, inject.InternalError, a.outcome.err)
	case a.outcome.decision == nil: // the defaulter was not called: the object is no pod
		return g.unchanged(request, inject.BadRequest, refusal(a.response))
	case !a.response.Allowed:
		return g.unchanged(request, inject.InternalError, refusal(a.response))
	}
	decision := *a.outcome.decision
	response := a.response
	response.Warnings = append(response.Warnings, decision.Messages()...)
	for _, warning := range decision.Warnings {
		g.options.Metrics.warned(warning.Reason)
	}
	if decision.Asked() {
		// Our own change makes the API server ask again: that is no news.
		level := slog.LevelInfo
		if decision.Reason() == inject.AlreadyInjected {
			level = slog.LevelDebug
		}
		g.options.Log.Log(context.Background(), level, "pod decided", append(attributes(request), "reason", decision.Reason(), "injected", decision.Inject, "detail", decision.Reasons[0].Detail, "owner", ownerOf(a.outcome.pod))...)
		if !dryRun(request) {
			g.options.Reporter.Report(a.outcome.pod, request.Namespace, decision)
		}
	}
	return response, decision.Reason()
}

// unchanged admits the object as it is, with a warning.
func (g *guard) unchanged(request admission.Request, reason inject.Reason, err error) (admission.Response, inject.Reason) {
	g.options.Log.Warn("object admitted unchanged", append(attributes(request), "reason", reason, "error", err)...)
	response := admission.Allowed("")
	response.Warnings = []string{inject.Finding{Reason: reason, Detail: shortened(err.Error())}.String()}
	return response, reason
}

func notPodCreation(request admission.Request) string {
	pods := corev1.SchemeGroupVersion.WithResource("pods")
	switch {
	case request.Resource.Group != pods.Group || request.Resource.Version != pods.Version || request.Resource.Resource != pods.Resource || request.SubResource != "":
		return fmt.Sprintf("resource %.100q of %.100q, subresource %.100q, is not pods of v1", request.Resource.Resource, request.Resource.Group+"/"+request.Resource.Version, request.SubResource)
	case request.Operation != admissionv1.Create:
		return fmt.Sprintf("operation %.100q is not CREATE", request.Operation)
	}
	return ""
}

func refusal(response admission.Response) error {
	if response.Result == nil || response.Result.Message == "" {
		return errors.New("the object is not a pod")
	}
	return errors.New(response.Result.Message)
}

func dryRun(request admission.Request) bool { return request.DryRun != nil && *request.DryRun }

func attributes(request admission.Request) []any {
	return []any{"uid", string(request.UID), "namespace", request.Namespace, "name", request.Name, "dryRun", dryRun(request)}
}

// ownerOf names a pod for the log; the pod itself has no name yet when a
// controller made it.
func ownerOf(pod *corev1.Pod) string {
	for _, owner := range pod.OwnerReferences {
		if owner.Controller != nil && *owner.Controller {
			return owner.Kind + "/" + owner.Name
		}
	}
	return pod.GenerateName
}

// maxWarning keeps a warning within what API servers pass on (256 bytes are
// shown whole, 4 KiB in all).
const maxWarning = 160

func shortened(text string) string {
	if len(text) <= maxWarning {
		return text
	}
	return text[:maxWarning] + "..."
}

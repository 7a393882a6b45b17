package acceptance

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/podflame/podflame/tests/cluster/kube"
	"github.com/podflame/podflame/tests/internal/stack"
)

// backend is the API as a person reaches it: through kubectl port-forward.
type backend struct {
	cluster *kube.Cluster
	forward *kube.Forward
}

// systemNamespace is where the manifests install to.
const systemNamespace = "podflame-system"

// address forwards the port again when its pod has gone.
func (b *backend) address(ctx context.Context) (string, error) {
	if b.forward != nil {
		select {
		case <-b.forward.Ended():
			b.forward = nil
		default:
			return b.forward.Address, nil
		}
	}
	forward, err := b.cluster.Forward(ctx, systemNamespace, "deployment/podflame-backend", "8080")
	if err != nil {
		return "", err
	}
	b.forward = forward
	return forward.Address, nil
}

// get reads a JSON answer. An answer other than 200 is an error with its body.
func (b *backend) get(ctx context.Context, path string, query url.Values, out any) error {
	address, err := b.address(ctx)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path+"?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("make request for %s: %w", path, err)
	}
	request.Close = true // a connection through a port-forward dies with its pod
	response, err := (&http.Client{Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		_ = b.forward.Close() // next time by a new one
		return fmt.Errorf("get %s: %w", path, err)
	}
	return stack.ReadAnswer(response, path, out)
}

// Parts of the API's answers that the claims are about.
type (
	amount struct{ Value, Count int64 }

	windowCount struct{ Expected, Stored, Lost int }

	coverage struct {
		Windows                              windowCount
		Captured, Stored, Truncated, Dropped amount
		Losses, NotCaptured                  []loss // after samples were taken, and where none were
	}

	loss struct {
		Outcome, Reason string
		Value, Count    int64
		DurationNs      int64
		Routine         bool // it belongs to ordinary running
	}

	top struct {
		Total     amount
		Functions []struct {
			Name        string
			Self, Total amount
		}
		Coverage coverage
	}

	target struct {
		Series   string
		Identity struct{ Namespace, Service, Pod, Container, JVMVersion string }
		State    struct {
			State, Reason, Detail, Session string
			Adopted                        bool
			LastWindowEnd                  time.Time
		}
		Spool  struct{ Windows, DroppedWindows int }
		Silent bool
	}
)

// told is what the ledger tells to be missing, but for what always is.
func (c coverage) told() []loss {
	return slices.DeleteFunc(slices.Concat(c.Losses, c.NotCaptured), func(l loss) bool { return l.Routine })
}

func (t top) total(name string) amount {
	for _, function := range t.Functions {
		if function.Name == name {
			return function.Total
		}
	}
	return amount{}
}

func (a amount) add(b amount) amount { return amount{a.Value + b.Value, a.Count + b.Count} }

// scope selects a type of a service in a namespace, over the last hour.
func scope(namespace, service, kind string) url.Values {
	now := time.Now()
	return scopeSince(namespace, service, kind, now.Add(-time.Hour))
}

func scopeSince(namespace, service, kind string, from time.Time) url.Values {
	return url.Values{
		"cluster": {"default"}, "namespace": {namespace}, "service": {service}, "type": {kind},
		"from": {strconv.FormatInt(from.Unix(), 10)}, "to": {strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10)},
	}
}

func (b *backend) targets(ctx context.Context, namespace string) ([]target, error) {
	var answer struct{ Targets []target }
	err := b.get(ctx, "/api/v1/targets", url.Values{"namespace": {namespace}}, &answer)
	return answer.Targets, err
}

package injection

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/reason"
)

// page is what we read of a page of the audit; webhook/internal/audit writes it.
type page struct {
	At           time.Time `json:"at"`
	Missing      int       `json:"missing"`
	Waiting      int       `json:"waiting"`
	EgressDenied int       `json:"egressDenied"`
	Outdated     int       `json:"outdated"`
	Findings     []finding `json:"findings"`
	ContinueWith string    `json:"continueWith"`
}

type finding struct {
	Namespace string      `json:"namespace"`
	Service   string      `json:"service"`
	Pod       string      `json:"pod"`
	OwnerKind string      `json:"ownerKind"`
	OwnerName string      `json:"ownerName"`
	CreatedAt time.Time   `json:"createdAt"`
	Reason    reason.Code `json:"reason"`
	Detail    string      `json:"detail"`
}

// read reads all pages. Replicas of the webhook may answer one each: a page
// continues by name, so that no pod is there twice.
func (a *Audit) read(ctx context.Context) (api.Injection, error) {
	out := api.Injection{State: api.InjectionKnown, Pods: []api.InjectionPod{}}
	after := ""
	for {
		p, err := a.page(ctx, after)
		if err != nil {
			return api.Injection{}, err
		}
		out.At = p.At.UTC()
		for _, f := range p.Findings {
			out.Pods = append(out.Pods, a.pod(f))
		}
		switch {
		case len(out.Pods) > a.Limits.Findings:
			out.Pods, out.Truncated = out.Pods[:a.Limits.Findings], true
			return out, nil
		case p.ContinueWith == "":
			out.Truncated = p.Missing+p.Waiting+p.EgressDenied+p.Outdated > len(out.Pods)
			return out, nil
		case p.ContinueWith <= after || len(p.Findings) == 0:
			return api.Injection{}, fmt.Errorf("read the webhook's audit at %s: page after %.100q goes on with %.100q", a.URL, after, p.ContinueWith)
		}
		after = p.ContinueWith
	}
}

func (a *Audit) pod(f finding) api.InjectionPod {
	detail := strings.ToValidUTF8(f.Detail, "")
	if len(detail) > a.Limits.Detail {
		detail = strings.ToValidUTF8(detail[:a.Limits.Detail], "") + "…"
	}
	return api.InjectionPod{
		Namespace: f.Namespace, Service: f.Service, Pod: f.Pod, OwnerKind: f.OwnerKind, OwnerName: f.OwnerName,
		CreatedAt: f.CreatedAt.UTC(), Reason: reason.Explain(f.Reason), Detail: detail,
	}
}

func (a *Audit) page(ctx context.Context, after string) (page, error) {
	query := url.Values{"limit": {strconv.Itoa(a.Limits.Page)}}
	if after != "" {
		query.Set("after", after)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"?"+query.Encode(), nil)
	if err != nil {
		return page{}, fmt.Errorf("ask for the webhook's audit: %w", err)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return page{}, fmt.Errorf("ask for the webhook's audit: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, a.Limits.Bytes+1))
	switch {
	case err != nil:
		return page{}, fmt.Errorf("read the webhook's audit at %s: %w", a.URL, err)
	case response.StatusCode != http.StatusOK:
		return page{}, fmt.Errorf("the webhook's audit at %s answers %d: %.200s", a.URL, response.StatusCode, strings.TrimSpace(string(body)))
	case int64(len(body)) > a.Limits.Bytes:
		return page{}, fmt.Errorf("a page of the webhook's audit at %s is larger than %d bytes", a.URL, a.Limits.Bytes)
	}
	var p page
	if err := json.Unmarshal(body, &p); err != nil {
		return page{}, fmt.Errorf("read the webhook's audit at %s: %w", a.URL, err)
	}
	return p, nil
}

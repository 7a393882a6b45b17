package audit

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"time"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// Path is where the audit is served.
const Path = "/audit"

// Findings on one page.
const (
	defaultPage = 200
	maxPage     = 1000
)

// maxToken is more than a namespace and a pod's name can have.
const maxToken = 63 + 1 + 253

// Page is the JSON of an answer. Findings are ordered by namespace and pod.
type Page struct {
	At           time.Time             `json:"at"`           // when the audit was made
	OptedIn      int                   `json:"optedIn"`      // pods that opted in
	WithSidecar  int                   `json:"withSidecar"`  // of them
	Missing      int                   `json:"missing"`      // of them, without the sidecar
	Unexamined   int                   `json:"unexamined"`   // of those missing, how many are in no page
	Waiting      int                   `json:"waiting"`      // of those with the sidecar, how many wait for its image
	EgressDenied int                   `json:"egressDenied"` // likewise, how many no network policy lets upload
	Outdated     int                   `json:"outdated"`     // likewise, how many have another image than new pods get
	Images       map[string]int        `json:"images"`       // of those with the sidecar, by its image
	Image        string                `json:"image"`        // that new pods get
	ByReason     map[inject.Reason]int `json:"byReason"`     // of those in findings
	Findings     []Finding             `json:"findings"`     // never null
	ContinueWith string                `json:"continueWith,omitempty"`
}

// ServeHTTP answers GET ?limit=N&after=TOKEN, TOKEN being continueWith of the
// page before. 503 before the first audit is finished.
func (a *Auditor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, fmt.Sprintf("audit: method %s is not GET", r.Method), http.StatusMethodNotAllowed)
		return
	}
	limit, after, err := pageOf(r.URL.Query())
	if err != nil {
		http.Error(w, "audit: "+err.Error(), http.StatusBadRequest)
		return
	}
	latest := a.latest.Load()
	if latest == nil {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "audit: the first audit is not finished yet", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(latest.page(limit, after)); err != nil {
		a.options.Log.Debug("audit not sent", "error", err)
	}
}

func pageOf(query url.Values) (limit int, after string, err error) {
	limit = defaultPage
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxPage {
			return 0, "", fmt.Errorf("limit %.20q is not a number from 1 to %d", text, maxPage)
		}
	}
	if after = query.Get("after"); len(after) > maxToken {
		return 0, "", fmt.Errorf("after is longer than %d bytes; give continueWith of the page before", maxToken)
	}
	return limit, after, nil
}

func (r *report) page(limit int, after string) Page {
	begin := sort.Search(len(r.findings), func(i int) bool { return r.findings[i].key() > after })
	end := min(begin+limit, len(r.findings))
	page := Page{
		At:           r.at.UTC(),
		OptedIn:      r.optedIn,
		WithSidecar:  r.withSidecar,
		Missing:      r.missing,
		Unexamined:   r.missing - r.examined,
		Waiting:      r.troubled[inject.ImageUnpullable],
		EgressDenied: r.troubled[inject.EgressDenied],
		Outdated:     r.troubled[inject.SidecarOutdated],
		Images:       r.images,
		Image:        r.image,
		ByReason:     r.byReason(),
		Findings:     append([]Finding{}, r.findings[begin:end]...),
	}
	if end < len(r.findings) {
		page.ContinueWith = r.findings[end-1].key()
	}
	return page
}

package auth

import (
	"log/slog"
	"net/http"

	"golang.org/x/time/rate"

	"github.com/podflame/podflame/backend/api"
)

// Audit tells who came in, who did not, and who took data out, in the log, each
// with the attribute audit.
type Audit struct {
	log      *slog.Logger
	refusals *rate.Limiter // the counters have all of them
}

// NewAudit returns an Audit.
func NewAudit(log *slog.Logger) *Audit {
	return &Audit{log: log, refusals: rate.NewLimiter(10, 50)}
}

func (a *Audit) loggedIn(r *http.Request, who Identity) {
	a.log.Info("login", "audit", "login", "user", who.Name, "expires", who.Expires, "remote", r.RemoteAddr)
}

func (a *Audit) loggedOut(r *http.Request, who Identity) {
	a.log.Info("logout", "audit", "logout", "user", who.Name, "remote", r.RemoteAddr)
}

func (a *Audit) exported(r *http.Request, who Identity) {
	a.log.Info("export", "audit", "export", "user", who.Name, "path", r.URL.Path, "query", r.URL.RawQuery, "remote", r.RemoteAddr)
}

func (a *Audit) refused(r *http.Request, who Identity, e *api.Error) {
	if a.refusals.Allow() {
		a.log.Warn("request refused", "audit", "refusal", "user", who.Name, "method", r.Method, "path", r.URL.Path,
			"reason", e.Code, "error", e, "host", r.Host, "remote", r.RemoteAddr)
	}
}

package auth

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/profile"
)

// Mode is how people show who they are.
type Mode string

// The modes.
const (
	None       Mode = "none"       // they need not
	Shared     Mode = "token"      // by a secret that all share
	Kubernetes Mode = "kubernetes" // by a token of the cluster, or by a proxy's login
)

// Verifier returns whose token it is that an address shows, or an *api.Error.
type Verifier interface {
	Identify(ctx context.Context, from netip.Addr, token string) (Identity, error)
}

// People lets readers in. It is safe for concurrent use.
type People struct {
	Mode     Mode
	Verifier Verifier // nil with None
	Scopes   *Scopes  // nil lets everybody who is let in see everything
	Proxy    *Proxy   // nil believes no proxy
	Origins  Origins
	Audience string // of the tokens, for who wants to make one
	Audit    *Audit
	Metrics  *Metrics
}

// way is how a reader showed who he is.
type way string

const (
	byNothing way = "nothing"
	byToken   way = "token"
	byProxy   way = "proxy"
	bySession way = "session"
)

// reader returns who is calling.
func (p *People) reader(r *http.Request) (Identity, way, error) {
	if p.Mode == None {
		return Identity{Name: "anyone"}, byNothing, nil
	}
	token, err := bearer(r.Header)
	if err != nil {
		return Identity{}, byToken, err
	}
	if token != "" {
		who, err := p.Verifier.Identify(r.Context(), sourceOf(r), token)
		return who, byToken, err
	}
	if who, said, err := p.Proxy.login(r); said {
		return who, byProxy, err
	}
	if token := sessionToken(r); token != "" {
		who, err := p.Verifier.Identify(r.Context(), sourceOf(r), token)
		return who, bySession, err
	}
	return Identity{}, byNothing, api.Errorf(profile.Unauthenticated, "nobody has logged in")
}

// scope returns what a reader may see. A request that names namespaces is limited
// to those, and refused if one is not his.
func (p *People) scope(ctx context.Context, who Identity, query url.Values) (access.Scope, error) {
	if p.Scopes == nil {
		return access.Everything(), nil
	}
	if named := namespacesIn(query); len(named) > 0 {
		return p.Scopes.Within(ctx, who, named)
	}
	return p.Scopes.Of(ctx, who)
}

// namespacesIn are the values of namespace and of parameters that end so, such as
// that of the other side of a comparison.
func namespacesIn(query url.Values) []string {
	var named []string
	for name, values := range query {
		if strings.HasSuffix(strings.ToLower(name), "namespace") {
			named = append(named, values...)
		}
	}
	return named
}

// Guard lets a request pass that may read, with its scope in its context.
func (p *People) Guard(c *gin.Context) {
	who, _, err := p.reader(c.Request)
	var s access.Scope
	if err == nil {
		s, err = p.scope(c.Request.Context(), who, c.Request.URL.Query())
	}
	if err != nil {
		p.refuse(c.Writer, c.Request, who, err)
		c.Abort()
		return
	}
	if strings.Contains(c.FullPath(), "/export") {
		p.Audit.exported(c.Request, who)
	}
	c.Request = c.Request.WithContext(access.Into(c.Request.Context(), s))
}

// Protect gives every answer the headers that keep browsers from harm, and
// refuses requests that come from other sites.
func (p *People) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'") // pages set their own
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if err := p.Origins.Check(r); err != nil {
			p.refuse(w, r, Identity{}, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse answers, counts and tells a refusal.
func (p *People) refuse(w http.ResponseWriter, r *http.Request, who Identity, err error) {
	e := api.AsError(err)
	p.Metrics.refused.WithLabelValues(string(e.Code)).Inc()
	p.Audit.refused(r, who, e)
	api.WriteError(w, e)
}

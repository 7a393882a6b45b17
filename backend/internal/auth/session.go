package auth

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// sessionCookie holds the token itself: it is judged anew with each request, so
// that nothing of a session is kept here, two backends know the same sessions,
// and a session ends when its token does.
const sessionCookie = "podflame-session"

// maxSessionToken is what fits into a cookie with its name and attributes.
const maxSessionToken = 3800

// maxLogin bounds the body of a login.
const maxLogin = 8 << 10

// Sessions is the part of the API by which people log in and out.
type Sessions struct {
	*People
	attempts *rate.Limiter
}

// NewSessions returns the sessions of people.
func NewSessions(p *People) *Sessions {
	return &Sessions{People: p, attempts: rate.NewLimiter(5, 20)}
}

// Routes adds the routes.
func (s *Sessions) Routes(r gin.IRouter) {
	r.GET("/api/v1/session", s.show)
	r.POST("/api/v1/session", s.login)
	r.DELETE("/api/v1/session", s.logout)
}

func (s *Sessions) show(c *gin.Context) {
	who, by, err := s.reader(c.Request)
	out := api.Session{Auth: string(s.Mode), Audience: s.Audience, Namespaces: []string{}}
	if err == nil {
		err = s.describe(c, &out, who, by)
	}
	if e := api.AsError(err); err != nil && e.Code != profile.Unauthenticated {
		text := profile.Explain(e.Code)
		out.Reason = &text
		if e.RetryAfter > 0 { // he may well be logged in
			s.refuse(c.Writer, c.Request, who, err)
			return
		}
	}
	api.Write(c.Writer, http.StatusOK, out)
}

// describe enters who a reader is and what he may see.
func (s *Sessions) describe(c *gin.Context, out *api.Session, who Identity, by way) error {
	scope, err := s.scope(c.Request.Context(), who, nil)
	if err != nil {
		return err
	}
	out.LoggedIn, out.User, out.By = true, who.Name, string(by)
	out.Everything, out.Namespaces = scope.Everything(), append(out.Namespaces, scope.Namespaces()...)
	if !who.Expires.IsZero() {
		expires := who.Expires.UTC()
		out.Expires = &expires
	}
	return nil
}

func (s *Sessions) login(c *gin.Context) {
	who, token, err := s.credentials(c)
	outcome := "ok"
	if err != nil {
		outcome = string(api.AsError(err).Code)
	}
	s.Metrics.logins.WithLabelValues(outcome).Inc()
	if err != nil {
		s.refuse(c.Writer, c.Request, who, err)
		return
	}
	s.Audit.loggedIn(c.Request, who)
	http.SetCookie(c.Writer, cookie(token, who.Expires))
	out := api.Session{Auth: string(s.Mode), Audience: s.Audience, Namespaces: []string{}}
	if err := s.describe(c, &out, who, bySession); err != nil {
		s.refuse(c.Writer, c.Request, who, err)
		return
	}
	api.Write(c.Writer, http.StatusOK, out)
}

// credentials reads and judges the token of a login. A body of JSON is what no
// HTML form of another site can send.
func (s *Sessions) credentials(c *gin.Context) (who Identity, token string, err error) {
	if s.Mode == None {
		return who, "", api.Errorf(profile.NotFound, "there is nothing to log in to with --auth=none")
	}
	if !s.attempts.Allow() {
		return who, "", api.Errorf(profile.Overloaded, "too many logins at a time").Retry(time.Second)
	}
	if c.ContentType() != "application/json" {
		return who, "", api.Errorf(profile.Malformed, "Content-Type is %.80q, not \"application/json\"", c.ContentType())
	}
	var body api.Login
	if err := json.NewDecoder(http.MaxBytesReader(c.Writer, c.Request.Body, maxLogin)).Decode(&body); err != nil {
		return who, "", api.Errorf(profile.Malformed, "the body is no login: %v", err)
	}
	if len(body.Token) > maxSessionToken {
		return who, "", api.Exceeded(profile.TokenMalformed, "length of the token", int64(len(body.Token)), maxSessionToken)
	}
	who, err = s.Verifier.Identify(c.Request.Context(), sourceOf(c.Request), body.Token)
	return who, body.Token, err
}

func (s *Sessions) logout(c *gin.Context) {
	if who, by, err := s.reader(c.Request); err == nil && by == bySession {
		s.Audit.loggedOut(c.Request, who)
	}
	http.SetCookie(c.Writer, cookie("", time.Unix(1, 0)))
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
}

// cookie is kept by the browser until the token expires, shown to this host
// only, never to scripts, and never with a request that another site makes.
// Browsers keep a Secure cookie of localhost although that speaks HTTP.
func cookie(token string, expires time.Time) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: token, Path: "/", Expires: expires,
		HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode,
	}
}

// sessionToken is the token in the cookie; empty if there is none.
func sessionToken(r *http.Request) string {
	found := r.CookiesNamed(sessionCookie)
	if len(found) != 1 || len(found[0].Value) > maxSessionToken {
		return ""
	}
	return found[0].Value
}

// Package authtest scripts an API server that reviews tokens and access, for
// what a real one does not do on demand: to be away, slow, or of a mind. It is
// for tests only; tests/cluster has the real one.
package authtest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/client-go/rest"
)

// Server is a scripted API server.
type Server struct {
	*httptest.Server

	mu     sync.Mutex
	users  map[string]authenticationv1.TokenReviewStatus // by token
	grants map[[2]string]bool                            // user or group, namespace ("" for all)
	away   bool
	before func() // runs in each review
	asked  map[string]int
}

// NewServer starts a server that knows nobody. It ends with the test.
func NewServer(t testing.TB) *Server {
	s := &Server{users: map[string]authenticationv1.TokenReviewStatus{}, grants: map[[2]string]bool{}, asked: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /apis/authentication.k8s.io/v1/tokenreviews", s.token)
	mux.HandleFunc("POST /apis/authorization.k8s.io/v1/subjectaccessreviews", s.access)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// Config is how a client reaches the server.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.URL} }

// Pod makes the server accept a token of a pod, and returns the token.
func (s *Server) Pod(audience, namespace, name, uid string, expires time.Time) string {
	return s.Accept(authenticationv1.UserInfo{
		Username: "system:serviceaccount:" + namespace + ":default",
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
		Extra: map[string]authenticationv1.ExtraValue{
			"authentication.kubernetes.io/pod-name": {name}, "authentication.kubernetes.io/pod-uid": {uid},
		},
	}, audience, expires)
}

// Reader makes the server accept a token of a user who may see these namespaces,
// and returns the token.
func (s *Server) Reader(name, audience string, expires time.Time, namespaces ...string) string {
	for _, namespace := range namespaces {
		s.Grant(name, namespace)
	}
	return s.Accept(authenticationv1.UserInfo{Username: name, Groups: []string{"system:authenticated"}}, audience, expires)
}

// Accept makes the server accept a token of a user, and returns the token.
func (s *Server) Accept(user authenticationv1.UserInfo, audience string, expires time.Time) string {
	token := Token(map[string]any{"aud": []string{audience}, "exp": expires.Unix(), "sub": user.Username + user.Extra["authentication.kubernetes.io/pod-uid"].String()})
	s.AcceptAs(token, authenticationv1.TokenReviewStatus{Authenticated: true, User: user, Audiences: []string{audience}})
	return token
}

// AcceptAs makes the server say this of a token.
func (s *Server) AcceptAs(token string, status authenticationv1.TokenReviewStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[token] = status
}

// Forget makes the server refuse a token, as when its pod is deleted.
func (s *Server) Forget(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, token)
}

// Grant lets a user or a group get the profiles of a namespace; of all if it is
// empty.
func (s *Server) Grant(subject, namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants[[2]string{subject, namespace}] = true
}

// Away makes the server answer nothing but errors, or no longer.
func (s *Server) Away(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// Before is called in each review from now on.
func (s *Server) Before(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

// Asked counts the reviews of a kind: token or access.
func (s *Server) Asked(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[kind]
}

// enter counts a review and reports whether the server answers.
func (s *Server) enter(kind string, w http.ResponseWriter) bool {
	s.mu.Lock()
	s.asked[kind]++
	away, before := s.away, s.before
	s.mu.Unlock()
	if before != nil {
		before()
	}
	if away {
		http.Error(w, "etcd is away", http.StatusInternalServerError)
	}
	return !away
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	var review authenticationv1.TokenReview
	if !s.enter("token", w) || !read(w, r, &review) {
		return
	}
	s.mu.Lock()
	status, ok := s.users[review.Spec.Token]
	s.mu.Unlock()
	if !ok {
		status.Error = "invalid bearer token"
	}
	review.Status = status
	write(w, &review)
}

func (s *Server) access(w http.ResponseWriter, r *http.Request) {
	var review authorizationv1.SubjectAccessReview
	if !s.enter("access", w) || !read(w, r, &review) {
		return
	}
	a := review.Spec.ResourceAttributes
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, subject := range append(slices.Clone(review.Spec.Groups), review.Spec.User) {
		if a.Verb == "get" && a.Group == "profiling.io" && a.Resource == "profiles" && (s.grants[[2]string{subject, a.Namespace}] || s.grants[[2]string{subject, ""}]) {
			review.Status.Allowed = true
		}
	}
	write(w, &review)
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	err := json.NewDecoder(r.Body).Decode(into)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return err == nil
}

func write(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(answer)
}

// Token is a JSON Web Token with these claims, and no signature worth the name.
func Token(claims map[string]any) string {
	payload, _ := json.Marshal(claims) // maps of strings and numbers
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode(payload) + "." + encode([]byte("signature"))
}

package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// Identity is a user as the API server knows him.
type Identity struct {
	Name   string
	UID    string
	Groups []string
	Extra  map[string][]string
	// Expires is when what proved the identity does; zero if it does not.
	Expires time.Time
}

// Reviewer asks who somebody is and what he may do. Its errors are *api.Error.
type Reviewer interface {
	// Token returns whose token it is, if it was made for the audience.
	Token(ctx context.Context, token, audience string) (Identity, error)
	// MayRead reports whether somebody may read the profiles of a namespace, or
	// of all if it is empty.
	MayRead(ctx context.Context, who Identity, namespace string) (bool, error)
}

// The resource that people need the right to get. No API server serves it: it is
// a name for RBAC.
const (
	readVerb     = "get"
	readGroup    = "profiling.io"
	readResource = "profiles"
)

// unavailableFor is proposed to those who come while the API server is away.
const unavailableFor = 5 * time.Second

// Kube asks the API server. It is safe for concurrent use.
type Kube struct{ client rest.Interface }

// NewKube returns a client for the API server. It does not connect. It has a
// scheme of its own with two groups, as the one of client-go's typed clients
// has every group: 16 MB in the program and 9 MB in memory.
func NewKube(config *rest.Config) (*Kube, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(authenticationv1.AddToScheme(scheme), authorizationv1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("register the types of reviews: %w", err)
	}
	c := rest.CopyConfig(config)
	c.QPS = -1 // Tokens and Scopes have limits of their own
	c.APIPath, c.GroupVersion = "/apis", &authenticationv1.SchemeGroupVersion
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("make a client for the API server at %s: %w", config.Host, err)
	}
	return &Kube{client}, nil
}

// Token implements Reviewer.
func (k *Kube) Token(ctx context.Context, token, audience string) (Identity, error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{audience}}}
	var answer authenticationv1.TokenReview
	if err := k.client.Post().AbsPath("/apis/authentication.k8s.io/v1/tokenreviews").Body(review).Do(ctx).Into(&answer); err != nil {
		return Identity{}, away("review a token", err)
	}
	s := &answer.Status
	if !s.Authenticated {
		return Identity{}, api.Errorf(profile.TokenRefused, "the cluster does not accept the token").Because(errors.New(s.Error))
	}
	// An API server that knows no audiences would accept a token for any.
	if !slices.Contains(s.Audiences, audience) {
		return Identity{}, api.Errorf(profile.TokenAudience, "the token is for %.200q, not for %q", strings.Join(s.Audiences, " "), audience)
	}
	who := Identity{Name: s.User.Username, UID: s.User.UID, Groups: s.User.Groups, Extra: map[string][]string{}}
	for name, values := range s.User.Extra {
		who.Extra[name] = values
	}
	return who, nil
}

// MayRead implements Reviewer.
func (k *Kube) MayRead(ctx context.Context, who Identity, namespace string) (bool, error) {
	extra := map[string]authorizationv1.ExtraValue{}
	for name, values := range who.Extra {
		extra[name] = values
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: who.Name, UID: who.UID, Groups: who.Groups, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: readVerb, Group: readGroup, Resource: readResource, Namespace: namespace},
	}}
	var answer authorizationv1.SubjectAccessReview
	if err := k.client.Post().AbsPath("/apis/authorization.k8s.io/v1/subjectaccessreviews").Body(review).Do(ctx).Into(&answer); err != nil {
		return false, away("review what a reader may see", err)
	}
	return answer.Status.Allowed && !answer.Status.Denied, nil
}

// away is the answer to whoever cannot be judged now.
func away(what string, err error) error {
	return api.Errorf(profile.ReviewUnavailable, "the Kubernetes API server did not answer").
		Because(fmt.Errorf("%s: %w", what, err)).Retry(unavailableFor)
}

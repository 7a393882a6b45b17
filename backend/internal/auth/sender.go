package auth

import (
	"net/http"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// Pod is a pod, as the API server knows it from a token.
type Pod struct{ Namespace, Name, UID string }

// Sender is who uploads. The zero value may upload for every pod: only a door on
// loopback knows such a sender.
type Sender struct {
	pod     *Pod
	cluster string
}

// Pod is the pod that the sender runs in; nil if that is not known.
func (s Sender) Pod() *Pod { return s.pod }

// Own makes sure that a target is the sender's, and gives it the name of this
// backend's cluster: a backend serves one. Its error is an *api.Error.
func (s Sender) Own(t *profile.Target) error {
	if s.pod == nil {
		return nil
	}
	if claimed := (Pod{t.Namespace, t.Pod, t.PodUID}); claimed != *s.pod {
		return api.Errorf(profile.NotOwnPod, "the upload is of pod %.80q (uid %.40q) in namespace %.80q, its token of pod %q (uid %q) in %q",
			claimed.Name, claimed.UID, claimed.Namespace, s.pod.Name, s.pod.UID, s.pod.Namespace)
	}
	t.Cluster = s.cluster
	return nil
}

// Senders says who uploads. Its errors are *api.Error.
type Senders interface {
	Sender(r *http.Request) (Sender, error)
}

// Anyone lets whoever reaches the door upload for every pod.
type Anyone struct{}

// Sender implements Senders.
func (Anyone) Sender(*http.Request) (Sender, error) { return Sender{}, nil }

// Pods lets pods upload for themselves, by the token that the kubelet projected
// into them.
type Pods struct {
	tokens  *Tokens
	cluster string
}

// NewPods returns Pods. The name of the cluster is entered in all that they
// upload.
func NewPods(tokens *Tokens, cluster string) *Pods { return &Pods{tokens, cluster} }

// Sender implements Senders.
func (p *Pods) Sender(r *http.Request) (Sender, error) {
	token, err := bearer(r.Header)
	if err != nil {
		return Sender{}, err
	}
	if token == "" {
		return Sender{}, api.Errorf(profile.Unauthenticated, "the request carries no bearer token")
	}
	who, err := p.tokens.Identify(r.Context(), sourceOf(r), token)
	if err != nil {
		return Sender{}, err
	}
	pod, err := podOf(who)
	if err != nil {
		return Sender{}, err
	}
	return Sender{pod: &pod, cluster: p.cluster}, nil
}

// Claims of a token that is bound to a pod, in the extra of its user.
const (
	extraPodName = "authentication.kubernetes.io/pod-name"
	extraPodUID  = "authentication.kubernetes.io/pod-uid"
)

// podOf returns the pod that a token is bound to.
func podOf(who Identity) (Pod, error) {
	namespace, _, ok := serviceAccount(who.Name)
	name, uid := who.Extra[extraPodName], who.Extra[extraPodUID]
	if !ok || len(name) != 1 || len(uid) != 1 || name[0] == "" || uid[0] == "" {
		return Pod{}, api.Errorf(profile.TokenUnbound, "the token is of %.200q and bound to no pod", who.Name)
	}
	return Pod{Namespace: namespace, Name: name[0], UID: uid[0]}, nil
}

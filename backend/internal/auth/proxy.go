package auth

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// Headers of a proxy that has logged somebody in. Nobody else's are believed.
const (
	headerUser   = "X-Forwarded-User"
	headerGroups = "X-Forwarded-Groups"
	headerSecret = "X-Podflame-Proxy-Secret"
)

const (
	maxForwardedName   = 256 // bytes of a user or a group
	maxForwardedGroups = 500
)

// Proxy is the one proxy whose logins are believed. It comes from one of the
// addresses and shows the secret: the address alone would let in whoever shares
// it, such as a port forward to the pod that the proxy runs in.
type Proxy struct {
	From                    []netip.Prefix
	Secret                  *SecretFile
	UserPrefix, GroupPrefix string // as --oidc-username-prefix and --oidc-groups-prefix of the API server
}

// login returns who a proxy says is calling, and whether anybody says so.
func (p *Proxy) login(r *http.Request) (who Identity, said bool, err error) {
	users := r.Header.Values(headerUser)
	if len(users) == 0 {
		return Identity{}, false, nil
	}
	if err := p.believe(r); err != nil {
		return Identity{}, true, err
	}
	who, err = p.identity(users, groupsOf(r.Header))
	return who, true, err
}

// believe returns an error unless the request comes from the proxy.
func (p *Proxy) believe(r *http.Request) error {
	if p == nil {
		return api.Errorf(profile.ProxyNotTrusted, "no proxy may forward logins here")
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !slices.ContainsFunc(p.From, func(n netip.Prefix) bool { return n.Contains(from.Addr().Unmap()) }) {
		return api.Errorf(profile.ProxyNotTrusted, "%.60s is no address of the proxy", r.RemoteAddr)
	}
	secrets := r.Header.Values(headerSecret)
	if len(secrets) != 1 {
		return api.Errorf(profile.ProxyNotTrusted, "the request has %d headers %s, not one", len(secrets), headerSecret)
	}
	ok, err := p.Secret.holds(secrets[0])
	if err == nil && !ok {
		err = api.Errorf(profile.ProxyNotTrusted, "the secret in %s is not the proxy's", headerSecret)
	}
	return err
}

func groupsOf(h http.Header) []string {
	var groups []string
	for _, value := range h.Values(headerGroups) {
		for group := range strings.SplitSeq(value, ",") {
			if group = strings.TrimSpace(group); group != "" {
				groups = append(groups, group)
			}
		}
	}
	return groups
}

// identity gives the names their prefixes. Names of the cluster's own are not a
// login provider's to give.
func (p *Proxy) identity(users, groups []string) (Identity, error) {
	if len(users) != 1 || users[0] == "" || len(groups) > maxForwardedGroups {
		return Identity{}, api.Errorf(profile.Forbidden, "the proxy forwards %d users and %d groups, at most 1 and %d may be", len(users), len(groups), maxForwardedGroups)
	}
	who := Identity{Name: p.UserPrefix + users[0]}
	for _, group := range groups {
		who.Groups = append(who.Groups, p.GroupPrefix+group)
	}
	for _, name := range append([]string{who.Name}, who.Groups...) {
		if strings.HasPrefix(name, "system:") || len(name) > maxForwardedName {
			return Identity{}, api.Errorf(profile.Forbidden, "the proxy forwards the name %.80q: it must not begin with system: nor be longer than %d bytes", name, maxForwardedName)
		}
	}
	who.Groups = append(who.Groups, "system:authenticated")
	return who, nil
}

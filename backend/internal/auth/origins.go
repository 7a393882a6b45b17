package auth

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// Origins keeps other web sites from using the browser of a reader. Hosts are
// the names under which the door is reached; localhost and addresses always are,
// as no other site can have them for a name (DNS rebinding needs one of its own).
type Origins struct{ Hosts []string }

// Check returns an *api.Error for a request that comes through another name or,
// to the API, from another site.
func (o Origins) Check(r *http.Request) error {
	host := hostname(r.Host)
	if !o.serves(host) {
		return api.Errorf(profile.HostNotAllowed, "the request is for host %.100q, which is not served here", r.Host)
	}
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		return nil
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "same-origin", "none":
	default: // also same-site: another port of this host is another program
		return api.Errorf(profile.OriginNotAllowed, "the browser says that the request comes from a page that is %.20q", site)
	}
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) {
			return api.Errorf(profile.OriginNotAllowed, "the request comes from a page of %.100q, not of %.100q", origin, r.Host)
		}
	}
	return nil
}

func (o Origins) serves(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return true
	}
	return host != "" && slices.ContainsFunc(o.Hosts, func(name string) bool { return strings.EqualFold(name, host) })
}

// hostname is the host of a Host header, in lower case, without port, brackets
// and the dot of the root.
func hostname(header string) string {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = header
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

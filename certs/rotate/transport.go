package rotate

import (
	"net/http"
	"path"

	"k8s.io/client-go/rest"
)

// onlyNamed makes a configuration for cert-controller whose lists and watches
// are limited to our objects. cert-controller watches all Secrets of the
// namespace and all webhook configurations of the cluster; with this it needs
// no right to see others than ours.
func onlyNamed(config *rest.Config, options *Options) *rest.Config {
	limited := rest.CopyConfig(config)
	limited.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &namedTransport{next: next, names: map[string]string{
			"secrets":                       options.Secret,
			"mutatingwebhookconfigurations": options.Configuration,
		}}
	})
	return limited
}

// namedTransport adds a field selector to requests for a whole collection.
type namedTransport struct {
	next  http.RoundTripper
	names map[string]string // by resource
}

// RoundTrip implements http.RoundTripper.
func (t *namedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	// The path of a collection ends with its resource, that of an object with
	// the object's name.
	name, known := t.names[path.Base(request.URL.Path)]
	if !known || request.Method != http.MethodGet {
		return t.next.RoundTrip(request)
	}
	limited := request.Clone(request.Context())
	query := limited.URL.Query()
	query.Set("fieldSelector", "metadata.name="+name)
	limited.URL.RawQuery = query.Encode()
	return t.next.RoundTrip(limited)
}

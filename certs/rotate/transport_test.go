package rotate

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"
)

// TestOnlyOurObjectsAreListed sends what cert-controller sends and looks at
// what arrives.
func TestOnlyOurObjectsAreListed(t *testing.T) {
	var selector string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		selector = r.URL.Query().Get("fieldSelector")
	}))
	defer server.Close()
	config := onlyNamed(&rest.Config{Host: server.URL}, testOptions())
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	defer httpClient.CloseIdleConnections()
	for _, row := range []struct{ method, path, want string }{
		{http.MethodGet, "/api/v1/namespaces/podflame-system/secrets?limit=500", "metadata.name=podflame-webhook-certs"},
		{http.MethodGet, "/api/v1/namespaces/podflame-system/secrets?watch=true", "metadata.name=podflame-webhook-certs"},
		{http.MethodGet, "/api/v1/namespaces/podflame-system/secrets/other", ""},
		{http.MethodPut, "/api/v1/namespaces/podflame-system/secrets", ""},
		{http.MethodGet, "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations?watch=true", "metadata.name=podflame"},
		{http.MethodGet, "/api/v1/pods", ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), row.method, server.URL+row.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := httpClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if selector != row.want {
			t.Errorf("%s %s: field selector %q, want %q", row.method, row.path, selector, row.want)
		}
	}
}

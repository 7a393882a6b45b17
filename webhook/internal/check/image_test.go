package check

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// wire answers requests without a network.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

func served(handler http.Handler) wire {
	return func(r *http.Request) (*http.Response, error) {
		if r.Body == nil {
			r.Body = http.NoBody
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, r)
		answer := recorder.Result()
		answer.Request = r
		return answer, nil
	}
}

func imageFor(t *testing.T, architecture string) v1.Image {
	t.Helper()
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: architecture})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestImageInItsRegistry(t *testing.T) {
	there := served(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo))))
	tagged := func(text string) name.Tag {
		tag, err := name.NewTag(text)
		if err != nil {
			t.Fatal(err)
		}
		return tag
	}
	if err := remote.Write(tagged("registry.example/single:1"), imageFor(t, "amd64"), remote.WithTransport(there)); err != nil {
		t.Fatal(err)
	}
	both := v1.ImageIndex(empty.Index)
	for _, architecture := range []string{"amd64", "arm64"} {
		both = mutate.AppendManifests(both, mutate.IndexAddendum{Add: imageFor(t, architecture), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}})
	}
	if err := remote.WriteIndex(tagged("registry.example/both:1"), both, remote.WithTransport(there)); err != nil {
		t.Fatal(err)
	}
	refuses := served(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	away := wire(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") })
	for what, c := range map[string]struct {
		image    string
		registry wire
		nodes    []string
		level    Level
		detail   string
	}{
		"for all nodes":  {"registry.example/both:1", there, []string{"amd64", "arm64"}, Passed, ""},
		"one image":      {"registry.example/single:1", there, []string{"amd64"}, Passed, ""},
		"for some":       {"registry.example/single:1", there, []string{"amd64", "arm64"}, Failed, "there for amd64, and nodes are arm64"},
		"skipped nodes":  {"registry.example/both:1", there, []string{"amd64", "s390x"}, Passed, ""},
		"no nodes known": {"registry.example/both:1", there, nil, Passed, ""},
		"not there":      {"registry.example/none:1", there, []string{"amd64"}, Warned, "registry.example/none:1 is not in its registry"},
		"refused":        {"registry.example/both:1", refuses, []string{"amd64"}, Unknown, "the registry answers 403"},
		"not reached":    {"registry.example/both:1", away, []string{"amd64"}, Unknown, "no route"},
		"no name":        {"Registry Example", there, nil, Failed, "is no name of an image"},
	} {
		client := fake.NewClientset()
		for _, architecture := range c.nodes {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: architecture, Labels: map[string]string{corev1.LabelArchStable: architecture, corev1.LabelOSStable: "linux"}}}
			if _, err := client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		config := inject.DefaultConfig()
		config.Image = c.image
		results := Installation{Client: client, Inject: config, Registry: c.registry}.pullable(context.Background())
		if len(results) != 1 || results[0].Level != c.level || !strings.Contains(results[0].Detail, c.detail) || c.level != Passed && results[0].Remedy == "" {
			t.Errorf("%s: %+v", what, results)
		}
	}
}

package pyroscope

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// crowd is an API with more targets than it lists.
type crowd struct{}

func (crowd) Get(_ context.Context, path string, _ url.Values) ([]byte, error) {
	if path != "/api/v1/targets" {
		return nil, api.Errorf(profile.Internal, "%s is asked", path)
	}
	return json.Marshal(api.Targets{Truncated: true, Targets: []api.Target{{
		Identity: profile.Target{Service: "cart", Namespace: "shop", Pod: "cart-0"}, ReportedAt: time.Unix(1000, 0),
	}}})
}

// What cannot be listed whole is not chosen from: the sum would lack some, and not
// say so.
func TestNoChoiceOutOfPartOfTheTargets(t *testing.T) {
	rng := span{time.Unix(0, 0), time.Unix(2000, 0)}
	for selector, refused := range map[string]bool{
		`{service_name="cart"}`: false, `{service_name="cart",pod=~"cart-.*"}`: true, `{service_name="cart",node!="a"}`: true,
	} {
		matchers, err := parseSelector(selector)
		if err != nil {
			t.Fatal(err)
		}
		query, err := selection(t.Context(), crowd{}, rng, profileTypes()[0], matchers)
		if (err != nil) != refused || refused && (connect.CodeOf(err) != connect.CodeResourceExhausted || !strings.Contains(err.Error(), "may miss some")) {
			t.Errorf("%s: %v, %v", selector, query, err)
		}
	}
}

func TestSpanThatIsNotSaid(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_500)
	for _, c := range []struct{ start, end, from, to int64 }{
		{0, 0, 1_699_996_400, 1_700_000_001},
		{1_699_999_000_700, 0, 1_699_999_000, 1_700_000_001},
		{0, 1_699_999_000_000, 1_699_995_400, 1_699_999_000},
	} {
		if got := newSpan(c.start, c.end, now); got.from.Unix() != c.from || got.to.Unix() != c.to {
			t.Errorf("%d to %d is %d to %d, want %d to %d", c.start, c.end, got.from.Unix(), got.to.Unix(), c.from, c.to)
		}
	}
}

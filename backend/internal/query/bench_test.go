package query

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"testing"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// BenchmarkAnswer is what the call tree of a large service costs as JSON: its
// bytes, plain and compressed, beside the time.
func BenchmarkAnswer(b *testing.B) {
	set := grownSet()
	pruned, _ := whole(set).Prune(DefaultLimits().Nodes)
	for _, accept := range []string{"identity", "gzip"} {
		b.Run(accept, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept-Encoding", accept)
			bytes := 0
			for b.Loop() {
				w := httptest.NewRecorder()
				api.Answer(w, r, api.Flame{Graph: graph(pruned)})
				bytes = w.Body.Len()
			}
			b.ReportMetric(float64(bytes), "bytes")
			b.ReportMetric(float64(pruned.Size()), "nodes")
			b.ReportMetric(float64(len(pruned.Functions)), "functions")
		})
	}
}

// grownSet has 30,000 stacks of up to 120 frames, of 1,500 classes with ten
// methods each, and amounts that differ as in allocation profiles.
func grownSet() profile.StackSet {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(words ...string) string { return words[random.IntN(len(words))] }
	set := profile.StackSet{Type: profile.Alloc}
	for range 1_500 {
		class := fmt.Sprintf("%s.%s.%s.%s%s%s",
			word("com.example", "org.apache", "io.netty", "java.util", "org.springframework"),
			word("shop", "http", "web", "core", "json", "sql"),
			word("internal", "impl", "support", "util", "channel", "codec", "concurrent"),
			word("Abstract", "Default", "Composite", "Lazy", "Simple", "Cached"),
			word("Request", "Order", "Buffer", "Message", "Entity", "Session", "Resource"),
			word("Handler", "Factory", "Serializer", "Repository", "Interceptor"))
		for method := range 10 {
			set.Functions = append(set.Functions, profile.Function{Name: fmt.Sprintf("%s.%s%s%d", class,
				word("get", "find", "invoke", "apply", "write", "read", "do"), word("Internal", "All", "Value", "Next", "Filter"), method)})
		}
	}
	var frames []uint32
	for range 30_000 {
		frames = append([]uint32(nil), frames[:min(len(frames), 12+random.IntN(100))]...)
		for range 1 + random.IntN(18) {
			frames = append(frames, uint32(random.IntN(len(set.Functions))))
		}
		set.Stacks = append(set.Stacks, profile.Stack{Frames: frames, Value: 512<<10 + random.Int64N(1<<30), Count: 1 + random.Int64N(2000)})
	}
	return profile.Merge(set.Type, &set)
}

// TestLargeAnswerIsSmall holds the answer of BenchmarkAnswer to its limits.
func TestLargeAnswerIsSmall(t *testing.T) {
	pruned, _ := whole(grownSet()).Prune(DefaultLimits().Nodes)
	for accept, limit := range map[string]int{"identity": 250_000, "gzip": 80_000} {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Header.Set("Accept-Encoding", accept)
		api.Answer(w, r, api.Flame{Graph: graph(pruned)})
		if n := w.Body.Len(); n > limit {
			t.Errorf("as %s, %d nodes take %d bytes, want at most %d", accept, pruned.Size(), n, limit)
		}
	}
}

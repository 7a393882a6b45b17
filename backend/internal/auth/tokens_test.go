package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/auth/authtest"
	"github.com/podflame/podflame/backend/profile"
)

func TestTokenIsReviewedOnceInFiveMinutes(t *testing.T) {
	w := newWorld(t)
	token := w.Pod(writers, "shop", "checkout-1", "uid-1", w.in(time.Hour))
	tokens := w.tokens(writers)
	for range 3 {
		who, refused := identify(tokens, token)
		if refused != "" || who.Name != "system:serviceaccount:shop:default" || !who.Expires.Equal(w.in(time.Hour)) {
			t.Fatalf("identity is %+v, %s", who, refused)
		}
	}
	if n := w.Asked("token"); n != 1 {
		t.Errorf("%d reviews, want 1", n)
	}
	w.forward(MaxRememberToken - time.Second)
	identify(tokens, token)
	if n := w.Asked("token"); n != 1 {
		t.Errorf("%d reviews before the answer is five minutes old, want 1", n)
	}
	w.forward(2 * time.Second)
	w.Forget(token) // its pod is deleted
	if _, refused := identify(tokens, token); refused != profile.TokenRefused || w.Asked("token") != 2 {
		t.Errorf("after five minutes a deleted pod's token is %q, %d reviews", refused, w.Asked("token"))
	}
}

// However long answers are remembered, a token is not good beyond its expiry.
func TestRememberedTokenExpires(t *testing.T) {
	w := newWorld(t)
	token := w.Pod(writers, "shop", "checkout-1", "uid-1", w.in(time.Minute))
	tokens := w.tokens(writers)
	if _, refused := identify(tokens, token); refused != "" {
		t.Fatal(refused)
	}
	w.forward(61 * time.Second)
	w.Forget(token)
	if _, refused := identify(tokens, token); refused != profile.TokenRefused {
		t.Errorf("a second after its expiry the token is %q", refused)
	}
	w.forward(leeway)
	asked := w.Asked("token")
	if _, refused := identify(tokens, token); refused != profile.TokenExpired || w.Asked("token") != asked {
		t.Errorf("after its expiry the token is %q, and %d reviews", refused, w.Asked("token")-asked)
	}
}

func TestTokensThatAreNoGood(t *testing.T) {
	w := newWorld(t)
	good := w.in(time.Hour).Unix()
	blind := w.Accept(user("admin"), "https://kubernetes.default.svc", w.in(time.Hour))
	for name, c := range map[string]struct {
		token string
		want  profile.Reason
		asks  bool // the API server
	}{
		"no JWT":                 {"opaque", profile.TokenMalformed, false},
		"two parts":              {"a.b", profile.TokenMalformed, false},
		"not base64":             {"a.?.c", profile.TokenMalformed, false},
		"not JSON":               {"a.YQ.c", profile.TokenMalformed, false},
		"no expiry":              {authtest.Token(map[string]any{"aud": writers}), profile.TokenMalformed, false},
		"expiry is text":         {authtest.Token(map[string]any{"aud": writers, "exp": "never"}), profile.TokenMalformed, false},
		"expiry beyond all time": {authtest.Token(map[string]any{"aud": writers, "exp": 1e300}), profile.TokenMalformed, false},
		"no audience":            {authtest.Token(map[string]any{"exp": good}), profile.TokenAudience, false},
		"audience of people":     {authtest.Token(map[string]any{"aud": []string{readers}, "exp": good}), profile.TokenAudience, false},
		"a kubeconfig's":         {blind, profile.TokenAudience, false},
		"expired":                {authtest.Token(map[string]any{"aud": writers, "exp": w.in(-2 * time.Minute).Unix()}), profile.TokenExpired, false},
		"forged":                 {authtest.Token(map[string]any{"aud": writers, "exp": good, "sub": "forged"}), profile.TokenRefused, true},
	} {
		before := w.Asked("token")
		who, refused := identify(w.tokens(writers), c.token)
		if refused != c.want || (w.Asked("token") > before) != c.asks || who.Name != "" {
			t.Errorf("%s: %q, asked %t, %+v", name, refused, w.Asked("token") > before, who)
		}
	}
}

// An API server that knows no audiences accepts a token for any, and says so.
func TestAudienceMustBeConfirmed(t *testing.T) {
	w := newWorld(t)
	token := authtest.Token(map[string]any{"aud": []string{writers, "other"}, "exp": w.in(time.Hour).Unix()})
	w.AcceptAs(token, authenticationv1.TokenReviewStatus{Authenticated: true, User: user("x"), Audiences: []string{"other"}})
	if _, refused := identify(w.tokens(writers), token); refused != profile.TokenAudience {
		t.Errorf("refused with %q", refused)
	}
}

func TestRefusalIsRememberedForAWhile(t *testing.T) {
	w := newWorld(t)
	token := w.Pod(writers, "shop", "checkout-1", "uid-1", w.in(time.Hour))
	w.Forget(token)
	tokens := w.tokens(writers)
	for range 5 {
		if _, refused := identify(tokens, token); refused != profile.TokenRefused {
			t.Fatal(refused)
		}
	}
	if n := w.Asked("token"); n != 1 {
		t.Errorf("%d reviews of a bad token, want 1", n)
	}
	w.Pod(writers, "shop", "checkout-1", "uid-1", w.in(time.Hour))
	w.forward(w.limits.RememberBad + time.Second)
	if _, refused := identify(tokens, token); refused != "" {
		t.Errorf("a token that has become good is %q", refused)
	}
}

// While the API server is away, whoever it vouched for goes on, and the others
// are told to come again: they are not refused.
func TestAPIServerAway(t *testing.T) {
	w := newWorld(t)
	known := w.Pod(writers, "shop", "checkout-1", "uid-1", w.in(time.Hour))
	unknown := w.Pod(writers, "shop", "checkout-2", "uid-2", w.in(time.Hour))
	tokens := w.tokens(writers)
	if _, refused := identify(tokens, known); refused != "" {
		t.Fatal(refused)
	}
	w.Away(true)
	if _, refused := identify(tokens, known); refused != "" {
		t.Errorf("a token that was good a moment ago is %q", refused)
	}
	_, err := tokens.Identify(t.Context(), netip.Addr{}, unknown)
	if e := api.AsError(err); e.Code != profile.ReviewUnavailable || e.Status() != http.StatusServiceUnavailable || e.RetryAfter <= 0 {
		t.Errorf("error is %v, retry after %s", e, e.RetryAfter)
	}
	w.forward(MaxRememberToken + time.Second) // fails closed
	if _, refused := identify(tokens, known); refused != profile.ReviewUnavailable {
		t.Errorf("after five minutes the token is %q", refused)
	}
	w.Away(false)
	for _, token := range []string{known, unknown} {
		if _, refused := identify(tokens, token); refused != "" {
			t.Errorf("after the API server is back a token is %q", refused)
		}
	}
}

func TestNoAPIServerAtAll(t *testing.T) {
	w := newWorld(t)
	token := w.Pod(writers, "shop", "checkout-1", "uid-1", w.in(time.Hour))
	w.Close()
	if _, refused := identify(w.tokens(writers), token); refused != profile.ReviewUnavailable {
		t.Errorf("refused with %q", refused)
	}
}

// Uploads that come at the same time with the same token are one question.
func TestOneQuestionForAll(t *testing.T) {
	w := newWorld(t)
	token := w.Pod(writers, "shop", "checkout-1", "uid-1", w.in(time.Hour))
	tokens := w.tokens(writers)
	entered, hold := make(chan struct{}, 10), make(chan struct{})
	w.Before(func() { entered <- struct{}{}; <-hold })
	var wg sync.WaitGroup
	gone, leave := context.WithCancel(t.Context())
	wg.Go(func() {
		if _, err := tokens.Identify(gone, netip.Addr{}, token); code(err) != profile.ReviewUnavailable {
			t.Errorf("who hangs up hears %v", err)
		}
	})
	<-entered
	for range 9 {
		wg.Go(func() {
			if _, refused := identify(tokens, token); refused != "" {
				t.Error(refused)
			}
		})
	}
	leave()
	close(hold)
	wg.Wait()
	if n := w.Asked("token"); n != 1 {
		t.Errorf("%d reviews, want 1", n)
	}
}

// A slow API server holds up no more than Limits.Reviews requests, and those no
// longer than Limits.ReviewTimeout.
func TestQuestionsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.limits.Reviews, w.limits.ReviewWait, w.limits.ReviewTimeout = 1, 10*time.Millisecond, 200*time.Millisecond
	tokens := w.tokens(writers)
	hold := make(chan struct{})
	defer close(hold)
	entered := make(chan struct{}, 2)
	w.Before(func() { entered <- struct{}{}; <-hold })
	first := make(chan profile.Reason, 1)
	go func() {
		_, refused := identify(tokens, w.Pod(writers, "shop", "a", "1", w.in(time.Hour)))
		first <- refused
	}()
	<-entered
	_, err := tokens.Identify(t.Context(), netip.Addr{}, w.Pod(writers, "shop", "b", "2", w.in(time.Hour)))
	if code(err) != profile.ReviewUnavailable || !strings.Contains(err.Error(), "1 questions") {
		t.Errorf("second question: %v", err)
	}
	if refused := <-first; refused != profile.ReviewUnavailable {
		t.Errorf("a question without an answer: %q", refused)
	}
}

// An address that shows token after token which the cluster refuses is soon not
// asked about, while others are; in time it may try again.
func TestRefusalsOfOneAddressAreBounded(t *testing.T) {
	w := newWorld(t)
	w.limits.Refusals, w.limits.RefusalEvery = 3, time.Minute
	pods := NewPods(w.tokens(writers), "prod-1")
	try := func(address, token string) profile.Reason {
		r := show(token)
		r.RemoteAddr = address
		_, err := pods.Sender(r)
		return code(err)
	}
	forged := func(i int) string {
		return authtest.Token(map[string]any{"aud": writers, "exp": w.in(time.Hour).Unix(), "sub": i})
	}
	known := w.Pod(writers, "shop", "known", "uid-1", w.in(time.Hour))
	fresh := w.Pod(writers, "shop", "fresh", "uid-2", w.in(time.Hour))
	if refused := try("10.0.0.1:1", known); refused != "" {
		t.Fatal(refused)
	}
	for i := range 10 {
		want := profile.TokenRefused
		if i >= 3 {
			want = profile.TooManyRefusals
		}
		if refused := try(fmt.Sprint("10.0.0.1:", 1000+i), forged(i)); refused != want {
			t.Errorf("forged token %d is %q, want %q", i, refused, want)
		}
	}
	if n := w.Asked("token"); n != 4 {
		t.Errorf("%d reviews, want that of the good token and 3", n)
	}
	for name, c := range map[string]struct {
		address, token string
		want           profile.Reason
	}{
		"remembered":            {"10.0.0.1:1", known, ""},
		"new":                   {"10.0.0.1:1", fresh, profile.TooManyRefusals},
		"IPv4 in IPv6":          {"[::ffff:10.0.0.1]:1", fresh, profile.TooManyRefusals},
		"forged, other address": {"10.0.0.3:1", forged(99), profile.TokenRefused},
	} {
		if refused := try(c.address, c.token); refused != c.want {
			t.Errorf("%s: %q, want %q", name, refused, c.want)
		}
	}
	if refused := try("10.0.0.2:1", fresh); refused != "" {
		t.Errorf("the token of another address is %q", refused)
	}
	r := show(forged(100))
	r.RemoteAddr = "10.0.0.1:1"
	_, err := pods.Sender(r)
	if e := api.AsError(err); e.Status() != http.StatusTooManyRequests || e.RetryAfter != time.Minute {
		t.Errorf("the answer is %d, retry after %s: %v", e.Status(), e.RetryAfter, err)
	}
	if n := testutil.ToFloat64(w.metrics.reviews.WithLabelValues("token", limitedOutcome)); n != 10 {
		t.Errorf("%v questions are counted as not asked, want 7 + 2 + 1", n)
	}
	w.forward(time.Minute)
	if refused := try("10.0.0.1:1", forged(101)); refused != profile.TokenRefused {
		t.Errorf("after a minute a forged token is %q", refused)
	}
}

// While all questions of one address wait for a slow API server, also those whose
// caller has hung up, another address is answered.
func TestQuestionsOfOneAddressAreBounded(t *testing.T) {
	w := newWorld(t)
	w.limits.Reviews, w.limits.SourceReviews, w.limits.ReviewWait = 4, 2, 10*time.Millisecond
	tokens := w.tokens(writers)
	noisy, quiet := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	pod := func(i int) string {
		return w.Pod(writers, "shop", fmt.Sprint("p", i), fmt.Sprint(i), w.in(time.Hour))
	}
	entered, hold := make(chan struct{}, 10), make(chan struct{})
	w.Before(func() { entered <- struct{}{}; <-hold })
	leaving, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 2 {
		token := pod(i)
		wg.Go(func() { _, _ = tokens.Identify(leaving, noisy, token) })
		<-entered
	}
	leave()
	wg.Wait()
	if _, err := tokens.Identify(t.Context(), noisy, pod(2)); code(err) != profile.ReviewUnavailable || !strings.Contains(err.Error(), "2 questions") {
		t.Errorf("third question of an address: %v", err)
	}
	w.Before(nil)
	if _, err := tokens.Identify(t.Context(), quiet, pod(3)); err != nil {
		t.Errorf("question of another address: %v", err)
	}
	close(hold)
}

func TestSourcesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.limits.Remembered = 2
	sources := newSources(w.limits, w.Now)
	for i := range 5 {
		sources.of(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
	}
	if n := len(sources.known.Keys()); n != 2 {
		t.Errorf("%d addresses are remembered, the limit is 2", n)
	}
	one := netip.MustParseAddr("10.0.0.4")
	before := sources.of(one)
	w.forward(time.Hour)
	if sources.of(one) == before {
		t.Error("an address that was idle for an hour is still remembered")
	}
}

func TestRememberedIsBounded(t *testing.T) {
	w := newWorld(t)
	w.limits.Remembered = 2
	tokens := w.tokens(writers)
	for i := range 5 {
		if _, refused := identify(tokens, w.Pod(writers, "shop", fmt.Sprint("p", i), fmt.Sprint(i), w.in(time.Hour))); refused != "" {
			t.Fatal(refused)
		}
	}
	if n := len(tokens.good.Keys()); n != 2 {
		t.Errorf("%d tokens are remembered, the limit is 2", n)
	}
}

func TestSenderOwnsItsPodAlone(t *testing.T) {
	w := newWorld(t)
	pods := NewPods(w.tokens(writers), "prod-1")
	sender, err := pods.Sender(show(w.Pod(writers, "shop", "checkout-1", "uid-1", w.in(time.Hour))))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&Pod{"shop", "checkout-1", "uid-1"}, sender.Pod()); diff != "" {
		t.Errorf("pod (-want +got):\n%s", diff)
	}
	mine := profile.Target{Cluster: "of-my-own-choice", Namespace: "shop", Pod: "checkout-1", PodUID: "uid-1", Container: "app"}
	if err := sender.Own(&mine); err != nil || mine.Cluster != "prod-1" || mine.Container != "app" {
		t.Errorf("own target: %v, %+v", err, mine)
	}
	for name, change := range map[string]func(*profile.Target){
		"namespace":    func(t *profile.Target) { t.Namespace = "bank" },
		"no namespace": func(t *profile.Target) { t.Namespace = "" },
		"pod":          func(t *profile.Target) { t.Pod = "checkout-2" },
		"uid":          func(t *profile.Target) { t.PodUID = "uid-2" },
		"no uid":       func(t *profile.Target) { t.PodUID = "" },
	} {
		foreign := mine
		change(&foreign)
		if err := sender.Own(&foreign); code(err) != profile.NotOwnPod || api.AsError(err).Status() != http.StatusForbidden {
			t.Errorf("other %s: %v", name, err)
		}
	}
}

func TestOnlyPodsMayWrite(t *testing.T) {
	w := newWorld(t)
	pods := NewPods(w.tokens(writers), "prod-1")
	extra := func(user authenticationv1.UserInfo, name, uid []string) authenticationv1.UserInfo {
		user.Extra = map[string]authenticationv1.ExtraValue{extraPodName: name, extraPodUID: uid}
		return user
	}
	account := user("system:serviceaccount:shop:default")
	for name, u := range map[string]authenticationv1.UserInfo{
		"kubectl create token":   account,
		"no uid":                 extra(account, []string{"a"}, nil),
		"two names":              extra(account, []string{"a", "b"}, []string{"1"}),
		"empty name":             extra(account, []string{""}, []string{"1"}),
		"no ServiceAccount":      extra(user("system:node:a"), []string{"a"}, []string{"1"}),
		"no name of an account":  extra(user("system:serviceaccount:shop"), []string{"a"}, []string{"1"}),
		"a name with too much":   extra(user("system:serviceaccount:shop:default:x"), []string{"a"}, []string{"1"}),
		"an account of nowhere":  extra(user("system:serviceaccount::default"), []string{"a"}, []string{"1"}),
		"user of another system": extra(user("alice"), []string{"a"}, []string{"1"}),
	} {
		u.UID = name // so that each has a token of its own
		token := authtest.Token(map[string]any{"aud": []string{writers}, "exp": w.in(time.Hour).Unix(), "sub": name})
		w.AcceptAs(token, authenticationv1.TokenReviewStatus{Authenticated: true, User: u, Audiences: []string{writers}})
		if sender, err := pods.Sender(show(token)); code(err) != profile.TokenUnbound || sender.Pod() != nil {
			t.Errorf("%s: %v %v", name, sender.Pod(), err)
		}
	}
}

func TestAuthorizationHeaders(t *testing.T) {
	w := newWorld(t)
	pods := NewPods(w.tokens(writers), "prod-1")
	token := w.Pod(writers, "shop", "checkout-1", "uid-1", w.in(time.Hour))
	for name, c := range map[string]struct {
		headers []string
		want    profile.Reason
	}{
		"none":           {nil, profile.Unauthenticated},
		"good":           {[]string{"Bearer " + token}, ""},
		"lower case":     {[]string{"bearer   " + token + " "}, ""},
		"twice":          {[]string{"Bearer " + token, "Bearer " + token}, profile.TokenMalformed},
		"basic":          {[]string{"Basic " + token}, profile.TokenMalformed},
		"without scheme": {[]string{token}, profile.TokenMalformed},
		"empty":          {[]string{""}, profile.TokenMalformed},
		"no token":       {[]string{"Bearer "}, profile.TokenMalformed},
		"huge":           {[]string{"Bearer " + strings.Repeat("x", maxTokenBytes+1)}, profile.TokenMalformed},
	} {
		r := request(http.MethodPost, "/api/v1/windows")
		for _, h := range c.headers {
			r.Header.Add("Authorization", h)
		}
		if _, err := pods.Sender(r); code(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Whatever is shown: no panic, no identity that the API server did not give, no
// error without a reason, and what cannot be a token costs no question.
func FuzzSender(f *testing.F) {
	w := newWorld(f)
	pods := NewPods(w.tokens(writers), "prod-1")
	good := w.Pod(writers, "shop", "checkout-1", "uid-1", w.in(time.Hour))
	for _, seed := range []string{"", "Bearer", "Bearer " + good, "bearer a.b.c", "Basic x", "Bearer a.e30.c", "Bearer " + good + ".", "Bearer \x00.\xff.x",
		"Bearer " + authtest.Token(map[string]any{"aud": writers, "exp": 1e18}), "Bearer " + authtest.Token(map[string]any{"aud": []any{1, nil}, "exp": 1})} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := request(http.MethodPost, "/api/v1/windows")
		r.Header["Authorization"] = []string{header}
		sender, err := pods.Sender(r)
		if err == nil {
			if scheme, token, _ := strings.Cut(header, " "); !strings.EqualFold(scheme, "bearer") || strings.TrimSpace(token) != good {
				t.Fatalf("%q is let in as %v", header, sender.Pod())
			}
			return
		}
		if e, ok := errors.AsType[*api.Error](err); !ok || e.Code == profile.Internal || sender.Pod() != nil {
			t.Fatalf("%q: %v %v", header, sender.Pod(), err)
		}
	})
}

// Whatever the API server says of a user: a pod only out of one name and one uid.
func FuzzPodOf(f *testing.F) {
	f.Add("system:serviceaccount:shop:default", "checkout-1", "uid", true)
	f.Add("system:serviceaccount:a:b:c", "", "", false)
	f.Add("alice", "x", "y", true)
	f.Fuzz(func(t *testing.T, name, pod, uid string, one bool) {
		who := Identity{Name: name, Extra: map[string][]string{extraPodName: {pod}, extraPodUID: {uid}}}
		if !one {
			who.Extra[extraPodName] = append(who.Extra[extraPodName], "other")
		}
		got, err := podOf(who)
		if err != nil {
			if got != (Pod{}) || code(err) != profile.TokenUnbound {
				t.Fatalf("%+v: %+v %v", who, got, err)
			}
			return
		}
		if !one || got.Name == "" || got.UID == "" || got.Namespace == "" || !strings.HasPrefix(name, "system:serviceaccount:"+got.Namespace+":") {
			t.Fatalf("%+v is pod %+v", who, got)
		}
	})
}

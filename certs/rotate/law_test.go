package rotate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podflame/podflame/certs"
	"github.com/podflame/podflame/certs/internal/testca"
	"github.com/podflame/podflame/sidecar/contract"
)

// TestNobodyMeetsACertificateThatIsNotTrusted is the invariant of the package.
// CAs are replaced and lost at random times, every part of ours acts late at
// random, and API servers and sidecars see what was published as late as they
// may. At each moment an API server must accept both replicas of the webhook,
// and a sidecar the backend.
func TestNobodyMeetsACertificateThatIsNotTrusted(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWalk(t, seed)
			for range 150 {
				w.step()
			}
			if w.rotations < 4 {
				t.Errorf("only %d CAs: the walk shows nothing", w.rotations)
			}
		})
	}
}

// How late things happen, at worst.
const (
	apiServerLag = 9 * time.Second  // below the test's ServingSettle
	sidecarLag   = 8 * time.Minute  // below Settle, less ourLag
	ourLag       = time.Minute      // between a new CA and the turn of each of our parts
	routine      = 10 * time.Minute // between two turns without one
	overlap      = 30 * time.Minute
	longestLife  = 40 * time.Minute // of a CA, so that some live longer than the overlap
)

type walk struct {
	*testing.T
	random    *rand.Rand
	clock     *clock
	options   *Options
	cluster   client.Client
	rotator   *overlapClient // the client that cert-controller uses
	replicas  []*serving
	authority *authority
	trust     *Trust
	rotations int
	nextCA    time.Time
	turns     []time.Time // of our parts, the next of each
	webhook   history     // caBundle
	sidecars  history     // trust bundle
}

// history is what was published when.
type history []published

type published struct {
	at     time.Time
	bundle []byte
}

// seen is what somebody sees who is late.
func (h history) seen(now time.Time, lag time.Duration) []byte {
	bundle := h[0].bundle
	for _, p := range h {
		if !p.at.After(now.Add(-lag)) {
			bundle = p.bundle
		}
	}
	return bundle
}

func newWalk(t *testing.T, seed uint64) *walk {
	c, o := newClock(), testOptions()
	o.Overlap = overlap
	w := &walk{T: t, random: rand.New(rand.NewPCG(seed, 1)), clock: c, options: o}
	w.cluster = fakeCluster(secretOf(o, &testca.CA{}, nil, nil), configurationOf(o, nil, nil), namespace("n", "true"))
	w.rotator = &overlapClient{Client: w.cluster, live: w.cluster, options: o, now: c.now}
	w.authority = &authority{client: w.cluster, live: w.cluster, options: o, now: c.now}
	w.trust = newTrust(w.cluster, nil)
	w.trust.Bundle = func(context.Context) ([]byte, error) {
		return get(t, w.cluster, o.secretKey(), &corev1.Secret{}).Data[authorityKey], nil
	}
	w.trust.Merge = func(current, published []byte) []byte { return mergeBundles(c.now(), o.Overlap, current, published) }
	w.replicas = []*serving{newServing(t, c, o, w.cluster), newServing(t, c, o, w.cluster)}
	w.newCA()
	w.turns = make([]time.Time, len(w.parts()))
	for i := range w.parts() { // an installation begins with a round without lag
		w.turn(i)
	}
	return w
}

// parts are what acts on its own, each at its own time.
func (w *walk) parts() []func() {
	return []func(){
		w.injectBundle,
		func() { mustReconcile(w, w.authority, "") },
		func() { mustReconcile(w, w.trust, "n") },
		func() { mustReconcile(w, w.replicas[0], "") },
		func() { mustReconcile(w, w.replicas[1], "") },
	}
}

func (w *walk) turn(part int) {
	w.parts()[part]()
	w.turns[part] = w.after(routine)
	w.record()
}

// step advances to the next thing that happens.
func (w *walk) step() {
	next, part := w.nextCA, -1
	for i, at := range w.turns {
		if at.Before(next) {
			next, part = at, i
		}
	}
	w.clock.at = next
	w.check()
	if part < 0 {
		w.newCA()
	} else {
		w.turn(part)
	}
	w.check()
}

// newCA does what cert-controller does when the CA is about to expire, or,
// half of the times, when all of the Secret was lost.
func (w *walk) newCA() {
	w.rotations++
	secret := get(w, w.cluster, w.options.secretKey(), &corev1.Secret{})
	now := w.clock.now()
	if w.random.IntN(2) == 0 {
		secret.Data = nil
		if err := w.cluster.Update(w.Context(), secret); err != nil {
			w.Fatal(err)
		}
	}
	ca := testca.New(w, w.rotations%3, caName, now.Add(-backdate), now.Add(10*year))
	certificate, key := ca.Issue(w, now.Add(-backdate), now.Add(year), w.options.WebhookName())
	secret.Data = secretOf(w.options, ca, certificate, key).Data
	if err := w.rotator.Update(w.Context(), secret); err != nil {
		w.Fatal(err)
	}
	w.nextCA = w.after(longestLife)
	for i := range w.turns {
		w.turns[i] = w.after(ourLag)
	}
}

// after is a random time from now to the given time later.
func (w *walk) after(atMost time.Duration) time.Time {
	return w.clock.now().Add(time.Duration(w.random.Int64N(int64(atMost))))
}

func (w *walk) injectBundle() {
	configuration := webhookConfiguration(w, w.cluster, w.options)
	injectAsRotator(w, configuration, get(w, w.cluster, w.options.secretKey(), &corev1.Secret{}).Data[authorityKey])
	if err := w.rotator.Update(w.Context(), configuration); err != nil {
		w.Fatal(err)
	}
}

func (w *walk) record() {
	now := w.clock.now()
	configuration := get(w, w.cluster, types.NamespacedName{Name: w.options.Configuration}, &admissionregistrationv1.MutatingWebhookConfiguration{})
	w.webhook = append(w.webhook, published{now, configuration.Webhooks[0].ClientConfig.CABundle})
	var trust corev1.ConfigMap
	if err := w.cluster.Get(w.Context(), types.NamespacedName{Namespace: "n", Name: contract.TrustConfigMap}, &trust); err == nil {
		w.sidecars = append(w.sidecars, published{now, []byte(trust.Data[contract.TrustKey])})
	}
}

// check is the invariant.
func (w *walk) check() {
	now := w.clock.now()
	for _, lag := range []time.Duration{0, apiServerLag} {
		for i, replica := range w.replicas {
			w.accepts(fmt.Sprintf("API server, %s late, replica %d", lag, i), replica, w.webhook.seen(now, lag), now)
		}
	}
	leaf, _ := backendLeaf(w, w.cluster, w.options)
	for _, lag := range []time.Duration{0, sidecarLag} {
		bundle, err := certs.ParseBundle(w.sidecars.seen(now, lag))
		if err == nil {
			err = certs.Verify(leaf, bundle, w.options.backendNames()[0], now)
		}
		if err != nil {
			w.Fatalf("after %d CAs a sidecar, %s late, refuses the backend: %v", w.rotations, lag, err)
		}
	}
}

func (w *walk) accepts(who string, replica *serving, seen []byte, now time.Time) {
	bundle, err := certs.ParseBundle(seen)
	if err == nil {
		err = certs.Verify(replica.pair.Leaf(), bundle, w.options.WebhookName(), now)
	}
	if err != nil {
		w.Fatalf("after %d CAs: %s: %v", w.rotations, who, err)
	}
}

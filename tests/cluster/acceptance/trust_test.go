package acceptance

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

// steadyService does nothing but run while others are injured.
const steadyService = "steady"

// The shortest lifetime that Kubernetes gives a token, and a new CA that is used
// once it has reached every pod: a kubelet of ours looks each ten seconds.
const (
	tokenLifetime = 10 * time.Minute
	caSettle      = 45 * time.Second
)

// shortLived makes what is renewed be renewed within the run.
func shortLived(s *step) {
	shared.applyText(s, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", faultNamespace))
	shared.shell(s, fmt.Sprintf("kubectl -n %s set env deployment/podflame-webhook PODFLAME_TOKEN_LIFETIME=%s PODFLAME_CA_SETTLE=%s", systemNamespace, tokenLifetime, caSettle))
	shared.shell(s, "kubectl -n podflame-system rollout status deployment/podflame-webhook --timeout=2m")
}

// replaceAuthority takes the CA away, as a person does whose key was seen: the
// webhook makes another.
func replaceAuthority(s *step) {
	secrets := shared.Client.CoreV1().Secrets(systemNamespace)
	served := func() (certificate string) {
		secret, err := secrets.Get(s.ctx, "podflame-backend-tls", metav1.GetOptions{})
		if err == nil {
			certificate = string(secret.Data[corev1.TLSCertKey])
		}
		return certificate
	}
	before, trusted := served(), s.trustBundle()
	s.must(secrets.Delete(s.ctx, "podflame-webhook-certs", metav1.DeleteOptions{}))
	began := time.Now()
	s.until("both CAs are in the trust bundle of the victim's namespace", func() (bool, string) {
		now := s.trustBundle()
		return now != trusted && strings.Count(now, "BEGIN CERTIFICATE") > 1, fmt.Sprint(strings.Count(now, "BEGIN CERTIFICATE"), " certificates")
	})
	if served() != before {
		s.Errorf("the backend has a certificate of the new CA before sidecars could trust it")
	}
	s.until("a certificate of the new CA for the backend", func() (bool, string) {
		now := served()
		return now != "" && now != before, "the one before"
	})
	s.measure("a certificate of the new CA after %.0f s", time.Since(began).Seconds())
	s.serves(served())
}

// serves waits until the backend shows a certificate to those who call it: the
// kubelet brings the Secret into its pod, and it looks there now and then.
func (s *step) serves(certificate string) {
	s.Helper()
	block, _ := pem.Decode([]byte(certificate))
	if block == nil {
		s.Fatalf("the backend's Secret holds no certificate")
	}
	s.until("the backend serves the new certificate", func() (bool, string) {
		forward, err := shared.Forward(s.ctx, systemNamespace, "deployment/podflame-backend", "8443")
		if err != nil {
			return false, err.Error()
		}
		defer forward.Close()
		dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // what it shows is looked at, nothing is sent
		connection, err := dialer.DialContext(s.ctx, "tcp", forward.Address)
		if err != nil {
			return false, err.Error()
		}
		defer connection.Close()
		shown := connection.(*tls.Conn).ConnectionState().PeerCertificates
		return len(shown) > 0 && bytes.Equal(shown[0].Raw, block.Bytes), "another"
	})
}

func (s *step) trustBundle() string {
	s.Helper()
	bundle, err := shared.Client.CoreV1().ConfigMaps(faultNamespace).Get(s.ctx, contract.TrustConfigMap, metav1.GetOptions{})
	s.must(err)
	return bundle.Data[contract.TrustKey]
}

// tokenRotated waits until the first token of a pod that was there from the
// beginning has expired, and demands windows from after that.
func tokenRotated(s *step) {
	pod := shared.readyPods(s, faultNamespace, "app="+steadyService, 1)[0]
	expiry := pod.Status.StartTime.Add(tokenLifetime)
	var token struct{ Exp, Iat int64 }
	s.until("the token that the pod began with is replaced, and has expired", func() (bool, string) {
		if err := shared.tokenOf(s, &pod, &token); err != nil {
			return false, err.Error()
		}
		left := time.Until(expiry)
		return left < 0 && time.Unix(token.Exp, 0).After(expiry), fmt.Sprintf("%s left; the token in the volume expires at %s", left, time.Unix(token.Exp, 0))
	})
	s.samplesOf(faultNamespace, steadyService, time.Now())
	s.measure("first token expired at %s; the sidecar's is of %s; windows after that", expiry.Format(time.TimeOnly), time.Unix(token.Iat, 0).Format(time.TimeOnly))
	targets, err := shared.backend.targets(s.ctx, faultNamespace)
	s.must(err)
	for _, target := range targets {
		if target.Identity.Pod == pod.Name && target.Spool.DroppedWindows > 0 {
			s.Errorf("%d windows were dropped", target.Spool.DroppedWindows)
		}
	}
	s.restarts(pod.Name, map[string]int32{"app": 0, contract.ContainerName: 0})
}

// tokenOf reads the claims of the token that a pod's sidecar has.
func (l *lab) tokenOf(s *step, pod *corev1.Pod, into any) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/root%s", l.agent(s, pod), contract.TokenFile))
	if err != nil {
		return fmt.Errorf("read the token of pod %s: %w", pod.Name, err)
	}
	parts := strings.Split(string(text), ".")
	if len(parts) != 3 {
		return fmt.Errorf("the token of pod %s has %d parts", pod.Name, len(parts))
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return fmt.Errorf("decode the token of pod %s: %w", pod.Name, err)
	}
	return json.Unmarshal(claims, into)
}

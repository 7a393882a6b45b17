package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/podflame/podflame/backend/internal/auth"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
)

func (a *accessFlags) validate() error {
	switch {
	case a.Auth == "token" && a.ReadToken == "":
		return fmt.Errorf("--auth=token needs --read-token-file")
	case a.RememberToken <= 0 || a.RememberToken > auth.MaxRememberToken:
		return fmt.Errorf("--remember-token=%s is not above 0 and at most %s", a.RememberToken, auth.MaxRememberToken)
	case a.RememberAccess <= 0 || a.ReviewTimeout <= 0:
		return fmt.Errorf("--remember-access=%s and --review-timeout=%s must be above 0", a.RememberAccess, a.ReviewTimeout)
	case len(a.Proxies) > 0 && (a.ProxySecret == "" || a.Auth != "kubernetes"):
		return fmt.Errorf("--proxies needs --proxy-secret-file and --auth=kubernetes: an address alone proves nothing")
	case len(a.Proxies) == 0 && a.ProxySecret != "":
		return fmt.Errorf("--proxy-secret-file needs --proxies, the addresses of the proxy")
	case a.API == "" && (a.APICA != "" || a.APIToken != ""):
		return fmt.Errorf("--kubernetes-ca-file and --kubernetes-token-file need --kubernetes-api")
	case a.WriteFor == a.ReadFor:
		return fmt.Errorf("--write-audience and --read-audience are both %q: every pod could log in as a reader", a.ReadFor)
	}
	_, err := a.proxyAddresses()
	return err
}

func (a *accessFlags) proxyAddresses() ([]netip.Prefix, error) {
	list := make([]netip.Prefix, 0, len(a.Proxies))
	for _, text := range a.Proxies {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--proxies has %q, which is no address with a length, such as 10.1.2.3/32: %w", text, err)
		}
		list = append(list, prefix)
	}
	return list, nil
}

func (a *accessFlags) limits() auth.Limits {
	l := auth.DefaultLimits()
	l.RememberToken, l.RememberAccess, l.Remembered = a.RememberToken, a.RememberAccess, a.Remembered
	l.Reviews, l.SourceReviews, l.Refusals, l.ReviewTimeout = a.Reviews, a.SourceReviews, a.Refusals, a.ReviewTimeout
	return l
}

// kube returns the client of the API server; nil if nobody needs it.
func (a *accessFlags) kube() (*auth.Kube, error) {
	if a.Auth != "kubernetes" && a.WriteAuth != "kubernetes" {
		return nil, nil
	}
	config := &rest.Config{Host: a.API, BearerTokenFile: a.APIToken, TLSClientConfig: rest.TLSClientConfig{CAFile: a.APICA}}
	if a.API == "" {
		var err error
		if config, err = rest.InClusterConfig(); err != nil {
			return nil, fmt.Errorf("find the API server of the cluster, which --auth=kubernetes and --write-auth=kubernetes ask: %w; outside of a pod, give --kubernetes-api", err)
		}
	}
	config.UserAgent = "podflame-backend/" + version
	return auth.NewKube(config)
}

// gates are who may write and who may read.
type gates struct {
	senders auth.Senders
	people  *auth.People
}

func (a *accessFlags) gates(namespaces auth.Namespaces, registry prometheus.Registerer, log *slog.Logger) (gates, error) {
	kube, err := a.kube()
	if err != nil {
		return gates{}, err
	}
	metrics := auth.NewMetrics(registry)
	g := gates{senders: auth.Anyone{}, people: &auth.People{
		Mode: auth.Mode(a.Auth), Origins: auth.Origins{Hosts: a.Hosts}, Audience: a.ReadFor, Audit: auth.NewAudit(log), Metrics: metrics,
	}}
	if a.WriteAuth == "kubernetes" {
		g.senders = auth.NewPods(auth.NewTokens(kube, a.WriteFor, a.limits(), time.Now, metrics), a.Cluster)
	}
	switch g.people.Mode {
	case auth.Shared:
		g.people.Verifier, err = auth.NewSecretFile(a.ReadToken)
	case auth.Kubernetes:
		readers := a.limits()
		readers.RefusalEvery = time.Second / 5 // they may share the address of an ingress, with one who guesses
		g.people.Verifier = auth.NewTokens(kube, a.ReadFor, readers, time.Now, metrics)
		g.people.Scopes = auth.NewScopes(kube, namespaces, a.limits(), time.Now, metrics)
		g.people.Proxy, err = a.proxy()
	}
	return g, err
}

// proxy returns the proxy whose logins are believed; nil if there is none.
func (a *accessFlags) proxy() (*auth.Proxy, error) {
	if len(a.Proxies) == 0 {
		return nil, nil
	}
	from, err := a.proxyAddresses()
	if err != nil {
		return nil, err
	}
	secret, err := auth.NewSecretFile(a.ProxySecret)
	if err != nil {
		return nil, err
	}
	return &auth.Proxy{From: from, Secret: secret, UserPrefix: a.UserPrefix, GroupPrefix: a.GroupPrefix}, nil
}

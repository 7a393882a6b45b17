package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podflame/podflame/backend/internal/client"
)

// reach is where the backend is.
type reach struct {
	Server     string        `env:"PODFLAME_SERVER" placeholder:"URL" help:"URL of the backend. Empty: forward a port to the one in the current kubectl context."`
	TokenFile  string        `type:"path" env:"PODFLAME_TOKEN_FILE" placeholder:"FILE" help:"File with the token to log in with: kubectl create token NAME --audience podflame."`
	CAFile     string        `type:"path" name:"ca-file" env:"PODFLAME_CA_FILE" placeholder:"FILE" help:"Certificates that sign the backend, in PEM. Empty: those of this system."`
	ServerName string        `name:"server-name" env:"PODFLAME_SERVER_NAME" placeholder:"NAME" help:"Name in the backend's certificate, if it is not that of the URL."`
	Context    string        `env:"PODFLAME_KUBE_CONTEXT" placeholder:"NAME" help:"kubectl context. Empty: the current one."`
	System     string        `name:"system-namespace" default:"podflame-system" env:"PODFLAME_SYSTEM_NAMESPACE" help:"Namespace of the backend."`
	Timeout    time.Duration `default:"30s" env:"PODFLAME_TIMEOUT" help:"Time for one answer, and for kubectl."`
}

// Validate is called by kong after parsing.
func (r *reach) Validate() error {
	if r.Timeout <= 0 {
		return fmt.Errorf("--timeout=%s is not above 0", r.Timeout)
	}
	return nil
}

// backend is a way to the backend.
type backend struct {
	*client.Client
	forwarded bool // by us: its address lasts as long as we do
	close     func()
}

// link is the server's part of links for people; empty if it would be dead by
// the time that one opens it.
func (b *backend) link() string {
	if b.forwarded {
		return ""
	}
	return b.URL()
}

// connect finds the backend. The caller closes it.
func (a *app) connect(ctx context.Context) (*backend, error) {
	config := client.Config{
		URL: a.reach.Server, TokenFile: a.reach.TokenFile, CAFile: a.reach.CAFile, ServerName: a.reach.ServerName,
		Timeout: a.reach.Timeout, UserAgent: "podflame/" + version,
	}
	b := &backend{close: func() {}}
	if config.URL == "" {
		if err := a.forward(ctx, &config, b); err != nil {
			return nil, err
		}
	}
	var err error
	if b.Client, err = client.New(config); err != nil {
		b.close()
		return nil, usageError{err}
	}
	return b, nil
}

// forward makes kubectl forward a port to the door of people.
func (a *app) forward(ctx context.Context, config *client.Config, b *backend) error {
	k, err := a.kubectl()
	if err != nil {
		return hinted{usageError{err}, "Say where the backend is with --server or PODFLAME_SERVER, or install kubectl to reach that of a cluster"}
	}
	d := k.peopleDoor(ctx, a.reach.System)
	address, stop, err := k.forward(ctx, a.reach.System, d.port)
	if err != nil {
		return hinted{&client.Unreachable{URL: "namespace " + a.reach.System, Err: err},
			"Check the kubectl context and --system-namespace, or say where the backend is with --server"}
	}
	b.forwarded, b.close = true, stop
	config.URL = "http://" + address
	if d.tls {
		config.URL = "https://" + address
		if config.ServerName == "" {
			config.ServerName = backendName + "." + a.reach.System + ".svc"
		}
		if config.CAFile == "" {
			config.CA = k.trust(ctx)
		}
	}
	return nil
}

// ask runs a question with the backend.
func (a *app) ask(ctx context.Context, question func(context.Context, *backend) error) error {
	b, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	err = question(ctx, b)
	if ctx.Err() != nil {
		return errors.Join(context.Canceled, err)
	}
	return err
}

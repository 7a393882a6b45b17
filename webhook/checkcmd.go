package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/podflame/podflame/webhook/internal/check"
	"github.com/podflame/podflame/webhook/internal/inject"
)

// checkCmd looks at an installation from outside, with the rights of whoever
// runs it.
type checkCmd struct {
	Target        string `arg:"" optional:"" placeholder:"pod/NAME" help:"Explain one pod instead, by the same function as admission."`
	Namespace     string `short:"n" default:"default" help:"Namespace of that pod."`
	System        string `name:"system-namespace" default:"podflame-system" help:"Namespace of the webhook."`
	Configuration string `default:"podflame" help:"Name of the MutatingWebhookConfiguration."`
	Deployment    string `default:"podflame-webhook" help:"Name of the webhook's Deployment and Service."`
	Color         string `enum:"auto,always,never" default:"auto" help:"Colour the answer: always, never, or auto, on a terminal without NO_COLOR."`

	registry http.RoundTripper // of tests
}

// Help is shown under the flags.
func (c *checkCmd) Help() string {
	return `Checks that the API server reaches the webhook and trusts its certificate, that
the objects of the installation agree, that the webhook has its rights, that
sidecars can be pulled and reach the backend, and which run an old version. It
reads, and creates one pod as a dry run.

Exit code: 0 if all is well or there are warnings only; 3 if something failed, or
the pod is not profiled; 1 for everything else.`
}

// Run checks the cluster of the kubeconfig.
func (c *checkCmd) Run(ctx context.Context) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster (KUBECONFIG, or the ServiceAccount of the pod): %w", err)
	}
	config.UserAgent = "podflame-check/" + programVersion()
	config.QPS = -1 // a few requests of a person
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client of %s: %w", config.Host, err)
	}
	return c.check(ctx, client, os.Stdout)
}

func (c *checkCmd) check(ctx context.Context, client kubernetes.Interface, out io.Writer) error {
	decisions, err := c.installed(ctx, client)
	if c.Target != "" {
		if err != nil {
			return err
		}
		return c.explainPod(ctx, client, decisions, out)
	}
	installation := check.Installation{
		Client: client, Namespace: c.System, Configuration: c.Configuration, Service: c.Deployment, Inject: decisions, SettingsError: err, Registry: c.registry,
	}
	d := describer{colored: colored(c.Color, out)}
	failed := 0
	for result := range installation.Run(ctx) {
		d.check(result)
		if result.Level == check.Failed {
			failed++
		}
	}
	if _, err := io.WriteString(out, d.text.String()); err != nil {
		return fmt.Errorf("write checks: %w", err)
	}
	if failed > 0 {
		return exitError{fmt.Errorf("%d checks failed", failed), exitSkipped}
	}
	return nil
}

// installed is the configuration that the webhook runs with: the settings of its
// Deployment, and the version of the server.
func (c *checkCmd) installed(ctx context.Context, client kubernetes.Interface) (inject.Config, error) {
	deployment, err := client.AppsV1().Deployments(c.System).Get(ctx, c.Deployment, metav1.GetOptions{})
	if err != nil {
		return inject.Config{}, fmt.Errorf("read the webhook's Deployment: %w", err)
	}
	settings, err := settingsOf(ctx, client, deployment)
	if err != nil {
		return inject.Config{}, err
	}
	flags, err := flagsFrom(settings)
	if err != nil {
		return inject.Config{}, err
	}
	config, err := flags.config()
	if err != nil {
		return inject.Config{}, err
	}
	config.ExcludedNamespaces = append(config.ExcludedNamespaces, c.System)
	if config.ServerVersion == "" {
		server, err := client.Discovery().ServerVersion()
		if err != nil {
			return inject.Config{}, fmt.Errorf("ask the API server for its version: %w", err)
		}
		config.ServerVersion = server.GitVersion
	}
	return config, config.Validate()
}

// settingsOf is the environment of the Deployment's first container, as far as
// it is written down in it or in ConfigMaps.
func settingsOf(ctx context.Context, client kubernetes.Interface, deployment *appsv1.Deployment) (map[string]string, error) {
	settings := map[string]string{}
	if len(deployment.Spec.Template.Spec.Containers) == 0 {
		return settings, nil
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	for _, from := range container.EnvFrom {
		if from.ConfigMapRef == nil {
			continue
		}
		found, err := client.CoreV1().ConfigMaps(deployment.Namespace).Get(ctx, from.ConfigMapRef.Name, metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("read the webhook's settings: %w", err)
		}
		maps.Copy(settings, found.Data)
	}
	for _, variable := range container.Env {
		settings[variable.Name] = variable.Value
	}
	return settings, nil
}

// flagsFrom reads the flags of the sidecar as the webhook does, by the
// environment of another.
func flagsFrom(settings map[string]string) (sidecarFlags, error) {
	var line struct {
		Sidecar sidecarFlags `embed:""`
	}
	resolver := kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, name := range flag.Envs {
			if value, set := settings[name]; set {
				return value, nil
			}
		}
		return nil, nil
	})
	parser, err := kong.New(&line, kong.Resolvers(resolver))
	if err != nil {
		return sidecarFlags{}, fmt.Errorf("build flags of the sidecar: %w", err)
	}
	if _, err := parser.Parse(nil); err != nil {
		return sidecarFlags{}, fmt.Errorf("read the webhook's settings: %w", err)
	}
	return line.Sidecar, nil
}

// explainPod says what the webhook wrote on a pod, what it would decide about it
// now, and how its sidecar is.
func (c *checkCmd) explainPod(ctx context.Context, client kubernetes.Interface, decisions inject.Config, out io.Writer) error {
	kind, name, found := strings.Cut(c.Target, "/")
	if !found || kind != "pod" && kind != "pods" && kind != "po" {
		return fmt.Errorf("%q is not pod/NAME", c.Target)
	}
	explained, err := check.ExplainPod(ctx, client, c.Namespace, name, decisions)
	if err != nil {
		return err
	}
	d := describer{colored: colored(c.Color, out)}
	d.pod(explained)
	if _, err := io.WriteString(out, d.text.String()); err != nil {
		return fmt.Errorf("write explanation: %w", err)
	}
	if !explained.Profiled {
		return exitError{errors.New("the pod is not profiled"), exitSkipped}
	}
	return nil
}

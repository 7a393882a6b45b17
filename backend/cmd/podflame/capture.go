package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// What sidecar/contract says of running pods: neither program imports the other's
// side.
const (
	captureAnnotation = "profiling.io/capture"
	statusAnnotation  = "profiling.io/status"
	enabledAnnotation = "profiling.io/enabled"
	sidecarContainer  = "podflame"
	maxCapture        = 24 * time.Hour
)

type captureCmd struct {
	Workload  string        `arg:"" help:"pod/NAME, or a workload of the current kubectl context such as deploy/NAME: all its pods."`
	Namespace string        `short:"n" help:"Its namespace."`
	For       time.Duration `default:"10m" help:"How long, at most 24h; it ends by itself."`
	Events    []string      `default:"cpu,wall" enum:"cpu,alloc,lock,wall,live,nativemem,nativelock" help:"What to record meanwhile, instead of what is recorded always."`
}

// Help is shown under the flags.
func (c *captureCmd) Help() string {
	return "Annotates running pods, which their sidecars read; it needs the right to patch pods. Pods that start later are not captured."
}

// Validate is called by kong after parsing.
func (c *captureCmd) Validate() error {
	if c.For <= 0 || c.For > maxCapture {
		return fmt.Errorf("--for=%s is not above 0 and at most %s", c.For, maxCapture)
	}
	return nil
}

// Run asks the sidecars of the pods. Nothing is asked if one of the pods has no
// sidecar.
func (c *captureCmd) Run(ctx context.Context, a *app) error {
	k, err := a.kubectl()
	if err != nil {
		return hinted{usageError{err}, "Install kubectl: a capture is asked for by an annotation of running pods"}
	}
	namespace, names, err := c.pods(ctx, k)
	if err != nil {
		return hinted{err, "Check the name, --namespace and the kubectl context"}
	}
	if len(names) == 0 {
		return api.Errorf(profile.NotFound, "%s has no pods", c.Workload)
	}
	for _, name := range names {
		if namespace, err = k.injected(ctx, namespace, name); err != nil {
			return err
		}
	}
	until := a.now().Add(c.For).UTC().Truncate(time.Second).Format(time.RFC3339)
	wanted := fmt.Sprintf("%s=events=%s;until=%s", captureAnnotation, strings.Join(c.Events, ","), until)
	if err := k.annotate(ctx, namespace, names, wanted); err != nil {
		return err
	}
	return a.print(fmt.Sprintf("asked %d pods in %s to record %s until %s: %s\n%s\ncoverage: podflame targets shows which do\n",
		len(names), namespace, strings.Join(c.Events, ", "), until, strings.Join(names, ", "), c.when()))
}

// surely is how long a capture must be for pods to record for some of it: the kubelet
// takes up to a minute and a half, and windows are a minute long unless asked for otherwise.
const surely = 3 * time.Minute

// when says that a capture does not begin at once, nor perhaps at all.
func (c *captureCmd) when() string {
	text := "they begin at a border of windows, once the kubelet has told them, which takes a minute or two"
	if c.For < surely {
		text += fmt.Sprintf("; --for=%s may be over by then, ask for %gm or more", c.For, surely.Minutes())
	}
	return text
}

func (c *captureCmd) pods(ctx context.Context, k *kubectl) (namespace string, names []string, err error) {
	kind, name, split := strings.Cut(c.Workload, "/")
	switch {
	case split && (kind == "pod" || kind == "pods"):
		return c.Namespace, []string{name}, nil
	case split && workloads()[kind] != "":
		return k.pods(ctx, c.Namespace, workloads()[kind], name)
	}
	return "", nil, usagef("%q is no pod/NAME and no workload such as deploy/NAME", c.Workload)
}

// injected returns the namespace of a pod, or why it has no sidecar to ask.
func (k *kubectl) injected(ctx context.Context, namespace, name string) (string, error) {
	var pod struct {
		Metadata struct {
			Namespace   string
			Annotations map[string]string
		}
		Spec struct{ InitContainers, Containers []struct{ Name string } }
	}
	if err := k.get(ctx, &pod, append(scope(namespace), "pod/"+name)...); err != nil {
		return "", err
	}
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if container.Name == sidecarContainer {
			return pod.Metadata.Namespace, nil
		}
	}
	why := "it does not say why"
	if status := pod.Metadata.Annotations[statusAnnotation]; status != "" {
		why = "its status is " + status
	} else if pod.Metadata.Annotations[enabledAnnotation] == "false" { // the webhook never sees it
		why = "it opts out by its annotation " + enabledAnnotation + ": \"false\" (opted_out)"
	}
	return "", hinted{fmt.Errorf("pod %s has no sidecar, so nothing can be captured: %s", name, why),
		"Annotate the pod template profiling.io/enabled: \"true\" and restart it; webhook check pod/" + name + " says why a pod is not injected"}
}

func scope(namespace string) []string {
	if namespace == "" {
		return nil
	}
	return []string{"--namespace", namespace}
}

func (k *kubectl) annotate(ctx context.Context, namespace string, names []string, annotation string) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	c := k.command(ctx, append(append(append(scope(namespace), "annotate", "--overwrite", "pod"), names...), annotation)...)
	stderr := &capped{most: maxError}
	c.Stderr = stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("kubectl annotate %d pods: %w", len(names), complaint(ctx, err, stderr))
	}
	return nil
}

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// kubectl asks the cluster of a context. It is a child process: it knows every
// way to log in to a cluster, and keeps 30 MB of client out of this program.
type kubectl struct {
	path, context string
	timeout       time.Duration
}

func (a *app) kubectl() (*kubectl, error) {
	path, err := exec.LookPath("kubectl")
	if err != nil {
		return nil, fmt.Errorf("find kubectl: %w", err)
	}
	return &kubectl{path: path, context: a.reach.Context, timeout: a.reach.Timeout}, nil
}

func (k *kubectl) command(ctx context.Context, arguments ...string) *exec.Cmd {
	if k.context != "" {
		arguments = append([]string{"--context", k.context}, arguments...)
	}
	c := exec.CommandContext(ctx, k.path, arguments...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = killAfter
	return c
}

const (
	killAfter = 3 * time.Second
	maxOutput = 16 << 20 // bytes of an answer of kubectl
	maxError  = 2 << 10  // bytes of what it complains
)

// get decodes what "kubectl get … -o json" prints.
func (k *kubectl) get(ctx context.Context, into any, arguments ...string) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	c := k.command(ctx, append(append([]string{"get"}, arguments...), "-o", "json")...)
	stdout, stderr := &capped{most: maxOutput}, &capped{most: maxError}
	c.Stdout, c.Stderr = stdout, stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("kubectl get %s: %w", strings.Join(arguments, " "), complaint(ctx, err, stderr))
	}
	if err := json.Unmarshal(stdout.Bytes(), into); err != nil {
		return fmt.Errorf("decode what kubectl get %s prints: %w", strings.Join(arguments, " "), err)
	}
	return nil
}

// complaint is why a child failed, in its own words if it has some.
func complaint(ctx context.Context, err error, stderr *capped) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if said := strings.TrimSpace(stderr.String()); said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// capped keeps the first bytes that are written.
type capped struct {
	bytes.Buffer
	most int
}

// Write implements io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	c.Buffer.Write(p[:min(len(p), max(0, c.most-c.Len()))])
	return len(p), nil
}

// backendName is that of the Deployment and of the Service.
const backendName = "podflame-backend"

// door is where the backend serves people.
type door struct {
	port int
	tls  bool
}

// peopleDoor reads the Deployment: with components/people it names a port that
// speaks TLS. Who may not read it may still forward a port.
func (k *kubectl) peopleDoor(ctx context.Context, namespace string) door {
	var deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Ports []struct {
							Name          string
							ContainerPort int
						}
					}
				}
			}
		}
	}
	if err := k.get(ctx, &deployment, "--namespace", namespace, "deployment", backendName); err == nil {
		for _, container := range deployment.Spec.Template.Spec.Containers {
			for _, port := range container.Ports {
				if port.Name == "people" {
					return door{port.ContainerPort, true}
				}
			}
		}
	}
	return door{8080, false} // on the pod's loopback
}

// trust returns the certificates that sign the backend, which the webhook
// publishes in namespaces with profiled pods; nil if they are not in that of the
// context.
func (k *kubectl) trust(ctx context.Context) []byte {
	var published struct{ Data map[string]string }
	if k.get(ctx, &published, "configmap", "podflame-trust") != nil || published.Data["ca.crt"] == "" {
		return nil
	}
	return []byte(published.Data["ca.crt"])
}

// forward forwards a port of this host to one of the backend until stop is
// called or ctx ends, and returns its address.
func (k *kubectl) forward(ctx context.Context, namespace string, port int) (address string, stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	c := k.command(ctx, "--namespace", namespace, "port-forward", "--address", "127.0.0.1", "deployment/"+backendName, fmt.Sprintf(":%d", port))
	stderr := &capped{most: maxError}
	c.Stderr = stderr
	stdout, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("start kubectl port-forward: %w", err)
	}
	stop = func() {
		cancel()
		_ = c.Wait() // it was told to end
	}
	said := make(chan string, 1)
	go func() {
		said <- readAddress(stdout)
		_, _ = io.Copy(io.Discard, stdout) // what it tells of each connection
	}()
	select {
	case address = <-said:
		err = errors.New("it ended")
	case <-time.After(k.timeout):
		err = fmt.Errorf("it did not forward within %s", k.timeout)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if address == "" {
		stop()
		return "", nil, fmt.Errorf("kubectl port-forward: %w", complaint(context.Background(), err, stderr))
	}
	return address, stop, nil
}

// readAddress reads the line in which kubectl says where it listens; empty if
// there is none.
func readAddress(stdout io.Reader) string {
	forwarding := regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:[0-9]{1,5}) ->`)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if found := forwarding.FindStringSubmatch(lines.Text()); found != nil {
			return found[1]
		}
	}
	return ""
}

// workloads are the kinds whose pods can be asked for, by what people write.
func workloads() map[string]string {
	return map[string]string{
		"deploy": "deployment", "deployment": "deployment", "deployments": "deployment",
		"sts": "statefulset", "statefulset": "statefulset", "statefulsets": "statefulset",
		"ds": "daemonset", "daemonset": "daemonset", "daemonsets": "daemonset",
		"rs": "replicaset", "replicaset": "replicaset", "replicasets": "replicaset", "job": "job", "jobs": "job",
	}
}

// pods returns the namespace of a workload and the names of its pods.
func (k *kubectl) pods(ctx context.Context, namespace, kind, name string) (in string, names []string, err error) {
	var scope []string
	if namespace != "" {
		scope = []string{"--namespace", namespace}
	}
	var workload struct {
		Metadata struct{ Namespace string }
		Spec     struct{ Selector selector }
	}
	if err := k.get(ctx, &workload, append(scope, kind+"/"+name)...); err != nil {
		return "", nil, err
	}
	chosen := workload.Spec.Selector.String()
	if chosen == "" {
		return "", nil, fmt.Errorf("%s/%s selects its pods by no label", kind, name)
	}
	var list struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	if err := k.get(ctx, &list, "--namespace", workload.Metadata.Namespace, "pods", "--selector", chosen); err != nil {
		return "", nil, err
	}
	for _, pod := range list.Items {
		names = append(names, pod.Metadata.Name)
	}
	return workload.Metadata.Namespace, names, nil
}

// selector is a LabelSelector of Kubernetes.
type selector struct {
	MatchLabels      map[string]string
	MatchExpressions []struct {
		Key, Operator string
		Values        []string
	}
}

// String is the selector as kubectl takes it.
func (s selector) String() string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		parts = append(parts, key+"="+s.MatchLabels[key])
	}
	for _, e := range s.MatchExpressions {
		values := " (" + strings.Join(e.Values, ",") + ")"
		parts = append(parts, cmp.Or(map[string]string{
			"In": e.Key + " in" + values, "NotIn": e.Key + " notin" + values, "Exists": e.Key, "DoesNotExist": "!" + e.Key,
		}[e.Operator], e.Key))
	}
	return strings.Join(parts, ",")
}

// Package kube runs a real Kubernetes control plane for tests: etcd, the API
// server and the controller manager as processes of this host, on loopback
// ports of their own, in a temporary folder. There is no node: pods are
// admitted and stored, never run. Stop, or the end of the test program in
// whatever way, ends every process.
package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/tests/internal/freeport"
)

// Limits of a start. The API server needs 5 s of CPU; the rest is for a
// machine that is busy with other things.
const (
	startTimeout  = 3 * time.Minute
	startAttempts = 3 // a free port may be taken between its choice and its use
	pollInterval  = 100 * time.Millisecond
	kubectlLimit  = 2 * time.Minute
)

// Cluster is a running control plane.
type Cluster struct {
	Directory  string       // everything it wrote; logs in Directory/log
	Kubeconfig string       // file, as cluster administrator
	Config     *rest.Config // the same, without client-side rate limit
	Client     kubernetes.Interface
	Launcher   *Launcher // for further programs that must not outlive the test

	binaries  Binaries
	processes []*Process // in order of start
}

// Start brings up a control plane in an existing, empty directory and returns
// once a Deployment could be created in it.
func Start(ctx context.Context, binaries Binaries, directory string) (*Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var failures []error
	for attempt := range startAttempts {
		cluster, err := start(ctx, binaries, filepath.Join(directory, fmt.Sprintf("attempt-%d", attempt)))
		if err == nil {
			return cluster, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("start a cluster: %w", errors.Join(failures...))
}

func start(ctx context.Context, binaries Binaries, directory string) (*Cluster, error) {
	for _, sub := range []string{"log", "pki", "etcd"} {
		if err := os.MkdirAll(filepath.Join(directory, sub), 0o700); err != nil {
			return nil, fmt.Errorf("make the folder of the cluster: %w", err)
		}
	}
	authority, err := newPKI(filepath.Join(directory, "pki"))
	if err != nil {
		return nil, err
	}
	c := &Cluster{Directory: directory, binaries: binaries, Launcher: NewLauncher()}
	if err := c.bringUp(ctx, authority); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) bringUp(ctx context.Context, authority *pki) error {
	ports, err := freeport.Choose(4)
	if err != nil {
		return err
	}
	if err := c.configure(authority, ports[0]); err != nil {
		return err
	}
	if err := authority.kubeconfig("controller-manager", fmt.Sprintf("https://127.0.0.1:%d", ports[0]), "system:kube-controller-manager", ""); err != nil {
		return err
	}
	if err := c.run("etcd", c.binaries.Etcd, etcdArguments(c.Directory, ports[1], ports[2])...); err != nil {
		return err
	}
	if err := c.run("kube-apiserver", c.binaries.Kubernetes, apiserverArguments(authority, ports[0], ports[1])...); err != nil {
		return err
	}
	// Anything started before the API server is ready backs off for seconds.
	if err := c.await(ctx, "the API server", c.ready); err != nil {
		return err
	}
	if err := c.run("kube-controller-manager", c.binaries.Kubernetes, controllerManagerArguments(authority, ports[3])...); err != nil {
		return err
	}
	return c.await(ctx, "the default ServiceAccount", c.defaultAccount)
}

func (c *Cluster) defaultAccount(ctx context.Context) error {
	_, err := c.Client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
	return err
}

// configure writes the API server's certificate and the administrator's
// kubeconfig, and builds its client.
func (c *Cluster) configure(authority *pki, port int) error {
	if err := authority.server("apiserver"); err != nil {
		return err
	}
	server := fmt.Sprintf("https://127.0.0.1:%d", port)
	if err := authority.kubeconfig("admin", server, "admin", "system:masters"); err != nil {
		return err
	}
	c.Kubeconfig = authority.path("admin.kubeconfig")
	return c.connect()
}

func (c *Cluster) run(name, program string, arguments ...string) error {
	process, err := c.Launcher.Start(name, filepath.Join(c.Directory, "log"), nil, program, arguments...)
	if err != nil {
		return err
	}
	c.processes = append(c.processes, process)
	return nil
}

func (c *Cluster) ready(ctx context.Context) error {
	return c.Client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// await polls until the check passes, the context ends, or a process does.
func (c *Cluster) await(ctx context.Context, what string, check func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		for _, process := range c.processes {
			select {
			case <-process.Ended():
				return process.Failure()
			default:
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; last answer: %w; logs: %s", what, ctx.Err(), err, filepath.Join(c.Directory, "log"))
		case <-ticker.C:
		}
	}
}

// Stop ends every process, youngest first, and the launching thread.
func (c *Cluster) Stop() error {
	var failures []error
	for _, v := range slices.Backward(c.processes) {
		// Nothing of a test cluster is worth an orderly end.
		failures = append(failures, v.Kill())
	}
	c.Launcher.Close()
	return errors.Join(failures...)
}

// Kubectl runs kubectl as administrator and returns its standard output; the
// error carries its standard error.
func (c *Cluster) Kubectl(ctx context.Context, stdin io.Reader, arguments ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(ctx, kubectlLimit)
	defer cancel()
	command := exec.CommandContext(ctx, c.binaries.Kubernetes, append([]string{"kubectl", "--kubeconfig", c.Kubeconfig}, arguments...)...)
	// kubectl caches what it discovers in HOME: keep that in our folder.
	command.Env = append(os.Environ(), "HOME="+c.Directory)
	var out, errors bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = stdin, &out, &errors
	if err := command.Run(); err != nil {
		return out.String(), errors.String(), fmt.Errorf("kubectl %v: %w: %s", arguments, err, errors.String())
	}
	return out.String(), errors.String(), nil
}

// As is a client configuration that authenticates as a ServiceAccount, with a
// token of the API server's own making.
func (c *Cluster) As(ctx context.Context, namespace, serviceAccount string) (*rest.Config, error) {
	token, err := c.Token(ctx, namespace, serviceAccount)
	if err != nil {
		return nil, err
	}
	config := rest.AnonymousClientConfig(c.Config)
	config.BearerToken, config.QPS = token, -1
	return config, nil
}

// KubeconfigAs writes a kubeconfig file that authenticates as a ServiceAccount.
func (c *Cluster) KubeconfigAs(ctx context.Context, path, namespace, serviceAccount string) error {
	token, err := c.Token(ctx, namespace, serviceAccount)
	if err != nil {
		return err
	}
	return writeConfig(path, c.Config.Host, c.Config.CAData, &api.AuthInfo{Token: token})
}

// IsGone says whether an error means that the object does not exist.
func IsGone(err error) bool { return apierrors.IsNotFound(err) }

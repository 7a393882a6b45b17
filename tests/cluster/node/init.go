package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	readyLimit   = 2 * time.Minute // for each of containerd and the API server
	pollInterval = 50 * time.Millisecond
)

// Init is pid 1 of a node's namespaces. It returns only when a server has
// ended, with an error that holds the end of that server's log.
func Init(directory, cgroup string) error {
	spec, err := readSpec(directory)
	if err != nil {
		return err
	}
	if err := errors.Join(spec.mount(), joinServers(cgroup), syscall.Sethostname([]byte("node1")), link()); err != nil {
		return err
	}
	listener, err := net.FileListener(os.NewFile(listenerFD, "listener"))
	if err != nil {
		return fmt.Errorf("take over the listener: %w", err)
	}
	go forward(listener, spec.API)
	servers := map[int]string{}
	if err := spec.startAll(spec.Early, servers); err != nil {
		return err
	}
	if err := spec.importImages(); err != nil {
		return err
	}
	if err := spec.awaitAPI(); err != nil {
		return err
	}
	for _, program := range spec.Prepare {
		if output, err := exec.Command(program.Path, program.Arguments...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", program.Name, err, output)
		}
	}
	if err := spec.startAll(withCgroup(spec.Late, cgroup), servers); err != nil {
		return err
	}
	return spec.reap(servers)
}

func withCgroup(programs []Program, cgroup string) []Program {
	for _, program := range programs {
		for i, argument := range program.Arguments {
			program.Arguments[i] = strings.ReplaceAll(argument, CgroupPlaceholder, cgroup)
		}
	}
	return programs
}

func (s Spec) startAll(programs []Program, servers map[int]string) error {
	for _, program := range programs {
		log, err := os.OpenFile(s.logPath(program.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("open the log of %s: %w", program.Name, err)
		}
		command := exec.Command(program.Path, program.Arguments...)
		command.Stdout, command.Stderr = log, log
		if err := command.Start(); err != nil {
			return fmt.Errorf("start %s: %w", program.Name, err)
		}
		log.Close()
		servers[command.Process.Pid] = program.Name
	}
	return nil
}

func (s Spec) importImages() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	err := poll(ctx, "containerd", func() error { return exec.CommandContext(ctx, "ctr", "version").Run() })
	if err != nil {
		return fmt.Errorf("%w; the end of its log:\n%s", err, s.logTail("containerd"))
	}
	for _, archive := range s.Images {
		if output, err := exec.Command("ctr", "-n", "k8s.io", "images", "import", archive).CombinedOutput(); err != nil {
			return fmt.Errorf("import %s: %w: %s", archive, err, output)
		}
	}
	return nil
}

func (s Spec) awaitAPI() error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // asks our own server whether it is up
	}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	err := poll(ctx, "the API server", func() error { return probe(ctx, client, "https://"+s.API+"/readyz") })
	if err != nil {
		return fmt.Errorf("%w; the end of its log:\n%s", err, s.logTail("kube-apiserver"))
	}
	return nil
}

func probe(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", url, response.Status)
	}
	return nil
}

func poll(ctx context.Context, what string, check func() error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready within %s: %w", what, readyLimit, err)
		case <-ticker.C:
		}
	}
}

// reap waits for every child, the servers' orphans among them.
func (s Spec) reap(servers map[int]string) error {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for the servers: %w", err)
		}
		if name, ok := servers[pid]; ok {
			return fmt.Errorf("%s ended (exit %d, signal %d); the end of its log:\n%s", name, status.ExitStatus(), status.Signal(), s.logTail(name))
		}
	}
}

const tailLines = 20

func (s Spec) logTail(name string) string {
	content, err := os.ReadFile(filepath.Clean(s.logPath(name)))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(bytes.TrimSpace(content)), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

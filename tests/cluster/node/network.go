package node

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
)

// link makes the network namespace: the bridge of the pods, whose address is
// the node's. No interface leads out of it.
func link() error {
	for _, arguments := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", bridge, "type", "bridge"},
		{"addr", "add", Address + prefix, "dev", bridge},
		{"link", "set", bridge, "up"},
		// The proxy's rules see what is on its way; it needs one to be.
		{"route", "add", Services, "dev", bridge},
	} {
		if output, err := exec.Command("ip", arguments...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(arguments, " "), err, output)
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600); err != nil {
		return fmt.Errorf("forward packets of pods: %w", err)
	}
	// Services need it for pods of one bridge; there is no file where the
	// kernel has no such bridge module.
	err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("1"), 0o600)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("show bridged packets to the Services' rules: %w", err)
	}
	return nil
}

// forward leads the connections of a listener, which lives in the host's
// network, to an address in this one.
func forward(listener net.Listener, address string) {
	for {
		outside, err := listener.Accept()
		if err != nil {
			slog.Error("the way to the API server is closed", "error", err)
			return
		}
		go join(outside, address)
	}
}

func join(outside net.Conn, address string) {
	defer outside.Close()
	inside, err := net.Dial("tcp", address)
	if err != nil {
		return // the caller sees a closed connection and tries again
	}
	defer inside.Close()
	go func() {
		_, _ = io.Copy(inside, outside)
		_ = inside.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(outside, inside)
}

package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// stateFolder, below the node's folder, is mounted at State.
const stateFolder = "state"

// mount makes the mount namespace: a /proc of the new PID namespace, an empty
// /run, and layers over the folders of the host that the servers write to
// whatever their flags say.
func (s Spec) mount() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cut the mounts off from the host's: %w", err)
	}
	// The kubelet passes mounts on to containers.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share the mounts with containers: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	for _, folder := range []string{"/var/lib", "/var/log"} {
		if err := layer(folder); err != nil {
			return err
		}
	}
	return errors.Join(s.mountState(), shieldSysctls())
}

func (s Spec) mountState() error {
	source := filepath.Join(s.Directory, stateFolder)
	for _, path := range []string{source, State} {
		if err := os.MkdirAll(path, 0o711); err != nil {
			return fmt.Errorf("make the folder of the node's state: %w", err)
		}
	}
	if err := syscall.Mount(source, State, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount the node's state: %w", err)
	}
	return nil
}

// layer makes a folder writable without a change to the host.
func layer(folder string) error {
	upper := filepath.Join("/run/layers", folder, "upper")
	work := filepath.Join("/run/layers", folder, "work")
	for _, path := range []string{upper, work} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return fmt.Errorf("make the layer over %s: %w", folder, err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", folder, upper, work)
	if err := syscall.Mount("overlay", folder, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount the layer over %s: %w", folder, err)
	}
	return nil
}

// shieldSysctls puts files over the machine-wide settings that the kubelet
// writes unless they already have its values.
func shieldSysctls() error {
	wanted := map[string]string{
		"vm/overcommit_memory": "1", "vm/panic_on_oom": "0",
		"kernel/panic": "10", "kernel/panic_on_oops": "1",
		"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
	}
	for name, value := range wanted {
		file := filepath.Join("/run/sysctl", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("shield sysctl %s: %w", name, err)
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o600); err != nil {
			return fmt.Errorf("shield sysctl %s: %w", name, err)
		}
		if err := syscall.Mount(file, filepath.Join("/proc/sys", name), "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("shield sysctl %s: %w", name, err)
		}
	}
	return nil
}

package inject

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// In a shared process namespace the first process is the pod's pause container,
// in every container of the pod. An init that must be the first process ends at
// once; a command that means the application by 1 hits the pause container, and
// ends the pod or fails as a probe.

var (
	// signalsPID1 is a command that acts on process 1.
	signalsPID1 = regexp.MustCompile(`(^|[\s;&|("'/])(kill|jcmd|jstack|jmap|jinfo|jstat|jhsdb|jattach|gdb|strace|nsenter)(\s+-\w+(\s+\w+)?)*\s+1($|[\s;&|)"'])`)
	// readsPID1 is a path of process 1.
	readsPID1 = regexp.MustCompile(`/proc/1/`)
)

// inits must be the first process and say so.
var inits = []string{"/init", "/sbin/init", "/usr/sbin/init", "systemd", "s6-svscan", "s6-overlay-suexec", "runit-init"}

// initImages have such an init as their entrypoint.
var initImages = []string{"linuxserver/*", "s6-overlay*"}

// needsPID1 names the first container that could not do without being the first
// process, and why; empty if the manifest shows none.
func needsPID1(pod *corev1.Pod) string {
	bare := withoutSidecar(pod)
	for _, containers := range [][]corev1.Container{bare.Spec.InitContainers, bare.Spec.Containers} {
		for i := range containers {
			if what := containerNeedsPID1(&containers[i]); what != "" {
				return "container " + containers[i].Name + ", " + what
			}
		}
	}
	return ""
}

func containerNeedsPID1(c *corev1.Container) string {
	if isInit(c) {
		return "its init"
	}
	for _, command := range execCommands(c) {
		text := strings.Join(command.words, " ")
		if signalsPID1.MatchString(text) || readsPID1.MatchString(text) {
			return fmt.Sprintf("%s: %s", command.where, text)
		}
	}
	return ""
}

func isInit(c *corev1.Container) bool {
	if len(c.Command) > 0 {
		return slices.Contains(inits, c.Command[0]) || slices.Contains(inits, path.Base(c.Command[0]))
	}
	repository := imageRepository(c.Image)
	return slices.ContainsFunc(initImages, func(pattern string) bool {
		return matches(pattern, lastComponents(repository, strings.Count(pattern, "/")+1))
	})
}

// execCommand is one that kubelet or the runtime runs in the container.
type execCommand struct {
	where string
	words []string
}

func execCommands(c *corev1.Container) []execCommand {
	commands := []execCommand{{"command", slices.Concat(c.Command, c.Args)}}
	for _, probe := range []struct {
		where string
		probe *corev1.Probe
	}{{"livenessProbe", c.LivenessProbe}, {"readinessProbe", c.ReadinessProbe}, {"startupProbe", c.StartupProbe}} {
		if probe.probe != nil && probe.probe.Exec != nil {
			commands = append(commands, execCommand{probe.where, probe.probe.Exec.Command})
		}
	}
	if c.Lifecycle == nil {
		return commands
	}
	for _, hook := range []struct {
		where string
		hook  *corev1.LifecycleHandler
	}{{"postStart", c.Lifecycle.PostStart}, {"preStop", c.Lifecycle.PreStop}} {
		if hook.hook != nil && hook.hook.Exec != nil {
			commands = append(commands, execCommand{hook.where, hook.hook.Exec.Command})
		}
	}
	return commands
}

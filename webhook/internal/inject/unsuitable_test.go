package inject

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestIsWindows(t *testing.T) {
	term := func(key string, values ...string) corev1.NodeSelectorTerm {
		return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}}}
	}
	affinity := func(terms ...corev1.NodeSelectorTerm) *corev1.Affinity {
		return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms}}}
	}
	options := &corev1.WindowsSecurityContextOptions{}
	for name, c := range map[string]struct {
		spec corev1.PodSpec
		want bool
	}{
		"nothing":              {corev1.PodSpec{}, false},
		"os":                   {corev1.PodSpec{OS: &corev1.PodOS{Name: corev1.Windows}}, true},
		"os beats nodes":       {corev1.PodSpec{OS: &corev1.PodOS{Name: corev1.Linux}, NodeSelector: map[string]string{corev1.LabelOSStable: "windows"}}, false},
		"selector":             {corev1.PodSpec{NodeSelector: map[string]string{corev1.LabelOSStable: "windows"}}, true},
		"old selector":         {corev1.PodSpec{NodeSelector: map[string]string{"beta.kubernetes.io/os": "windows"}}, true},
		"build":                {corev1.PodSpec{NodeSelector: map[string]string{corev1.LabelWindowsBuild: "10.0.20348"}}, true},
		"affinity":             {corev1.PodSpec{Affinity: affinity(term(corev1.LabelOSStable, "windows"))}, true},
		"affinity to either":   {corev1.PodSpec{Affinity: affinity(term(corev1.LabelOSStable, "windows", "linux"))}, false},
		"one of two terms":     {corev1.PodSpec{Affinity: affinity(term(corev1.LabelOSStable, "windows"), term("disk", "ssd"))}, false},
		"preference":           {corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}}}, false},
		"options of the pod":   {corev1.PodSpec{SecurityContext: &corev1.PodSecurityContext{WindowsOptions: options}}, true},
		"options of container": {corev1.PodSpec{Containers: []corev1.Container{{SecurityContext: &corev1.SecurityContext{WindowsOptions: options}}}}, true},
	} {
		if got := isWindows(&c.spec); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestNeedsPID1(t *testing.T) {
	probe := func(words ...string) corev1.Container {
		return corev1.Container{LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: words}}}}
	}
	hook := func(words ...string) corev1.Container {
		return corev1.Container{Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: words}}}}
	}
	shell := func(script string) corev1.Container { return hook("/bin/sh", "-c", script) }
	for name, c := range map[string]struct {
		container corev1.Container
		want      bool
	}{
		"plain":                  {corev1.Container{Command: []string{"java", "-jar", "app.jar"}}, false},
		"s6-overlay":             {corev1.Container{Command: []string{"/init"}}, true},
		"systemd":                {corev1.Container{Command: []string{"/usr/lib/systemd/systemd"}}, true},
		"tini":                   {corev1.Container{Command: []string{"/sbin/tini", "--", "java"}}, false},
		"image with s6-overlay":  {corev1.Container{Image: "lscr.io/linuxserver/unifi:8"}, true},
		"that image, overridden": {corev1.Container{Image: "lscr.io/linuxserver/unifi:8", Command: []string{"java"}}, false},
		"jcmd":                   {probe("jcmd", "1", "VM.version"), true},
		"jcmd by path":           {probe("/opt/java/bin/jcmd", "1", "VM.version"), true},
		"jcmd of another":        {probe("jcmd", "Main", "VM.version", "1"), false},
		"jstat with options":     {probe("jstat", "-gcutil", "1"), true},
		"kill":                   {hook("kill", "1"), true},
		"kill with signal":       {hook("kill", "-s", "TERM", "1"), true},
		"kill with number":       {hook("kill", "-15", "1"), true},
		"kill by shell":          {shell("sleep 5; kill -TERM 1"), true},
		"kill in quotes":         {shell("sh -c 'kill 1'"), true},
		"signal 1 to another":    {shell("kill -1 $(pidof java)"), false},
		"process 12":             {shell("kill 12"), false},
		"skill":                  {shell("skill 1"), false},
		"proc":                   {probe("cat", "/proc/1/status"), true},
		"proc of another":        {probe("cat", "/proc/12/status"), false},
		"sleep":                  {shell("sleep 1"), false},
		"in the command":         {corev1.Container{Command: []string{"sh", "-c"}, Args: []string{"java; kill 1"}}, true},
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{c.container}}}
		if got := needsPID1(pod); (got != "") != c.want {
			t.Errorf("%s: %q, want some: %t", name, got, c.want)
		}
	}
}

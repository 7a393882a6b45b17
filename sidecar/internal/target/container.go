package target

import "regexp"

// newKubeletFile matches what the kubelet keeps of a container and mounts into it, as
// a rule on /dev/termination-log.
func newKubeletFile() *regexp.Regexp {
	return regexp.MustCompile(`/pods/[^/]+/containers/([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)/[0-9a-f]+$`)
}

// mountedContainer is the name of a process's container by the file that the
// kubelet mounts into each; empty where there is none. It says what a container
// is called that the webhook has not touched.
func (f *Finder) mountedContainer(pid int) string {
	proc, err := f.fs.Proc(pid)
	if err != nil {
		return ""
	}
	mounts, err := proc.MountInfo()
	if err != nil {
		return ""
	}
	for _, mount := range mounts {
		if found := f.kubeletFile.FindStringSubmatch(mount.Root); found != nil {
			return found[1]
		}
	}
	return ""
}

package target

import "testing"

func TestContainerByTheKubeletsMounts(t *testing.T) {
	const pod = "/var/lib/kubelet/pods/9a1c6f2e-0000-4000-8000-000000000001"
	mount := func(root, point string) string {
		return "704 688 0:27 " + root + " " + point + " rw,relatime - ext4 /dev/sda1 rw\n"
	}
	for name, c := range map[string]struct{ mounts, environment, want string }{
		"not injected":                    {mounts: mount(pod+"/etc-hosts", "/etc/hosts") + mount(pod+"/containers/other-app/1f2e3d4c", "/dev/termination-log"), want: "other-app"},
		"the kubelet's folder is a disk":  {mounts: mount("/pods/1/containers/app/0a", "/tmp/ended"), want: "app"},
		"injected":                        {mounts: mount(pod+"/containers/other-app/1f2e3d4c", "/dev/termination-log"), environment: "PODFLAME_CONTAINER=shop", want: "shop"},
		"outside of pods":                 {mounts: mount("/", "/") + mount("/docker/containers/0a1b/hosts", "/etc/hosts")},
		"a volume with such a name in it": {mounts: mount(pod+"/volumes/kubernetes.io~empty-dir/containers/app/1f", "/data")},
		"no name of a container":          {mounts: mount(pod+"/containers/App_1/1f2e3d4c", "/dev/termination-log")},
		"unreadable":                      {mounts: "not a mount\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTree(t, proc{pid: 10, maps: []string{libjvm}, args: []string{"java", "Main"}, env: []string{c.environment}})
			r.write("10/mountinfo", c.mounts)
			p, err := r.finder().Process(10)
			if err != nil || p.Container != c.want {
				t.Errorf("container %q, want %q; %v", p.Container, c.want, err)
			}
		})
	}
}

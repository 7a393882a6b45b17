package reason

// Outcomes are the reasons in which a decision about injection ends. Their
// constants are in webhook/internal/inject.
func Outcomes() []Text {
	return []Text{
		{"injected", "The profiling sidecar is in the pod; its containers now share one process namespace", ""},
		{"already_injected", "The pod already has the profiling sidecar, exactly as it should be", ""},
		{"not_requested", "Neither the pod nor its namespace asks for profiling",
			"Annotate the pod template with profiling.io/enabled: \"true\", or label the namespace so"},
		{"opted_out", "The pod or its namespace says profiling.io/enabled: \"false\"",
			"Set it to \"true\" on the pod template to profile this workload"},
		{"invalid_enabled_value", "profiling.io/enabled is neither \"true\" nor \"false\", so the pod is left alone",
			"Write \"true\" or \"false\", in lower case and in quotes"},
		{"excluded_namespace", "Pods of this namespace are never changed",
			"Run the workload in a namespace of its own"},
		{"mirror_pod", "The pod mirrors a static pod of a node; changing the mirror would not change the pod",
			"Run the workload as a DaemonSet or Deployment: kubelet refuses static pods that mount the token and the certificates a sidecar needs"},
		{"windows", "The pod runs on Windows, where the profiler does not exist",
			"Remove profiling.io/enabled from this workload"},
		{"architecture_unsupported", "The pod runs on nodes of an architecture for which the sidecar does not exist",
			"Build the sidecar's image for it and name it in --architectures of the webhook, or remove profiling.io/enabled from this workload"},
		{"needs_pid_one", "A container needs to be process 1 or acts on process 1, which in a shared process namespace is the pod's pause container",
			"Use an image without s6-overlay or systemd, and find the JVM by its name in probes and hooks (pidof java), not as 1"},
		{"host_pid", "The pod uses hostPID, so a sidecar would see every process of the node",
			"Remove hostPID from the pod template"},
		{"share_process_namespace_false", "The pod says shareProcessNamespace: false, and the sidecar must see the JVM's process",
			"Remove shareProcessNamespace from the pod template, or set it to true"},
		{"job_without_native_sidecar", "The pod runs to completion, and without native sidecars an added container would keep it from completing",
			"Use Kubernetes 1.29 or later, or leave this workload without profiling"},
		{"name_collision", "The pod already uses a name or a mount path that the sidecar needs, for something else",
			"Rename the container, volume, mount or variable named in the detail"},
		{"unknown_container", "profiling.io/containers names no container of the pod",
			"Correct the names, or remove the annotation to profile every container"},
		{"no_container", "The pod has no container that can be profiled",
			"Name one with profiling.io/containers; the detail says why each was left out"},
		{"restricted_uid_unknown", "The namespace enforces Pod Security level restricted, and one user and group for all profiled containers is not known, so the sidecar would have to be root",
			"Set runAsUser and runAsGroup in the pod's securityContext, or annotate profiling.io/run-as-user: \"UID:GID\" with those of the JVM; if users differ, choose containers with profiling.io/containers"},
		{"non_root_uid_unknown", "The pod declares that nothing in it is root, and one user and group for all profiled containers is not known, so the sidecar would have to be root",
			"Set runAsUser and runAsGroup in the pod's securityContext, or annotate profiling.io/run-as-user: \"UID:GID\" with those of the JVM; if users differ, choose containers with profiling.io/containers"},
		{"capabilities_exceed", "The JVM runs as root with more capabilities than a sidecar gets, so the kernel would refuse the attach",
			"Drop privileged and added capabilities, run the JVM as another user, or start the webhook with --allow-sys-ptrace"},
		{"limit_range_exceeded", "The namespace's LimitRange admits no sidecar beside the pod",
			"Raise the LimitRange, or ask for less with profiling.io/memory-limit (at least 160Mi) and profiling.io/cpu-limit"},
		{"quota_exceeded", "The namespace's ResourceQuota has no room for a sidecar beside the pods of the workload",
			"Raise the quota, or ask for less with profiling.io/memory-limit (at least 160Mi) and profiling.io/cpu-limit"},
		{"image_unpullable", "Pods of the namespace wait because the sidecar's image cannot be pulled or started, so no further pod gets a sidecar until one runs",
			"Correct the image, its architectures, or the pull secret of the namespace, and delete the pods that wait"},
		{"mount_path_read_only", "A read-only volume covers the place where the recordings' volume must be mounted",
			"Mount that volume elsewhere, or make it writable"},
		{"tmp_read_only", "The container's /tmp is a read-only mount, and HotSpot attaches through /tmp only",
			"Mount a writable volume on /tmp, such as an emptyDir"},
		{"annotations_full", "The pod's annotations are so large that the status annotation does not fit",
			"Shorten the annotations: Kubernetes allows 262144 bytes in all"},
		{"internal_error", "The webhook met an error of its own and admitted the pod unchanged",
			"See the webhook's log at the time the pod was created, then recreate the pod"},
		{"decision_timeout", "The webhook did not decide in time and admitted the pod unchanged",
			"Give the webhook more CPU, then recreate the pod"},
		{"bad_request", "The request was not the creation of a pod that the webhook can read; it was admitted unchanged",
			"See the webhook's log; a manifest can be tried with: webhook inject -f FILE"},
		{"missed_by_webhook", "The pod asks for profiling but was created while the webhook did not answer, or before it was installed",
			"Recreate the pod: kubectl rollout restart of its workload"},
	}
}

// Warnings are the reasons for which a pod is injected, but not quite as it was
// asked for.
func Warnings() []Text {
	return []Text{
		{"invalid_annotation", "An annotation has a value that is not valid, so the default is used",
			"Correct the value named in the detail"},
		{"unknown_annotation", "An annotation begins with profiling.io/ but is not one that is known, so it has no effect",
			"Correct its spelling or remove it"},
		{"above_maximum", "A resource asked for is above what this cluster allows for the sidecar, so the maximum is used",
			"Ask for less, or have the webhook's maximum raised"},
		{"native_sidecar_unsupported", "This cluster has no native sidecars, so the sidecar is an ordinary container",
			"Remove profiling.io/native-sidecar, or use Kubernetes 1.29 or later"},
		{"capabilities_uncertain", "A profiled container has more capabilities than the sidecar; if its JVM runs as root, the kernel will refuse the attach",
			"Annotate profiling.io/run-as-user: \"UID:GID\" with those of the JVM"},
		{"mesh_captures_upload", "A service mesh's proxy captures what the sidecar uploads, and ends before it: the pod's last window may be lost",
			"Put the annotation in the detail on the pod template, or let the mesh run its proxy as a native sidecar"},
		{"resources_fitted", "The sidecar gets other resources than usual, so that the namespace's LimitRange or ResourceQuota admits the pod",
			"Raise the LimitRange or the quota if profiles of this pod are incomplete"},
		{"group_assumed", "The user of the JVM is known and its group is not, so the group is taken for 0; with another one the kernel refuses the attach",
			"Set runAsGroup in the pod's securityContext, or annotate profiling.io/run-as-user: \"UID:GID\" with those of the JVM"},
		{"confinement_differs", "The profiled containers are confined differently by AppArmor or SELinux, so for some of them the node may refuse the attach",
			"Give them the same appArmorProfile and seLinuxOptions, or choose containers with profiling.io/containers"},
		{"sandboxed_runtime", "The pod's runtime class looks like a sandbox with a kernel of its own, where the profiler may not work",
			"If the pod's target says that it cannot be attached to, run the workload with the default runtime class or remove profiling.io/enabled"},
		{"container_left_out", "A container is not profiled",
			"The detail says why"},
		{"missing_container", "profiling.io/containers names a container that the pod does not have",
			"Correct the name; the other containers are profiled"},
		{"annotation_on_workload", "The annotation is on the workload, where it has no effect",
			"Move it to spec.template.metadata.annotations"},
		{"annotation_on_namespace", "profiling.io/enabled is an annotation of the namespace, where it has no effect: a namespace opts in by its label",
			"Run: kubectl label namespace NAMESPACE profiling.io/enabled=true"},
	}
}

// Sidecars are what the audit of the webhook sees of sidecars that are there.
func Sidecars() []Text {
	return []Text{
		{"egress_denied", "Network policies limit what the pod may reach, and none of them lets its sidecar upload: where they are enforced, nothing of the pod arrives",
			"Allow egress to the backend and to DNS, as manifests/README.md shows under \"In your namespaces\""},
		{"sidecar_outdated", "The pod's sidecar is of another image than new pods get",
			"Restart the workload when it suits you: kubectl rollout restart"},
	}
}

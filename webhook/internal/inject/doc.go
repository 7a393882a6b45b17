// Package inject decides whether a pod gets the profiling sidecar, and adds it.
// It is pure: no client, no clock, no state. Decide and Apply are what the
// admission webhook, the audit and "webhook inject" share, so that all three
// say the same.
//
// # Who asks
//
// The pod's annotation profiling.io/enabled (or else its label of that name)
// beats the label of its namespace. Any value but "true" and "false" is invalid.
//
//	pod      namespace  outcome
//	-------  ---------  ---------------------
//	true     true       inject
//	true     false      inject
//	true     absent     inject
//	true     invalid    inject
//	false    true       opted_out
//	false    false      opted_out
//	false    absent     opted_out
//	false    invalid    opted_out
//	absent   true       inject
//	absent   false      opted_out
//	absent   absent     not_requested
//	absent   invalid    invalid_enabled_value
//	invalid  true       invalid_enabled_value
//	invalid  false      invalid_enabled_value
//	invalid  absent     invalid_enabled_value
//	invalid  invalid    invalid_enabled_value
//
// A namespace that is not known counts as absent. Pods of excluded namespaces
// and mirror pods are never touched. A pod that asked and is skipped carries the
// reason in profiling.io/status; one that did not ask is not changed at all.
//
// The namespace's other annotations of ours are defaults for its pods.
//
// # What it is called
//
//	service: profiling.io/service; resource.opentelemetry.io/service.name,
//	  OTEL_SERVICE_NAME, service.name of OTEL_RESOURCE_ATTRIBUTES; the workload
//	  without what its controllers generate; app.kubernetes.io/instance and
//	  name; app; the pod
//	version: profiling.io/version; the same of OpenTelemetry;
//	  app.kubernetes.io/version; the tag or digest of the application's image
//
// # Which securityContext
//
// The kernel lets the sidecar into /proc/PID/root of the JVM, through which
// HotSpot attaches, if user and group are the same and the sidecar has at least
// the JVM's capabilities. The users are those of the profiled containers, from
// profiling.io/run-as-user or the securityContext; an image's own USER is not
// seen here, so it is unknown.
//
//	JVMs                               sidecar               Pod Security
//	---------------------------------  --------------------  ------------
//	one known uid, not root            same_user             restricted
//	root, all capabilities dropped     root_no_capabilities  baseline
//	root, usual capabilities           root                  baseline
//	unknown user, capabilities dropped root_switch           baseline
//	unknown user                       root                  baseline
//	root, privileged or extra          capabilities_exceed   -
//	  with Config.AllowSysPtrace       root_ptrace           privileged
//
// A group that is not known is taken for 0, as OpenShift's and every arbitrary
// user's is. root_switch has SETUID and SETGID, by which it becomes a JVM's
// user, and what a root JVM of the pod adds. A JVM of unknown user may be root
// with the runtime's default capabilities, and then the kernel wants the same of
// the sidecar: no smaller set would do.
//
// A root sidecar is refused where the namespace enforces level restricted
// (restricted_uid_unknown), and where no user is root, the pod declares
// runAsNonRoot or meets level restricted by itself (non_root_uid_unknown). Then
// the containers of one known user are profiled and the others left out. So a
// pod that passes a Pod
// Security level passes it with the sidecar too, whatever its namespace's
// labels and whatever the cluster's default level.
//
// # Outcomes
//
//	injected, already_injected
//	not asked: not_requested, opted_out, excluded_namespace, mirror_pod
//	wrong value: invalid_enabled_value, unknown_container, no_container
//	the pod: windows, host_pid, architecture_unsupported, needs_pid_one, share_process_namespace_false,
//	  job_without_native_sidecar, name_collision, mount_path_read_only,
//	  tmp_read_only, annotations_full
//	the namespace: limit_range_exceeded, quota_exceeded, image_unpullable
//	the users: restricted_uid_unknown, non_root_uid_unknown, capabilities_exceed
//	the webhook (never returned from here): internal_error, decision_timeout,
//	  bad_request, missed_by_webhook
//
// # Warnings
//
//	invalid_annotation, unknown_annotation, above_maximum,
//	native_sidecar_unsupported, capabilities_uncertain, group_assumed, container_left_out,
//	confinement_differs, sandboxed_runtime, resources_fitted,
//	mesh_captures_upload,
//	missing_container, annotation_on_workload, annotation_on_namespace
//
// # What Apply may rely on
//
// Apply only adds: every list keeps its elements at their places and new ones
// come last, so that a JSON patch by index loses no field that our types do not
// know. On a pod that has the sidecar it updates in place, and twice is as good
// as once: Apply(Apply(p)) = Apply(p), each with the Decision of its own input.
package inject

{{/* Changes an object in place by the values. */}}
{{- define "podflame.adjust" -}}
{{- $root := .root -}}{{- $object := .object -}}{{- $values := .root.Values -}}
{{- $name := include "podflame.name" $root -}}
{{- if $values.labels -}}
{{- $_ := set $object.metadata "labels" (merge (dict) $values.labels ($object.metadata.labels | default dict)) -}}
{{- end -}}
{{- if eq $object.kind "MutatingWebhookConfiguration" -}}
{{- $_ := set $object.metadata "name" $name -}}
{{- else if eq $object.kind "ClusterRole" -}}
{{- range $rule := $object.rules -}}
{{- if has "mutatingwebhookconfigurations" $rule.resources -}}{{- $_ := set $rule "resourceNames" (list $name) -}}{{- end -}}
{{- end -}}
{{- else if eq $object.kind "Deployment" -}}
{{- include "podflame.deployment" . -}}
{{- else if eq $object.kind "ConfigMap" -}}
{{- include "podflame.settings" . -}}
{{- else if eq $object.kind "Secret" -}}
{{- $_ := set $object.data "PODFLAME_CLICKHOUSE" ($values.clickhouse.url | b64enc) -}}
{{- else if eq $object.kind "PersistentVolumeClaim" -}}
{{- $_ := set $object.spec.resources.requests "storage" $values.clickhouse.storage.size -}}
{{- with $values.clickhouse.storage.storageClassName -}}{{- $_ := set $object.spec "storageClassName" . -}}{{- end -}}
{{- if $values.clickhouse.storage.keep -}}
{{- $_ := set $object.metadata "annotations" (merge (dict "helm.sh/resource-policy" "keep") ($object.metadata.annotations | default dict)) -}}
{{- end -}}
{{- else if eq $object.kind "NetworkPolicy" -}}
{{- if and $values.networkPolicies.egress $object.spec.egress -}}
{{- $_ := set $object.spec "egress" (concat $object.spec.egress $values.networkPolicies.egress) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Which program an object is of: webhook or backend. */}}
{{- define "podflame.program" -}}
{{- ternary "backend" "webhook" (regexMatch "-backend(-settings-[a-z0-9]+)?$" .object.metadata.name) -}}
{{- end -}}

{{- define "podflame.deployment" -}}
{{- $root := .root -}}{{- $values := .root.Values -}}
{{- $program := include "podflame.program" . -}}
{{- $own := get $values $program -}}
{{- $template := .object.spec.template -}}{{- $spec := $template.spec -}}
{{- if not (kindIs "invalid" $own.replicas) -}}{{- $_ := set .object.spec "replicas" $own.replicas -}}{{- end -}}
{{- $labels := merge (dict) $own.podLabels $values.labels -}}
{{- if $labels -}}{{- $_ := set $template.metadata "labels" (merge (dict) $template.metadata.labels $labels) -}}{{- end -}}
{{- $annotations := merge (dict) $own.podAnnotations -}}
{{- $settings := include "podflame.changes" . | fromYaml -}}
{{- if $settings -}}{{- $_ := set $annotations "podflame.io/settings" (toYaml $settings | sha256sum) -}}{{- end -}}
{{- if $annotations -}}{{- $_ := set $template.metadata "annotations" (merge $annotations ($template.metadata.annotations | default dict)) -}}{{- end -}}
{{- with $values.priorityClassName -}}{{- $_ := set $spec "priorityClassName" . -}}{{- end -}}
{{- if $own.nodeSelector -}}{{- $_ := set $spec "nodeSelector" (merge (dict) $own.nodeSelector ($spec.nodeSelector | default dict)) -}}{{- end -}}
{{- with $own.tolerations -}}{{- $_ := set $spec "tolerations" . -}}{{- end -}}
{{- with $own.affinity -}}{{- $_ := set $spec "affinity" . -}}{{- end -}}
{{- if $values.images.pullSecrets -}}
{{- $secrets := list -}}
{{- range $values.images.pullSecrets -}}{{- $secrets = append $secrets (dict "name" .) -}}{{- end -}}
{{- $_ := set $spec "imagePullSecrets" $secrets -}}
{{- end -}}
{{- range $container := $spec.containers -}}
{{- if eq $container.name $program -}}
{{- $_ := set $container "image" (include "podflame.image" (dict "root" $root "image" (get $values.images $program))) -}}
{{- with $own.resources -}}{{- $_ := set $container "resources" . -}}{{- end -}}
{{- range $from := $container.envFrom -}}
{{- if and $from.secretRef $values.clickhouse.existingSecret -}}{{- $_ := set $from.secretRef "name" $values.clickhouse.existingSecret -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "podflame.settings" -}}
{{- $_ := set .object "data" (merge (include "podflame.changes" . | fromYaml) (.object.data | default dict)) -}}
{{- end -}}

{{/* The settings of a program that differ from the overlay's. */}}
{{- define "podflame.changes" -}}
{{- $values := .root.Values -}}
{{- $name := include "podflame.name" .root -}}
{{- $program := include "podflame.program" . -}}
{{- $changes := merge (dict) (get $values $program).settings -}}
{{- if ne $values.cluster "default" -}}{{- $_ := set $changes "PODFLAME_CLUSTER" $values.cluster -}}{{- end -}}
{{- if and (eq $program "backend") $values.clickhouse.cluster -}}{{- $_ := set $changes "PODFLAME_CLICKHOUSE_CLUSTER" $values.clickhouse.cluster -}}{{- end -}}
{{- if eq $program "webhook" -}}
{{- $image := include "podflame.image" (dict "root" .root "image" $values.images.sidecar) -}}
{{- if ne $image (printf "ghcr.io/podflame/sidecar:%s" .root.Chart.AppVersion) -}}{{- $_ := set $changes "PODFLAME_SIDECAR_IMAGE" $image -}}{{- end -}}
{{- with $values.images.sidecarPullSecrets -}}{{- $_ := set $changes "PODFLAME_SIDECAR_PULL_SECRETS" (join "," .) -}}{{- end -}}
{{- if ne $name "podflame" -}}
{{- $_ := set $changes "PODFLAME_WEBHOOK_CONFIGURATION" $name -}}
{{- $_ := set $changes "PODFLAME_WEBHOOK_SERVICE" (printf "%s-webhook" $name) -}}
{{- $_ := set $changes "PODFLAME_CERT_SECRET" (printf "%s-webhook-certs" $name) -}}
{{- $_ := set $changes "PODFLAME_BACKEND_CERT_SECRET" (printf "%s-backend-tls" $name) -}}
{{- $_ := set $changes "PODFLAME_BACKEND_SERVICE" (printf "%s-backend" $name) -}}
{{- end -}}
{{- end -}}
{{- toYaml $changes -}}
{{- end -}}

{{/* What the names of all objects begin with. */}}
{{- define "podflame.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains "podflame" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-podflame" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The text of a file with the release's names and namespace. The trust bundle's
name is agreed upon with the sidecars. */}}
{{- define "podflame.relocated" -}}
{{- $name := include "podflame.name" .root -}}
{{- $text := .text | replace "podflame-system" .root.Release.Namespace -}}
{{- if ne $name "podflame" -}}
{{- $text = $text | replace "podflame-trust" "PODFLAME.TRUST" | replace "podflame-" (printf "%s-" $name) | replace "PODFLAME.TRUST" "podflame-trust" -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/* An image with its tag or digest. */}}
{{- define "podflame.image" -}}
{{- $repository := .image.repository -}}
{{- if .root.Values.images.registry -}}
{{- $repository = printf "%s/%s" (.root.Values.images.registry | trimSuffix "/") (regexReplaceAll "^[^/]*[.:][^/]*/" $repository "") -}}
{{- end -}}
{{- if .image.digest -}}{{ $repository }}@{{ .image.digest }}{{- else -}}{{ $repository }}:{{ .image.tag }}{{- end -}}
{{- end -}}

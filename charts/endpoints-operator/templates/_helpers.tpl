{{/* The name of everything: the release's, with the chart's when that does not say what it is. */}}
{{- define "endpoints-operator.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "endpoints-operator.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "endpoints-operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object but pods; the chart's own win over the user's. */}}
{{- define "endpoints-operator.labels" -}}
{{- $own := include "endpoints-operator.selector" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{/* The metadata of an object, from its labels on. $annotations: those it needs itself. */}}
{{- define "endpoints-operator.metadata" -}}
{{- $root := index . 0 -}}
{{- $annotations := merge (dict) (index . 1) $root.Values.commonAnnotations -}}
labels:
  {{- include "endpoints-operator.labels" $root | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Restricted by Pod Security's strictest profile. */}}
{{- define "endpoints-operator.podSecurityContext" -}}
runAsNonRoot: true
{{- if .Values.setRunAsUser }}
runAsUser: 65532
runAsGroup: 65532
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "endpoints-operator.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where its pods may run: on Linux, and where the user says. */}}
{{- define "endpoints-operator.nodeSelector" -}}
{{- toYaml (merge (dict "kubernetes.io/os" "linux") .Values.nodeSelector) -}}
{{- end -}}

{{/* What the schema of the values cannot say, or not so that people understand it. */}}
{{- define "endpoints-operator.checked" -}}
{{- $taken := dict -}}
{{- range $use := list "webhook" "push" "admin" -}}
{{- $port := get $.Values.ports $use | int | toString -}}
{{- with get $taken $port -}}
{{- fail (printf "ports.%s and ports.%s are both %s: the operator listens on three different ports" . $use $port) -}}
{{- end -}}
{{- $_ := set $taken $port $use -}}
{{- end -}}
{{- $byte := "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" -}}
{{- $v4 := printf "%s([.]%s){3}/(3[0-2]|[12]?[0-9])" $byte $byte -}}
{{- $v6 := "[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){2,7}([.][0-9]{1,3}){0,3}/(12[0-8]|1[01][0-9]|[1-9]?[0-9])" -}}
{{- range .Values.jwks.allow -}}
{{- if not (regexMatch (printf "^(%s|%s)$" $v4 $v6) .) -}}
{{- fail (printf "jwks.allow: %q is no network: write it like 10.20.0.0/16 or fd12:3456::/32" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

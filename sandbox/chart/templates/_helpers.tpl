{{- define "milvus.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- /* A release whose name has "milvus" in it is called by that name alone. */ -}}
{{- define "milvus.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $long := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ .Values.fullnameOverride | default $long | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "milvus.standalone.fullname" -}}
{{ include "milvus.fullname" . }}-standalone
{{- end -}}

{{- define "milvus.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary "milvus" "default" .Values.serviceAccount.create) }}
{{- end -}}

{{- define "milvus.matchLabels" -}}
app.kubernetes.io/name: {{ include "milvus.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "milvus.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "milvus.matchLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "milvus.claim" -}}
{{ .Values.standalone.persistence.persistentVolumeClaim.existingClaim | default (include "milvus.fullname" . | trunc 58) }}
{{- end -}}

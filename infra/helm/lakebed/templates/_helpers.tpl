{{- define "lakebed.name" -}}
{{- if contains "lakebed" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-lakebed" (.Release.Name | trunc 44) | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "lakebed.selector" -}}
app.kubernetes.io/name: lakebed
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lakebed.labels" -}}
{{ include "lakebed.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "lakebed.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "lakebed.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "lakebed.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end -}}
{{- end }}

{{- define "lakebed.isLocal" -}}
{{- if hasPrefix "/" . }}yes{{ end -}}
{{- end }}

{{- define "lakebed.artifactsClaim" -}}
{{- .Values.artifacts.claim | default (printf "%s-artifacts" (include "lakebed.name" .)) -}}
{{- end }}

{{/* The pod of worker and cron job; called with a dict of root, command, and what differs. */}}
{{- define "lakebed.pod" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ include "lakebed.serviceAccount" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .restartPolicy }}
restartPolicy: {{ . }}
{{- end }}
{{- with .terminationGracePeriodSeconds }}
terminationGracePeriodSeconds: {{ . }}
{{- end }}
containers:
  - name: lakebed
    image: {{ include "lakebed.image" $root }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args:
      {{- toYaml .arguments | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    env:
      - name: LAKEBED_LAKE__ROOT
        value: {{ $values.lake.root | quote }}
      - name: LAKEBED_ARTIFACTS
        value: {{ $values.artifacts.root | quote }}
      {{- if .isPrefect }}
      - name: PREFECT_API_URL
        value: {{ $values.prefect.apiUrl | quote }}
      {{- end }}
      {{- with $values.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- if or $values.secrets (and .isPrefect $values.prefect.secret) }}
    envFrom:
      {{- range $values.secrets }}
      - secretRef:
          name: {{ . }}
      {{- end }}
      {{- if and .isPrefect $values.prefect.secret }}
      - secretRef:
          name: {{ $values.prefect.secret }}
      {{- end }}
    {{- end }}
    resources:
      {{- toYaml $values.resources | nindent 6 }}
    volumeMounts:
      - name: config
        mountPath: /etc/lakebed
        readOnly: true
      - name: scratch
        mountPath: /tmp
      - name: home
        mountPath: /home/lakebed
      {{- if include "lakebed.isLocal" $values.artifacts.root }}
      - name: artifacts
        mountPath: {{ $values.artifacts.root }}
      {{- end }}
      {{- if include "lakebed.isLocal" $values.lake.root }}
      - name: lake
        mountPath: {{ $values.lake.root }}
        readOnly: {{ not $values.lake.writable }}
      {{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "lakebed.name" $root }}
  - name: scratch
    emptyDir:
      sizeLimit: {{ $values.scratchSize }}
  - name: home
    emptyDir:
      sizeLimit: 1Gi
  {{- if include "lakebed.isLocal" $values.artifacts.root }}
  - name: artifacts
    persistentVolumeClaim:
      claimName: {{ include "lakebed.artifactsClaim" $root }}
  {{- end }}
  {{- if include "lakebed.isLocal" $values.lake.root }}
  - name: lake
    persistentVolumeClaim:
      claimName: {{ required "lake.claim: name the claim that holds the lake, or let lake.root be a prefix of an object store" $values.lake.claim }}
      readOnly: {{ not $values.lake.writable }}
  {{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

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

{{/* Where lake and artifacts are mounted, if they are no object store. */}}
{{- define "lakebed.rootMounts" -}}
{{- if include "lakebed.isLocal" .Values.artifacts.root }}
- name: artifacts
  mountPath: {{ .Values.artifacts.root }}
{{- end }}
{{- if include "lakebed.isLocal" .Values.lake.root }}
- name: lake
  mountPath: {{ .Values.lake.root }}
  readOnly: {{ not .Values.lake.writable }}
{{- end }}
{{- end }}

{{- define "lakebed.rootVolumes" -}}
{{- if include "lakebed.isLocal" .Values.artifacts.root }}
- name: artifacts
  persistentVolumeClaim:
    claimName: {{ include "lakebed.artifactsClaim" . }}
{{- end }}
{{- if include "lakebed.isLocal" .Values.lake.root }}
- name: lake
  persistentVolumeClaim:
    claimName: {{ required "lake.claim: name the claim that holds the lake, or let lake.root be a prefix of an object store" .Values.lake.claim }}
    readOnly: {{ not .Values.lake.writable }}
{{- end }}
{{- end }}

{{- define "lakebed.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "lakebed.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* An executor's pod, as a template for Spark: credentials, roots and rights as in the driver's, no token. */}}
{{- define "lakebed.executor" -}}
apiVersion: v1
kind: Pod
metadata:
  labels:
    {{- include "lakebed.selector" . | nindent 4 }}
    app.kubernetes.io/component: executor
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "lakebed.podSecurity" . | nindent 4 }}
  containers:
    - name: executor
      securityContext:
        {{- include "lakebed.containerSecurity" . | nindent 8 }}
      env:
        - name: HOME
          value: /tmp
        {{- with .Values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.secrets }}
      envFrom:
        {{- range . }}
        - secretRef:
            name: {{ . }}
        {{- end }}
      {{- end }}
      volumeMounts:
        - name: scratch
          mountPath: /tmp
        {{- include "lakebed.rootMounts" . | nindent 8 }}
  volumes:
    - name: scratch
      emptyDir:
        sizeLimit: {{ .Values.scratchSize }}
    {{- include "lakebed.rootVolumes" . | nindent 4 }}
{{- end }}

{{/* Spark's settings for executors as pods of this namespace. */}}
{{- define "lakebed.executorConf" -}}
{{- $conf := dict
  "spark.kubernetes.namespace" .Release.Namespace
  "spark.kubernetes.container.image" (include "lakebed.image" .)
  "spark.kubernetes.container.image.pullPolicy" .Values.image.pullPolicy
  "spark.kubernetes.executor.podTemplateFile" "/etc/lakebed-executor/pod.yaml"
  "spark.kubernetes.driver.pod.name" "$(POD_NAME)"
  "spark.driver.host" "$(POD_IP)"
  "spark.driver.bindAddress" "0.0.0.0"
  "spark.driver.port" "7078"
  "spark.blockManager.port" "7079"
  "spark.pyspark.python" "/opt/lakebed/.venv/bin/python"
  "spark.local.dir" "/tmp"
  "spark.executor.instances" (toString .Values.executors.instances)
  "spark.executor.cores" (toString .Values.executors.cores)
  "spark.executor.memory" .Values.executors.memory
  "spark.executor.memoryOverhead" .Values.executors.memoryOverhead -}}
{{- toJson $conf -}}
{{- end }}

{{/* The pod of worker and cron job; called with a dict of root, command, and what differs. */}}
{{- define "lakebed.pod" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ include "lakebed.serviceAccount" $root }}
# only a driver whose executors are pods talks to the API server
automountServiceAccountToken: {{ $values.executors.enabled }}
enableServiceLinks: false
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "lakebed.podSecurity" $root | nindent 2 }}
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
      {{- include "lakebed.containerSecurity" $root | nindent 6 }}
    {{- with .probe }}
    startupProbe:
      exec:
        command: {{ toJson . }}
      periodSeconds: 10
      timeoutSeconds: 15
      failureThreshold: 30
    livenessProbe:
      exec:
        command: {{ toJson . }}
      periodSeconds: 60
      timeoutSeconds: 15
      failureThreshold: 5
    {{- end }}
    env:
      - name: LAKEBED_LAKE__ROOT
        value: {{ $values.lake.root | quote }}
      - name: LAKEBED_ARTIFACTS
        value: {{ $values.artifacts.root | quote }}
      {{- if .isPrefect }}
      - name: PREFECT_API_URL
        value: {{ $values.prefect.apiUrl | quote }}
      {{- end }}
      {{- if $values.executors.enabled }}
      - name: POD_IP
        valueFrom:
          fieldRef:
            fieldPath: status.podIP
      - name: POD_NAME
        valueFrom:
          fieldRef:
            fieldPath: metadata.name
      - name: LAKEBED_SPARK__MASTER
        value: k8s://https://kubernetes.default.svc
      - name: LAKEBED_SPARK__CONF
        value: {{ include "lakebed.executorConf" $root | quote }}
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
      {{- if $values.executors.enabled }}
      - name: executor
        mountPath: /etc/lakebed-executor
        readOnly: true
      {{- end }}
      {{- include "lakebed.rootMounts" $root | nindent 6 }}
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
  {{- if $values.executors.enabled }}
  - name: executor
    configMap:
      name: {{ include "lakebed.name" $root }}-executor
  {{- end }}
  {{- include "lakebed.rootVolumes" $root | nindent 2 }}
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

"""Field numbers of the API's protobuf messages: an interface's facts, from each group's `generated.proto`.

One message a paragraph, `number name type` for each field; `*` is repeated, `{}` a map from text. `^` marks a message
whose fields stand in JSON beside those of the one that holds it. Old volume sources are left out.
"""

MESSAGES = """
apps.DaemonSet: 1 metadata meta.ObjectMeta, 2 spec apps.DaemonSetSpec, 3 status apps.DaemonSetStatus
apps.DaemonSetCondition: 1 type str, 2 status str, 3 lastTransitionTime Time, 4 reason str, 5 message str
apps.DaemonSetSpec: 1 selector meta.LabelSelector, 2 template core.PodTemplateSpec, 3 updateStrategy
  apps.DaemonSetUpdateStrategy, 4 minReadySeconds int, 6 revisionHistoryLimit int
apps.DaemonSetStatus: 1 currentNumberScheduled int, 2 numberMisscheduled int, 3 desiredNumberScheduled int, 4
  numberReady int, 5 observedGeneration int, 6 updatedNumberScheduled int, 7 numberAvailable int, 8 numberUnavailable
  int, 9 collisionCount int, 10 conditions *apps.DaemonSetCondition
apps.DaemonSetUpdateStrategy: 1 type str, 2 rollingUpdate apps.RollingUpdateDaemonSet
apps.Deployment: 1 metadata meta.ObjectMeta, 2 spec apps.DeploymentSpec, 3 status apps.DeploymentStatus
apps.DeploymentCondition: 1 type str, 2 status str, 6 lastUpdateTime Time, 7 lastTransitionTime Time, 4 reason str, 5
  message str
apps.DeploymentSpec: 1 replicas int, 2 selector meta.LabelSelector, 3 template core.PodTemplateSpec, 4 strategy
  apps.DeploymentStrategy, 5 minReadySeconds int, 6 revisionHistoryLimit int, 7 paused bool, 9 progressDeadlineSeconds
  int
apps.DeploymentStatus: 1 observedGeneration int, 2 replicas int, 3 updatedReplicas int, 7 readyReplicas int, 4
  availableReplicas int, 5 unavailableReplicas int, 9 terminatingReplicas int, 6 conditions *apps.DeploymentCondition,
  8 collisionCount int
apps.DeploymentStrategy: 1 type str, 2 rollingUpdate apps.RollingUpdateDeployment
apps.ReplicaSet: 1 metadata meta.ObjectMeta, 2 spec apps.ReplicaSetSpec, 3 status apps.ReplicaSetStatus
apps.ReplicaSetCondition: 1 type str, 2 status str, 3 lastTransitionTime Time, 4 reason str, 5 message str
apps.ReplicaSetSpec: 1 replicas int, 4 minReadySeconds int, 2 selector meta.LabelSelector, 3 template
  core.PodTemplateSpec
apps.ReplicaSetStatus: 1 replicas int, 2 fullyLabeledReplicas int, 4 readyReplicas int, 5 availableReplicas int, 7
  terminatingReplicas int, 3 observedGeneration int, 6 conditions *apps.ReplicaSetCondition
apps.RollingUpdateDaemonSet: 1 maxUnavailable IntOrString, 2 maxSurge IntOrString
apps.RollingUpdateDeployment: 1 maxUnavailable IntOrString, 2 maxSurge IntOrString
apps.RollingUpdateStatefulSetStrategy: 1 partition int, 2 maxUnavailable IntOrString
apps.StatefulSet: 1 metadata meta.ObjectMeta, 2 spec apps.StatefulSetSpec, 3 status apps.StatefulSetStatus
apps.StatefulSetCondition: 1 type str, 2 status str, 3 lastTransitionTime Time, 4 reason str, 5 message str
apps.StatefulSetOrdinals: 1 start int
apps.StatefulSetPersistentVolumeClaimRetentionPolicy: 1 whenDeleted str, 2 whenScaled str
apps.StatefulSetSpec: 1 replicas int, 2 selector meta.LabelSelector, 3 template core.PodTemplateSpec, 4
  volumeClaimTemplates *core.PersistentVolumeClaim, 5 serviceName str, 6 podManagementPolicy str, 7 updateStrategy
  apps.StatefulSetUpdateStrategy, 8 revisionHistoryLimit int, 9 minReadySeconds int, 10
  persistentVolumeClaimRetentionPolicy apps.StatefulSetPersistentVolumeClaimRetentionPolicy, 11 ordinals
  apps.StatefulSetOrdinals
apps.StatefulSetStatus: 1 observedGeneration int, 2 replicas int, 3 readyReplicas int, 4 currentReplicas int, 5
  updatedReplicas int, 6 currentRevision str, 7 updateRevision str, 9 collisionCount int, 10 conditions
  *apps.StatefulSetCondition, 11 availableReplicas int
apps.StatefulSetUpdateStrategy: 1 type str, 2 rollingUpdate apps.RollingUpdateStatefulSetStrategy
authentication.SelfSubjectReview: 1 metadata meta.ObjectMeta, 2 status authentication.SelfSubjectReviewStatus
authentication.SelfSubjectReviewStatus: 1 userInfo authentication.UserInfo
authentication.TokenReview: 1 metadata meta.ObjectMeta, 2 spec authentication.TokenReviewSpec, 3 status
  authentication.TokenReviewStatus
authentication.TokenReviewSpec: 1 token str, 2 audiences *str
authentication.TokenReviewStatus: 1 authenticated bool, 2 user authentication.UserInfo, 4 audiences *str, 3 error str
authentication.UserInfo: 1 username str, 2 uid str, 3 groups *str, 4 extra {ExtraValue}
authorization.FieldSelectorAttributes: 1 rawSelector str, 2 requirements *meta.FieldSelectorRequirement
authorization.LabelSelectorAttributes: 1 rawSelector str, 2 requirements *meta.LabelSelectorRequirement
authorization.LocalSubjectAccessReview: 1 metadata meta.ObjectMeta, 2 spec authorization.SubjectAccessReviewSpec, 3
  status authorization.SubjectAccessReviewStatus
authorization.NonResourceAttributes: 1 path str, 2 verb str
authorization.NonResourceRule: 1 verbs *str, 2 nonResourceURLs *str
authorization.ResourceAttributes: 1 namespace str, 2 verb str, 3 group str, 4 version str, 5 resource str, 6
  subresource str, 7 name str, 8 fieldSelector authorization.FieldSelectorAttributes, 9 labelSelector
  authorization.LabelSelectorAttributes
authorization.ResourceRule: 1 verbs *str, 2 apiGroups *str, 3 resources *str, 4 resourceNames *str
authorization.SelfSubjectAccessReview: 1 metadata meta.ObjectMeta, 2 spec authorization.SelfSubjectAccessReviewSpec, 3
  status authorization.SubjectAccessReviewStatus
authorization.SelfSubjectAccessReviewSpec: 1 resourceAttributes authorization.ResourceAttributes, 2
  nonResourceAttributes authorization.NonResourceAttributes
authorization.SelfSubjectRulesReview: 1 metadata meta.ObjectMeta, 2 spec authorization.SelfSubjectRulesReviewSpec, 3
  status authorization.SubjectRulesReviewStatus
authorization.SelfSubjectRulesReviewSpec: 1 namespace str
authorization.SubjectAccessReview: 1 metadata meta.ObjectMeta, 2 spec authorization.SubjectAccessReviewSpec, 3 status
  authorization.SubjectAccessReviewStatus
authorization.SubjectAccessReviewSpec: 1 resourceAttributes authorization.ResourceAttributes, 2 nonResourceAttributes
  authorization.NonResourceAttributes, 3 user str, 4 groups *str, 5 extra {ExtraValue}, 6 uid str
authorization.SubjectAccessReviewStatus: 1 allowed bool, 4 denied bool, 2 reason str, 3 evaluationError str
authorization.SubjectRulesReviewStatus: 1 resourceRules *authorization.ResourceRule, 2 nonResourceRules
  *authorization.NonResourceRule, 3 incomplete bool, 4 evaluationError str
autoscaling.ContainerResourceMetricSource: 1 name str, 2 target autoscaling.MetricTarget, 3 container str
autoscaling.ContainerResourceMetricStatus: 1 name str, 2 current autoscaling.MetricValueStatus, 3 container str
autoscaling.CrossVersionObjectReference: 1 kind str, 2 name str, 3 apiVersion str
autoscaling.ExternalMetricSource: 1 metric autoscaling.MetricIdentifier, 2 target autoscaling.MetricTarget
autoscaling.ExternalMetricStatus: 1 metric autoscaling.MetricIdentifier, 2 current autoscaling.MetricValueStatus
autoscaling.HPAScalingPolicy: 1 type str, 2 value int, 3 periodSeconds int
autoscaling.HPAScalingRules: 3 stabilizationWindowSeconds int, 1 selectPolicy str, 2 policies
  *autoscaling.HPAScalingPolicy, 4 tolerance Quantity
autoscaling.HorizontalPodAutoscaler: 1 metadata meta.ObjectMeta, 2 spec autoscaling.HorizontalPodAutoscalerSpec, 3
  status autoscaling.HorizontalPodAutoscalerStatus
autoscaling.HorizontalPodAutoscalerBehavior: 1 scaleUp autoscaling.HPAScalingRules, 2 scaleDown
  autoscaling.HPAScalingRules
autoscaling.HorizontalPodAutoscalerCondition: 1 type str, 2 status str, 3 lastTransitionTime Time, 4 reason str, 5
  message str
autoscaling.HorizontalPodAutoscalerSpec: 1 scaleTargetRef autoscaling.CrossVersionObjectReference, 2 minReplicas int,
  3 maxReplicas int, 4 metrics *autoscaling.MetricSpec, 5 behavior autoscaling.HorizontalPodAutoscalerBehavior
autoscaling.HorizontalPodAutoscalerStatus: 1 observedGeneration int, 2 lastScaleTime Time, 3 currentReplicas int, 4
  desiredReplicas int, 5 currentMetrics *autoscaling.MetricStatus, 6 conditions
  *autoscaling.HorizontalPodAutoscalerCondition
autoscaling.MetricIdentifier: 1 name str, 2 selector meta.LabelSelector
autoscaling.MetricSpec: 1 type str, 2 object autoscaling.ObjectMetricSource, 3 pods autoscaling.PodsMetricSource, 4
  resource autoscaling.ResourceMetricSource, 7 containerResource autoscaling.ContainerResourceMetricSource, 5 external
  autoscaling.ExternalMetricSource
autoscaling.MetricStatus: 1 type str, 2 object autoscaling.ObjectMetricStatus, 3 pods autoscaling.PodsMetricStatus, 4
  resource autoscaling.ResourceMetricStatus, 7 containerResource autoscaling.ContainerResourceMetricStatus, 5 external
  autoscaling.ExternalMetricStatus
autoscaling.MetricTarget: 1 type str, 2 value Quantity, 3 averageValue Quantity, 4 averageUtilization int
autoscaling.MetricValueStatus: 1 value Quantity, 2 averageValue Quantity, 3 averageUtilization int
autoscaling.ObjectMetricSource: 1 describedObject autoscaling.CrossVersionObjectReference, 2 target
  autoscaling.MetricTarget, 3 metric autoscaling.MetricIdentifier
autoscaling.ObjectMetricStatus: 1 metric autoscaling.MetricIdentifier, 2 current autoscaling.MetricValueStatus, 3
  describedObject autoscaling.CrossVersionObjectReference
autoscaling.PodsMetricSource: 1 metric autoscaling.MetricIdentifier, 2 target autoscaling.MetricTarget
autoscaling.PodsMetricStatus: 1 metric autoscaling.MetricIdentifier, 2 current autoscaling.MetricValueStatus
autoscaling.ResourceMetricSource: 1 name str, 2 target autoscaling.MetricTarget
autoscaling.ResourceMetricStatus: 1 name str, 2 current autoscaling.MetricValueStatus
autoscaling.Scale: 1 metadata meta.ObjectMeta, 2 spec autoscaling.ScaleSpec, 3 status autoscaling.ScaleStatus
autoscaling.ScaleSpec: 1 replicas int
autoscaling.ScaleStatus: 1 replicas int, 2 selector str
batch.CronJob: 1 metadata meta.ObjectMeta, 2 spec batch.CronJobSpec, 3 status batch.CronJobStatus
batch.CronJobSpec: 1 schedule str, 8 timeZone str, 2 startingDeadlineSeconds int, 3 concurrencyPolicy str, 4 suspend
  bool, 5 jobTemplate batch.JobTemplateSpec, 6 successfulJobsHistoryLimit int, 7 failedJobsHistoryLimit int
batch.CronJobStatus: 1 active *core.ObjectReference, 4 lastScheduleTime Time, 5 lastSuccessfulTime Time
batch.Job: 1 metadata meta.ObjectMeta, 2 spec batch.JobSpec, 3 status batch.JobStatus
batch.JobCondition: 1 type str, 2 status str, 3 lastProbeTime Time, 4 lastTransitionTime Time, 5 reason str, 6 message
  str
batch.JobSpec: 1 parallelism int, 2 completions int, 3 activeDeadlineSeconds int, 11 podFailurePolicy
  batch.PodFailurePolicy, 16 successPolicy batch.SuccessPolicy, 7 backoffLimit int, 12 backoffLimitPerIndex int, 13
  maxFailedIndexes int, 4 selector meta.LabelSelector, 5 manualSelector bool, 6 template core.PodTemplateSpec, 8
  ttlSecondsAfterFinished int, 9 completionMode str, 10 suspend bool, 14 podReplacementPolicy str, 15 managedBy str
batch.JobStatus: 1 conditions *batch.JobCondition, 2 startTime Time, 3 completionTime Time, 4 active int, 5 succeeded
  int, 6 failed int, 11 terminating int, 7 completedIndexes str, 10 failedIndexes str, 8 uncountedTerminatedPods
  batch.UncountedTerminatedPods, 9 ready int
batch.JobTemplateSpec: 1 metadata meta.ObjectMeta, 2 spec batch.JobSpec
batch.PodFailurePolicy: 1 rules *batch.PodFailurePolicyRule
batch.PodFailurePolicyOnExitCodesRequirement: 1 containerName str, 2 operator str, 3 values *int
batch.PodFailurePolicyOnPodConditionsPattern: 1 type str, 2 status str
batch.PodFailurePolicyRule: 1 action str, 2 onExitCodes batch.PodFailurePolicyOnExitCodesRequirement, 3
  onPodConditions *batch.PodFailurePolicyOnPodConditionsPattern
batch.SuccessPolicy: 1 rules *batch.SuccessPolicyRule
batch.SuccessPolicyRule: 1 succeededIndexes str, 2 succeededCount int
batch.UncountedTerminatedPods: 1 succeeded *str, 2 failed *str
coordination.Lease: 1 metadata meta.ObjectMeta, 2 spec coordination.LeaseSpec
coordination.LeaseSpec: 1 holderIdentity str, 2 leaseDurationSeconds int, 3 acquireTime MicroTime, 4 renewTime
  MicroTime, 5 leaseTransitions int, 6 strategy str, 7 preferredHolder str
core.Affinity: 1 nodeAffinity core.NodeAffinity, 2 podAffinity core.PodAffinity, 3 podAntiAffinity
  core.PodAntiAffinity
core.AppArmorProfile: 1 type str, 2 localhostProfile str
core.CSIVolumeSource: 1 driver str, 2 readOnly bool, 3 fsType str, 4 volumeAttributes {str}, 5 nodePublishSecretRef
  core.LocalObjectReference
core.Capabilities: 1 add *str, 2 drop *str
core.ClientIPConfig: 1 timeoutSeconds int
core.ClusterTrustBundleProjection: 1 name str, 2 signerName str, 3 labelSelector meta.LabelSelector, 5 optional bool,
  4 path str
core.ConfigMap: 1 metadata meta.ObjectMeta, 4 immutable bool, 2 data {str}, 3 binaryData {bytes}
core.ConfigMapEnvSource: 1^ localObjectReference core.LocalObjectReference, 2 optional bool
core.ConfigMapKeySelector: 1^ localObjectReference core.LocalObjectReference, 2 key str, 3 optional bool
core.ConfigMapProjection: 1^ localObjectReference core.LocalObjectReference, 2 items *core.KeyToPath, 4 optional bool
core.ConfigMapVolumeSource: 1^ localObjectReference core.LocalObjectReference, 2 items *core.KeyToPath, 3 defaultMode
  int, 4 optional bool
core.Container: 1 name str, 2 image str, 3 command *str, 4 args *str, 5 workingDir str, 6 ports *core.ContainerPort,
  19 envFrom *core.EnvFromSource, 7 env *core.EnvVar, 8 resources core.ResourceRequirements, 23 resizePolicy
  *core.ContainerResizePolicy, 24 restartPolicy str, 9 volumeMounts *core.VolumeMount, 21 volumeDevices
  *core.VolumeDevice, 10 livenessProbe core.Probe, 11 readinessProbe core.Probe, 22 startupProbe core.Probe, 12
  lifecycle core.Lifecycle, 13 terminationMessagePath str, 20 terminationMessagePolicy str, 14 imagePullPolicy str, 15
  securityContext core.SecurityContext, 16 stdin bool, 17 stdinOnce bool, 18 tty bool
core.ContainerPort: 1 name str, 2 hostPort int, 3 containerPort int, 4 protocol str, 5 hostIP str
core.ContainerResizePolicy: 1 resourceName str, 2 restartPolicy str
core.ContainerState: 1 waiting core.ContainerStateWaiting, 2 running core.ContainerStateRunning, 3 terminated
  core.ContainerStateTerminated
core.ContainerStateRunning: 1 startedAt Time
core.ContainerStateTerminated: 1 exitCode int, 2 signal int, 3 reason str, 4 message str, 5 startedAt Time, 6
  finishedAt Time, 7 containerID str
core.ContainerStateWaiting: 1 reason str, 2 message str
core.ContainerStatus: 1 name str, 2 state core.ContainerState, 3 lastState core.ContainerState, 4 ready bool, 5
  restartCount int, 6 image str, 7 imageID str, 8 containerID str, 9 started bool, 10 allocatedResources {Quantity},
  11 resources core.ResourceRequirements, 12 volumeMounts *core.VolumeMountStatus, 13 user core.ContainerUser, 14
  allocatedResourcesStatus *core.ResourceStatus, 15 stopSignal str
core.ContainerUser: 1 linux core.LinuxContainerUser
core.DownwardAPIProjection: 1 items *core.DownwardAPIVolumeFile
core.DownwardAPIVolumeFile: 1 path str, 2 fieldRef core.ObjectFieldSelector, 3 resourceFieldRef
  core.ResourceFieldSelector, 4 mode int
core.DownwardAPIVolumeSource: 1 items *core.DownwardAPIVolumeFile, 2 defaultMode int
core.EmptyDirVolumeSource: 1 medium str, 2 sizeLimit Quantity
core.EndpointAddress: 1 ip str, 3 hostname str, 4 nodeName str, 2 targetRef core.ObjectReference
core.EndpointPort: 1 name str, 2 port int, 3 protocol str, 4 appProtocol str
core.EndpointSubset: 1 addresses *core.EndpointAddress, 2 notReadyAddresses *core.EndpointAddress, 3 ports
  *core.EndpointPort
core.Endpoints: 1 metadata meta.ObjectMeta, 2 subsets *core.EndpointSubset
core.EnvFromSource: 1 prefix str, 2 configMapRef core.ConfigMapEnvSource, 3 secretRef core.SecretEnvSource
core.EnvVar: 1 name str, 2 value str, 3 valueFrom core.EnvVarSource
core.EnvVarSource: 1 fieldRef core.ObjectFieldSelector, 2 resourceFieldRef core.ResourceFieldSelector, 3
  configMapKeyRef core.ConfigMapKeySelector, 4 secretKeyRef core.SecretKeySelector
core.EphemeralContainer: 1^ ephemeralContainerCommon core.EphemeralContainerCommon, 2 targetContainerName str
core.EphemeralContainerCommon: 1 name str, 2 image str, 3 command *str, 4 args *str, 5 workingDir str, 6 ports
  *core.ContainerPort, 19 envFrom *core.EnvFromSource, 7 env *core.EnvVar, 8 resources core.ResourceRequirements, 23
  resizePolicy *core.ContainerResizePolicy, 24 restartPolicy str, 9 volumeMounts *core.VolumeMount, 21 volumeDevices
  *core.VolumeDevice, 10 livenessProbe core.Probe, 11 readinessProbe core.Probe, 22 startupProbe core.Probe, 12
  lifecycle core.Lifecycle, 13 terminationMessagePath str, 20 terminationMessagePolicy str, 14 imagePullPolicy str, 15
  securityContext core.SecurityContext, 16 stdin bool, 17 stdinOnce bool, 18 tty bool
core.EphemeralVolumeSource: 1 volumeClaimTemplate core.PersistentVolumeClaimTemplate
core.Event: 1 metadata meta.ObjectMeta, 2 involvedObject core.ObjectReference, 3 reason str, 4 message str, 5 source
  core.EventSource, 6 firstTimestamp Time, 7 lastTimestamp Time, 8 count int, 9 type str, 10 eventTime MicroTime, 11
  series core.EventSeries, 12 action str, 13 related core.ObjectReference, 14 reportingComponent str, 15
  reportingInstance str
core.EventSeries: 1 count int, 2 lastObservedTime MicroTime
core.EventSource: 1 component str, 2 host str
core.ExecAction: 1 command *str
core.GRPCAction: 1 port int, 2 service str
core.HTTPGetAction: 1 path str, 2 port IntOrString, 3 host str, 4 scheme str, 5 httpHeaders *core.HTTPHeader
core.HTTPHeader: 1 name str, 2 value str
core.HostAlias: 1 ip str, 2 hostnames *str
core.HostIP: 1 ip str
core.HostPathVolumeSource: 1 path str, 2 type str
core.ImageVolumeSource: 1 reference str, 2 pullPolicy str
core.KeyToPath: 1 key str, 2 path str, 3 mode int
core.Lifecycle: 1 postStart core.LifecycleHandler, 2 preStop core.LifecycleHandler, 3 stopSignal str
core.LifecycleHandler: 1 exec core.ExecAction, 2 httpGet core.HTTPGetAction, 3 tcpSocket core.TCPSocketAction, 4 sleep
  core.SleepAction
core.LinuxContainerUser: 1 uid int, 2 gid int, 3 supplementalGroups *int
core.LoadBalancerIngress: 1 ip str, 2 hostname str, 3 ipMode str, 4 ports *core.PortStatus
core.LoadBalancerStatus: 1 ingress *core.LoadBalancerIngress
core.LocalObjectReference: 1 name str
core.ModifyVolumeStatus: 1 targetVolumeAttributesClassName str, 2 status str
core.NFSVolumeSource: 1 server str, 2 path str, 3 readOnly bool
core.Namespace: 1 metadata meta.ObjectMeta, 2 spec core.NamespaceSpec, 3 status core.NamespaceStatus
core.NamespaceCondition: 1 type str, 2 status str, 4 lastTransitionTime Time, 5 reason str, 6 message str
core.NamespaceSpec: 1 finalizers *str
core.NamespaceStatus: 1 phase str, 2 conditions *core.NamespaceCondition
core.NodeAffinity: 1 requiredDuringSchedulingIgnoredDuringExecution core.NodeSelector, 2
  preferredDuringSchedulingIgnoredDuringExecution *core.PreferredSchedulingTerm
core.NodeSelector: 1 nodeSelectorTerms *core.NodeSelectorTerm
core.NodeSelectorRequirement: 1 key str, 2 operator str, 3 values *str
core.NodeSelectorTerm: 1 matchExpressions *core.NodeSelectorRequirement, 2 matchFields *core.NodeSelectorRequirement
core.ObjectFieldSelector: 1 apiVersion str, 2 fieldPath str
core.ObjectReference: 1 kind str, 2 namespace str, 3 name str, 4 uid str, 5 apiVersion str, 6 resourceVersion str, 7
  fieldPath str
core.PersistentVolumeClaim: 1 metadata meta.ObjectMeta, 2 spec core.PersistentVolumeClaimSpec, 3 status
  core.PersistentVolumeClaimStatus
core.PersistentVolumeClaimCondition: 1 type str, 2 status str, 3 lastProbeTime Time, 4 lastTransitionTime Time, 5
  reason str, 6 message str
core.PersistentVolumeClaimSpec: 1 accessModes *str, 4 selector meta.LabelSelector, 2 resources
  core.VolumeResourceRequirements, 3 volumeName str, 5 storageClassName str, 6 volumeMode str, 7 dataSource
  core.TypedLocalObjectReference, 8 dataSourceRef core.TypedObjectReference, 9 volumeAttributesClassName str
core.PersistentVolumeClaimStatus: 1 phase str, 2 accessModes *str, 3 capacity {Quantity}, 4 conditions
  *core.PersistentVolumeClaimCondition, 5 allocatedResources {Quantity}, 7 allocatedResourceStatuses {str}, 8
  currentVolumeAttributesClassName str, 9 modifyVolumeStatus core.ModifyVolumeStatus
core.PersistentVolumeClaimTemplate: 1 metadata meta.ObjectMeta, 2 spec core.PersistentVolumeClaimSpec
core.PersistentVolumeClaimVolumeSource: 1 claimName str, 2 readOnly bool
core.Pod: 1 metadata meta.ObjectMeta, 2 spec core.PodSpec, 3 status core.PodStatus
core.PodAffinity: 1 requiredDuringSchedulingIgnoredDuringExecution *core.PodAffinityTerm, 2
  preferredDuringSchedulingIgnoredDuringExecution *core.WeightedPodAffinityTerm
core.PodAffinityTerm: 1 labelSelector meta.LabelSelector, 2 namespaces *str, 3 topologyKey str, 4 namespaceSelector
  meta.LabelSelector, 5 matchLabelKeys *str, 6 mismatchLabelKeys *str
core.PodAntiAffinity: 1 requiredDuringSchedulingIgnoredDuringExecution *core.PodAffinityTerm, 2
  preferredDuringSchedulingIgnoredDuringExecution *core.WeightedPodAffinityTerm
core.PodCondition: 1 type str, 7 observedGeneration int, 2 status str, 3 lastProbeTime Time, 4 lastTransitionTime
  Time, 5 reason str, 6 message str
core.PodDNSConfig: 1 nameservers *str, 2 searches *str, 3 options *core.PodDNSConfigOption
core.PodDNSConfigOption: 1 name str, 2 value str
core.PodIP: 1 ip str
core.PodOS: 1 name str
core.PodReadinessGate: 1 conditionType str
core.PodResourceClaim: 1 name str, 3 resourceClaimName str, 4 resourceClaimTemplateName str
core.PodResourceClaimStatus: 1 name str, 2 resourceClaimName str
core.PodSchedulingGate: 1 name str
core.PodSecurityContext: 1 seLinuxOptions core.SELinuxOptions, 8 windowsOptions core.WindowsSecurityContextOptions, 2
  runAsUser int, 6 runAsGroup int, 3 runAsNonRoot bool, 4 supplementalGroups *int, 12 supplementalGroupsPolicy str, 5
  fsGroup int, 7 sysctls *core.Sysctl, 9 fsGroupChangePolicy str, 10 seccompProfile core.SeccompProfile, 11
  appArmorProfile core.AppArmorProfile, 13 seLinuxChangePolicy str
core.PodSpec: 1 volumes *core.Volume, 20 initContainers *core.Container, 2 containers *core.Container, 34
  ephemeralContainers *core.EphemeralContainer, 3 restartPolicy str, 4 terminationGracePeriodSeconds int, 5
  activeDeadlineSeconds int, 6 dnsPolicy str, 7 nodeSelector {str}, 8 serviceAccountName str, 9 serviceAccount str, 21
  automountServiceAccountToken bool, 10 nodeName str, 11 hostNetwork bool, 12 hostPID bool, 13 hostIPC bool, 27
  shareProcessNamespace bool, 14 securityContext core.PodSecurityContext, 15 imagePullSecrets
  *core.LocalObjectReference, 16 hostname str, 17 subdomain str, 18 affinity core.Affinity, 19 schedulerName str, 22
  tolerations *core.Toleration, 23 hostAliases *core.HostAlias, 24 priorityClassName str, 25 priority int, 26
  dnsConfig core.PodDNSConfig, 28 readinessGates *core.PodReadinessGate, 29 runtimeClassName str, 30
  enableServiceLinks bool, 31 preemptionPolicy str, 32 overhead {Quantity}, 33 topologySpreadConstraints
  *core.TopologySpreadConstraint, 35 setHostnameAsFQDN bool, 36 os core.PodOS, 37 hostUsers bool, 38 schedulingGates
  *core.PodSchedulingGate, 39 resourceClaims *core.PodResourceClaim, 40 resources core.ResourceRequirements
core.PodStatus: 17 observedGeneration int, 1 phase str, 2 conditions *core.PodCondition, 3 message str, 4 reason str,
  11 nominatedNodeName str, 5 hostIP str, 16 hostIPs *core.HostIP, 6 podIP str, 12 podIPs *core.PodIP, 7 startTime
  Time, 10 initContainerStatuses *core.ContainerStatus, 8 containerStatuses *core.ContainerStatus, 9 qosClass str, 13
  ephemeralContainerStatuses *core.ContainerStatus, 14 resize str, 15 resourceClaimStatuses
  *core.PodResourceClaimStatus
core.PodTemplateSpec: 1 metadata meta.ObjectMeta, 2 spec core.PodSpec
core.PortStatus: 1 port int, 2 protocol str, 3 error str
core.PreferredSchedulingTerm: 1 weight int, 2 preference core.NodeSelectorTerm
core.Probe: 1^ handler core.ProbeHandler, 2 initialDelaySeconds int, 3 timeoutSeconds int, 4 periodSeconds int, 5
  successThreshold int, 6 failureThreshold int, 7 terminationGracePeriodSeconds int
core.ProbeHandler: 1 exec core.ExecAction, 2 httpGet core.HTTPGetAction, 3 tcpSocket core.TCPSocketAction, 4 grpc
  core.GRPCAction
core.ProjectedVolumeSource: 1 sources *core.VolumeProjection, 2 defaultMode int
core.ResourceClaim: 1 name str, 2 request str
core.ResourceFieldSelector: 1 containerName str, 2 resource str, 3 divisor Quantity
core.ResourceHealth: 1 resourceID str, 2 health str
core.ResourceQuota: 1 metadata meta.ObjectMeta, 2 spec core.ResourceQuotaSpec, 3 status core.ResourceQuotaStatus
core.ResourceQuotaSpec: 1 hard {Quantity}, 2 scopes *str, 3 scopeSelector core.ScopeSelector
core.ResourceQuotaStatus: 1 hard {Quantity}, 2 used {Quantity}
core.ResourceRequirements: 1 limits {Quantity}, 2 requests {Quantity}, 3 claims *core.ResourceClaim
core.ResourceStatus: 1 name str, 2 resources *core.ResourceHealth
core.SELinuxOptions: 1 user str, 2 role str, 3 type str, 4 level str
core.ScopeSelector: 1 matchExpressions *core.ScopedResourceSelectorRequirement
core.ScopedResourceSelectorRequirement: 1 scopeName str, 2 operator str, 3 values *str
core.SeccompProfile: 1 type str, 2 localhostProfile str
core.Secret: 1 metadata meta.ObjectMeta, 5 immutable bool, 2 data {bytes}, 4 stringData {str}, 3 type str
core.SecretEnvSource: 1^ localObjectReference core.LocalObjectReference, 2 optional bool
core.SecretKeySelector: 1^ localObjectReference core.LocalObjectReference, 2 key str, 3 optional bool
core.SecretProjection: 1^ localObjectReference core.LocalObjectReference, 2 items *core.KeyToPath, 4 optional bool
core.SecretVolumeSource: 1 secretName str, 2 items *core.KeyToPath, 3 defaultMode int, 4 optional bool
core.SecurityContext: 1 capabilities core.Capabilities, 2 privileged bool, 3 seLinuxOptions core.SELinuxOptions, 10
  windowsOptions core.WindowsSecurityContextOptions, 4 runAsUser int, 8 runAsGroup int, 5 runAsNonRoot bool, 6
  readOnlyRootFilesystem bool, 7 allowPrivilegeEscalation bool, 9 procMount str, 11 seccompProfile
  core.SeccompProfile, 12 appArmorProfile core.AppArmorProfile
core.Service: 1 metadata meta.ObjectMeta, 2 spec core.ServiceSpec, 3 status core.ServiceStatus
core.ServiceAccount: 1 metadata meta.ObjectMeta, 2 secrets *core.ObjectReference, 3 imagePullSecrets
  *core.LocalObjectReference, 4 automountServiceAccountToken bool
core.ServiceAccountTokenProjection: 1 audience str, 2 expirationSeconds int, 3 path str
core.ServicePort: 1 name str, 2 protocol str, 6 appProtocol str, 3 port int, 4 targetPort IntOrString, 5 nodePort int
core.ServiceSpec: 1 ports *core.ServicePort, 2 selector {str}, 3 clusterIP str, 18 clusterIPs *str, 4 type str, 5
  externalIPs *str, 7 sessionAffinity str, 8 loadBalancerIP str, 9 loadBalancerSourceRanges *str, 10 externalName str,
  11 externalTrafficPolicy str, 12 healthCheckNodePort int, 13 publishNotReadyAddresses bool, 14 sessionAffinityConfig
  core.SessionAffinityConfig, 19 ipFamilies *str, 17 ipFamilyPolicy str, 20 allocateLoadBalancerNodePorts bool, 21
  loadBalancerClass str, 22 internalTrafficPolicy str, 23 trafficDistribution str
core.ServiceStatus: 1 loadBalancer core.LoadBalancerStatus, 2 conditions *meta.Condition
core.SessionAffinityConfig: 1 clientIP core.ClientIPConfig
core.SleepAction: 1 seconds int
core.Sysctl: 1 name str, 2 value str
core.TCPSocketAction: 1 port IntOrString, 2 host str
core.Toleration: 1 key str, 2 operator str, 3 value str, 4 effect str, 5 tolerationSeconds int
core.TopologySelectorLabelRequirement: 1 key str, 2 values *str
core.TopologySelectorTerm: 1 matchLabelExpressions *core.TopologySelectorLabelRequirement
core.TopologySpreadConstraint: 1 maxSkew int, 2 topologyKey str, 3 whenUnsatisfiable str, 4 labelSelector
  meta.LabelSelector, 5 minDomains int, 6 nodeAffinityPolicy str, 7 nodeTaintsPolicy str, 8 matchLabelKeys *str
core.TypedLocalObjectReference: 1 apiGroup str, 2 kind str, 3 name str
core.TypedObjectReference: 1 apiGroup str, 2 kind str, 3 name str, 4 namespace str
core.Volume: 1 name str, 2^ volumeSource core.VolumeSource
core.VolumeDevice: 1 name str, 2 devicePath str
core.VolumeMount: 1 name str, 2 readOnly bool, 7 recursiveReadOnly str, 3 mountPath str, 4 subPath str, 5
  mountPropagation str, 6 subPathExpr str
core.VolumeMountStatus: 1 name str, 2 mountPath str, 3 readOnly bool, 4 recursiveReadOnly str
core.VolumeProjection: 1 secret core.SecretProjection, 2 downwardAPI core.DownwardAPIProjection, 3 configMap
  core.ConfigMapProjection, 4 serviceAccountToken core.ServiceAccountTokenProjection, 5 clusterTrustBundle
  core.ClusterTrustBundleProjection
core.VolumeResourceRequirements: 1 limits {Quantity}, 2 requests {Quantity}
core.VolumeSource: 1 hostPath core.HostPathVolumeSource, 2 emptyDir core.EmptyDirVolumeSource, 6 secret
  core.SecretVolumeSource, 7 nfs core.NFSVolumeSource, 10 persistentVolumeClaim
  core.PersistentVolumeClaimVolumeSource, 16 downwardAPI core.DownwardAPIVolumeSource, 19 configMap
  core.ConfigMapVolumeSource, 26 projected core.ProjectedVolumeSource, 28 csi core.CSIVolumeSource, 29 ephemeral
  core.EphemeralVolumeSource, 30 image core.ImageVolumeSource
core.WeightedPodAffinityTerm: 1 weight int, 2 podAffinityTerm core.PodAffinityTerm
core.WindowsSecurityContextOptions: 1 gmsaCredentialSpecName str, 2 gmsaCredentialSpec str, 3 runAsUserName str, 4
  hostProcess bool
discovery.Endpoint: 1 addresses *str, 2 conditions discovery.EndpointConditions, 3 hostname str, 4 targetRef
  core.ObjectReference, 5 deprecatedTopology {str}, 6 nodeName str, 7 zone str, 8 hints discovery.EndpointHints
discovery.EndpointConditions: 1 ready bool, 2 serving bool, 3 terminating bool
discovery.EndpointHints: 1 forZones *discovery.ForZone, 2 forNodes *discovery.ForNode
discovery.EndpointPort: 1 name str, 2 protocol str, 3 port int, 4 appProtocol str
discovery.EndpointSlice: 1 metadata meta.ObjectMeta, 4 addressType str, 2 endpoints *discovery.Endpoint, 3 ports
  *discovery.EndpointPort
discovery.ForNode: 1 name str
discovery.ForZone: 1 name str
events.Event: 1 metadata meta.ObjectMeta, 2 eventTime MicroTime, 3 series events.EventSeries, 4 reportingController
  str, 5 reportingInstance str, 6 action str, 7 reason str, 8 regarding core.ObjectReference, 9 related
  core.ObjectReference, 10 note str, 11 type str, 12 deprecatedSource core.EventSource, 13 deprecatedFirstTimestamp
  Time, 14 deprecatedLastTimestamp Time, 15 deprecatedCount int
events.EventSeries: 1 count int, 2 lastObservedTime MicroTime
meta.Condition: 1 type str, 2 status str, 3 observedGeneration int, 4 lastTransitionTime Time, 5 reason str, 6 message
  str
meta.DeleteOptions: 1 gracePeriodSeconds int, 2 preconditions meta.Preconditions, 3 orphanDependents bool, 4
  propagationPolicy str, 5 dryRun *str, 6 ignoreStoreReadErrorWithClusterBreakingPotential bool
meta.FieldSelectorRequirement: 1 key str, 2 operator str, 3 values *str
meta.LabelSelector: 1 matchLabels {str}, 2 matchExpressions *meta.LabelSelectorRequirement
meta.LabelSelectorRequirement: 1 key str, 2 operator str, 3 values *str
meta.ManagedFieldsEntry: 1 manager str, 2 operation str, 3 apiVersion str, 4 time Time, 6 fieldsType str, 7 fieldsV1
  FieldsV1, 8 subresource str
meta.ObjectMeta: 1 name str, 2 generateName str, 3 namespace str, 4 selfLink str, 5 uid str, 6 resourceVersion str, 7
  generation int, 8 creationTimestamp Time, 9 deletionTimestamp Time, 10 deletionGracePeriodSeconds int, 11 labels
  {str}, 12 annotations {str}, 13 ownerReferences *meta.OwnerReference, 14 finalizers *str, 17 managedFields
  *meta.ManagedFieldsEntry
meta.OwnerReference: 5 apiVersion str, 1 kind str, 3 name str, 4 uid str, 6 controller bool, 7 blockOwnerDeletion bool
meta.Preconditions: 1 uid str, 2 resourceVersion str
networking.HTTPIngressPath: 1 path str, 3 pathType str, 2 backend networking.IngressBackend
networking.HTTPIngressRuleValue: 1 paths *networking.HTTPIngressPath
networking.IPBlock: 1 cidr str, 2 except *str
networking.Ingress: 1 metadata meta.ObjectMeta, 2 spec networking.IngressSpec, 3 status networking.IngressStatus
networking.IngressBackend: 4 service networking.IngressServiceBackend, 3 resource core.TypedLocalObjectReference
networking.IngressClass: 1 metadata meta.ObjectMeta, 2 spec networking.IngressClassSpec
networking.IngressClassParametersReference: 1 apiGroup str, 2 kind str, 3 name str, 4 scope str, 5 namespace str
networking.IngressClassSpec: 1 controller str, 2 parameters networking.IngressClassParametersReference
networking.IngressLoadBalancerIngress: 1 ip str, 2 hostname str, 4 ports *networking.IngressPortStatus
networking.IngressLoadBalancerStatus: 1 ingress *networking.IngressLoadBalancerIngress
networking.IngressPortStatus: 1 port int, 2 protocol str, 3 error str
networking.IngressRule: 1 host str, 2^ ingressRuleValue networking.IngressRuleValue
networking.IngressRuleValue: 1 http networking.HTTPIngressRuleValue
networking.IngressServiceBackend: 1 name str, 2 port networking.ServiceBackendPort
networking.IngressSpec: 4 ingressClassName str, 1 defaultBackend networking.IngressBackend, 2 tls
  *networking.IngressTLS, 3 rules *networking.IngressRule
networking.IngressStatus: 1 loadBalancer networking.IngressLoadBalancerStatus
networking.IngressTLS: 1 hosts *str, 2 secretName str
networking.NetworkPolicy: 1 metadata meta.ObjectMeta, 2 spec networking.NetworkPolicySpec
networking.NetworkPolicyEgressRule: 1 ports *networking.NetworkPolicyPort, 2 to *networking.NetworkPolicyPeer
networking.NetworkPolicyIngressRule: 1 ports *networking.NetworkPolicyPort, 2 from *networking.NetworkPolicyPeer
networking.NetworkPolicyPeer: 1 podSelector meta.LabelSelector, 2 namespaceSelector meta.LabelSelector, 3 ipBlock
  networking.IPBlock
networking.NetworkPolicyPort: 1 protocol str, 2 port IntOrString, 3 endPort int
networking.NetworkPolicySpec: 1 podSelector meta.LabelSelector, 2 ingress *networking.NetworkPolicyIngressRule, 3
  egress *networking.NetworkPolicyEgressRule, 4 policyTypes *str
networking.ServiceBackendPort: 1 name str, 2 number int
policy.Eviction: 1 metadata meta.ObjectMeta, 2 deleteOptions meta.DeleteOptions
policy.PodDisruptionBudget: 1 metadata meta.ObjectMeta, 2 spec policy.PodDisruptionBudgetSpec, 3 status
  policy.PodDisruptionBudgetStatus
policy.PodDisruptionBudgetSpec: 1 minAvailable IntOrString, 2 selector meta.LabelSelector, 3 maxUnavailable
  IntOrString, 4 unhealthyPodEvictionPolicy str
policy.PodDisruptionBudgetStatus: 1 observedGeneration int, 2 disruptedPods {Time}, 3 disruptionsAllowed int, 4
  currentHealthy int, 5 desiredHealthy int, 6 expectedPods int, 7 conditions *meta.Condition
rbac.AggregationRule: 1 clusterRoleSelectors *meta.LabelSelector
rbac.ClusterRole: 1 metadata meta.ObjectMeta, 2 rules *rbac.PolicyRule, 3 aggregationRule rbac.AggregationRule
rbac.ClusterRoleBinding: 1 metadata meta.ObjectMeta, 2 subjects *rbac.Subject, 3 roleRef rbac.RoleRef
rbac.PolicyRule: 1 verbs *str, 2 apiGroups *str, 3 resources *str, 4 resourceNames *str, 5 nonResourceURLs *str
rbac.Role: 1 metadata meta.ObjectMeta, 2 rules *rbac.PolicyRule
rbac.RoleBinding: 1 metadata meta.ObjectMeta, 2 subjects *rbac.Subject, 3 roleRef rbac.RoleRef
rbac.RoleRef: 1 apiGroup str, 2 kind str, 3 name str
rbac.Subject: 1 kind str, 2 apiGroup str, 3 name str, 4 namespace str
scheduling.PriorityClass: 1 metadata meta.ObjectMeta, 2 value int, 3 globalDefault bool, 4 description str, 5
  preemptionPolicy str
storage.StorageClass: 1 metadata meta.ObjectMeta, 2 provisioner str, 3 parameters {str}, 4 reclaimPolicy str, 5
  mountOptions *str, 6 allowVolumeExpansion bool, 7 volumeBindingMode str, 8 allowedTopologies
  *core.TopologySelectorTerm
"""

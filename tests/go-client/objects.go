package main

import (
	"context"
	"time"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// A kind's client, as far as it is needed here.
type creator[T any] interface {
	Create(context.Context, T, meta.CreateOptions) (T, error)
}

// twin makes an object as protobuf and as JSON.
func twin[T runtime.Object](kind string, object T, of func(kubernetes.Interface, string) creator[T]) check {
	return check{"create " + kind, func(ctx context.Context, all *clients) error {
		one, err := created(ctx, of(all.protobuf, all.namespace), object, "as-protobuf")
		if err != nil {
			return err
		}
		other, err := created(ctx, of(all.json, all.namespace), object, "as-json")
		if err != nil {
			return err
		}
		return same(one, other)
	}}
}

func created[T runtime.Object](ctx context.Context, of creator[T], object T, name string) (T, error) {
	copied := object.DeepCopyObject().(T)
	any(copied).(meta.Object).SetName(name)
	return of.Create(ctx, copied, meta.CreateOptions{})
}

var labels = map[string]string{"app": "web", "empty": ""}

var selector = &meta.LabelSelector{
	MatchLabels:      map[string]string{"app": "web"},
	MatchExpressions: []meta.LabelSelectorRequirement{{Key: "tier", Operator: meta.LabelSelectorOpExists}},
}

func twins() []check {
	return []check{
		twin("ConfigMap", configMap(), func(c kubernetes.Interface, ns string) creator[*core.ConfigMap] {
			return c.CoreV1().ConfigMaps(ns)
		}),
		twin("Secret", secret(), func(c kubernetes.Interface, ns string) creator[*core.Secret] {
			return c.CoreV1().Secrets(ns)
		}),
		twin("ServiceAccount", account(), func(c kubernetes.Interface, ns string) creator[*core.ServiceAccount] {
			return c.CoreV1().ServiceAccounts(ns)
		}),
		twin("Service", service(), func(c kubernetes.Interface, ns string) creator[*core.Service] {
			return c.CoreV1().Services(ns)
		}),
		twin("Deployment", deployment(), func(c kubernetes.Interface, ns string) creator[*apps.Deployment] {
			return c.AppsV1().Deployments(ns)
		}),
		twin("CronJob", cronJob(), func(c kubernetes.Interface, ns string) creator[*batch.CronJob] {
			return c.BatchV1().CronJobs(ns)
		}),
		twin("Lease", lease(), func(c kubernetes.Interface, ns string) creator[*coordination.Lease] {
			return c.CoordinationV1().Leases(ns)
		}),
		twin("Ingress", ingress(), func(c kubernetes.Interface, ns string) creator[*networking.Ingress] {
			return c.NetworkingV1().Ingresses(ns)
		}),
		twin("NetworkPolicy", networkPolicy(), func(c kubernetes.Interface, ns string) creator[*networking.NetworkPolicy] {
			return c.NetworkingV1().NetworkPolicies(ns)
		}),
		twin("PersistentVolumeClaim", claim(), func(c kubernetes.Interface, ns string) creator[*core.PersistentVolumeClaim] {
			return c.CoreV1().PersistentVolumeClaims(ns)
		}),
		twin("PodDisruptionBudget", budget(), func(c kubernetes.Interface, ns string) creator[*policy.PodDisruptionBudget] {
			return c.PolicyV1().PodDisruptionBudgets(ns)
		}),
		twin("Role", role(), func(c kubernetes.Interface, ns string) creator[*rbac.Role] {
			return c.RbacV1().Roles(ns)
		}),
		twin("HorizontalPodAutoscaler", autoscaler(), func(c kubernetes.Interface, ns string) creator[*autoscaling.HorizontalPodAutoscaler] {
			return c.AutoscalingV2().HorizontalPodAutoscalers(ns)
		}),
	}
}

func configMap() *core.ConfigMap {
	return &core.ConfigMap{
		ObjectMeta: meta.ObjectMeta{
			Labels:      labels,
			Annotations: map[string]string{"note": "ünïcode \u2028 🌍"},
			Finalizers:  []string{"example.dev/held"},
			OwnerReferences: []meta.OwnerReference{{
				APIVersion: "v1", Kind: "Namespace", Name: "default", UID: "0",
				Controller: ptr.To(false), BlockOwnerDeletion: ptr.To(true),
			}},
		},
		Data:       map[string]string{"text": "a\nb", "none": ""},
		BinaryData: map[string][]byte{"bytes": {0, 0xff, 0x80}},
		Immutable:  ptr.To(false),
	}
}

func secret() *core.Secret {
	return &core.Secret{
		Data:       map[string][]byte{"key": {0, 0xff}, "none": {}},
		StringData: map[string]string{"text": "a"},
		Type:       "example.dev/kind",
	}
}

func account() *core.ServiceAccount {
	return &core.ServiceAccount{
		ImagePullSecrets:             []core.LocalObjectReference{{Name: "pull"}},
		AutomountServiceAccountToken: ptr.To(false),
	}
}

func service() *core.Service {
	return &core.Service{Spec: core.ServiceSpec{
		Selector:  labels,
		ClusterIP: core.ClusterIPNone,
		Ports: []core.ServicePort{
			{Name: "http", Port: 80, TargetPort: intstr.FromString("web")},
			{Name: "dns", Port: 53, Protocol: core.ProtocolUDP, TargetPort: intstr.FromInt32(5353)},
		},
		PublishNotReadyAddresses: true,
	}}
}

func deployment() *apps.Deployment {
	return &apps.Deployment{Spec: apps.DeploymentSpec{
		Replicas: ptr.To[int32](0),
		Selector: &meta.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		Strategy: apps.DeploymentStrategy{RollingUpdate: &apps.RollingUpdateDeployment{
			MaxUnavailable: ptr.To(intstr.FromString("25%")), MaxSurge: ptr.To(intstr.FromInt32(2)),
		}},
		Template: podTemplate(),
	}}
}

func podTemplate() core.PodTemplateSpec {
	probe := &core.Probe{
		ProbeHandler: core.ProbeHandler{HTTPGet: &core.HTTPGetAction{
			Path: "/", Port: intstr.FromString("web"), HTTPHeaders: []core.HTTPHeader{{Name: "X", Value: "y"}},
		}},
		PeriodSeconds: 7,
	}
	return core.PodTemplateSpec{
		ObjectMeta: meta.ObjectMeta{Labels: labels},
		Spec: core.PodSpec{
			Volumes: []core.Volume{
				{Name: "config", VolumeSource: core.VolumeSource{ConfigMap: &core.ConfigMapVolumeSource{
					LocalObjectReference: core.LocalObjectReference{Name: "settings"},
					Items:                []core.KeyToPath{{Key: "a", Path: "b", Mode: ptr.To[int32](0o600)}},
					Optional:             ptr.To(true),
				}}},
				{Name: "empty", VolumeSource: core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{
					Medium: core.StorageMediumMemory, SizeLimit: ptr.To(resource.MustParse("1536Mi")),
				}}},
			},
			Containers: []core.Container{{
				Name:    "web",
				Image:   "example.dev/web:1",
				Command: []string{"run", ""},
				Ports:   []core.ContainerPort{{Name: "web", ContainerPort: 8080}},
				Env: []core.EnvVar{
					{Name: "PLAIN", Value: "x"},
					{Name: "SECRET", ValueFrom: &core.EnvVarSource{SecretKeyRef: &core.SecretKeySelector{
						LocalObjectReference: core.LocalObjectReference{Name: "s"}, Key: "k",
					}}},
				},
				EnvFrom: []core.EnvFromSource{{Prefix: "P_", ConfigMapRef: &core.ConfigMapEnvSource{
					LocalObjectReference: core.LocalObjectReference{Name: "settings"},
				}}},
				Resources: core.ResourceRequirements{
					Limits:   core.ResourceList{"cpu": resource.MustParse("0.5"), "memory": resource.MustParse("64Mi")},
					Requests: core.ResourceList{"cpu": resource.MustParse("100m")},
				},
				VolumeMounts:    []core.VolumeMount{{Name: "config", MountPath: "/etc/x", ReadOnly: true}},
				LivenessProbe:   probe,
				SecurityContext: &core.SecurityContext{RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](0)},
			}},
			SecurityContext: &core.PodSecurityContext{SupplementalGroups: []int64{1, 1 << 30}},
			Affinity: &core.Affinity{PodAntiAffinity: &core.PodAntiAffinity{
				PreferredDuringSchedulingIgnoredDuringExecution: []core.WeightedPodAffinityTerm{{
					Weight:          10,
					PodAffinityTerm: core.PodAffinityTerm{LabelSelector: selector, TopologyKey: "zone"},
				}},
			}},
			Tolerations: []core.Toleration{{
				Operator: core.TolerationOpExists, Effect: core.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](0),
			}},
			AutomountServiceAccountToken: ptr.To(false),
			NodeSelector:                 map[string]string{"disk": "ssd"},
		},
	}
}

func cronJob() *batch.CronJob {
	template := podTemplate()
	template.Spec.RestartPolicy = core.RestartPolicyOnFailure
	return &batch.CronJob{Spec: batch.CronJobSpec{
		Schedule:    "*/5 * * * *",
		TimeZone:    ptr.To("Etc/UTC"),
		Suspend:     ptr.To(true),
		JobTemplate: batch.JobTemplateSpec{Spec: batch.JobSpec{BackoffLimit: ptr.To[int32](0), Template: template}},
	}}
}

func lease() *coordination.Lease {
	return &coordination.Lease{Spec: coordination.LeaseSpec{
		HolderIdentity:       ptr.To("me"),
		LeaseDurationSeconds: ptr.To[int32](15),
		RenewTime:            ptr.To(meta.NewMicroTime(time.Unix(1_700_000_000, 123_456_000))),
		LeaseTransitions:     ptr.To[int32](0),
	}}
}

func ingress() *networking.Ingress {
	return &networking.Ingress{Spec: networking.IngressSpec{
		Rules: []networking.IngressRule{{
			Host: "a.example.dev",
			IngressRuleValue: networking.IngressRuleValue{HTTP: &networking.HTTPIngressRuleValue{
				Paths: []networking.HTTPIngressPath{{
					Path: "/", PathType: ptr.To(networking.PathTypePrefix),
					Backend: networking.IngressBackend{Service: &networking.IngressServiceBackend{
						Name: "web", Port: networking.ServiceBackendPort{Number: 80},
					}},
				}},
			}},
		}},
	}}
}

func networkPolicy() *networking.NetworkPolicy {
	return &networking.NetworkPolicy{Spec: networking.NetworkPolicySpec{
		PodSelector: *selector,
		Ingress: []networking.NetworkPolicyIngressRule{{
			Ports: []networking.NetworkPolicyPort{{Port: ptr.To(intstr.FromInt32(80))}},
			From: []networking.NetworkPolicyPeer{
				{NamespaceSelector: &meta.LabelSelector{}},
				{IPBlock: &networking.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16"}}},
			},
		}},
		PolicyTypes: []networking.PolicyType{networking.PolicyTypeIngress},
	}}
}

func claim() *core.PersistentVolumeClaim {
	return &core.PersistentVolumeClaim{Spec: core.PersistentVolumeClaimSpec{
		AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteOnce},
		// None is not the same as the default one.
		StorageClassName: ptr.To(""),
		Resources: core.VolumeResourceRequirements{
			Requests: core.ResourceList{core.ResourceStorage: resource.MustParse("1Gi")},
		},
	}}
}

func budget() *policy.PodDisruptionBudget {
	return &policy.PodDisruptionBudget{Spec: policy.PodDisruptionBudgetSpec{
		MinAvailable: ptr.To(intstr.FromString("50%")), Selector: &meta.LabelSelector{},
	}}
}

func role() *rbac.Role {
	return &rbac.Role{Rules: []rbac.PolicyRule{
		{Verbs: []string{"get", "list"}, APIGroups: []string{""}, Resources: []string{"pods"}, ResourceNames: []string{"a"}},
	}}
}

func autoscaler() *autoscaling.HorizontalPodAutoscaler {
	return &autoscaling.HorizontalPodAutoscaler{Spec: autoscaling.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscaling.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
		MaxReplicas:    3,
		Metrics: []autoscaling.MetricSpec{{
			Type: autoscaling.ResourceMetricSourceType,
			Resource: &autoscaling.ResourceMetricSource{Name: "cpu", Target: autoscaling.MetricTarget{
				Type: autoscaling.UtilizationMetricType, AverageUtilization: ptr.To[int32](80),
			}},
		}},
	}}
}

package main

import "polyreme.dev/sdk"

// The built-in kinds that a site becomes, as far as this controller fills them in.

var (
	configMaps  = sdk.NewNamespaced[ConfigMap]("v1", "ConfigMap")
	services    = sdk.NewNamespaced[Service]("v1", "Service")
	ingresses   = sdk.NewNamespaced[Ingress]("networking.k8s.io/v1", "Ingress")
	deployments = sdk.NewNamespaced[Deployment]("apps/v1", "Deployment")
)

// ConfigMap is content and configuration.
type ConfigMap struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Data           map[string]string `json:"data"`
}

// Service is in front of the Pods.
type Service struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Spec           ServiceSpec `json:"spec"`
}

type ServiceSpec struct {
	Type     string            `json:"type"`
	Selector map[string]string `json:"selector"`
	Ports    []ServicePort     `json:"ports"`
}

type ServicePort struct {
	Name       string `json:"name"`
	Port       int32  `json:"port"`
	Protocol   string `json:"protocol"`
	TargetPort string `json:"targetPort"`
}

// Ingress is in front of the Service.
type Ingress struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Spec           IngressSpec `json:"spec"`
}

type IngressSpec struct {
	IngressClassName string        `json:"ingressClassName,omitempty"`
	Rules            []IngressRule `json:"rules"`
	TLS              []IngressTLS  `json:"tls,omitempty"`
}

type IngressRule struct {
	Host string      `json:"host,omitempty"`
	HTTP IngressHTTP `json:"http"`
}

type IngressHTTP struct {
	Paths []IngressPath `json:"paths"`
}

type IngressPath struct {
	Path     string         `json:"path"`
	PathType string         `json:"pathType"`
	Backend  IngressBackend `json:"backend"`
}

type IngressBackend struct {
	Service IngressService `json:"service"`
}

type IngressService struct {
	Name string    `json:"name"`
	Port NamedPort `json:"port"`
}

type NamedPort struct {
	Name string `json:"name"`
}

type IngressTLS struct {
	Hosts      []string `json:"hosts,omitempty"`
	SecretName string   `json:"secretName,omitempty"`
}

// Deployment is the web server.
type Deployment struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Spec           DeploymentSpec `json:"spec"`
}

type DeploymentSpec struct {
	Replicas             int32         `json:"replicas"`
	RevisionHistoryLimit int32         `json:"revisionHistoryLimit"`
	Selector             LabelSelector `json:"selector"`
	Template             PodTemplate   `json:"template"`
}

type LabelSelector struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

type PodTemplate struct {
	Metadata sdk.ObjectMeta `json:"metadata"`
	Spec     PodSpec        `json:"spec"`
}

type PodSpec struct {
	Containers []Container `json:"containers"`
	Volumes    []Volume    `json:"volumes"`
}

type Container struct {
	Name         string          `json:"name"`
	Image        string          `json:"image"`
	Ports        []ContainerPort `json:"ports"`
	VolumeMounts []VolumeMount   `json:"volumeMounts"`
}

type ContainerPort struct {
	Name          string `json:"name"`
	ContainerPort int32  `json:"containerPort"`
	Protocol      string `json:"protocol"`
}

type VolumeMount struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
	SubPath   string `json:"subPath"`
	ReadOnly  bool   `json:"readOnly"`
}

type Volume struct {
	Name      string          `json:"name"`
	ConfigMap ConfigMapVolume `json:"configMap"`
}

type ConfigMapVolume struct {
	Name  string      `json:"name"`
	Items []KeyToPath `json:"items"`
}

type KeyToPath struct {
	Key  string `json:"key"`
	Path string `json:"path"`
}

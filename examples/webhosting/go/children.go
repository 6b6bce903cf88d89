package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"sort"

	"polyreme.dev/sdk"
)

const (
	// manager is the value of the label managed-by.
	manager = "webhosting-operator"
	// checksumAnnotation changes with the ConfigMap's data, so that new content rolls the Deployment.
	checksumAnnotation = "checksum/configmap"
	// fakeIngressClass is that of sites without workload: no Ingress controller has it.
	fakeIngressClass = "fake"
	// servicePort is the Service's; the container listens on containerPort.
	servicePort, containerPort = 8080, 80
	portName                   = "http"
	// volumeName is that of the one volume: the ConfigMap.
	volumeName = "website"
	// revisionHistory is how many old ReplicaSets a Deployment keeps.
	revisionHistory = 2
)

// Children is what a Website becomes.
type Children struct {
	ConfigMap  ConfigMap
	Service    Service
	Ingress    Ingress
	Deployment Deployment
}

// childrenOf is pure: from the site, its theme and the settings.
func childrenOf(website *Website, theme ThemeSpec, settings Settings) Children {
	data := map[string]string{
		"index.html": indexHTML(website.Name, theme),
		"nginx.conf": nginxConf(website.Namespace, website.Name),
	}
	return Children{
		ConfigMap:  ConfigMap{ObjectMeta: metadataFor(website), Data: data},
		Service:    serviceFor(website),
		Ingress:    ingressFor(website, settings.Ingress),
		Deployment: deploymentFor(website, settings.Image, checksum(data)),
	}
}

// childName is <website>-<first 6 hex digits of sha256(uid)>: a site that is deleted and made again under the
// same name does not meet the remains of the first.
func childName(website *Website) string {
	hash := sha256.Sum256([]byte(website.UID))
	return website.Name + "-" + hex.EncodeToString(hash[:3])
}

// checksum is sha256 over names and contents; lengths keep one from running into the next.
func checksum(data map[string]string) string {
	names := make([]string, 0, len(data))
	for name := range data {
		names = append(names, name)
	}
	sort.Strings(names)
	var bytes []byte
	for _, name := range names {
		for _, text := range []string{name, data[name]} {
			bytes = binary.BigEndian.AppendUint64(bytes, uint64(len(text)))
			bytes = append(bytes, text...)
		}
	}
	hash := sha256.Sum256(bytes)
	return hex.EncodeToString(hash[:])
}

func metadataFor(website *Website) sdk.ObjectMeta {
	metadata := websites.Child(website, childName(website))
	metadata.Labels = labels(website)
	return metadata
}

func labels(website *Website) map[string]string {
	labels := selector(website)
	labels["managed-by"] = manager
	return labels
}

// selector is the labels that tell one site's Pods from another's.
func selector(website *Website) map[string]string {
	return map[string]string{"app": "website", "website": website.Name, "server": childName(website)}
}

func skipsWorkload(website *Website) bool {
	_, skips := website.Labels[skipWorkload]
	return skips
}

func serviceFor(website *Website) Service {
	port := ServicePort{Name: portName, Port: servicePort, Protocol: "TCP", TargetPort: portName}
	return Service{
		ObjectMeta: metadataFor(website),
		Spec:       ServiceSpec{Type: "ClusterIP", Selector: selector(website), Ports: []ServicePort{port}},
	}
}

func ingressFor(website *Website, settings IngressSettings) Ingress {
	hosts := settings.Hosts
	if len(hosts) == 0 {
		hosts = []string{""} // every host
	}
	spec := IngressSpec{IngressClassName: settings.ClassName, TLS: settings.TLS}
	if skipsWorkload(website) {
		spec.IngressClassName = fakeIngressClass
	}
	for _, host := range hosts {
		spec.Rules = append(spec.Rules, ingressRule(website, host))
	}
	metadata := metadataFor(website)
	metadata.Annotations = settings.Annotations
	return Ingress{ObjectMeta: metadata, Spec: spec}
}

func ingressRule(website *Website, host string) IngressRule {
	path := IngressPath{
		Path:     "/" + website.Namespace + "/" + website.Name,
		PathType: "Prefix",
		Backend:  IngressBackend{IngressService{Name: childName(website), Port: NamedPort{portName}}},
	}
	return IngressRule{Host: host, HTTP: IngressHTTP{Paths: []IngressPath{path}}}
}

func deploymentFor(website *Website, image, checksum string) Deployment {
	replicas := int32(1)
	if skipsWorkload(website) {
		replicas = 0
	}
	template := PodTemplate{
		Metadata: sdk.ObjectMeta{
			Labels: labels(website), Annotations: map[string]string{checksumAnnotation: checksum},
		},
		Spec: PodSpec{Containers: []Container{nginx(image)}, Volumes: []Volume{volume(website)}},
	}
	return Deployment{
		ObjectMeta: metadataFor(website),
		Spec: DeploymentSpec{
			Replicas: replicas, RevisionHistoryLimit: revisionHistory,
			Selector: LabelSelector{selector(website)}, Template: template,
		},
	}
}

func nginx(image string) Container {
	return Container{
		Name:  "nginx",
		Image: image,
		Ports: []ContainerPort{{Name: portName, ContainerPort: containerPort, Protocol: "TCP"}},
		VolumeMounts: []VolumeMount{
			mount("/usr/share/nginx/html/index.html", "index.html"),
			mount("/etc/nginx/nginx.conf", "nginx.conf"),
		},
	}
}

func mount(path, key string) VolumeMount {
	return VolumeMount{Name: volumeName, MountPath: path, SubPath: key, ReadOnly: true}
}

func volume(website *Website) Volume {
	items := []KeyToPath{{"index.html", "index.html"}, {"nginx.conf", "nginx.conf"}}
	return Volume{Name: volumeName, ConfigMap: ConfigMapVolume{Name: childName(website), Items: items}}
}

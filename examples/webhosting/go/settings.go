package main

// Settings is what an installation may choose, as settings.schema.json describes it.
type Settings struct {
	// Image of the web server.
	Image   string          `json:"image"`
	Ingress IngressSettings `json:"ingress"`
}

// IngressSettings is how sites are reached.
type IngressSettings struct {
	// ClassName is the Ingress class; the cluster's default when empty.
	ClassName string `json:"className"`
	// Hosts get one rule each; a rule for every host when empty.
	Hosts []string `json:"hosts"`
	// Annotations and TLS of every Ingress.
	Annotations map[string]string `json:"annotations"`
	TLS         []IngressTLS      `json:"tls"`
}

// defaultSettings has an image that is small, and whose configuration is a file.
func defaultSettings() Settings { return Settings{Image: "nginx:1.29-alpine"} }

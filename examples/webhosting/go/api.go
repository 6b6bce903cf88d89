package main

import "polyreme.dev/sdk"

const apiVersion = "webhosting.polyreme.dev/v1alpha1"

// skipWorkload: sites with this label run no Pods, and their Ingress is nobody's: for load experiments.
const skipWorkload = "webhosting.polyreme.dev/skip-workload"

var (
	themes   = sdk.NewClusterScoped[Theme](apiVersion, "Theme")
	websites = sdk.NewNamespaced[Website](apiVersion, "Website")
	rollouts = sdk.NewNamespaced[Rollout]("apps/v1", "Deployment")
)

// Theme is how websites look.
type Theme struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Spec           ThemeSpec `json:"spec"`
}

// ThemeSpec is a colour as CSS writes it, and the first choice of font.
type ThemeSpec struct {
	Color      string `json:"color"`
	FontFamily string `json:"fontFamily"`
}

// Website is a site that is to be served.
type Website struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Spec           WebsiteSpec   `json:"spec"`
	Status         WebsiteStatus `json:"status"`
}

// WebsiteSpec names the Theme; empty is allowed by the schema and refused by the controller.
type WebsiteSpec struct {
	Theme string `json:"theme"`
}

// Phase is where a site stands.
type Phase string

// The phases.
const (
	// Pending: its Deployment is not available yet.
	Pending Phase = "Pending"
	// Ready: it is served in its latest version.
	Ready Phase = "Ready"
	// Failed: the last reconcile failed.
	Failed Phase = "Error"
	// Terminating: it waits to be deleted.
	Terminating Phase = "Terminating"
)

// WebsiteStatus is what was observed of a site.
type WebsiteStatus struct {
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	Phase              Phase `json:"phase,omitempty"`
	// LastTransitionTime is when anything in this status changed last.
	LastTransitionTime *sdk.MicroTime  `json:"lastTransitionTime,omitempty"`
	Conditions         []sdk.Condition `json:"conditions,omitempty"`
}

// Rollout is a Deployment as far as its roll-out goes.
type Rollout struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Status         struct {
		ObservedGeneration int64              `json:"observedGeneration"`
		Conditions         []RolloutCondition `json:"conditions"`
	} `json:"status"`
}

// RolloutCondition is one condition of a Deployment.
type RolloutCondition struct {
	Type   string `json:"type"`
	Status string `json:"status"`
	Reason string `json:"reason"`
}

// isComplete tells whether the latest version is what runs.
func (r *Rollout) isComplete() bool {
	available, progressed := false, false
	for _, condition := range r.Status.Conditions {
		holds := condition.Status == sdk.True
		available = available || (holds && condition.Type == "Available")
		progressed = progressed ||
			(holds && condition.Type == "Progressing" && condition.Reason == "NewReplicaSetAvailable")
	}
	return available && progressed && r.Status.ObservedGeneration >= r.Generation
}

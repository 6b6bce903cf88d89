package sdk

import "time"

// Condition is one of status.conditions, as `kubectl wait --for=condition=Ready` reads them. Reason is
// CamelCase and must not be empty, or the API server refuses it.
type Condition struct {
	Type               string `json:"type"`
	Status             string `json:"status"`
	ObservedGeneration int64  `json:"observedGeneration,omitempty"`
	LastTransitionTime Time   `json:"lastTransitionTime"`
	Reason             string `json:"reason"`
	Message            string `json:"message"`
}

// The values of Condition.Status.
const (
	True    = "True"
	False   = "False"
	Unknown = "Unknown"
)

// SetCondition puts condition into all, and leaves the others alone. LastTransitionTime becomes now when
// Status changed, else it stays.
//
//	status.Conditions = sdk.SetCondition(status.Conditions, sdk.Now(ctx), sdk.Condition{
//		Type: "Ready", Status: sdk.False, Reason: "Waiting", Message: "0 of 1 replicas",
//		ObservedGeneration: site.Generation,
//	})
func SetCondition(all []Condition, now time.Time, condition Condition) []Condition {
	condition.LastTransitionTime = Time{now}
	result := append([]Condition{}, all...)
	for i, held := range result {
		if held.Type != condition.Type {
			continue
		}
		if held.Status == condition.Status {
			condition.LastTransitionTime = held.LastTransitionTime
		}
		result[i] = condition
		return result
	}
	return append(result, condition)
}

// IsTrue tells whether the condition of this type is True.
func IsTrue(all []Condition, conditionType string) bool {
	for _, condition := range all {
		if condition.Type == conditionType {
			return condition.Status == True
		}
	}
	return false
}

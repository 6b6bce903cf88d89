package main

import (
	"reflect"
	"time"

	"polyreme.dev/sdk"
)

// nextStatus is what the status says next; LastTransitionTime moves when anything else in it does.
func nextStatus(website *Website, phase Phase, message string, now time.Time) WebsiteStatus {
	ready := sdk.Condition{
		Type: "Ready", Status: sdk.False, Message: message, ObservedGeneration: website.Generation,
	}
	switch phase {
	case Ready:
		ready.Status, ready.Reason = sdk.True, "DeploymentAvailable"
	case Pending:
		ready.Reason = "DeploymentProgressing"
	case Failed:
		ready.Reason = "ReconcileFailed"
	case Terminating:
		ready.Reason = "Terminating"
	}
	old := website.Status
	next := old
	next.ObservedGeneration, next.Phase = website.Generation, phase
	next.Conditions = sdk.SetCondition(old.Conditions, now, ready)
	if next.LastTransitionTime == nil || !reflect.DeepEqual(next, old) {
		next.LastTransitionTime = &sdk.MicroTime{Time: now}
	}
	return next
}

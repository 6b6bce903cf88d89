package sdk

import (
	"context"
	"encoding/json"
	"time"

	"polyreme.dev/sdk/internal/wire"
)

// Severity of an event.
type Severity = wire.Severity

// The severities.
const (
	Normal  = wire.Normal
	Warning = wire.Warning
)

// action is the `action` of events.
const action = "Reconcile"

// Event reports on the object under reconcile, as `kubectl describe` shows it. reason is CamelCase; the
// host cuts note at 1 KiB and counts repeated events.
func Event(ctx context.Context, severity Severity, reason, note string) {
	EventOn(ctx, of(ctx).request.Object, severity, reason, note)
}

// EventOn reports on another object.
func EventOn(ctx context.Context, object ObjectRef, severity Severity, reason, note string) {
	of(ctx).host.Emit(object, severity, reason, action, note)
}

// Labels are the labels of a metric. They must have few values: there is a quota.
type Labels map[string]string

func (l Labels) pairs() []wire.Pair {
	pairs := make([]wire.Pair, 0, len(l))
	for key, value := range l {
		pairs = append(pairs, wire.Pair{Key: key, Value: value})
	}
	return pairs
}

// Count adds to the counter polyreme_module_<name>.
func Count(ctx context.Context, name string, value float64, labels Labels) {
	of(ctx).host.AddCounter(name, value, labels.pairs())
}

// Gauge sets the gauge polyreme_module_<name>.
func Gauge(ctx context.Context, name string, value float64, labels Labels) {
	of(ctx).host.SetGauge(name, value, labels.pairs())
}

// Observe adds an observation to the histogram polyreme_module_<name>.
func Observe(ctx context.Context, name string, value float64, labels Labels) {
	of(ctx).host.Observe(name, value, labels.pairs())
}

// Settings reads the `settings:` of this controller in the host's configuration into a struct that holds
// the defaults. An error names the field that does not fit, and is terminal.
//
//	settings := Settings{Image: "nginx:alpine"}
//	if err := sdk.Settings(ctx, &settings); err != nil {
//		return sdk.Result{}, err
//	}
func Settings(ctx context.Context, into any) error {
	if err := json.Unmarshal([]byte(of(ctx).host.Settings()), into); err != nil {
		return Terminal(placed("failed to read `settings` of this controller", err))
	}
	return nil
}

// Now is the host's wall clock, and so is time.Now in a module; this one a test can set.
func Now(ctx context.Context) time.Time {
	return time.Unix(0, int64(of(ctx).host.Now())).UTC()
}

// Monotonic is the time since an arbitrary start, never going back: for measuring durations.
func Monotonic(ctx context.Context) time.Duration {
	return time.Duration(of(ctx).host.Monotonic())
}

// RandomBytes are from the host's seeded generator: for jitter and identifiers, not for keys, since they
// are recorded.
func RandomBytes(ctx context.Context, count int) []byte {
	return of(ctx).host.RandomBytes(uint32(count))
}

// RandomNumber is uniformly distributed.
func RandomNumber(ctx context.Context) uint64 { return of(ctx).host.RandomNumber() }

package sdk

import (
	"context"
	"time"

	"polyreme.dev/sdk/internal/wire"
)

// Controller makes one object at a time right.
//
// The host calls Reconcile whenever the primary object, one of its children or a watched object changed,
// never twice at once for the same object. Look at what is, not at what happened; do what is missing;
// return.
type Controller[T any] struct {
	// Manifest is name, kinds and permissions.
	Manifest Manifest
	// Primary is the kind whose objects are reconciled.
	Primary Resource[T]
	// Reconcile brings the world in line with object, as cached when the reconcile began. Any error is
	// tried again with backoff, unless [IsTerminal].
	Reconcile func(ctx context.Context, object *T) (Result, error)
	// Deleted, which may be nil, is called when the object is gone and no finalizer held it. Its children
	// are garbage collected by the cluster; this is for what owner references cannot reach.
	Deleted func(ctx context.Context, object ObjectRef) (Result, error)
}

// Result is what to do after a reconcile that succeeded.
type Result struct {
	// RequeueAfter is when to come back at the latest; 0 is when something changes.
	RequeueAfter time.Duration
}

var registered wire.Runner

// Register makes a controller the one of this module. Call it in the init of the main package, once.
func Register[T any](controller Controller[T]) {
	if registered != nil {
		panic("polyreme.dev/sdk: a module is one controller, and Register was called a second time")
	}
	registered = controller
}

// Describe is what the host is told; for the host and for package sdktest.
func (c Controller[T]) Describe() wire.Manifest { return c.Manifest.describe(c.Primary.kind) }

// Run answers one request; for the host and for package sdktest.
func (c Controller[T]) Run(host wire.Host, request wire.Request) wire.Outcome {
	ctx := &reconciling{host: host, request: request, wrote: &wrote{}}
	result, err := c.run(ctx, request)
	if err != nil {
		return wire.Outcome{Failed: true, Failure: err.Error(), Terminal: IsTerminal(err)}
	}
	if result.RequeueAfter <= 0 {
		return wire.Outcome{}
	}
	// Rounded up: an hour and a nanosecond is not over after an hour.
	millis := (result.RequeueAfter-1)/time.Millisecond + 1
	return wire.Outcome{HasRequeue: true, RequeueMS: uint64(millis)}
}

func (c Controller[T]) run(ctx *reconciling, request wire.Request) (Result, error) {
	if request.Current == "" {
		if c.Deleted == nil {
			return Result{}, nil
		}
		return c.Deleted(ctx, request.Object)
	}
	object, err := decode[T](request.Current, request.Object)
	if err != nil {
		return Result{}, err
	}
	return c.Reconcile(ctx, object)
}

// decode reads an object; what does not fit its type is terminal, and named with its place.
func decode[T any](text string, object ObjectRef) (*T, error) {
	value := new(T)
	if err := readJSON([]byte(text), value); err != nil {
		return nil, Terminal(placed("failed to decode "+object.String(), err))
	}
	return value, nil
}

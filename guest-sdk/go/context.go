package sdk

import (
	"context"
	"time"

	"polyreme.dev/sdk/internal/wire"
)

// ObjectRef names one object.
type ObjectRef = wire.ObjectRef

// Request is what the host asks for: one object to make right.
type Request struct {
	// Object is the object under reconcile.
	Object ObjectRef
	// Current is its JSON as cached when the reconcile began; nil when it is gone.
	Current []byte
	// ID is in the host's logs, events and traces.
	ID string
	// Attempt is 0 for the first try since the last success.
	Attempt int
	// IdempotencyKey is the same for every try at the same generation of the object, whichever host makes
	// it: send it with side effects outside the cluster that are to happen once for each change. What is to be
	// made once for each object carries its UID instead.
	IdempotencyKey string
	// Epoch grows whenever the object changes hands between hosts: an outside system that refuses a lower
	// one than it has seen is safe from late requests.
	Epoch uint64
}

// reconciling is the context of one reconcile. It is a type of its own rather than a value in one of
// package context's, because TinyGo without a scheduler has few of those.
type reconciling struct {
	host    wire.Host
	request wire.Request
	source  wire.Source
	wrote   *wrote
}

// wrote is what a reconcile has to remember of its writes.
type wrote struct {
	// status is what PatchStatus last made of the status of the object under reconcile; nil before.
	status any
}

type key struct{}

func (*reconciling) Deadline() (time.Time, bool) { return time.Time{}, false }
func (*reconciling) Done() <-chan struct{}       { return nil }
func (*reconciling) Err() error                  { return nil }
func (r *reconciling) Value(asked any) any {
	if asked == (key{}) {
		return r
	}
	return nil
}

// of is the reconcile that ctx belongs to. A context from elsewhere is a mistake in the program, found by
// the first test, so it panics.
func of(ctx context.Context) *reconciling {
	if r, ok := ctx.Value(key{}).(*reconciling); ok {
		return r
	}
	panic("polyreme.dev/sdk: this context is not the one that Reconcile was given, nor made from it")
}

// RequestOf is the request that ctx belongs to.
func RequestOf(ctx context.Context) Request {
	asked := of(ctx).request
	request := Request{
		Object: asked.Object, ID: asked.ID, Attempt: int(asked.Attempt),
		IdempotencyKey: asked.IdempotencyKey, Epoch: asked.Epoch,
	}
	if asked.Current != "" {
		request.Current = []byte(asked.Current)
	}
	return request
}

// live is a context whose reads go to the API server.
type live struct {
	context.Context
	reconciling *reconciling
}

func (l live) Value(asked any) any {
	if asked == (key{}) {
		return l.reconciling
	}
	return l.Context.Value(asked)
}

// Live is ctx with reads from the API server instead of the host's cache: one request each.
//
//	secret, err := Secrets.Get(sdk.Live(ctx), "token")
func Live(ctx context.Context) context.Context {
	copied := *of(ctx)
	copied.source = wire.Live
	return live{ctx, &copied}
}

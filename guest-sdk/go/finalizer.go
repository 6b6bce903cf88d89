package sdk

import (
	"context"
	"errors"
)

// Phase is what a reconcile has to do for an object that needs clean-up.
type Phase int

// The phases.
const (
	// Wanted: the finalizer is in place; bring about what the object asks for.
	Wanted Phase = iota
	// Cleanup: the object waits to be deleted. Undo; when that succeeded, call Finalized.
	Cleanup
	// Leaving: the object waits for somebody else's finalizer; nothing to do.
	Leaving
)

// Finalizer tells where object stands with a finalizer, which is put in place first when the object is
// wanted and does not have it: nothing outside exists before the finalizer does. Children with owner
// references need none of this, the cluster collects them; a finalizer is for what lives elsewhere.
//
//	switch phase, err := Zones.Finalizer(ctx, zone, "dns.example.com/record"); {
//	case err != nil:
//		return sdk.Result{}, err // a conflict when somebody changed the object meanwhile: tried again
//	case phase == sdk.Cleanup:
//		// remove the record, then:
//		return sdk.Result{}, Zones.Finalized(ctx, zone, "dns.example.com/record")
//	case phase == sdk.Wanted:
//		// make the record
//	}
func (r Resource[T]) Finalizer(ctx context.Context, object *T, finalizer string) (Phase, error) {
	metadata, err := metadataOf(object)
	if err != nil {
		return Leaving, encodeError(r.Ref("", ""), err)
	}
	held := metadata.HasFinalizer(finalizer)
	switch {
	case metadata.IsDeleting() && held:
		return Cleanup, nil
	case metadata.IsDeleting():
		return Leaving, nil
	case held:
		return Wanted, nil
	}
	with := append(append([]string{}, metadata.Finalizers...), finalizer)
	return Wanted, r.setFinalizers(ctx, object, metadata, with)
}

// Finalized takes the finalizer off: clean-up is done, the object may go. One that is gone already is no
// error.
func (r Resource[T]) Finalized(ctx context.Context, object *T, finalizer string) error {
	metadata, err := metadataOf(object)
	if err != nil {
		return encodeError(r.Ref("", ""), err)
	}
	without := []string{}
	for _, held := range metadata.Finalizers {
		if held != finalizer {
			without = append(without, held)
		}
	}
	if err := r.setFinalizers(ctx, object, metadata, without); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// setFinalizers names the version it was made from, because a merge patch replaces the whole list.
func (r Resource[T]) setFinalizers(ctx context.Context, object *T, metadata *ObjectMeta, all []string) error {
	change := map[string]any{"resourceVersion": metadata.ResourceVersion, "finalizers": all}
	_, err := r.Patch(ctx, object, MergePatch(map[string]any{"metadata": change}))
	return err
}

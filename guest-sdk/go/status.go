package sdk

import (
	"bytes"
	"context"
	"encoding/json"
)

// PatchStatus writes status where it differs from the status that object was read with, and tells whether
// anything did. Fields that status no longer has are removed; fields its type does not know stay.
//
// What status encodes to is what is to be there: a false is written where there was nothing, unless its type
// leaves it out by omitempty. That there was nothing is known of the object under reconcile as Reconcile was
// given it, or as PatchStatus last left it; of other objects, and when it was read anew, such a zero counts as there.
func (r Resource[T]) PatchStatus(ctx context.Context, object *T, status any) (bool, error) {
	metadata, err := metadataOf(object)
	if err != nil {
		return false, encodeError(r.Ref("", ""), err)
	}
	wanted, err := tree(status)
	if err != nil {
		return false, encodeError(r.Ref(metadata.Namespace, metadata.Name), err)
	}
	reconcile := of(ctx)
	held, err := r.heldStatus(reconcile, object, metadata)
	if err != nil {
		return false, err
	}
	patch, differs := difference(held, wanted)
	if !differs {
		return false, nil
	}
	if _, err = r.Patch(ctx, object, MergePatch(map[string]any{"status": patch}), Subresource("status")); err != nil {
		return false, err
	}
	if r.Ref(metadata.Namespace, metadata.Name) == reconcile.request.Object {
		reconcile.wrote.status = wanted
	}
	return true, nil
}

// heldStatus is the status of an object as far as T knows it. Of the object under reconcile it is what PatchStatus
// wrote or else the request has, whatever was made of the object since.
func (r Resource[T]) heldStatus(reconcile *reconciling, object *T, metadata *ObjectMeta) (any, error) {
	ref, request := r.Ref(metadata.Namespace, metadata.Name), reconcile.request
	if ref != request.Object || request.Current == "" {
		return r.statusOf(object)
	}
	var read struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Status any `json:"status"`
	}
	if err := unmarshal([]byte(request.Current), &read); err != nil {
		return nil, encodeError(ref, err)
	}
	if read.Metadata.ResourceVersion != metadata.ResourceVersion {
		return r.statusOf(object)
	}
	if reconcile.wrote.status != nil {
		return reconcile.wrote.status, nil
	}
	again, err := decode[T](request.Current, ref)
	if err != nil {
		return nil, err
	}
	known, err := r.statusOf(again)
	return present(known, read.Status), err
}

// statusOf is what the status of an object encodes to.
func (r Resource[T]) statusOf(object *T) (any, error) {
	whole := r.Of(object)
	if whole.err != nil {
		return nil, whole.err
	}
	var current struct {
		Status any `json:"status"`
	}
	if err := unmarshal(whole.JSON, &current); err != nil {
		return nil, encodeError(whole.Ref, err)
	}
	return current.Status, nil
}

// tree is a value as JSON's own types, with numbers as they are written.
func tree(value any) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var result any
	return result, unmarshal(text, &result)
}

// unmarshal keeps numbers as they are written: a float64 would lose those beyond 2^53.
func unmarshal(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(into)
}

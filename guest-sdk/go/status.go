package sdk

import (
	"bytes"
	"context"
	"encoding/json"

	"polyreme.dev/sdk/internal/wire"
)

// PatchStatus writes status where it differs from the status that object was read with, and tells whether
// anything did. Fields that status no longer has are removed; fields its type does not know stay.
//
// What status encodes to is what is to be there: a false is written where there was nothing, unless its type
// leaves it out by omitempty. That there was nothing is known of the object under reconcile as Reconcile was
// given it; of other objects, and when it was read anew, such a zero counts as there.
func (r Resource[T]) PatchStatus(ctx context.Context, object *T, status any) (bool, error) {
	whole := r.Of(object)
	if whole.err != nil {
		return false, whole.err
	}
	wanted, err := tree(status)
	if err != nil {
		return false, encodeError(whole.Ref, err)
	}
	held, err := r.heldStatus(of(ctx).request, whole)
	if err != nil {
		return false, err
	}
	patch, differs := difference(held, wanted)
	if !differs {
		return false, nil
	}
	_, err = r.Patch(ctx, object, MergePatch(map[string]any{"status": patch}), Subresource("status"))
	return err == nil, err
}

// versioned is what of an object tells its status and whether it is the one that was read.
type versioned struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Status any `json:"status"`
}

// heldStatus is the status of an object as far as T knows it. Of the object under reconcile it is what the
// request has, whatever was made of the object since.
func (r Resource[T]) heldStatus(request wire.Request, whole Object) (any, error) {
	var given, read versioned
	if err := unmarshal(whole.JSON, &given); err != nil {
		return nil, encodeError(whole.Ref, err)
	}
	if whole.Ref != request.Object || request.Current == "" {
		return given.Status, nil
	}
	again, err := decode[T](request.Current, whole.Ref)
	if err == nil {
		err = unmarshal([]byte(request.Current), &read)
	}
	if err != nil || read.Metadata != given.Metadata {
		return given.Status, err
	}
	var known versioned
	if err := unmarshal(r.Of(again).JSON, &known); err != nil {
		return nil, encodeError(whole.Ref, err)
	}
	return present(known.Status, read.Status), nil
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

package sdk

import (
	"context"
	"encoding/json"
	"errors"

	"polyreme.dev/sdk/internal/wire"
)

// Written is the object after a write.
type Written = wire.Written

// WriteOption is how to write.
type WriteOption func(*wire.WriteOptions)

// Subresource writes "status" or "scale" instead of the object itself.
func Subresource(name string) WriteOption {
	return func(options *wire.WriteOptions) { options.Subresource = name }
}

// FieldManager writes as another manager than the controller's name. It must begin with that name, as the
// host's configuration has it, and a slash.
func FieldManager(name string) WriteOption {
	return func(options *wire.WriteOptions) { options.FieldManager = name }
}

// NoForce makes an Apply fail with [ErrConflict] where another manager owns a field.
func NoForce() WriteOption { return func(options *wire.WriteOptions) { options.Force = false } }

// DryRun has the server check everything and store nothing.
func DryRun() WriteOption { return func(options *wire.WriteOptions) { options.DryRun = true } }

// WantObject fills in [Written].Object; leaving it out is cheaper.
func WantObject() WriteOption { return func(options *wire.WriteOptions) { options.WantObject = true } }

func options(force bool, chosen []WriteOption) wire.WriteOptions {
	options := wire.WriteOptions{Force: force}
	for _, choose := range chosen {
		choose(&options)
	}
	return options
}

// Create makes a new object. It needs a name; [ErrAlreadyExists] when that is taken, so prefer Apply.
func (r Resource[T]) Create(ctx context.Context, object *T, chosen ...WriteOption) (Written, error) {
	return write("create", of(ctx).host.Create, r.Of(object), options(false, chosen))
}

// Update replaces an object that was read before, with every field that T has; [ErrConflict] when it has
// changed since. Types that know only some fields of a kind lose the others: use Patch or Apply.
func (r Resource[T]) Update(ctx context.Context, object *T, chosen ...WriteOption) (Written, error) {
	return write("update", of(ctx).host.Update, r.Of(object), options(false, chosen))
}

// Apply is server-side apply: name every field this controller cares about and no other. What was applied
// before and is not named now is removed. Takes fields over from other managers unless [NoForce]. When
// nothing changed, no request is sent.
//
// Build the object afresh: one that was read carries fields of others.
func (r Resource[T]) Apply(ctx context.Context, object *T, chosen ...WriteOption) (Written, error) {
	return write("apply", of(ctx).host.Apply, r.Of(object), options(true, chosen))
}

func write(
	verb string, send func(string, wire.WriteOptions) (Written, *wire.Error), object Object,
	options wire.WriteOptions,
) (Written, error) {
	if object.err != nil {
		return Written{}, object.err
	}
	written, refused := send(string(object.JSON), options)
	return written, requestError(verb, object.Ref.String(), refused)
}

// ApplyAll applies several objects at once, in no particular order. All are tried; the errors of those that
// failed are joined, and their [Written] is zero.
//
//	_, err := sdk.ApplyAll(ctx, ConfigMaps.Of(page), Services.Of(service))
func ApplyAll(ctx context.Context, objects ...Object) ([]Written, error) {
	texts := make([]string, len(objects))
	for i, object := range objects {
		if object.err != nil {
			return nil, object.err
		}
		texts[i] = string(object.JSON)
	}
	written, refused := of(ctx).host.ApplyAll(texts, options(true, nil))
	var failures []error
	for i, cause := range refused {
		if cause != nil {
			failures = append(failures, requestError("apply", objects[i].Ref.String(), cause))
		}
	}
	return written, errors.Join(failures...)
}

// Patch is what to change of an object; see [MergePatch], [JSONPatch] and [StrategicPatch].
type Patch struct {
	form wire.PatchType
	body any
}

// MergePatch changes the fields it names; null removes (RFC 7396). With metadata.resourceVersion in it, it
// is an [ErrConflict] when the object has changed since.
func MergePatch(body any) Patch { return Patch{wire.Merge, body} }

// JSONPatch is a list of operations (RFC 6902).
func JSONPatch(operations any) Patch { return Patch{wire.JSONPatch, operations} }

// StrategicPatch knows the lists of built-in kinds; it does not exist for custom resources.
func StrategicPatch(body any) Patch { return Patch{wire.Strategic, body} }

// Patch changes some fields of an object that exists.
func (r Resource[T]) Patch(ctx context.Context, object *T, patch Patch, chosen ...WriteOption) (Written, error) {
	metadata, err := metadataOf(object)
	if err != nil {
		return Written{}, encodeError(r.Ref("", ""), err)
	}
	ref := r.Ref(metadata.Namespace, metadata.Name)
	text, err := json.Marshal(patch.body)
	if err != nil {
		return Written{}, encodeError(ref, err)
	}
	written, refused := of(ctx).host.Patch(ref, patch.form, string(text), options(false, chosen))
	return written, requestError("patch", ref.String(), refused)
}

// DeleteOption is what to delete and what becomes of the children.
type DeleteOption func(*wire.DeleteOptions)

// Foreground deletes the children first.
func Foreground() DeleteOption {
	return func(options *wire.DeleteOptions) { options.Propagation = wire.Foreground }
}

// Orphan leaves the children alone.
func Orphan() DeleteOption {
	return func(options *wire.DeleteOptions) { options.Propagation = wire.Orphan }
}

// OnlyVersion deletes only this version; [ErrConflict] when the object has another.
func OnlyVersion(resourceVersion string) DeleteOption {
	return func(options *wire.DeleteOptions) { options.ResourceVersion = resourceVersion }
}

// Delete deletes exactly this incarnation of an object, its children in the background. It is false when
// the object was gone already.
func (r Resource[T]) Delete(ctx context.Context, object *T, chosen ...DeleteOption) (bool, error) {
	metadata, err := metadataOf(object)
	if err != nil {
		return false, encodeError(r.Ref("", ""), err)
	}
	return remove(ctx, r.Ref(metadata.Namespace, metadata.Name), metadata.UID, chosen)
}

// DeleteNamed deletes whatever object has this name, in the namespace of the object under reconcile. It is
// false when there is none.
func (r Resource[T]) DeleteNamed(ctx context.Context, name string, chosen ...DeleteOption) (bool, error) {
	return remove(ctx, r.Ref(of(ctx).request.Object.Namespace, name), "", chosen)
}

func remove(ctx context.Context, ref ObjectRef, uid string, chosen []DeleteOption) (bool, error) {
	options := wire.DeleteOptions{UID: uid}
	for _, choose := range chosen {
		choose(&options)
	}
	err := requestError("delete", ref.String(), of(ctx).host.Delete(ref, options))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

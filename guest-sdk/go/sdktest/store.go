package sdktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"polyreme.dev/sdk"
	"polyreme.dev/sdk/internal/wire"
)

type object = map[string]any

// store is the objects, and what each manager applied last.
type store struct {
	objects map[wire.ObjectRef]object
	applied map[appliedKey]object
	version int
}

type appliedKey struct {
	ref                  wire.ObjectRef
	manager, subresource string
}

func newStore() store {
	return store{objects: map[wire.ObjectRef]object{}, applied: map[appliedKey]object{}}
}

func refusal(reason sdk.Reason, format string, arguments ...any) *wire.Error {
	return &wire.Error{Reason: uint8(reason), Message: fmt.Sprintf(format, arguments...)}
}

// parse reads what a controller sent; an object needs apiVersion, kind and a name.
func parse(sent string) (wire.ObjectRef, object, *wire.Error) {
	value, err := decode(sent)
	if err != nil {
		return wire.ObjectRef{}, nil, refusal(sdk.ErrBadRequest, "%v", err)
	}
	ref := wire.ObjectRef{
		Kind:      wire.Kind{APIVersion: text(value, "apiVersion"), Kind: text(value, "kind")},
		Namespace: text(value, "metadata", "namespace"), Name: text(value, "metadata", "name"),
	}
	if ref.APIVersion == "" || ref.Kind.Kind == "" {
		return ref, nil, refusal(sdk.ErrBadRequest, "an object needs apiVersion and kind")
	}
	if ref.Name == "" {
		return ref, nil, nameless(ref.Kind)
	}
	return ref, value, nil
}

// nameless is how the host refuses what names no object, in its words.
func nameless(kind wire.Kind) *wire.Error {
	return refusal(sdk.ErrBadRequest, "%s has no metadata.name: names must be set by the module, "+
		"a generated one could not be retried safely", kind.Kind)
}

// decode keeps numbers as they are written.
func decode(sent string) (object, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(sent)))
	decoder.UseNumber()
	var value object
	return value, decoder.Decode(&value)
}

func encode(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic("sdktest: " + err.Error()) // what came from JSON can become JSON
	}
	return string(encoded)
}

func copied(value object) object {
	again, err := decode(encode(value))
	if err != nil {
		panic("sdktest: " + err.Error())
	}
	return again
}

func at(value any, path ...string) any {
	for _, name := range path {
		fields, ok := value.(object)
		if !ok {
			return nil
		}
		value = fields[name]
	}
	return value
}

func text(value any, path ...string) string {
	found, _ := at(value, path...).(string)
	return found
}

func metadata(value object) object {
	fields, ok := value["metadata"].(object)
	if !ok {
		fields = object{}
		value["metadata"] = fields
	}
	return fields
}

func (s *store) refs(kind wire.Kind) []wire.ObjectRef {
	var refs []wire.ObjectRef
	for ref := range s.objects {
		if ref.Kind == kind {
			refs = append(refs, ref)
		}
	}
	sortRefs(refs)
	return refs
}

// seed puts an object in, with what the API server would add.
func (s *store) seed(ref wire.ObjectRef, value object, now time.Time) {
	fields := metadata(value)
	defaults := object{
		"uid":               fmt.Sprintf("00000000-0000-0000-0000-%012x", s.version+1),
		"generation":        json.Number("1"),
		"creationTimestamp": now.Format(time.RFC3339),
	}
	for name, preset := range defaults {
		if fields[name] == nil || fields[name] == "" {
			fields[name] = preset
		}
	}
	s.keep(ref, value)
}

func (s *store) keep(ref wire.ObjectRef, value object) {
	s.version++
	metadata(value)["resourceVersion"] = fmt.Sprint(s.version)
	s.objects[ref] = value
}

func (s *store) held(ref wire.ObjectRef) (object, *wire.Error) {
	if value := s.objects[ref]; value != nil {
		return value, nil
	}
	return nil, refusal(sdk.ErrNotFound, "%s not found", ref)
}

func written(changed bool, value object, options wire.WriteOptions) wire.Written {
	generation, _ := at(value, "metadata", "generation").(json.Number)
	number, _ := generation.Int64()
	result := wire.Written{
		Changed: changed, UID: text(value, "metadata", "uid"),
		ResourceVersion: text(value, "metadata", "resourceVersion"), Generation: number,
	}
	if options.WantObject {
		result.Object = encode(value)
	}
	return result
}

func (s *store) create(ref wire.ObjectRef, value object, options wire.WriteOptions, now time.Time) (wire.Written, *wire.Error) {
	if s.objects[ref] != nil {
		return wire.Written{}, refusal(sdk.ErrAlreadyExists, "%s already exists", ref)
	}
	delete(value, "status")
	if options.DryRun {
		return written(true, value, options), nil
	}
	s.seed(ref, value, now)
	return written(true, value, options), nil
}

func (s *store) update(ref wire.ObjectRef, value object, options wire.WriteOptions) (wire.Written, *wire.Error) {
	held, refused := s.held(ref)
	if refused != nil {
		return wire.Written{}, refused
	}
	version := text(value, "metadata", "resourceVersion")
	if version == "" {
		return wire.Written{}, refusal(sdk.ErrBadRequest, "an update needs metadata.resourceVersion")
	}
	if version != text(held, "metadata", "resourceVersion") {
		return wire.Written{}, refusal(sdk.ErrConflict, "%s has been changed", ref)
	}
	return s.replace(ref, held, value, options), nil
}

func (s *store) patch(ref wire.ObjectRef, patch object, options wire.WriteOptions) (wire.Written, *wire.Error) {
	held, refused := s.held(ref)
	if refused != nil {
		return wire.Written{}, refused
	}
	asked := text(patch, "metadata", "resourceVersion")
	if asked != "" && asked != text(held, "metadata", "resourceVersion") {
		return wire.Written{}, refusal(sdk.ErrConflict, "%s has been changed", ref)
	}
	next := copied(held)
	merge(next, patch)
	return s.replace(ref, held, next, options), nil
}

func (s *store) apply(ref wire.ObjectRef, value object, manager string, options wire.WriteOptions, now time.Time) (wire.Written, *wire.Error) {
	key := appliedKey{ref, manager, options.Subresource}
	held := s.objects[ref]
	if held == nil {
		if options.Subresource != "" {
			return wire.Written{}, refusal(sdk.ErrNotFound, "%s not found", ref)
		}
		if !options.DryRun {
			s.applied[key] = copied(value)
		}
		return s.create(ref, value, options, now)
	}
	next := copied(held)
	prune(next, s.applied[key], value)
	merge(next, value)
	if !options.DryRun {
		s.applied[key] = copied(value)
	}
	return s.replace(ref, held, next, options), nil
}

// replace keeps what a write may not change: status and metadata belong to different requests.
func (s *store) replace(ref wire.ObjectRef, held, next object, options wire.WriteOptions) wire.Written {
	if options.Subresource == "status" {
		only := copied(held)
		only["status"] = next["status"]
		next = only
	} else if held["status"] != nil {
		next["status"] = held["status"]
	} else {
		delete(next, "status")
	}
	fields := metadata(next)
	for _, fixed := range []string{"uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp"} {
		if value := at(held, "metadata", fixed); value != nil {
			fields[fixed] = value
		} else {
			delete(fields, fixed)
		}
	}
	if reflect.DeepEqual(held, next) || options.DryRun {
		return written(!reflect.DeepEqual(held, next), next, options)
	}
	raiseGeneration(held, next)
	s.keep(ref, next)
	s.dropIfReleased(ref)
	return written(true, next, options)
}

func (s *store) edit(ref wire.ObjectRef, patch any) {
	changes, ok := patch.(object)
	if !ok {
		return
	}
	held := s.objects[ref]
	next := copied(held)
	merge(next, changes)
	raiseGeneration(held, next)
	s.keep(ref, next)
	s.dropIfReleased(ref)
}

func raiseGeneration(held, next object) {
	desired := func(value object) object {
		rest := copied(value)
		delete(rest, "metadata")
		delete(rest, "status")
		return rest
	}
	if reflect.DeepEqual(desired(held), desired(next)) {
		return
	}
	generation, _ := at(held, "metadata", "generation").(json.Number)
	number, _ := generation.Int64()
	metadata(next)["generation"] = json.Number(fmt.Sprint(number + 1))
}

func (s *store) remove(ref wire.ObjectRef, options wire.DeleteOptions, now time.Time) *wire.Error {
	held, refused := s.held(ref)
	if refused != nil {
		return refused
	}
	if options.UID != "" && options.UID != text(held, "metadata", "uid") {
		return refusal(sdk.ErrConflict, "%s is another object of this name", ref)
	}
	if options.ResourceVersion != "" && options.ResourceVersion != text(held, "metadata", "resourceVersion") {
		return refusal(sdk.ErrConflict, "%s has been changed", ref)
	}
	if at(held, "metadata", "deletionTimestamp") == nil {
		next := copied(held)
		metadata(next)["deletionTimestamp"] = now.Format(time.RFC3339)
		s.keep(ref, next)
	}
	s.dropIfReleased(ref)
	return nil
}

// dropIfReleased removes an object that waited to be deleted and has no finalizer left, and its children.
func (s *store) dropIfReleased(ref wire.ObjectRef) {
	held := s.objects[ref]
	finalizers, _ := at(held, "metadata", "finalizers").([]any)
	if at(held, "metadata", "deletionTimestamp") == nil || len(finalizers) > 0 {
		return
	}
	delete(s.objects, ref)
	uid := text(held, "metadata", "uid")
	for child, value := range s.objects {
		if slices.Contains(ownerUIDs(value, false), uid) {
			_ = s.remove(child, wire.DeleteOptions{}, time.Unix(0, 0).UTC())
		}
	}
}

// ownerUIDs are the uids of an object's owners, or of its controller only.
func ownerUIDs(value object, onlyController bool) []string {
	owners, _ := at(value, "metadata", "ownerReferences").([]any)
	var uids []string
	for _, owner := range owners {
		if !onlyController || at(owner, "controller") == true {
			uids = append(uids, text(owner, "uid"))
		}
	}
	return uids
}

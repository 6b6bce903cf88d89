//go:build wasip1

package sdk

// The canonical ABI's layouts. Sizes and offsets are those of the component model for the records of
// wit/controller.wit: strings and lists are an address and a length, an option is a byte and its value, a
// result is a byte and the larger of its values.

import (
	"runtime"
	"unsafe"

	"polyreme.dev/sdk/internal/wire"
)

// text is a string, or a list, in linear memory.
type text struct{ address, length uint32 }

// optional is an option of a string or list.
type optional struct {
	some  uint32 // one byte counts
	value text
}

type abiKind struct{ apiVersion, kind text }

type abiRef struct {
	kind      abiKind
	namespace optional
	name      text
}

type abiOptions struct {
	subresource, fieldManager optional
	force, dryRun, wantObject bool
	_                         bool
}

type abiError struct {
	reason     uint8
	_          [3]byte
	message    text
	_          [4]byte
	hasRetry   uint8
	_          [7]byte
	retryAfter uint64
	causes     text
}

type abiWritten struct {
	changed         bool
	_               [3]byte
	uid             text
	resourceVersion text
	_               [4]byte
	generation      int64
	object          optional
	_               [4]byte
}

// abiHTTPResult is a response, or a reason and a message in its place.
type abiHTTPResult struct {
	failed uint8
	_      [3]byte
	status uint16 // of an error, one byte is the reason
	_      [2]byte
	first  text // headers, or the error's message
	body   text
}

type abiPage struct {
	items text
	next  optional
}

type abiRequest struct {
	object         abiRef
	current        optional
	id             text
	attempt        uint32
	idempotencyKey text
	_              [4]byte
	epoch          uint64
}

type abiWatch struct {
	kind     abiKind
	mapping  uint32 // one byte counts
	path     text
	selector text
}

type abiPermission struct{ apiVersion, kinds, verbs text }

type abiManifest struct {
	name, version  text
	primary        abiKind
	labelSelector  text
	owns, watches  text
	indexes        text
	permissions    text
	settingsSchema optional
}

type abiOutcome struct {
	failed uint8
	_      [7]byte
	which  uint8
	_      [7]byte
	value  uint64 // milliseconds, or a text
}

// ---- memory that the host fills ---------------------------------------------------------------------------

// given are buffers that the host asked for, reachable until they are taken.
var given = map[uint32][]byte{}

// nothing is the address of what has no size.
var nothing uint64

// cabiRealloc need not heed align: what Go allocates is aligned for the largest number that fits its size.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, newSize uint32) unsafe.Pointer {
	if newSize == 0 {
		return unsafe.Pointer(&nothing)
	}
	buffer := make([]byte, newSize)
	if oldSize > 0 {
		copy(buffer, given[uint32(uintptr(old))])
		delete(given, uint32(uintptr(old)))
	}
	address := unsafe.Pointer(unsafe.SliceData(buffer))
	given[uint32(uintptr(address))] = buffer
	return address
}

// take is a string of the host's, without a copy.
func take(t text) string {
	if t.length == 0 {
		return ""
	}
	buffer := given[t.address]
	delete(given, t.address)
	return unsafe.String(unsafe.SliceData(buffer), int(t.length))
}

func takeOptional(o optional) string {
	if o.some&0xff == 0 {
		return ""
	}
	return take(o.value)
}

// takeList is a list's elements, whose buffer may go.
func takeList[E any](t text) []E {
	if t.length == 0 {
		return nil
	}
	buffer := given[t.address]
	delete(given, t.address)
	return unsafe.Slice((*E)(unsafe.Pointer(unsafe.SliceData(buffer))), int(t.length))
}

func takeTexts(t text) []string {
	elements := takeList[text](t)
	if elements == nil {
		return nil
	}
	texts := make([]string, len(elements))
	for i, element := range elements {
		texts[i] = take(element)
	}
	return texts
}

func (e *abiError) lift() *wire.Error {
	return &wire.Error{
		Reason: e.reason, Message: take(e.message), HasRetry: e.hasRetry != 0, RetryAfterMS: e.retryAfter,
		Causes: takeTexts(e.causes),
	}
}

func (w *abiWritten) lift() wire.Written {
	return wire.Written{
		Changed: w.changed, UID: take(w.uid), ResourceVersion: take(w.resourceVersion),
		Generation: w.generation, Object: takeOptional(w.object),
	}
}

func (r *abiHTTPResult) lift() (wire.HTTPResponse, *wire.HTTPError) {
	if r.failed != 0 {
		return wire.HTTPResponse{}, &wire.HTTPError{Reason: uint8(r.status), Message: take(r.first)}
	}
	elements := takeList[[2]text](r.first)
	headers := make([]wire.Pair, len(elements))
	for i, element := range elements {
		headers[i] = wire.Pair{Key: take(element[0]), Value: take(element[1])}
	}
	return wire.HTTPResponse{Status: r.status, Headers: headers, Body: takeList[byte](r.body)}, nil
}

func (r *abiRef) lift() wire.ObjectRef {
	return wire.ObjectRef{
		Kind:      wire.Kind{APIVersion: take(r.kind.apiVersion), Kind: take(r.kind.kind)},
		Namespace: takeOptional(r.namespace), Name: take(r.name),
	}
}

func liftRequest(at unsafe.Pointer) wire.Request {
	request := (*abiRequest)(at)
	lifted := wire.Request{
		Object: request.object.lift(), Current: takeOptional(request.current), ID: take(request.id),
		Attempt: request.attempt, IdempotencyKey: take(request.idempotencyKey), Epoch: request.epoch,
	}
	delete(given, uint32(uintptr(at)))
	return lifted
}

// ---- memory that the host reads ---------------------------------------------------------------------------

// lowered keeps alive, and on the heap where nothing moves, what the host is about to read: addresses in
// records are numbers to Go.
type lowered struct {
	texts   []string
	records []any
}

func (l *lowered) forget() { *l = lowered{} }

func (l *lowered) text(s string) text {
	if s == "" {
		return text{}
	}
	l.texts = append(l.texts, s)
	return text{uint32(uintptr(unsafe.Pointer(unsafe.StringData(s)))), uint32(len(s))}
}

func (l *lowered) optional(s string) optional {
	if s == "" {
		return optional{}
	}
	return optional{1, l.text(s)}
}

func list[E any](l *lowered, elements []E) text {
	if len(elements) == 0 {
		return text{}
	}
	l.records = append(l.records, elements)
	return text{uint32(uintptr(unsafe.Pointer(unsafe.SliceData(elements)))), uint32(len(elements))}
}

func (l *lowered) listOf(texts []string) text {
	elements := make([]text, len(texts))
	for i, one := range texts {
		elements[i] = l.text(one)
	}
	return list(l, elements)
}

func (l *lowered) pairs(pairs []wire.Pair) text {
	elements := make([][2]text, len(pairs))
	for i, pair := range pairs {
		elements[i] = [2]text{l.text(pair.Key), l.text(pair.Value)}
	}
	return list(l, elements)
}

func (l *lowered) kind(kind wire.Kind) abiKind {
	return abiKind{l.text(kind.APIVersion), l.text(kind.Kind)}
}

func (l *lowered) ref(ref wire.ObjectRef) abiRef {
	return abiRef{l.kind(ref.Kind), l.optional(ref.Namespace), l.text(ref.Name)}
}

func (l *lowered) options(options wire.WriteOptions) abiOptions {
	return abiOptions{
		subresource: l.optional(options.Subresource), fieldManager: l.optional(options.FieldManager),
		force: options.Force, dryRun: options.DryRun, wantObject: options.WantObject,
	}
}

func lowerManifest(l *lowered, manifest wire.Manifest) unsafe.Pointer {
	owns := make([]abiKind, len(manifest.Owns))
	for i, kind := range manifest.Owns {
		owns[i] = l.kind(kind)
	}
	watches := make([]abiWatch, len(manifest.Watches))
	for i, watch := range manifest.Watches {
		watches[i] = abiWatch{l.kind(watch.Kind), uint32(watch.Mapping), l.text(watch.Path), l.text(watch.Selector)}
	}
	permissions := make([]abiPermission, len(manifest.Permissions))
	for i, asked := range manifest.Permissions {
		permissions[i] = abiPermission{l.text(asked.APIVersion), l.listOf(asked.Kinds), l.listOf(asked.Verbs)}
	}
	area := &abiManifest{
		name: l.text(manifest.Name), version: l.text(manifest.Version), primary: l.kind(manifest.Primary),
		labelSelector: l.text(manifest.LabelSelector), owns: list(l, owns), watches: list(l, watches),
		indexes: l.listOf(manifest.Indexes), permissions: list(l, permissions),
		settingsSchema: l.optional(manifest.SettingsSchema),
	}
	l.records = append(l.records, area)
	return unsafe.Pointer(area)
}

func lowerOutcome(l *lowered, outcome wire.Outcome) unsafe.Pointer {
	area := &abiOutcome{}
	switch {
	case outcome.Failed:
		area.failed = 1
		if outcome.Terminal {
			area.which = 1
		}
		failure := l.text(outcome.Failure)
		// In the failure's record the text is at 4, where the action's number is at 8.
		*(*text)(unsafe.Add(unsafe.Pointer(&area.which), 4)) = failure
	case outcome.HasRequeue:
		area.which = 1
		area.value = outcome.RequeueMS
	}
	l.records = append(l.records, area)
	return unsafe.Pointer(area)
}

// keep ends a call to the host: until here what it read was needed.
func (l *lowered) keep() { runtime.KeepAlive(l) }

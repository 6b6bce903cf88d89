//go:build wasip1

package sdk

// The imports of the contract. Those that return text run between enter and leave, because the host then
// calls cabi_realloc; the adapter may not call it meanwhile, nor may another goroutine.

import (
	"os"
	"unsafe"

	"polyreme.dev/sdk/internal/wire"
)

//go:wasmimport polyreme:controller/kubernetes@0.1.0 get
func kubernetesGet(
	apiVersion, apiVersionLen, kind, kindLen, hasNamespace, namespace, namespaceLen, name, nameLen uint32,
	source uint32, result unsafe.Pointer,
)

//go:wasmimport polyreme:controller/kubernetes@0.1.0 list
func kubernetesList(
	apiVersion, apiVersionLen, kind, kindLen, hasNamespace, namespace, namespaceLen,
	labels, labelsLen, fields, fieldsLen, limit, hasContinue, continued, continuedLen uint32,
	source uint32, result unsafe.Pointer,
)

//go:wasmimport polyreme:controller/kubernetes@0.1.0 create
func kubernetesCreate(
	object, objectLen, hasSubresource, subresource, subresourceLen, hasManager, manager, managerLen,
	force, dryRun, wantObject uint32, result unsafe.Pointer,
)

//go:wasmimport polyreme:controller/kubernetes@0.1.0 update
func kubernetesUpdate(
	object, objectLen, hasSubresource, subresource, subresourceLen, hasManager, manager, managerLen,
	force, dryRun, wantObject uint32, result unsafe.Pointer,
)

//go:wasmimport polyreme:controller/kubernetes@0.1.0 apply
func kubernetesApply(
	object, objectLen, hasSubresource, subresource, subresourceLen, hasManager, manager, managerLen,
	force, dryRun, wantObject uint32, result unsafe.Pointer,
)

//go:wasmimport polyreme:controller/kubernetes@0.1.0 apply-all
func kubernetesApplyAll(
	objects, objectsLen, hasSubresource, subresource, subresourceLen, hasManager, manager, managerLen,
	force, dryRun, wantObject uint32, result unsafe.Pointer,
)

//go:wasmimport polyreme:controller/kubernetes@0.1.0 patch
func kubernetesPatch(params, result unsafe.Pointer)

//go:wasmimport polyreme:controller/kubernetes@0.1.0 delete
func kubernetesDelete(
	apiVersion, apiVersionLen, kind, kindLen, hasNamespace, namespace, namespaceLen, name, nameLen uint32,
	propagation, hasUID, uid, uidLen, hasVersion, version, versionLen uint32, result unsafe.Pointer,
)

//go:wasmimport polyreme:controller/events@0.1.0 emit
func eventsEmit(
	apiVersion, apiVersionLen, kind, kindLen, hasNamespace, namespace, namespaceLen, name, nameLen uint32,
	severity, reason, reasonLen, action, actionLen, note, noteLen uint32,
)

//go:wasmimport polyreme:controller/log@0.1.0 log
func logLog(level, message, messageLen, fields, fieldsLen uint32)

//go:wasmimport polyreme:controller/log@0.1.0 enabled
func logEnabled(level uint32) uint32

//go:wasmimport polyreme:controller/metrics@0.1.0 add-counter
func metricsAddCounter(name, nameLen uint32, value float64, labels, labelsLen uint32)

//go:wasmimport polyreme:controller/metrics@0.1.0 set-gauge
func metricsSetGauge(name, nameLen uint32, value float64, labels, labelsLen uint32)

//go:wasmimport polyreme:controller/metrics@0.1.0 observe
func metricsObserve(name, nameLen uint32, value float64, labels, labelsLen uint32)

//go:wasmimport polyreme:controller/settings@0.1.0 get
func settingsGet(result unsafe.Pointer)

//go:wasmimport polyreme:controller/clock@0.1.0 now
func clockNow() uint64

//go:wasmimport polyreme:controller/clock@0.1.0 monotonic
func clockMonotonic() uint64

//go:wasmimport polyreme:controller/random@0.1.0 bytes
func randomBytes(count uint32, result unsafe.Pointer)

//go:wasmimport polyreme:controller/random@0.1.0 number
func randomNumber() uint64

//go:wasmimport polyreme:controller/http@0.1.0 send
func httpSend(
	method, methodLen, url, urlLen, headers, headersLen, hasBody, body, bodyLen, hasTimeout uint32,
	timeout uint64, result unsafe.Pointer,
)

// imports is the host that runs this component, for the length of one export.
type imports struct {
	// serving is the number of the export; 0 is any, for loggers that outlive it.
	serving uint64
}

// served counts exports: what a goroutine that was left over does must not be taken for the next one's.
var served uint64

// enter begins a call; leave ends it. It is false, and the gate is not held, when the export is over.
func (i imports) enter() bool {
	hostGate.enter()
	if i.serving == 0 || i.serving == served {
		return true
	}
	hostGate.leave()
	return false
}

func (imports) leave() { hostGate.leave() }

// ask is enter for a call whose answer is text; answered ends it.
func (i imports) ask() bool {
	if !i.enter() {
		return false
	}
	adapterOutside(0)
	return true
}

func (i imports) answered() {
	adapterOutside(1)
	i.leave()
}

func over() *wire.Error {
	return &wire.Error{
		Reason:  uint8(ErrOther),
		Message: "the reconcile that this context belongs to is over; wait for goroutines before returning",
	}
}

func flag(set bool) uint32 {
	if set {
		return 1
	}
	return 0
}

// result is where the host writes a result: a byte, then at 8 the error or the value.
type result[V any] struct {
	failed uint8
	_      [7]byte
	value  V
}

func (r *result[V]) refused() *wire.Error {
	if r.failed == 0 {
		return nil
	}
	// Every value is no larger than what its result has room for, and an error may be the larger one: see
	// the room that each call's type leaves.
	return (*abiError)(unsafe.Pointer(&r.value)).lift()
}

// roomy is a value with room for an error in its place.
type roomy[V any] struct {
	value V
	_     [5]uint64
}

func (i imports) Get(object wire.ObjectRef, source wire.Source) (string, *wire.Error) {
	l, into := &lowered{}, &result[roomy[text]]{}
	r := l.ref(object)
	if !i.ask() {
		return "", over()
	}
	kubernetesGet(
		r.kind.apiVersion.address, r.kind.apiVersion.length, r.kind.kind.address, r.kind.kind.length,
		r.namespace.some, r.namespace.value.address, r.namespace.value.length, r.name.address, r.name.length,
		uint32(source), unsafe.Pointer(into),
	)
	i.answered()
	l.keep()
	if refused := into.refused(); refused != nil {
		return "", refused
	}
	return take(into.value.value), nil
}

func (i imports) List(kind wire.Kind, query wire.ListQuery) (wire.Page, *wire.Error) {
	l, into := &lowered{}, &result[roomy[abiPage]]{}
	k, namespace, next := l.kind(kind), l.optional(query.Namespace), l.optional(query.Continue)
	labels, fields := l.text(query.LabelSelector), l.text(query.FieldSelector)
	if !i.ask() {
		return wire.Page{}, over()
	}
	kubernetesList(
		k.apiVersion.address, k.apiVersion.length, k.kind.address, k.kind.length,
		namespace.some, namespace.value.address, namespace.value.length,
		labels.address, labels.length, fields.address, fields.length, query.Limit,
		next.some, next.value.address, next.value.length, uint32(query.Source), unsafe.Pointer(into),
	)
	i.answered()
	l.keep()
	if refused := into.refused(); refused != nil {
		return wire.Page{}, refused
	}
	page := &into.value.value
	return wire.Page{Items: takeTexts(page.items), Continue: takeOptional(page.next)}, nil
}

type writeImport func(
	object, objectLen, hasSubresource, subresource, subresourceLen, hasManager, manager, managerLen,
	force, dryRun, wantObject uint32, result unsafe.Pointer,
)

func (i imports) write(call writeImport, l *lowered, t text, options wire.WriteOptions, into unsafe.Pointer) bool {
	o := l.options(options)
	if !i.ask() {
		return false
	}
	call(
		t.address, t.length, o.subresource.some, o.subresource.value.address, o.subresource.value.length,
		o.fieldManager.some, o.fieldManager.value.address, o.fieldManager.value.length,
		flag(options.Force), flag(options.DryRun), flag(options.WantObject), into,
	)
	i.answered()
	l.keep()
	return true
}

func (r *result[V]) written() (wire.Written, *wire.Error) {
	if refused := r.refused(); refused != nil {
		return wire.Written{}, refused
	}
	return (*abiWritten)(unsafe.Pointer(&r.value)).lift(), nil
}

func (i imports) Create(object string, options wire.WriteOptions) (wire.Written, *wire.Error) {
	l, into := &lowered{}, &result[abiWritten]{}
	if !i.write(kubernetesCreate, l, l.text(object), options, unsafe.Pointer(into)) {
		return wire.Written{}, over()
	}
	return into.written()
}

func (i imports) Update(object string, options wire.WriteOptions) (wire.Written, *wire.Error) {
	l, into := &lowered{}, &result[abiWritten]{}
	if !i.write(kubernetesUpdate, l, l.text(object), options, unsafe.Pointer(into)) {
		return wire.Written{}, over()
	}
	return into.written()
}

func (i imports) Apply(object string, options wire.WriteOptions) (wire.Written, *wire.Error) {
	l, into := &lowered{}, &result[abiWritten]{}
	if !i.write(kubernetesApply, l, l.text(object), options, unsafe.Pointer(into)) {
		return wire.Written{}, over()
	}
	return into.written()
}

func (i imports) ApplyAll(objects []string, options wire.WriteOptions) ([]wire.Written, []*wire.Error) {
	l, into := &lowered{}, &text{}
	if !i.write(kubernetesApplyAll, l, l.listOf(objects), options, unsafe.Pointer(into)) {
		refused := make([]*wire.Error, len(objects))
		for n := range refused {
			refused[n] = over()
		}
		return make([]wire.Written, len(objects)), refused
	}
	results := takeList[result[abiWritten]](*into)
	written, refused := make([]wire.Written, len(results)), make([]*wire.Error, len(results))
	for n := range results {
		written[n], refused[n] = results[n].written()
	}
	return written, refused
}

func (i imports) Patch(
	object wire.ObjectRef, form wire.PatchType, patch string, options wire.WriteOptions,
) (wire.Written, *wire.Error) {
	l, into := &lowered{}, &result[abiWritten]{}
	params := &struct {
		object  abiRef
		form    uint32 // one byte counts
		patch   text
		options abiOptions
	}{l.ref(object), uint32(form), l.text(patch), l.options(options)}
	if !i.ask() {
		return wire.Written{}, over()
	}
	kubernetesPatch(unsafe.Pointer(params), unsafe.Pointer(into))
	i.answered()
	l.keep()
	return into.written()
}

func (i imports) Delete(object wire.ObjectRef, options wire.DeleteOptions) *wire.Error {
	l, into := &lowered{}, &result[abiError]{}
	r, uid, version := l.ref(object), l.optional(options.UID), l.optional(options.ResourceVersion)
	if !i.ask() {
		return over()
	}
	kubernetesDelete(
		r.kind.apiVersion.address, r.kind.apiVersion.length, r.kind.kind.address, r.kind.kind.length,
		r.namespace.some, r.namespace.value.address, r.namespace.value.length, r.name.address, r.name.length,
		uint32(options.Propagation), uid.some, uid.value.address, uid.value.length,
		version.some, version.value.address, version.value.length, unsafe.Pointer(into),
	)
	i.answered()
	l.keep()
	return into.refused()
}

func (i imports) Emit(regarding wire.ObjectRef, severity wire.Severity, reason, action, note string) {
	l := &lowered{}
	r, why, what, said := l.ref(regarding), l.text(reason), l.text(action), l.text(note)
	if !i.enter() {
		return
	}
	eventsEmit(
		r.kind.apiVersion.address, r.kind.apiVersion.length, r.kind.kind.address, r.kind.kind.length,
		r.namespace.some, r.namespace.value.address, r.namespace.value.length, r.name.address, r.name.length,
		uint32(severity), why.address, why.length, what.address, what.length, said.address, said.length,
	)
	i.leave()
	l.keep()
}

func (i imports) Log(level wire.Level, message string, fields []wire.Pair) {
	if served == 0 {
		printLog(level, message, fields)
		return
	}
	if i.enter() {
		lowerLog(level, message, fields)
		i.leave()
	}
}

func lowerLog(level wire.Level, message string, fields []wire.Pair) {
	l := &lowered{}
	t, pairs := l.text(message), l.pairs(fields)
	logLog(uint32(level), t.address, t.length, pairs.address, pairs.length)
	l.keep()
}

// printLog is for lines of package initialisation, when the host may not be called: what is printed waits in the
// adapter for the first export.
func printLog(level wire.Level, message string, fields []wire.Pair) {
	stream := os.Stdout
	if level >= wire.Warn {
		stream = os.Stderr
	}
	for _, field := range fields {
		message += " " + field.Key + "=" + field.Value
	}
	_, _ = stream.WriteString(message + "\n")
}

func (i imports) LogEnabled(level wire.Level) bool {
	if served == 0 {
		return true
	}
	if !i.enter() {
		return false
	}
	defer i.leave()
	return logEnabled(uint32(level)) != 0
}

type metricImport func(name, nameLen uint32, value float64, labels, labelsLen uint32)

func (i imports) measure(call metricImport, name string, value float64, labels []wire.Pair) {
	l := &lowered{}
	t, pairs := l.text(name), l.pairs(labels)
	if !i.enter() {
		return
	}
	call(t.address, t.length, value, pairs.address, pairs.length)
	i.leave()
	l.keep()
}

func (i imports) AddCounter(name string, value float64, labels []wire.Pair) {
	i.measure(metricsAddCounter, name, value, labels)
}

func (i imports) SetGauge(name string, value float64, labels []wire.Pair) {
	i.measure(metricsSetGauge, name, value, labels)
}

func (i imports) Observe(name string, value float64, labels []wire.Pair) {
	i.measure(metricsObserve, name, value, labels)
}

func (i imports) Settings() string {
	into := &text{}
	if !i.ask() {
		return "{}"
	}
	settingsGet(unsafe.Pointer(into))
	i.answered()
	return take(*into)
}

func (i imports) Now() uint64 {
	if !i.enter() {
		return 0
	}
	defer i.leave()
	return clockNow()
}

func (i imports) Monotonic() uint64 {
	if !i.enter() {
		return 0
	}
	defer i.leave()
	return clockMonotonic()
}

func (i imports) RandomBytes(count uint32) []byte {
	into := &text{}
	if !i.ask() {
		return make([]byte, count)
	}
	randomBytes(count, unsafe.Pointer(into))
	i.answered()
	return []byte(take(*into))
}

func (i imports) RandomNumber() uint64 {
	if !i.enter() {
		return 0
	}
	defer i.leave()
	return randomNumber()
}

func (i imports) Send(request wire.HTTPRequest) (wire.HTTPResponse, *wire.HTTPError) {
	l, into := &lowered{}, &abiHTTPResult{}
	method, url, headers := l.text(request.Method), l.text(request.URL), l.pairs(request.Headers)
	body := list(l, request.Body)
	if !i.ask() {
		return wire.HTTPResponse{}, &wire.HTTPError{Reason: uint8(len(httpReasons) - 1), Message: over().Message}
	}
	httpSend(
		method.address, method.length, url.address, url.length, headers.address, headers.length,
		flag(request.HasBody), body.address, body.length,
		flag(request.HasTimeout), request.TimeoutMS, unsafe.Pointer(into),
	)
	i.answered()
	l.keep()
	return into.lift()
}

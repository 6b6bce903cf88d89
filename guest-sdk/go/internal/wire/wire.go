// Package wire holds the contract's types (wit/controller.wit) and the host behind them.
//
// Two hosts exist: the imports of a component, and the cluster in memory of package sdktest. Everything
// above this package is the same code in both, so that a native test runs what production runs.
package wire

// Kind is a kind: "apps/v1" and "Deployment"; the core group is just "v1".
type Kind struct {
	APIVersion string
	Kind       string
}

// ObjectRef names one object. Namespace is empty for cluster-scoped kinds.
type ObjectRef struct {
	Kind
	Namespace string
	Name      string
}

// String is "Deployment project-foo/kubecon".
func (r ObjectRef) String() string {
	if r.Namespace == "" {
		return r.Kind.Kind + " " + r.Name
	}
	return r.Kind.Kind + " " + r.Namespace + "/" + r.Name
}

// Error is the answer to a request that was not carried out.
type Error struct {
	Reason       uint8
	Message      string
	RetryAfterMS uint64
	HasRetry     bool
	Causes       []string
}

// Source is where a read comes from.
type Source uint8

// The sources, in the contract's order.
const (
	Cache Source = iota
	Live
)

// ListQuery is what a list selects.
type ListQuery struct {
	Namespace     string
	LabelSelector string
	FieldSelector string
	Limit         uint32
	Continue      string
	Source        Source
}

// Page is some of the selected objects; Continue is empty on the last.
type Page struct {
	Items    []string
	Continue string
}

// WriteOptions is how to write.
type WriteOptions struct {
	Subresource  string
	FieldManager string
	Force        bool
	DryRun       bool
	WantObject   bool
}

// Written is the object after a write.
type Written struct {
	// Changed is false when the object already was as asked.
	Changed         bool
	UID             string
	ResourceVersion string
	Generation      int64
	// Object is its JSON, when it was asked for.
	Object string
}

// PatchType is the form of a patch, in the contract's order.
type PatchType uint8

// The forms.
const (
	Merge PatchType = iota
	JSONPatch
	Strategic
)

// Propagation is what becomes of the children, in the contract's order.
type Propagation uint8

// The choices.
const (
	Background Propagation = iota
	Foreground
	Orphan
)

// DeleteOptions is what to delete; empty fields do not matter.
type DeleteOptions struct {
	Propagation     Propagation
	UID             string
	ResourceVersion string
}

// Severity of an event, in the contract's order.
type Severity uint8

// The severities.
const (
	Normal Severity = iota
	Warning
)

// Level of a log line, in the contract's order.
type Level uint8

// The levels.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	ErrorLevel
)

// Pair is a label of a metric or a field of a log line.
type Pair struct{ Key, Value string }

// HTTPRequest is a request to a server outside of Kubernetes.
type HTTPRequest struct {
	Method  string
	URL     string
	Headers []Pair
	Body    []byte
	HasBody bool
	// TimeoutMS is how long to wait, when HasTimeout.
	TimeoutMS  uint64
	HasTimeout bool
}

// HTTPResponse is what came back.
type HTTPResponse struct {
	Status  uint16
	Headers []Pair
	Body    []byte
}

// HTTPError is why there is no response.
type HTTPError struct {
	// Reason is a number of the contract's own list for http.
	Reason  uint8
	Message string
}

// Request is one object to make right.
type Request struct {
	Object ObjectRef
	// Current is the JSON as cached when the reconcile began; empty when the object is gone.
	Current        string
	ID             string
	Attempt        uint32
	IdempotencyKey string
	Epoch          uint64
}

// MappingKind is how an object of a watched kind leads to primaries, in the contract's order.
type MappingKind uint8

// The ways.
const (
	ByOwner MappingKind = iota
	ByLabel
	ByField
)

// Watch is a kind whose changes lead to reconciles of the primary.
type Watch struct {
	Kind     Kind
	Mapping  MappingKind
	Path     string
	Selector string
}

// Permission is one line of what a module asks for.
type Permission struct {
	APIVersion string
	Kinds      []string
	Verbs      []string
}

// Manifest is what a module says about itself.
type Manifest struct {
	Name           string
	Version        string
	Primary        Kind
	LabelSelector  string
	Owns           []Kind
	Watches        []Watch
	Indexes        []string
	Permissions    []Permission
	SettingsSchema string
}

// Outcome is what the host does after a reconcile.
type Outcome struct {
	// RequeueMS is in how many milliseconds to come back, when HasRequeue.
	RequeueMS  uint64
	HasRequeue bool
	// Failure is the text of a failure, when Failed.
	Failure  string
	Failed   bool
	Terminal bool
}

// Host is the imports of the contract, one method each.
type Host interface {
	Get(object ObjectRef, source Source) (string, *Error)
	List(kind Kind, query ListQuery) (Page, *Error)
	Create(object string, options WriteOptions) (Written, *Error)
	Update(object string, options WriteOptions) (Written, *Error)
	Patch(object ObjectRef, form PatchType, patch string, options WriteOptions) (Written, *Error)
	Apply(object string, options WriteOptions) (Written, *Error)
	ApplyAll(objects []string, options WriteOptions) ([]Written, []*Error)
	Delete(object ObjectRef, options DeleteOptions) *Error
	Emit(regarding ObjectRef, severity Severity, reason, action, note string)
	Log(level Level, message string, fields []Pair)
	LogEnabled(level Level) bool
	AddCounter(name string, value float64, labels []Pair)
	SetGauge(name string, value float64, labels []Pair)
	Observe(name string, value float64, labels []Pair)
	Settings() string
	Now() uint64
	Monotonic() uint64
	RandomBytes(count uint32) []byte
	RandomNumber() uint64
	Send(request HTTPRequest) (HTTPResponse, *HTTPError)
}

// Runner is a controller without its type.
type Runner interface {
	Describe() Manifest
	Run(host Host, request Request) Outcome
}

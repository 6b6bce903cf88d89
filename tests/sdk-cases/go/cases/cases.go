// Package cases is the cases that every SDK must pass, in Go: beside ../../rust, which ../../README.md describes.
// Two modules are made of it, one by each compiler.
//
// spec.case names the case; each is a function in one of the files, and says what goes into status.output.
package cases

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"polyreme.dev/sdk"
)

// Case is what is reconciled.
type Case struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Spec           CaseSpec   `json:"spec"`
	Status         CaseStatus `json:"status"`
}

// CaseSpec says what to do, and with what.
type CaseSpec struct {
	Case  string          `json:"case"`
	Input json.RawMessage `json:"input,omitempty"`
}

// CaseStatus is the answer. The output is kept as it is written, every digit.
type CaseStatus struct {
	ObservedGeneration int64           `json:"observedGeneration,omitempty"`
	Output             json.RawMessage `json:"output,omitempty"`
}

// ConfigMap is what the cases read and make.
type ConfigMap struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Data           map[string]string `json:"data,omitempty"`
}

// Namespace is as much of one as a case reads.
type Namespace struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Status         struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

var (
	cases      = sdk.NewNamespaced[Case]("cases.polyreme.dev/v1alpha1", "Case")
	configMaps = sdk.NewNamespaced[ConfigMap]("v1", "ConfigMap")
	secrets    = sdk.NewNamespaced[ConfigMap]("v1", "Secret")
	namespaces = sdk.NewClusterScoped[Namespace]("v1", "Namespace")
)

// label is what a Case must carry to be run.
const label = "cases.polyreme.dev/run"

//go:embed settings.schema.json
var settingsSchema string

// Controller runs the cases.
var Controller = sdk.Controller[Case]{
	Manifest: sdk.Manifest{
		Name:     "sdk-cases",
		Version:  "0.1.0",
		Selector: label,
		Owns:     []sdk.Kind{configMaps.Kind()},
		Watches: []sdk.Watch{
			{
				Kind: configMaps.Kind(), Mapping: sdk.ByLabel("cases.polyreme.dev/wakes"),
				Selector: "cases.polyreme.dev/wakes",
			},
			{
				Kind: configMaps.Kind(), Mapping: sdk.ByField("spec.input.source"),
				Selector: "cases.polyreme.dev/source=yes",
			},
		},
		Indexes: []string{"spec.input.group"},
		Permissions: []sdk.Permission{
			{APIVersion: "v1", Kinds: []string{"ConfigMap"}, Verbs: []string{"create", "update", "patch", "apply", "delete"}},
			{APIVersion: "v1", Kinds: []string{"Namespace"}, Verbs: []string{"get"}},
			{APIVersion: "v1", Kinds: []string{"Secret"}, Verbs: []string{"get"}},
		},
		SettingsSchema: settingsSchema,
	},
	Primary:   cases,
	Reconcile: reconcile,
	Deleted: func(ctx context.Context, _ sdk.ObjectRef) (sdk.Result, error) {
		sdk.Logger(ctx).Info("gone")
		return sdk.Result{}, nil
	},
}

// object is an output.
type object map[string]any

// outcome is what a case comes to.
type outcome struct {
	output any
	again  time.Duration
	// silent: no status is written.
	silent bool
}

// repeated are the cases that look at the same generation more than once.
var repeated = []string{"requeue", "finalizer", "owned", "watch-label", "watch-field"}

func reconcile(ctx context.Context, c *Case) (sdk.Result, error) {
	if c.Status.ObservedGeneration == c.Generation && !slices.Contains(repeated, c.Spec.Case) {
		return sdk.Result{}, nil
	}
	run, known := all[c.Spec.Case]
	if !known {
		return sdk.Result{}, sdk.Terminal(fmt.Errorf("unknown case %q", c.Spec.Case))
	}
	came, err := run(ctx, c)
	if err != nil || came.silent {
		return sdk.Result{}, err
	}
	_, err = cases.PatchStatus(ctx, c, statusOf(c, came.output))
	return sdk.Result{RequeueAfter: came.again}, err
}

func statusOf(c *Case, output any) CaseStatus {
	text, err := json.Marshal(output)
	if err != nil {
		panic(err) // outputs are maps, texts and numbers
	}
	return CaseStatus{ObservedGeneration: c.Generation, Output: text}
}

type run func(ctx context.Context, c *Case) (outcome, error)

// says is a case with an output and nothing else.
func says(give func(ctx context.Context, c *Case) (any, error)) run {
	return func(ctx context.Context, c *Case) (outcome, error) {
		output, err := give(ctx, c)
		return outcome{output: output}, err
	}
}

// tells is one that cannot fail.
func tells(give func(ctx context.Context, c *Case) any) run {
	return says(func(ctx context.Context, c *Case) (any, error) { return give(ctx, c), nil })
}

func nothing(context.Context, *Case) any { return object{} }

var all = map[string]run{
	"idle":                tells(nothing),
	"gone":                tells(nothing),
	"request":             tells(request),
	"settings":            says(settings),
	"numbers":             says(numbers),
	"unicode":             says(unicode),
	"deep":                says(deep),
	"large":               says(large),
	"get":                 says(colour("get-source", false)),
	"get-live":            says(colour("get-live-source", true)),
	"get-cluster-scoped":  says(ownNamespace),
	"get-missing":         tells(getMissing),
	"read-own-write":      says(readOwnWrite),
	"list":                says(labelled("part=list", 0)),
	"list-pages":          says(labelled("part=pages", 2)),
	"list-index":          says(indexed),
	"list-live":           says(listLive),
	"create":              says(create),
	"create-existing":     tells(createExisting),
	"update":              says(update),
	"update-conflict":     says(updateConflict),
	"apply":               says(apply),
	"apply-force":         says(applyForce),
	"apply-all":           tells(applyAll),
	"write-options":       says(writeOptions),
	"patch-merge":         says(patchMerge),
	"patch-json":          says(patchJSON),
	"patch-strategic":     says(patchStrategic),
	"status":              says(status),
	"delete":              says(deleteTwice),
	"delete-precondition": tells(deletePrecondition),
	"invalid":             tells(invalid),
	"forbidden":           says(forbidden),
	"not-granted":         tells(notGranted),
	"limit-exceeded":      tells(limitExceeded),
	"bad-request":         tells(badRequest),
	"events":              tells(events),
	"logs":                tells(logs),
	"print":               tells(prints),
	"metrics":             tells(metrics),
	"http-get":            says(httpGet),
	"http-post":           says(httpPost),
	"http-json":           says(httpJSON),
	"http-statuses":       says(httpStatuses),
	"http-not-granted":    unanswered("/colour", sdk.HTTPRequest{Method: "DELETE"}),
	"http-too-large":      unanswered("/large", sdk.HTTPRequest{}),
	"http-limit-exceeded": tells(httpLimitExceeded),
	"http-timeout":        unanswered("/slow", sdk.HTTPRequest{Timeout: 100 * time.Millisecond}),
	"http-bad-request":    unanswered("/colour", sdk.HTTPRequest{Header: sdk.Header{"host": {"elsewhere"}}}),
	"http-connect":        tells(httpConnect),
	"clock":               tells(clock),
	"random":              tells(random),
	"requeue":             requeue,
	"retry":               says(retry),
	"terminal":            says(terminal),
	"panic":               tells(panics),
	"finalizer":           finalizer,
	"owned":               says(owned),
	"watch-label":         says(func(ctx context.Context, _ *Case) (any, error) { return value(ctx, "watch-label-source") }),
	"watch-field":         says(watchField),
}

func request(ctx context.Context, _ *Case) any {
	asked := sdk.RequestOf(ctx)
	sdk.Logger(ctx).Info("reconcile " + asked.ID)
	return object{
		"apiVersion": asked.Object.APIVersion, "kind": asked.Object.Kind.Kind,
		"namespace": asked.Object.Namespace, "name": asked.Object.Name,
		"attempt": asked.Attempt, "id": asked.ID, "idempotencyKey": asked.IdempotencyKey,
		"epoch": strconv.FormatUint(asked.Epoch, 10),
	}
}

func settings(ctx context.Context, _ *Case) (any, error) {
	var all json.RawMessage
	err := sdk.Settings(ctx, &all)
	return object{"settings": all}, err
}

func numbers(_ context.Context, c *Case) (any, error) {
	var input struct {
		Beyond int64 `json:"beyond"`
	}
	err := read(c, &input)
	return object{"numbers": c.Spec.Input, "next": input.Beyond + 1}, err
}

func unicode(ctx context.Context, c *Case) (any, error) {
	var input map[string]string
	if err := read(c, &input); err != nil {
		return nil, err
	}
	text := input["text"]
	sdk.Logger(ctx).Info(text)
	return object{
		"text": text, "characters": utf8.RuneCountInString(text), "bytes": len(text), "key": input["naïve🔑"],
	}, nil
}

func deep(_ context.Context, c *Case) (any, error) {
	type level struct {
		Nested *level `json:"nested"`
		Leaf   string `json:"leaf"`
	}
	var place level
	err := read(c, &place)
	depth := 0
	for place.Nested != nil {
		place, depth = *place.Nested, depth+1
	}
	return object{"depth": depth, "leaf": place.Leaf}, err
}

// read is the input, as a struct.
func read(c *Case, into any) error {
	if err := json.Unmarshal(c.Spec.Input, into); err != nil {
		return sdk.Terminal(fmt.Errorf("failed to read spec.input: %w", err))
	}
	return nil
}

// child is a ConfigMap that the case controls.
func child(c *Case, name string, data map[string]string) *ConfigMap {
	return &ConfigMap{ObjectMeta: cases.Child(c, name), Data: data}
}

// plain is one that nobody controls, in the namespace of the case.
func plain(c *Case, name string, data map[string]string) *ConfigMap {
	return &ConfigMap{ObjectMeta: sdk.ObjectMeta{Name: name, Namespace: c.Namespace}, Data: data}
}

// reasons are the contract's words.
var reasons = map[sdk.Reason]string{
	sdk.ErrNotFound: "not-found", sdk.ErrAlreadyExists: "already-exists", sdk.ErrConflict: "conflict",
	sdk.ErrInvalid: "invalid", sdk.ErrForbidden: "forbidden", sdk.ErrTooManyRequests: "too-many-requests",
	sdk.ErrGone: "gone", sdk.ErrNotGranted: "not-granted", sdk.ErrNotOwner: "not-owner",
	sdk.ErrLimitExceeded: "limit-exceeded", sdk.ErrBadRequest: "bad-request", sdk.ErrTimeout: "timeout",
	sdk.ErrUnavailable: "unavailable", sdk.ErrOther: "other", sdk.ErrDNS: "dns", sdk.ErrConnect: "connect",
	sdk.ErrTLS: "tls", sdk.ErrTooLarge: "too-large", sdk.ErrBroken: "broken",
}

// reason is the contract's word for why something was not done.
func reason(err error) string {
	for reason, word := range reasons {
		if errors.Is(err, reason) {
			return word
		}
	}
	return "none"
}

// refusal is reason and message.
func refusal(err error) any {
	said := object{"reason": reason(err)}
	if err != nil {
		said["message"] = err.Error()
	}
	return said
}

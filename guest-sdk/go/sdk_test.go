package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"polyreme.dev/sdk"
	"polyreme.dev/sdk/sdktest"
)

// thing is a kind with a type of the SDK.
type thing struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Spec           map[string]any `json:"spec,omitempty"`
	Status         thingStatus    `json:"status"`
}

type thingStatus struct {
	Big  json.Number `json:"big,omitempty"`
	Word string      `json:"word,omitempty"`
}

// foreign is a type as k8s.io/api has them: other names, methods of its own, kind before apiVersion, a
// timestamp that is null.
type foreign struct {
	foreignType `json:",inline"`
	Meta        foreignMeta       `json:"metadata,omitempty"`
	Data        map[string]string `json:"data,omitempty"`
}

type foreignType struct {
	Kind       string `json:"kind,omitempty"`
	APIVersion string `json:"apiVersion,omitempty"`
}

type uid string

type foreignMeta struct {
	Name              string     `json:"name,omitempty"`
	Namespace         string     `json:"namespace,omitempty"`
	UID               uid        `json:"uid,omitempty"`
	CreationTimestamp *time.Time `json:"creationTimestamp"`
	OwnerReferences   []any      `json:"ownerReferences,omitempty"`
	ManagedFields     []any      `json:"managedFields,omitempty"`
}

// GetUID has another type than the SDK's own metadata.
func (m *foreignMeta) GetUID() uid { return m.UID }

var (
	things   = sdk.NewNamespaced[thing]("example.dev/v1", "Thing")
	foreigns = sdk.NewNamespaced[foreign]("v1", "ConfigMap")
)

const key = "default/a"

// doing is a cluster with one thing and a controller that does what a test wants.
func doing(work func(ctx context.Context, object *thing) error) *sdktest.Cluster {
	controller := sdk.Controller[thing]{
		Manifest: sdk.Manifest{Name: "things", Owns: []sdk.Kind{foreigns.Kind()}},
		Primary:  things,
		Reconcile: func(ctx context.Context, object *thing) (sdk.Result, error) {
			return sdk.Result{}, work(ctx, object)
		},
	}
	a := &thing{ObjectMeta: sdk.ObjectMeta{Name: "a", Namespace: "default"}, Status: thingStatus{Big: "9007199254740993"}}
	return sdktest.New(controller).Add(things.Of(a))
}

func do(t *testing.T, cluster *sdktest.Cluster) {
	t.Helper()
	if _, err := cluster.Reconcile(key); err != nil {
		t.Fatal(err)
	}
}

func TestEveryReasonOfTheContractIsAnErrorOfItsOwn(t *testing.T) {
	reasons := []sdk.Reason{
		sdk.ErrNotFound, sdk.ErrAlreadyExists, sdk.ErrConflict, sdk.ErrInvalid, sdk.ErrForbidden,
		sdk.ErrTooManyRequests, sdk.ErrGone, sdk.ErrNotGranted, sdk.ErrNotOwner, sdk.ErrLimitExceeded,
		sdk.ErrBadRequest, sdk.ErrTimeout, sdk.ErrUnavailable, sdk.ErrOther,
	}
	for number, reason := range reasons {
		if int(reason) != number {
			t.Errorf("%v is number %d of the contract, not %d", reason, number, reason)
		}
		var failure error
		cluster := doing(func(ctx context.Context, _ *thing) error {
			_, failure = things.Get(ctx, "a")
			return failure
		})
		cluster.FailNext("get", "Thing", reason)
		_, seen := cluster.Reconcile(key)
		for _, other := range reasons {
			if errors.Is(failure, other) != (other == reason) {
				t.Errorf("errors.Is(%v, %v) is %v", failure, other, other != reason)
			}
		}
		var whole *sdk.Error
		if !errors.As(failure, &whole) || whole.Verb != "get" || whole.Object != "Thing default/a" {
			t.Errorf("the error is %+v", whole)
		}
		terminal := reason == sdk.ErrNotGranted || reason == sdk.ErrBadRequest
		if errors.Is(seen, sdk.ErrTerminal) != terminal {
			t.Errorf("%v is terminal: %v", reason, !terminal)
		}
	}
}

func TestATerminalErrorKeepsItsCause(t *testing.T) {
	err := sdk.Terminal(context.Canceled)
	if !errors.Is(err, context.Canceled) || !sdk.IsTerminal(err) || sdk.Terminal(nil) != nil {
		t.Errorf("the error is %v", err)
	}
}

func TestAForeignTypeCanBeAppliedOwnedAndRead(t *testing.T) {
	cluster := doing(func(ctx context.Context, object *thing) error {
		child := things.Child(object, "b")
		made := &foreign{
			Meta: foreignMeta{Name: child.Name, Namespace: child.Namespace, OwnerReferences: []any{child.OwnerReferences[0]}},
			Data: map[string]string{"a": "b"},
		}
		if _, err := foreigns.Apply(ctx, made); err != nil {
			return err
		}
		read, err := foreigns.Get(ctx, "b")
		if err == nil && (read.Meta.UID == "" || read.APIVersion != "v1" || read.Kind != "ConfigMap") {
			err = errors.New("it has no uid or no kind: " + string(foreigns.Of(read).JSON))
		}
		if err == nil && foreigns.OwnerReference(read).UID != string(read.Meta.UID) {
			err = errors.New("its owner reference has another uid")
		}
		return err
	})
	do(t, cluster)
	if writes := cluster.TakeWrites(); !slices.Equal(writes, []string{"apply ConfigMap default/b"}) {
		t.Errorf("writes are %q", writes)
	}
}

func TestAKindIsWrittenOnce(t *testing.T) {
	bare := things.Of(&thing{ObjectMeta: sdk.ObjectMeta{Name: "a"}})
	own := things.Of(&thing{TypeMeta: sdk.TypeMeta{APIVersion: "example.dev/v1", Kind: "Thing"}, ObjectMeta: sdk.ObjectMeta{Name: "a"}})
	for _, object := range []sdk.Object{bare, own} {
		if strings.Count(string(object.JSON), `"kind"`) != 1 || !json.Valid(object.JSON) {
			t.Errorf("the object is %s", object.JSON)
		}
	}
}

func TestAStatusIsWrittenOnlyWhereItDiffers(t *testing.T) {
	written := []bool{}
	status := thingStatus{Big: "9007199254740993", Word: "new"}
	cluster := doing(func(ctx context.Context, object *thing) error {
		changed, err := things.PatchStatus(ctx, object, status)
		written = append(written, changed)
		return err
	})
	do(t, cluster)
	do(t, cluster)
	status = thingStatus{Big: "9007199254740992"}
	do(t, cluster)
	if want := []bool{true, false, true}; !slices.Equal(written, want) {
		t.Errorf("written: %v, want %v", written, want)
	}
	if got := sdktest.Find(cluster, things, key).Status; got != status {
		t.Errorf("the status is %+v", got)
	}
}

// flag is a kind whose status encodes zeros.
type flag struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Status         flagStatus `json:"status"`
}

type flagStatus struct {
	Ready bool       `json:"ready"`
	Count int        `json:"count"`
	Note  string     `json:"note,omitempty"`
	At    sdk.Time   `json:"at"`
	Parts []flagPart `json:"parts,omitempty"`
	Inner flagPart   `json:"inner"`
}

type flagPart struct {
	Name string `json:"name"`
	Done bool   `json:"done"`
}

var flags = sdk.NewNamespaced[flag]("example.dev/v1", "Flag")

// flagged is a cluster with one flag that has this status, and a controller that wants another.
func flagged(status string, want func(*flag) any) (*sdktest.Cluster, *[]bool) {
	written := new([]bool)
	controller := sdk.Controller[flag]{
		Manifest: sdk.Manifest{Name: "flags"}, Primary: flags,
		Reconcile: func(ctx context.Context, object *flag) (sdk.Result, error) {
			changed, err := flags.PatchStatus(ctx, object, want(object))
			*written = append(*written, changed)
			return sdk.Result{}, err
		},
	}
	text := `{"apiVersion":"example.dev/v1","kind":"Flag","metadata":{"name":"a","namespace":"default"}` + status + `}`
	return sdktest.New(controller).Add(sdk.Object{JSON: []byte(text)}), written
}

func TestAZeroIsWrittenWhereTheStatusDoesNotHaveIt(t *testing.T) {
	raw := sdk.NewNamespaced[struct {
		sdk.ObjectMeta `json:"metadata"`
		Status         map[string]any `json:"status"`
	}]("example.dev/v1", "Flag")
	for before, want := range map[string]flagStatus{
		``:                         {},
		`,"status":{}`:             {},
		`,"status":{"count":0}`:    {},
		`,"status":{"ready":null}`: {},
		`,"status":{"ready":false,"count":0,"theirs":1,"inner":{"name":""}}`:    {},
		`,"status":{"ready":false,"count":0,"parts":[{"name":"a"}],"inner":{}}`: {Parts: []flagPart{{Name: "a"}}},
	} {
		cluster, written := flagged(before, func(*flag) any { return want })
		for range 2 {
			do(t, cluster)
		}
		if got := []bool{true, false}; !slices.Equal(*written, got) {
			t.Errorf("%s: written %v", before, *written)
		}
		status := sdktest.Find(cluster, raw, key).Status
		inner, _ := status["inner"].(map[string]any)
		if status["ready"] != false || status["count"] != 0.0 || inner["done"] != false {
			t.Errorf("%s became %v", before, status)
		}
		if strings.Contains(before, "theirs") && status["theirs"] != 1.0 {
			t.Errorf("what the type does not know is gone: %v", status)
		}
		if parts, _ := status["parts"].([]any); len(parts) == 1 && parts[0].(map[string]any)["done"] != false {
			t.Errorf("%s became %v", before, status)
		}
	}
}

func TestAStatusIsComparedWithWhatWasReadAndNotWithWhatBecameOfIt(t *testing.T) {
	cluster, written := flagged(`,"status":{"ready":true,"note":"old"}`, func(object *flag) any {
		object.Status.Ready, object.Status.Note = false, ""
		return object.Status
	})
	for range 2 {
		do(t, cluster)
	}
	if want := []bool{true, false}; !slices.Equal(*written, want) {
		t.Errorf("written %v", *written)
	}
	if got := sdktest.Find(cluster, flags, key).Status; got.Ready || got.Note != "" {
		t.Errorf("the status is %+v", got)
	}
}

func TestAStatusThatWasWrittenIsWhatTheNextIsComparedWith(t *testing.T) {
	var written []bool
	controller := sdk.Controller[flag]{
		Manifest: sdk.Manifest{Name: "flags"}, Primary: flags,
		Reconcile: func(ctx context.Context, object *flag) (sdk.Result, error) {
			for _, note := range []string{"working", "working", "done"} {
				changed, err := flags.PatchStatus(ctx, object, flagStatus{Ready: note == "done", Note: note})
				if err != nil {
					return sdk.Result{}, err
				}
				written = append(written, changed)
			}
			return sdk.Result{}, nil
		},
	}
	done := &flag{ObjectMeta: sdk.ObjectMeta{Name: "a", Namespace: "default"}, Status: flagStatus{Ready: true, Note: "done"}}
	cluster := sdktest.New(controller).Add(flags.Of(done))
	do(t, cluster)
	if want := []bool{true, false, true}; !slices.Equal(written, want) {
		t.Errorf("written %v", written)
	}
	if got := sdktest.Find(cluster, flags, key).Status; !got.Ready || got.Note != "done" {
		t.Errorf("the status is %+v", got)
	}
}

func TestAFinalizerIsPutOnBeforeTheWorkAndTakenOffAfterTheCleanUp(t *testing.T) {
	const finalizer = "example.dev/outside"
	var phases []sdk.Phase
	cluster := doing(func(ctx context.Context, object *thing) error {
		phase, err := things.Finalizer(ctx, object, finalizer)
		phases = append(phases, phase)
		if err == nil && phase == sdk.Cleanup {
			err = things.Finalized(ctx, object, finalizer)
		}
		return err
	})
	do(t, cluster)
	if held := sdktest.Find(cluster, things, key); !held.HasFinalizer(finalizer) {
		t.Fatalf("the finalizers are %v", held.Finalizers)
	}
	cluster.Remove(things.Kind(), key)
	do(t, cluster)
	if left := sdktest.Find(cluster, things, key); left != nil {
		t.Errorf("still there: %+v", left)
	}
	if want := []sdk.Phase{sdk.Wanted, sdk.Cleanup}; !slices.Equal(phases, want) {
		t.Errorf("the phases are %v, want %v", phases, want)
	}
}

func TestAConditionMovesItsTimeOnlyWithItsStatus(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var all []sdk.Condition
	set := func(status, reason string, now time.Time) sdk.Condition {
		all = sdk.SetCondition(all, now, sdk.Condition{Type: "Ready", Status: status, Reason: reason})
		return all[0]
	}
	set(sdk.False, "Waiting", noon)
	if held := set(sdk.False, "StillWaiting", noon.Add(time.Hour)); !held.LastTransitionTime.Equal(noon) || held.Reason != "StillWaiting" {
		t.Errorf("the condition is %+v", held)
	}
	if held := set(sdk.True, "Done", noon.Add(time.Hour)); held.LastTransitionTime.Equal(noon) || !sdk.IsTrue(all, "Ready") {
		t.Errorf("the condition is %+v", held)
	}
}

func TestWhatDoesNotFitIsNamedWithItsPlace(t *testing.T) {
	type settings struct {
		Ingress struct{ Hosts []string }
	}
	cluster := doing(func(ctx context.Context, _ *thing) error { return sdk.Settings(ctx, &settings{}) })
	cluster.Settings(map[string]any{"ingress": map[string]any{"hosts": 3}})
	_, err := cluster.Reconcile(key)
	if !errors.Is(err, sdk.ErrTerminal) || !strings.Contains(err.Error(), "ngress.") {
		t.Errorf("the error is %v", err)
	}
}

func TestAnObjectThatDoesNotFitIsNamedWithItsPlace(t *testing.T) {
	cluster := doing(func(context.Context, *thing) error { return nil })
	text := `{"apiVersion":"example.dev/v1","kind":"Thing","metadata":{"name":"a","namespace":"default"},"status":{"word":7}}`
	cluster.Add(sdk.Object{Ref: things.Ref("default", "a"), JSON: []byte(text)})
	_, err := cluster.Reconcile(key)
	if !errors.Is(err, sdk.ErrTerminal) || !strings.Contains(err.Error(), "at `status.word`") {
		t.Errorf("the error is %v", err)
	}
}

func TestTimesAreReadAsJSONMayWriteThem(t *testing.T) {
	want := time.Date(2026, 1, 2, 15, 4, 5, 6000, time.UTC)
	for _, text := range []string{`"2026-01-02T15:04:05.000006Z"`, `"2026-01-02T15\u003a04:05.000006Z"`, `"2026-01-02T16:04:05.000006+01:00"`} {
		var read sdk.MicroTime
		if err := json.Unmarshal([]byte(text), &read); err != nil || !read.Equal(want) {
			t.Errorf("%s is %v, %v", text, read, err)
		}
	}
	for _, text := range []string{`"yesterday"`, `7`, `""`, `"`, ``} {
		var read sdk.Time
		if err := read.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s is %v", text, read)
		}
	}
}

func TestAFieldWithoutAnIndexIsRefusedAsByTheHost(t *testing.T) {
	hosts := sdk.NewNamespaced[thing]("example.dev/v1", "Host")
	controller := sdk.Controller[thing]{
		Manifest: sdk.Manifest{
			Name: "things", Indexes: []string{".spec.size"}, Owns: []sdk.Kind{foreigns.Kind()},
			Watches: []sdk.Watch{{Kind: hosts.Kind(), Mapping: sdk.ByField("spec.host")}},
		},
		Primary: things,
		Reconcile: func(ctx context.Context, object *thing) (sdk.Result, error) {
			for fields, want := range map[string]error{
				"": nil, "metadata.name=a": nil, "metadata.namespace!=b,spec.size=1": nil, "spec.host==h": nil,
				"spec.word=1": sdk.ErrBadRequest, "metadata.name=a,spec.word!=1": sdk.ErrBadRequest,
			} {
				if _, err := things.List(ctx, sdk.Query{Fields: fields}); !errors.Is(err, want) {
					t.Errorf("%q: %v", fields, err)
				}
			}
			for _, list := range []func() error{
				func() error { _, err := things.List(sdk.Live(ctx), sdk.Query{Fields: "spec.word=1"}); return err },
				func() error { _, err := foreigns.List(ctx, sdk.Query{Fields: "data.a=b"}); return err },
			} {
				if err := list(); err != nil {
					t.Error(err)
				}
			}
			_, err := hosts.List(ctx, sdk.Query{Fields: "spec.size=1"})
			return sdk.Result{}, err
		},
	}
	a := &thing{ObjectMeta: sdk.ObjectMeta{Name: "a", Namespace: "default"}}
	_, err := sdktest.New(controller).Add(things.Of(a)).Reconcile(key)
	if !sdk.IsTerminal(err) || !strings.Contains(err.Error(), "there is no index on spec.size") {
		t.Errorf("the error is %v", err)
	}
}

func TestWhatHasNoNameIsRefusedAsByTheHost(t *testing.T) {
	do(t, doing(func(ctx context.Context, object *thing) error {
		nameless := &foreign{}
		_, get := foreigns.Get(ctx, "")
		_, patch := foreigns.Patch(ctx, nameless, sdk.MergePatch(map[string]any{}))
		_, apply := foreigns.Apply(ctx, nameless)
		_, remove := foreigns.DeleteNamed(ctx, "")
		for _, err := range []error{get, patch, apply, remove} {
			if !errors.Is(err, sdk.ErrBadRequest) || !strings.Contains(err.Error(), "ConfigMap has no metadata.name") {
				t.Errorf("the error is %v", err)
			}
		}
		return nil
	}))
}

func TestLogLinesCarryLevelsAndFields(t *testing.T) {
	cluster := doing(func(ctx context.Context, _ *thing) error {
		logger := sdk.Logger(ctx).With("a", 1).WithGroup("g")
		logger.Log(ctx, sdk.LevelTrace, "fine")
		logger.Error("bad", "b", true, slog.Group("h", "c", "d"))
		return nil
	})
	do(t, cluster)
	want := []sdktest.Log{
		{Level: "trace", Message: "fine", Fields: map[string]string{"a": "1"}},
		{Level: "error", Message: "bad", Fields: map[string]string{"a": "1", "g.b": "true", "g.h.c": "d"}},
	}
	if logs := cluster.TakeLogs(); !reflect.DeepEqual(logs, want) {
		t.Errorf("the lines are %+v, want %+v", logs, want)
	}
}

func TestAContextFromElsewhereIsAMistakeThatIsNamed(t *testing.T) {
	defer func() {
		if said, _ := recover().(string); !strings.Contains(said, "not the one that Reconcile was given") {
			t.Errorf("it said %q", said)
		}
	}()
	sdk.Now(context.Background())
}

func TestAContextMadeFromTheReconcilesIsAsGood(t *testing.T) {
	cluster := doing(func(ctx context.Context, _ *thing) error {
		limited, cancel := context.WithTimeout(sdk.Live(ctx), time.Hour)
		defer cancel()
		_, err := things.Get(limited, "a")
		return err
	})
	do(t, cluster)
}

func TestADelayReachesTheHostInMillisecondsRoundedUp(t *testing.T) {
	for delay, want := range map[time.Duration]uint64{time.Second: 1000, time.Millisecond + 1: 2, 1: 1} {
		controller := sdk.Controller[thing]{
			Primary: things,
			Reconcile: func(context.Context, *thing) (sdk.Result, error) {
				return sdk.Result{RequeueAfter: delay}, nil
			},
		}
		cluster := sdktest.New(controller).Add(things.Of(&thing{ObjectMeta: sdk.ObjectMeta{Name: "a", Namespace: "default"}}))
		result, err := cluster.Reconcile(key)
		if err != nil || result.RequeueAfter != time.Duration(want)*time.Millisecond {
			t.Errorf("%v became %v, %v", delay, result.RequeueAfter, err)
		}
	}
}

func TestARequestReachesTheServerAndItsResponseComesBack(t *testing.T) {
	cluster := doing(func(ctx context.Context, object *thing) error {
		response, err := sdk.HTTP(ctx, sdk.HTTPRequest{
			Method: "POST", URL: "https://cloud.test/v1?token=secret", Body: []byte(`{"size":3}`),
			Header: sdk.Header{"Idempotency-Key": {object.UID}}, Timeout: time.Second,
		})
		if err != nil {
			return err
		}
		var body struct{ Size int }
		if err := response.JSON(&body); err != nil || body.Size != 3 || response.Header.Get("X-Note") != "made" {
			t.Errorf("got %v %v: %v", body, response.Header, err)
		}
		return response.Success()
	})
	cluster.Serve(func(request sdk.HTTPRequest) (sdk.HTTPResponse, error) {
		if request.Header.Get("idempotency-key") == "" || request.Timeout != time.Second {
			t.Errorf("arrived as %v", request)
		}
		return sdk.HTTPResponse{Status: 201, Body: request.Body, Header: sdk.Header{"X-Note": {"made"}}}, nil
	})
	do(t, cluster)
	if requests := cluster.TakeRequests(); len(requests) != 1 || requests[0].Method != "POST" {
		t.Errorf("sent %v", requests)
	}
}

func TestWhyThereIsNoResponseCanBeToldApart(t *testing.T) {
	for _, reason := range []sdk.Reason{sdk.ErrNotGranted, sdk.ErrTimeout, sdk.ErrDNS, sdk.ErrBroken, sdk.ErrOther} {
		cluster := doing(func(ctx context.Context, _ *thing) error {
			_, err := sdk.HTTP(ctx, sdk.HTTPRequest{URL: "https://cloud.test/?token=secret"})
			if !errors.Is(err, reason) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v came as %v", reason, err)
			}
			return nil
		})
		do(t, cluster.Serve(func(sdk.HTTPRequest) (sdk.HTTPResponse, error) { return sdk.HTTPResponse{}, reason }))
	}
	cluster := doing(func(ctx context.Context, _ *thing) error {
		_, err := sdk.HTTP(ctx, sdk.HTTPRequest{URL: "https://cloud.test/"})
		return err
	})
	if _, err := cluster.Reconcile(key); !sdk.IsTerminal(err) {
		t.Errorf("without a server: %v", err)
	}
}

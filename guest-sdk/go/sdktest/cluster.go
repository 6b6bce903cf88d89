// Package sdktest is a cluster in memory, for native tests of a controller.
//
//	cluster := sdktest.New(controller)
//	cluster.Add(Hellos.Of(&Hello{…}))
//	if _, err := cluster.Settle("default/kim"); err != nil { t.Fatal(err) }
//	made, err := sdktest.Find(cluster, ConfigMaps, "default/kim")
//
// It knows no schemas and no controllers but the one under test. It refuses what the host would refuse
// without a grant that the manifest does not ask for; it keeps uid, resourceVersion and generation, holds
// objects with finalizers, collects children, and elides writes that change nothing. Server-side apply is
// simplified: lists are replaced whole. What only a real API server knows is tested with `polyreme dev`.
package sdktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"polyreme.dev/sdk"
	"polyreme.dev/sdk/internal/wire"
)

// settleAttempts is how often Settle reconciles before it gives up.
const settleAttempts = 20

// Cluster is a cluster in memory and the controller under test. Objects are named by key: "namespace/name",
// or "name" for cluster-scoped kinds. It is not for use by several goroutines at once.
type Cluster struct {
	controller wire.Runner
	manifest   wire.Manifest
	store      store
	access     access
	settings   string
	now        time.Time
	failures   []failure
	attempts   map[wire.ObjectRef]uint32
	writes     []string
	events     []Event
	logs       []Log
	samples    []Sample
	random     uint64
	server     func(sdk.HTTPRequest) (sdk.HTTPResponse, error)
	requests   []sdk.HTTPRequest
}

// Event is one that the controller emitted.
type Event struct {
	Regarding sdk.ObjectRef
	Severity  sdk.Severity
	Reason    string
	Note      string
}

// Log is a line that the controller wrote.
type Log struct {
	Level   string
	Message string
	Fields  map[string]string
}

// Sample is a value of a metric.
type Sample struct {
	Name   string
	Value  float64
	Labels map[string]string
}

type failure struct {
	verb, kind string
	reason     sdk.Reason
}

// New is an empty cluster for a controller, at 2026-01-01T00:00:00Z.
func New[T any](controller sdk.Controller[T]) *Cluster {
	return &Cluster{
		controller: controller, manifest: controller.Describe(), store: newStore(), settings: "{}",
		now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), attempts: map[wire.ObjectRef]uint32{}, random: 1,
	}
}

// Add puts an object in as it is, status included; uid, generation and creationTimestamp are filled in where
// they are missing. It replaces one of the same name.
func (c *Cluster) Add(object sdk.Object) *Cluster {
	ref, value, refused := parse(string(object.JSON))
	if refused != nil {
		panic("sdktest: " + refused.Message)
	}
	c.store.seed(ref, value, c.now)
	return c
}

// Settings sets the `settings:` of the controller.
func (c *Cluster) Settings(settings any) *Cluster {
	text, err := json.Marshal(settings)
	if err != nil {
		panic("sdktest: " + err.Error())
	}
	c.settings = string(text)
	return c
}

// Serve sets what stands for the servers outside of Kubernetes: a response, or a [sdk.Reason] why there is none.
// Without one every request is refused as not granted.
func (c *Cluster) Serve(answer func(sdk.HTTPRequest) (sdk.HTTPResponse, error)) *Cluster {
	c.server = answer
	return c
}

// TakeRequests are the requests to outside servers since the last call.
func (c *Cluster) TakeRequests() []sdk.HTTPRequest { return drain(&c.requests) }

// Advance lets time pass.
func (c *Cluster) Advance(by time.Duration) { c.now = c.now.Add(by) }

// Now is the time of the cluster.
func (c *Cluster) Now() time.Time { return c.now }

// FailNext makes the next request of this verb to this kind fail: FailNext("apply", "Deployment",
// sdk.ErrConflict). An ApplyAll asks for each of its objects.
func (c *Cluster) FailNext(verb, kind string, reason sdk.Reason) {
	c.failures = append(c.failures, failure{verb, kind, reason})
}

// Reconcile reconciles an object once, with the permissions of the manifest; one that is not there is
// reconciled as deleted. The error is the controller's, as the host would see it: its text, and whether it
// is terminal.
func (c *Cluster) Reconcile(key string) (sdk.Result, error) {
	ref := c.primary(key)
	request := wire.Request{
		Object: ref, ID: "test", Attempt: c.attempts[ref], IdempotencyKey: "test-" + key, Epoch: 1,
	}
	held := c.store.objects[ref]
	if held != nil {
		request.Current = encode(held)
	}
	c.access = access{manifest: c.manifest, object: ref, uid: text(held, "metadata", "uid")}
	outcome := c.controller.Run(host{c}, request)
	if outcome.Failed {
		c.attempts[ref]++
		err := errors.New(outcome.Failure)
		if outcome.Terminal {
			err = sdk.Terminal(err)
		}
		return sdk.Result{}, err
	}
	c.attempts[ref] = 0
	return sdk.Result{RequeueAfter: time.Duration(outcome.RequeueMS) * time.Millisecond}, nil
}

// Settle reconciles an object until a reconcile writes nothing, as the host would while the writes of one
// lead to the next.
func (c *Cluster) Settle(key string) (sdk.Result, error) {
	for range settleAttempts {
		before := len(c.writes)
		result, err := c.Reconcile(key)
		if err != nil || len(c.writes) == before {
			return result, err
		}
	}
	return sdk.Result{}, fmt.Errorf("%s did not settle in %d reconciles; the last writes: %v",
		key, settleAttempts, c.writes[max(0, len(c.writes)-5):])
}

// Remove deletes an object as a user would: finalizers hold it, children go with it.
func (c *Cluster) Remove(kind sdk.Kind, key string) {
	_ = c.store.remove(reference(kind, key), wire.DeleteOptions{}, c.now)
}

// TakeWrites are the writes since the last call, apart from those that changed nothing: "apply ConfigMap
// default/kim", "patch Hello/status default/kim".
func (c *Cluster) TakeWrites() []string { return drain(&c.writes) }

// TakeEvents are the events since the last call.
func (c *Cluster) TakeEvents() []Event { return drain(&c.events) }

// TakeLogs are the log lines since the last call.
func (c *Cluster) TakeLogs() []Log { return drain(&c.logs) }

// TakeSamples are the values of metrics since the last call.
func (c *Cluster) TakeSamples() []Sample { return drain(&c.samples) }

func drain[E any](all *[]E) []E {
	taken := *all
	*all = nil
	return taken
}

// Find reads an object; nil when there is none.
func Find[T any](c *Cluster, resource sdk.Resource[T], key string) *T {
	held := c.store.objects[reference(resource.Kind(), key)]
	if held == nil {
		return nil
	}
	object := new(T)
	if err := json.Unmarshal([]byte(encode(held)), object); err != nil {
		panic("sdktest: " + key + ": " + err.Error())
	}
	return object
}

// All are the objects of a kind, by namespace and name.
func All[T any](c *Cluster, resource sdk.Resource[T]) []T {
	var all []T
	for _, ref := range c.store.refs(resource.Kind()) {
		all = append(all, *Find(c, resource, strings.TrimPrefix(ref.Namespace+"/"+ref.Name, "/")))
	}
	return all
}

// Edit changes an object, status included, as a user or another controller would: the generation rises when
// more than metadata and status changed. What T does not know stays.
func Edit[T any](c *Cluster, resource sdk.Resource[T], key string, edit func(*T)) {
	object := Find(c, resource, key)
	if object == nil {
		panic("sdktest: there is no " + resource.Kind().Kind + " " + key)
	}
	_, before, _ := parse(string(resource.Of(object).JSON))
	edit(object)
	ref, after, refused := parse(string(resource.Of(object).JSON))
	if refused != nil {
		panic("sdktest: " + refused.Message)
	}
	c.store.edit(ref, mergeDifference(before, after))
}

func (c *Cluster) primary(key string) wire.ObjectRef { return reference(c.manifest.Primary, key) }

func reference(kind wire.Kind, key string) wire.ObjectRef {
	namespace, name, namespaced := strings.Cut(key, "/")
	if !namespaced {
		namespace, name = "", key
	}
	return wire.ObjectRef{Kind: kind, Namespace: namespace, Name: name}
}

func sortRefs(refs []wire.ObjectRef) {
	sort.Slice(refs, func(i, j int) bool {
		if refs[i].Namespace != refs[j].Namespace {
			return refs[i].Namespace < refs[j].Namespace
		}
		return refs[i].Name < refs[j].Name
	})
}

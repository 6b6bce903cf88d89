package sdktest

import (
	"encoding/binary"
	"errors"
	"sort"
	"strings"
	"time"

	"polyreme.dev/sdk"
	"polyreme.dev/sdk/internal/wire"
)

// host is the cluster as the controller under test sees it. Its methods are the contract's.
type host struct{ *Cluster }

var _ wire.Host = host{}

// demand asks whether a request may be made, and whether a test wants it to fail.
func (c host) demand(w wish) *wire.Error {
	if w.verb != "list" && w.target.Name == "" {
		return nameless(w.target.Kind)
	}
	w.held = c.store.objects[w.target]
	if refused := c.access.check(w); refused != nil {
		return refused
	}
	for i, planned := range c.failures {
		if planned.verb == w.verb && planned.kind == w.target.Kind.Kind {
			c.failures = append(c.failures[:i:i], c.failures[i+1:]...)
			return refusal(planned.reason, "the test wants this to fail")
		}
	}
	return nil
}

func (c host) record(result wire.Written, verb string, ref wire.ObjectRef, options wire.WriteOptions) {
	if !result.Changed || options.DryRun {
		return
	}
	what := ref.String()
	if options.Subresource != "" {
		what = strings.Replace(what, " ", "/"+options.Subresource+" ", 1)
	}
	c.writes = append(c.writes, verb+" "+what)
}

func (c host) Get(ref wire.ObjectRef, _ wire.Source) (string, *wire.Error) {
	if refused := c.demand(wish{verb: "get", target: ref}); refused != nil {
		return "", refused
	}
	held, refused := c.store.held(ref)
	if refused != nil {
		return "", refused
	}
	return encode(held), nil
}

func (c host) List(kind wire.Kind, query wire.ListQuery) (wire.Page, *wire.Error) {
	if refused := c.demand(wish{verb: "list", target: wire.ObjectRef{Kind: kind}}); refused != nil {
		return wire.Page{}, refused
	}
	if refused := c.access.checkFields(kind, query); refused != nil {
		return wire.Page{}, refused
	}
	var page wire.Page
	for _, ref := range c.store.refs(kind) {
		held := c.store.objects[ref]
		in := query.Namespace == "" || query.Namespace == ref.Namespace
		child := !c.access.listsChildrenOnly(kind) || c.access.isChild(held)
		if in && child && selects(query.LabelSelector, func(key string) string { return text(held, "metadata", "labels", key) }) &&
			selects(query.FieldSelector, func(key string) string { return text(held, strings.Split(strings.TrimPrefix(key, "."), ".")...) }) {
			page.Items = append(page.Items, encode(held))
		}
	}
	return page, nil
}

// selects knows equality and existence, which is what lists of a controller's own objects need.
func selects(selector string, value func(string) string) bool {
	for _, term := range strings.Split(selector, ",") {
		term = strings.TrimSpace(term)
		if key, wanted, found := strings.Cut(term, "!="); found {
			if value(key) == wanted {
				return false
			}
		} else if key, wanted, found := strings.Cut(strings.Replace(term, "==", "=", 1), "="); found {
			if value(key) != wanted {
				return false
			}
		} else if term != "" && value(term) == "" {
			return false
		}
	}
	return true
}

func (c host) write(
	verb, sent string, options wire.WriteOptions,
	change func(wire.ObjectRef, object) (wire.Written, *wire.Error),
) (wire.Written, *wire.Error) {
	ref, value, refused := parse(sent)
	if refused == nil {
		refused = c.demand(wish{verb: verb, target: ref, subresource: options.Subresource, sent: value})
	}
	if refused != nil {
		return wire.Written{}, refused
	}
	result, refused := change(ref, value)
	c.record(result, verb, ref, options)
	return result, refused
}

func (c host) Create(sent string, options wire.WriteOptions) (wire.Written, *wire.Error) {
	return c.write("create", sent, options, func(ref wire.ObjectRef, value object) (wire.Written, *wire.Error) {
		return c.store.create(ref, value, options, c.now)
	})
}

func (c host) Update(sent string, options wire.WriteOptions) (wire.Written, *wire.Error) {
	return c.write("update", sent, options, func(ref wire.ObjectRef, value object) (wire.Written, *wire.Error) {
		return c.store.update(ref, value, options)
	})
}

func (c host) Apply(sent string, options wire.WriteOptions) (wire.Written, *wire.Error) {
	return c.write("apply", sent, options, func(ref wire.ObjectRef, value object) (wire.Written, *wire.Error) {
		manager := options.FieldManager
		if manager == "" {
			manager = c.manifest.Name
		}
		return c.store.apply(ref, value, manager, options, c.now)
	})
}

func (c host) ApplyAll(sent []string, options wire.WriteOptions) ([]wire.Written, []*wire.Error) {
	results, refused := make([]wire.Written, len(sent)), make([]*wire.Error, len(sent))
	for i, one := range sent {
		results[i], refused[i] = c.Apply(one, options)
	}
	return results, refused
}

// Patch knows merge patches only.
func (c host) Patch(
	ref wire.ObjectRef, form wire.PatchType, patch string, options wire.WriteOptions,
) (wire.Written, *wire.Error) {
	if form != wire.Merge {
		return wire.Written{}, refusal(sdk.ErrBadRequest, "sdktest knows merge patches only")
	}
	value, err := decode(patch)
	if err != nil {
		return wire.Written{}, refusal(sdk.ErrBadRequest, "%v", err)
	}
	refused := c.demand(wish{verb: "patch", target: ref, subresource: options.Subresource, sent: value})
	if refused != nil {
		return wire.Written{}, refused
	}
	result, refused := c.store.patch(ref, value, options)
	c.record(result, "patch", ref, options)
	return result, refused
}

func (c host) Delete(ref wire.ObjectRef, options wire.DeleteOptions) *wire.Error {
	if refused := c.demand(wish{verb: "delete", target: ref}); refused != nil {
		return refused
	}
	refused := c.store.remove(ref, options, c.now)
	c.record(wire.Written{Changed: refused == nil}, "delete", ref, wire.WriteOptions{})
	return refused
}

func (c host) Emit(regarding wire.ObjectRef, severity wire.Severity, reason, _, note string) {
	c.events = append(c.events, Event{regarding, severity, reason, note})
}

var levels = [...]string{"trace", "debug", "info", "warn", "error"}

func (c host) Log(level wire.Level, message string, fields []wire.Pair) {
	c.logs = append(c.logs, Log{levels[level], message, pairs(fields)})
}

func pairs(all []wire.Pair) map[string]string {
	named := map[string]string{}
	for _, pair := range all {
		named[pair.Key] = pair.Value
	}
	return named
}

func (c host) LogEnabled(wire.Level) bool { return true }

func (c host) AddCounter(name string, value float64, labels []wire.Pair) {
	c.samples = append(c.samples, Sample{name, value, pairs(labels)})
}

func (c host) SetGauge(name string, value float64, labels []wire.Pair) {
	c.AddCounter(name, value, labels)
}

func (c host) Observe(name string, value float64, labels []wire.Pair) {
	c.AddCounter(name, value, labels)
}

func (c host) Settings() string { return c.settings }

func (c host) Now() uint64 { return uint64(c.now.UnixNano()) }

func (c host) Monotonic() uint64 { return c.Now() }

// RandomNumber gives the same numbers in every run.
func (c host) RandomNumber() uint64 {
	c.random = c.random*6364136223846793005 + 1442695040888963407
	return c.random
}

func (c host) RandomBytes(count uint32) []byte {
	var bytes []byte
	for uint32(len(bytes)) < count {
		bytes = binary.LittleEndian.AppendUint64(bytes, c.RandomNumber())
	}
	return bytes[:count]
}

// httpReasons are the contract's numbers of the reasons of http.
var httpReasons = map[sdk.Reason]uint8{
	sdk.ErrNotGranted: 0, sdk.ErrNotOwner: 1, sdk.ErrBadRequest: 2, sdk.ErrLimitExceeded: 3, sdk.ErrDNS: 4,
	sdk.ErrConnect: 5, sdk.ErrTLS: 6, sdk.ErrUnavailable: 7, sdk.ErrTimeout: 8, sdk.ErrTooLarge: 9,
	sdk.ErrBroken: 10, sdk.ErrOther: 11,
}

// Send asks the test's server.
func (c host) Send(sent wire.HTTPRequest) (wire.HTTPResponse, *wire.HTTPError) {
	request := sdk.HTTPRequest{
		Method: sent.Method, URL: sent.URL, Header: sdk.Header{}, Body: sent.Body,
		Timeout: time.Duration(sent.TimeoutMS) * time.Millisecond,
	}
	for _, pair := range sent.Headers {
		request.Header[pair.Key] = append(request.Header[pair.Key], pair.Value)
	}
	c.requests = append(c.requests, request)
	if c.server == nil {
		return wire.HTTPResponse{}, &wire.HTTPError{Message: "the test has no server: see Cluster.Serve"}
	}
	answer, err := c.server(request)
	if err != nil {
		reason := sdk.ErrOther
		errors.As(err, &reason)
		return wire.HTTPResponse{}, &wire.HTTPError{Reason: httpReasons[reason], Message: err.Error()}
	}
	response := wire.HTTPResponse{Status: uint16(answer.Status), Body: answer.Body}
	for name, values := range answer.Header {
		for _, value := range values {
			response.Headers = append(response.Headers, wire.Pair{Key: strings.ToLower(name), Value: value})
		}
	}
	sort.SliceStable(response.Headers, func(i, j int) bool {
		return response.Headers[i].Key < response.Headers[j].Key
	})
	return response, nil
}

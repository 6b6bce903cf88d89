package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"polyreme.dev/sdk/internal/wire"
)

// pageSize is objects per page of a list: one page of 2 KiB objects stays near 1 MiB.
const pageSize = 500

// Resource is a kind with its Go type, and all that can be done with objects of it. T is any struct with
// JSON tags: a type of your own with [TypeMeta] and [ObjectMeta], one of k8s.io/api, or one with only the
// fields that matter.
//
//	var Deployments = sdk.NewNamespaced[appsv1.Deployment]("apps/v1", "Deployment")
//
//	deployment, err := Deployments.Get(ctx, "web")
type Resource[T any] struct {
	kind       Kind
	namespaced bool
}

// NewNamespaced is a kind whose objects live in namespaces.
func NewNamespaced[T any](apiVersion, kind string) Resource[T] {
	return Resource[T]{Kind{APIVersion: apiVersion, Kind: kind}, true}
}

// NewClusterScoped is a kind whose objects live in no namespace.
func NewClusterScoped[T any](apiVersion, kind string) Resource[T] {
	return Resource[T]{Kind{APIVersion: apiVersion, Kind: kind}, false}
}

// Kind is apiVersion and kind, as a [Manifest] names them.
func (r Resource[T]) Kind() Kind { return r.kind }

// Ref names an object of this kind.
func (r Resource[T]) Ref(namespace, name string) ObjectRef {
	if !r.namespaced {
		namespace = ""
	}
	return ObjectRef{Kind: r.kind, Namespace: namespace, Name: name}
}

// Object is an object with its kind: what [ApplyAll] takes several kinds of.
type Object struct {
	Ref  ObjectRef
	JSON []byte
	err  error
}

// Of is object with its kind.
func (r Resource[T]) Of(object *T) Object {
	metadata, err := metadataOf(object)
	if err != nil {
		return Object{Ref: r.Ref("", ""), err: encodeError(r.Ref("", ""), err)}
	}
	ref := r.Ref(metadata.Namespace, metadata.Name)
	text, err := json.Marshal(object)
	if err != nil {
		return Object{Ref: ref, err: encodeError(ref, err)}
	}
	return Object{Ref: ref, JSON: withKind(text, r.kind)}
}

func encodeError(ref ObjectRef, err error) error {
	return Terminal(fmt.Errorf("failed to encode %s: %w", ref, err))
}

// withKind puts apiVersion and kind in front, unless the object begins with its own.
func withKind(text []byte, kind Kind) []byte {
	if bytes.HasPrefix(text, []byte(`{"apiVersion":`)) || bytes.HasPrefix(text, []byte(`{"kind":`)) {
		return text
	}
	head := `{"apiVersion":"` + kind.APIVersion + `","kind":"` + kind.Kind + `"`
	if len(text) > len("{}") {
		head += ","
	}
	return append([]byte(head), text[1:]...)
}

// OwnerReference makes object the controller of another: that is garbage collected with it, and its changes
// lead back to it. Object must have come from the API server, for its uid.
func (r Resource[T]) OwnerReference(object *T) OwnerReference {
	metadata, err := metadataOf(object)
	if err != nil {
		return OwnerReference{}
	}
	return OwnerReference{
		APIVersion: r.kind.APIVersion, Kind: r.kind.Kind, Name: metadata.Name, UID: metadata.UID,
		Controller: true, BlockOwnerDeletion: true,
	}
}

// Child is metadata for an object called name that object controls, in the same namespace.
func (r Resource[T]) Child(object *T, name string) ObjectMeta {
	child := ObjectMeta{Name: name, OwnerReferences: []OwnerReference{r.OwnerReference(object)}}
	if metadata, err := metadataOf(object); err == nil {
		child.Namespace = metadata.Namespace
	}
	return child
}

// Get reads an object, in the namespace of the object under reconcile when its kind is namespaced. From the
// host's cache when the kind is watched, and never older than what this controller wrote itself.
func (r Resource[T]) Get(ctx context.Context, name string) (*T, error) {
	return r.GetIn(ctx, of(ctx).request.Object.Namespace, name)
}

// GetIn reads an object of another namespace.
func (r Resource[T]) GetIn(ctx context.Context, namespace, name string) (*T, error) {
	ref, c := r.Ref(namespace, name), of(ctx)
	text, refused := c.host.Get(ref, c.source)
	if refused != nil {
		return nil, requestError("get", ref.String(), refused)
	}
	return decode[T](text, ref)
}

// Query is what a list selects; the zero value is everything in all namespaces.
type Query struct {
	Namespace string
	// Labels is a label selector: "app=website,tier!=test".
	Labels string
	// Fields is a field selector: metadata.name=x, what the kind's server supports, and, from the cache,
	// every field that the manifest indexes.
	Fields string
	// PageSize is how many objects cross at a time; 0 is 500.
	PageSize int
}

// List reads all objects that a query selects; it follows pages.
func (r Resource[T]) List(ctx context.Context, query Query) ([]T, error) {
	c := of(ctx)
	asked := wire.ListQuery{
		Namespace: query.Namespace, LabelSelector: query.Labels, FieldSelector: query.Fields,
		Limit: pageSize, Source: c.source,
	}
	if query.PageSize > 0 {
		asked.Limit = uint32(query.PageSize)
	}
	var objects []T
	for {
		page, refused := c.host.List(r.kind, asked)
		if refused != nil {
			return nil, requestError("list", r.kind.Kind, refused)
		}
		for _, item := range page.Items {
			object, err := decode[T](item, r.Ref(query.Namespace, "in a list"))
			if err != nil {
				return nil, err
			}
			objects = append(objects, *object)
		}
		if asked.Continue = page.Continue; asked.Continue == "" {
			return objects, nil
		}
	}
}

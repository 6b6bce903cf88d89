// Package sdk is for writing Kubernetes controllers in Go as WebAssembly components for Polyreme.
//
// You write a type for your kind and one function, Reconcile. The host does the rest: watches, cache, work
// queue, retries, credentials, and sharing the objects out among its replicas. The package needs nothing but
// the standard library: Go 1.24 or newer, or TinyGo on Go 1.22 or newer.
//
// # The smallest controller
//
// A Hello becomes a ConfigMap with its greeting. The types name the fields that matter, and no others:
//
//	type Hello struct {
//		sdk.TypeMeta
//		sdk.ObjectMeta `json:"metadata"`
//		Spec           HelloSpec   `json:"spec"`
//		Status         HelloStatus `json:"status"`
//	}
//
//	type ConfigMap struct {
//		sdk.TypeMeta
//		sdk.ObjectMeta `json:"metadata"`
//		Data           map[string]string `json:"data,omitempty"`
//	}
//
// A [Resource] is a kind with its type. Types of k8s.io/api do as well: sdk.NewNamespaced[corev1.ConfigMap].
//
//	var (
//		hellos     = sdk.NewNamespaced[Hello]("example.polyreme.dev/v1", "Hello")
//		configMaps = sdk.NewNamespaced[ConfigMap]("v1", "ConfigMap")
//	)
//
// A reconcile looks at what is, not at what happened, does what is missing, and returns:
//
//	func reconcile(ctx context.Context, hello *Hello) (sdk.Result, error) {
//		greeting := "Hello, " + hello.Spec.Who + "!"
//		_, err := configMaps.Apply(ctx, &ConfigMap{
//			ObjectMeta: hellos.Child(hello, hello.Name), // owned by the Hello, in its namespace
//			Data:       map[string]string{"greeting": greeting},
//		})
//		if err != nil {
//			return sdk.Result{}, err // tried again, with growing delays
//		}
//		_, err = hellos.PatchStatus(ctx, hello, HelloStatus{Greeting: greeting})
//		return sdk.Result{}, err
//	}
//
// The module is a main package whose main does nothing; the host calls what init registers:
//
//	func init() {
//		sdk.Register(sdk.Controller[Hello]{
//			Manifest:  sdk.Manifest{Name: "hello", Owns: []sdk.Kind{configMaps.Kind()}},
//			Primary:   hellos,
//			Reconcile: reconcile,
//		})
//	}
//
//	func main() {}
//
// `polyreme build` makes the component, `polyreme run --config polyreme.yaml` runs it. Package
// [polyreme.dev/sdk/sdktest] is a cluster in memory, for `go test`.
//
// # Where to find what
//
//	read                            Resource.Get, Resource.List, Live
//	write                           Resource.Apply, ApplyAll, Resource.PatchStatus, Resource.Patch, Resource.Delete
//	make children                   Resource.Child, Resource.OwnerReference
//	clean up before an object goes  Resource.Finalizer, Resource.Finalized
//	report conditions               SetCondition
//	tell people                     Event, Logger, Count
//	read settings:                  Settings
//	know the time, draw a number    Now, RandomNumber
//	ask an outside server           HTTP
//	come back later                 Result.RequeueAfter
//	give up                         Terminal
//	tell errors apart               errors.Is(err, ErrNotFound) and the other reasons
//	watch other kinds               Manifest.Watches, ByOwner, ByLabel, ByField
//
// # What WebAssembly changes
//
// There is no network but [HTTP], no file and no environment: what asks for them gets an error. Printed lines reach the
// host's log, and so do package log and package slog. A panic ends the reconcile, reaches the host's log with
// its message and stack, and is tried again. Every reconcile starts in a fresh instance unless the host's
// configuration keeps instances warm: globals may or may not survive.
//
// Goroutines, timers and contexts work, in virtual time: [time.Now] is the host's, but a sleep takes none.
// One of an hour ends at once, when nothing else can run; to wait, return Result.RequeueAfter. A goroutine
// still running when Reconcile returns goes on in the next reconcile of that instance, if there is one, and
// its requests fail. A loop that never ends is ended by the limit of CPU time.
//
// # TinyGo
//
// `polyreme build --compiler tinygo` makes modules a tenth of the size. There are no goroutines, no
// context.WithCancel and no recover, types of k8s.io/api do not compile, and reflection has no methods.
package sdk

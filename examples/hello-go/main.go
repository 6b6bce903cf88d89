// The smallest controller in Go: a Hello becomes a ConfigMap with its greeting.
package main

import (
	"context"

	"polyreme.dev/sdk"
)

// Hello is somebody who is to be greeted.
type Hello struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Spec           HelloSpec   `json:"spec"`
	Status         HelloStatus `json:"status"`
}

// HelloSpec is what users write.
type HelloSpec struct {
	Who string `json:"who"`
}

// HelloStatus is what the controller answers.
type HelloStatus struct {
	Greeting string `json:"greeting,omitempty"`
}

// ConfigMap is as much of one as this controller needs.
type ConfigMap struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Data           map[string]string `json:"data,omitempty"`
}

var (
	hellos     = sdk.NewNamespaced[Hello]("example.polyreme.dev/v1", "Hello")
	configMaps = sdk.NewNamespaced[ConfigMap]("v1", "ConfigMap")
)

var greeter = sdk.Controller[Hello]{
	Manifest:  sdk.Manifest{Name: "hello", Version: "0.1.0", Owns: []sdk.Kind{configMaps.Kind()}},
	Primary:   hellos,
	Reconcile: reconcile,
}

func reconcile(ctx context.Context, hello *Hello) (sdk.Result, error) {
	greeting := "Hello, " + hello.Spec.Who + "!"
	_, err := configMaps.Apply(ctx, &ConfigMap{
		ObjectMeta: hellos.Child(hello, hello.Name),
		Data:       map[string]string{"greeting": greeting},
	})
	if err != nil {
		return sdk.Result{}, err
	}
	greeted, err := hellos.PatchStatus(ctx, hello, HelloStatus{Greeting: greeting})
	if greeted {
		sdk.Logger(ctx).Info("greeted " + hello.Spec.Who)
	}
	return sdk.Result{}, err
}

func init() { sdk.Register(greeter) }

func main() {}

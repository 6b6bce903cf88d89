// The reconcile that `cargo xtask bench languages` measures, in Go: see ../dispatch-guest.
package main

import (
	"context"
	"errors"

	"polyreme.dev/sdk"
)

const version = "example.polyreme.dev/config-version"

// Deployment is the part of one that matters here.
type Deployment struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Spec           struct {
		Template struct {
			Metadata struct {
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
		} `json:"template"`
	} `json:"spec"`
}

// ConfigMap is what the pods were started with.
type ConfigMap struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Data           map[string]string `json:"data,omitempty"`
}

var (
	deployments = sdk.NewNamespaced[Deployment]("apps/v1", "Deployment")
	configMaps  = sdk.NewNamespaced[ConfigMap]("v1", "ConfigMap")
)

func init() {
	sdk.Register(sdk.Controller[Deployment]{
		Manifest: sdk.Manifest{Name: "dispatch"},
		Primary:  deployments,
		Reconcile: func(ctx context.Context, deployment *Deployment) (sdk.Result, error) {
			config, err := configMaps.Get(ctx, deployment.Name)
			if err != nil {
				return sdk.Result{}, err
			}
			if deployment.Spec.Template.Metadata.Annotations[version] != config.ResourceVersion {
				return sdk.Result{}, sdk.Terminal(errors.New("the Deployment runs with an old ConfigMap"))
			}
			return sdk.Result{}, nil
		},
	})
}

func main() {}

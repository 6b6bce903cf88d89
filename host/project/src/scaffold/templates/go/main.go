// Keeps a ConfigMap for each Page.
package main

import (
	"context"
	"fmt"
	"html"

	"polyreme.dev/sdk"
)

// Page is a page of text.
type Page struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Spec           PageSpec   `json:"spec"`
	Status         PageStatus `json:"status"`
}

// PageSpec is what users write.
type PageSpec struct {
	Title string `json:"title"`
	Text  string `json:"text,omitempty"`
}

// PageStatus is what the controller answers.
type PageStatus struct {
	Conditions []sdk.Condition `json:"conditions,omitempty"`
}

// ConfigMap is as much of one as this controller needs.
type ConfigMap struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Data           map[string]string `json:"data,omitempty"`
}

var (
	pages      = sdk.NewNamespaced[Page]("example.com/v1alpha1", "Page")
	configMaps = sdk.NewNamespaced[ConfigMap]("v1", "ConfigMap")
)

var controller = sdk.Controller[Page]{
	Manifest:  sdk.Manifest{Name: "{{name}}", Version: "0.1.0", Owns: []sdk.Kind{configMaps.Kind()}},
	Primary:   pages,
	Reconcile: reconcile,
}

func reconcile(ctx context.Context, page *Page) (sdk.Result, error) {
	_, err := configMaps.Apply(ctx, &ConfigMap{
		ObjectMeta: pages.Child(page, page.Name),
		Data:       map[string]string{"index.html": render(page.Spec)},
	})
	if err != nil {
		return sdk.Result{}, err
	}
	ready := sdk.Condition{
		Type: "Ready", Status: sdk.True, Reason: "Rendered", ObservedGeneration: page.Generation,
	}
	status := PageStatus{Conditions: sdk.SetCondition(page.Status.Conditions, sdk.Now(ctx), ready)}
	changed, err := pages.PatchStatus(ctx, page, status)
	if changed {
		sdk.Logger(ctx).Info("rendered " + page.Spec.Title)
	}
	return sdk.Result{}, err
}

func render(spec PageSpec) string {
	return fmt.Sprintf("<h1>%s</h1>\n<p>%s</p>\n", html.EscapeString(spec.Title), html.EscapeString(spec.Text))
}

func init() { sdk.Register(controller) }

func main() {}

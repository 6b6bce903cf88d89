// Hosts websites: each Website becomes a ConfigMap, a Service, an Ingress and a Deployment in the look of its
// Theme.
//
// The controller of ../rust in Go: the same objects, events and statuses, held to the same golden files. What
// is to be is computed by pure functions (children.go, page.go, status.go); this file asks the cluster,
// applies, and reports.
package main

import (
	"context"
	_ "embed"
	"errors"

	"polyreme.dev/sdk"
)

//go:embed settings.schema.json
var settingsSchema string

var controller = sdk.Controller[Website]{
	Manifest: sdk.Manifest{
		Name:           "website",
		Version:        "0.1.0",
		Owns:           []sdk.Kind{configMaps.Kind(), services.Kind(), ingresses.Kind(), deployments.Kind()},
		Watches:        []sdk.Watch{{Kind: themes.Kind(), Mapping: sdk.ByField("spec.theme")}},
		SettingsSchema: settingsSchema,
	},
	Primary:   websites,
	Reconcile: reconcile,
}

func init() { sdk.Register(controller) }

func main() {}

func reconcile(ctx context.Context, website *Website) (sdk.Result, error) {
	if website.IsDeleting() {
		return sdk.Result{}, report(ctx, website, Terminating, "waiting to be deleted")
	}
	served, err := bringAbout(ctx, website)
	switch {
	case err != nil:
		return sdk.Result{}, complain(ctx, website, err)
	case served:
		return sdk.Result{}, report(ctx, website, Ready, "served in its latest version")
	default:
		return sdk.Result{}, report(ctx, website, Pending, "waiting for the Deployment")
	}
}

// themeError is a failure to find the Theme, with the reason of the event that tells of it.
type themeError struct {
	reason string
	cause  error
}

func (e *themeError) Error() string { return e.cause.Error() }
func (e *themeError) Unwrap() error { return e.cause }

// bringAbout applies the children; true when the site is served in its latest version.
func bringAbout(ctx context.Context, website *Website) (bool, error) {
	theme, err := themeOf(ctx, website)
	if err != nil {
		return false, err
	}
	settings := defaultSettings()
	if err := sdk.Settings(ctx, &settings); err != nil {
		return false, err
	}
	children := childrenOf(website, theme.Spec, settings)
	if err := apply(ctx, children); err != nil {
		if !errors.Is(err, sdk.ErrInvalid) || replace(ctx, children) != nil {
			return false, err
		}
		if err := apply(ctx, children); err != nil {
			return false, err
		}
	}
	rollout, err := rollouts.Get(ctx, childName(website))
	if errors.Is(err, sdk.ErrNotFound) {
		return false, nil
	}
	return err == nil && rollout.isComplete(), err
}

func apply(ctx context.Context, children Children) error {
	_, err := sdk.ApplyAll(ctx,
		configMaps.Of(&children.ConfigMap), services.Of(&children.Service),
		ingresses.Of(&children.Ingress), deployments.Of(&children.Deployment))
	return err
}

// replace replaces the specs of the children, lists and all. An apply merges lists by their keys, so an entry
// that somebody added by hand (a second port named http) stays and can make the result invalid.
func replace(ctx context.Context, children Children) error {
	spec := func(spec any) sdk.Patch { return sdk.MergePatch(map[string]any{"spec": spec}) }
	if _, err := services.Patch(ctx, &children.Service, spec(children.Service.Spec)); err != nil {
		return err
	}
	if _, err := ingresses.Patch(ctx, &children.Ingress, spec(children.Ingress.Spec)); err != nil {
		return err
	}
	_, err := deployments.Patch(ctx, &children.Deployment, spec(children.Deployment.Spec))
	return err
}

func themeOf(ctx context.Context, website *Website) (*Theme, error) {
	if website.Spec.Theme == "" {
		return nil, &themeError{"ThemeUnspecified", sdk.Terminal(errors.New("spec.theme is empty: name a Theme"))}
	}
	theme, err := themes.Get(ctx, website.Spec.Theme)
	if errors.Is(err, sdk.ErrNotFound) {
		// The cache may hear of a Website before it hears of its Theme: ask the API server before complaining.
		theme, err = themes.Get(sdk.Live(ctx), website.Spec.Theme)
	}
	if errors.Is(err, sdk.ErrNotFound) {
		return nil, &themeError{"ThemeNotFound", err}
	}
	return theme, err
}

func report(ctx context.Context, website *Website, phase Phase, message string) error {
	status := nextStatus(website, phase, message, sdk.Now(ctx))
	changed, err := websites.PatchStatus(ctx, website, status)
	if changed && website.Status.Phase != phase {
		sdk.Logger(ctx).Info("now "+string(phase)+": "+message, "theme", website.Spec.Theme)
	}
	return err
}

// complain tells of a failure in an event and in the status, and hands it back. A conflict is no failure of
// the site: the next try sees the newer object.
func complain(ctx context.Context, website *Website, failure error) error {
	if errors.Is(failure, sdk.ErrConflict) || errors.Is(failure, sdk.ErrNotOwner) {
		return failure
	}
	reason := "ReconcilerError"
	var missing *themeError
	if errors.As(failure, &missing) {
		reason = missing.reason
	}
	sdk.Event(ctx, sdk.Warning, reason, failure.Error())
	if err := report(ctx, website, Failed, failure.Error()); err != nil {
		sdk.Logger(ctx).Warn("the status does not tell of this failure: " + err.Error())
	}
	return failure
}

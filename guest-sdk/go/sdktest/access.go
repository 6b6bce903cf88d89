package sdktest

import (
	"slices"
	"strings"

	"polyreme.dev/sdk"
	"polyreme.dev/sdk/internal/wire"
)

// access is the host's default permissions, so that a missing one is found by a test. Everything that the
// manifest asks for counts as granted.
type access struct {
	manifest wire.Manifest
	object   wire.ObjectRef
	uid      string
}

// wish is one thing that a reconcile wants to do; sent is what was sent, held what is there.
type wish struct {
	verb        string
	target      wire.ObjectRef
	subresource string
	sent, held  object
}

// Groups and core kinds that no manifest may own: they must be asked for.
var (
	guardedGroups = []string{
		"coordination.k8s.io", "rbac.authorization.k8s.io", "admissionregistration.k8s.io",
		"apiextensions.k8s.io", "authentication.k8s.io", "certificates.k8s.io",
	}
	guardedKinds = []string{"Secret", "ServiceAccount"}
)

// word is the verb that a permission must name: a subresource has one of its own.
func (w wish) word() string {
	if w.subresource != "" {
		return w.subresource
	}
	return w.verb
}

func (a access) check(w wish) *wire.Error {
	owned := a.owns(w.target.Kind)
	if a.asks(w) || a.onPrimary(w) || (owned && a.onChild(w)) {
		return nil
	}
	remedy := "ask for it in the manifest's Permissions"
	if owned {
		remedy = "it is no child of the object under reconcile: give it the metadata of Child, or " + remedy
	}
	return refusal(sdk.ErrNotGranted, "controller %q may not %s %s: %s", a.manifest.Name, w.word(), w.target, remedy)
}

func (a access) asks(w wish) bool {
	return slices.ContainsFunc(a.manifest.Permissions, func(asked wire.Permission) bool {
		return asked.APIVersion == w.target.APIVersion && slices.Contains(asked.Kinds, w.target.Kind.Kind) &&
			slices.Contains(asked.Verbs, w.word())
	})
}

func (a access) onPrimary(w wish) bool {
	reads := w.verb == "get" || w.verb == "list"
	changes := w.verb == "update" || w.verb == "patch" || w.verb == "apply"
	ownPart := w.subresource == "status" || onlyFinalizers(w.sent)
	return w.target.Kind == a.manifest.Primary && (reads || (w.target == a.object && ownPart && changes))
}

func (a access) onChild(w wish) bool {
	if a.object.Namespace != "" && w.target.Namespace != a.object.Namespace && w.verb != "list" {
		return false
	}
	whole := w.verb == "create" || w.verb == "update" || w.verb == "apply"
	return w.subresource == "" && (!whole || a.isChild(w.sent)) && (w.held == nil || a.isChild(w.held))
}

func (a access) isChild(value object) bool { return slices.Contains(ownerUIDs(value, true), a.uid) }

func (a access) owns(kind wire.Kind) bool {
	if !slices.Contains(a.manifest.Owns, kind) {
		return false
	}
	group, _, named := strings.Cut(kind.APIVersion, "/")
	if named {
		return !slices.Contains(guardedGroups, group)
	}
	return !slices.Contains(guardedKinds, kind.Kind)
}

// listsChildrenOnly tells whether lists of a kind hold children only.
func (a access) listsChildrenOnly(kind wire.Kind) bool {
	w := wish{verb: "list", target: wire.ObjectRef{Kind: kind}}
	return !a.asks(w) && !a.onPrimary(w)
}

// checkFields refuses to select by a field that the host has no index on. Of what it does not keep, and of what is
// read live, the API server knows the fields; children are few, and all are looked at.
func (a access) checkFields(kind wire.Kind, query wire.ListQuery) *wire.Error {
	if query.Source == wire.Live || a.listsChildrenOnly(kind) || !a.keepsAll(kind) {
		return nil
	}
	known := append(a.indexes(kind), "metadata.name", "metadata.namespace")
	for _, term := range strings.Split(query.FieldSelector, ",") {
		path := strings.TrimPrefix(strings.TrimSpace(strings.SplitN(term, "=", 2)[0]), ".")
		path = strings.TrimSuffix(path, "!")
		if path != "" && !slices.Contains(known, path) {
			return refusal(sdk.ErrBadRequest, "there is no index on %s: add it to the manifest's Indexes "+
				"(for the primary kind), or read with sdk.Live", path)
		}
	}
	return nil
}

// keepsAll tells whether the host has all objects of a kind in its cache.
func (a access) keepsAll(kind wire.Kind) bool {
	watched := func(watch wire.Watch) bool { return watch.Kind == kind && watch.Selector == "" }
	return (kind == a.manifest.Primary && a.manifest.LabelSelector == "") ||
		slices.Contains(a.manifest.Owns, kind) || slices.ContainsFunc(a.manifest.Watches, watched)
}

// indexes are the fields of a kind that lists may select by: those that are declared, and those of mappings.
func (a access) indexes(kind wire.Kind) []string {
	var paths []string
	if kind != a.manifest.Primary {
		return paths
	}
	for _, path := range a.manifest.Indexes {
		paths = append(paths, strings.TrimPrefix(path, "."))
	}
	for _, watch := range a.manifest.Watches {
		if watch.Mapping == wire.ByField {
			paths = append(paths, strings.TrimPrefix(watch.Path, "."))
		}
	}
	return paths
}

func onlyFinalizers(sent object) bool {
	fields, _ := at(sent, "metadata").(object)
	if fields == nil || fields["finalizers"] == nil {
		return false
	}
	for name := range sent {
		if !slices.Contains([]string{"apiVersion", "kind", "metadata"}, name) {
			return false
		}
	}
	for name := range fields {
		if !slices.Contains([]string{"finalizers", "name", "namespace", "uid", "resourceVersion"}, name) {
			return false
		}
	}
	return true
}

package sdk

import "polyreme.dev/sdk/internal/wire"

// Kind is a kind: "apps/v1" and "Deployment".
type Kind = wire.Kind

// Manifest is what a controller tells the host before its first reconcile.
//
// Without another word a controller may read its primary kind, write its status and finalizers, and manage
// objects of the kinds it Owns that carry a controller owner reference to the object under reconcile.
// Everything else must be asked for here and granted in the host's configuration.
type Manifest struct {
	// Name is a DNS label, for people and logs. The field manager and the controller label of metrics are the
	// controller's name in the host's configuration.
	Name string
	// Version is the module's, for people and logs.
	Version string
	// Selector is a label selector for primaries; empty is all.
	Selector string
	// Owns are kinds created with a controller owner reference to the primary: their changes reconcile it.
	Owns []Kind
	// Watches are other kinds whose changes reconcile primaries. Reading them is asked for as well.
	Watches []Watch
	// Indexes are fields of the primary that lists may select by: "spec.theme".
	Indexes []string
	// Permissions are what else is asked for.
	Permissions []Permission
	// SettingsSchema is a JSON Schema that the host checks `settings:` against before it starts the module.
	// Keep it in a file beside the code, with go:embed.
	SettingsSchema string
}

// Watch is a kind whose changes lead to reconciles of the primary.
type Watch struct {
	Kind    Kind
	Mapping Mapping
	// Selector is a label selector; empty is all.
	Selector string
}

// Mapping is how an object of a watched kind leads to the objects to reconcile.
type Mapping struct {
	way  wire.MappingKind
	path string
}

// ByOwner follows the controller owner reference upwards to the primary kind.
func ByOwner() Mapping { return Mapping{way: wire.ByOwner} }

// ByLabel is the primary that the label with this key names, in the same namespace.
func ByLabel(key string) Mapping { return Mapping{wire.ByLabel, key} }

// ByField is every primary whose field at this path equals the object's name: "spec.theme".
func ByField(path string) Mapping { return Mapping{wire.ByField, path} }

// Permission asks for verbs on kinds of one group: get, list, watch, create, update, patch, apply, delete,
// status, scale, finalizers.
type Permission = wire.Permission

func (m Manifest) describe(primary Kind) wire.Manifest {
	described := wire.Manifest{
		Name: m.Name, Version: m.Version, Primary: primary, LabelSelector: m.Selector,
		Owns: m.Owns, Indexes: m.Indexes, SettingsSchema: m.SettingsSchema,
	}
	for _, watch := range m.Watches {
		described.Watches = append(described.Watches, wire.Watch{
			Kind: watch.Kind, Mapping: watch.Mapping.way, Path: watch.Mapping.path, Selector: watch.Selector,
		})
		described.Permissions = append(described.Permissions, Permission{
			APIVersion: watch.Kind.APIVersion, Kinds: []string{watch.Kind.Kind},
			Verbs: []string{"get", "list", "watch"},
		})
	}
	described.Permissions = append(described.Permissions, m.Permissions...)
	return described
}

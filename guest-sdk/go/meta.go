package sdk

import (
	"bytes"
	"encoding/json"
	"time"
)

// TypeMeta is apiVersion and kind. Embed it first in a type of your own:
//
//	type Hello struct {
//		sdk.TypeMeta
//		sdk.ObjectMeta `json:"metadata"`
//		Spec           HelloSpec `json:"spec"`
//	}
//
// It may stay empty: what is written gets the kind of its [Resource].
type TypeMeta struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind,omitempty"`
}

// ObjectMeta is what controllers need of metadata. What is read and written back by Update keeps only
// these fields; Apply and Patch touch only the fields they name.
type ObjectMeta struct {
	Name              string            `json:"name,omitempty"`
	Namespace         string            `json:"namespace,omitempty"`
	UID               string            `json:"uid,omitempty"`
	ResourceVersion   string            `json:"resourceVersion,omitempty"`
	Generation        int64             `json:"generation,omitempty"`
	CreationTimestamp *Time             `json:"creationTimestamp,omitempty"`
	DeletionTimestamp *Time             `json:"deletionTimestamp,omitempty"`
	Labels            map[string]string `json:"labels,omitempty"`
	Annotations       map[string]string `json:"annotations,omitempty"`
	Finalizers        []string          `json:"finalizers,omitempty"`
	OwnerReferences   []OwnerReference  `json:"ownerReferences,omitempty"`
}

// OwnerReference says to whom an object belongs.
type OwnerReference struct {
	APIVersion         string `json:"apiVersion"`
	Kind               string `json:"kind"`
	Name               string `json:"name"`
	UID                string `json:"uid"`
	Controller         bool   `json:"controller,omitempty"`
	BlockOwnerDeletion bool   `json:"blockOwnerDeletion,omitempty"`
}

// Metadata is the embedded metadata itself, so that types with an ObjectMeta need no second decoding.
func (m *ObjectMeta) Metadata() *ObjectMeta { return m }

// IsDeleting tells whether the object waits for its finalizers.
func (m *ObjectMeta) IsDeleting() bool { return m.DeletionTimestamp != nil }

// HasFinalizer tells whether metadata.finalizers contains this one.
func (m *ObjectMeta) HasFinalizer(finalizer string) bool {
	for _, held := range m.Finalizers {
		if held == finalizer {
			return true
		}
	}
	return false
}

// IsControlledBy tells whether owner is the controller of this object, by uid.
func (m *ObjectMeta) IsControlledBy(owner *ObjectMeta) bool {
	for _, reference := range m.OwnerReferences {
		if reference.Controller && reference.UID == owner.UID {
			return true
		}
	}
	return false
}

// Time is a timestamp to the second, as Kubernetes writes most: 2026-01-02T15:04:05Z.
type Time struct{ time.Time }

// MarshalJSON writes the time in UTC; null when it is zero.
func (t Time) MarshalJSON() ([]byte, error) { return formatTime(t.Time, time.RFC3339) }

// UnmarshalJSON reads what Kubernetes writes; null is zero.
func (t *Time) UnmarshalJSON(text []byte) (err error) {
	t.Time, err = parseTime(text)
	return err
}

// MicroTime is a timestamp to the microsecond: 2026-01-02T15:04:05.000000Z.
type MicroTime struct{ time.Time }

// MarshalJSON writes the time in UTC; null when it is zero.
func (t MicroTime) MarshalJSON() ([]byte, error) {
	return formatTime(t.Time, "2006-01-02T15:04:05.000000Z07:00")
}

// UnmarshalJSON reads what Kubernetes writes; null is zero.
func (t *MicroTime) UnmarshalJSON(text []byte) (err error) {
	t.Time, err = parseTime(text)
	return err
}

func formatTime(t time.Time, layout string) ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.UTC().Format(layout) + `"`), nil
}

func parseTime(text []byte) (time.Time, error) {
	// Nobody escapes anything in a time; if somebody does, it is read as the text that it is.
	if end := len(text) - 1; end > 0 && text[0] == '"' && text[end] == '"' && bytes.IndexByte(text, '\\') < 0 {
		return time.Parse(time.RFC3339Nano, string(text[1:end]))
	}
	var value *string
	if err := json.Unmarshal(text, &value); err != nil || value == nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, *value)
}

// metadataOf is the metadata of any object: types that embed [ObjectMeta] hand it out, of others (such as
// those of k8s.io/api) it is read from their JSON.
func metadataOf(object any) (*ObjectMeta, error) {
	if own, ok := object.(interface{ Metadata() *ObjectMeta }); ok {
		return own.Metadata(), nil
	}
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var whole struct {
		Metadata ObjectMeta `json:"metadata"`
	}
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, err
	}
	return &whole.Metadata, nil
}

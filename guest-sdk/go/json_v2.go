//go:build go1.26 && goexperiment.jsonv2 && !tinygo

package sdk

import (
	"encoding/json"
	"errors"
	"strings"
)

// fieldOf is the field that a decoding failed at, if that is known.
func fieldOf(err error) string {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return mismatch.Field
	}
	names := strings.Split(strings.TrimPrefix(pointerTo(err), "/"), "/")
	for i, name := range names {
		names[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	return strings.Join(names, ".")
}

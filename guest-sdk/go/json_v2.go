//go:build go1.26 && goexperiment.jsonv2 && !tinygo

package sdk

import (
	"encoding/json"
	"errors"
	"strings"
)

func readJSON(text []byte, into any) error { return unmarshalV2(text, into, asV1) }

// fieldOf is the field that a decoding failed at, if that is known.
func fieldOf(err error) string {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return mismatch.Field
	}
	var semantic *semanticError
	if !errors.As(err, &semantic) {
		return ""
	}
	names := strings.Split(strings.TrimPrefix(string(semantic.JSONPointer), "/"), "/")
	for i, name := range names {
		names[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	return strings.Join(names, ".")
}

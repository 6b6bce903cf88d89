//go:build !go1.26 || !goexperiment.jsonv2 || tinygo

package sdk

import (
	"encoding/json"
	"errors"
)

func readJSON(text []byte, into any) error { return json.Unmarshal(text, into) }

// fieldOf is the field that a decoding failed at, if that is known.
func fieldOf(err error) string {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return mismatch.Field
	}
	return ""
}

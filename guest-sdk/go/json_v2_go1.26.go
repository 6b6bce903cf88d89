//go:build go1.26 && !go1.27 && goexperiment.jsonv2 && !tinygo

// The same as for Go 1.27, in a file of its own because a file may use what is in the Go it asks for: in Go 1.26
// the package is there as an experiment.

package sdk

import (
	"encoding/json"
	jsonv2 "encoding/json/v2"
	"errors"
)

// asV1 reads as package encoding/json does, but for its errors: to have those, it reads everything twice.
var asV1 = jsonv2.JoinOptions(json.DefaultOptionsV1(), json.ReportErrorsWithLegacySemantics(false))

func readJSON(text []byte, into any) error { return jsonv2.Unmarshal(text, into, asV1) }

// pointerTo is the JSON pointer to what a decoding failed at, if that is known.
func pointerTo(err error) string {
	var semantic *jsonv2.SemanticError
	if !errors.As(err, &semantic) {
		return ""
	}
	return string(semantic.JSONPointer)
}

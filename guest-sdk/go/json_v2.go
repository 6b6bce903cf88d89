//go:build go1.27 && goexperiment.jsonv2 && !tinygo

package sdk

import (
	"encoding/json"
	jsonv2 "encoding/json/v2"
	"errors"
	"strings"
)

// asV1 reads as package encoding/json does, but for its errors: to have those, it reads everything twice.
var asV1 = jsonv2.JoinOptions(json.DefaultOptionsV1(), json.ReportErrorsWithLegacySemantics(false))

func readJSON(text []byte, into any) error { return jsonv2.Unmarshal(text, into, asV1) }

// fieldOf is the field that a decoding failed at, if that is known.
func fieldOf(err error) string {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return mismatch.Field
	}
	var semantic *jsonv2.SemanticError
	if !errors.As(err, &semantic) {
		return ""
	}
	names := strings.Split(strings.TrimPrefix(string(semantic.JSONPointer), "/"), "/")
	for i, name := range names {
		names[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	return strings.Join(names, ".")
}

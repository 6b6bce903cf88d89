//go:build go1.26 && !go1.27 && goexperiment.jsonv2 && !tinygo

// The names of json_v2_go1.27.go, in a file of its own: a file may use what is in the Go that it asks for, and in Go
// 1.26 the package is there as an experiment.

package sdk

import (
	"encoding/json"
	jsonv2 "encoding/json/v2"
)

type semanticError = jsonv2.SemanticError

var (
	unmarshalV2 = jsonv2.Unmarshal
	// asV1 reads as package encoding/json does, but for its errors: to have those, it reads everything twice.
	asV1 = jsonv2.JoinOptions(json.DefaultOptionsV1(), json.ReportErrorsWithLegacySemantics(false))
)

//go:build go1.27 && goexperiment.jsonv2 && !tinygo

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

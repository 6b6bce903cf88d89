// The cases that every SDK must pass, built by TinyGo.
package main

import (
	"polyreme.dev/sdk"
	"polyreme.dev/tests/sdk-cases-go/cases"
)

func init() { sdk.Register(cases.Controller) }

func main() {}

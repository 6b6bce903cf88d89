module polyreme.dev/tests/sdk-cases-tinygo

go 1.22

require (
	polyreme.dev/sdk v0.0.0
	polyreme.dev/tests/sdk-cases-go v0.0.0
)

replace (
	polyreme.dev/sdk => ../../../guest-sdk/go
	polyreme.dev/tests/sdk-cases-go => ../go
)

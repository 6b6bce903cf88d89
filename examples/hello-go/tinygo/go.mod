module polyreme.dev/examples/hello-tinygo

go 1.22

require polyreme.dev/sdk v0.0.0

replace polyreme.dev/sdk => ../../../guest-sdk/go

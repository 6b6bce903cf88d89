module polyreme.dev/host/runtime/examples/dispatch-tinygo

go 1.22

require polyreme.dev/sdk v0.0.0

replace polyreme.dev/sdk => ../../../../guest-sdk/go

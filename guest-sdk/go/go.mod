module polyreme.dev/sdk

go 1.22

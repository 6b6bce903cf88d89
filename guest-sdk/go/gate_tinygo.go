//go:build wasip1 && tinygo

package sdk

// hostGate has nothing to hold back: without a scheduler there are no goroutines.
var hostGate gate

type gate struct{}

func (gate) open()  {}
func (gate) close() {}
func (gate) enter() {}
func (gate) leave() {}

// reportPanic has nothing to do: TinyGo prints the message, which the adapter logs, and traps.
func reportPanic() {}

//go:build wasip1 && !tinygo

package sdk

import (
	"fmt"
	"runtime/debug"
	"sync"

	"polyreme.dev/sdk/internal/wire"
)

// hostGate is held by whoever calls the host, and by nobody's call while no export runs. While the host
// passes text in, it runs cabi_realloc, and Go's scheduler may run any goroutine there; one that called
// the host from there would trap. It waits here instead.
var hostGate = newGate()

type gate struct{ mutex sync.Mutex }

func newGate() *gate {
	g := &gate{}
	g.mutex.Lock()
	return g
}

func (g *gate) open()  { g.mutex.Unlock() }
func (g *gate) close() { g.mutex.Lock() }
func (g *gate) enter() { g.mutex.Lock() }
func (g *gate) leave() { g.mutex.Unlock() }

// reportPanic sends a panic's message and stack to the host's log, in one line, and ends the instance: what
// the panic left half done must not be found by the next reconcile.
func reportPanic() {
	cause := recover()
	if cause == nil {
		return
	}
	lowerLog(wire.ErrorLevel, fmt.Sprintf("panic: %v\n\n%s", cause, debug.Stack()), nil)
	adapterAbort()
}

//go:wasmimport wasi_snapshot_preview1 polyreme_abort
func adapterAbort()

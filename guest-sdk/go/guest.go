//go:build wasip1

package sdk

// The component's side: the exports of the contract, and the state that comes and goes with them. The
// canonical ABI is written by hand in abi.go and imports.go, about as much as generated bindings would need
// of dependencies.

import (
	"log/slog"
	"unsafe"

	"polyreme.dev/sdk/internal/wire"
)

// console is where the adapter puts printed text together to lines. Longer lines are cut into pieces.
var console [8 << 10]byte

// From here on the adapter calls the host only while the SDK says so; see gate.
func init() {
	adapterConsole(unsafe.Pointer(&console), uint32(len(console)))
	adapterOutside(0)
	slog.SetDefault(slog.New(NewHandler(imports{})))
}

//go:wasmimport wasi_snapshot_preview1 polyreme_outside
func adapterOutside(allowed uint32)

//go:wasmimport wasi_snapshot_preview1 polyreme_console
func adapterConsole(buffer unsafe.Pointer, capacity uint32)

//go:wasmimport wasi_snapshot_preview1 polyreme_flush
func adapterFlush()

// serve runs one export: the host may be called, and a panic is reported before it becomes a trap.
func serve(work func()) {
	served++
	adapterOutside(1)
	hostGate.open()
	defer reportPanic()
	work()
	hostGate.close()
	adapterFlush()
	adapterOutside(0)
}

func controller() wire.Runner {
	if registered == nil {
		panic("no controller: call sdk.Register in the init of the main package")
	}
	return registered
}

var answer lowered

//go:wasmexport polyreme:controller/reconciler@0.1.0#describe
func exportDescribe() unsafe.Pointer {
	var area unsafe.Pointer
	serve(func() { area = lowerManifest(&answer, controller().Describe()) })
	return area
}

//go:wasmexport cabi_post_polyreme:controller/reconciler@0.1.0#describe
func postDescribe(unsafe.Pointer) { answer.forget() }

//go:wasmexport polyreme:controller/reconciler@0.1.0#reconcile
func exportReconcile(request unsafe.Pointer) unsafe.Pointer {
	var area unsafe.Pointer
	serve(func() {
		area = lowerOutcome(&answer, controller().Run(imports{served}, liftRequest(request)))
	})
	return area
}

//go:wasmexport cabi_post_polyreme:controller/reconciler@0.1.0#reconcile
func postReconcile(unsafe.Pointer) { answer.forget() }

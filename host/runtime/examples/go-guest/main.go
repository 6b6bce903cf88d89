// A guest that does, by its object's label, what Go programs do that a component must survive: goroutines and
// timers that outlive a reconcile, output, sleeps, panics, and calls of an operating system that is not there.
//
// The tests of the runtime (tests/runtime/go.rs) say what must come of each.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"polyreme.dev/sdk"
)

// label names the deed.
const label = "polyreme.dev/go-guest"

// ConfigMap is the primary kind, because every cluster has it.
type ConfigMap struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Data           map[string]string `json:"data"`
}

var configMaps = sdk.NewNamespaced[ConfigMap]("v1", "ConfigMap")

var deeds = map[string]func(ctx context.Context, object *ConfigMap) error{
	"busy":            busy,
	"clock":           clock,
	"deadlock":        deadlock,
	"exit":            func(context.Context, *ConfigMap) error { os.Exit(3); return nil },
	"files":           files,
	"goroutine-panic": goroutinePanic,
	"goroutine-spin":  goroutineSpin,
	"hog":             hog,
	"left-over":       leftOver,
	"network":         network,
	"panic":           func(context.Context, *ConfigMap) error { panic("the guest gave up") },
	"print":           print,
	"random":          random,
	"sleep":           sleep,
	"spin":            func(context.Context, *ConfigMap) error { spin(); return nil },
}

func init() {
	log.Print("the guest starts")
	sdk.Register(sdk.Controller[ConfigMap]{
		Manifest: sdk.Manifest{Name: "go-guest", Version: "0.1.0", Selector: label},
		Primary:  configMaps,
		Reconcile: func(ctx context.Context, object *ConfigMap) (sdk.Result, error) {
			deed, known := deeds[object.Labels[label]]
			if !known {
				return sdk.Result{}, sdk.Terminal(fmt.Errorf("unknown deed %q", object.Labels[label]))
			}
			return sdk.Result{}, deed(ctx, object)
		},
	})
}

func main() {}

var (
	served int
	timers []*time.Timer
)

// busy has the collector, the scheduler and the timers at work while text comes in: goroutines that sleep, a
// context with a deadline, timers that are never stopped, garbage, and an object read through the host.
func busy(ctx context.Context, object *ConfigMap) error {
	served++
	timers = append(timers, time.AfterFunc(24*time.Hour, func() {}))
	if len(timers) > 100 {
		timers = nil
	}
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var all sync.WaitGroup
	finished := make(chan int, 4)
	for worker := range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			time.Sleep(time.Duration(worker+1) * 100 * time.Millisecond)
			finished <- worker
		}()
	}
	all.Wait()
	select {
	case <-finished:
	case <-limited.Done():
		return errors.New("the deadline of two seconds came before a sleep of 0.1 s ended")
	}
	read, err := configMaps.Get(limited, "read")
	if err != nil {
		return err
	}
	garbage := ""
	for key, value := range object.Data {
		garbage = key + value + read.Name
	}
	if garbage == "" {
		return errors.New("the object has no data")
	}
	sdk.Logger(ctx).Info(fmt.Sprintf("served %d, %d bytes", served, len(object.Data["text"])))
	return nil
}

// print writes in every way that a program may.
func print(ctx context.Context, _ *ConfigMap) error {
	fmt.Println("a line of fmt")
	fmt.Print("half ")
	fmt.Print("and half\n")
	fmt.Print("two\nlines\n")
	fmt.Fprintln(os.Stderr, "a line on stderr")
	println("a line of", "println")
	log.Print("a line of log")
	sdk.Logger(ctx).Info("a line of slog")
	fmt.Print("a line without end")
	return nil
}

func clock(ctx context.Context, _ *ConfigMap) error {
	before := time.Now()
	time.Sleep(time.Minute)
	off := sdk.Now(ctx).Sub(before).Abs() > time.Second
	sdk.Logger(ctx).Info(fmt.Sprintf("off: %v, slept a minute: %v", off, time.Since(before) >= time.Minute))
	return nil
}

func sleep(ctx context.Context, _ *ConfigMap) error {
	time.Sleep(time.Hour)
	sdk.Logger(ctx).Info("slept")
	return nil
}

func random(ctx context.Context, _ *ConfigMap) error {
	sdk.Logger(ctx).Info(fmt.Sprint("random ", rand.Uint64()))
	return nil
}

// leftOver starts a goroutine that never ends and uses its context for ever.
func leftOver(ctx context.Context, _ *ConfigMap) error {
	go func() {
		for {
			time.Sleep(time.Millisecond)
			if _, err := configMaps.Get(ctx, "read"); err != nil {
				fmt.Println("left over:", err)
			}
		}
	}()
	time.Sleep(10 * time.Millisecond)
	return nil
}

func spin() {
	for turns := uint64(0); ; turns++ {
	}
}

func goroutineSpin(context.Context, *ConfigMap) error {
	go spin()
	time.Sleep(time.Second)
	return nil
}

func goroutinePanic(context.Context, *ConfigMap) error {
	go panic("the goroutine gave up")
	time.Sleep(time.Second)
	return nil
}

func deadlock(context.Context, *ConfigMap) error {
	<-make(chan int)
	return nil
}

// hog uses memory until there is none.
func hog(context.Context, *ConfigMap) error {
	var all [][]byte
	for len(all) < 1<<20 {
		block := make([]byte, 1<<20)
		block[0] = 1
		all = append(all, block)
	}
	return errors.New("a terabyte was not too much")
}

// files has every call fail that a program without files must see fail.
func files(ctx context.Context, _ *ConfigMap) error {
	_, read := os.ReadFile("/etc/passwd")
	written := os.WriteFile("/tmp/x", []byte("x"), 0o600)
	_, listed := os.ReadDir("/")
	if read == nil || written == nil || listed == nil {
		return errors.New("there are files")
	}
	sdk.Logger(ctx).Info(fmt.Sprintf("read: %v, written: %v, listed: %v, home: %q", read, written, listed, os.Getenv("HOME")))
	return nil
}

func network(ctx context.Context, _ *ConfigMap) error {
	_, dialled := net.DialTimeout("tcp", "127.0.0.1:80", time.Second)
	_, resolved := net.LookupHost("example.com")
	if dialled == nil || resolved == nil {
		return errors.New("there is a network")
	}
	sdk.Logger(ctx).Info(fmt.Sprintf("dialled: %v, resolved: %v", dialled, resolved))
	return nil
}

package sdk_test

import (
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// oldestGo is what the go line may ask for at most: a newer one shuts out compilers that would do.
const oldestGo = "1.22"

// noTinyGoImports are packages that TinyGo has not, or not without a scheduler.
var noTinyGoImports = []string{"runtime/metrics", "runtime/debug", "net", "net/http", "os/exec", "plugin", "os/signal"}

// noTinyGoCalls are functions that it compiles only with a scheduler, or that panic.
var noTinyGoCalls = map[string]bool{
	"context.WithCancel": true, "context.WithTimeout": true, "context.WithDeadline": true,
	"context.WithCancelCause": true, "context.WithTimeoutCause": true, "context.WithDeadlineCause": true,
	"context.AfterFunc": true, "time.AfterFunc": true, "time.Tick": true, "time.After": true,
	"time.NewTimer": true, "time.NewTicker": true,
	"reflect.MakeFunc": true, "runtime.NumGoroutine": true,
}

// noTinyGoMethods are reflection's, whatever they are called on. They count when they are called.
var noTinyGoMethods = map[string]bool{"Method": true, "MethodByName": true, "NumMethod": true}

// fault is something that TinyGo cannot do.
type fault struct {
	position token.Position
	what     string
}

// faultsIn looks for what TinyGo lacks in one file.
func faultsIn(files *token.FileSet, file *ast.File) []fault {
	var faults []fault
	add := func(node ast.Node, what string) {
		faults = append(faults, fault{files.Position(node.Pos()), what})
	}
	for _, imported := range file.Imports {
		path, _ := strconv.Unquote(imported.Path.Value)
		for _, lacking := range noTinyGoImports {
			if path == lacking {
				add(imported, "import of "+path)
			}
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			add(node, "a goroutine")
		case *ast.SelectStmt:
			add(node, "a select")
		case *ast.CallExpr:
			if name, ok := node.Fun.(*ast.Ident); ok && name.Name == "recover" {
				add(node, "recover")
			}
			// Called: a field may have the name.
			if method, ok := node.Fun.(*ast.SelectorExpr); ok && noTinyGoMethods[method.Sel.Name] {
				add(node, "reflection's "+method.Sel.Name)
			}
		case *ast.SelectorExpr:
			from, _ := node.X.(*ast.Ident)
			if from != nil && noTinyGoCalls[from.Name+"."+node.Sel.Name] {
				add(node, from.Name+"."+node.Sel.Name)
			}
		}
		return true
	})
	return faults
}

// forTinyGo tells whether TinyGo compiles a file into a module.
func forTinyGo(text string) bool {
	for _, line := range strings.Split(text, "\n") {
		if !constraint.IsGoBuild(line) {
			continue
		}
		expression, err := constraint.Parse(line)
		return err != nil || expression.Eval(func(tag string) bool { return tag == "tinygo" || tag == "wasip1" })
	}
	return true
}

func TestTinyGoCanCompileThis(t *testing.T) {
	seen := 0
	for _, folder := range []string{".", "internal/wire"} {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(path, "_test.go") || !forTinyGo(string(text)) {
				continue
			}
			seen++
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, text, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range faultsIn(files, file) {
				t.Errorf("%s: %s: TinyGo has none without a scheduler; put it behind `//go:build !tinygo`", fault.position, fault.what)
			}
		}
	}
	if seen < 10 {
		t.Errorf("looked into %d files only", seen)
	}
}

func TestWhatTinyGoLacksIsFound(t *testing.T) {
	source := `package x
import "runtime/metrics"
func f() {
	go f()
	recover()
	ctx, cancel := context.WithCancel(ctx)
	reflect.TypeOf(x).Method(0)
	select {}
}`
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "x.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if faults := faultsIn(files, file); len(faults) != 6 {
		t.Errorf("found %v, want six faults", faults)
	}
	if forTinyGo("//go:build wasip1 && !tinygo\n\npackage x") || !forTinyGo("//go:build wasip1\n\npackage x") {
		t.Error("build tags are read wrongly")
	}
}

func TestTheGoLineIsAsLowAsItCanBe(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(text)
	if line == nil || string(line[1]) != oldestGo {
		t.Errorf("go.mod asks for %q, want %s", line, oldestGo)
	}
	if strings.Contains(string(text), "require") {
		t.Error("the SDK depends on another module")
	}
}

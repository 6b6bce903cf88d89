// Writes how Kubernetes' own kinds are laid out as protobuf messages, for the local API server:
// `go run ./messages > ../../host/apiserver/src/protobuf/messages.txt`.
//
// It is read off the tags of the Go types, which are what clients encode by. They also say what a field is called in
// JSON, which structs are inlined there, and which zeros are left out.
package main

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// Whose kinds the server serves.
var groupVersions = []string{
	"v1", "admissionregistration.k8s.io/v1", "apiextensions.k8s.io/v1", "apps/v1", "authentication.k8s.io/v1",
	"authorization.k8s.io/v1", "autoscaling/v2", "batch/v1", "coordination.k8s.io/v1", "discovery.k8s.io/v1",
	"events.k8s.io/v1", "networking.k8s.io/v1", "policy/v1", "rbac.authorization.k8s.io/v1", "scheduling.k8s.io/v1",
	"storage.k8s.io/v1",
}

// What JSON has in another form than the message: the server knows these by name.
var own = []string{
	"meta.v1.Time", "meta.v1.MicroTime", "meta.v1.FieldsV1", "resource.Quantity",
	"intstr.IntOrString", "runtime.RawExtension", "apiextensions.v1.JSON", "apiextensions.v1.JSONSchemaPropsOrArray",
	"apiextensions.v1.JSONSchemaPropsOrBool", "apiextensions.v1.JSONSchemaPropsOrStringArray",
}

type field struct {
	number int
	text   string
}

// Messages by name, and the kinds that are sent as whole objects.
type table struct {
	messages map[string][]field
	kinds    map[string]string
}

func main() {
	if err := apiextensions.AddToScheme(scheme.Scheme); err != nil {
		fail(err)
	}
	found := table{messages: map[string][]field{}, kinds: map[string]string{}}
	for _, text := range groupVersions {
		version, err := schema.ParseGroupVersion(text)
		if err != nil {
			fail(err)
		}
		for kind, of := range scheme.Scheme.KnownTypes(version) {
			if !strings.HasSuffix(kind, "List") && (isObject(of) || kind == "DeleteOptions") {
				found.add(text, kind, of)
			}
		}
	}
	found.add("autoscaling/v1", "Scale", reflect.TypeFor[autoscalingv1.Scale]())
	found.print()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "messages:", err)
	os.Exit(1)
}

// Lists of objects and options of requests are known types as well.
func isObject(of reflect.Type) bool {
	_, isOne := reflect.PointerTo(of).MethodByName("GetObjectMeta")
	return isOne && reflect.PointerTo(of).Implements(reflect.TypeFor[runtime.Object]())
}

func (t table) add(version, kind string, of reflect.Type) {
	t.kinds[version+"/"+kind] = name(of)
	t.message(of)
}

// message adds a struct and everything in it.
func (t table) message(of reflect.Type) {
	called := name(of)
	if _, known := t.messages[called]; known || of.Kind() != reflect.Struct || slices.Contains(own, called) {
		return
	}
	t.messages[called] = nil
	var fields []field
	for i := range of.NumField() {
		member := of.Field(i)
		var wire string
		var number int
		tag := strings.Replace(member.Tag.Get("protobuf"), ",", " ", 2)
		if _, err := fmt.Sscan(tag, &wire, &number); err != nil {
			continue // TypeMeta stands in the envelope.
		}
		json, options, _ := strings.Cut(member.Tag.Get("json"), ",")
		switch {
		case json == "":
			json = "^"
		case !strings.Contains(options, "omit"):
			json += "!"
		}
		fields = append(fields, field{number, fmt.Sprintf("%d:%s:%s", number, json, t.form(member.Type))})
	}
	slices.SortFunc(fields, func(a, b field) int { return cmp.Compare(a.number, b.number) })
	t.messages[called] = fields
}

// form is what a field holds; what that reaches is added.
func (t table) form(of reflect.Type) string {
	switch of.Kind() {
	case reflect.Pointer:
		return "*" + t.form(of.Elem())
	case reflect.Map:
		return "{}" + t.form(of.Elem())
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + t.form(of.Elem())
	case reflect.Struct:
		t.message(of)
		return name(of)
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "int"
	default:
		return of.Kind().String()
	}
}

// name is the package, with its version, and the type: core.v1.Pod.
func name(of reflect.Type) string {
	path := strings.Split(of.PkgPath(), "/")
	if last := path[len(path)-1]; len(path) > 1 && last[0] == 'v' && strings.ContainsAny(last, "0123456789") {
		return path[len(path)-2] + "." + last + "." + of.Name()
	}
	return path[len(path)-1] + "." + of.Name()
}

func (t table) print() {
	fmt.Printf("# Made from the Go types of %s by `go run ./messages` in hack/kube; not to be edited.\n", from())
	fmt.Println("# @version/kind message, and message number:field:form …; a form is a scalar or a message, with [] a list, with {}")
	fmt.Println("# a map, with * absent when it is nil. field ^ is inlined in JSON, field! is there when it is zero.")
	for _, kind := range sorted(t.kinds) {
		fmt.Printf("@%s %s\n", kind, t.kinds[kind])
	}
	for _, called := range sorted(t.messages) {
		fmt.Print(called)
		for _, field := range t.messages[called] {
			fmt.Print(" ", field.text)
		}
		fmt.Println()
	}
}

func sorted[V any](all map[string]V) []string {
	var keys []string
	for key := range all {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// from is the module of the types with its version.
func from() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "k8s.io/api" {
			if module.Replace != nil {
				module = module.Replace
			}
			return module.Path + " " + module.Version
		}
	}
	return "k8s.io/api"
}

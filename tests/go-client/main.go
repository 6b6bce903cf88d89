// What Go programs do with the API of a cluster, by client-go's typed clients, which send protobuf.
//
// Every object is made twice, once as protobuf and once as JSON: a server must come to the same. `go-client KUBECONFIG
// NAMESPACE` ends with 0 when all of it went well, and names what did not.
package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Of all checks together.
const patience = 2 * time.Minute

// clients are two of each, alike but for what they send.
type clients struct {
	protobuf, json      kubernetes.Interface
	definitions, asJSON apiextensions.Interface
	namespace           string
}

type check struct {
	name string
	run  func(context.Context, *clients) error
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go-client KUBECONFIG NAMESPACE")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, err := connect(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed to connect:", err)
		os.Exit(1)
	}
	failed := false
	for _, check := range append(twins(), checks...) {
		if err := check.run(ctx, all); err != nil {
			failed = true
			fmt.Printf("%s: %v\n", check.name, err)
		}
	}
	if failed {
		os.Exit(1)
	}
}

func connect(kubeconfig, namespace string) (*clients, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 200, 200
	asProtobuf, asJSON := rest.CopyConfig(config), rest.CopyConfig(config)
	asProtobuf.ContentType = "application/vnd.kubernetes.protobuf"
	asJSON.ContentType = "application/json"
	return &clients{
		protobuf:    kubernetes.NewForConfigOrDie(asProtobuf),
		json:        kubernetes.NewForConfigOrDie(asJSON),
		definitions: apiextensions.NewForConfigOrDie(asProtobuf),
		asJSON:      apiextensions.NewForConfigOrDie(asJSON),
		namespace:   namespace,
	}, nil
}

// same tells where two objects differ, apart from what is each one's own.
func same(ofProtobuf, ofJSON any) error {
	one, err := settled(ofProtobuf)
	if err != nil {
		return err
	}
	other, err := settled(ofJSON)
	if err != nil {
		return err
	}
	if reflect.DeepEqual(one, other) {
		return nil
	}
	return fmt.Errorf("sent as protobuf it is\n  %v\nand as JSON\n  %v", text(one), text(other))
}

// settled is an object without what a server gives to each one.
func settled(object any) (map[string]any, error) {
	encoded, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, err
	}
	delete(fields, "status")
	metadata, _ := fields["metadata"].(map[string]any)
	for _, own := range []string{"name", "uid", "resourceVersion", "creationTimestamp", "managedFields"} {
		delete(metadata, own)
	}
	return fields, nil
}

func text(fields map[string]any) string {
	encoded, _ := json.Marshal(fields)
	return string(encoded)
}

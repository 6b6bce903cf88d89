package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	authorization "k8s.io/api/authorization/v1"
	core "k8s.io/api/core/v1"
	definitions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	problems "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
)

var checks = []check{
	{"update, conflict and deletion with preconditions", updateAndDelete},
	{"deletion of a collection", deleteCollection},
	{"scale", scale},
	{"watch", watch},
	{"events", events},
	{"namespaces", namespaces},
	{"access review", review},
	{"leader election", elect},
	{"definitions", define},
}

func updateAndDelete(ctx context.Context, all *clients) error {
	maps := all.protobuf.CoreV1().ConfigMaps(all.namespace)
	first, err := maps.Create(ctx, named("changing"), meta.CreateOptions{})
	if err != nil {
		return err
	}
	changed := first.DeepCopy()
	changed.Data = map[string]string{"a": "b"}
	second, err := maps.Update(ctx, changed, meta.UpdateOptions{})
	if err != nil || second.Data["a"] != "b" {
		return fmt.Errorf("update: %v, %v", second, err)
	}
	if _, err := maps.Update(ctx, changed, meta.UpdateOptions{}); !problems.IsConflict(err) {
		return fmt.Errorf("an update of an old version: %v", err)
	}
	wrong := meta.DeleteOptions{Preconditions: meta.NewUIDPreconditions("other")}
	if err := maps.Delete(ctx, first.Name, wrong); !problems.IsConflict(err) {
		return fmt.Errorf("a deletion of another uid: %v", err)
	}
	right := meta.DeleteOptions{
		GracePeriodSeconds: ptr.To[int64](0),
		PropagationPolicy:  ptr.To(meta.DeletePropagationBackground),
		Preconditions:      &meta.Preconditions{UID: &second.UID, ResourceVersion: &second.ResourceVersion},
	}
	if err := maps.Delete(ctx, first.Name, right); err != nil {
		return err
	}
	if _, err := maps.Get(ctx, first.Name, meta.GetOptions{}); !problems.IsNotFound(err) {
		return fmt.Errorf("it is still there: %v", err)
	}
	return nil
}

func named(name string) *core.ConfigMap {
	return &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{"of": name}}}
}

func deleteCollection(ctx context.Context, all *clients) error {
	maps := all.protobuf.CoreV1().ConfigMaps(all.namespace)
	if _, err := maps.Create(ctx, named("collected"), meta.CreateOptions{}); err != nil {
		return err
	}
	some := meta.ListOptions{LabelSelector: "of=collected"}
	if err := maps.DeleteCollection(ctx, meta.DeleteOptions{}, some); err != nil {
		return err
	}
	left, err := maps.List(ctx, some)
	if err != nil || len(left.Items) != 0 {
		return fmt.Errorf("left: %v, %v", left, err)
	}
	return nil
}

func scale(ctx context.Context, all *clients) error {
	deployments := all.protobuf.AppsV1().Deployments(all.namespace)
	// On a real server the Deployment's controller writes meanwhile.
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		now, err := deployments.GetScale(ctx, "as-protobuf", meta.GetOptions{})
		if err != nil {
			return err
		}
		now.Spec.Replicas = 2
		_, err = deployments.UpdateScale(ctx, "as-protobuf", now, meta.UpdateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	scaled, err := deployments.Get(ctx, "as-protobuf", meta.GetOptions{})
	if err != nil || *scaled.Spec.Replicas != 2 {
		return fmt.Errorf("scaled: %v, %v", scaled, err)
	}
	return nil
}

func watch(ctx context.Context, all *clients) error {
	maps := all.protobuf.CoreV1().ConfigMaps(all.namespace)
	seen, err := maps.Watch(ctx, meta.ListOptions{LabelSelector: "of=watched"})
	if err != nil {
		return err
	}
	defer seen.Stop()
	if _, err := maps.Create(ctx, named("watched"), meta.CreateOptions{}); err != nil {
		return err
	}
	select {
	case event := <-seen.ResultChan():
		if found, is := event.Object.(*core.ConfigMap); !is || found.Name != "watched" {
			return fmt.Errorf("it showed %v", event)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func events(ctx context.Context, all *clients) error {
	event := &core.Event{
		ObjectMeta:     meta.ObjectMeta{Name: "told"},
		InvolvedObject: core.ObjectReference{Kind: "ConfigMap", Namespace: all.namespace, Name: "x", APIVersion: "v1"},
		Reason:         "Tested",
		Message:        "it works",
		Type:           core.EventTypeNormal,
		Source:         core.EventSource{Component: "go-client"},
		FirstTimestamp: meta.Unix(1_700_000_000, 0),
		LastTimestamp:  meta.Unix(1_700_000_001, 0),
		Count:          2,
	}
	made, err := all.protobuf.CoreV1().Events(all.namespace).Create(ctx, event, meta.CreateOptions{})
	if err != nil {
		return err
	}
	if made.Count != 2 || !made.FirstTimestamp.Equal(&event.FirstTimestamp) || !made.EventTime.IsZero() {
		return fmt.Errorf("made: %v", made)
	}
	return nil
}

func namespaces(ctx context.Context, all *clients) error {
	name := all.namespace + "-too"
	spaces := all.protobuf.CoreV1().Namespaces()
	made, err := spaces.Create(ctx, &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: name}}, meta.CreateOptions{})
	if err != nil {
		return err
	}
	if made.Status.Phase != core.NamespaceActive {
		return fmt.Errorf("made: %v", made)
	}
	return spaces.Delete(ctx, name, meta.DeleteOptions{})
}

func review(ctx context.Context, all *clients) error {
	question := &authorization.SelfSubjectAccessReview{Spec: authorization.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorization.ResourceAttributes{Verb: "get", Resource: "pods", Namespace: all.namespace},
	}}
	answer, err := all.protobuf.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, question, meta.CreateOptions{})
	if err != nil || !answer.Status.Allowed {
		return fmt.Errorf("answer: %v, %v", answer, err)
	}
	return nil
}

// elect leads once, and lets the Lease go.
func elect(ctx context.Context, all *clients) error {
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  meta.ObjectMeta{Name: "leader", Namespace: all.namespace},
		Client:     all.protobuf.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: "go-client"},
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	led := false
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: time.Second,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { led = true; cancel() },
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return err
	}
	elector.Run(ctx)
	if !led {
		return errors.New("it never led")
	}
	return nil
}

func define(ctx context.Context, all *clients) error {
	made := map[string]*definitions.CustomResourceDefinition{}
	for suffix, client := range map[string]apiextensions.Interface{"p": all.definitions, "j": all.asJSON} {
		definition := definitionOf(all.namespace + suffix)
		of := client.ApiextensionsV1().CustomResourceDefinitions()
		created, err := of.Create(ctx, definition, meta.CreateOptions{})
		if err != nil {
			return err
		}
		if err := of.Delete(ctx, created.Name, meta.DeleteOptions{}); err != nil {
			return err
		}
		// The names differ, as they must.
		created.Spec.Group, created.Spec.Names = "", definitions.CustomResourceDefinitionNames{}
		made[suffix] = created
	}
	return same(made["p"], made["j"])
}

func definitionOf(unique string) *definitions.CustomResourceDefinition {
	type props = definitions.JSONSchemaProps
	raw := func(text string) *definitions.JSON { return &definitions.JSON{Raw: []byte(text)} }
	spec := props{Type: "object", Properties: map[string]props{
		"size":  {Type: "integer", Format: "int32", Minimum: ptr.To(0.0), Maximum: ptr.To(10.0), Default: raw("3")},
		"share": {Type: "number", Maximum: ptr.To(0.5)},
		"mode":  {Type: "string", Enum: []definitions.JSON{*raw(`"a"`), *raw(`"b"`)}},
		"port":  {XIntOrString: true},
		"names": {Type: "array", Items: &definitions.JSONSchemaPropsOrArray{Schema: &props{Type: "string", MaxLength: ptr.To[int64](5)}}, XListType: ptr.To("set")},
		"table": {Type: "object", AdditionalProperties: &definitions.JSONSchemaPropsOrBool{Allows: true, Schema: &props{Type: "number"}}},
		"free":  {Type: "object", XPreserveUnknownFields: ptr.To(true)},
	}, XValidations: definitions.ValidationRules{{Rule: "!has(self.size) || self.size < 9", Message: "too large"}}}
	group := unique + ".example.dev"
	return &definitions.CustomResourceDefinition{
		ObjectMeta: meta.ObjectMeta{Name: "things." + group},
		Spec: definitions.CustomResourceDefinitionSpec{
			Group: group,
			Scope: definitions.NamespaceScoped,
			Names: definitions.CustomResourceDefinitionNames{Plural: "things", Kind: "Thing"},
			Versions: []definitions.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema:       &definitions.CustomResourceValidation{OpenAPIV3Schema: &props{Type: "object", Properties: map[string]props{"spec": spec}}},
				Subresources: &definitions.CustomResourceSubresources{Status: &definitions.CustomResourceSubresourceStatus{}},
				AdditionalPrinterColumns: []definitions.CustomResourceColumnDefinition{
					{Name: "Size", Type: "integer", JSONPath: ".spec.size", Priority: 0},
				},
			}},
		},
	}
}

package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"polyreme.dev/sdk"
	"polyreme.dev/sdk/sdktest"
)

const kim = "default/kim"

func cluster() *sdktest.Cluster {
	hello := &Hello{ObjectMeta: sdk.ObjectMeta{Name: "kim", Namespace: "default"}, Spec: HelloSpec{Who: "Kim"}}
	return sdktest.New(greeter).Add(hellos.Of(hello))
}

func settled(t *testing.T) *sdktest.Cluster {
	t.Helper()
	cluster := cluster()
	settle(t, cluster)
	cluster.TakeWrites()
	return cluster
}

func settle(t *testing.T, cluster *sdktest.Cluster) {
	t.Helper()
	if _, err := cluster.Settle(kim); err != nil {
		t.Fatal(err)
	}
}

func wantGreeting(t *testing.T, cluster *sdktest.Cluster, want string) {
	t.Helper()
	made := sdktest.Find(cluster, configMaps, kim)
	if made == nil || made.Data["greeting"] != want {
		t.Errorf("the ConfigMap is %+v, want greeting %q", made, want)
	}
	if got := sdktest.Find(cluster, hellos, kim).Status.Greeting; got != want {
		t.Errorf("the status says %q, want %q", got, want)
	}
}

func TestAHelloBecomesAConfigMapAndAStatus(t *testing.T) {
	cluster := cluster()
	if _, err := cluster.Reconcile(kim); err != nil {
		t.Fatal(err)
	}
	wantGreeting(t, cluster, "Hello, Kim!")
	want := []string{"apply ConfigMap default/kim", "patch Hello/status default/kim"}
	if writes := cluster.TakeWrites(); !slices.Equal(writes, want) {
		t.Errorf("writes are %q, want %q", writes, want)
	}
}

func TestAReconcileThatChangesNothingWritesNothing(t *testing.T) {
	cluster := settled(t)
	settle(t, cluster)
	if writes := cluster.TakeWrites(); len(writes) > 0 {
		t.Errorf("writes are %q", writes)
	}
}

func TestAGreetingFollowsItsHelloAndIsPutBack(t *testing.T) {
	cluster := settled(t)
	sdktest.Edit(cluster, hellos, kim, func(hello *Hello) { hello.Spec.Who = "Sam" })
	settle(t, cluster)
	wantGreeting(t, cluster, "Hello, Sam!")
	cluster.Remove(configMaps.Kind(), kim)
	settle(t, cluster)
	wantGreeting(t, cluster, "Hello, Sam!")
}

func TestAConfigMapThatBelongsToSomebodyElseIsLeftAlone(t *testing.T) {
	theirs := &ConfigMap{ObjectMeta: sdk.ObjectMeta{Name: "kim", Namespace: "default"}}
	_, err := cluster().Add(configMaps.Of(theirs)).Reconcile(kim)
	if !errors.Is(err, sdk.ErrTerminal) || !strings.Contains(err.Error(), "no child") {
		t.Errorf("the error is %v", err)
	}
}

func TestAHelloTakesItsConfigMapWithIt(t *testing.T) {
	cluster := settled(t)
	cluster.Remove(hellos.Kind(), kim)
	if left := sdktest.Find(cluster, configMaps, kim); left != nil {
		t.Errorf("still there: %+v", left)
	}
}

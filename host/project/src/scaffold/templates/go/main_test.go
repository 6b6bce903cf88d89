package main

import (
	"testing"

	"polyreme.dev/sdk"
	"polyreme.dev/sdk/sdktest"
)

const welcome = "default/welcome"

// The controller on a cluster in memory.
func cluster() *sdktest.Cluster {
	page := &Page{
		ObjectMeta: sdk.ObjectMeta{Name: "welcome", Namespace: "default"},
		Spec:       PageSpec{Title: "Tea & cake", Text: "At five."},
	}
	return sdktest.New(controller).Add(pages.Of(page))
}

func settle(t *testing.T, cluster *sdktest.Cluster) {
	t.Helper()
	if _, err := cluster.Settle(welcome); err != nil {
		t.Fatal(err)
	}
}

func TestAPageBecomesAConfigMapAndReady(t *testing.T) {
	cluster := cluster()
	settle(t, cluster)
	want := "<h1>Tea &amp; cake</h1>\n<p>At five.</p>\n"
	if made := sdktest.Find(cluster, configMaps, welcome); made == nil || made.Data["index.html"] != want {
		t.Errorf("the ConfigMap is %+v, want %q", made, want)
	}
	if page := sdktest.Find(cluster, pages, welcome); !sdk.IsTrue(page.Status.Conditions, "Ready") {
		t.Errorf("the status is %+v, want it Ready", page.Status)
	}
}

func TestADeletedConfigMapComesBackAndThenNothingIsWritten(t *testing.T) {
	cluster := cluster()
	settle(t, cluster)
	cluster.Remove(configMaps.Kind(), welcome)
	settle(t, cluster)
	if sdktest.Find(cluster, configMaps, welcome) == nil {
		t.Error("the ConfigMap did not come back")
	}
	cluster.TakeWrites()
	settle(t, cluster)
	if writes := cluster.TakeWrites(); len(writes) > 0 {
		t.Errorf("writes are %q", writes)
	}
}

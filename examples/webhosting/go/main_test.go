package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"polyreme.dev/sdk"
	"polyreme.dev/sdk/sdktest"
)

const site = "project-foo/kubecon"

func theme(name, color string) sdk.Object {
	return themes.Of(&Theme{ObjectMeta: sdk.ObjectMeta{Name: name}, Spec: ThemeSpec{color, "Futura"}})
}

func website(theme string) sdk.Object {
	metadata := sdk.ObjectMeta{Name: "kubecon", Namespace: "project-foo"}
	return websites.Of(&Website{ObjectMeta: metadata, Spec: WebsiteSpec{theme}})
}

func cluster() *sdktest.Cluster {
	return sdktest.New(controller).Add(theme("exciting", "darkcyan")).Add(website("exciting"))
}

func settle(t *testing.T, cluster *sdktest.Cluster) {
	t.Helper()
	if _, err := cluster.Settle(site); err != nil {
		t.Fatal(err)
	}
}

func settled(t *testing.T) *sdktest.Cluster {
	t.Helper()
	cluster := cluster()
	settle(t, cluster)
	cluster.TakeWrites()
	return cluster
}

func child(cluster *sdktest.Cluster) string {
	return "project-foo/" + childName(sdktest.Find(cluster, websites, site))
}

func wantPhase(t *testing.T, cluster *sdktest.Cluster, want Phase) {
	t.Helper()
	if got := sdktest.Find(cluster, websites, site).Status.Phase; got != want {
		t.Errorf("the phase is %q, want %q", got, want)
	}
}

func wantNothingWritten(t *testing.T, cluster *sdktest.Cluster) {
	t.Helper()
	if writes := cluster.TakeWrites(); len(writes) > 0 {
		t.Errorf("writes are %q", writes)
	}
}

func checksumOf(cluster *sdktest.Cluster) string {
	return sdktest.Find(cluster, deployments, child(cluster)).Spec.Template.Metadata.Annotations[checksumAnnotation]
}

// rollOut is what a Deployment controller and a kubelet do.
func rollOut(cluster *sdktest.Cluster) {
	sdktest.Edit(cluster, rollouts, child(cluster), func(rollout *Rollout) {
		rollout.Status.ObservedGeneration = rollout.Generation
		rollout.Status.Conditions = []RolloutCondition{
			{"Available", "True", "MinimumReplicasAvailable"},
			{"Progressing", "True", "NewReplicaSetAvailable"},
		}
	})
}

func TestAWebsiteBecomesFourChildrenOfItsOwn(t *testing.T) {
	cluster := cluster()
	settle(t, cluster)
	key := child(cluster)
	want := []string{
		"apply ConfigMap " + key, "apply Service " + key, "apply Ingress " + key, "apply Deployment " + key,
		"patch Website/status " + site,
	}
	if writes := cluster.TakeWrites(); !slices.Equal(writes, want) {
		t.Errorf("writes are %q, want %q", writes, want)
	}
	owner := sdktest.Find(cluster, websites, site)
	if made := sdktest.Find(cluster, deployments, key); !made.IsControlledBy(&owner.ObjectMeta) {
		t.Errorf("the owners of the Deployment are %+v", made.OwnerReferences)
	}
}

func TestChildrenAreNamedAfterTheSiteAndItsUID(t *testing.T) {
	named := childName(&Website{ObjectMeta: sdk.ObjectMeta{Name: "kubecon", UID: "abc"}})
	if named != "kubecon-ba7816" { // printf abc | sha256sum: ba7816bf…
		t.Errorf("the name is %s", named)
	}
}

func TestASiteIsPendingUntilItsDeploymentIsRolledOut(t *testing.T) {
	cluster := settled(t)
	wantPhase(t, cluster, Pending)
	rollOut(cluster)
	settle(t, cluster)
	wantPhase(t, cluster, Ready)
	if status := sdktest.Find(cluster, websites, site).Status; !sdk.IsTrue(status.Conditions, "Ready") {
		t.Errorf("the status is %+v", status)
	}
}

func TestAReconcileThatChangesNothingWritesNothing(t *testing.T) {
	cluster := settled(t)
	cluster.Advance(time.Hour)
	settle(t, cluster)
	wantNothingWritten(t, cluster)
}

func TestAChangedThemeChangesThePageAndRollsTheDeployment(t *testing.T) {
	cluster := settled(t)
	rollOut(cluster)
	settle(t, cluster)
	before := checksumOf(cluster)
	sdktest.Edit(cluster, themes, "exciting", func(theme *Theme) { theme.Spec.Color = "teal" })
	settle(t, cluster)
	if page := sdktest.Find(cluster, configMaps, child(cluster)).Data["index.html"]; !strings.Contains(page, "teal") {
		t.Errorf("the page is %s", page)
	}
	if checksumOf(cluster) == before {
		t.Error("the checksum is the old one")
	}
	wantPhase(t, cluster, Pending)
}

func TestAChildThatIsEditedOrDeletedByHandIsPutBack(t *testing.T) {
	cluster := settled(t)
	key := child(cluster)
	page := sdktest.Find(cluster, configMaps, key).Data["index.html"]
	sdktest.Edit(cluster, configMaps, key, func(made *ConfigMap) { made.Data["index.html"] = "hacked" })
	cluster.Remove(services.Kind(), key)
	settle(t, cluster)
	if sdktest.Find(cluster, configMaps, key).Data["index.html"] != page {
		t.Error("the page is still the hacked one")
	}
	if sdktest.Find(cluster, services, key) == nil {
		t.Error("the Service is not back")
	}
}

func TestAnEntryAddedByHandThatMakesAChildInvalidIsRemoved(t *testing.T) {
	cluster := settled(t)
	key := child(cluster)
	sdktest.Edit(cluster, services, key, func(made *Service) {
		made.Spec.Ports = append(made.Spec.Ports, ServicePort{Name: portName, Port: 9999})
	})
	cluster.FailNext("apply", "Service", sdk.ErrInvalid)
	settle(t, cluster)
	if ports := sdktest.Find(cluster, services, key).Spec.Ports; len(ports) != 1 {
		t.Errorf("the ports are %+v", ports)
	}
}

func TestASiteWithoutAThemeIsNotTriedAgain(t *testing.T) {
	cluster := sdktest.New(controller).Add(website(""))
	if _, err := cluster.Reconcile(site); !errors.Is(err, sdk.ErrTerminal) {
		t.Errorf("the error is %v", err)
	}
	if events := cluster.TakeEvents(); len(events) != 1 || events[0].Reason != "ThemeUnspecified" {
		t.Errorf("the events are %+v", events)
	}
	wantPhase(t, cluster, Failed)
}

func TestAMissingThemeIsTriedAgainAndFoundWhenItAppears(t *testing.T) {
	cluster := sdktest.New(controller).Add(website("exciting"))
	if _, err := cluster.Reconcile(site); err == nil || errors.Is(err, sdk.ErrTerminal) {
		t.Errorf("the error is %v", err)
	}
	events := cluster.TakeEvents()
	want := "failed to get Theme exciting: Theme exciting not found"
	if len(events) != 1 || events[0].Reason != "ThemeNotFound" || events[0].Note != want {
		t.Errorf("the events are %+v", events)
	}
	wantPhase(t, cluster, Failed)
	cluster.Add(theme("exciting", "darkcyan"))
	settle(t, cluster)
	wantPhase(t, cluster, Pending)
}

func TestAFailedApplyShowsInEventAndStatusAndAConflictInNeither(t *testing.T) {
	failing := cluster()
	failing.FailNext("apply", "Deployment", sdk.ErrInvalid)
	failing.FailNext("patch", "Service", sdk.ErrForbidden)
	if _, err := failing.Reconcile(site); err == nil {
		t.Error("no error")
	}
	if events := failing.TakeEvents(); len(events) != 1 || events[0].Reason != "ReconcilerError" {
		t.Errorf("the events are %+v", events)
	}
	wantPhase(t, failing, Failed)

	contested := settled(t)
	contested.FailNext("apply", "Deployment", sdk.ErrConflict)
	if _, err := contested.Reconcile(site); err == nil {
		t.Error("no error")
	}
	if events := contested.TakeEvents(); len(events) > 0 {
		t.Errorf("the events are %+v", events)
	}
	wantPhase(t, contested, Pending)
}

func TestASiteThatWaitsToBeDeletedSaysSoAndKeepsItsChildren(t *testing.T) {
	cluster := settled(t)
	sdktest.Edit(cluster, websites, site, func(website *Website) { website.Finalizers = []string{"example.com/hold"} })
	cluster.Remove(websites.Kind(), site)
	settle(t, cluster)
	wantPhase(t, cluster, Terminating)
	if sdktest.Find(cluster, deployments, child(cluster)) == nil {
		t.Error("the Deployment is gone")
	}
}

func TestASettingThatDoesNotFitIsNamed(t *testing.T) {
	cluster := cluster().Settings(map[string]any{"ingress": map[string]any{"hosts": "a.example.com"}})
	_, err := cluster.Reconcile(site)
	if !errors.Is(err, sdk.ErrTerminal) || !strings.Contains(err.Error(), "`ingress.hosts`") {
		t.Errorf("the error is %v", err)
	}
}

func TestAChildOfAnotherOwnerIsLeftAlone(t *testing.T) {
	cluster := cluster()
	name := childName(sdktest.Find(cluster, websites, site))
	cluster.Add(services.Of(&Service{ObjectMeta: sdk.ObjectMeta{Name: name, Namespace: "project-foo"}}))
	if _, err := cluster.Reconcile(site); !errors.Is(err, sdk.ErrTerminal) {
		t.Errorf("the error is %v", err)
	}
}

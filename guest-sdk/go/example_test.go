package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"polyreme.dev/sdk"
	"polyreme.dev/sdk/sdktest"
)

type Certificate struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
	Spec           struct {
		Issuer string `json:"issuer"`
	} `json:"spec"`
	Status CertificateStatus `json:"status"`
}

type CertificateStatus struct {
	Conditions []sdk.Condition `json:"conditions,omitempty"`
}

type Issuer struct {
	sdk.TypeMeta
	sdk.ObjectMeta `json:"metadata"`
}

var (
	certificates = sdk.NewNamespaced[Certificate]("example.dev/v1", "Certificate")
	issuers      = sdk.NewClusterScoped[Issuer]("example.dev/v1", "Issuer")
)

// A controller that waits for an object of another kind, whose changes wake it.
func Example() {
	controller := sdk.Controller[Certificate]{
		Manifest: sdk.Manifest{
			Name:    "certificates",
			Watches: []sdk.Watch{{Kind: issuers.Kind(), Mapping: sdk.ByField("spec.issuer")}},
		},
		Primary: certificates,
		Reconcile: func(ctx context.Context, certificate *Certificate) (sdk.Result, error) {
			if certificate.Spec.Issuer == "" {
				return sdk.Result{}, sdk.Terminal(errors.New("spec.issuer is empty: name an Issuer"))
			}
			ready := sdk.Condition{
				Type: "Ready", Status: sdk.True, Reason: "Issued", ObservedGeneration: certificate.Generation,
			}
			_, err := issuers.Get(ctx, certificate.Spec.Issuer)
			if errors.Is(err, sdk.ErrNotFound) {
				ready.Status, ready.Reason, ready.Message = sdk.False, "NoIssuer", err.Error()
			} else if err != nil {
				return sdk.Result{}, err
			}
			status := certificate.Status
			status.Conditions = sdk.SetCondition(status.Conditions, sdk.Now(ctx), ready)
			_, err = certificates.PatchStatus(ctx, certificate, status)
			return sdk.Result{RequeueAfter: 24 * time.Hour}, err
		},
	}

	cluster := sdktest.New(controller)
	certificate := Certificate{ObjectMeta: sdk.ObjectMeta{Name: "web", Namespace: "default"}}
	certificate.Spec.Issuer = "ours"
	cluster.Add(certificates.Of(&certificate))

	show := func() {
		result, err := cluster.Settle("default/web")
		ready := sdktest.Find(cluster, certificates, "default/web").Status.Conditions[0]
		fmt.Println(ready.Status, ready.Reason, result.RequeueAfter, err)
	}
	show()
	cluster.Add(issuers.Of(&Issuer{ObjectMeta: sdk.ObjectMeta{Name: "ours"}}))
	show()
	// Output:
	// False NoIssuer 24h0m0s <nil>
	// True Issued 24h0m0s <nil>
}

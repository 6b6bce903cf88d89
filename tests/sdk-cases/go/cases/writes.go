package cases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"polyreme.dev/sdk"
)

const (
	// copiedBytes is just below what a ConfigMap holds.
	copiedBytes = 917_504
	endBytes    = 16
	// tooMuchBytes is more than limits.payload by default.
	tooMuchBytes = 4 << 20
	noUID        = "00000000-0000-0000-0000-000000000000"
)

func large(ctx context.Context, c *Case) (any, error) {
	var input struct {
		Text string `json:"text"`
	}
	if err := read(c, &input); err != nil {
		return nil, err
	}
	text := input.Text
	if len(text) < copiedBytes {
		return nil, sdk.Terminal(errors.New("spec.input.text is too short"))
	}
	_, err := configMaps.Apply(ctx, child(c, "large-copy", map[string]string{"text": text[:copiedBytes]}))
	return object{"bytes": len(text), "first": text[:endBytes], "last": text[len(text)-endBytes:]}, err
}

func create(ctx context.Context, c *Case) (any, error) {
	written, err := configMaps.Create(ctx, child(c, "create-child", map[string]string{"made": "yes"}))
	return object{
		"changed": written.Changed, "uid": written.UID,
		"resourceVersion": written.ResourceVersion, "generation": written.Generation,
	}, err
}

func createExisting(ctx context.Context, c *Case) any {
	_, err := configMaps.Create(ctx, plain(c, "create-existing-target", map[string]string{"made": "again"}))
	return object{"reason": reason(err)}
}

func changed(ctx context.Context, name string) (*ConfigMap, error) {
	target, err := configMaps.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if target.Data == nil {
		target.Data = map[string]string{}
	}
	target.Data["changed"] = "after"
	return target, nil
}

func update(ctx context.Context, _ *Case) (any, error) {
	target, err := changed(ctx, "update-target")
	if err != nil {
		return nil, err
	}
	written, err := configMaps.Update(ctx, target)
	return object{"changed": written.Changed}, err
}

func updateConflict(ctx context.Context, _ *Case) (any, error) {
	target, err := changed(ctx, "update-conflict-target")
	if err != nil {
		return nil, err
	}
	target.ResourceVersion = "1"
	_, refused := configMaps.Update(ctx, target)
	return object{"reason": reason(refused)}, nil
}

func apply(ctx context.Context, c *Case) (any, error) {
	both := child(c, "apply-child", map[string]string{"kept": "1", "left": "1"})
	one := child(c, "apply-child", map[string]string{"kept": "1"})
	var changes []bool
	for _, object := range []*ConfigMap{both, one, one} {
		written, err := configMaps.Apply(ctx, object)
		if err != nil {
			return nil, err
		}
		changes = append(changes, written.Changed)
	}
	return object{"changed": changes}, nil
}

func applyForce(ctx context.Context, c *Case) (any, error) {
	target := plain(c, "apply-force-target", map[string]string{"owner": "guest"})
	_, refused := configMaps.Apply(ctx, target, sdk.NoForce())
	forced, err := configMaps.Apply(ctx, target)
	return object{"reason": reason(refused), "forced": forced.Changed}, err
}

func applyAll(ctx context.Context, c *Case) any {
	var all []sdk.Object
	for index := range 8 {
		data := map[string]string{"index": strconv.Itoa(index)}
		if index == 4 {
			data = map[string]string{"not/valid": ""}
		}
		all = append(all, configMaps.Of(child(c, fmt.Sprintf("apply-all-%d", index), data)))
	}
	_, err := sdk.ApplyAll(ctx, all...)
	return object{"reason": reason(err)}
}

func writeOptions(ctx context.Context, c *Case) (any, error) {
	_, dry := configMaps.Apply(ctx, child(c, "write-options-dry", nil), sdk.DryRun())
	made := child(c, "write-options-child", map[string]string{"returned": "1"})
	written, err := configMaps.Apply(ctx, made, sdk.FieldManager("sdk-cases/another"), sdk.WantObject())
	if err != nil {
		return nil, err
	}
	var back ConfigMap
	err = json.Unmarshal([]byte(written.Object), &back)
	return object{"dryRun": dry == nil, "returned": back.Data["returned"]}, err
}

func patch(ctx context.Context, c *Case, name string, change sdk.Patch) (any, error) {
	written, err := configMaps.Patch(ctx, plain(c, name, nil), change)
	return object{"changed": written.Changed}, err
}

func patchMerge(ctx context.Context, c *Case) (any, error) {
	data := object{"gone": nil, "changed": "after"}
	return patch(ctx, c, "patch-merge-target", sdk.MergePatch(object{"data": data}))
}

func patchJSON(ctx context.Context, c *Case) (any, error) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		From  string `json:"from,omitempty"`
		Value string `json:"value,omitempty"`
	}
	target := plain(c, "patch-json-target", nil)
	written, err := configMaps.Patch(ctx, target, sdk.JSONPatch([]operation{
		{Op: "test", Path: "/data/from", Value: "1"},
		{Op: "move", From: "/data/from", Path: "/data/to"},
		{Op: "replace", Path: "/metadata/annotations/example.com~1note", Value: "after"},
	}))
	if err != nil {
		return nil, err
	}
	_, refused := configMaps.Patch(ctx, target, sdk.JSONPatch([]operation{{Op: "test", Path: "/data/to", Value: "2"}}))
	return object{"changed": written.Changed, "refused": reason(refused)}, nil
}

func patchStrategic(ctx context.Context, c *Case) (any, error) {
	added := object{"metadata": object{"finalizers": []string{"example.com/second"}}}
	return patch(ctx, c, "patch-strategic-target", sdk.StrategicPatch(added))
}

func status(ctx context.Context, c *Case) (any, error) {
	output := object{
		"list": []any{object{"a": 1}, object{"b": []any{}}}, "text": "", "flag": false, "zero": 0,
	}
	written, err := cases.PatchStatus(ctx, c, statusOf(c, output))
	if err != nil {
		return nil, err
	}
	sdk.Logger(ctx).Info(fmt.Sprint("changed ", written))
	again, err := cases.Get(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	written, err = cases.PatchStatus(ctx, again, statusOf(c, output))
	sdk.Logger(ctx).Info(fmt.Sprint("changed ", written))
	return output, err
}

func deleteTwice(ctx context.Context, _ *Case) (any, error) {
	var existed []bool
	for range 2 {
		found, err := configMaps.DeleteNamed(ctx, "delete-target")
		if err != nil {
			return nil, err
		}
		existed = append(existed, found)
	}
	return object{"existed": existed}, nil
}

func deletePrecondition(ctx context.Context, c *Case) any {
	target := plain(c, "delete-precondition-target", nil)
	target.UID = noUID
	_, err := configMaps.Delete(ctx, target)
	return object{"reason": reason(err)}
}

func invalid(ctx context.Context, c *Case) any {
	_, err := configMaps.Apply(ctx, child(c, "invalid-child", map[string]string{"not/valid": ""}))
	said := object{"reason": reason(err)}
	var refused *sdk.Error
	if errors.As(err, &refused) && len(refused.Causes) > 0 {
		said["cause"] = refused.Causes[0]
	}
	return said
}

func forbidden(ctx context.Context, c *Case) (any, error) {
	var input struct {
		Namespace string `json:"namespace"`
	}
	if err := read(c, &input); err != nil {
		return nil, err
	}
	late := &ConfigMap{ObjectMeta: sdk.ObjectMeta{Name: "late", Namespace: input.Namespace}}
	_, err := configMaps.Create(ctx, late)
	return refusal(err), nil
}

func notGranted(ctx context.Context, _ *Case) any {
	_, err := secrets.Get(ctx, "anything")
	return refusal(err)
}

func limitExceeded(ctx context.Context, c *Case) any {
	text := strings.Repeat("x", tooMuchBytes)
	_, err := configMaps.Apply(ctx, child(c, "limit-exceeded-child", map[string]string{"text": text}))
	return refusal(err)
}

func badRequest(ctx context.Context, _ *Case) any {
	_, err := configMaps.Create(ctx, &ConfigMap{})
	return refusal(err)
}

package cases

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"polyreme.dev/sdk"
)

func colour(name string, live bool) func(context.Context, *Case) (any, error) {
	return func(ctx context.Context, _ *Case) (any, error) {
		if live {
			ctx = sdk.Live(ctx)
		}
		source, err := configMaps.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		return object{"colour": source.Data["colour"]}, nil
	}
}

func ownNamespace(ctx context.Context, c *Case) (any, error) {
	namespace, err := namespaces.Get(ctx, c.Namespace)
	if err != nil {
		return nil, err
	}
	return object{"name": namespace.Name, "phase": namespace.Status.Phase}, nil
}

func getMissing(ctx context.Context, _ *Case) any {
	_, err := configMaps.Get(ctx, "nobody")
	return refusal(err)
}

func readOwnWrite(ctx context.Context, c *Case) (any, error) {
	var rounds []string
	for round := range 10 {
		data := map[string]string{"round": strconv.Itoa(round)}
		if _, err := configMaps.Apply(ctx, child(c, "read-own-write-child", data)); err != nil {
			return nil, err
		}
		read, err := configMaps.Get(ctx, "read-own-write-child")
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, read.Data["round"])
	}
	return object{"rounds": rounds}, nil
}

func labelled(selector string, page int) func(context.Context, *Case) (any, error) {
	return func(ctx context.Context, c *Case) (any, error) {
		found, err := configMaps.List(ctx, sdk.Query{Namespace: c.Namespace, Labels: selector, PageSize: page})
		if err != nil {
			return nil, err
		}
		return allOf(c, names(found, func(one *ConfigMap) string { return one.Name }))
	}
}

func indexed(ctx context.Context, c *Case) (any, error) {
	found, err := cases.List(ctx, sdk.Query{Namespace: c.Namespace, Labels: label, Fields: "spec.input.group=violet"})
	if err != nil {
		return nil, err
	}
	return allOf(c, names(found, func(one *Case) string { return one.Name }))
}

// allOf is the names, when the cache has heard of all objects.
func allOf(c *Case, names []string) (any, error) {
	var input struct {
		Count int `json:"count"`
	}
	if len(c.Spec.Input) > 0 {
		if err := read(c, &input); err != nil {
			return nil, err
		}
	}
	if len(names) < input.Count {
		return nil, fmt.Errorf("only %d yet", len(names))
	}
	return object{"names": names}, nil
}

func listLive(ctx context.Context, c *Case) (any, error) {
	unindexed := sdk.Query{Namespace: c.Namespace, Labels: label, Fields: "spec.case=list-live"}
	_, cached := cases.List(ctx, unindexed)
	found, err := cases.List(sdk.Live(ctx), unindexed)
	live := names(found, func(one *Case) string { return one.Name })
	return object{"cached": reason(cached), "live": live}, err
}

func names[T any](found []T, name func(*T) string) []string {
	var all []string
	for i := range found {
		all = append(all, name(&found[i]))
	}
	return all
}

func owned(ctx context.Context, c *Case) (any, error) {
	_, err := configMaps.Apply(ctx, child(c, "owned-child", map[string]string{"made": "yes"}))
	return object{}, err
}

func watchField(ctx context.Context, c *Case) (any, error) {
	var input struct {
		Source string `json:"source"`
	}
	if err := read(c, &input); err != nil {
		return nil, err
	}
	return value(ctx, input.Source)
}

func value(ctx context.Context, name string) (any, error) {
	source, err := configMaps.Get(ctx, name)
	if errors.Is(err, sdk.ErrNotFound) {
		return object{"value": "nothing"}, nil
	}
	if err != nil {
		return nil, err
	}
	return object{"value": source.Data["value"]}, nil
}

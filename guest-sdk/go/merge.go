package sdk

import "reflect"

// difference is the merge patch (RFC 7396) that turns from into to; false when they are equal.
func difference(from, to any) (any, bool) {
	if reflect.DeepEqual(from, to) {
		return nil, false
	}
	before, isMap := from.(map[string]any)
	after, alsoMap := to.(map[string]any)
	if !isMap || !alsoMap {
		return to, true
	}
	patch := map[string]any{}
	for name := range before {
		if _, kept := after[name]; !kept {
			patch[name] = nil
		}
	}
	for name, value := range after {
		if change, differs := difference(before[name], value); differs {
			patch[name] = change
		}
	}
	return patch, true
}

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

// present is value without the fields that text, which it was decoded from, does not have: the zeros of its
// type. What encodes to null may stay, for null is absent.
func present(value, text any) any {
	switch value := value.(type) {
	case map[string]any:
		read, _ := text.(map[string]any)
		fields := map[string]any{}
		for name, field := range value {
			if field == nil || read[name] != nil {
				fields[name] = present(field, read[name])
			}
		}
		return fields
	case []any:
		read, _ := text.([]any)
		items := make([]any, len(value))
		for i, item := range value {
			if i < len(read) {
				item = present(item, read[i])
			}
			items[i] = item
		}
		return items
	}
	return value
}

package sdktest

import "reflect"

// merge is RFC 7396: null removes, objects are merged, all else is replaced.
func merge(into, patch object) {
	for name, change := range patch {
		inner, isObject := change.(object)
		held, alsoObject := into[name].(object)
		switch {
		case change == nil:
			delete(into, name)
		case isObject && alsoObject:
			merge(held, inner)
		case isObject:
			fresh := object{}
			merge(fresh, inner)
			into[name] = fresh
		default:
			into[name] = change
		}
	}
}

// prune takes off what a manager applied before and does not name now.
func prune(from, before, now object) {
	for name, value := range before {
		next, named := now[name]
		inner, isObject := value.(object)
		switch {
		case !named && isObject:
			if held, ok := from[name].(object); ok {
				prune(held, inner, object{})
				if len(held) == 0 {
					delete(from, name)
				}
			}
		case !named:
			delete(from, name)
		case isObject:
			held, heldOK := from[name].(object)
			wanted, wantedOK := next.(object)
			if heldOK && wantedOK {
				prune(held, inner, wanted)
			}
		}
	}
}

// mergeDifference is the merge patch that turns one value into another; nil when they are equal.
func mergeDifference(from, to any) any {
	before, isObject := from.(object)
	after, alsoObject := to.(object)
	if !isObject || !alsoObject {
		return to
	}
	patch := object{}
	for name := range before {
		if _, kept := after[name]; !kept {
			patch[name] = nil
		}
	}
	for name, value := range after {
		if !reflect.DeepEqual(before[name], value) {
			patch[name] = mergeDifference(before[name], value)
		}
	}
	return patch
}

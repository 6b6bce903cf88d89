/** The objects of a fake cluster, and what an API server does to them. What goes in and out is copied. */
import { Refusal } from "../errors.js";
import { stringify } from "../json.js";
import { difference, patch } from "../merge.js";
import { display } from "../objects.js";
import { apply } from "./apply.js";

const SERVER_SETS = ["uid", "creationTimestamp", "deletionTimestamp", "resourceVersion", "generation"];

export class Store {
  #objects = new Map();
  #applied = new Map();
  #version = 0;

  find(target) {
    const held = this.#objects.get(keyOf(target));
    return held === undefined ? null : structuredClone(held);
  }

  get(target) {
    const held = this.find(target);
    if (held === null) throw new Refusal("not-found", `${display(target)} not found`);
    return held;
  }

  /** By namespace and name. */
  all({ apiVersion, kind }) {
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(`${apiVersion}\0${kind}\0`)).sort();
    return keys.map((key) => structuredClone(this.#objects.get(key)));
  }

  /** Puts an object in as it is, with what the API server would add. */
  seed(target, obj, now) {
    const uid = `00000000-0000-0000-0000-${(this.#version + 1).toString(16).padStart(12, "0")}`;
    const metadata = { uid, generation: 1, creationTimestamp: now, ...obj.metadata };
    this.#keep(target, structuredClone({ ...obj, metadata }));
  }

  /** Changes an object as no controller would: any part of it at once. */
  edit(target, obj) {
    const held = this.get(target);
    this.#keep(target, raised(held, structuredClone(obj)));
    this.#dropIfReleased(target);
  }

  create(target, obj, options, now) {
    if (this.#objects.has(keyOf(target))) throw new Refusal("already-exists", `${display(target)} exists`);
    const { status, ...rest } = obj;
    if (options.dryRun) return written(true, { ...rest, metadata: { generation: 1, ...rest.metadata } });
    this.seed(target, rest, now);
    return written(true, this.get(target));
  }

  update(target, obj, options) {
    this.get(target);
    if (!obj.metadata?.resourceVersion) {
      throw new Refusal("invalid", "metadata.resourceVersion must be specified for an update");
    }
    return this.#change(target, obj, options, () => structuredClone(obj));
  }

  mergePatch(target, body, options) {
    return this.#change(target, body, options, (held) => patch(held, structuredClone(body)));
  }

  apply(target, obj, manager, options, now) {
    if (obj.metadata?.managedFields) throw new Refusal("bad-request", "metadata.managedFields must be nil");
    const place = `${keyOf(target)}\0${manager}`;
    const before = this.#applied.get(place);
    const sent = structuredClone(obj);
    const result = this.#objects.has(keyOf(target))
      ? this.#change(target, obj, options, (held) => apply(held, before, sent))
      : this.create(target, obj, options, now);
    if (!options.dryRun) this.#applied.set(place, sent);
    return result;
  }

  /** Deletes an object, or marks it when a finalizer holds it. */
  delete(target, uid, now) {
    const held = this.get(target);
    if (uid && held.metadata.uid !== uid) throw new Refusal("conflict", "another object has this name now");
    held.metadata.deletionTimestamp ??= now;
    this.#keep(target, held);
    this.#dropIfReleased(target);
  }

  /** A change under the rules that every write keeps to; what was sent may name a version or uid. */
  #change(target, sent, options, change) {
    const held = this.get(target);
    for (const field of ["resourceVersion", "uid"]) {
      const named = sent.metadata?.[field] ?? null;
      if (named !== null && named !== held.metadata[field]) {
        throw new Refusal("conflict", `${display(target)} has another ${field}`);
      }
    }
    const after = settled(held, change(structuredClone(held)), options.subresource);
    if (difference(held, after) === undefined) return written(false, held);
    if (options.dryRun) return written(true, after);
    this.#keep(target, after);
    const result = written(true, this.get(target));
    this.#dropIfReleased(target);
    return result;
  }

  #keep(target, obj) {
    this.#version += 1;
    obj.metadata.resourceVersion = String(this.#version);
    this.#objects.set(keyOf(target), obj);
  }

  /** Removes a deleted object without finalizers, and then what it owned. */
  #dropIfReleased(target) {
    const { metadata } = this.#objects.get(keyOf(target));
    if (!metadata.deletionTimestamp || (metadata.finalizers ?? []).length > 0) return;
    this.#drop(keyOf(target));
    this.#collectGarbage();
  }

  #drop(key) {
    this.#objects.delete(key);
    const places = [...this.#applied.keys()].filter((place) => place.startsWith(`${key}\0`));
    places.forEach((place) => this.#applied.delete(place));
  }

  /** Removes objects whose owners are all gone, until there are none. */
  #collectGarbage() {
    const uids = new Set([...this.#objects.values()].map((obj) => obj.metadata.uid));
    const orphans = [...this.#objects].filter(([, { metadata }]) => {
      const owners = metadata.ownerReferences ?? [];
      return owners.length > 0 && !owners.some((owner) => uids.has(owner.uid));
    });
    orphans.forEach(([key]) => this.#drop(key));
    if (orphans.length > 0) this.#collectGarbage();
  }
}

/** Its parts end before anything that names are made of, so that `a` comes before `a-b`. */
function keyOf({ apiVersion, kind, namespace, name }) {
  return `${apiVersion}\0${kind}\0${namespace ?? ""}\0${name}`;
}

/**
 * Keeps what a write may not change: status without its subresource, everything else with it, and what the server
 * alone sets. Raises the generation when wishes changed.
 */
function settled(held, after, subresource) {
  const next = subresource === "status" ? { ...held, status: after.status } : { ...after, status: held.status };
  if (next.status === undefined || next.status === null) delete next.status;
  next.metadata = { ...next.metadata };
  for (const field of SERVER_SETS) {
    if (held.metadata[field] === undefined) delete next.metadata[field];
    else next.metadata[field] = held.metadata[field];
  }
  return raised(held, next);
}

function raised(held, after) {
  if (difference(wishes(held), wishes(after)) !== undefined) {
    after.metadata.generation = (held.metadata.generation ?? 0) + 1;
  }
  return after;
}

/** Everything outside metadata and status. */
function wishes({ metadata, status, ...rest }) {
  return rest;
}

function written(changed, obj) {
  const { uid = "", resourceVersion = "", generation = 0 } = obj.metadata;
  return { changed, uid, resourceVersion, generation, object: stringify(obj, "an object") };
}

/**
 * The host's default permissions, so that a missing one is found by a test.
 *
 * Everything the controller asks for counts as granted. Besides, it reads its primary kind, writes status and
 * finalizers of the object under reconcile, and manages children of that object. The host decides by the same
 * rules.
 */
import { permissions } from "../controller.js";
import { Refusal } from "../errors.js";
import { isObject } from "../merge.js";
import { display } from "../objects.js";

/** Groups that no controller may own kinds of: they must be asked for. */
const GUARDED_GROUPS = [
  "coordination.k8s.io",
  "rbac.authorization.k8s.io",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "authentication.k8s.io",
  "certificates.k8s.io",
];
/** Core kinds that must be asked for as well. */
const GUARDED_KINDS = ["Secret", "ServiceAccount"];

/** What one reconcile may do. A wish is `{verb, target, subresource, sent, held}`. */
export class Access {
  constructor(controller, target, uid) {
    this.controller = controller;
    this.target = target;
    this.uid = uid;
  }

  /** Throws, with the remedy, unless it is allowed. */
  check(wish) {
    const child = this.#owns(wish.target);
    if (this.#asks(wish) || this.#onPrimary(wish) || (child && this.#onChild(wish))) return;
    const remedy = child
      ? "it is not a child of the object under reconcile: make it by `child(obj, kind, name)`, or ask for the permission in the controller"
      : "ask for it: `asks: [{ kind, verbs: [verb] }]`";
    const what = `${word(wish)} ${display(wish.target)}`;
    throw new Refusal("not-granted", `controller ${this.controller.name} may not ${what}: ${remedy}`);
  }

  /** Whether lists of a kind hold children only. */
  listsChildrenOnly(target) {
    const wish = { verb: "list", target };
    return !this.#asks(wish) && !this.#onPrimary(wish);
  }

  /** Whether the object under reconcile controls this one. */
  isChild(obj) {
    const owners = obj?.metadata?.ownerReferences ?? [];
    return owners.some((owner) => owner.controller === true && owner.uid === this.uid);
  }

  /**
   * Throws for a field that the host has no index on. Of what it does not keep the API server knows the fields;
   * children are few, and all are looked at.
   */
  checkFields(target, paths) {
    if (this.listsChildrenOnly(target) || !this.#keepsAll(target)) return;
    const indexes = isOf(this.controller.primary, target) ? this.#indexes() : [];
    const known = ["metadata.name", "metadata.namespace", ...indexes];
    const unknown = paths.find((path) => !known.includes(path));
    if (unknown === undefined) return;
    const remedy = "add it to the controller's `indexes` (for the primary kind), or read with `ctx.live`";
    throw new Refusal("bad-request", `there is no index on ${unknown}: ${remedy}`);
  }

  /** Whether the host has all objects of a kind in its cache. */
  #keepsAll(target) {
    const { primary, labelSelector, owns, watches } = this.controller;
    const watched = watches.filter((watch) => watch.labelSelector === "").map(({ kind }) => kind);
    return [...(labelSelector === "" ? [primary] : []), ...owns, ...watched].some((kind) => isOf(kind, target));
  }

  /** The fields of the primary that are declared, and those of mappings. */
  #indexes() {
    const mapped = this.controller.watches.filter(({ mapping }) => mapping.tag === "field").map(({ mapping }) => mapping.val);
    return [...this.controller.indexes, ...mapped].map((path) => path.replace(/^\./, ""));
  }

  #asks(wish) {
    return permissions(this.controller).some(
      ({ kind, verbs }) => isOf(kind, wish.target) && verbs.includes(word(wish)),
    );
  }

  #onPrimary(wish) {
    if (!isOf(this.controller.primary, wish.target)) return false;
    if (["get", "list"].includes(wish.verb)) return true;
    const ownPart = wish.subresource === "status" || onlyFinalizers(wish.sent);
    const changes = ["update", "patch", "apply"].includes(wish.verb);
    return changes && ownPart && display(wish.target) === display(this.target);
  }

  #onChild(wish) {
    const elsewhere = this.target.namespace !== null && wish.target.namespace !== this.target.namespace;
    if ((elsewhere && wish.verb !== "list") || wish.subresource) return false;
    const whole = ["create", "update", "apply"].includes(wish.verb);
    return (!whole || this.isChild(wish.sent)) && (!wish.held || this.isChild(wish.held));
  }

  #owns(target) {
    const [group, version] = target.apiVersion.split("/");
    const guarded = version ? GUARDED_GROUPS.includes(group) : GUARDED_KINDS.includes(target.kind);
    return !guarded && this.controller.owns.some((kind) => isOf(kind, target));
  }
}

/** The verb a permission must name: a subresource has one of its own. */
function word({ verb, subresource }) {
  return subresource || verb;
}

function isOf(kind, target) {
  return kind.apiVersion === target.apiVersion && kind.kind === target.kind;
}

function onlyFinalizers(sent) {
  const within = (object, names) => Object.keys(object).every((name) => names.includes(name));
  return (
    isObject(sent?.metadata) &&
    within(sent, ["apiVersion", "kind", "metadata"]) &&
    "finalizers" in sent.metadata &&
    within(sent.metadata, ["finalizers", "name", "namespace", "uid", "resourceVersion"])
  );
}

/**
 * Kinds and objects. An object is the plain object that its JSON is; nothing that a program does not know is
 * lost when it is written back. These functions hold what controllers ask of metadata.
 */

/** A kind: `kind("apps/v1", "Deployment")`; the core group is just `v1`. */
export function kind(apiVersion, name, { namespaced = true } = {}) {
  return Object.freeze({ apiVersion, kind: name, namespaced });
}

/** The built-in kinds that controllers use most. */
export const kinds = Object.freeze({
  ConfigMap: kind("v1", "ConfigMap"),
  Event: kind("v1", "Event"),
  Namespace: kind("v1", "Namespace", { namespaced: false }),
  Node: kind("v1", "Node", { namespaced: false }),
  PersistentVolumeClaim: kind("v1", "PersistentVolumeClaim"),
  Pod: kind("v1", "Pod"),
  Secret: kind("v1", "Secret"),
  Service: kind("v1", "Service"),
  ServiceAccount: kind("v1", "ServiceAccount"),
  DaemonSet: kind("apps/v1", "DaemonSet"),
  Deployment: kind("apps/v1", "Deployment"),
  StatefulSet: kind("apps/v1", "StatefulSet"),
  CronJob: kind("batch/v1", "CronJob"),
  Job: kind("batch/v1", "Job"),
  Ingress: kind("networking.k8s.io/v1", "Ingress"),
  NetworkPolicy: kind("networking.k8s.io/v1", "NetworkPolicy"),
  Role: kind("rbac.authorization.k8s.io/v1", "Role"),
  RoleBinding: kind("rbac.authorization.k8s.io/v1", "RoleBinding"),
});

/** An object of a kind; `metadata` is laid over name and namespace. */
export function object(of, { name, namespace, metadata, ...fields }) {
  const place = namespace === undefined || namespace === null ? { name } : { name, namespace };
  return { apiVersion: of.apiVersion, kind: of.kind, metadata: { ...place, ...metadata }, ...fields };
}

/**
 * An object that `owner` controls, in the same namespace: it is garbage collected with it, and its changes
 * lead back to it.
 */
export function child(owner, of, name, { metadata, ...fields } = {}) {
  return object(of, {
    name,
    namespace: owner.metadata.namespace,
    metadata: { ...metadata, ownerReferences: [controllerReference(owner)] },
    ...fields,
  });
}

/**
 * An owner reference that makes an object the controller of another. Needs `metadata.uid`, so only objects
 * that came from the API server can own.
 */
export function controllerReference(owner) {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Whether `owner` is the controller of an object, by uid. */
export function isControlledBy(obj, owner) {
  const references = obj.metadata?.ownerReferences ?? [];
  return references.some((one) => one.controller === true && one.uid === owner.metadata.uid);
}

/** Whether an object waits for its finalizers. */
export function isDeleting(obj) {
  return Boolean(obj.metadata?.deletionTimestamp);
}

/** Whether `metadata.finalizers` contains this one. */
export function hasFinalizer(obj, finalizer) {
  return (obj.metadata?.finalizers ?? []).includes(finalizer);
}

/** Kind, namespace and name, as the contract names objects. */
export function refOf(obj) {
  return {
    apiVersion: obj.apiVersion ?? "",
    kind: obj.kind ?? "",
    namespace: obj.metadata?.namespace || null,
    name: obj.metadata?.name ?? "",
  };
}

/** The reference to one object of a kind; the namespace is dropped for cluster-scoped kinds. */
export function ref(of, namespace, name) {
  const place = of.namespaced === false ? null : (namespace ?? null);
  return { apiVersion: of.apiVersion, kind: of.kind, namespace: place, name };
}

/** `Deployment shop/web`. */
export function display(target) {
  return `${target.kind} ${target.namespace ? `${target.namespace}/` : ""}${target.name}`;
}

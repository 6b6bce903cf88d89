/**
 * A cluster in memory, to test a reconcile natively and without WebAssembly.
 *
 * `Fake` holds objects, answers what a context asks, refuses what the controller does not ask for (as the host
 * would), and remembers what was done:
 *
 *     const cluster = new Fake(controller).add(object(Hello, { name: "kim", namespace: "default", spec }));
 *     cluster.reconcile("default/kim");
 *     assert.deepEqual(cluster.takeWrites().map(String), ["apply ConfigMap default/kim"]);
 *
 * What it keeps to: uid, resourceVersion and generation; conflicts; the status subresource (every kind has one);
 * finalizers; garbage collection by owner reference; label and field selectors; a write that changes nothing is
 * not a write. Server-side apply merges objects field by field, and lists by `name`, `uid`, `type` or port where
 * all their items have it, else as a whole; what a manager applied before and does not name now goes. What it
 * does not do: schemas, defaults, admission, ownership conflicts between managers, time passing by itself. The
 * local API server (`polyreme apiserver`) has those.
 */
export { Fake } from "./fake.js";

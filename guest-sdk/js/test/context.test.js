/** What a reconcile can do, on the fake: objects, permissions, clean-up, reports. */
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  BrokenError,
  ConflictError,
  DnsError,
  InvalidError,
  NotFoundError,
  NotGrantedError,
  Response,
  Retry,
  byField,
  child,
  defineController,
  kind,
  kinds,
  object,
} from "@polyreme/sdk";
import { Fake } from "@polyreme/sdk/testing";

const Site = kind("example.com/v1", "Site");
const CONFIG_MAPS = { kind: kinds.ConfigMap, verbs: ["get", "list", "patch", "update"] };

/** A cluster with one Site, reconciled by this function. */
function fake(reconcile, { settings, ...definition } = {}) {
  const owns = [kinds.ConfigMap, kinds.Secret];
  const controller = defineController({
    name: "site",
    primary: Site,
    owns,
    reconcile: (ctx, site) => void reconcile(ctx, site),
    ...definition,
  });
  const site = object(Site, { name: "page", namespace: "shop", spec: { theme: "dark" } });
  return new Fake(controller, { settings }).add(site);
}

const writes = (cluster) => cluster.takeWrites().map(String);

test("an apply makes, changes and removes fields, and then is no write", () => {
  const data = { a: "1", b: "2" };
  const cluster = fake((ctx, site) => ctx.apply(child(site, kinds.ConfigMap, "c", { data })));
  cluster.reconcile("shop/page");
  delete data.b;
  cluster.reconcile("shop/page");
  assert.deepEqual(cluster.get(kinds.ConfigMap, "shop/c").data, { a: "1" });
  assert.deepEqual(writes(cluster), ["apply ConfigMap shop/c", "apply ConfigMap shop/c"]);
  cluster.reconcile("shop/page");
  assert.deepEqual(writes(cluster), []);
});

test("applyAll tries everything and throws the first failure", () => {
  const cluster = fake((ctx, site) => ctx.applyAll(["a", "b", "c"].map((name) => child(site, kinds.ConfigMap, name))));
  cluster.failNext("apply", kinds.ConfigMap, "invalid");
  assert.throws(() => cluster.reconcile("shop/page"), (error) => {
    assert(error instanceof InvalidError);
    assert.equal(error.message, "failed to apply ConfigMap shop/a: invalid: injected by the test");
    return true;
  });
  assert.deepEqual(cluster.list(kinds.ConfigMap).map((one) => one.metadata.name), ["b", "c"]);
});

test("an update of an old version is a conflict", () => {
  const cluster = fake(
    (ctx) => {
      const held = ctx.get(kinds.ConfigMap, "c");
      ctx.mergePatch(held, { data: { n: "1" } });
      ctx.update(held);
    },
    { asks: [CONFIG_MAPS] },
  ).add(object(kinds.ConfigMap, { name: "c", namespace: "shop" }));
  assert.throws(() => cluster.reconcile("shop/page"), ConflictError);
});

test("what is not there is null or an error", () => {
  const cluster = fake((ctx) => {
    assert.equal(ctx.getOpt(kinds.ConfigMap, "c"), null);
    assert.equal(ctx.deleteNamed(kinds.ConfigMap, "c"), false);
    ctx.get(kinds.ConfigMap, "c");
  });
  assert.throws(() => cluster.reconcile("shop/page"), (error) => {
    assert(error instanceof NotFoundError);
    assert.deepEqual([error.reason, error.verb, error.terminal], ["not-found", "get", false]);
    return true;
  });
});

test("only this incarnation is deleted", () => {
  const cluster = fake((ctx) => {
    const held = ctx.get(kinds.ConfigMap, "c");
    const another = { ...held, metadata: { ...held.metadata, uid: "another" } };
    assert.throws(() => ctx.delete(another), ConflictError);
    assert.equal(ctx.delete(held), true);
  });
  cluster.add(child(cluster.get(Site, "shop/page"), kinds.ConfigMap, "c"));
  cluster.reconcile("shop/page");
  assert.deepEqual(writes(cluster), ["delete ConfigMap shop/c"]);
});

test("lists select by namespace, label and field", () => {
  const found = {};
  const cluster = fake(
    (ctx) => {
      const names = (query) => ctx.list(kinds.ConfigMap, query).map((one) => one.metadata.name);
      found.labels = names({ labels: "tier in (a, b),!old" });
      found.fields = names({ namespace: "shop", fields: "metadata.name!=x" });
    },
    { asks: [CONFIG_MAPS] },
  );
  const add = (name, labels, k) =>
    cluster.add(object(kinds.ConfigMap, { name, namespace: "shop", metadata: { labels }, data: { k } }));
  add("x", { tier: "a" }, "v");
  add("y", { tier: "b", old: "yes" }, "y");
  add("z", { tier: "c" }, "z");
  cluster.add(object(kinds.ConfigMap, { name: "elsewhere", namespace: "other" }));
  cluster.reconcile("shop/page");
  assert.deepEqual(found, { labels: ["x"], fields: ["y", "z"] });
});

test("a field without an index is refused as by the host", () => {
  const theme = kind("example.com/v1", "Theme");
  const watches = [byField(theme, "spec.theme")];
  const names = (found) => found.map(({ metadata }) => metadata.name);
  const reconcile = (ctx) => {
    // The theme is indexed for the mapping of themes.
    for (const fields of ["metadata.namespace=shop,spec.size!=1", "spec.theme=dark", ".spec.theme=dark"]) {
      assert.deepEqual(names(ctx.list(Site, { fields })), ["page"]);
    }
    for (const [listed, fields] of [[Site, "metadata.name=page,spec.other=1"], [theme, "spec.theme=dark"]]) {
      assert.throws(() => ctx.list(listed, { fields }), { reason: "bad-request", message: /there is no index on spec\.\w+: add it/ });
    }
    assert.deepEqual(ctx.live.list(Site, { fields: "spec.other=1" }), []);
    assert.deepEqual(ctx.list(kinds.ConfigMap, { fields: "data.k=v" }), []);
  };
  fake(reconcile, { indexes: [".spec.size"], watches }).reconcile("shop/page");
});

test("what has no name is refused as by the host", () => {
  const nameless = object(kinds.ConfigMap, { name: "", namespace: "shop" });
  const reconcile = (ctx) => {
    for (const ask of [
      () => ctx.get(kinds.ConfigMap, ""),
      () => ctx.apply(nameless),
      () => ctx.mergePatch(nameless, {}),
      () => ctx.deleteNamed(kinds.ConfigMap, ""),
    ]) {
      assert.throws(ask, { reason: "bad-request", message: /ConfigMap has no metadata\.name/ });
    }
  };
  fake(reconcile).reconcile("shop/page");
});

test("lists are by namespace and then by name", () => {
  const cluster = fake(() => {});
  const places = [["a-b", "c"], ["a", "d"], ["a", "b-c"], ["a", "b"]];
  places.forEach(([namespace, name]) => cluster.add(object(kinds.ConfigMap, { name, namespace })));
  const found = cluster.list(kinds.ConfigMap).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  assert.deepEqual(found, ["a/b", "a/b-c", "a/d", "a-b/c"]);
});

test("annotations of others stay when an apply names none any more", () => {
  let metadata = { annotations: { ours: "1" }, labels: { ours: "1" } };
  const cluster = fake((ctx, site) => ctx.apply(child(site, kinds.ConfigMap, "c", { metadata })));
  cluster.reconcile("shop/page");
  cluster.edit(kinds.ConfigMap, "shop/c", (held) => (held.metadata.annotations.theirs = "2"));
  metadata = {};
  cluster.reconcile("shop/page");
  const { annotations, labels } = cluster.get(kinds.ConfigMap, "shop/c").metadata;
  assert.deepEqual([annotations, labels], [{ theirs: "2" }, undefined]);
});

test("a dry run changes nothing, and the object comes back when asked for", () => {
  const cluster = fake((ctx, site) => {
    const wanted = child(site, kinds.ConfigMap, "c", { data: { a: "1" } });
    const written = ctx.apply(wanted, { dryRun: true, wantObject: true });
    assert.equal(written.changed, true);
    assert.deepEqual(written.object.data, { a: "1" });
    assert.equal(ctx.apply(wanted).object, null);
  });
  cluster.reconcile("shop/page");
  assert.deepEqual(writes(cluster), ["apply ConfigMap shop/c"]);
});

function refused(call) {
  let message;
  assert.throws(() => fake(call).reconcile("shop/page"), (error) => {
    assert(error instanceof NotGrantedError && error.terminal);
    message = error.message;
    return true;
  });
  return message;
}

test("what is not asked for is refused with the remedy", () => {
  const words = refused((ctx) => ctx.get(kinds.Deployment, "d"));
  assert.match(words, /may not get Deployment shop\/d: ask for it: `asks: \[/);
});

test("an owned kind is for children only, and owning secrets is not enough", () => {
  const stranger = object(kinds.ConfigMap, { name: "c", namespace: "shop" });
  assert.match(refused((ctx) => ctx.apply(stranger)), /child\(obj, kind, name\)/);
  refused((ctx, site) => ctx.apply(child(site, kinds.Secret, "s")));
});

test("the spec of the primary is not the controller's", () => {
  refused((ctx, site) => ctx.mergePatch(site, { spec: { theme: "light" } }));
});

test("a status is written where it differs and otherwise not", () => {
  const cluster = fake((ctx, site) => ctx.patchStatus(site, { url: "u", none: undefined }));
  cluster.edit(Site, "shop/page", (site) => {
    site.status = { url: "old", gone: 1 };
  });
  cluster.settle("shop/page");
  assert.deepEqual(cluster.get(Site, "shop/page").status, { url: "u" });
  const [write, ...rest] = cluster.takeWrites();
  assert.deepEqual([String(write), write.body], ["patch Site/status shop/page", { status: { url: "u", gone: null } }]);
  assert.deepEqual(rest, []);
});

test("a status that was written is what the next is compared with", () => {
  const written = [];
  const cluster = fake((ctx, site) => {
    for (const url of ["working", "working", "done"]) written.push(ctx.patchStatus(site, { url }));
  });
  cluster.edit(Site, "shop/page", (site) => {
    site.status = { url: "done" };
  });
  cluster.reconcile("shop/page");
  assert.deepEqual(written, [true, false, true]);
  assert.deepEqual(cluster.get(Site, "shop/page").status, { url: "done" });
});

test("the finalizer comes first and goes last", () => {
  const phases = [];
  const cluster = fake((ctx, site) => {
    phases.push(ctx.finalizer(site, "example.com/dns"));
    if (phases.at(-1) === "cleanup") ctx.finalized(site, "example.com/dns");
  });
  cluster.settle("shop/page");
  cluster.remove(Site, "shop/page");
  cluster.settle("shop/page");
  assert.deepEqual(phases, ["apply", "apply", "cleanup"]);
  assert.equal(cluster.find(Site, "shop/page"), null);
});

test("an object that is gone is told to `deleted`, and takes its children along", () => {
  const gone = [];
  const cluster = fake((ctx, site) => ctx.apply(child(site, kinds.ConfigMap, "c")), {
    deleted: (ctx, ref) => void gone.push(ref.name),
  });
  cluster.reconcile("shop/page");
  cluster.remove(Site, "shop/page");
  cluster.reconcile("shop/page");
  assert.deepEqual(gone, ["page"]);
  assert.equal(cluster.find(kinds.ConfigMap, "shop/c"), null);
});

test("logs, events and metrics reach the host", () => {
  const cluster = fake((ctx) => {
    ctx.log("info", "scaled", { replicas: 3 });
    ctx.event("warning", "TooSmall", "ümlaut");
    ctx.count("things_total", 1, { colour: "red" });
    ctx.observe("seconds", 0.5);
  });
  cluster.reconcile("shop/page");
  assert.deepEqual(cluster.takeLogs(), [{ level: "info", message: "scaled", fields: { replicas: "3" } }]);
  assert.deepEqual(cluster.takeEvents().map(String), ["Warning TooSmall: ümlaut"]);
  assert.deepEqual(cluster.takeSamples(), [
    { name: "things_total", value: 1, labels: { colour: "red" } },
    { name: "seconds", value: 0.5, labels: {} },
  ]);
});

test("time, chance and settings are the cluster's", () => {
  const seen = [];
  const cluster = fake((ctx) => seen.push([ctx.now().toISOString(), ctx.randomNumber(), ctx.settings()]), {
    settings: { big: 2n ** 60n },
  });
  cluster.reconcile("shop/page");
  cluster.advance(3_600_000);
  cluster.reconcile("shop/page");
  assert.deepEqual(seen[0], ["2026-01-01T00:00:00.000Z", 0xe220a8397b1dcdafn, { big: 2n ** 60n }]);
  assert.deepEqual(seen[1].slice(0, 2), ["2026-01-01T01:00:00.000Z", 0x6e789e6aa1b965f4n]);
});

test("a request reaches the server and its response comes back", () => {
  const seen = [];
  const cluster = fake((ctx, site) => {
    const headers = { "idempotency-key": site.metadata.uid };
    const asked = ctx.http("POST", "https://cloud.test/v1?token=secret", { headers, json: { note: "grüße 🚣" }, timeoutMs: 1500 });
    seen.push(asked.success().json(), asked.header("X-Note"));
  });
  cluster.server = ({ body }) => new Response(201, body, [["X-Note", "made"]]);
  cluster.reconcile("shop/page");
  assert.deepEqual(seen, [{ note: "grüße 🚣" }, "made"]);
  const [request] = cluster.takeRequests();
  assert.deepEqual([request.method, request.timeoutMs], ["POST", 1500]);
  assert.equal(new TextDecoder().decode(request.body), '{"note":"grüße 🚣"}');
  assert.deepEqual(request.headers.map(({ name }) => name), ["idempotency-key", "content-type"]);
});

test("a content type of one's own is the only one", () => {
  const headers = { "Content-Type": "application/merge-patch+json" };
  const cluster = fake((ctx) => ctx.http("PATCH", "https://cloud.test/", { headers, json: {} }));
  cluster.server = () => new Response(200);
  cluster.reconcile("shop/page");
  assert.deepEqual(cluster.takeRequests()[0].headers, [{ name: "Content-Type", value: "application/merge-patch+json" }]);
});

test("why there is no response is an error of its own", () => {
  const cluster = fake((ctx) => ctx.http("GET", "https://cloud.test/?token=secret"));
  const refused = (error) => error instanceof NotGrantedError && error.terminal && !error.message.includes("secret");
  assert.throws(() => cluster.reconcile("shop/page"), refused);
  cluster.server = () => "dns";
  assert.throws(() => cluster.reconcile("shop/page"), DnsError);
  cluster.server = () => "broken";
  assert.throws(() => cluster.reconcile("shop/page"), BrokenError);
});

test("an unexpected status or body is tried again", () => {
  const cluster = fake((ctx) => ctx.http("GET", "https://cloud.test/").success().json());
  cluster.server = () => new Response(500, new TextEncoder().encode("oops"));
  assert.throws(() => cluster.reconcile("shop/page"), /GET https:\/\/cloud.test\/ answered 500: oops/);
  cluster.server = () => new Response(500, new TextEncoder().encode("x" + "🚣".repeat(300)));
  assert.throws(() => cluster.reconcile("shop/page"), ({ message }) => message.endsWith(`answered 500: x${"🚣".repeat(199)}`));
  cluster.server = () => new Response(200, new TextEncoder().encode("[1,"));
  assert.throws(() => cluster.reconcile("shop/page"), Retry);
});

/** The message of the TypeError that a call throws, which must reach nobody. */
function mistaken(call) {
  let message;
  const cluster = fake(call, { asks: [CONFIG_MAPS] });
  assert.throws(() => cluster.reconcile("shop/page"), (error) => {
    assert(error instanceof TypeError, String(error));
    message = error.message;
    return true;
  });
  assert.deepEqual([cluster.takeEvents(), cluster.takeLogs(), cluster.takeSamples(), writes(cluster)], [[], [], [], []]);
  return message;
}

test("what cannot be meant is an error that names the argument and its value", () => {
  const mistakes = [
    [(ctx) => ctx.event("Warning", "X", "n"), 'severity must be one of normal, warning, not "Warning"'],
    [(ctx) => ctx.event("warning", undefined, "n"), "reason must be a string, not undefined"],
    [(ctx, site) => ctx.eventOn({ ...site, kind: 3 }, "normal", "X", "n"), "kind must be a string, not 3"],
    [(ctx) => ctx.log("warning", "m"), 'level must be one of trace, debug, info, warn, error, not "warning"'],
    [(ctx) => ctx.logEnabled(20), "level must be one of trace, debug, info, warn, error, not 20"],
    [(ctx) => ctx.getOpt(kinds.ConfigMap, undefined), "name must be a string, not undefined"],
    [(ctx) => ctx.get(kinds.ConfigMap, "c", 5n), "namespace must be a string, not 5n"],
    [(ctx) => ctx.get({ kind: "ConfigMap" }, "c"), "apiVersion must be a string, not undefined"],
    [(ctx) => ctx.deleteNamed(kinds.ConfigMap, ["c"]), "name must be a string, not an array"],
    [(ctx) => ctx.list(kinds.ConfigMap, { labels: { a: "b" } }), "labels must be a string, not an object (Object)"],
    [(ctx) => ctx.list(kinds.ConfigMap, { pageSize: -1 }), /^pageSize must be a whole number from 0 to 4294967295, not -1$/],
    [(ctx, site) => ctx.apply(child(site, kinds.ConfigMap, "c"), { fieldManager: 3 }), "fieldManager must be a string, not 3"],
    [(ctx) => ctx.count(undefined), "name must be a string, not undefined"],
    [(ctx) => ctx.gauge("g", undefined), "the value of g must be a finite number, not undefined"],
    [(ctx) => ctx.observe("g", NaN), "the value of g must be a finite number, not NaN"],
    [(ctx) => ctx.http("GET"), "url must be a string, not undefined"],
    [(ctx) => ctx.http("GET", "https://a.test/", { timeoutMs: -1 }), /^timeoutMs must be a number of milliseconds, .*, not -1$/],
    [(ctx) => ctx.http("PUT", "https://a.test/", { body: {} }), "body must be a string or a Uint8Array, not an object (Object)"],
    [(ctx) => ctx.randomBytes(1.5), /^length must be a whole number .*, not 1.5$/],
  ];
  for (const [call, words] of mistakes) {
    if (words instanceof RegExp) assert.match(mistaken(call), words);
    else assert.equal(mistaken(call), words);
  }
});

test("options that are undefined or null are absent", () => {
  const nothing = { subresource: undefined, fieldManager: null, force: undefined, dryRun: null, wantObject: undefined };
  const seen = [];
  const cluster = fake(
    (ctx, site) => {
      seen.push(ctx.apply(child(site, kinds.ConfigMap, "c"), nothing).object);
      const query = { namespace: undefined, labels: null, fields: null, pageSize: null };
      seen.push(ctx.list(kinds.ConfigMap, query).length, ctx.list(kinds.ConfigMap, null).length);
      seen.push(ctx.http("GET", "https://a.test/", { headers: null, body: undefined, timeoutMs: null }).status);
    },
    { asks: [CONFIG_MAPS] },
  );
  cluster.server = () => new Response(204);
  cluster.reconcile("shop/page");
  assert.deepEqual(seen, [null, 1, 1, 204]);
  const [{ body, timeoutMs, headers }] = cluster.takeRequests();
  assert.deepEqual([body, timeoutMs, headers], [null, null, []]);
});

test("texts are made of any value", () => {
  const cluster = fake((ctx) => {
    ctx.event("warning", "Failed", new RangeError("no port"));
    ctx.log("warn", 3, { port: 80, none: undefined });
    ctx.log("warn", "no fields", null);
    ctx.count("answers_total", 2n, { code: 404 });
    ctx.http("GET", "https://a.test/", { headers: { "x-number": 1 }, timeoutMs: 1.5 });
  });
  cluster.server = () => new Response(200);
  cluster.reconcile("shop/page");
  assert.deepEqual(cluster.takeEvents().map(String), ["Warning Failed: RangeError: no port"]);
  assert.deepEqual(cluster.takeLogs(), [
    { level: "warn", message: "3", fields: { port: "80", none: "undefined" } },
    { level: "warn", message: "no fields", fields: {} },
  ]);
  assert.deepEqual(cluster.takeSamples(), [{ name: "answers_total", value: 2, labels: { code: "404" } }]);
  const [{ headers, timeoutMs }] = cluster.takeRequests();
  assert.deepEqual([headers, timeoutMs], [[{ name: "x-number", value: "1" }], 2]);
});

test("half a surrogate pair reaches the host as a whole character", () => {
  const half = "a\ud83d";
  const cluster = fake((ctx) => {
    ctx.event("warning", half, half);
    ctx.log("info", half, { [half]: half });
    ctx.count(half, 1, { [half]: half });
    ctx.getOpt(kinds.ConfigMap, half, half);
    ctx.list(kinds.ConfigMap, { labels: "" });
    ctx.http("POST", `https://a.test/${half}`, { headers: { [half]: half }, body: half });
  }, { asks: [CONFIG_MAPS] });
  cluster.server = () => new Response(200);
  cluster.reconcile("shop/page");
  const [[event], [line], [sample], [request]] = [cluster.takeEvents(), cluster.takeLogs(), cluster.takeSamples(), cluster.takeRequests()];
  const whole = "a\ufffd";
  assert.deepEqual([event.reason, event.note], [whole, whole]);
  assert.deepEqual(line, { level: "info", message: whole, fields: { [whole]: whole } });
  assert.deepEqual(sample, { name: whole, value: 1, labels: { [whole]: whole } });
  assert.deepEqual([request.url, request.headers], [`https://a.test/${whole}`, [{ name: whole, value: whole }]]);
  assert.equal(new TextDecoder().decode(request.body), whole);
});

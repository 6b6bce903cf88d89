/** What the host is told: manifests, actions, failures, stacks; and every reason as an error of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError, REASONS, Retry, Terminal, byField, defineController, kind, kinds, requeueAfter } from "@polyreme/sdk";
import { answer, manifest } from "../src/controller.js";
import { Refusal, apiError } from "../src/errors.js";

const Site = kind("example.com/v1", "Site");

function outcome(reconcile, current = '{"metadata":{"name":"page"}}') {
  const lines = [];
  const host = { logEnabled: (level) => level !== "debug", log: (level, text) => lines.push([level, text]) };
  const object = { apiVersion: "example.com/v1", kind: "Site", namespace: "shop", name: "page" };
  const controller = defineController({ name: "site", primary: Site, reconcile });
  return { ...answer(controller, host, { object, current, id: "r1", attempt: 0 }), lines };
}

function thrower(error) {
  return () => {
    throw error;
  };
}

test("nothing is done, and a delay reaches the host in milliseconds", () => {
  assert.deepEqual(outcome(() => {}).ok, { requeueAfterMs: null });
  assert.deepEqual(outcome(() => requeueAfter(250.4)).ok, { requeueAfterMs: 250 });
  assert.deepEqual(outcome(() => requeueAfter(-1)).ok, { requeueAfterMs: 0 });
});

test("a delay that is none is an error that names it", () => {
  for (const [delay, shown] of [[NaN, "NaN"], [Infinity, "Infinity"], ["30", '"30"'], [undefined, "undefined"], [5n, "5n"]]) {
    const words = `requeueAfter must be a number of milliseconds, neither negative nor infinite, not ${shown}`;
    assert.throws(() => requeueAfter(delay), { name: "TypeError", message: words });
  }
  assert.match(outcome(() => ({ requeueAfterMs: NaN })).failure.message, /^TypeError: requeueAfter must be .* not NaN$/);
  assert.deepEqual(outcome(() => ({ requeueAfterMs: 2.5 })).ok, { requeueAfterMs: 3 });
});

test("what was thrown decides whether to try again", () => {
  assert.deepEqual(outcome(thrower(new Retry("later"))).failure, { terminal: false, message: "later" });
  const terminal = new Terminal("spec.port", { cause: new RangeError("too large") });
  assert.deepEqual(outcome(thrower(terminal)).failure, { terminal: true, message: "spec.port: too large" });
});

test("an unexpected error is tried again, with its stack and its cause in the log", () => {
  const { failure, lines } = outcome(thrower(new TypeError("no port", { cause: new Error("why") })));
  assert.deepEqual(failure, { terminal: false, message: "TypeError: no port: why" });
  assert.equal(lines.length, 1);
  assert.match(lines[0][1], /^TypeError: no port\n\s+at .*controller\.test\.js[^]*caused by Error: why/);
});

test("what is thrown need not be an error, and what is expected is not logged", () => {
  assert.equal(outcome(thrower("text")).failure.message, "text");
  assert.deepEqual(outcome(thrower(new Retry("later"))).lines, []);
});

test("half a surrogate pair does not reach the host", () => {
  assert.equal(outcome(thrower(new Terminal("a\ud83d"))).failure.message, "a\ufffd");
  const { failure, lines } = outcome(thrower(new Error("a\ud83d")));
  assert.equal(failure.message, "Error: a\ufffd");
  assert.match(lines[0][1], /^Error: a\ufffd\n/);
});

test("what cannot be an answer says what can", () => {
  assert.match(outcome(async () => {}).failure.message, /is async: every call of the context is synchronous/);
  assert.match(outcome(() => 3).failure.message, /requeueAfter\(milliseconds\)/);
});

test("an object that is no JSON is terminal", () => {
  assert.equal(outcome(() => {}, "{").failure.terminal, true);
});

test("every reason has an error of its own", () => {
  const kinds = new Set();
  for (const reason of REASONS) {
    const error = apiError("get", "Site shop/page", new Refusal(reason, "words", 1500, ["spec: bad"]));
    assert.equal(error.reason, reason);
    assert.equal(error.constructor.reason, reason);
    assert(error instanceof ApiError && error.name.endsWith("Error"));
    assert.deepEqual([error.retryAfterMs, error.causes], [1500, ["spec: bad"]]);
    assert.equal(error.terminal, ["not-granted", "bad-request"].includes(reason));
    kinds.add(error.constructor);
  }
  assert.equal(kinds.size, 19);
});

test("a message says each thing once", () => {
  const said = apiError("get", "Site a", new Refusal("not-found", 'sites "a" not found'));
  assert.equal(said.message, 'failed to get Site a: sites "a" not found');
  const causes = new Refusal("invalid", "refused: spec.a: bad", null, ["spec.a: bad", "spec.b: worse"]);
  const words = "failed to apply Site a: invalid: refused: spec.a: bad; spec.b: worse";
  assert.equal(apiError("apply", "Site a", causes).message, words);
});

test("watching asks for reading, and a schema is text", () => {
  const controller = defineController({
    name: "site",
    primary: Site,
    watches: [byField(kinds.Secret, "spec.key")],
    settingsSchema: { type: "object" },
    reconcile() {},
  });
  const { permissions, watches, settingsSchema, primary } = manifest(controller);
  assert.deepEqual(permissions, [{ apiVersion: "v1", kinds: ["Secret"], verbs: ["get", "list", "watch"] }]);
  assert.deepEqual(watches[0].mapping, { tag: "field", val: "spec.key" });
  assert.deepEqual([settingsSchema, primary], ['{"type":"object"}', { apiVersion: "example.com/v1", kind: "Site" }]);
});

test("a definition with a typing mistake is refused", () => {
  assert.throws(() => defineController({ name: "site", primary: Site, reconsile() {} }), /reconsile unknown/);
  assert.throws(() => defineController({ name: "site", primary: Site }), /reconcile is missing/);
});

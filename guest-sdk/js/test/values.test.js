/** Numbers, conditions, merge patches: values in, values out. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { FormatError, isTrue, parse, setCondition, stringify } from "@polyreme/sdk";
import { fromUtf8, toUtf8, whole } from "../src/utf8.js";
import { difference, patch } from "../src/merge.js";
import { apply } from "../src/testing/apply.js";

test("no digit of an integer is lost, and small ones stay numbers", () => {
  const text = '{"a":9007199254740993,"b":-123456789012345678901234567890,"c":9007199254740991,"d":[18446744073709551615]}';
  const value = parse(text);
  assert.deepEqual([value.a, value.c], [9007199254740993n, 9007199254740991]);
  assert.equal(value.d[0] - 1n, 18446744073709551614n);
  assert.equal(stringify(value), text);
});

test("digits in text and fractions are left alone", () => {
  const value = parse('{"9007199254740993":"\\"9007199254740993, ünïcode","f":0.12345678901234567,"e":12345678901234567e2,"big":9007199254740993.5}');
  assert.equal(value["9007199254740993"], '"9007199254740993, ünïcode');
  assert.deepEqual([value.f, value.e, value.big], [0.12345678901234567, 12345678901234567e2, 9007199254740993.5]);
});

test("a string cannot pass for a bigint", () => {
  const forged = "\u0000bigint:5";
  assert.throws(() => parse(`{"forged":${JSON.stringify(forged)},"big":9007199254740993}`), FormatError);
  assert.throws(() => stringify({ forged, big: 2n ** 60n }), FormatError);
  assert.deepEqual(parse(stringify({ forged })), { forged });
});

test("a fraction of nothing is an integer in JavaScript, as documented", () => {
  assert.equal(stringify(parse('{"a":1.0}')), '{"a":1}');
});

test("what is no JSON is refused with its name", () => {
  assert.throws(() => parse("{", "Site shop/page"), /^FormatError: failed to decode Site shop\/page$/);
  const loop = { big: 1n };
  loop.self = loop;
  assert.throws(() => stringify(loop, "Site shop/page"), FormatError);
});

test("a patch names what is new, other or gone, and nothing else", () => {
  const before = { same: 1, other: { same: 1, deep: 1 }, gone: 1 };
  const after = { same: 1, other: { same: 1, deep: 2 }, new: [1] };
  const change = { other: { deep: 2 }, gone: null, new: [1] };
  assert.deepEqual(difference(before, after), change);
  assert.deepEqual(patch(before, change), after);
  assert.equal(difference(after, structuredClone(after)), undefined);
  assert.deepEqual(difference({ n: 1n }, { n: 2n }), { n: 2n });
});

test("lists are applied by what names their items", () => {
  const held = [{ name: "theirs", n: 1 }, { name: "ours", n: 1, theirs: 1 }, { name: "old" }];
  const before = [{ name: "ours", n: 1 }, { name: "old" }];
  const applied = [{ name: "ours", n: 2 }, { name: "new" }];
  const wanted = [{ name: "theirs", n: 1 }, { name: "ours", n: 2, theirs: 1 }, { name: "new" }];
  assert.deepEqual(apply(held, before, applied), wanted);
  assert.deepEqual(apply([1, 2], [1], [3]), [3]);
});

test("what is named no more leaves what others have in it", () => {
  const held = { labels: { ours: "1", theirs: "2" }, notes: { ours: "1" }, owners: [{ uid: "ours" }, { uid: "theirs" }], finalizers: ["a"], n: 1 };
  const before = { labels: { ours: "1" }, notes: { ours: "1" }, owners: [{ uid: "ours" }], finalizers: ["a"], n: 1 };
  const left = { labels: { theirs: "2" }, owners: [{ uid: "theirs" }] };
  assert.deepEqual(apply(held, before, {}), left);
  assert.deepEqual(apply(held, before, { labels: {} }), left);
});

test("the time of a condition moves only with its status", () => {
  const site = { metadata: { generation: 4 } };
  const [noon, later] = [new Date("2026-01-01T12:00:00.250Z"), new Date("2026-01-01T13:00:00Z")];
  const ready = (status, reason, now) => ({ type: "Ready", status, reason, message: "m", now });
  const first = setCondition([{ type: "Other" }], site, ready(false, "Waiting", noon));
  const second = setCondition(first, site, ready(false, "StillWaiting", later));
  const third = setCondition(second, site, ready(true, "Up", later));
  const times = [first, second, third].map((all) => all[1].lastTransitionTime);
  assert.deepEqual(times, ["2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"]);
  assert.deepEqual([second[1].reason, third[1].observedGeneration], ["StillWaiting", 4]);
  assert(isTrue(third, "Ready") && !isTrue(second, "Ready"));
  assert.deepEqual(setCondition(third, site, ready(true, "Up", later)), third);
});

test("bytes become the text that a TextDecoder makes of them, and text its bytes", () => {
  const texts = ["", "abc", "grüße, 世界 🚣", "\u{10ffff}", "x".repeat(9999)];
  for (const text of texts) {
    assert.deepEqual(toUtf8(text), new TextEncoder().encode(text));
    assert.equal(fromUtf8(toUtf8(text)), text);
  }
  const broken = [[0xff, 0x41], [0xc3], [0xc3, 0x41], [0xe4, 0xb8], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5, 0x80], [0xf0, 0x80, 0x80, 0x80]];
  for (const bytes of broken) {
    const given = Uint8Array.from(bytes);
    assert.equal(fromUtf8(given), new TextDecoder("utf-8", { ignoreBOM: true }).decode(given), String(bytes));
  }
  assert.deepEqual(toUtf8("\ud800"), new TextEncoder().encode("\ufffd"));
});

test("halves of surrogate pairs are replaced, and whole ones stay", () => {
  assert.equal(whole("grüße 🚣"), "grüße 🚣");
  assert.equal(whole("\ude00a\ud83d"), "\ufffda\ufffd");
  // JSON has escapes for them.
  assert.equal(stringify({ "a\ud83d": "\ud83d", big: 2n ** 60n }), `{"a\\ud83d":"\\ud83d","big":${2n ** 60n}}`);
});

test("what JSON has not is refused with its place", () => {
  const fails = (value, words) =>
    assert.throws(() => stringify(value, "Site shop/page"), (error) => {
      assert(error instanceof FormatError && error.terminal);
      assert.equal(`${error.message}: ${error.cause.message}`, `failed to encode Site shop/page: ${words}`);
      return true;
    });
  fails({ spec: { replicas: NaN } }, "spec.replicas: NaN is no JSON");
  fails({ none: null, ports: [1, -Infinity] }, "ports[1]: -Infinity is no JSON");
  fails({ big: 2n ** 60n, n: Infinity }, "n: Infinity is no JSON");
  fails(NaN, "the whole: NaN is no JSON");
  fails(undefined, "undefined is no JSON");
  assert.equal(stringify({ none: null, absent: undefined, date: new Date(0) }), '{"none":null,"date":"1970-01-01T00:00:00.000Z"}');
});

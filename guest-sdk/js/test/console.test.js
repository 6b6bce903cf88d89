/** The console of a component, on lines that are kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { format as nodes } from "node:util";

import { createConsole, format } from "../src/console.js";

/** What a console prints, each line with its level. */
function printed(use, { wanted = () => true, monotonic = () => 0 } = {}) {
  const lines = [];
  const { console, reset } = createConsole({ print: (...line) => lines.push(line), wanted, monotonic });
  use(console, reset);
  return lines;
}

const texts = (use, world) => printed(use, world).map(([, line]) => line);

test("a first text is formatted as node does it", () => {
  for (const values of [
    ["%s is %d years, %i, %f", "Kim", 41.5, 41.5, "1.5x"],
    ["%d %i %f", "three", {}, Symbol("x")],
    ["%d %i", 9007199254740993n, 9007199254740993n],
    ["%j", { a: [1] }],
    ["%s %s %s", new (class { toString() { return "itself"; } })(), null, 1n],
    ["%cred", "color: red"],
    ["100%% of %s", "all"],
    ["100%% of %s"],
    ["%s and %s", "one"],
    ["%s", "one", "two", 3],
    ["%x %", "one"],
    ["no specifier", "one", 2],
    [1, "%s", "one"],
    [],
  ]) {
    assert.equal(format(values), nodes(...values));
  }
  const circle = {};
  circle.self = circle;
  assert.equal(format(["%o %O %j", { a: 1 }, "text", circle]), '{"a":1} "text" [object Object]');
  assert.match(format(["failed: %s", new TypeError("no port")]), /^failed: TypeError: no port\n/);
});

test("each method has its level, and what nobody reads is not made into text", () => {
  const all = ["log", "info", "debug", "warn", "error", "dir", "trace", "assert"];
  const levels = printed((console) => all.forEach((name) => console[name](name === "assert" ? false : name)));
  assert.deepEqual(
    levels.filter(([, line]) => !/^\s+at /.test(line)).map(([level]) => level),
    ["info", "info", "debug", "warn", "error", "info", "trace", "error"],
  );
  const read = { get toJSON() { throw new Error("it was read"); } };
  assert.deepEqual(printed((console) => console.debug("%j", read), { wanted: () => false }), []);
});

test("groups indent every line in them", () => {
  const lines = texts((console) => {
    console.group("outer %d", 1);
    console.groupCollapsed();
    console.warn("a\nb");
    console.groupEnd();
    console.log("c");
    console.groupEnd();
    console.groupEnd();
    console.log("d");
  });
  assert.deepEqual(lines, ["outer 1", "    a", "    b", "  c", "d"]);
});

test("counters count by label", () => {
  const lines = printed((console) => {
    console.count();
    console.count("writes");
    console.count();
    console.countReset();
    console.count();
    console.countReset("reads");
  });
  const words = ["default: 1", "writes: 1", "default: 2", "default: 1", "Count for 'reads' does not exist"];
  assert.deepEqual(lines.map(([, line]) => line), words);
  assert.equal(lines.at(-1)[0], "warn");
});

test("timers tell what the clock says", () => {
  let now = 5;
  const lines = texts((console) => {
    console.time("read");
    now += 1.25;
    console.timeLog("read", "page", { of: 2 });
    now += 2000;
    console.time("read");
    console.timeEnd("read");
    console.timeEnd("read");
  }, { monotonic: () => now });
  assert.deepEqual(lines, [
    'read: 1.25ms page {"of":2}',
    "Label 'read' already exists for console.time()",
    "read: 2.001s",
    "No such label 'read' for console.timeEnd()",
  ]);
});

test("a table has a line for each row", () => {
  const rows = [{ name: "web", ports: [80] }, { name: "db\nold", ready: false }, "none"];
  assert.deepEqual(texts((console) => console.table(rows)), [
    "(index)  name     ports  ready  Values",
    "0        web      [80]",
    "1        db\\nold         false",
    "2                               none",
  ]);
  assert.deepEqual(texts((console) => console.table(rows.slice(0, 2), ["ready"])), ["(index)  ready", "0", "1        false"]);
  assert.deepEqual(texts((console) => console.table(new Map([["a", { b: 1 }]]))), ["(index)  b", "a        1"]);
  assert.deepEqual(texts((console) => console.table([])), ["(index)"]);
  assert.deepEqual(texts((console) => console.table("text")), ["text"]);
});

test("an assertion speaks only when it fails", () => {
  const lines = texts((console) => {
    console.assert(true, "no");
    console.assert(false);
    console.assert(0, "%d of %d", 1, 2);
  });
  assert.deepEqual(lines, ["Assertion failed", "Assertion failed: 1 of 2"]);
});

test("a trace tells where it is", () => {
  const [first, second] = texts((console) => console.trace("here %s", "now"));
  assert.equal(first, "Trace: here now");
  assert.match(second, /console\.test\.js/);
});

test("a reset forgets groups, counters and timers", () => {
  const lines = texts((console, reset) => {
    console.count();
    console.group();
    console.time();
    reset();
    console.count();
    console.timeEnd();
  });
  assert.deepEqual(lines, ["default: 1", "default: 1", "No such label 'default' for console.timeEnd()"]);
});

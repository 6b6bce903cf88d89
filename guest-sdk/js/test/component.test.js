/** What a component's own modules do, with imports that write down what they are called with. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as modules from "node:module";
import { test } from "node:test";

/** Node before 18.19 cannot put modules in the place of imports. */
const skip = modules.register === undefined;

/** Every import of the contract: each call is a line of JSON, in ASCII. */
const IMPORTS = `
const note = (name) => (...values) => void process.stdout.write(JSON.stringify([name, ...values]) + "\\n");
const all = "get list create update patch apply applyAll delete emit log addCounter setGauge observe".split(" ");
export default { ...Object.fromEntries(all.map((name) => [name, note(name)])), enabled: () => true, now: () => 0 };
`;
const LOADER = `
export const resolve = (name, context, next) =>
  name.startsWith("polyreme:") ? { url: "data:text/javascript," + ${JSON.stringify(encodeURIComponent(IMPORTS))}, shortCircuit: true } : next(name, context);
`;

/** What the host is called with, and told, by a component with this body of `reconcile`, which is run so often. */
function component(body, times = 1) {
  const program = `
    import { register } from "node:module";
    register("data:text/javascript," + ${JSON.stringify(encodeURIComponent(LOADER))});
    const { component } = await import("./src/component.js");
    const { defineController, kind } = await import("./src/index.js");
    const primary = kind("example.com/v1", "Site");
    const reconcile = (ctx) => { ${body} };
    const { reconcile: run } = component(defineController({ name: "site", primary, reconcile }));
    const object = { apiVersion: "example.com/v1", kind: "Site", namespace: "shop", name: "page" };
    for (let time = 0; time < ${times}; time += 1) {
      let told;
      try { told = run({ object, current: "{}", id: "r1", attempt: 0 }); } catch (thrown) { told = thrown; }
      process.stdout.write(JSON.stringify(["told", told]) + "\\n");
    }
  `;
  const folder = new URL("..", import.meta.url);
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { cwd: folder, encoding: "utf8" });
  assert.match(stdout, /"told"/, stderr);
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
}

test("what is printed and thrown is whole text", { skip }, () => {
  const half = '"a\\ud83d"';
  const calls = component(`console.log(${half}); throw ${half};`);
  const [[log, , line], ...rest] = calls;
  assert.deepEqual([log, line], ["log", "a\ufffd"]);
  assert.deepEqual(rest.at(-1), ["told", { tag: "retry", val: "a\ufffd" }]);
});

test("an answer is an action", { skip }, () => {
  assert.deepEqual(component("return { requeueAfterMs: 5 };"), [["told", { tag: "requeue-after", val: 5 }]]);
});

test("a reconcile finds no group and no counter of another", { skip }, () => {
  const twice = component("console.group('in'); console.count();", 2);
  assert.deepEqual(twice.filter(([name]) => name === "log").map(([, , line]) => line), ["in", "  default: 1", "in", "  default: 1"]);
});

/**
 * What JavaScript programs do that a component has no system for: the guest of `../../tests/runtime/interpreted.rs`.
 *
 * The label `polyreme.dev/deed` of the object says which.
 */
import { defineController, kinds } from "@polyreme/sdk";

const deep = () => deep() + 1;

const DEEDS = {
  nothing() {},
  output() {
    console.log("two\nlines");
    console.warn("a warning", { a: 1n });
    console.log("no end");
  },
  clock() {
    const off = Math.abs(new Date().getTime() - Date.now());
    console.log(new Date().getUTCFullYear(), off < 60_000, performance.now() <= performance.now());
  },
  chance: () => console.log(Math.random()),
  error() {
    throw new TypeError("the guest gave up");
  },
  file: () => readFileSync("/etc/passwd"),
  network: () => fetch("http://127.0.0.1/"),
  sleep: () => setTimeout(() => {}, 3_600_000),
  loop: async () => {},
  deep,
  spin() {
    for (;;);
  },
  hog() {
    for (const held = []; ; ) held.push(new Uint8Array(1 << 20));
  },
};

export default defineController({
  name: "js-guest",
  primary: kinds.ConfigMap,
  reconcile: (ctx, obj) => DEEDS[obj.metadata.labels["polyreme.dev/deed"]](),
});

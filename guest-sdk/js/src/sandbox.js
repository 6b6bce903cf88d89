/**
 * What a component has instead of an operating system. Never used in native tests.
 *
 * A component is a snapshot of a JavaScript engine that has evaluated all modules. It has no WASI: in the
 * snapshot asking the engine for the time would be a trap that ends the instance without a word, and its random
 * numbers would be the same in every instance. So time and chance come from the host, and `console` goes to its
 * log. While modules are evaluated, when the component is built, there is no host: then the time is the
 * build's, random numbers are the engine's (packages take some when they are evaluated), and what is printed is
 * logged when the host loads the component.
 *
 * This module must be evaluated before the controller's; `component.js` sees to it.
 */
import clock from "polyreme:controller/clock@0.1.0";
import log from "polyreme:controller/log@0.1.0";
import random from "polyreme:controller/random@0.1.0";

import { createConsole } from "./console.js";

const NativeDate = Date;
const nativeRandom = Math.random;
const nativeNow = performance.now.bind(performance);

let running = false;
const printed = [];

/** Each call of the host begins so. From the first on there is a host to ask; none finds what another left open. */
export function start() {
  running = true;
  reset();
}

/** What modules printed while the component was built, once. */
export function takePrinted() {
  return printed.splice(0);
}

const now = () => (running ? Math.floor(clock.now() / 1e6) : NativeDate.now());

function HostDate(...given) {
  if (new.target === undefined) return new NativeDate(now()).toString();
  return Reflect.construct(NativeDate, given.length === 0 ? [now()] : given, new.target);
}
HostDate.prototype = NativeDate.prototype;
HostDate.prototype.constructor = HostDate;
Object.defineProperties(HostDate, {
  name: { value: "Date" },
  length: { value: 7 },
  now: { value: now, writable: true, configurable: true },
  parse: { value: NativeDate.parse, writable: true, configurable: true },
  UTC: { value: NativeDate.UTC, writable: true, configurable: true },
});
globalThis.Date = HostDate;

// The engine's own cannot be changed, only replaced.
Object.defineProperty(globalThis, "performance", {
  value: { now: () => (running ? clock.monotonic() / 1e6 : nativeNow()), timeOrigin: 0 },
});

Math.random = () => {
  if (!running) return nativeRandom();
  const bytes = random.bytes(7);
  // 53 bits, as many as a number holds.
  const high = bytes[6] & 0x1f;
  return bytes.slice(0, 6).reduceRight((number, byte) => number * 256 + byte, high) / 2 ** 53;
};

const { console, reset } = createConsole({
  print: (level, line) => (running ? log.log(level, line, []) : printed.push([level, line])),
  wanted: (level) => !running || log.enabled(level),
  monotonic: () => performance.now(),
});
globalThis.console = console;

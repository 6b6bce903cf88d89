/**
 * What a controller passes to its context, as the contract has it. A value of another type would end the instance
 * at the border to the host, without a word about which: so texts are made of what is given, and what cannot be
 * meant is a TypeError that names it, in a component and on the fake alike.
 */
import { whole } from "./utf8.js";

/** The largest unsigned numbers that the contract, and a number, can hold. */
const MAX_U32 = 2 ** 32 - 1;
const MAX_MILLISECONDS = Number.MAX_SAFE_INTEGER;

/** The text of any value. */
export function text(value) {
  return whole(String(value));
}

/** What names something: no other value can be meant. */
export function name(what, value) {
  if (typeof value !== "string") throw mistake(what, value, "must be a string");
  return whole(value);
}

/** One of a few words. */
export function oneOf(what, words, value) {
  if (!words.includes(value)) throw mistake(what, value, `must be one of ${words.join(", ")}`);
  return value;
}

/** A number with a value. */
export function finite(what, value) {
  const number = typeof value === "bigint" ? Number(value) : value;
  if (!Number.isFinite(number)) throw mistake(what, value, "must be a finite number");
  return number;
}

/** How many. */
export function amount(what, value) {
  if (!Number.isInteger(value) || value < 0 || value > MAX_U32) {
    throw mistake(what, value, `must be a whole number from 0 to ${MAX_U32}`);
  }
  return value;
}

/** A duration, rounded to whole milliseconds. */
export function milliseconds(what, value) {
  if (typeof value !== "number" || !(value >= 0 && value <= MAX_MILLISECONDS)) {
    throw mistake(what, value, "must be a number of milliseconds, neither negative nor infinite");
  }
  return Math.round(value);
}

/** Labels and fields. */
export function pairs(fields) {
  return Object.entries(fields ?? {}).map(([key, value]) => [whole(key), text(value)]);
}

/** A reference that was just made: it itself, of texts only. Every read comes by here. */
export function reference(target) {
  if (typeof target.apiVersion !== "string") throw mistake("apiVersion", target.apiVersion, "must be a string");
  if (typeof target.kind !== "string") throw mistake("kind", target.kind, "must be a string");
  if (target.namespace !== null) target.namespace = name("namespace", target.namespace);
  target.name = name("name", target.name);
  return target;
}

/** The options that are given: undefined and null are as good as absent. */
export function present(options) {
  const given = Object.entries(options ?? {}).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(given);
}

/** How to write, of these options over the defaults. */
export function writeOptions(options, defaults) {
  if (!options) return defaults;
  const { subresource, fieldManager, force, dryRun, wantObject } = { ...defaults, ...present(options) };
  return {
    subresource: subresource === null ? null : name("subresource", subresource),
    fieldManager: fieldManager === null ? null : name("fieldManager", fieldManager),
    force: Boolean(force),
    dryRun: Boolean(dryRun),
    wantObject: Boolean(wantObject),
  };
}

/** The error for what cannot be meant. */
export function mistake(what, value, expected) {
  return new TypeError(`${what} ${expected}, not ${shown(value)}`);
}

/** A value in few words; whatever it is, this throws nothing. */
function shown(value) {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return String(value);
  return Array.isArray(value) ? "an array" : `an object (${value.constructor?.name ?? "without prototype"})`;
}

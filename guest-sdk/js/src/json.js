/**
 * JSON without loss of digits. `JSON.parse` makes 9007199254740993 into ...992; here an integer that a number
 * cannot hold exactly becomes a `bigint`, and is written as it was. Numbers with a fraction are 64-bit floats
 * as everywhere in JavaScript, and `1.0` is `1`: read `ctx.current` where the text itself matters.
 */
import { FormatError } from "./errors.js";

/** Strings, which are passed over, and whole numbers of any form. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const INTEGER = /^-?\d{16,}$/;
/** What a bigint travels as between the text and the value. A string that begins like this is refused. */
const MARK = "\u0000bigint:";
const MARK_IN_TEXT = '"\\u0000bigint:';
const MARKED = /"\\u0000bigint:(-?\d+)"/g;

/** The value of a JSON text. */
export function parse(text, what = "JSON") {
  try {
    const value = JSON.parse(text);
    // Looking at every value costs less than half of what a regular expression on the text would.
    if (isExact(value)) return value;
    if (text.includes(MARK_IN_TEXT)) throw new SyntaxError("a string begins with the mark of bigints");
    let found = false;
    const marked = text.replace(TOKENS, (token) => {
      if (!INTEGER.test(token) || Number.isSafeInteger(Number(token))) return token;
      found = true;
      return `${MARK_IN_TEXT}${token}"`;
    });
    return found ? JSON.parse(marked, reviveBigInts) : value;
  } catch (error) {
    throw new FormatError(`failed to decode ${what}`, { cause: error });
  }
}

/** Whether no number in it is so large that digits may be missing. */
function isExact(value) {
  if (typeof value === "number") return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER;
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every(isExact);
  for (const key in value) {
    const held = value[key];
    // Most values are strings: no call for them.
    if (typeof held !== "string" && !isExact(held)) return false;
  }
  return true;
}

/** The JSON text of a value, bigints included. What JSON has not, undefined, NaN and infinities, is a FormatError. */
export function stringify(value, what = "a value") {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError && /bigint/i.test(error.message))) throw unencoded(what, error);
    text = withBigInts(value, what);
  }
  if (text === undefined) throw unencoded(what, new TypeError(`${typeof value} is no JSON`));
  // They are written as null, so only where there is one need anybody look.
  const wrong = text.includes("null") ? nonFinite(value, "") : undefined;
  if (wrong !== undefined) throw unencoded(what, new RangeError(wrong));
  return text;
}

/** Where a number is none, and which. What writes itself, as a Date does, is left to do so. */
function nonFinite(value, path) {
  if (typeof value === "number" && !Number.isFinite(value)) return `${path || "the whole"}: ${value} is no JSON`;
  if (typeof value !== "object" || value === null || typeof value.toJSON === "function") return undefined;
  for (const [key, held] of Object.entries(value)) {
    const place = Array.isArray(value) ? `${path}[${key}]` : path ? `${path}.${key}` : key;
    const wrong = nonFinite(held, place);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function withBigInts(value, what) {
  const mark = (_, held) => {
    if (typeof held === "string" && held.startsWith(MARK)) throw new TypeError("a string begins with the mark of bigints");
    return typeof held === "bigint" ? MARK + held : held;
  };
  try {
    return JSON.stringify(value, mark).replace(MARKED, "$1");
  } catch (error) {
    throw unencoded(what, error);
  }
}

function unencoded(what, cause) {
  return new FormatError(`failed to encode ${what}`, { cause });
}

function reviveBigInts(_, value) {
  return typeof value === "string" && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value;
}

/** Label and field selectors, as the API server reads them. Each gives a test. */
import { Refusal } from "../errors.js";

const SET = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/;
const EQUALITY = /^([^!=\s]+)\s*(==|=|!=)\s*([^!=\s]*)$/;
const EXISTENCE = /^(!?)\s*([^!=\s]+)$/;

/** A test of an object's labels. */
export function labels(selector) {
  // A comma inside parentheses separates values, not terms.
  const terms = selector.split(/,(?![^(]*\))/).map((term) => term.trim());
  const tests = terms.filter((term) => term !== "").map(labelTerm);
  return (held) => tests.every((test) => test(held));
}

function labelTerm(text) {
  const set = SET.exec(text);
  if (set) {
    const values = set[3].split(",").map((value) => value.trim());
    return (held) => values.includes(held[set[1]]) === (set[2] === "in");
  }
  const equality = EQUALITY.exec(text);
  if (equality) return (held) => (held[equality[1]] === equality[3]) === (equality[2] !== "!=");
  const existence = EXISTENCE.exec(text);
  if (existence) return (held) => existence[2] in held === (existence[1] === "");
  throw new Refusal("bad-request", `label selector: ${JSON.stringify(text)} is no term`);
}

/** A test of an object: equality terms, all of which must hold. An absent field is empty. */
export function fields(selector) {
  const terms = fieldTerms(selector);
  return (obj) =>
    terms.every(({ path, equal, wanted }) => {
      const value = path.split(".").reduce((held, part) => held?.[part], obj);
      return (String(value ?? "") === wanted) === equal;
    });
}

/** The fields that a selector selects by. */
export function fieldPaths(selector) {
  return fieldTerms(selector).map(({ path }) => path);
}

function fieldTerms(selector) {
  return selector.split(/(?<!\\),/).filter((term) => term !== "").map(fieldTerm);
}

function fieldTerm(text) {
  const match = /^([^!=]+)(==|=|!=)(.*)$/.exec(text);
  if (!match) throw new Refusal("bad-request", `field selector: ${JSON.stringify(text)} is no term`);
  return { path: match[1].replace(/^\./, ""), equal: match[2] !== "!=", wanted: match[3].replace(/\\(.)/g, "$1") };
}

/**
 * `console` as programs written for node use it, on lines of the host's log. It knows no host: `print(level, line)`
 * takes a line, `wanted(level)` tells whether anybody reads it, `monotonic()` is milliseconds.
 */
import { whole } from "./utf8.js";

const LEVELS = { log: "info", info: "info", debug: "debug", warn: "warn", error: "error" };

const INDENT = "  ";
const SPECIFIER = /%[sdifjoOc%]/g;

/** The console, and what forgets its groups, counters and timers. */
export function createConsole({ print, wanted, monotonic }) {
  let depth, counts, timers;
  const reset = () => {
    depth = 0;
    counts = new Map();
    timers = new Map();
  };
  reset();

  /** Nothing is made into text that nobody reads. */
  const write = (level, text) => {
    if (!wanted(level)) return;
    const indent = INDENT.repeat(depth);
    whole(text()).split("\n").forEach((line) => print(level, indent + line));
  };
  const say = (level) => (...values) => write(level, () => format(values));
  const console = Object.fromEntries(Object.entries(LEVELS).map(([name, level]) => [name, say(level)]));

  console.dir = (value) => write("info", () => show(value));
  console.table = (data, columns) => write("info", () => table(data, columns));
  console.trace = (...values) => {
    const { stack } = new Error();
    write("trace", () => [`Trace: ${format(values)}`, ...frames(stack)].join("\n"));
  };
  console.assert = (holds, ...values) => {
    if (!holds) write("error", () => (values.length > 0 ? `Assertion failed: ${format(values)}` : "Assertion failed"));
  };

  console.group = (...labels) => {
    if (labels.length > 0) console.log(...labels);
    depth += 1;
  };
  console.groupCollapsed = console.group;
  console.groupEnd = () => {
    depth = Math.max(0, depth - 1);
  };

  console.count = (label = "default") => {
    const count = (counts.get(`${label}`) ?? 0) + 1;
    counts.set(`${label}`, count);
    write("info", () => `${label}: ${count}`);
  };
  console.countReset = (label = "default") => {
    if (!counts.delete(`${label}`)) write("warn", () => `Count for '${label}' does not exist`);
  };

  console.time = (label = "default") => {
    if (timers.has(`${label}`)) write("warn", () => `Label '${label}' already exists for console.time()`);
    else timers.set(`${label}`, monotonic());
  };
  const lasted = (method, label, values) => {
    const begun = timers.get(`${label}`);
    if (begun === undefined) write("warn", () => `No such label '${label}' for console.${method}()`);
    else write("info", () => [`${label}: ${duration(monotonic() - begun)}`, ...values.map(show)].join(" "));
  };
  console.timeLog = (label = "default", ...values) => lasted("timeLog", label, values);
  console.timeEnd = (label = "default") => {
    lasted("timeEnd", label, []);
    timers.delete(`${label}`);
  };

  return { console, reset };
}

/** As node's util.format: only a text that comes first, and has something after it, is looked at for specifiers. */
export function format(values) {
  const [first, ...rest] = values;
  if (typeof first !== "string" || rest.length === 0) return values.map(show).join(" ");
  const text = first.replace(SPECIFIER, (specifier) => {
    if (specifier === "%%") return "%";
    return rest.length > 0 ? specified(specifier, rest.shift()) : specifier;
  });
  return [text, ...rest.map(show)].join(" ");
}

function specified(specifier, value) {
  switch (specifier) {
    case "%s":
      return typeof value === "bigint" ? `${value}n` : saysItself(value) ? String(value) : show(value);
    case "%d":
      return number(value, Number);
    case "%i":
      return number(value, parseInt);
    case "%f":
      return typeof value === "symbol" ? "NaN" : String(parseFloat(value));
    case "%c":
      return "";
    default:
      return value instanceof Error && specifier !== "%j" ? show(value) : json(value);
  }
}

/** Whether a program says how a value is text. */
function saysItself(value) {
  const method = typeof value === "object" ? value?.toString : undefined;
  return typeof method === "function" && !Function.prototype.toString.call(method).includes("[native code]");
}

function number(value, read) {
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "symbol" ? "NaN" : String(read(value));
}

function show(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}\n${(value.stack ?? "").trimEnd()}`.trimEnd();
  return typeof value === "object" ? json(value) : String(value);
}

function json(value) {
  try {
    return JSON.stringify(value, (_, held) => (typeof held === "bigint" ? `${held}n` : held)) ?? String(value);
  } catch {
    // It refers to itself.
    return String(value);
  }
}

function duration(milliseconds) {
  return milliseconds < 1000 ? `${Number(milliseconds.toFixed(3))}ms` : `${(milliseconds / 1000).toFixed(3)}s`;
}

/** Of a stack, the places below the console's own. Node puts a heading before them, QuickJS does not. */
function frames(stack) {
  return (stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)).slice(1);
}

/** A row for each element and a column for each of their fields, or those that are named. */
function table(data, columns) {
  if (typeof data !== "object" || data === null) return show(data);
  const elements = data instanceof Map ? [...data] : Object.entries(data instanceof Set ? [...data] : data);
  const isObject = (value) => typeof value === "object" && value !== null;
  const fields = columns ?? [...new Set(elements.flatMap(([, value]) => (isObject(value) ? Object.keys(value) : [])))];
  const values = elements.some(([, value]) => !isObject(value)) ? ["Values"] : [];
  const cell = (value, field) => (isObject(value) && Object.hasOwn(value, field) ? oneLine(value[field]) : "");
  const rows = elements.map(([key, value]) => {
    const last = isObject(value) ? "" : oneLine(value);
    return [oneLine(key), ...fields.map((field) => cell(value, field)), ...values.map(() => last)];
  });
  return aligned([["(index)", ...fields.map(String), ...values], ...rows]);
}

function oneLine(value) {
  return show(value).replaceAll("\n", "\\n");
}

function aligned(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd()).join("\n");
}

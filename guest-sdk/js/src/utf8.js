/** Text to bytes and back: a component has neither TextEncoder nor TextDecoder. And text that can become bytes. */

const REPLACEMENT = 0xfffd;
/** Code points that are made into text at once: a call has room for that many arguments. */
const AT_ONCE = 4096;

/** Read by code points, whole pairs are none of these. */
const HALVES = /[\ud800-\udfff]/gu;

/**
 * A text without halves of surrogate pairs, such as `slice` leaves: each becomes U+FFFD. The contract's texts are
 * UTF-8, which cannot hold one, so that it would end the instance.
 */
export const whole =
  typeof String.prototype.toWellFormed === "function"
    ? (text) => text.toWellFormed()
    : (text) => text.replace(HALVES, "\ufffd");

/** The bytes of a text. Half of a surrogate pair becomes U+FFFD. */
export function toUtf8(text) {
  const bytes = [];
  for (const character of text) {
    const point = character.codePointAt(0);
    push(bytes, point >= 0xd800 && point <= 0xdfff ? REPLACEMENT : point);
  }
  return Uint8Array.from(bytes);
}

function push(bytes, point) {
  const rest = (shift) => 0x80 | ((point >> shift) & 0x3f);
  if (point < 0x80) bytes.push(point);
  else if (point < 0x800) bytes.push(0xc0 | (point >> 6), rest(0));
  else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), rest(6), rest(0));
  else bytes.push(0xf0 | (point >> 18), rest(12), rest(6), rest(0));
}

/** The text of bytes. What is not UTF-8 becomes U+FFFD, as in a TextDecoder. */
export function fromUtf8(bytes) {
  let text = "";
  let points = [];
  for (let at = 0; at < bytes.length; ) {
    const [point, length] = decode(bytes, at);
    points.push(point);
    at += length;
    if (points.length === AT_ONCE) {
      text += String.fromCodePoint(...points);
      points = [];
    }
  }
  return text + String.fromCodePoint(...points);
}

/** The code point at a place and how many bytes it, or what is wrong there, takes. */
function decode(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return [first, 1];
  const more = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xc2 && first < 0xe0 ? 1 : 0;
  if (more === 0) return [REPLACEMENT, 1];
  let point = first & (0x3f >> more);
  for (let read = 1; read <= more; read += 1) {
    const byte = bytes[at + read];
    if (byte === undefined || byte < lowest(first, read) || byte > highest(first, read)) return [REPLACEMENT, read];
    point = (point << 6) | (byte & 0x3f);
  }
  return [point, more + 1];
}

/** Overlong forms, surrogates and what is beyond Unicode show in the second byte (Unicode, table 3-7). */
function lowest(first, read) {
  if (read > 1) return 0x80;
  return first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
}

function highest(first, read) {
  if (read > 1) return 0xbf;
  return first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
}

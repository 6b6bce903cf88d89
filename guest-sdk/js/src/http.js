/** Requests to servers outside of Kubernetes: what comes back. They are sent by `ctx.http`. */
import { Retry } from "./errors.js";
import { parse } from "./json.js";
import { fromUtf8 } from "./utf8.js";

/** Characters of an unexpected response that an error repeats. */
const SHOWN = 200;

/** What an outside server answered, whatever the status. Redirects are not followed. */
export class Response {
  constructor(status, body = new Uint8Array(), headers = [], asked = "") {
    this.status = status;
    /** A Uint8Array. */
    this.body = body;
    /** Pairs of name, in lower case, and value; a name may be there several times. */
    this.headers = headers;
    /** Method and URL without the query, for messages. */
    this.asked = asked;
  }

  /** Whether the status is 2xx. */
  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  /** The response, when its status is 2xx; a Retry otherwise. */
  success() {
    if (this.ok) return this;
    throw new Retry(`${this.asked} answered ${this.status}: ${beginning(this.text())}`);
  }

  /** The first header of a name, in whatever case, or null. */
  header(name) {
    const wanted = name.toLowerCase();
    return this.headers.find(([key]) => key.toLowerCase() === wanted)?.[1] ?? null;
  }

  /** The body as text; what is not UTF-8 is replaced. */
  text() {
    return fromUtf8(this.body);
  }

  /** The body as JSON; a Retry when it is none, since servers change. */
  json() {
    try {
      return parse(this.text(), `the response to ${this.asked}`);
    } catch (error) {
      throw new Retry(error.message);
    }
  }
}

/** Cut between characters: a character takes at most two places of a string. */
function beginning(text) {
  return Array.from(text.slice(0, 2 * SHOWN)).slice(0, SHOWN).join("");
}

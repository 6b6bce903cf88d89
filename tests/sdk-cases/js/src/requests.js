/** Servers outside of Kubernetes. */
import { refusal } from "./case.js";

/** More than `limits.payload` by default. */
const TOO_MUCH_BYTES = 4 << 20;

export const cases = {
  "http-get"(ctx, obj, { server }) {
    const response = ctx.http("GET", `${server}/colour`);
    return { status: response.status, colour: response.text(), note: response.header("X-Note") };
  },

  "http-post"(ctx, obj, { server }) {
    const body = Uint8Array.from({ length: 256 }, (_, index) => index);
    const response = ctx.http("POST", `${server}/echo`, { headers: { "x-note": "from the guest" }, body });
    const bytes = Array.from(response.body, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return { status: response.status, note: response.header("x-note"), bytes };
  },

  "http-json"(ctx, obj, { server }) {
    const response = ctx.http("POST", `${server}/echo`, { json: { text: "grüße, 世界 🚣" } }).success();
    return { type: response.header("content-type"), text: response.json().text };
  },

  "http-statuses": (ctx, obj, { server }) => ({
    statuses: ["/missing", "/away"].map((path) => ctx.http("GET", `${server}${path}`).status),
  }),

  "http-not-granted": (ctx, obj, { server }) => refusal(() => ctx.http("DELETE", `${server}/colour`)),

  "http-too-large": (ctx, obj, { server }) => refusal(() => ctx.http("GET", `${server}/large`)),

  "http-limit-exceeded": (ctx, obj, { server }) =>
    refusal(() => ctx.http("POST", `${server}/echo`, { body: new Uint8Array(TOO_MUCH_BYTES).fill(120) })),

  "http-timeout": (ctx, obj, { server }) => refusal(() => ctx.http("GET", `${server}/slow`, { timeoutMs: 100 })),

  "http-bad-request": (ctx, obj, { server }) =>
    refusal(() => ctx.http("GET", `${server}/colour`, { headers: { host: "elsewhere" } })),

  "http-connect": (ctx) => refusal(() => ctx.http("GET", "http://127.0.0.1:1/")),
};

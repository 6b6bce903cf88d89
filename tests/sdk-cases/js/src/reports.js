/** What people and dashboards see; time and chance. */
import { plain } from "./case.js";

const LEVELS = ["trace", "debug", "info", "warn", "error"];

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const nanoseconds = (milliseconds) => BigInt(Math.round(milliseconds * 1e6)).toString();

export const cases = {
  events(ctx, obj) {
    ctx.event("normal", "Greeted", "hello, 世界");
    ctx.event("warning", "Worried", "something is off");
    ctx.eventOn(plain(obj, "events-other"), "normal", "Touched", "from another object");
    return {};
  },

  logs(ctx) {
    LEVELS.forEach((level, number) => {
      const article = "aeiou".includes(level[0]) ? "an" : "a";
      ctx.log(level, `${article} ${level} line`, { number, text: "two words" });
    });
    ctx.log("info", "first\nsecond");
    return { enabled: Object.fromEntries(LEVELS.map((level) => [level, ctx.logEnabled(level)])) };
  },

  print() {
    console.log("printed by the guest");
    return { printed: true };
  },

  metrics(ctx) {
    ctx.count("case_things_total", 2, { colour: "red" });
    ctx.count("case_things_total", 3, { colour: "red" });
    ctx.count("case_things_total", 0.5, { colour: "blue" });
    ctx.gauge("case_level", 7);
    ctx.gauge("case_level", -2.5);
    ctx.observe("case_seconds", 0.25, { step: "one" });
    ctx.observe("case_seconds", 0.5, { step: "one" });
    return {};
  },

  clock(ctx) {
    const start = ctx.monotonic();
    const now = nanoseconds(ctx.now().getTime());
    return { now, elapsed: nanoseconds(ctx.monotonic() - start) };
  },

  random(ctx) {
    const bytes = [16, 16, 0].map((length) => hex(ctx.randomBytes(length)));
    return { bytes, numbers: [ctx.randomNumber(), ctx.randomNumber()].map(String) };
  },
};

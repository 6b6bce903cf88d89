/** The smallest controller: a `Hello` becomes a ConfigMap with its greeting. */
import { child, defineController, kind, kinds } from "@polyreme/sdk";

export const Hello = kind("example.polyreme.dev/v1", "Hello");

export default defineController({
  name: "hello",
  primary: Hello,
  owns: [kinds.ConfigMap],

  reconcile(ctx, hello) {
    const greeting = `Hello, ${hello.spec.who}!`;
    ctx.apply(child(hello, kinds.ConfigMap, hello.metadata.name, { data: { greeting } }));
    if (ctx.patchStatus(hello, { greeting })) console.log(`greeted ${hello.spec.who}`);
  },
});

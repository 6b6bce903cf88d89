/** Keeps a ConfigMap for each `Page`. */
import { child, defineController, kind, kinds, setCondition } from "@polyreme/sdk";

export const Page = kind("example.com/v1alpha1", "Page");

export default defineController({
  name: "{{name}}",
  primary: Page,
  owns: [kinds.ConfigMap],

  reconcile(ctx, page) {
    ctx.apply(child(page, kinds.ConfigMap, page.metadata.name, { data: { "index.html": render(page.spec) } }));
    const conditions = setCondition(page.status?.conditions, page, {
      type: "Ready",
      status: true,
      reason: "Rendered",
      now: ctx.now(),
    });
    if (ctx.patchStatus(page, { conditions })) console.log(`rendered ${page.spec.title}`);
  },
});

function render({ title, text = "" }) {
  return `<h1>${escape(title)}</h1>\n<p>${escape(text)}</p>\n`;
}

function escape(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

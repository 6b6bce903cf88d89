/** The reconcile that `cargo xtask bench languages` measures, in JavaScript: see ../dispatch-guest. */
import { Terminal, defineController, kinds } from "@polyreme/sdk";

const VERSION = "example.polyreme.dev/config-version";

export default defineController({
  name: "dispatch",
  primary: kinds.Deployment,
  asks: [{ kind: kinds.ConfigMap, verbs: ["get", "list", "watch"] }],

  reconcile(ctx, deployment) {
    const config = ctx.get(kinds.ConfigMap, deployment.metadata.name);
    const { annotations } = deployment.spec.template.metadata;
    if (annotations[VERSION] !== config.metadata.resourceVersion) {
      throw new Terminal("the Deployment runs with an old ConfigMap");
    }
  },
});

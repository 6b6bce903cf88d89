/** The controller on a cluster in memory. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { isTrue, kinds, object } from "@polyreme/sdk";
import { Fake } from "@polyreme/sdk/testing";

import controller, { Page } from "../src/main.js";

const welcome = "default/welcome";
let cluster;

beforeEach(() => {
  const spec = { title: "Tea & cake", text: "At five." };
  cluster = new Fake(controller).add(object(Page, { name: "welcome", namespace: "default", spec }));
});

test("a Page becomes a ConfigMap and Ready", () => {
  cluster.reconcile(welcome);
  const made = cluster.get(kinds.ConfigMap, welcome).data["index.html"];
  assert.equal(made, "<h1>Tea &amp; cake</h1>\n<p>At five.</p>\n");
  assert.ok(isTrue(cluster.get(Page, welcome).status.conditions, "Ready"));
});

test("a deleted ConfigMap comes back, and then nothing is written", () => {
  cluster.settle(welcome);
  cluster.remove(kinds.ConfigMap, welcome);
  cluster.settle(welcome);
  assert.ok(cluster.find(kinds.ConfigMap, welcome));
  cluster.takeWrites();
  cluster.reconcile(welcome);
  assert.deepEqual(cluster.takeWrites(), []);
});

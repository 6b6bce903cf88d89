/** The whole controller, tested natively. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { NotGrantedError, kinds, object } from "@polyreme/sdk";
import { Fake } from "@polyreme/sdk/testing";

import controller, { Hello } from "../src/main.js";

let cluster;

beforeEach(() => {
  const kim = object(Hello, { name: "kim", namespace: "default", spec: { who: "Kim" } });
  cluster = new Fake(controller).add(kim);
});

const greeting = () => cluster.get(kinds.ConfigMap, "default/kim").data.greeting;
const writes = () => cluster.takeWrites().map(String);

test("a Hello becomes a ConfigMap and a status", () => {
  cluster.reconcile("default/kim");
  assert.equal(greeting(), "Hello, Kim!");
  assert.deepEqual(cluster.get(Hello, "default/kim").status, { greeting: "Hello, Kim!" });
  assert.deepEqual(writes(), ["apply ConfigMap default/kim", "patch Hello/status default/kim"]);
});

test("a reconcile that changes nothing writes nothing", () => {
  cluster.settle("default/kim");
  writes();
  cluster.reconcile("default/kim");
  assert.deepEqual(writes(), []);
});

test("a greeting follows its Hello and is put back", () => {
  cluster.settle("default/kim");
  cluster.edit(Hello, "default/kim", (hello) => {
    hello.spec.who = "Sam";
  });
  cluster.settle("default/kim");
  assert.equal(greeting(), "Hello, Sam!");
  cluster.remove(kinds.ConfigMap, "default/kim");
  cluster.settle("default/kim");
  assert.equal(greeting(), "Hello, Sam!");
});

test("a ConfigMap that belongs to somebody else is left alone", () => {
  cluster.add(object(kinds.ConfigMap, { name: "kim", namespace: "default" }));
  assert.throws(() => cluster.reconcile("default/kim"), NotGrantedError);
});

test("a Hello takes its ConfigMap with it", () => {
  cluster.settle("default/kim");
  cluster.remove(Hello, "default/kim");
  assert.equal(cluster.find(kinds.ConfigMap, "default/kim"), null);
});

"""What a reconcile can do, on the fake: objects, permissions, clean-up, reports."""

import logging
import unittest
from dataclasses import dataclass, field
from datetime import timedelta

import polyreme
from polyreme import Controller, Kind, Permission, Phase, Reason, by_field, kinds
from polyreme.testing import Fake, LogLine, Sample

SITE = Kind("example.com/v1", "Site")
LOG = logging.getLogger("site")


def fake(reconcile, settings=None, **manifest):
    """A cluster with one Site, reconciled by this function."""
    controller = Controller("site", primary=SITE, owns=[kinds.CONFIG_MAP, kinds.SECRET], **manifest)

    @controller.reconcile
    def run(ctx, site):
        reconcile(ctx, site)

    return Fake(controller, settings).add(SITE.object("page", "shop", spec={"theme": "dark"}))


class Objects(unittest.TestCase):
    def test_an_apply_makes_changes_and_removes_fields_and_then_is_no_write(self):
        data = {"a": "1", "b": "2"}
        cluster = fake(lambda ctx, site: ctx.apply(site.child(kinds.CONFIG_MAP, "c", data=data)))
        cluster.reconcile("shop/page")
        del data["b"]
        cluster.reconcile("shop/page")
        self.assertEqual(cluster.get(kinds.CONFIG_MAP, "shop/c")["data"], {"a": "1"})
        self.assertEqual(cluster.take_writes(), ["apply ConfigMap shop/c"] * 2)
        cluster.reconcile("shop/page")
        self.assertEqual(cluster.take_writes(), [])

    def test_apply_all_tries_everything_and_raises_the_first_failure(self):
        def reconcile(ctx, site):
            ctx.apply_all([site.child(kinds.CONFIG_MAP, name) for name in "abc"])

        cluster = fake(reconcile)
        cluster.fail_next("apply", kinds.CONFIG_MAP, Reason.INVALID)
        with self.assertRaisesRegex(polyreme.InvalidError, "failed to apply ConfigMap shop/a: invalid: injected"):
            cluster.reconcile("shop/page")
        self.assertEqual([one.name for one in cluster.list(kinds.CONFIG_MAP)], ["b", "c"])

    def test_an_update_of_an_old_version_is_a_conflict(self):
        def reconcile(ctx, site):
            held = ctx.get(kinds.CONFIG_MAP, "c")
            ctx.merge_patch(held, {"data": {"n": "1"}})
            ctx.update(held)

        cluster = fake(reconcile, asks=[Permission(kinds.CONFIG_MAP, ["get", "patch", "update"])])
        cluster.add(kinds.CONFIG_MAP.object("c", "shop"))
        with self.assertRaises(polyreme.ConflictError):
            cluster.reconcile("shop/page")

    def test_what_is_not_there_is_none_or_an_error(self):
        def reconcile(ctx, site):
            self.assertIsNone(ctx.get_opt(kinds.CONFIG_MAP, "c"))
            self.assertFalse(ctx.delete_named(kinds.CONFIG_MAP, "c"))
            ctx.get(kinds.CONFIG_MAP, "c")

        with self.assertRaises(polyreme.NotFoundError) as raised:
            fake(reconcile).reconcile("shop/page")
        self.assertEqual((raised.exception.reason, raised.exception.verb), (Reason.NOT_FOUND, "get"))

    def test_only_this_incarnation_is_deleted(self):
        def reconcile(ctx, site):
            child = ctx.get(kinds.CONFIG_MAP, "c")
            child.metadata["uid"] = "another"
            with self.assertRaises(polyreme.ConflictError):
                ctx.delete(child)
            self.assertTrue(ctx.delete(ctx.get(kinds.CONFIG_MAP, "c")))

        cluster = fake(reconcile)
        cluster.add(cluster.get(SITE, "shop/page").child(kinds.CONFIG_MAP, "c"))
        cluster.reconcile("shop/page")
        self.assertEqual(cluster.take_writes(), ["delete ConfigMap shop/c"])

    def test_lists_select_by_namespace_label_and_field(self):
        found = {}

        def reconcile(ctx, site):
            found["labels"] = [one.name for one in ctx.list(kinds.CONFIG_MAP, labels="tier in (a, b),!old")]
            found["fields"] = [one.name for one in ctx.list(kinds.CONFIG_MAP, "shop", fields="metadata.name!=x")]

        cluster = fake(reconcile, asks=[Permission(kinds.CONFIG_MAP, ["list"])])
        for name, labels in (("x", {"tier": "a"}), ("y", {"tier": "b", "old": "yes"}), ("z", {"tier": "c"})):
            obj = kinds.CONFIG_MAP.object(name, "shop", data={"k": "v" if name == "x" else name})
            obj.metadata["labels"] = labels
            cluster.add(obj)
        cluster.add(kinds.CONFIG_MAP.object("elsewhere", "other"))
        cluster.reconcile("shop/page")
        self.assertEqual(found, {"labels": ["x"], "fields": ["y", "z"]})

    def test_a_field_without_an_index_is_refused_as_by_the_host(self):
        def reconcile(ctx, site):
            # The theme is indexed for the mapping of themes.
            for fields in ("metadata.namespace=shop,spec.size!=1", "spec.theme=dark", ".spec.theme=dark"):
                self.assertEqual([one.name for one in ctx.list(SITE, fields=fields)], ["page"])
            for kind, fields in ((SITE, "metadata.name=page,spec.other=1"), (theme, "spec.theme=dark")):
                with self.assertRaisesRegex(polyreme.BadRequestError, r"there is no index on spec\.\w+: add it"):
                    ctx.list(kind, fields=fields)
            self.assertEqual(ctx.live.list(SITE, fields="spec.other=1"), [])
            self.assertEqual(ctx.list(kinds.CONFIG_MAP, fields="data.k=v"), [])

        theme = Kind("example.com/v1", "Theme")
        fake(reconcile, indexes=[".spec.size"], watches=[by_field(theme, "spec.theme")]).reconcile("shop/page")

    def test_what_has_no_name_is_refused_as_by_the_host(self):
        def reconcile(ctx, site):
            nameless = kinds.CONFIG_MAP.object("", "shop")
            for ask in (
                lambda: ctx.get(kinds.CONFIG_MAP, ""),
                lambda: ctx.apply(nameless),
                lambda: ctx.merge_patch(nameless, {}),
                lambda: ctx.delete_named(kinds.CONFIG_MAP, ""),
            ):
                with self.assertRaisesRegex(polyreme.BadRequestError, "ConfigMap has no metadata.name"):
                    ask()

        fake(reconcile).reconcile("shop/page")

    def test_annotations_of_others_stay_when_an_apply_names_none_any_more(self):
        fields = {"annotations": {"ours": "1"}, "labels": {"ours": "1"}}
        cluster = fake(lambda ctx, site: ctx.apply(site.child(kinds.CONFIG_MAP, "c", **fields)))
        cluster.reconcile("shop/page")
        cluster.edit(kinds.CONFIG_MAP, "shop/c", lambda held: held.metadata["annotations"].update(theirs="2"))
        fields.clear()
        cluster.reconcile("shop/page")
        held = cluster.get(kinds.CONFIG_MAP, "shop/c")
        self.assertEqual(held.annotations, {"theirs": "2"})
        self.assertNotIn("labels", held.metadata)

    def test_a_dry_run_changes_nothing_and_the_object_comes_back_when_asked_for(self):
        def reconcile(ctx, site):
            child = site.child(kinds.CONFIG_MAP, "c", data={"a": "1"})
            written = ctx.apply(child, dry_run=True, want_object=True)
            self.assertTrue(written.changed)
            self.assertEqual(written.object["data"], {"a": "1"})
            self.assertIsNone(ctx.apply(child).object)

        cluster = fake(reconcile)
        cluster.reconcile("shop/page")
        self.assertEqual(cluster.take_writes(), ["apply ConfigMap shop/c"])


class Access(unittest.TestCase):
    def refused(self, call):
        with self.assertRaises(polyreme.NotGrantedError) as raised:
            fake(lambda ctx, site: call(ctx, site)).reconcile("shop/page")
        self.assertTrue(raised.exception.terminal)
        return str(raised.exception)

    def test_what_is_not_asked_for_is_refused_with_the_remedy(self):
        words = self.refused(lambda ctx, site: ctx.get(kinds.DEPLOYMENT, "d"))
        self.assertIn("may not get Deployment shop/d", words)
        self.assertIn("asks=[Permission(kind, [verb])]", words)

    def test_an_owned_kind_is_for_children_only(self):
        stranger = kinds.CONFIG_MAP.object("c", "shop")
        self.assertIn("obj.child(kind, name)", self.refused(lambda ctx, site: ctx.apply(stranger)))

    def test_owning_secrets_is_not_enough(self):
        self.refused(lambda ctx, site: ctx.apply(site.child(kinds.SECRET, "s")))

    def test_the_spec_of_the_primary_is_not_the_controllers(self):
        self.refused(lambda ctx, site: ctx.merge_patch(site, {"spec": {"theme": "light"}}))


class Status(unittest.TestCase):
    def test_a_dict_is_the_whole_status(self):
        cluster = fake(lambda ctx, site: ctx.patch_status(site, {"url": "u"}))
        cluster.edit(SITE, "shop/page", lambda site: site.update(status={"url": "old", "gone": 1}))
        cluster.settle("shop/page")
        self.assertEqual(cluster.get(SITE, "shop/page")["status"], {"url": "u"})
        self.assertEqual(cluster.take_writes(), ["patch Site/status shop/page"])

    def test_a_dataclass_leaves_what_it_does_not_know(self):
        @dataclass
        class Inner:
            ready_replicas: int = 0

        @dataclass
        class Status:
            inner: Inner = field(default_factory=Inner)
            url: str | None = None

        cluster = fake(lambda ctx, site: ctx.patch_status(site, Status()))
        theirs = {"inner": {"theirs": 1}, "url": "old", "theirs": 2}
        cluster.edit(SITE, "shop/page", lambda site: site.update(status=theirs))
        cluster.settle("shop/page")
        wanted = {"inner": {"theirs": 1, "readyReplicas": 0}, "theirs": 2}
        self.assertEqual(cluster.get(SITE, "shop/page")["status"], wanted)


    def test_what_was_written_is_what_the_next_is_compared_with(self):
        written = []

        def reconcile(ctx, site):
            written.extend(ctx.patch_status(site, {"url": url}) for url in ("working", "working", "done"))

        cluster = fake(reconcile)
        cluster.edit(SITE, "shop/page", lambda site: site.update(status={"url": "done"}))
        cluster.reconcile("shop/page")
        self.assertEqual(written, [True, False, True])
        self.assertEqual(cluster.get(SITE, "shop/page")["status"], {"url": "done"})


class CleanUp(unittest.TestCase):
    def test_the_finalizer_comes_first_and_goes_last(self):
        phases = []

        def reconcile(ctx, site):
            phases.append(ctx.finalizer(site, "example.com/dns"))
            if phases[-1] is Phase.CLEANUP:
                ctx.finalized(site, "example.com/dns")

        cluster = fake(reconcile)
        cluster.settle("shop/page")
        cluster.remove(SITE, "shop/page")
        cluster.settle("shop/page")
        self.assertEqual(phases, [Phase.APPLY, Phase.APPLY, Phase.CLEANUP])
        self.assertIsNone(cluster.find(SITE, "shop/page"))

    def test_an_object_that_is_gone_is_told_to_deleted_and_takes_its_children_along(self):
        cluster = fake(lambda ctx, site: ctx.apply(site.child(kinds.CONFIG_MAP, "c")))
        gone = []
        cluster.controller.deleted(lambda ctx, ref: gone.append(str(ref)))
        cluster.reconcile("shop/page")
        cluster.remove(SITE, "shop/page")
        cluster.reconcile("shop/page")
        self.assertEqual(gone, ["Site shop/page"])
        self.assertIsNone(cluster.find(kinds.CONFIG_MAP, "shop/c"))


class Reports(unittest.TestCase):
    def test_logs_events_and_metrics_reach_the_host(self):
        def reconcile(ctx, site):
            LOG.info("scaled %s", site.name, extra={"replicas": 3})
            LOG.log(polyreme.TRACE, "fine")
            ctx.event("warning", "TooSmall", "ümlaut")
            ctx.count("things_total", colour="red")
            ctx.observe("seconds", 0.5)

        cluster = fake(reconcile)
        cluster.reconcile("shop/page")
        lines = [LogLine("info", "scaled page", {"replicas": "3"}), LogLine("trace", "fine", {})]
        self.assertEqual(cluster.take_logs(), lines)
        self.assertEqual(cluster.take_events(), ["Warning TooSmall: ümlaut"])
        samples = [Sample("things_total", 1.0, {"colour": "red"}), Sample("seconds", 0.5, {})]
        self.assertEqual(cluster.take_samples(), samples)

    def test_time_and_chance_are_the_clusters(self):
        seen = []
        cluster = fake(lambda ctx, site: seen.append((ctx.now().isoformat(), ctx.random_number())))
        cluster.reconcile("shop/page")
        cluster.advance(timedelta(hours=1))
        cluster.reconcile("shop/page")
        self.assertEqual(seen[0], ("2026-01-01T00:00:00+00:00", 0xE220A8397B1DCDAF))
        self.assertEqual(seen[1], ("2026-01-01T01:00:00+00:00", 0x6E789E6AA1B965F4))

    def test_a_request_reaches_the_server_and_its_response_comes_back(self):
        seen = []

        def reconcile(ctx, site):
            asked = ctx.http(
                "POST", "https://cloud.test/v1?token=secret", headers={"idempotency-key": site.uid}, json={"size": 3}, timeout=1.5
            )
            seen.append((asked.success().json(), asked.header("X-Note")))

        cluster = fake(reconcile)
        cluster.server = lambda request: polyreme.Response(201, request.body, [("X-Note", "made")])
        cluster.reconcile("shop/page")
        self.assertEqual(seen, [({"size": 3}, "made")])
        (request,) = cluster.take_requests()
        self.assertEqual((request.method, request.timeout_ms, request.body), ("POST", 1500, b'{"size":3}'))
        self.assertEqual([name for name, _ in request.headers], ["idempotency-key", "content-type"])

    def test_a_content_type_of_ones_own_is_the_only_one(self):
        headers = {"Content-Type": "application/merge-patch+json"}
        cluster = fake(lambda ctx, site: ctx.http("PATCH", "https://cloud.test/", headers=headers, json={}))
        cluster.server = lambda request: polyreme.Response(200)
        cluster.reconcile("shop/page")
        self.assertEqual(cluster.take_requests()[0].headers, list(headers.items()))

    def test_why_there_is_no_response_is_an_exception_of_its_own(self):
        cluster = fake(lambda ctx, site: ctx.http("GET", "https://cloud.test/?token=secret"))
        with self.assertRaises(polyreme.NotGrantedError) as refused:
            cluster.reconcile("shop/page")
        self.assertTrue(refused.exception.terminal)
        self.assertNotIn("secret", str(refused.exception))
        for reason, kind in ((Reason.DNS, polyreme.DnsError), (Reason.BROKEN, polyreme.BrokenError)):
            cluster.server = lambda request: reason
            self.assertRaises(kind, cluster.reconcile, "shop/page")

    def test_an_unexpected_status_or_body_is_tried_again(self):
        cluster = fake(lambda ctx, site: ctx.http("GET", "https://cloud.test/").success())
        cluster.server = lambda request: polyreme.Response(500, b"oops")
        with self.assertRaisesRegex(polyreme.Retry, "GET https://cloud.test/ answered 500: oops"):
            cluster.reconcile("shop/page")
        cluster = fake(lambda ctx, site: ctx.http("GET", "https://cloud.test/").json())
        cluster.server = lambda request: polyreme.Response(200, b"[1,")
        self.assertRaises(polyreme.Retry, cluster.reconcile, "shop/page")

    def test_settings_that_do_not_fit_are_named(self):
        @dataclass
        class Settings:
            image: str = "nginx"

        read = []
        cluster = fake(lambda ctx, site: read.append(ctx.settings(Settings)), {"image": "caddy"})
        cluster.reconcile("shop/page")
        self.assertEqual(read, [Settings("caddy")])
        for settings, fault in (({"image": 3}, "image: expected a string"), ({"imag": "x"}, "imag: unknown")):
            cluster.settings = settings
            with self.assertRaisesRegex(polyreme.SettingsError, fault):
                cluster.reconcile("shop/page")


class Arguments(unittest.TestCase):
    """What the contract has no type for never reaches the host."""

    def mistake(self, kind, call):
        cluster = fake(lambda ctx, site: call(ctx, site), asks=[Permission(kinds.CONFIG_MAP, ["get", "list"])])
        with self.assertRaises(kind) as raised:
            cluster.reconcile("shop/page")
        reached = [cluster.take_events(), cluster.take_samples(), cluster.take_writes(), cluster.take_requests()]
        self.assertEqual(reached, [[], [], [], []])
        return str(raised.exception)

    def test_what_cannot_be_meant_is_an_error_that_names_the_argument_and_its_value(self):
        get, options = "https://a.test/", {"field_manager": 3}
        for kind, call, words in (
            (ValueError, lambda ctx, site: ctx.event("Warning", "X", "n"), "severity must be one of normal, warning, not 'Warning'"),
            (TypeError, lambda ctx, site: ctx.event("warning", None, "n"), "reason must be a str, not None"),
            (TypeError, lambda ctx, site: ctx.get_opt(kinds.CONFIG_MAP, None), "name must be a str, not None"),
            (TypeError, lambda ctx, site: ctx.get(kinds.CONFIG_MAP, "c", 5), "namespace must be a str, not 5"),
            (TypeError, lambda ctx, site: ctx.delete_named(kinds.CONFIG_MAP, ["c"]), "name must be a str, not ['c']"),
            (TypeError, lambda ctx, site: ctx.list(kinds.CONFIG_MAP, labels={"a": "b"}), "labels must be a str, not {'a': 'b'}"),
            (ValueError, lambda ctx, site: ctx.list(kinds.CONFIG_MAP, page_size=-1), "page_size must be from 0 to 4294967295, not -1"),
            (TypeError, lambda ctx, site: ctx.apply(site.child(kinds.CONFIG_MAP, "c"), **options), "field_manager must be a str, not 3"),
            (TypeError, lambda ctx, site: ctx.update(site, subresource=True), "subresource must be a str, not True"),
            (TypeError, lambda ctx, site: ctx.count(None), "name must be a str, not None"),
            (TypeError, lambda ctx, site: ctx.gauge("g", None), "the value of g must be a number, not None"),
            (ValueError, lambda ctx, site: ctx.observe("g", float("nan")), "the value of g must be a finite number, not nan"),
            (TypeError, lambda ctx, site: ctx.http("GET", None), "url must be a str, not None"),
            (TypeError, lambda ctx, site: ctx.http("PUT", get, body={}), "body must be bytes or a str, not {}"),
            (ValueError, lambda ctx, site: ctx.http("GET", get, timeout=-1), "timeout must be a number of seconds, neither negative nor too large, not -1"),
            (ValueError, lambda ctx, site: ctx.random_bytes(-1), "length must be from 0 to 4294967295, not -1"),
        ):
            self.assertEqual(self.mistake(kind, call), words)

    def test_an_event_on_an_object_without_a_proper_name_is_refused(self):
        def reconcile(ctx, site):
            site.metadata["name"] = 3
            ctx.event_on(site, "normal", "X", "n")

        self.assertEqual(self.mistake(TypeError, reconcile), "name must be a str, not 3")

    def test_texts_are_made_of_any_value_and_labels_may_have_any_name(self):
        def reconcile(ctx, site):
            ctx.event("warning", "Failed", ValueError("no port"))
            ctx.count("answers_total", code=404, name="n", value=True)
            ctx.gauge("level", 2, value="v")
            ctx.http("PUT", "https://a.test/", headers={"x-number": 1}, body=bytearray(b"x"), timeout=0.0015)
            self.assertFalse(ctx.apply(site.child(kinds.CONFIG_MAP, "c"), want_object=None).object)

        cluster = fake(reconcile)
        cluster.server = lambda request: polyreme.Response(200)
        cluster.reconcile("shop/page")
        self.assertEqual(cluster.take_events(), ["Warning Failed: no port"])
        labels = {"code": "404", "name": "n", "value": "True"}
        samples = [Sample("answers_total", 1.0, labels), Sample("level", 2.0, {"value": "v"})]
        self.assertEqual(cluster.take_samples(), samples)
        (request,) = cluster.take_requests()
        self.assertEqual((request.headers, request.body, request.timeout_ms), ([("x-number", "1")], b"x", 2))

    def test_half_a_surrogate_pair_reaches_the_host_as_a_whole_character(self):
        half, whole = "a\ud83d", "a\ufffd"

        def reconcile(ctx, site):
            ctx.event("warning", half, ValueError(half))
            ctx.count(half, **{half: half})
            LOG.info("%s", half, extra={half: half})
            self.assertIsNone(ctx.get_opt(kinds.CONFIG_MAP, half, half))
            ctx.http("POST", f"https://a.test/{half}", headers={half: half}, body=half)

        cluster = fake(reconcile, asks=[Permission(kinds.CONFIG_MAP, ["get"])])
        cluster.server = lambda request: polyreme.Response(200)
        cluster.reconcile("shop/page")
        (event,), (request,) = cluster.take_events(), cluster.take_requests()
        self.assertEqual((event.reason, event.note), (whole, whole))
        self.assertEqual(cluster.take_samples(), [Sample(whole, 1.0, {whole: whole})])
        self.assertEqual(cluster.take_logs(), [LogLine("info", whole, {whole: whole})])
        self.assertEqual((request.url, request.headers), (f"https://a.test/{whole}", [(whole, whole)]))
        self.assertEqual(request.body, whole.encode())

    def test_an_object_with_half_a_surrogate_pair_cannot_be_written(self):
        with self.assertRaisesRegex(polyreme.EncodeError, "failed to encode ConfigMap shop/c: .*surrogates not allowed"):
            fake(lambda ctx, site: ctx.apply(site.child(kinds.CONFIG_MAP, "c", data={"a": "\ud83d"}))).reconcile("shop/page")


if __name__ == "__main__":
    unittest.main()

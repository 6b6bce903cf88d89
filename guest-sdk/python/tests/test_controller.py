"""What the host is told: actions, failures, tracebacks; and every reason as an exception of its own."""

import logging
import unittest

import polyreme
from polyreme import Action, Controller, Kind, Reason, kinds, requeue_after
from polyreme.controller import Failure, answer
from polyreme.errors import Refusal, api_error
from polyreme.host import ObjectRef, Request

SITE = Kind("example.com/v1", "Site")


class NoHost:
    """A host that no test asks anything."""


def outcome(reconcile, current='{"metadata":{"name":"page"}}'):
    controller = Controller("site", primary=SITE)
    controller.reconcile(reconcile)
    request = Request(ObjectRef("example.com/v1", "Site", "shop", "page"), current, "r1", 0, "key", 7)
    return answer(controller, NoHost(), request)


def raiser(error):
    def reconcile(ctx, site):
        raise error

    return reconcile


class Outcomes(unittest.TestCase):
    def test_nothing_is_done_and_a_delay_reaches_the_host_in_milliseconds(self):
        self.assertEqual(outcome(lambda ctx, site: None), Action(None))
        self.assertEqual(outcome(lambda ctx, site: requeue_after(0.25)), Action(250))

    def test_a_delay_that_is_none_is_an_error(self):
        for delay in (float("nan"), float("inf"), 1e300, "30", None):
            self.assertRaises((TypeError, ValueError, OverflowError), requeue_after, delay)
        self.assertRaisesRegex(ValueError, "requeue_after_ms must be from 0 to .*, not -1", Action, -1)
        self.assertEqual(requeue_after(-1), Action(0))

    def test_what_was_raised_decides_whether_to_try_again(self):
        self.assertEqual(outcome(raiser(polyreme.Retry("later"))), Failure(False, "later"))
        self.assertEqual(outcome(raiser(polyreme.Terminal("no port"))), Failure(True, "no port"))

    def test_a_cause_is_told_with_its_error(self):
        def reconcile(ctx, site):
            try:
                int("eighty")
            except ValueError as error:
                raise polyreme.Terminal("spec.port") from error

        text = "spec.port: invalid literal for int() with base 10: 'eighty'"
        self.assertEqual(outcome(reconcile), Failure(True, text))

    def test_an_unexpected_error_is_tried_again_with_its_traceback_in_the_log(self):
        with self.assertLogs("polyreme", logging.ERROR) as logs:
            self.assertEqual(outcome(raiser(KeyError("port"))), Failure(False, "KeyError: 'port'"))
        self.assertRegex(logs.output[0], r'File ".*test_controller.py", line \d+, in reconcile')
        self.assertNotIn("controller.run", logs.output[0])

    def test_half_a_surrogate_pair_does_not_reach_the_host(self):
        self.assertEqual(outcome(raiser(polyreme.Terminal("a\ud83d"))), Failure(True, "a\ufffd"))
        with self.assertLogs("polyreme", logging.ERROR):
            self.assertEqual(outcome(raiser(ValueError("a\ud83d"))), Failure(False, "ValueError: a\ufffd"))

    def test_even_an_exit_is_only_a_failure(self):
        with self.assertLogs("polyreme", logging.ERROR):
            self.assertEqual(outcome(raiser(SystemExit(3))), Failure(False, "SystemExit: 3"))
            self.assertEqual(outcome(raiser(MemoryError())), Failure(False, "MemoryError"))

    def test_what_cannot_be_an_answer_says_what_can(self):
        async def later(ctx, site):
            pass

        self.assertIn("`async def`", outcome(later).message)
        self.assertIn("requeue_after(seconds)", outcome(lambda ctx, site: 3).message)

    def test_an_object_that_is_no_json_is_terminal(self):
        self.assertTrue(outcome(lambda ctx, site: None, "{").terminal)


class Reasons(unittest.TestCase):
    def test_every_reason_has_an_exception_of_its_own(self):
        for reason in Reason:
            error = api_error("get", "Site shop/page", Refusal(reason, "words", 1500, ["spec: bad"]))
            self.assertIs(error.reason, reason)
            self.assertIsNot(type(error), polyreme.ApiError)
            self.assertEqual((error.retry_after, error.causes), (1.5, ("spec: bad",)))

    def test_only_what_a_change_must_mend_is_terminal(self):
        terminal = {reason for reason in Reason if api_error("get", "x", Refusal(reason, "")).terminal}
        self.assertEqual(terminal, {Reason.NOT_GRANTED, Reason.BAD_REQUEST})

    def test_a_message_says_each_thing_once(self):
        said = api_error("get", "Site a", Refusal(Reason.NOT_FOUND, 'sites "a" not found'))
        self.assertEqual(str(said), 'failed to get Site a: sites "a" not found')
        causes = Refusal(Reason.INVALID, "refused: spec.a: bad", None, ["spec.a: bad", "spec.b: worse"])
        words = "failed to apply Site a: invalid: refused: spec.a: bad; spec.b: worse"
        self.assertEqual(str(api_error("apply", "Site a", causes)), words)


class Manifests(unittest.TestCase):
    def test_watching_asks_for_reading(self):
        controller = Controller("site", primary=SITE, watches=[polyreme.by_field(kinds.SECRET, "spec.key")])
        self.assertEqual(controller.permissions()[0].kind, kinds.SECRET)
        self.assertEqual(controller.permissions()[0].verbs, ("get", "list", "watch"))


if __name__ == "__main__":
    unittest.main()

"""Numbers, dataclasses, conditions, merge patches: values in, values out."""

import doctest
import importlib
import unittest
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

from polyreme import DecodeError, EncodeError, decode, encode, is_true, merge, set_condition
from polyreme.arguments import whole
from polyreme.logs import LineWriter
from polyreme.objects import Object, dump, parse
from polyreme.testing.apply import apply


@dataclass
class Port:
    number: int
    protocol: Literal["TCP", "UDP"] = "TCP"


@dataclass
class Spec:
    replicas: int
    ports: list[Port] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    ratio: float = 1.0
    max_size: int | None = None
    anything: Any = None
    ref: str = field(default="", metadata={"json": "$ref"})


class Numbers(unittest.TestCase):
    def test_no_digit_and_no_kind_of_number_is_lost(self):
        text = '{"a":9007199254740993,"b":1.0,"c":123456789012345678901234567890,"d":1,"e":-0.5}'
        self.assertEqual(dump(parse(text, "x"), "x"), text)

    def test_text_stays_as_it_is_and_what_is_no_json_is_refused(self):
        self.assertEqual(dump({"naïve🔑": "世界\n"}, "x"), '{"naïve🔑":"世界\\n"}')
        for value in (float("nan"), {1, 2}, object()):
            with self.assertRaises(EncodeError):
                dump({"a": value}, "x")

    def test_space_around_an_object_is_none_of_it_and_anything_else_is_refused(self):
        self.assertEqual(parse(' {"a":1}\n', "x"), {"a": 1})
        for text in ('{"a":1}{', '{"a":', "", "{"):
            with self.assertRaisesRegex(DecodeError, "failed to decode x: "):
                parse(text, "x")


class Dataclasses(unittest.TestCase):
    def test_what_goes_in_comes_out(self):
        value = {"replicas": 3, "ports": [{"number": 80, "protocol": "UDP"}], "maxSize": 1, "$ref": "r"}
        spec = decode(Spec, value)
        self.assertEqual((spec.ports[0], spec.max_size, spec.ref), (Port(80, "UDP"), 1, "r"))
        self.assertEqual(encode(spec), {**value, "labels": {}, "ratio": 1.0})

    def test_faults_are_named_by_their_path(self):
        faults = {
            "replicas: missing": {},
            'replicas: expected an integer, found "three"'.replace('"', "'"): {"replicas": "three"},
            "replicas: expected an integer, found True": {"replicas": True},
            "ports[1].number: missing": {"replicas": 1, "ports": [{"number": 1}, {}]},
            "ports[0].protocol: expected 'TCP' or 'UDP', found 'X'": {
                "replicas": 1,
                "ports": [{"number": 1, "protocol": "X"}],
            },
            "labels.a: expected a string, found 1": {"replicas": 1, "labels": {"a": 1}},
        }
        for fault, value in faults.items():
            with self.subTest(fault), self.assertRaises(DecodeError) as raised:
                decode(Spec, value)
            self.assertEqual(str(raised.exception), fault)

    def test_an_object_names_itself_in_a_fault(self):
        site = Object(kind="Site", metadata={"name": "page"}, spec={"replicas": []})
        with self.assertRaisesRegex(DecodeError, r"^failed to decode Site page at spec.replicas: expected"):
            site.decode("spec", Spec)

    def test_an_integer_is_a_number(self):
        self.assertIsInstance(decode(Spec, {"replicas": 1, "ratio": 2}).ratio, float)


class Patches(unittest.TestCase):
    def test_a_patch_names_what_is_new_other_or_gone_and_nothing_else(self):
        before = {"same": 1, "other": {"same": 1, "deep": 1}, "gone": 1}
        after = {"same": 1, "other": {"same": 1, "deep": 2}, "new": [1]}
        change = {"other": {"deep": 2}, "gone": None, "new": [1]}
        self.assertEqual(merge.difference(before, after), change)
        self.assertEqual(merge.patch(before, change), after)
        self.assertIs(merge.difference(after, after), merge.SAME)

    def test_numbers_and_truth_are_told_apart(self):
        for one, other in ((1, 1.0), (1, True), ([0], [False])):
            self.assertEqual(merge.difference({"a": one}, {"a": other}), {"a": other})

    def test_lists_are_applied_by_what_names_their_items(self):
        held = [{"name": "theirs", "n": 1}, {"name": "ours", "n": 1, "theirs": 1}, {"name": "old"}]
        before = [{"name": "ours", "n": 1}, {"name": "old"}]
        applied = [{"name": "ours", "n": 2}, {"name": "new"}]
        wanted = [{"name": "theirs", "n": 1}, {"name": "ours", "n": 2, "theirs": 1}, {"name": "new"}]
        self.assertEqual(apply(held, before, applied), wanted)
        self.assertEqual(apply([1, 2], [1], [3]), [3])


class Conditions(unittest.TestCase):
    def test_the_time_moves_only_with_the_status(self):
        site = Object(metadata={"generation": 4})
        noon, later = (datetime(2026, 1, 1, hour, tzinfo=timezone.utc) for hour in (12, 13))
        first = set_condition([{"type": "Other"}], site, "Ready", False, "Waiting", "0 of 1", noon)
        second = set_condition(first, site, "Ready", False, "StillWaiting", "0 of 1", later)
        third = set_condition(second, site, "Ready", True, "Up", "1 of 1", later)
        times = [one[1]["lastTransitionTime"] for one in (first, second, third)]
        self.assertEqual(times, ["2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"])
        self.assertEqual((second[1]["reason"], third[1]["observedGeneration"]), ("StillWaiting", 4))
        self.assertTrue(is_true(third, "Ready") and not is_true(second, "Ready"))
        self.assertEqual(set_condition(third, site, "Ready", True, "Up", "1 of 1", later), third)


class Texts(unittest.TestCase):
    def test_halves_of_surrogate_pairs_are_joined_or_replaced(self):
        self.assertEqual(whole("grüße 🚣"), "grüße 🚣")
        self.assertEqual(whole("\ude00ü\ud83d \ud83d\ude00"), "\ufffdü\ufffd 😀")

    def test_half_a_surrogate_pair_is_printed_as_a_whole_character(self):
        lines = []
        writer = LineWriter(lines.append)
        writer.write("a\ud83d\nb\ud83d")
        writer.end()
        self.assertEqual(lines, ["a\ufffd", "b\ufffd"])


class Lines(unittest.TestCase):
    def test_print_goes_by_line_and_an_endless_line_is_cut(self):
        lines = []
        writer = LineWriter(lines.append)
        print("one\ntwo", 3, file=writer)
        print("half", end="", file=writer)
        self.assertEqual(lines, ["one", "two 3"])
        writer.end()
        writer.write("x" * 100_000)
        self.assertEqual([len(line) for line in lines[2:]], [4, 100_000])


def load_tests(loader, tests, pattern):
    for module in ("objects", "codec", "conditions", "controller", "testing"):
        tests.addTests(doctest.DocTestSuite(importlib.import_module(f"polyreme.{module}")))
    return tests


if __name__ == "__main__":
    unittest.main()

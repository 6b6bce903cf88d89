"""The controller on a cluster in memory."""

import unittest

from main import PAGE, controller
from polyreme import is_true, kinds
from polyreme.testing import Fake

WELCOME = "default/welcome"


class Pages(unittest.TestCase):
    def setUp(self) -> None:
        spec = {"title": "Tea & cake", "text": "At five."}
        self.cluster = Fake(controller).add(PAGE.object("welcome", "default", spec=spec))

    def test_a_page_becomes_a_config_map_and_ready(self) -> None:
        self.cluster.reconcile(WELCOME)
        made = self.cluster.get(kinds.CONFIG_MAP, WELCOME)["data"]["index.html"]
        self.assertEqual(made, "<h1>Tea &amp; cake</h1>\n<p>At five.</p>\n")
        self.assertTrue(is_true(self.cluster.get(PAGE, WELCOME)["status"]["conditions"], "Ready"))

    def test_a_deleted_config_map_comes_back_and_then_nothing_is_written(self) -> None:
        self.cluster.settle(WELCOME)
        self.cluster.remove(kinds.CONFIG_MAP, WELCOME)
        self.cluster.settle(WELCOME)
        self.assertIsNotNone(self.cluster.find(kinds.CONFIG_MAP, WELCOME))
        self.cluster.take_writes()
        self.cluster.reconcile(WELCOME)
        self.assertEqual(self.cluster.take_writes(), [])


if __name__ == "__main__":
    unittest.main()

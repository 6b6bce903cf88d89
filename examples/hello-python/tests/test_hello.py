"""The whole controller, tested natively."""

import unittest

from hello import HELLO, controller
from polyreme import NotGrantedError, kinds
from polyreme.testing import Fake


class Hello(unittest.TestCase):
    def setUp(self):
        self.cluster = Fake(controller).add(HELLO.object("kim", "default", spec={"who": "Kim"}))

    def greeting(self):
        return self.cluster.get(kinds.CONFIG_MAP, "default/kim")["data"]["greeting"]

    def test_a_hello_becomes_a_config_map_and_a_status(self):
        self.cluster.reconcile("default/kim")
        self.assertEqual(self.greeting(), "Hello, Kim!")
        self.assertEqual(self.cluster.get(HELLO, "default/kim")["status"], {"greeting": "Hello, Kim!"})
        writes = ["apply ConfigMap default/kim", "patch Hello/status default/kim"]
        self.assertEqual(self.cluster.take_writes(), writes)

    def test_a_reconcile_that_changes_nothing_writes_nothing(self):
        self.cluster.settle("default/kim")
        self.cluster.take_writes()
        self.cluster.reconcile("default/kim")
        self.assertEqual(self.cluster.take_writes(), [])

    def test_a_greeting_follows_its_hello_and_is_put_back(self):
        self.cluster.settle("default/kim")
        self.cluster.edit(HELLO, "default/kim", lambda hello: hello["spec"].update(who="Sam"))
        self.cluster.settle("default/kim")
        self.assertEqual(self.greeting(), "Hello, Sam!")
        self.cluster.remove(kinds.CONFIG_MAP, "default/kim")
        self.cluster.settle("default/kim")
        self.assertEqual(self.greeting(), "Hello, Sam!")

    def test_a_config_map_that_belongs_to_somebody_else_is_left_alone(self):
        self.cluster.add(kinds.CONFIG_MAP.object("kim", "default"))
        with self.assertRaises(NotGrantedError):
            self.cluster.reconcile("default/kim")

    def test_a_hello_takes_its_config_map_with_it(self):
        self.cluster.settle("default/kim")
        self.cluster.remove(HELLO, "default/kim")
        self.assertIsNone(self.cluster.find(kinds.CONFIG_MAP, "default/kim"))


if __name__ == "__main__":
    unittest.main()

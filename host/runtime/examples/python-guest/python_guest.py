"""What Python programs do that a component has no system for: the guest of ``../../tests/runtime/interpreted.rs``.

The label ``polyreme.dev/deed`` of the object says which.
"""

import asyncio
import logging
import random
import socket
import sys
import threading
import time
import uuid
from datetime import datetime

from polyreme import Context, Controller, Object, kinds

#: The build's.
IMPORTED = time.time()
logging.getLogger("import").warning("nobody reads this")

controller = Controller("python-guest", primary=kinds.CONFIG_MAP)


@controller.reconcile
def reconcile(ctx: Context, obj: Object) -> None:
    if (deed := obj.labels["polyreme.dev/deed"]) == "reference":
        print(ctx.object, ctx.object == obj.ref)
    else:
        DEEDS[deed]()


def output() -> None:
    print("two\nlines")
    print("a warning", file=sys.stderr)
    print("no end", end="")


def clock() -> None:
    off = abs(datetime.now().timestamp() - time.time())
    is_later = IMPORTED > datetime(2026, 1, 1).timestamp()
    print(time.gmtime().tm_year, off < 60, time.monotonic() <= time.monotonic(), is_later)


def chance() -> None:
    if random.random() >= 1 or random.Random().random() >= 1:
        raise ValueError("not below 1")
    print(uuid.uuid4())


def deep(level: int = 0) -> int:
    return deep(level + 1) + 1


def spin() -> None:
    while True:
        pass


def give_up() -> None:
    raise ValueError("the guest gave up")


DEEDS = {
    "nothing": lambda: None,
    "output": output,
    "clock": clock,
    "chance": chance,
    "error": give_up,
    "exit": lambda: sys.exit(3),
    "file": lambda: open("/etc/passwd"),
    "network": lambda: socket.create_connection(("127.0.0.1", 80)),
    "sleep": lambda: time.sleep(3600),
    "thread": lambda: threading.Thread(target=print).start(),
    "loop": lambda: asyncio.new_event_loop(),
    "late import": lambda: __import__("xml.dom.minidom"),
    "deep": deep,
    "spin": spin,
    "hog": lambda: [bytearray(1 << 20) for _ in range(1 << 10)],
}

"""What a component has instead of an operating system. Never used in native tests.

A component is a snapshot of a Python that has imported everything. It has no WASI: in the snapshot every
call of the operating system is a trap that ends the instance without a word. This module puts in their
place what the host offers (time, random numbers, a log for what is printed) or an exception that says what
to do instead (files, sleeping, imports inside functions, threads).

``prepare`` runs before the controller is imported, so that ``from time import time`` gets the host's.
``seal`` runs after it, at the end of the build: from then on there is nothing to import from. In between there
is no host: modules that are imported get the build's time, and no random numbers, which every reconcile would
have in common.
"""

from __future__ import annotations

import importlib.abc
import linecache
import sys
import time
import traceback
import types
from typing import Any, Callable, Sequence

from .host import Host
from .logs import LineWriter

#: Modules that others import inside functions, where a component can no longer find them.
_PRELOADED = (
    "_pydatetime",
    "_strptime",
    "bisect",
    "calendar",
    "copy",
    "decimal",
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "fractions",
    "hashlib",
    "ipaddress",
    "locale",
    "secrets",
    "statistics",
    "traceback",
    "unicodedata",
    "uuid",
)

#: Calls of `os` that reach for files.
_FILES = (
    "access chdir chmod close fdopen fstat ftruncate getcwd getcwdb link listdir lseek lstat mkdir makedirs open pipe "
    "pread pwrite read readlink remove rename replace rmdir scandir stat symlink truncate unlink utime walk write"
).split()

#: Functions of `socket` that ask for names.
_NETWORK = "getaddrinfo gethostbyaddr gethostbyname gethostname socketpair".split()


class Source:
    """Time and random numbers: those of the build, until there is a host."""

    def __init__(self) -> None:
        self.now: Callable[[], int] = time.time_ns
        self.monotonic: Callable[[], int] = time.monotonic_ns
        self.random_bytes: Callable[[int], bytes] = _no_random_bytes

    def become(self, host: Host) -> None:
        """From now on, those of the host."""
        self.now, self.monotonic, self.random_bytes = host.now, host.monotonic, host.random_bytes


def _no_random_bytes(_: int) -> bytes:
    raise RuntimeError(
        "random numbers while a module is imported: that happens once, when the component is built, and every "
        "reconcile would have the same ones; ask for them inside a function"
    )


def prepare() -> Source:
    """Before the controller is imported."""
    source = Source()
    _time(source)
    _random(source)
    _preload()
    return source


def seal(host: Host, source: Source) -> Callable[[], None]:
    """After everything is imported. Returns what ends unfinished lines of print, for after each call."""
    source.become(host)
    _tracebacks()
    _system()
    sys.meta_path[:] = [_NoImports()]
    out = LineWriter(lambda line: host.log("info", line, ()))
    err = LineWriter(lambda line: host.log("warn", line, ()))
    sys.stdout, sys.stderr = out, err

    def flush() -> None:
        if out.unfinished or err.unfinished:
            out.end()
            err.end()

    return flush


def _time(source: Source) -> None:
    # The datetime module written in C, which the entry module turned off, asks the operating system; the one
    # written in Python asks `time`. zoneinfo's C half needs the former.
    sys.modules["_zoneinfo"] = None  # type: ignore[assignment]
    original = {name: getattr(time, name) for name in ("gmtime", "strftime", "ctime", "asctime")}

    def seconds() -> float:
        return source.now() / 1e9

    def monotonic() -> float:
        return source.monotonic() / 1e9

    def gmtime(at: float | None = None) -> time.struct_time:
        result: time.struct_time = original["gmtime"](seconds() if at is None else at)
        return result

    def sleep(_: float) -> None:
        raise RuntimeError("a reconcile must not sleep: return requeue_after(seconds)")

    replaced: dict[str, Any] = {
        "time": seconds,
        "time_ns": lambda: source.now(),
        "monotonic": monotonic,
        "monotonic_ns": lambda: source.monotonic(),
        "perf_counter": monotonic,
        "perf_counter_ns": lambda: source.monotonic(),
        "process_time": monotonic,
        "process_time_ns": lambda: source.monotonic(),
        "sleep": sleep,
        "gmtime": gmtime,
        # There is no time zone but UTC.
        "localtime": gmtime,
        "ctime": lambda at=None: original["asctime"](gmtime(at)),
        "asctime": lambda at=None: original["asctime"](gmtime() if at is None else at),
        "strftime": lambda form, at=None: original["strftime"](form, gmtime() if at is None else at),
    }
    for name, value in replaced.items():
        setattr(time, name, value)


def _random(source: Source) -> None:
    import os
    import random

    def urandom(size: int) -> bytes:
        return source.random_bytes(size)

    os.urandom = urandom

    native: Any = random.Random.__base__
    seed = random.Random.seed

    # The generators of the snapshot would draw the same numbers in every reconcile.
    def new(cls: type[random.Random], *_: Any, **__: Any) -> Any:
        return native.__new__(cls, 0)

    def seeded(self: random.Random, a: Any = None, version: int = 2) -> None:
        seed(self, int.from_bytes(urandom(32), "little") if a is None else a, version)

    setattr(random.Random, "__new__", new)
    setattr(random.Random, "seed", seeded)
    setattr(random, "_urandom", urandom)
    shared = random.SystemRandom()
    for name in dir(shared):
        if name in random.__all__ and name not in ("seed", "getstate", "setstate"):
            setattr(random, name, getattr(shared, name))


def _preload() -> None:
    for name in _PRELOADED:
        try:
            __import__(name)
        except ImportError:
            pass


def _tracebacks() -> None:
    """Tracebacks show source lines, which are read now: later there are no files."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(module, types.ModuleType) and isinstance(path, str) and _is_ours(path):
            linecache.getlines(path)
    # Marking the part of a line that failed would parse it, and the parser asks the operating system.
    setattr(traceback, "_get_code_position", lambda code, instruction: (None, None, None, None))
    linecache.checkcache = lambda filename=None: None
    linecache.updatecache = lambda filename, module_globals=None: []
    linecache.lazycache = lambda filename, module_globals: False


def _is_ours(path: str) -> bool:
    """Not the standard library's: it is large, and its lines rarely help."""
    return path.endswith(".py") and not path.startswith("/python/")


def _system() -> None:
    """What would reach for files, the network or an event loop raises, and says what to do."""
    import builtins
    import io
    import os

    no_files = _refusal("a component has no files: keep data in Kubernetes objects or in `settings:`")
    builtins.open = io.open = builtins.input = no_files
    _replace(os, _FILES, no_files)
    # Whoever imports these gets as far as the first call.
    if (socket := sys.modules.get("socket")) is not None:
        no_network = _refusal("a component has no network: reach the cluster through the context, other servers by its http()")
        setattr(socket.socket, "__init__", no_network)
        _replace(socket, _NETWORK, no_network)
    for name in ("asyncio", "asyncio.events"):
        if (module := sys.modules.get(name)) is not None:
            no_loop = _refusal("a component has no event loop: every call of the context is synchronous")
            _replace(module, ["new_event_loop"], no_loop)


def _refusal(message: str) -> Any:
    def refused(*_: Any, **__: Any) -> Any:
        raise OSError(message)

    return refused


def _replace(module: Any, names: Sequence[str], by: Any) -> None:
    for name in names:
        if hasattr(module, name):
            setattr(module, name, by)


class _NoImports(importlib.abc.MetaPathFinder):
    """What was not imported when the component was built cannot be had any more."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None) -> None:
        raise ModuleNotFoundError(
            f"{name!r} was not imported when the component was built: import it at the top of a module, "
            "not inside a function",
            name=name,
        )

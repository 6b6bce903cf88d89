"""``logging`` to the host's log, and lines of ``print`` too.

``log.info("scaled %s", name, extra={"replicas": 3})``: what is in ``extra`` becomes fields. The host adds
controller, object and reconcile id.
"""

from __future__ import annotations

import io
import logging
from typing import Callable

from .arguments import text, whole
from .host import Host, Pairs

#: Below DEBUG, as in the contract.
TRACE = 5

_LEVELS = ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info"), (logging.DEBUG, "debug"))

#: What every record has; the rest came by ``extra``.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

#: A line that never ends is cut here, before it fills the memory; the host's own limit is lower.
_MAX_LINE = 64 * 1024


class HostHandler(logging.Handler):
    """Sends records to a host; a traceback follows its message."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def emit(self, record: logging.LogRecord) -> None:
        level = level_of(record.levelno)
        # Nothing is formatted when nobody reads that level.
        if self._host.log_enabled(level):
            self._host.log(level, whole(self.format(record)), _fields(record))


def level_of(number: int) -> str:
    """The contract's level for a number of ``logging``."""
    return next((name for least, name in _LEVELS if number >= least), "trace")


def _fields(record: logging.LogRecord) -> Pairs:
    return [(text(key), text(value)) for key, value in vars(record).items() if key not in _STANDARD]


class LineWriter(io.TextIOBase):
    """A text stream of which each line goes somewhere."""

    def __init__(self, sink: Callable[[str], None]) -> None:
        self._sink = sink
        #: The beginning of a line.
        self.unfinished = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self.unfinished = (self.unfinished + text).split("\n")
        for line in lines:
            self._sink(whole(line))
        if len(self.unfinished) > _MAX_LINE:
            self.end()
        return len(text)

    def end(self) -> None:
        """Writes a last line that had no end."""
        if self.unfinished:
            self._sink(whole(self.unfinished))
            self.unfinished = ""

"""A cluster in memory, to test a reconcile natively and without WebAssembly.

:class:`Fake` holds objects, answers what :class:`polyreme.Context` asks, refuses what the controller does not
ask for (as the host would), and remembers what was done:

>>> from polyreme import Controller, kinds
>>> from polyreme.testing import Fake
>>> marker = Controller("marker", primary=kinds.CONFIG_MAP, owns=[kinds.SERVICE])
>>> @marker.reconcile
... def reconcile(ctx, obj):
...     ctx.apply(obj.child(kinds.SERVICE, "mark"))
>>> cluster = Fake(marker).add(kinds.CONFIG_MAP.object("page", "shop"))
>>> _ = cluster.reconcile("shop/page")
>>> cluster.take_writes()
['apply Service shop/mark']
>>> _ = cluster.reconcile("shop/page")  # a reconcile that changes nothing writes nothing
>>> cluster.take_writes()
[]

What it keeps to: uid, resourceVersion and generation; conflicts; the status subresource (every kind has one);
finalizers; garbage collection by owner reference; label and field selectors; a write that changes nothing is
not a write. Server-side apply merges objects field by field, and lists by ``name``, ``uid``, ``type`` or port
where all their items have it, else as a whole; what a manager applied before and does not name now goes. What
it does not do: schemas, defaults, admission, ownership conflicts between managers, time passing by itself. The
local API server (`polyreme apiserver`) has those.
"""

from ..host import HttpRequest
from .fake import Fake
from .record import Event, LogLine, Sample, Write

__all__ = ["Event", "Fake", "HttpRequest", "LogLine", "Sample", "Write"]

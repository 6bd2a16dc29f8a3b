"""Who works on a shard: the worker with the newest lease in the shared directory. It fences the older ones off.

The directory has no lock to offer. A lease is a file of its own that is never changed: whoever takes a shard writes
one, and then sees all that were written before. Its holder looks every second whether there is a newer one, and sends
nothing more than three seconds after the last look that found none. So whoever takes a shard over from a worker that
did not end well waits three seconds: by then the other one has ended, or stands still, and looks before it goes on.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Final, Literal, TypeAlias

from attrs import define, field, frozen

from gameball.bulk.cluster.storage import SharedDirectory
from gameball.core.http import Failure, Request, Response
from gameball.core.transport import Transport
from gameball.errors import JournalError
from gameball.settings import Timeouts

LOOK: Final = 1.0
"""Seconds between two looks."""

HOLDS: Final = 3.0
"""Seconds for which a look holds."""

PATIENCE: Final = 300.0
"""Seconds after which a directory that cannot be read ends the run."""

_now: Final[Callable[[], float]] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
"""Where there is one, a clock that goes on while the machine is suspended."""


@frozen
class Lease:
    """The right to work on a shard, as long as there is no newer one.

    Attributes:
        holder: A name that no other lease of the shard has: its number, something random, and how its holder sends.
    """

    holder: str

    @property
    def by_batches(self) -> bool:
        """Whether its holder sends rows by batches."""
        return self.holder.endswith("-batches")

    @classmethod
    def newest(cls, directory: SharedDirectory, shard: int) -> "Lease | None":
        """The lease that holds; None where nobody has ever started.

        Raises:
            JournalError: The directory cannot be used.
        """
        return max(_all(directory, shard), key=_holder, default=None)

    @classmethod
    def take(cls, directory: SharedDirectory, shard: int, before: "Lease | None", via: str) -> "Lease":
        """Take a shard over from the holder before.

        Raises:
            JournalError: The directory cannot be used.
        """
        number = int(before.holder.partition("-")[0]) + 1 if before is not None else 1
        lease = cls(f"{number:05}-{secrets.token_hex(4)}-{via}")
        directory.write(f"{_folder(shard)}/{lease.holder}", b"\n")
        return lease

    def others_since(self, directory: SharedDirectory, shard: int, before: "Lease | None") -> "list[Lease]":
        """Leases beside this one that its taker did not know of: their holders may be at work.

        Raises:
            JournalError: The directory cannot be used.
        """
        known = before.holder if before is not None else ""
        return [lease for lease in _all(directory, shard) if lease.holder > known and lease != self]


_holder: Final = attrgetter("holder")


def _all(directory: SharedDirectory, shard: int) -> list[Lease]:
    return [Lease(name) for name in directory.names(_folder(shard)) if not name.startswith(".")]


def _folder(shard: int) -> str:
    return f"leases/{shard:05}"


View: TypeAlias = Literal["held", "stopping", "taken"]
"""What a look finds: that the shard is to be worked on, that it is to be ended, or that others have taken it over."""


@define
class Watch:
    """Looks at the directory again and again, and holds requests back while the last look is too old."""

    _look: Callable[[], View]
    view: View = "held"
    _looked_at: float = -HOLDS
    _fresh: asyncio.Event = field(factory=asyncio.Event)

    async def look(self) -> None:
        """Look once.

        Raises:
            JournalError: The directory cannot be read.
        """
        began = _now()
        self.view = await asyncio.to_thread(self._look)
        if self.view != "taken":
            self._looked_at = began
            self._fresh.set()
            self._fresh = asyncio.Event()

    async def run(self, leave: Callable[[], object]) -> None:
        """Look until the shard was taken over; `leave` is called when no more rows are to be sent."""
        readable_at = _now()
        while self.view != "taken":
            await asyncio.sleep(LOOK)
            try:
                await self.look()
            except JournalError:
                if _now() >= readable_at + PATIENCE:
                    leave()
            else:
                readable_at = _now()
            if self.view == "stopping":
                leave()

    async def hold(self) -> None:
        """Wait until a look is fresh enough for sending; for ever, where the shard was taken over."""
        while _now() >= self._looked_at + HOLDS:
            await self._fresh.wait()


@define
class FencedTransport:
    """A transport that sends nothing for a shard which others may have taken over."""

    _transport: Transport
    _watch: Watch

    async def exchange(self, request: Request, deadline: float, timeouts: Timeouts) -> Response | Failure:
        """One exchange; see `Transport.exchange()`."""
        await self._watch.hold()
        return await self._transport.exchange(request, deadline, timeouts)

"""Look-ups while the API does not answer them: one call tries, the others wait for it.

Without this, each of a client's calls in doubt would look for its own transaction through the whole outage.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from attrs import define, field

from gameball.settings import Retries


@define(eq=False)
class Outage:
    """Whether look-ups can be trusted to be answered, as the calls of one client and event loop see it.

    It is suspected when a write gets no answer, and over when a look-up gets one. In between, look-ups go one at a
    time, in the order in which they came, at growing intervals.
    """

    _suspected: bool = field(default=False, init=False)
    _failures: int = field(default=0, init=False)
    _not_before: float = field(default=0.0, init=False)
    _turn: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    def suspect(self) -> None:
        """Note that a write got no answer."""
        self._suspected = True

    @asynccontextmanager
    async def look_up(self) -> AsyncGenerator[None]:
        """Wait until a look-up may be sent."""
        if self._suspected:
            await self._turn.acquire()
            try:
                if self._suspected:
                    await asyncio.sleep(self._not_before - asyncio.get_running_loop().time())
                    yield
                    return
            finally:
                self._turn.release()
        yield

    def answered(self) -> None:
        """Note that a look-up got an answer of the API."""
        self._suspected, self._failures = False, 0

    def failed(self, shortest: float, retries: Retries) -> None:
        """Note that a look-up got none; the next waits at least `shortest` seconds, and longer each time."""
        self._suspected = True
        self._failures += 1
        wait = min(retries.cap, retries.backoff * 2.0 ** min(self._failures, 32))
        self._not_before = asyncio.get_running_loop().time() + max(shortest, wait)


class Outages:
    """One `Outage` for each event loop of a client."""

    def __init__(self) -> None:
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Outage] = WeakKeyDictionary()

    def here(self) -> Outage:
        """The running loop's."""
        return self._by_loop.setdefault(asyncio.get_running_loop(), Outage())

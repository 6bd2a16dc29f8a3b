"""Keeps requests within a rate limit, however many calls share it."""

import asyncio
import math
import os
from collections import deque
from time import monotonic
from typing import Final
from weakref import WeakKeyDictionary

from gameball.settings import RateLimit


class RateLimiter:
    """Lets requests begin when no window of the limit would be overfull.

    The API counts a request some time between its start and its end. So a request takes a place in every window from
    its start, and leaves it the window's length after its end: that holds on any clock.
    """

    def __init__(self, limit: RateLimit) -> None:
        self.limit: Final = limit
        self._windows: Final = limit.windows
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._begin_anew()

    async def acquire(self) -> None:
        """Wait for a place; first come, first served."""
        if self._process != os.getpid():
            self._begin_anew()
        if not self._waiting and self._wait(monotonic()) <= 0:
            self._in_flight += 1
            return
        self._waiting += 1
        try:
            async with self._line():  # whoever is first in line alone watches the clock
                while (wait := self._wait(monotonic())) > 0:
                    await self._sleep(wait)
                self._in_flight += 1
        finally:
            self._waiting -= 1

    def release(self) -> None:
        """The request has ended, one way or another."""
        self._in_flight -= 1
        self._ends.append(monotonic())
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _begin_anew(self) -> None:
        # In a forked child nothing of the parent's is in flight.
        self._process = os.getpid()
        self._in_flight = self._waiting = 0
        self._ends: deque[float] = deque(maxlen=max(most for most, _ in self._windows))
        self._ended: asyncio.Future[None] | None = None

    def _wait(self, now: float) -> float:
        """Seconds until there is a place in every window; infinite while only the end of a request can make one."""
        wait = 0.0
        for most, seconds in self._windows:
            places = most - self._in_flight
            if places <= 0:
                return math.inf
            if len(self._ends) >= places:
                wait = max(wait, self._ends[-places] + seconds - now)
        return wait

    async def _sleep(self, wait: float) -> None:
        if wait < math.inf:
            await asyncio.sleep(wait)
        else:
            self._ended = asyncio.get_running_loop().create_future()
            await self._ended

    def _line(self) -> asyncio.Lock:
        # A lock belongs to one loop; a client may serve several in turn.
        return self._lines.setdefault(asyncio.get_running_loop(), asyncio.Lock())

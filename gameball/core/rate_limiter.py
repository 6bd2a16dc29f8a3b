"""Keeps requests within a rate limit, however many calls share it."""

import asyncio
import math
import os
import threading
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import Final

from attrs import define, field

from gameball.settings import RateLimit


@define(eq=False)
class _Waiter:
    """A request that waits for its place, and how to wake it: its loop may be another thread's."""

    loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop)
    changed: asyncio.Event = field(factory=asyncio.Event)

    async def sleep(self, seconds: float) -> None:
        """Until something changed, at most so many seconds."""
        self.changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds if seconds < math.inf else None):
                await self.changed.wait()


class RateLimiter:
    """Lets requests begin when no window of the limit would be overfull, whichever loops and threads they are of.

    The API counts a request some time between its start and its end. So a request takes a place in every window from
    its start, and leaves it the window's length after its end: that holds on any clock.
    """

    def __init__(self, limit: RateLimit) -> None:
        self.limit: Final = limit
        self._windows: Final = limit.windows
        self._begin_anew()

    async def acquire(self) -> None:
        """Wait for a place; first come, first served."""
        if self._process != os.getpid():
            self._begin_anew()
        with self._lock:
            if not self._waiting and self._wait(monotonic()) <= 0:
                self._in_flight += 1
                return
            waiter = _Waiter()
            self._waiting.append(waiter)
        try:
            while (wait := self._try(waiter)) > 0:
                await waiter.sleep(wait)
        finally:
            with self._lock:
                with suppress(ValueError):  # it was dropped, for its loop was closed
                    self._waiting.remove(waiter)
                self._wake_first()

    def release(self) -> None:
        """Give the place back: the request has ended, one way or another."""
        with self._lock:
            self._in_flight -= 1
            self._ends.append(monotonic())
            self._wake_first()

    def _begin_anew(self) -> None:
        # In a forked child nothing of the parent's is in flight, and the parent's lock may be held for ever.
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._in_flight = 0
        self._waiting: deque[_Waiter] = deque()
        self._ends: deque[float] = deque(maxlen=max(most for most, _ in self._windows))

    def _try(self, waiter: _Waiter) -> float:
        """Take a place if there is one and this waiter is the first; else the seconds until it may be tried again."""
        with self._lock:
            wait = self._wait(monotonic()) if self._waiting[0] is waiter else math.inf
            if wait <= 0:
                self._in_flight += 1
            return wait

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

    def _wake_first(self) -> None:
        while self._waiting:
            try:
                self._waiting[0].loop.call_soon_threadsafe(self._waiting[0].changed.set)
            except RuntimeError:  # its loop was closed under it
                self._waiting.popleft()
            else:
                return

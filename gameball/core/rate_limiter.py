"""Keeps requests within a rate limit, however many calls share it."""

import asyncio
import math
import os
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic
from typing import Final

from gameball.settings import RateLimit


class RateLimiter:
    """Lets requests begin when no window of the limit would be overfull, whichever loops and threads they are of.

    The API counts a request some time between its start and its end. So a request takes a place in every window from
    its start, and leaves it the window's length after its end: that holds on any clock.
    """

    def __init__(self, limit: RateLimit, spent: Iterable[float] = ()) -> None:
        """Begin with places that are free, but for those of earlier requests.

        Args:
            limit: Its windows.
            spent: How many seconds ago requests have ended for which places are still taken; see `recent()`.
        """
        self.limit: Final = limit
        self._windows: Final = limit.windows
        self._begin_anew()
        now = monotonic()
        self._ends.extend(sorted(now - ago for ago in spent))

    async def acquire(self) -> None:
        """Wait for a place; first come, first served within an event loop."""
        if self._process != os.getpid():
            self._begin_anew()
        loop = asyncio.get_running_loop()
        with self._lock:
            if not self._queues and self._try() <= 0:
                return
            changed = asyncio.Event()
            # Each loop has a queue of its own: one that stands still, or was closed, must not keep others waiting.
            queue = self._queues.setdefault(loop, deque())
            queue.append(changed)
        try:
            while (wait := self._try_as_first(queue, changed)) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait if wait < math.inf else None):
                        await changed.wait()
                changed.clear()
        finally:
            with self._lock:
                queue.remove(changed)
                if not queue:
                    self._queues.pop(loop, None)
                self._wake_first()

    def release(self) -> None:
        """Give the place back: the request has ended, one way or another."""
        if self._process != os.getpid():
            return
        with self._lock:
            self._in_flight -= 1
            self._ends.append(monotonic())
            self._wake_first()

    def recent(self) -> list[float]:
        """How many seconds ago each request ended that still takes a place in a window."""
        longest, now = max(seconds for _, seconds in self._windows), monotonic()
        with self._lock:
            return [now - end for end in self._ends if now - end < longest]

    def _begin_anew(self) -> None:
        # In a forked child nothing of the parent's is in flight, and the parent's lock may be held for ever.
        self._process = os.getpid()
        # The garbage collector may end a forgotten call in the midst of another: the same thread may enter again.
        self._lock = threading.RLock()
        self._in_flight = 0
        self._queues: dict[asyncio.AbstractEventLoop, deque[asyncio.Event]] = {}
        self._ends: deque[float] = deque(maxlen=max(most for most, _ in self._windows))

    def _try_as_first(self, queue: deque[asyncio.Event], changed: asyncio.Event) -> float:
        with self._lock:
            return self._try() if queue[0] is changed else math.inf

    def _try(self) -> float:
        """Take a place if there is one in every window; else the seconds until it may be tried again.

        They are infinite while only the end of a request can make a place.
        """
        wait, now = 0.0, monotonic()
        for most, seconds in self._windows:
            places = most - self._in_flight
            if places <= 0:
                return math.inf
            if len(self._ends) >= places:
                wait = max(wait, self._ends[-places] + seconds - now)
        if wait <= 0:
            self._in_flight += 1
        return wait

    def _wake_first(self) -> None:
        for loop, queue in list(self._queues.items()):
            with suppress(RuntimeError):  # the loop was closed over calls that waited
                loop.call_soon_threadsafe(queue[0].set)

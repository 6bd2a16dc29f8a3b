"""Reading again and again, at growing intervals, until something is done."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

from gameball.core import loop_thread
from gameball.core.waits import Waits

T = TypeVar("T")

MOST_MISSED: Final = 3
"""How many polls in a row may be missed, each with all its retries, before waiting is given up."""


class NotInTimeError(Exception):
    """The timeout ran out."""


class NoProgressError(Exception):
    """Nothing has changed for too long."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value
        """What was read last."""


async def poll(
    read: Callable[[], Awaitable[T]],
    *,
    done: Callable[[T], bool],
    missed: tuple[type[Exception], ...],
    waits: Waits,
    timeout: float | None = None,
    on_value: Callable[[T], object] | None = None,
) -> T:
    """Read until it is done, and give what was read last.

    Args:
        read: Reads once.
        done: Whether what was read is the end.
        missed: Errors that say nothing about what is waited for.
        waits: How long to wait between two readings, and for progress.
        timeout: Seconds altogether.
        on_value: Called with everything that is read, in the thread of whoever waits.

    Raises:
        NotInTimeError: The timeout ran out.
        NoProgressError: What is read has stayed the same for longer than `waits` says.
    """
    timer = asyncio.timeout(timeout)
    try:
        async with timer:
            return await _poll(read, done, missed, waits, on_value)
    except TimeoutError:
        if not timer.expired():
            raise
    raise NotInTimeError


async def _poll(
    read: Callable[[], Awaitable[T]],
    done: Callable[[T], bool],
    missed: tuple[type[Exception], ...],
    waits: Waits,
    on_value: Callable[[T], object] | None,
) -> T:
    clock = asyncio.get_running_loop().time
    changed_at, last = clock(), None
    wait, misses = waits.first_poll, 0
    while True:
        try:
            value = await read()
        except missed:
            misses += 1
            if misses == MOST_MISSED:
                raise
        else:
            misses = 0
            if on_value is not None:
                await loop_thread.run_in_caller_thread(partial(on_value, value))
            if done(value):
                return value
            if value != last:
                changed_at, last = clock(), value
            elif clock() - changed_at >= waits.no_progress:
                raise NoProgressError(value)
        await asyncio.sleep(wait)
        wait = min(wait * 2, waits.longest_poll)

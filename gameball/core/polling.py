"""Asking again and again, at growing intervals, until something is done."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from gameball.core import loop_thread

T = TypeVar("T")

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 10.0
LOST_POLLS: Final = 3
"""How many polls may be lost in a row, each with all its retries, before waiting is given up."""


async def poll(
    read: Callable[[], Awaitable[T]],
    *,
    done: Callable[[T], bool],
    timeout: float | None,
    tell: Callable[[T], object] | None,
    missed: tuple[type[Exception], ...],
) -> T | None:
    """Read until it is done, and give what was read last; None when the timeout ran out before.

    Args:
        read: Reads once.
        done: Whether what was read is the end.
        timeout: Seconds altogether, None for as long as it takes.
        tell: Called with everything that is read, in the thread of whoever waits.
        missed: Errors that say nothing about what is waited for.
    """
    timer = asyncio.timeout(timeout)
    try:
        async with timer:
            return await _poll(read, done, tell, missed)
    except TimeoutError:
        if timer.expired():
            return None
        raise


async def _poll(
    read: Callable[[], Awaitable[T]],
    done: Callable[[T], bool],
    tell: Callable[[T], object] | None,
    missed: tuple[type[Exception], ...],
) -> T:
    wait, misses = FIRST_WAIT, 0
    while True:
        try:
            value = await read()
        except missed:
            misses += 1
            if misses == LOST_POLLS:
                raise
        else:
            misses = 0
            if tell is not None:
                await loop_thread.run_in_caller_thread(partial(tell, value))
            if done(value):
                return value
        await asyncio.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT)

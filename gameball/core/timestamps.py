"""The time that calls are stamped with."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from gameball.core import fork
from gameball.models.shared import PlayerRequest

Request = TypeVar("Request", bound=PlayerRequest)

_TICK: Final = timedelta(microseconds=1)
_NUDGE: Final = timedelta(minutes=1)
_lock = threading.Lock()
_last = datetime.min.replace(tzinfo=UTC)


def stamp() -> datetime:
    """Now, in UTC and microseconds, and never the same twice in a process: the API rejects a repeated time."""
    return _take(1)


def stamps(count: int) -> list[datetime]:
    """Several such times, in a row."""
    first = _take(count)
    return [first + number * _TICK for number in range(count)]


def _take(count: int) -> datetime:
    """The first of so many times that nobody else gets."""
    global _last  # noqa: PLW0603 (the one thing to remember)
    with _lock:
        first = datetime.now(UTC)
        # A little behind means a burst, or a clock that was nudged; far behind, that it was wrong and is right now.
        if first <= _last < first + _NUDGE:
            first = _last + _TICK
        _last = first if count == 1 else first + (count - 1) * _TICK
        return first


def stamped(request: Request) -> Request:
    """The request with its time: the caller's, or else now."""
    return request if request.transaction_time else request.at(stamp())


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 (a thread that held it may not have come along into the child)
    _lock = threading.Lock()


fork.in_child(_renew_lock)

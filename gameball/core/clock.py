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
    (time,) = stamps(1)
    return time


def stamps(count: int) -> list[datetime]:
    """Several such times, in a row."""
    global _last  # noqa: PLW0603 (the one thing to remember)
    with _lock:
        now = datetime.now(UTC)
        # A little behind means a burst, or a clock that was nudged; far behind, that it was wrong and is right now.
        if now <= _last < now + _NUDGE:
            now = _last + _TICK
        times: list[datetime] = []
        for _ in range(count):
            times.append(now)
            now += _TICK
        _last = now - _TICK
        return times


def stamped(request: Request) -> Request:
    """The request with its time: the caller's, or else now."""
    return request if request.transaction_time else request.at(stamp())


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 (a thread that held it may not have come along into the child)
    _lock = threading.Lock()


fork.in_child(_renew_lock)

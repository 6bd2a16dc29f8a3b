"""The time that calls are stamped with."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from attrs import evolve

from gameball.core import fork
from gameball.core.operation import Operation
from gameball.models.shared import PlayerRequest

T = TypeVar("T")
Request = TypeVar("Request", bound=PlayerRequest)

_TICK: Final = timedelta(microseconds=1)
_NUDGE: Final = timedelta(minutes=1)
_lock = threading.Lock()
_last = datetime.min.replace(tzinfo=UTC)


def stamp() -> datetime:
    """Now, in UTC and microseconds, and never the same twice in a process: the API rejects a repeated time."""
    global _last  # noqa: PLW0603 (the one thing to remember)
    with _lock:
        now = datetime.now(UTC)
        if now <= _last:
            now = _after(_last, now)
        _last = now
        return now


def stamps(count: int) -> list[datetime]:
    """Several such times, in a row."""
    global _last  # noqa: PLW0603 (the same)
    with _lock:
        first = _after(_last, datetime.now(UTC))
        _last = first + (count - 1) * _TICK
    return [first + number * _TICK for number in range(count)]


def _after(last: datetime, now: datetime) -> datetime:
    """The next time that nobody has."""
    # A little behind means a burst, or a clock that was nudged; far behind, that it was wrong and is right now.
    return last + _TICK if now <= last < now + _NUDGE else now


def stamped(request: Request, *, fresh: bool = False) -> Request:
    """The request with its time: the caller's, or else now, in a copy unless it is fresh: nobody else has it."""
    if request.transaction_time:
        return request
    if fresh:
        object.__setattr__(request, "transaction_time", stamp())
        return request
    return request.at(stamp())


def restamped(operation: Operation[T]) -> Operation[T]:
    """The same call with another time: now."""
    return evolve(operation, body=operation.body.at(stamp()))


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 (a thread that held it may not have come along into the child)
    _lock = threading.Lock()


fork.in_child(_renew_lock)

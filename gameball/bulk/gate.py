"""Whether another row may be sent now: slows a run down, pauses it and gives it up while the API fails.

Open, it lets as many rows side by side as its width. Shut, none, until a pause is over; then one probe. A probe that
is answered opens it again, at half the width, which grows with every success; one that fails makes the next pause
longer. A run that has been shut for longer than its patience is given up.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

from attrs import define

from gameball.core.delivery import Attempt
from gameball.core.policy import Budget, retry_after
from gameball.errors import ConnectionFailedError, GameballError, RateLimitedError, ServerError

IN_A_ROW: Final = 20
"""Exchanges that fail one after the other until that is an outage."""

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds."""


class _Position(Enum):
    OPEN = auto()
    SHUT = auto()
    PROBING = auto()


class Gate:
    """The gate of one run. An observer of all its exchanges."""

    def __init__(self, width: int, patience: float) -> None:
        self.given_up: BaseException | None = None
        """Why no more rows are sent in this run."""
        self.changed: Callable[[], object] = lambda: None
        """Called when rows that had to wait may try again."""
        self.pauses = 0
        """How often it was shut."""
        self._full_width = self._width = width
        self._patience = patience
        self._position = _Position.OPEN
        self._failures = 0
        self._shut_at = self._opens_at = 0.0
        self._pause = FIRST_PAUSE
        self._clock = asyncio.get_running_loop().time

    @property
    def open(self) -> bool:
        """Whether rows pass freely."""
        return self._position is _Position.OPEN and self.given_up is None

    def calm_since(self, pauses: int) -> bool:
        """Whether rows pass freely, and have done so since there were this many pauses."""
        return self.open and self.pauses == pauses

    def admits(self, flying: int) -> bool:
        """Whether one more row may be sent, beside those that are on their way; told yes, it must be."""
        if self.given_up is not None:
            return False
        if self._position is _Position.SHUT and self._clock() >= self._opens_at:
            self._position = _Position.PROBING
            return True
        return self._position is _Position.OPEN and flying < self._width

    def give_up(self, reason: BaseException) -> None:
        """Send nothing more, for the first reason given."""
        self.given_up = self.given_up or reason

    def note(self, attempt: Attempt) -> None:
        """An exchange has ended."""
        if attempt.status == HTTPStatus.TOO_MANY_REQUESTS:
            asked = retry_after(attempt.headers or {}, datetime.now(UTC))
            self._trouble(RateLimitedError("too many requests", status=attempt.status, retry_after=asked), asked)
        elif attempt.status is not None and attempt.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._answered()
        else:
            self._failures += 1
            if self._failures >= IN_A_ROW or self._position is not _Position.OPEN:
                self._trouble(_reason(attempt), None)

    def rows_ended(self) -> None:
        """Rows have come back; a probe that nothing was heard of makes place for another."""
        if self._position is _Position.PROBING:
            self._position = _Position.SHUT

    @property
    def _probed(self) -> bool:
        """Whether an exchange that ends now tells how things stand: the probe, or any other after the pause."""
        if self._position is _Position.SHUT:
            return self._clock() >= self._opens_at
        return self._position is _Position.PROBING

    def _answered(self) -> None:
        self._failures = 0
        if self._probed:
            self._position = _Position.OPEN
            self._width = max(1, self._width // 2)
            self._pause = FIRST_PAUSE
            self.changed()
        elif self._position is _Position.OPEN and self._width < self._full_width:
            self._width += 1
            self.changed()

    def _trouble(self, reason: GameballError, asked: float | None) -> None:
        now = self._clock()
        if self._position is _Position.OPEN:
            self._shut_at = now
            self.pauses += 1
        elif not self._probed and asked is None:
            return  # what was on its way already says nothing new
        end = self._shut_at + self._patience
        until = now + (self._pause if asked is None else max(asked, self._pause))
        if now >= end or (asked is not None and now + asked > end):
            self.give_up(reason)
            self.changed()
            return
        if self._position is _Position.OPEN or self._probed:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._position = _Position.SHUT
        self._opens_at = max(self._opens_at, min(until, end))
        asyncio.get_running_loop().call_at(self._opens_at, self.changed)


@define
class Resends(Budget):
    """A run does not draw on its client's budget: it resends as long as its gate is open."""

    gate: Gate | None = None

    def take(self) -> bool:
        """Whether a resend may be made."""
        return self.gate is None or self.gate.open

    def earn(self, *, resent: bool) -> None:
        """Nothing is saved up."""


def _reason(attempt: Attempt) -> GameballError:
    if attempt.status is not None:
        return ServerError("the API fails", status=attempt.status, operation=attempt.operation)
    return ConnectionFailedError(f"no answer comes: {attempt.reason}", operation=attempt.operation)

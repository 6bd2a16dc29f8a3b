"""The circuit breaker of a run: slows it down, pauses it and gives it up while the API fails.

Closed, all flows: as many rows side by side as its limit. Open, nothing flows until a pause is over. Then it is half
open: one row goes as a probe. A probe that is answered closes it, at half the limit, which grows with every success;
one that fails opens it for a longer pause. A run whose breaker has not closed for longer than its patience is given up.
A 429 that asks for a short wait opens nothing: it halves the limit.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, Literal

from attrs import define

from gameball.core.http import Failure, Response, retry_after
from gameball.core.retry import Budget
from gameball.errors import ConnectionFailedError, GameballError, RateLimitedError, ServerError

IN_A_ROW: Final = 20
"""Exchanges that fail one after the other until that is an outage."""

SHORT: Final = 0.5
"""Seconds of a Retry-After up to which a run is slowed down instead of paused."""

LONGEST_PAUSE: Final = 30.0
"""Seconds."""

# Python 3.11 takes long to find members of an enumeration.
_SERVER_ERROR: Final = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_TOO_MANY_REQUESTS: Final = int(HTTPStatus.TOO_MANY_REQUESTS)


class CircuitBreaker:
    """The breaker of one run; hears of all its exchanges."""

    def __init__(self, limit: int, patience: float, first_pause: float, wake: Callable[[], object]) -> None:
        """Begin closed.

        Args:
            limit: The most rows side by side.
            patience: Seconds of outage after which the run is given up.
            first_pause: Seconds of the first pause; each further one is twice as long.
            wake: Called when rows that had to wait may try again, and when the run is given up.
        """
        self.given_up: BaseException | None = None
        """Why no more rows are sent in this run."""
        self.pauses = 0
        """How often it opened."""
        self.slowed_by: GameballError | None = None
        """Why it opened the last time."""
        self._full_limit = self._limit = limit
        self._patience = patience
        self._wake = wake
        self._state: Literal["closed", "open", "half_open"] = "closed"
        self._failures = self._deferrals = 0
        """In a row."""
        self._slowed_until = 0.0
        self._opened_at = self._retry_at = self._paused = 0.0
        self._first_pause = self._pause = first_pause
        self._clock = asyncio.get_running_loop().time

    @property
    def closed(self) -> bool:
        """Whether rows flow."""
        return self._state == "closed" and self.given_up is None

    @property
    def limit(self) -> int | None:
        """The most rows side by side while it is lower than at the start, 0 while nothing flows; else None."""
        if not self.closed:
            return 0
        return self._limit if self._limit < self._full_limit else None

    @property
    def paused(self) -> float:
        """Seconds in which nothing flowed, all pauses together."""
        return self._paused + (0.0 if self._state == "closed" else self._clock() - self._opened_at)

    def calm_since(self, pauses: int) -> bool:
        """Whether rows flow, and have done so since there were this many pauses."""
        return self.closed and self.pauses == pauses

    def admits(self, flying: int) -> bool:
        """Whether one more row may be sent, beside those that are on their way; after a yes it must be."""
        if self.given_up is not None:
            return False
        if self._state == "closed":
            return flying < self._limit
        if self._state == "open" and self._clock() >= self._retry_at:
            self._state = "half_open"
            return True
        return False

    def give_up(self, reason: BaseException) -> None:
        """Send nothing more, for the first reason given."""
        self.given_up = self.given_up or reason
        self._wake()

    def note(self, operation: str, result: Response | Failure) -> None:
        """Take the end of an exchange into account."""
        if isinstance(result, Failure) or result.status >= _SERVER_ERROR:
            self._failures += 1
            if self._failures >= IN_A_ROW or self._state != "closed":
                self._trouble(_reason(operation, result), None)
        elif result.status == _TOO_MANY_REQUESTS:
            requested = retry_after(result.headers, datetime.now(UTC))
            reason = RateLimitedError("too many requests", status=result.status, retry_after=requested)
            self._deferrals += 1
            if self._state == "closed" and requested is not None and requested <= SHORT and self._deferrals < IN_A_ROW:
                self._slow_down(reason, requested)
            else:
                self._trouble(reason, requested)
        else:
            self._failures = self._deferrals = 0
            if self._state != "closed" or self._limit < self._full_limit:
                self._recover()

    def rows_ended(self) -> None:
        """Take into account that rows have come back; a probe without any exchange makes place for another."""
        if self._state == "half_open":
            self._state = "open"

    @property
    def _probed(self) -> bool:
        """Whether an exchange that ends now shows whether the API is back: the probe, or any other after the pause."""
        if self._state == "open":
            return self._clock() >= self._retry_at
        return self._state == "half_open"

    def _recover(self) -> None:
        if self._state == "closed":
            self._limit += 1
            self._wake()
        elif self._probed:
            self._paused = self.paused
            self._state = "closed"
            self._limit = max(1, self._limit // 2)
            self._pause = self._first_pause
            self._wake()

    def _slow_down(self, reason: GameballError, requested: float) -> None:
        """Let fewer rows flow, without a stop: each that was deferred waits by itself, as long as the API says."""
        now = self._clock()
        if now >= self._slowed_until:
            self._slowed_until = now + requested
            self._limit = max(1, self._limit // 2)
            self.slowed_by = reason

    def _trouble(self, reason: GameballError, requested: float | None) -> None:
        now = self._clock()
        if self._state == "closed":
            self._opened_at = now
            self.pauses += 1
            self.slowed_by = reason
        elif not self._probed and requested is None:
            return  # it was on its way already: nothing new
        end = self._opened_at + self._patience
        until = now + (self._pause if requested is None else max(requested, self._pause))
        if now >= end or (requested is not None and now + requested > end):
            self.give_up(reason)
            return
        if self._state == "closed" or self._probed:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._state = "open"
        self._retry_at = max(self._retry_at, min(until, end))
        asyncio.get_running_loop().call_at(self._retry_at, self._wake)


@define
class Resends(Budget):
    """A run does not draw on its client's budget: it resends as long as its breaker is closed."""

    breaker: CircuitBreaker | None = None

    def take(self) -> bool:
        """Whether a resend may be made."""
        return self.breaker is None or self.breaker.closed

    def earn(self, *, resent: bool) -> None:
        """Nothing is saved up."""


def _reason(operation: str, result: Response | Failure) -> GameballError:
    if isinstance(result, Failure):
        return ConnectionFailedError(f"no answer comes: {result.reason}", operation=operation)
    return ServerError("the API fails", status=result.status, operation=operation)

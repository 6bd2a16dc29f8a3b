"""How rows reach the API: what a sender is, and the one that makes a single call of each row."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, Protocol

from gameball.bulk.breaker import CircuitBreaker
from gameball.bulk.rows import Row, RowResult, RowState
from gameball.core.delivery import Delivery
from gameball.core.retry import Disposition, classify
from gameball.errors import (
    APIError,
    ConcurrentRequestError,
    ConnectionFailedError,
    GameballError,
    RateLimitedError,
    TimedOutError,
    TransactionTimeTakenError,
    UnexpectedAnswerError,
)

_APPLIED, _ALREADY_APPLIED = RowState.APPLIED, RowState.ALREADY_APPLIED  # Python 3.11 takes long to find them

MOST_TRIES: Final = 10
"""How often a row may come back unsent, without an outage, until that counts as its end."""


PASSING: Final = (ConcurrentRequestError, ConnectionFailedError, RateLimitedError, TimedOutError)
"""What says nothing against a row: it was deferred, or not sent."""


NO_ENDPOINT: Final = 3
"""The code by which the API says that nothing is at an address; what a row lacks has codes of its own."""

ABSENT: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
"""The statuses of servers that know nothing of an address."""


class Sender(Protocol):
    """Sends rows to the API."""

    at_once: int
    """How many workers there are."""
    most: int
    """How many rows one takes at a time."""

    async def send_rows(self, rows: Sequence[Row]) -> Sequence[RowResult | Row]:
        """What became of each row; one that must be sent again comes back itself."""
        ...


class CallSender:
    """Sends rows, each by a call of its own."""

    most = 1

    def __init__(self, delivery: Delivery, breaker: CircuitBreaker, concurrency: int) -> None:
        self.at_once = concurrency
        self._delivery = delivery
        self._breaker = breaker

    async def send_rows(self, rows: Sequence[Row]) -> list[RowResult | Row]:
        """What became of each row; one that must be sent again comes back itself."""
        ends: list[RowResult | Row] = []
        for row in rows:
            pauses = self._breaker.pauses
            try:
                delivered = await self._delivery.deliver(row.operation, in_doubt=row.in_doubt)
            except GameballError as error:
                row.attempts += error.attempts
                ends.append(row_after_error(row, error, self._breaker, calm=self._breaker.calm_since(pauses)))
            else:
                row.attempts += delivered.attempts
                earlier = delivered.settled_by == "duplicate" and not row.in_doubt
                ends.append(row.ended(_ALREADY_APPLIED if earlier else _APPLIED, value=delivered.value))
        return ends


def row_after_error(row: Row, error: GameballError, breaker: CircuitBreaker, *, calm: bool) -> RowResult | Row:
    """What an error means for its row: its end, or that it comes back.

    Args:
        row: The row.
        error: What its call raised.
        breaker: The run's.
        calm: Whether there was no outage meanwhile, which would explain the error better than the row does.
    """
    row.error = error
    row.tries += 1
    taken = isinstance(error, TransactionTimeTakenError) and error.not_found and row.time is not None
    row.in_doubt = row.in_doubt or (error.outcome != "not_applied" and not taken)
    spent = calm and row.tries >= MOST_TRIES
    reason = wrong_address(error) or error
    if reason is not error or classify(error) is Disposition.FATAL:
        breaker.give_up(reason)
    elif row.in_doubt:
        if calm:
            return row.ended(RowState.NEEDS_REVIEW, error=error)
    elif taken and not spent:
        row.time = None  # the journal's choice, which was not free: it freezes another
    elif spent or not isinstance(error, PASSING):
        return row.ended(RowState.REJECTED, error=error)
    return row


def wrong_address(error: GameballError) -> UnexpectedAnswerError | None:
    """The reason to end a run whose rows get an answer that the API gives at no address of its own."""
    if not isinstance(error, APIError):
        return None
    if error.code != NO_ENDPOINT and (error.code is not None or error.status not in ABSENT):
        return None
    _, state = error.args
    return UnexpectedAnswerError(f"what answers at base_url is not the API ({error.message}); check base_url", state)

"""What to do after each exchange, decided without any I/O: results in, the next step out.

An exchange ends in one of four ways, and only the first two may be sent again by themselves:

- it never left: nothing of it can have been applied;
- the API asked to come back later (429, 2001): it was not applied;
- the API refused it: it was not applied, and would be refused again;
- anything else: it may have been applied. For a write that ends in OutcomeUnknownError.
"""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final

from attrs import frozen

from gameball.core.operation import Operation
from gameball.core.wire import Failure, Fault
from gameball.errors import (
    APIError,
    ConcurrentRequestError,
    ConnectionFailedError,
    GameballError,
    OutcomeUnknownError,
    RateLimitedError,
    ServerError,
    TimedOutError,
    UnexpectedAnswerError,
)
from gameball.settings import Retries

CONCURRENT_WAIT: Final = 0.25
"""Seconds until another request for the same player is likely done."""


@frozen
class Resend:
    """Send the same bytes again after `wait` seconds."""

    wait: float


@frozen
class GiveUp:
    """Raise this."""

    error: GameballError


class Verdict(Enum):
    """What an exchange without a value says about the request."""

    NEVER_LEFT = auto()
    LATER = auto()
    REFUSED = auto()
    UNKNOWN = auto()


def next_step(
    operation: Operation[Any],
    problem: GameballError | Failure,
    *,
    attempt: int,
    left: float,
    retries: Retries,
) -> Resend | GiveUp:
    """Decide on an exchange that gave no value.

    Args:
        operation: The call.
        problem: How the exchange ended.
        attempt: Its number, from 1.
        left: Seconds left of the whole call.
        retries: How often, and how long to wait.
    """
    verdict = judge(problem)
    if verdict in (Verdict.NEVER_LEFT, Verdict.LATER) and _worth_repeating(problem):
        wait = _wait(problem, attempt, retries)
        if attempt < retries.attempts and wait < left:
            return Resend(wait)
    return GiveUp(_final(operation, problem, verdict, left))


def judge(problem: GameballError | Failure) -> Verdict:
    """What the end of an exchange says about the request."""
    if isinstance(problem, Failure):
        return Verdict.UNKNOWN if problem.sent else Verdict.NEVER_LEFT
    if isinstance(problem, RateLimitedError | ConcurrentRequestError):
        return Verdict.LATER
    if isinstance(problem, ServerError):
        return Verdict.UNKNOWN
    if isinstance(problem, UnexpectedAnswerError) and not _is_redirect(problem):
        return Verdict.UNKNOWN
    return Verdict.REFUSED


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a Retry-After header asks to wait; a date is measured against the answer's own Date."""
    said = headers.get("Retry-After", "").strip()
    try:
        seconds = float(said)
    except ValueError:
        until = _http_date(said)
        if until is None:
            return None
        seconds = (until - (_http_date(headers.get("Date", "")) or now)).total_seconds()
    return max(seconds, 0.0) if seconds < float("inf") else None


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date
    except (ValueError, OverflowError):
        return None


def _is_redirect(error: UnexpectedAnswerError) -> bool:
    return error.status is not None and HTTPStatus.MULTIPLE_CHOICES <= error.status < HTTPStatus.BAD_REQUEST


def _worth_repeating(problem: GameballError | Failure) -> bool:
    return not (isinstance(problem, Failure) and problem.fault is Fault.TLS)


def _wait(problem: GameballError | Failure, attempt: int, retries: Retries) -> float:
    if isinstance(problem, GameballError) and problem.retry_after is not None:
        return problem.retry_after
    if isinstance(problem, ConcurrentRequestError):
        return CONCURRENT_WAIT * attempt
    # Full jitter: clients that failed together do not come back together.
    return random.uniform(0, min(retries.cap, retries.backoff * 2.0**attempt))  # noqa: S311 (no secret hangs on it)


def _final(operation: Operation[Any], problem: GameballError | Failure, verdict: Verdict, left: float) -> GameballError:
    if verdict is Verdict.NEVER_LEFT and isinstance(problem, Failure):
        unsent = TimedOutError if left <= 0 else ConnectionFailedError
        return unsent(f"nothing was sent: {problem.reason}")
    if verdict is Verdict.UNKNOWN and not operation.reads:
        return _unknown(operation, problem)
    if isinstance(problem, Failure):
        unread = TimedOutError if problem.fault is Fault.TIME else UnexpectedAnswerError
        return unread(f"no answer came: {problem.reason}")
    return problem


def _unknown(operation: Operation[Any], problem: GameballError | Failure) -> OutcomeUnknownError:
    reason = problem.reason if isinstance(problem, Failure) else problem.message
    check = f"; {operation.check}" if operation.check else ""
    return OutcomeUnknownError(
        f"it may have been applied, but no answer says so ({reason}){check}",
        code=problem.code if isinstance(problem, APIError) else None,
        request_id=problem.request_id if isinstance(problem, GameballError) else None,
    )

"""What to do after each exchange, decided without any I/O: results in, the next step out.

A try ends in one of these ways:

- it never left: nothing of it can have been applied, so it may be sent again;
- the API puts it off (429, 2001): not applied, sent again after a wait;
- the API refuses it: not applied, and it would be refused again;
- keys or programme are refused: the same, and no other call would fare better;
- anything else: it may have been applied. A read is simply repeated. A write with an id of its own is looked up, and
  the same bytes are sent again only when two look-ups, some seconds apart, did not find it. Any other write is left
  to the caller.

Once a try may have been applied, a later refusal proves nothing (it may refuse the repetition): it is looked up too.
"""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeGuard

from attrs import define, evolve, field, frozen

from gameball.core.http import Failure, Fault
from gameball.core.operation import Absent, Different, Finding, Found, Operation, Replay
from gameball.errors import (
    APIError,
    AuthenticationError,
    ConcurrentRequestError,
    ConnectionFailedError,
    DuplicateTransactionError,
    GameballError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ProgramDisabledError,
    RateLimitedError,
    ServerError,
    TimedOutError,
    TransactionTimeTakenError,
    UnexpectedAnswerError,
)
from gameball.settings import Retries

FIRST_LOOKUP_WAIT: Final = 0.5
"""Seconds after a lost answer until the transaction is looked for."""

LOOKUP_INTERVAL: Final = 2.0
"""Seconds between two look-ups that found nothing before that is believed: the first try may still be at work."""

CONCURRENT_WAIT: Final = 0.25
"""Seconds until another request for the same player is likely done."""

FATAL_CODES: Final = frozenset({1000, 1001, 1002, 8000})
"""v4's numbers for keys that are not accepted, and for a plan that lacks the feature."""

Problem: TypeAlias = GameballError | Failure
"""How an exchange ended that gave no value."""

SettledBy = Literal["answer", "lookup", "duplicate"]


# --- the steps


@frozen
class Send:
    """Send again after `wait` seconds: the same bytes, or stamped anew."""

    wait: float
    restamp: bool = False


@frozen
class LookUp:
    """Look the transaction up after `wait` seconds."""

    wait: float


@frozen
class Settled:
    """Return this value."""

    value: Any
    by: SettledBy


@frozen
class GiveUp:
    """Raise this error."""

    error: GameballError


Step: TypeAlias = Send | LookUp | Settled | GiveUp


@define
class Budget:
    """How many resends a client may still make, so that an outage is not amplified."""

    MOST: ClassVar[float] = 20.0
    SHARE: ClassVar[float] = 0.1

    left: float = MOST

    def take(self) -> bool:
        """Take one resend, if there is one."""
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def earn(self, *, resent: bool) -> None:
        """A resend that succeeds gives itself back, any other success a tenth of one."""
        if self.left < self.MOST:
            # Rounded, for ten tenths are one.
            self.left = min(self.MOST, round(self.left + (1.0 if resent else self.SHARE), 1))


# --- the judgement on one try


class Disposition(Enum):
    """What an exchange without a value says about the request."""

    NOT_SENT = auto()
    DEFERRED = auto()
    REFUSED = auto()
    FATAL = auto()
    """Refused for its keys, its account, or its address: no other call would fare better."""
    UNKNOWN = auto()


def classify(problem: Problem) -> Disposition:
    """What the end of an exchange says about the request."""
    if isinstance(problem, Failure):
        return Disposition.UNKNOWN if problem.sent else Disposition.NOT_SENT
    if isinstance(problem, RateLimitedError | ConcurrentRequestError):
        return Disposition.DEFERRED
    if isinstance(problem, APIError) and _is_fatal(problem):
        return Disposition.FATAL
    if isinstance(problem, UnexpectedAnswerError):
        return Disposition.FATAL if _is_redirect(problem) else Disposition.UNKNOWN
    return Disposition.UNKNOWN if isinstance(problem, ServerError) else Disposition.REFUSED


def _is_fatal(error: APIError) -> bool:
    by_status = isinstance(error, AuthenticationError | PermissionDeniedError) and error.status in (401, 403)
    return by_status or isinstance(error, ProgramDisabledError) or error.code in FATAL_CODES


def _is_redirect(error: UnexpectedAnswerError) -> bool:
    return error.status is not None and HTTPStatus.MULTIPLE_CHOICES <= error.status < HTTPStatus.BAD_REQUEST


# --- the course of one call


@define(kw_only=True)
class CallState:
    """The course of one call, told exchange by exchange; says what comes next.

    Times are on any one clock, in seconds.
    """

    operation: Operation[Any]
    retries: Retries
    deadline: float
    budget: Budget
    chance: Callable[[], float] = random.random
    sends: int = 0
    look_ups: int = 0
    _open: Problem | None = field(default=None, init=False)
    """Why an earlier try may have been applied; None while no try may have been."""
    _refusal: APIError | None = field(default=None, init=False)
    """The refusal that is being looked up."""
    _missed_at: float | None = field(default=None, init=False)
    """When the first of two look-ups found nothing."""
    _unread: int = field(default=0, init=False)

    def begin(self, *, in_doubt: bool = False) -> Step:
        """The first step; when an earlier try may have been applied, that is found out before anything is sent."""
        if not in_doubt:
            return Send(0.0)
        self._open = Failure(fault=Fault.CONNECTION, sent=True, reason="the answer to an earlier try was lost")
        return LookUp(0.0)

    def after_send(self, problem: Problem, now: float) -> Step:
        """A try gave no value."""
        self.sends += 1
        self._refusal = self._missed_at = None
        self._unread = 0
        disposition = classify(problem)
        if disposition is Disposition.UNKNOWN:
            return self._after_unknown(problem, now)
        if disposition is Disposition.REFUSED and isinstance(problem, APIError):
            return self._after_refusal(problem, now)
        if disposition is Disposition.FATAL:
            return GiveUp(self._final(problem, now))
        if disposition is Disposition.NOT_SENT and self._open is not None and self._keyed and not _is_final(problem):
            return self._look_up(problem, FIRST_LOOKUP_WAIT, now)
        step = self._resend(problem, now)
        if isinstance(step, GiveUp) and disposition is Disposition.DEFERRED and self._open is not None and self._keyed:
            # It cannot be sent again, but what became of the earlier try can still be seen.
            return self._look_up(problem, FIRST_LOOKUP_WAIT, now)
        return step

    def after_look_up(self, finding: "Finding[Any] | Problem", now: float) -> Step:
        """A look-up ended."""
        self.look_ups += 1
        if isinstance(finding, Found):
            return Settled(finding.value, "duplicate" if self._open is None else "lookup")
        if isinstance(finding, GameballError | Failure):
            return self._after_unread(finding, now)
        return self._after_absence(finding, now)

    def after_detail(self, settled: Settled, finding: "Finding[Any]") -> Step:
        """A second read, which tells more than the list did, ended."""
        if isinstance(finding, Found):
            return Settled(finding.value, settled.by)
        if isinstance(finding, Different) and self._open is None and self._refusal is not None:
            return GiveUp(self._duplicate(self._refusal))
        return settled  # what the list told must do

    @property
    def _keyed(self) -> bool:
        """Whether it can be looked up; what cannot is never sent blindly again."""
        return self.operation.replay is Replay.BY_TRANSACTION_ID and self.operation.reconciliation is not None

    def _after_unknown(self, problem: Problem, now: float) -> Step:
        self._open = problem
        if self._keyed:
            return self._look_up(problem, FIRST_LOOKUP_WAIT, now)
        if self.operation.replay is Replay.SAFE:
            return self._resend(problem, now)
        return GiveUp(self._final(problem, now))

    def _after_refusal(self, refusal: APIError, now: float) -> Step:
        if self._open is not None and self.operation.not_found_means_done and _is_gone(refusal):
            return Settled(None, "answer")
        duplicate = _as_duplicate(refusal)
        if self._keyed and (duplicate or self._open is not None):
            self._refusal = refusal
            return self._look_up(refusal, 0.0 if duplicate else FIRST_LOOKUP_WAIT, now)
        return GiveUp(self._final(refusal, now))

    def _after_unread(self, problem: Problem, now: float) -> Step:
        # Neither found nor absent: nothing is sent on it.
        if classify(problem) is Disposition.FATAL:
            return GiveUp(self._final(problem if self._open is not None else self._refusal, now))
        self._unread += 1
        asked = problem.retry_after if isinstance(problem, GameballError) else None
        wait = asked if asked is not None else self._backoff(self._unread)
        return self._look_up(self._refusal, max(FIRST_LOOKUP_WAIT, wait), now)

    def _after_absence(self, finding: Different | Absent, now: float) -> Step:
        refusal = self._refusal
        if isinstance(finding, Different) and _as_duplicate(refusal):
            return GiveUp(self._duplicate(refusal))
        if isinstance(refusal, TransactionTimeTakenError) and self._open is None:
            return self._restamp(refusal, now)
        if self._missed_at is None:
            self._missed_at = now
        if (rest := self._missed_at + LOOKUP_INTERVAL - now) > 0:
            return self._look_up(refusal, rest, now)
        # Twice not found. What was refused is not sent again; what was lost may be.
        return GiveUp(self._final(refusal, now)) if refusal is not None else self._resend(self._open, now, wait=0.0)

    def _look_up(self, problem: Problem | None, wait: float, now: float) -> Step:
        if now + wait >= self.deadline:
            return GiveUp(self._final(problem or self._open, now))
        return LookUp(wait)

    def _resend(self, problem: Problem | None, now: float, wait: float | None = None) -> Step:
        wait = self._wait(problem) if wait is None else wait
        if (
            _is_final(problem)
            or self.sends >= self.retries.attempts
            or now + wait >= self.deadline
            or not self.budget.take()
        ):
            return GiveUp(self._final(problem, now))
        return Send(wait)

    def _restamp(self, refusal: TransactionTimeTakenError, now: float) -> Step:
        self._refusal = None
        if self.operation.restamp is None:  # the caller's own time
            return GiveUp(refusal)
        step = self._resend(refusal, now, wait=0.0)
        return evolve(step, restamp=True) if isinstance(step, Send) else step

    def _wait(self, problem: Problem | None) -> float:
        if isinstance(problem, GameballError) and problem.retry_after is not None:
            return problem.retry_after
        if isinstance(problem, ConcurrentRequestError):
            return CONCURRENT_WAIT * self.sends
        return self._backoff(self.sends)

    def _backoff(self, number: int) -> float:
        # Full jitter: clients that failed together do not come back together.
        return self.chance() * min(self.retries.cap, self.retries.backoff * 2.0 ** min(number, 32))

    # What is raised in the end.

    def _final(self, problem: Problem | None, now: float) -> GameballError:
        open_write = self._open is not None and not self.operation.reads
        if isinstance(problem, GameballError) and classify(problem) in (Disposition.FATAL, Disposition.DEFERRED):
            problem.outcome = "unknown" if open_write else "not_applied"
            return problem
        if isinstance(problem, APIError) and problem is self._refusal and self._open is None:
            problem.outcome = "unknown"  # a duplicate that could not be found
            return problem
        if open_write:
            return self._unknown(problem)
        if isinstance(problem, Failure):
            return _without_answer(problem, late=now >= self.deadline)
        assert problem is not None  # noqa: S101 (for the type checkers: without a problem a write is open)
        return problem

    def _unknown(self, problem: Problem | None) -> OutcomeUnknownError:
        last = problem if isinstance(problem, APIError) else self._open
        reason = last.reason if isinstance(last, Failure) else last.message if last is not None else ""
        check = f"; {self.operation.check}" if self.operation.check else ""
        return OutcomeUnknownError(
            f"it may have been applied, and nothing settles it ({reason}){check}",
            code=last.code if isinstance(last, APIError) else None,
            request_id=last.request_id if isinstance(last, GameballError) else None,
        )

    def _duplicate(self, refusal: APIError) -> DuplicateTransactionError:
        return DuplicateTransactionError(
            "the transaction id belongs to a different transaction",
            status=refusal.status,
            code=refusal.code,
            request_id=refusal.request_id,
            outcome="not_applied" if self._open is None else "unknown",
        )


def _is_final(problem: Problem | None) -> bool:
    """Neither a certificate nor a session that is closed gets better by asking again."""
    return isinstance(problem, Failure) and problem.fault in (Fault.TLS, Fault.UNUSABLE) and not problem.sent


def _as_duplicate(problem: Problem | None) -> TypeGuard[APIError]:
    return isinstance(problem, DuplicateTransactionError | TransactionTimeTakenError)


def _is_gone(refusal: APIError) -> bool:
    """The API itself says so; a 404 without a code of its own may be a proxy's."""
    return isinstance(refusal, NotFoundError) and refusal.code is not None


def _without_answer(failure: Failure, *, late: bool) -> GameballError:
    if not failure.sent:
        unsent = TimedOutError if late else ConnectionFailedError
        return unsent(f"nothing was sent: {failure.reason}")
    unread = TimedOutError if failure.fault is Fault.TIME else UnexpectedAnswerError
    return unread(f"no answer came: {failure.reason}")


# --- the wait that an answer asks for


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

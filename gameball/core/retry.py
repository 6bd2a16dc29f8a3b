"""What to do after each exchange, decided without any I/O: results in, the next step out.

A try ends in one of these ways:

- it never left: nothing of it can have been applied, so it may be sent again;
- the API puts it off (429, 2001): not applied, sent again after a wait;
- the API refuses it: not applied, and it would be refused again;
- keys or programme are refused: the same, and no other call would fare better;
- something else than the API answers it (a redirect, a gateway's page under a 4xx): that proves nothing about a
  write, which is looked up where it can be, and never sent again;
- anything else: it may have been applied. A read is simply repeated. A write with an id of its own is looked up, and
  the same bytes are sent again only when two look-ups, some seconds apart, did not find it. Any other write is left
  to the caller.

Absence is believed only after two look-ups that lie some seconds apart. Once a try may have been applied, a later
refusal proves nothing (it may refuse the repetition): it is looked up too.
"""

import random
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, ClassVar, Final, Literal, TypeAlias

from attrs import define, evolve, field, frozen

from gameball.core.http import Failure, Fault
from gameball.core.operation import Different, Finding, Found, Operation, Replay
from gameball.core.waits import STANDARD, Waits
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

FATAL_CODES: Final = frozenset({1000, 1001, 1002, 8000})
"""v4's numbers for keys that are not accepted, and for a plan that lacks the feature."""

Problem: TypeAlias = GameballError | Failure
"""The end of an exchange that gave no value."""

PROBLEM: Final = (GameballError, Failure)
"""The same for isinstance."""

SettledBy = Literal["answer", "lookup", "duplicate"]


@frozen
class Send:
    """Send again after `wait` seconds: the same bytes, or stamped anew."""

    wait: float
    restamp: bool = False


@frozen
class LookUp:
    """Look the transaction up after `wait` seconds."""

    wait: float


@define
class Settled:
    """Return this value."""

    value: Any
    by: SettledBy


@frozen
class GiveUp:
    """Raise this error."""

    error: GameballError


Step: TypeAlias = Send | LookUp | Settled | GiveUp

FIRST: Final = Send(0.0)
"""The step that begins a call."""


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


class Disposition(Enum):
    """What an exchange without a value says about the request."""

    NOT_SENT = auto()
    DEFERRED = auto()
    REFUSED = auto()
    FATAL = auto()
    """Refused for its keys, its account or its address: no other call would fare better."""
    UNKNOWN = auto()


def classify(problem: Problem) -> Disposition:
    """What the end of an exchange says about the request."""
    if isinstance(problem, Failure):
        return Disposition.UNKNOWN if problem.sent else Disposition.NOT_SENT
    if isinstance(problem, RateLimitedError | ConcurrentRequestError):
        return Disposition.DEFERRED
    if is_foreign(problem) or (isinstance(problem, APIError) and _is_fatal(problem)):
        return Disposition.FATAL
    return Disposition.UNKNOWN if isinstance(problem, ServerError | UnexpectedAnswerError) else Disposition.REFUSED


def is_foreign(problem: Problem | None) -> bool:
    """Whether something else than the API answered, with a redirect or with a refusal that is not in its form."""
    if isinstance(problem, UnexpectedAnswerError):
        return problem.status is not None and problem.status >= HTTPStatus.MULTIPLE_CHOICES
    own = RateLimitedError | ServerError  # what they say holds whoever says it
    return isinstance(problem, APIError) and not problem.from_api and not isinstance(problem, own)


def _is_fatal(error: APIError) -> bool:
    by_status = isinstance(error, AuthenticationError | PermissionDeniedError) and error.status in (401, 403)
    return by_status or isinstance(error, ProgramDisabledError) or error.code in FATAL_CODES


# --- one call


@define(kw_only=True)
class CallState:
    """What is known of one call after each exchange; says what comes next.

    Times are on any one clock, in seconds.
    """

    operation: Operation[Any]
    retries: Retries
    deadline: float
    budget: Budget
    waits: Waits = STANDARD
    chance: Callable[[], float] = random.random
    sends: int = 0
    look_ups: int = 0
    _open: Problem | None = field(default=None, init=False)
    """Why an earlier try may have been applied; None while no try may have been."""
    _refusal: GameballError | None = field(default=None, init=False)
    """The refusal that is being looked up."""
    _missed_at: float | None = field(default=None, init=False)
    """When the first of two look-ups found nothing."""
    _unread: int = field(default=0, init=False)

    def begin_in_doubt(self) -> Step:
        """An earlier try may have been applied: that is found out before anything is sent."""
        self._open = Failure(fault=Fault.CONNECTION, sent=True, reason="no answer to an earlier try")
        return LookUp(0.0)

    def after_send(self, problem: Problem, now: float) -> Step:
        """A try gave no value."""
        self.sends += 1
        self._refusal = self._missed_at = None
        self._unread = 0
        disposition = classify(problem)
        if disposition is Disposition.UNKNOWN:
            return self._after_unknown(problem, now)
        if disposition in (Disposition.REFUSED, Disposition.FATAL) and isinstance(problem, GameballError):
            return self._after_refusal(problem, disposition, now)
        if disposition is Disposition.NOT_SENT and self._open is not None and self._keyed and not _is_final(problem):
            return self._look_up(problem, self.waits.first_lookup, now)
        step = self._resend(problem, now)
        if isinstance(step, GiveUp) and disposition is Disposition.DEFERRED and self._open is not None and self._keyed:
            # It cannot be sent again, but what became of the earlier try can still be seen.
            return self._look_up(problem, self.waits.first_lookup, now)
        return step

    def after_look_up(self, finding: "Finding[Any] | Problem", now: float) -> Step:
        """A look-up ended."""
        self.look_ups += 1
        if isinstance(finding, Found):
            return Settled(finding.value, "lookup" if self.in_doubt else "duplicate")
        if isinstance(finding, GameballError | Failure):
            return self._after_unread(finding, now)
        return GiveUp(self._duplicate()) if isinstance(finding, Different) else self._after_absence(now)

    def after_detail(self, settled: Settled, finding: "Finding[Any]") -> Step:
        """A second read, which knows more than the list did, ended."""
        if isinstance(finding, Found):
            return Settled(finding.value, settled.by)
        if isinstance(finding, Different):
            return GiveUp(self._duplicate())
        return settled  # what the list said must do

    @property
    def in_doubt(self) -> bool:
        """Whether a try that ended may have been applied."""
        return self._open is not None or is_foreign(self._refusal)

    @property
    def _keyed(self) -> bool:
        """Whether it can be looked up; what cannot is never sent blindly again."""
        return self.operation.replay is Replay.BY_TRANSACTION_ID and self.operation.reconciliation is not None

    def _after_unknown(self, problem: Problem, now: float) -> Step:
        self._open = problem
        if self._keyed:
            return self._look_up(problem, self.waits.first_lookup, now)
        if self.operation.replay is Replay.SAFE and not _is_unusable(problem):
            return self._resend(problem, now)
        return GiveUp(self._final(problem, now))

    def _after_refusal(self, refusal: GameballError, disposition: Disposition, now: float) -> Step:
        foreign = is_foreign(refusal) and not self.operation.reads
        if disposition is Disposition.FATAL and not foreign:
            return GiveUp(self._final(refusal, now))
        if self._open is not None and self.operation.not_found_means_done and _is_gone(refusal):
            return Settled(None, "answer")
        duplicate = _as_duplicate(refusal)
        if foreign or (self._keyed and (duplicate or self._open is not None)):
            self._refusal = refusal
        if self._refusal is not None and self._keyed:
            return self._look_up(refusal, 0.0 if duplicate else self.waits.first_lookup, now)
        return GiveUp(self._final(refusal, now))

    def _after_unread(self, problem: Problem, now: float) -> Step:
        # Neither found nor absent: nothing is sent on it.
        if is_foreign(problem):
            if is_foreign(self._refusal):
                return GiveUp(self._not_the_api(getattr(problem, "status", None)))
        elif _is_unusable(problem):
            return GiveUp(self._final(self._refusal or problem, now))
        elif classify(problem) is Disposition.FATAL:
            return GiveUp(self._final(problem if self.in_doubt else self._refusal, now))
        self._unread += 1
        requested = problem.retry_after if isinstance(problem, GameballError) else None
        wait = requested if requested is not None else self._backoff(self._unread)
        return self._look_up(self._refusal, max(self.waits.first_lookup, wait), now)

    def _after_absence(self, now: float) -> Step:
        refusal = self._refusal
        if self._missed_at is None:
            self._missed_at = now
        if (rest := self._missed_at + self.waits.between_lookups - now) > 0:
            return self._look_up(refusal, rest, now)
        # Twice not found. What was refused is not sent again; what may have been applied and was not, may be.
        if refusal is None:
            return self._resend(self._open, now, wait=0.0)
        if self._open is None and isinstance(refusal, TransactionTimeTakenError) and self.operation.restamp:
            return self._restamp(refusal, now)
        if self._open is None and is_foreign(refusal):
            refusal.outcome = "not_applied"
            return GiveUp(refusal)
        if isinstance(refusal, TransactionTimeTakenError):
            refusal.not_found = True
        return GiveUp(self._final(refusal, now))

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
        step = self._resend(refusal, now, wait=0.0)
        return evolve(step, restamp=True) if isinstance(step, Send) else step

    def _wait(self, problem: Problem | None) -> float:
        if isinstance(problem, GameballError) and problem.retry_after is not None:
            return problem.retry_after
        if isinstance(problem, ConcurrentRequestError):
            return self.waits.concurrent * self.sends
        return self._backoff(self.sends)

    def _backoff(self, number: int) -> float:
        # Full jitter: clients that failed together do not come back together.
        return self.chance() * min(self.retries.cap, self.retries.backoff * 2.0 ** min(number, 32))

    def _final(self, problem: Problem | None, now: float) -> GameballError:
        open_write = self.in_doubt and not self.operation.reads
        foreign = is_foreign(problem)
        if (
            isinstance(problem, GameballError)
            and not (foreign and open_write)
            and classify(problem) in (Disposition.FATAL, Disposition.DEFERRED)
        ):
            problem.outcome = "unknown" if open_write else "not_applied"
            return problem
        if isinstance(problem, APIError) and problem is self._refusal and not self.in_doubt:
            problem.outcome = "unknown"  # a duplicate that could not be found
            return problem
        if open_write or problem is None:
            return self._unknown(problem)
        if isinstance(problem, Failure):
            return _without_answer(problem, late=now >= self.deadline)
        return problem

    def _unknown(self, problem: Problem | None) -> OutcomeUnknownError:
        last = problem if isinstance(problem, GameballError) else self._open or problem
        reason = last.reason if isinstance(last, Failure) else last.message if last is not None else ""
        message = f"outcome unknown: it may have been applied ({reason})"
        return OutcomeUnknownError(
            f"{message}; {self.operation.check}" if self.operation.check else message,
            code=last.code if isinstance(last, APIError) else None,
            request_id=last.request_id if isinstance(last, GameballError) else None,
        )

    def _not_the_api(self, status: int | None) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            "outcome unknown: what answers at base_url is not the API, neither to the call nor to the look-up; "
            f"check base_url and what stands in between, then {self.operation.check}",
            status=status,
            outcome="unknown",
        )

    def _duplicate(self) -> DuplicateTransactionError:
        return DuplicateTransactionError(
            "the transaction id belongs to a different transaction",
            status=getattr(self._refusal, "status", None),
            code=getattr(self._refusal, "code", None),
            request_id=getattr(self._refusal, "request_id", None),
            outcome="unknown" if self.in_doubt else "not_applied",
        )


def _is_final(problem: Problem | None) -> bool:
    """Neither a certificate nor a closed session gets better by trying again."""
    return isinstance(problem, Failure) and problem.fault in (Fault.TLS, Fault.UNUSABLE) and not problem.sent


def _is_unusable(problem: Problem | None) -> bool:
    """What it was sent with will not do better, in this process at least."""
    return isinstance(problem, Failure) and problem.fault is Fault.UNUSABLE


def _as_duplicate(problem: Problem | None) -> bool:
    return isinstance(problem, DuplicateTransactionError | TransactionTimeTakenError) and not is_foreign(problem)


def _is_gone(refusal: GameballError) -> bool:
    """The API itself says so; a 404 without a code of its own may be a proxy's."""
    return isinstance(refusal, NotFoundError) and refusal.code is not None


def _without_answer(failure: Failure, *, late: bool) -> GameballError:
    if not failure.sent:
        unsent = TimedOutError if late else ConnectionFailedError
        return unsent(f"nothing was sent: {failure.reason}")
    unread = TimedOutError if failure.fault is Fault.TIME else UnexpectedAnswerError
    return unread(f"no answer came: {failure.reason}")

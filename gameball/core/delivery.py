"""Carries out an operation: drives the transport as the policy says, until there is a value or an error."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, cast

import anyio
from attrs import field, frozen

from gameball.core import codec
from gameball.core.http import Failure, Fault, Request, Response
from gameball.core.operation import Absent, Found, Operation, Reconciliation, Replay, Signature
from gameball.core.rate_limiter import RateLimiter
from gameball.core.retry import Budget, CallState, GiveUp, LookUp, Problem, Send, Settled, SettledBy, Step, retry_after
from gameball.core.transport import Transport
from gameball.errors import CredentialsError, GameballError, OutcomeUnknownError
from gameball.settings import Credentials, Retries, Timeouts

T = TypeVar("T")

LONGEST_MESSAGE: Final = 300
"""Characters of the API's own words that an error keeps."""

logger: Final = logging.getLogger("gameball")
logger.addHandler(logging.NullHandler())


@frozen(kw_only=True)
class Delivered(Generic[T]):
    """How a call went.

    Attributes:
        value: What the resource method returns.
        settled_by: What told the outcome: "answer", the answer to the request itself; "lookup", the list, after an
            answer was in_doubt; "duplicate", the list, which held this very transaction from an earlier call.
        attempts: How many times the request was tried.
        lookups: How many times the transaction was looked for.
        status, headers, body: Of the last answer.
    """

    value: T
    settled_by: SettledBy
    attempts: int
    lookups: int
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The answer as plain JSON, numbers with a fraction as Decimal; None where it is no JSON."""
        try:
            return codec.parse(self.body)
        except codec.UnreadableError:
            return None


@frozen(kw_only=True)
class Attempt:
    """One exchange of a call, as observers see it: for logs, metrics and traces.

    Attributes:
        operation: The call's name, as in "transactions.cashback"; of a look-up "transactions.list".
        number: Of the exchange among its like in this call, from 1.
        status, headers, request_id: Of the answer; None where none came.
        reason: Why none came, in words.
        seconds: How long the exchange took.
        next: What comes next.
        wait: Seconds until then.
    """

    operation: str
    number: int
    status: int | None
    headers: Mapping[str, str] | None = field(repr=False)
    request_id: str | None
    reason: str | None
    seconds: float
    next: Literal["return", "resend", "look_up", "raise"]
    wait: float


Observer: TypeAlias = Callable[[Attempt], object]


@frozen(kw_only=True, eq=False)
class Delivery:
    """The one way from an operation to its value.

    Attributes:
        transport, budget: Shared by all clients that were made of one by `with_options`.
        rate_limiter: Keeps a rate limit; shared likewise, unless another limit was given.
        headers: Sent with every request, beside the operation's own.
        observers: Called after every exchange, on the loop's thread; what they raise is logged and goes no further.
    """

    transport: Transport
    credentials: Credentials
    timeouts: Timeouts
    retries: Retries
    headers: Mapping[str, str] = field(factory=dict[str, str])
    observers: Sequence[Observer] = ()
    budget: Budget = field(factory=Budget)
    rate_limiter: RateLimiter | None = None

    async def send(self, operation: Operation[T]) -> T:
        """The value of the call; see `deliver()`."""
        ended = await self._carry_out(operation, in_doubt=False, sending=True)
        assert ended is not None  # noqa: S101 (as in `deliver()`)
        settled, _, _ = ended
        return cast("T", settled.value)

    async def send_regardless(self, operation: Operation[T], seconds: float) -> None:
        """Send even while the caller is being cancelled; give up after some seconds."""
        with anyio.fail_after(seconds, shield=True):
            await self.send(operation)

    async def deliver(self, operation: Operation[T], *, in_doubt: bool = False) -> Delivered[T]:
        """The value of the call, and how it went.

        Args:
            operation: The call.
            in_doubt: Whether an earlier try may have been applied (another process's, say): then it is looked up first.
                Only for what has an id of its own.

        Raises:
            GameballError: Whatever went wrong; its `outcome` tells what became of the call.
        """
        ended = await self._carry_out(operation, in_doubt=in_doubt, sending=True)
        assert ended is not None  # noqa: S101 (for the type checkers: only what is not sent can end in nothing)
        return _delivered(*ended)

    async def recover(self, operation: Operation[T]) -> Delivered[T] | None:
        """What became of a call whose answer was in_doubt; None when it was not found twice. Sends nothing.

        Raises:
            GameballError: It could not be settled.
        """
        ended = await self._carry_out(operation, in_doubt=True, sending=False)
        return None if ended is None else _delivered(*ended)

    def complete(self, error: GameballError, operation: Operation[Any], attempts: int) -> GameballError:
        """Tell the error which call it belongs to, and take out of its words what must not be seen."""
        error.message = self._masked(error.message, operation)
        error.args = (error.message,)
        error.request_id = self._masked(error.request_id, operation) if error.request_id else None
        error.operation = operation.name
        error.method = operation.method
        error.path = operation.path
        error.transaction_id = operation.transaction_id
        error.attempts = attempts
        return error

    async def _carry_out(
        self, operation: Operation[Any], *, in_doubt: bool, sending: bool
    ) -> tuple[Settled, Response, CallState] | None:
        self._require_keys(operation)
        clock = asyncio.get_running_loop().time
        course = CallState(
            operation=operation, retries=self.retries, deadline=clock() + self.timeouts.total, budget=self.budget
        )
        try:
            outcome = await self._follow(operation, course, course.begin(in_doubt=in_doubt), sending=sending)
        except asyncio.CancelledError as error:
            if operation.replay is not Replay.SAFE:
                error.add_note(_given_up(operation))
            raise
        if isinstance(outcome, GameballError):
            raise self.complete(outcome, operation, course.sends)
        return None if outcome is None else (*outcome, course)

    async def _follow(
        self, operation: Operation[Any], course: CallState, step: Step, *, sending: bool
    ) -> tuple[Settled, Response] | GameballError | None:
        """Exchange and decide in turn, until the course ends, or at the first send that is not wanted."""
        request = codec.encode(operation, self.headers)
        result: Response | Failure | None = None
        while True:
            if isinstance(step, Settled) and isinstance(result, Response):
                return step, result
            if not isinstance(step, Send | LookUp):
                return step.error if isinstance(step, GiveUp) else OutcomeUnknownError(operation.check)
            if isinstance(step, LookUp):
                await asyncio.sleep(step.wait)
                step, result = await self._look_up(operation, course)
                continue
            if not sending:
                return None
            if step.wait:
                await asyncio.sleep(step.wait)
            if step.restamp and operation.restamp is not None:
                request = codec.encode(operation.restamp(), self.headers)
            step, result = await self._send(operation, request, course)

    async def _send(
        self, operation: Operation[Any], request: Request, course: CallState
    ) -> tuple[Step, Response | Failure]:
        """Try once."""
        result, seconds = await self._exchange(request, course.deadline)
        reading = _read(operation, result)
        step: Step
        if isinstance(reading, Found):
            self.budget.earn(resent=course.sends > 0)
            step = Settled(reading.value, "answer")
            course.sends += 1
        else:
            step = course.after_send(reading, asyncio.get_running_loop().time())
        self._report(operation, course.sends, result, seconds, step)
        return step, result

    async def _look_up(self, operation: Operation[T], course: CallState) -> tuple[Step, Response | Failure]:
        """Ask once whether the transaction is there."""
        settle = operation.reconciliation
        assert settle is not None  # noqa: S101 (for the type checkers: the course looks up nothing else)
        asking = settle.look_up
        result, seconds = await self._exchange(codec.encode(asking, self.headers), course.deadline)
        reading = _read(asking, result)
        finding = settle.match(reading.value) if isinstance(reading, Found) else reading
        step = course.after_look_up(finding, asyncio.get_running_loop().time())
        self._report(asking, course.look_ups, result, seconds, step)
        if isinstance(step, Settled):
            return await self._in_detail(settle, step, result, course)
        return step, result

    async def _in_detail(
        self, settle: Reconciliation[T], settled: Settled, result: Response | Failure, course: CallState
    ) -> tuple[Step, Response | Failure]:
        """Ask once more for what the list does not tell; without an answer, what it told must do."""
        if settle.detail is None or settle.complete is None:
            return settled, result
        told, seconds = await self._exchange(codec.encode(settle.detail, self.headers), course.deadline)
        reading = _read(settle.detail, told)
        finding = settle.complete(settled.value, reading.value) if isinstance(reading, Found) else Absent()
        step = course.after_detail(settled, finding)
        self._report(settle.detail, 1, told, seconds, step)
        return step, told if isinstance(reading, Found) else result

    async def _exchange(self, request: Request, deadline: float) -> tuple[Response | Failure, float]:
        """One request at the rate that the rate limit allows; what came of it, and how many seconds it took."""
        clock = asyncio.get_running_loop().time
        if self.rate_limiter is None:
            began = clock()
            return await self.transport.exchange(request, deadline, self.timeouts), clock() - began
        try:
            async with asyncio.timeout_at(deadline):
                await self.rate_limiter.acquire()
        except TimeoutError:
            return Failure(fault=Fault.TIME, sent=False, reason="the rate limit left no room in time"), 0.0
        began = clock()
        try:
            return await self.transport.exchange(request, deadline, self.timeouts), clock() - began
        finally:
            self.rate_limiter.release()

    def _require_keys(self, operation: Operation[Any]) -> None:
        try:
            self.credentials.require(*_NEEDED[operation.signature])
        except CredentialsError as error:
            raise self.complete(error, operation, 0) from None

    def _masked(self, text: str, operation: Operation[Any]) -> str:
        for word in codec.private_words(operation):
            text = text.replace(word, "****")
        # Cut last: half a key is a key's half told.
        return self.credentials.redact(text)[:LONGEST_MESSAGE]

    def _report(
        self, operation: Operation[Any], number: int, result: Response | Failure, seconds: float, step: Step
    ) -> None:
        """Tell the log and the observers of an exchange."""
        name = operation.name
        if logger.isEnabledFor(logging.DEBUG):
            end = result.reason if isinstance(result, Failure) else f"HTTP {result.status}"
            logger.debug("%s: exchange %d: %s after %.3f s", name, number, end, seconds)
        if not self.observers:
            return
        answer = result if isinstance(result, Response) else None
        request_id = codec.request_id(answer) if answer else None
        attempt = Attempt(
            operation=name,
            number=number,
            status=answer.status if answer else None,
            headers=answer.headers if answer else None,
            request_id=self._masked(request_id, operation) if request_id else None,
            reason=result.reason if isinstance(result, Failure) else None,
            seconds=seconds,
            next=_NEXT[type(step)],
            wait=step.wait if isinstance(step, Send | LookUp) else 0.0,
        )
        for observer in self.observers:
            try:
                observer(attempt)
            except Exception:
                logger.exception("an observer failed")


_NEEDED: Final[Mapping[Signature, tuple[str, ...]]] = {
    Signature.BOTH_KEYS: ("api_key", "secret_key"),
    Signature.API_KEY: ("api_key",),
    Signature.PARTNER: ("partner_token",),
    Signature.ALL: (),
}

_NEXT: Final[Mapping[type[Step], Literal["return", "resend", "look_up", "raise"]]] = {
    Settled: "return",
    Send: "resend",
    LookUp: "look_up",
    GiveUp: "raise",
}


def _read(operation: Operation[T], result: Response | Failure) -> Found[T] | Problem:
    """What an exchange says: a value, or what was in the way of one."""
    if isinstance(result, Failure):
        return result
    try:
        return Found(codec.decode(operation, result))
    except GameballError as error:
        problem = error
    problem.retry_after = retry_after(result.headers, datetime.now(UTC))
    return problem


def _delivered(settled: Settled, answer: Response, course: CallState) -> Delivered[Any]:
    return Delivered(
        value=settled.value,
        settled_by=settled.by,
        attempts=course.sends,
        lookups=course.look_ups,
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
    )


def _given_up(operation: Operation[Any]) -> str:
    which = f" (transaction_id={operation.transaction_id})" if operation.transaction_id is not None else ""
    return f"{operation.name}{which} was given up: unless it had not left yet, it may be applied; {operation.check}"

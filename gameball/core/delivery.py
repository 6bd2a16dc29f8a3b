"""Carries out an operation: drives the transport as the policy says, until there is a value or an error."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

import anyio
from attrs import field, frozen

from gameball.core import codec
from gameball.core.operation import Found, Operation, Replay, Settle, Signature
from gameball.core.policy import Budget, Course, GiveUp, LookUp, Problem, Send, Settled, SettledBy, Step, retry_after
from gameball.core.transport import Transport
from gameball.core.wire import Answer, Failure
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
            answer was lost; "duplicate", the list, which held this very transaction from an earlier call.
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

    async def send(self, operation: Operation[T]) -> T:
        """The value of the call."""
        return (await self.deliver(operation)).value

    async def send_regardless(self, operation: Operation[T], seconds: float) -> None:
        """Send even while the caller is being cancelled; give up after some seconds."""
        with anyio.fail_after(seconds, shield=True):
            await self.send(operation)

    async def deliver(self, operation: Operation[T]) -> Delivered[T]:
        """The value of the call, and how it went.

        Raises:
            GameballError: Whatever went wrong; its `outcome` tells what became of the call.
        """
        self._require_keys(operation)
        clock = asyncio.get_running_loop().time
        course = Course(
            operation=operation, retries=self.retries, deadline=clock() + self.timeouts.total, budget=self.budget
        )
        try:
            outcome = await self._follow(operation, course)
        except asyncio.CancelledError as error:
            if operation.replay is not Replay.SAFE:
                error.add_note(_given_up(operation))
            raise
        if isinstance(outcome, GameballError):
            raise self._complete(outcome, operation, course.sends)
        return outcome

    async def _follow(self, operation: Operation[T], course: Course) -> Delivered[T] | GameballError:
        """Exchange and decide in turn, until the course ends."""
        clock = asyncio.get_running_loop().time
        request = codec.encode(operation, self.headers)
        while True:
            began = clock()
            result = await self.transport.exchange(request, course.deadline, self.timeouts)
            reading = _read(operation, result)
            ended = clock()
            step: Step
            if isinstance(reading, Found):
                self.budget.earn(resent=course.sends > 0)
                step = Settled(reading.value, "answer")
                course.sends += 1
            else:
                step = course.after_send(reading, ended)
            self._report(operation, course.sends, result, ended - began, step)
            while isinstance(step, LookUp):
                await asyncio.sleep(step.wait)
                step, result = await self._look_up(operation, course)
            if isinstance(step, Settled) and isinstance(result, Answer):
                return Delivered(
                    value=step.value,
                    settled_by=step.by,
                    attempts=course.sends,
                    lookups=course.look_ups,
                    status=result.status,
                    headers=result.headers,
                    body=result.body,
                )
            if not isinstance(step, Send):
                return step.error if isinstance(step, GiveUp) else OutcomeUnknownError(operation.check)
            await asyncio.sleep(step.wait)
            if step.restamp and operation.restamp is not None:
                request = codec.encode(operation.restamp(), self.headers)

    async def _look_up(self, operation: Operation[T], course: Course) -> tuple[Step, Answer | Failure]:
        """Ask once whether the transaction is there."""
        settle = operation.settle
        assert settle is not None  # noqa: S101 (for the type checkers: the course looks up nothing else)
        clock = asyncio.get_running_loop().time
        began = clock()
        request = codec.encode(settle.look_up, self.headers)
        result = await self.transport.exchange(request, course.deadline, self.timeouts)
        reading = _read(settle.look_up, result)
        step = course.after_look_up(settle.match(reading.value) if isinstance(reading, Found) else reading, clock())
        self._report(settle.look_up, course.look_ups, result, clock() - began, step)
        if isinstance(step, Settled):
            return await self._in_detail(settle, step, result, course.deadline)
        return step, result

    async def _in_detail(
        self, settle: Settle[T], settled: Settled, result: Answer | Failure, deadline: float
    ) -> tuple[Step, Answer | Failure]:
        """Ask once more for what the list does not tell; without an answer, what it told must do."""
        if settle.detail is None or settle.complete is None:
            return settled, result
        began = asyncio.get_running_loop().time()
        told = await self.transport.exchange(codec.encode(settle.detail, self.headers), deadline, self.timeouts)
        reading = _read(settle.detail, told)
        self._report(settle.detail, 1, told, asyncio.get_running_loop().time() - began, settled)
        if isinstance(reading, Found):
            return Settled(settle.complete(settled.value, reading.value), settled.by), told
        return settled, result

    def _require_keys(self, operation: Operation[Any]) -> None:
        for name in _NEEDED[operation.signature]:
            if getattr(self.credentials, name) is None:
                error = CredentialsError(f"no {name}: pass it, or set GAMEBALL_{name.upper()}")
                raise self._complete(error, operation, 0)

    def _complete(self, error: GameballError, operation: Operation[Any], attempts: int) -> GameballError:
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

    def _masked(self, text: str, operation: Operation[Any]) -> str:
        for password in codec.one_time_passwords(operation.body):
            text = text.replace(password, "****")
        # Cut last: half a key is a key's half told.
        return self.credentials.redact(text)[:LONGEST_MESSAGE]

    def _report(
        self, operation: Operation[Any], number: int, result: Answer | Failure, seconds: float, step: Step
    ) -> None:
        """Tell the log and the observers of an exchange."""
        name = operation.name
        if logger.isEnabledFor(logging.DEBUG):
            end = result.reason if isinstance(result, Failure) else f"HTTP {result.status}"
            logger.debug("%s: exchange %d: %s after %.3f s", name, number, end, seconds)
        if not self.observers:
            return
        answer = result if isinstance(result, Answer) else None
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


def _read(operation: Operation[T], result: Answer | Failure) -> Found[T] | Problem:
    """What an exchange says: a value, or what was in the way of one."""
    if isinstance(result, Failure):
        return result
    try:
        return Found(codec.decode(operation, result))
    except GameballError as error:
        problem = error
    problem.retry_after = retry_after(result.headers, datetime.now(UTC))
    return problem


def _given_up(operation: Operation[Any]) -> str:
    which = f" (transaction_id={operation.transaction_id})" if operation.transaction_id is not None else ""
    return f"{operation.name}{which} was given up: unless it had not left yet, it may be applied; {operation.check}"

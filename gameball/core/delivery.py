"""Carries out an operation: drives the transport as `retry` says, until there is a value or an error."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, Generic, TypeVar, cast

import anyio
from attrs import evolve, field, frozen

from gameball.core import codec, converter, in_flight
from gameball.core.http import Exchange, Failure, Fault, Request, Response, retry_after
from gameball.core.loop_thread import running_loop
from gameball.core.observers import Attempt, Call, Observers
from gameball.core.operation import NEEDED_KEYS, Absent, Finding, Operation, Reconciliation, Signature
from gameball.core.outage import Outages
from gameball.core.rate_limiter import RateLimiter
from gameball.core.retry import (
    FIRST,
    PROBLEM,
    Budget,
    CallState,
    Disposition,
    LookUp,
    Problem,
    Send,
    Settled,
    SettledBy,
    Step,
    classify,
)
from gameball.core.running_call import RunningCall
from gameball.core.scalars import UnreadableError
from gameball.core.transport import Transport
from gameball.core.waits import STANDARD, Waits
from gameball.errors import GameballError, Outcome, printable
from gameball.models.shared import refuse
from gameball.settings import Credentials, Retries, Timeouts

T = TypeVar("T")

LONGEST_MESSAGE: Final = 300
"""Characters of the API's own words that an error keeps."""

UNCACHED: Final[Mapping[str, str]] = {"Cache-Control": "no-cache"}
"""Headers of a look-up: an older answer would be no evidence."""

logger: Final = logging.getLogger("gameball")
logger.addHandler(logging.NullHandler())


@frozen(kw_only=True)
class Delivered(Generic[T]):
    """How a call went.

    Attributes:
        value: What the resource method returns.
        settled_by: What decided the outcome: "answer", the answer to the request itself; "lookup", the list, after a
            try without an answer; "duplicate", the list, which held this very transaction from an earlier call.
        attempts: How many times the request was tried.
        lookups: How many times the transaction was looked up.
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
            return converter.parse(self.body)
        except UnreadableError:
            return None


@frozen(kw_only=True, eq=False)
class Delivery:
    """The one way from an operation to its value.

    Attributes:
        transport, budget, outages: Shared by all clients that were made of one by `with_options`.
        rate_limiter: Keeps a rate limit; shared likewise, unless another limit was given.
        headers: Sent with every request, beside the operation's own.
        observers: See each exchange and each call, on the loop's thread.
        monitor: Gets each exchange's operation and result, before the observers do; must not raise.
        waits: How long to wait where the settings do not say.
    """

    transport: Transport
    credentials: Credentials
    timeouts: Timeouts
    retries: Retries
    headers: Mapping[str, str] = field(factory=dict[str, str])
    observers: Observers = field(default=Observers(), converter=Observers)
    monitor: Callable[[str, Response | Failure], object] | None = None
    budget: Budget = field(factory=Budget)
    outages: Outages = field(factory=Outages)
    rate_limiter: RateLimiter | None = None
    waits: Waits = STANDARD
    _signable: set[Signature] = field(factory=set[Signature], init=False)
    """What there are the keys for, as far as was asked."""

    def check(self, signature: Signature) -> None:
        """Refuse what cannot be sent, before a call or a bulk run begins. The pytest plugin refuses more.

        Raises:
            CredentialsError: A key that such requests are signed with is not there.
        """
        if signature not in self._signable:
            self.credentials.require(*NEEDED_KEYS[signature])
            self._signable.add(signature)

    def send(self, operation: Operation[T]) -> Coroutine[Any, Any, T]:
        """The value of the call, to be awaited; see `deliver()`."""
        call = self._begin(operation)
        return self._observed(call, FIRST) if self.observers.of_calls else self._carry_out(call, FIRST)

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
            GameballError: Whatever went wrong; its `outcome` says what became of the call.
        """
        if in_doubt and operation.reconciliation is None:
            raise refuse("in_doubt", "is for operations that can be looked up")
        call = self._begin(operation)
        carry_out = self._observed if self.observers.of_calls else self._carry_out
        value = await carry_out(call, self._state_of(call).begin_in_doubt() if in_doubt else FIRST)
        response = cast("Response", call.response)  # the value came with one
        return Delivered(
            value=value,
            settled_by=call.settled_by,
            attempts=call.sends,
            lookups=call.look_ups,
            status=response.status,
            headers=response.headers,
            body=response.body,
        )

    async def look_up(self, operation: Operation[T]) -> Finding[T]:
        """What the API has of a call, by one look-up; nothing of the call itself is sent.

        Raises:
            GameballError: The look-up failed, or says nothing.
        """
        reconciliation = operation.reconciliation
        if reconciliation is None:
            raise refuse("operation", "must be one that can be looked up")
        lookup = reconciliation.lookup(operation.transaction_id or "")
        answer = await self.send(evolve(lookup, headers={**lookup.headers, **UNCACHED}))
        finding = reconciliation.match(operation.body, answer)
        if isinstance(finding, GameballError):
            raise self.complete(finding, operation, 0)
        return finding

    def complete(self, error: GameballError, operation: Operation[Any], attempts: int) -> GameballError:
        """Add to an error which call it belongs to, and take out of its words what must not be seen."""
        error.message = self._masked(error.message, operation)
        error.request_id = self._masked(error.request_id, operation) if error.request_id else None
        error.operation = operation.name
        error.method = operation.method
        error.path = operation.path
        error.transaction_id = operation.transaction_id
        error.attempts = attempts
        return error

    def _begin(self, operation: Operation[T]) -> RunningCall[T]:
        try:
            self.check(operation.signature)
        except GameballError as error:
            raise self.complete(error, operation, 0) from None
        deadline = running_loop().time() + self.timeouts.total
        return RunningCall(operation, codec.encode(operation, self.headers), deadline)

    async def _observed(self, call: RunningCall[T], step: Step) -> T:
        """Carry the call out, and report its start and its end to the observers."""
        seen = Call.of(call.operation)
        tokens = self.observers.started(seen)
        outcome: Outcome = "unknown"
        try:
            value = await self._carry_out(call, step)
        except GameballError as error:
            seen.error, outcome = error, error.outcome
            raise
        except BaseException as error:
            seen.error, outcome = error, "unknown" if call.may_be_applied else "not_applied"
            raise
        else:
            seen.settled_by, outcome = call.settled_by, "applied"
            return value
        finally:
            seen.attempts, seen.lookups = call.sends, call.look_ups
            last = call.response.status if call.response is not None else None
            seen.status = getattr(seen.error, "status", None) or last
            seen.in_doubt = call.may_be_applied
            self.observers.ended(seen, outcome, tokens)

    async def _carry_out(self, call: RunningCall[T], step: Step) -> T:
        """Exchange and decide in turn, until the call is settled."""
        in_flight.enter(call)
        try:
            while not isinstance(step, Settled):
                if isinstance(step, Send):
                    if step.wait:
                        await asyncio.sleep(step.wait)
                    if step.restamp and call.operation.restamp is not None:
                        call.request = codec.encode(call.operation.restamp(call.operation), self.headers)
                    call.in_flight = True
                    result = await self._exchange(call, call.request)
                    call.in_flight = False
                    step = self._after_send(call, result)
                elif isinstance(step, LookUp):
                    await asyncio.sleep(step.wait)
                    step = await self._look_up(call)
                else:
                    raise step.error
        except GameballError as error:
            self.complete(error, call.operation, call.sends)
            raise
        except asyncio.CancelledError as error:
            if (note := in_flight.cut_off(call)) is not None:
                error.add_note(note)
            raise
        finally:
            in_flight.leave(call)
        call.settled_by = step.by
        value: T = step.value
        return value

    def _after_send(self, call: RunningCall[T], result: Response | Failure) -> Step:
        """What comes after a try."""
        if isinstance(result, Response):
            call.response = result
        reading = _read(call.operation, result)
        if isinstance(reading, PROBLEM):
            if classify(reading) is Disposition.UNKNOWN:
                self.outages.here().suspect()
            step = self._state_of(call).after_send(reading, asyncio.get_running_loop().time())
        else:
            state = call.state
            self.budget.earn(resent=state is not None and state.sends > 0)
            step = Settled(reading, "answer")
            if state is not None:
                state.sends += 1
        if self.monitor is not None or self.observers.of_exchanges or logger.isEnabledFor(logging.DEBUG):
            self._report(call, call.operation, call.sends, result, step)
        return step

    def _state_of(self, call: RunningCall[T]) -> CallState:
        if call.state is None:
            operation, retries, budget = call.operation, self.retries, self.budget
            call.state = CallState(
                operation=operation, retries=retries, deadline=call.deadline, budget=budget, waits=self.waits
            )
        return call.state

    async def _look_up(self, call: RunningCall[T]) -> Step:
        """Look once whether the transaction is there."""
        state = self._state_of(call)
        reconciliation = cast("Reconciliation[T]", call.operation.reconciliation)  # nothing else is looked up
        lookup, outage = reconciliation.lookup(call.operation.transaction_id or ""), self.outages.here()
        try:
            async with asyncio.timeout_at(state.deadline), outage.look_up():
                result = await self._exchange(call, codec.encode(lookup, {**self.headers, **UNCACHED}))
                reading = _read(lookup, result)
                if isinstance(reading, PROBLEM):
                    outage.failed(self.waits.first_lookup, self.retries)
                else:
                    call.response = cast("Response", result)
                    outage.answered()
        except TimeoutError:
            none = Failure(fault=Fault.TIME, sent=False, reason="no look-up was answered in time")
            return state.after_look_up(none, asyncio.get_running_loop().time())
        found = reading if isinstance(reading, PROBLEM) else reconciliation.match(call.operation.body, reading)
        step = state.after_look_up(found, asyncio.get_running_loop().time())
        self._report(call, lookup, state.look_ups, result, step)
        return await self._look_up_detail(call, reconciliation, step) if isinstance(step, Settled) else step

    async def _look_up_detail(self, call: RunningCall[T], reconciliation: Reconciliation[T], settled: Settled) -> Step:
        """Read once more what the list does not say; without an answer, what it said must do."""
        if reconciliation.detail is None or reconciliation.merge is None:
            return settled
        detail = reconciliation.detail(call.operation.body)
        result = await self._exchange(call, codec.encode(detail, {**self.headers, **UNCACHED}))
        reading = _read(detail, result)
        if isinstance(reading, PROBLEM):
            finding: Finding[T] = Absent()
        else:
            call.response = cast("Response", result)
            finding = reconciliation.merge(settled.value, reading)
        step = self._state_of(call).after_detail(settled, finding)
        self._report(call, detail, 1, result, step)
        return step

    def _exchange(self, call: RunningCall[Any], request: Request) -> Coroutine[Any, Any, Response | Failure]:
        """One request of a call, at the rate that the rate limit allows."""
        call.began = monotonic()
        if self.rate_limiter is None:
            return self.transport.exchange(request, call.deadline, self.timeouts)
        return self._exchange_at_rate(call, request, self.rate_limiter)

    async def _exchange_at_rate(
        self, call: RunningCall[Any], request: Request, limiter: RateLimiter
    ) -> Response | Failure:
        try:
            async with asyncio.timeout_at(call.deadline):
                await limiter.acquire()
        except TimeoutError:
            return Failure(fault=Fault.TIME, sent=False, reason="the rate limit left no place in time")
        finally:
            arrived, call.began = call.began, monotonic()
            call.queued = call.began - arrived
        try:
            return await self.transport.exchange(request, call.deadline, self.timeouts)
        finally:
            limiter.release()

    def _masked(self, text: str, operation: Operation[Any]) -> str:
        for word in codec.private_words(operation):
            text = text.replace(word, "****")
        # Cut last: half a key is half a key shown.
        return self.credentials.redact(text)[:LONGEST_MESSAGE]

    def _report(
        self, call: RunningCall[Any], operation: Operation[Any], number: int, result: Response | Failure, step: Step
    ) -> None:
        """Report an exchange to the log, the monitor and the observers."""
        seconds = monotonic() - call.began
        if logger.isEnabledFor(logging.DEBUG):
            end = result.reason if isinstance(result, Failure) else f"HTTP {result.status}"
            about = printable(f"{operation.name}: exchange {number}: {end}")
            logger.debug("%s after %.3f s", about, seconds)
        if self.monitor is not None:
            self.monitor(operation.name, result)
        if self.observers.of_exchanges:
            given = codec.request_id(result) if isinstance(result, Response) else None
            request_id = self._masked(given, operation) if given else None
            exchange = Exchange(result, seconds, call.queued)
            self.observers.exchanged(Attempt.of(operation.name, number, exchange, step=step, request_id=request_id))


def _read(operation: Operation[T], result: Response | Failure) -> T | Problem:
    """What an exchange gave: a value, or what was in the way of one."""
    if isinstance(result, Failure):
        return result
    try:
        return codec.decode(operation, result)
    except GameballError as error:
        problem = error
    problem.retry_after = retry_after(result.headers, datetime.now(UTC))
    return problem

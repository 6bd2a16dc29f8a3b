"""What a client's observers see: each exchange, each call's start and end, and each bulk run's."""

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, Self, TypeAlias

from attrs import define, field, frozen

from gameball.core.http import Exchange, Failure, Response
from gameball.core.operation import Operation
from gameball.core.retry import GiveUp, LookUp, Send, Settled, SettledBy, Step
from gameball.errors import Outcome
from gameball.models.shared import refuse

logger: Final = logging.getLogger("gameball")


@frozen(kw_only=True)
class Attempt:
    """One exchange of a call, as observers see it: for logs, metrics and traces.

    Attributes:
        operation: The call's name, as in "transactions.cashback"; of a look-up "transactions.list".
        number: Of the exchange among its like in this call, from 1.
        status, headers, request_id: Of the answer; None where none came.
        reason: Why none came, in words.
        seconds: How long the exchange took.
        queued: Seconds that it waited before for its turn in the client's rate limit.
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
    queued: float = 0.0

    @classmethod
    def of(cls, operation: str, number: int, exchange: Exchange, *, step: Step, request_id: str | None) -> Self:
        """What one exchange led to."""
        result = exchange.result
        response = result if isinstance(result, Response) else None
        return cls(
            operation=operation,
            number=number,
            status=response.status if response else None,
            headers=response.headers if response else None,
            request_id=request_id,
            reason=result.reason if isinstance(result, Failure) else None,
            seconds=exchange.seconds,
            queued=exchange.queued,
            next=_NEXT[type(step)],
            wait=step.wait if isinstance(step, Send | LookUp) else 0.0,
        )


_NEXT: Final[Mapping[type[Step], Literal["return", "resend", "look_up", "raise"]]] = {
    Settled: "return",
    Send: "resend",
    LookUp: "look_up",
    GiveUp: "raise",
}


@define(kw_only=True, eq=False)
class Call:
    """One call, as observers see it.

    Attributes:
        operation, method, path, transaction_id: Of the call.
        attempts, lookups: How many times the request was tried, and the transaction looked up.
        status: Of the answer that refused it, else of the last one that said something; None while the call runs, and
            where none did.
        settled_by: What decided the outcome; None while the call runs, and where nothing did.
        in_doubt: Whether a try of it may have been applied without an answer that said so, whatever was found later.
        error: What the call raised, a cancellation included.
    """

    operation: str
    method: str
    path: str
    transaction_id: str | None
    attempts: int = 0
    lookups: int = 0
    status: int | None = None
    settled_by: SettledBy | None = None
    in_doubt: bool = False
    error: BaseException | None = field(default=None, repr=False)

    @classmethod
    def of(cls, operation: Operation[Any]) -> Self:
        """A call that begins."""
        return cls(
            operation=operation.name,
            method=operation.method,
            path=operation.path,
            transaction_id=operation.transaction_id,
        )


class CallObserver(Protocol):
    """An object that follows whole calls. It may have any of these methods."""

    def started(self, call: Call) -> Any:
        """A call begins; what this returns is handed to `ended`."""

    def exchanged(self, attempt: Attempt) -> object:
        """One request of a call was answered, or was not."""

    def ended(self, call: Call, outcome: Outcome, token: Any) -> object:
        """The call returned, raised or was cancelled: then `outcome` is "unknown" if it may have been applied."""


class RunObserver(Protocol):
    """An object that follows bulk runs. It may have any of these methods, and those of a CallObserver.

    They and the run's own calls share a context, which is a copy of the caller's.
    """

    def run_started(self, report: Any) -> Any:
        """A run begins, with this report (a BulkReport, kept up to date); what this returns is handed on."""

    def rows_ended(self, results: Sequence[Any], token: Any) -> object:
        """Rows have ended (as RowResults), and with a journal that is durable."""

    def run_ended(self, report: Any, error: BaseException | None, token: Any) -> object:
        """The run ended: all rows have, or it was stopped, or this error ended it."""


Observer: TypeAlias = "Callable[[Attempt], object] | CallObserver | RunObserver | Any"
"""A callable that gets an Attempt after each exchange, or an object with any of the methods above."""

Tokens: TypeAlias = "list[tuple[Observer, Any]]"
"""Who heard of a start, and what each made of it."""

OF_CALLS: Final = ("started", "ended")
OF_RUNS: Final = ("run_started", "rows_ended", "run_ended")
METHODS: Final = ("exchanged", *OF_CALLS, *OF_RUNS)


class Observers:
    """A client's observers. What they raise is logged and goes no further."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self.set(observers)

    def set(self, observers: Iterable[Observer]) -> None:
        """Have these observe, and no others, from the next call on."""
        every = tuple(observers)
        for observer in every:
            _check(observer)
        self.all = every
        self.of_exchanges = [method for observer in every if (method := _of_exchanges(observer))]
        self.of_calls = [observer for observer in every if any(hasattr(observer, name) for name in OF_CALLS)]
        self.of_runs = [observer for observer in every if any(hasattr(observer, name) for name in OF_RUNS)]

    def __iter__(self) -> Iterator[Observer]:
        return iter(self.all)

    def started(self, call: Call) -> Tokens:
        """Report a call's start; gives what `ended` needs."""
        return [(observer, _run(getattr(observer, "started", None), call)) for observer in self.of_calls]

    def exchanged(self, attempt: Attempt) -> None:
        """Report an exchange."""
        for method in self.of_exchanges:
            _run(method, attempt)

    def ended(self, call: Call, outcome: Outcome, tokens: Tokens) -> None:
        """Report a call's end, to whoever heard last of its start first, so that what they open nests."""
        for observer, token in reversed(tokens):
            _run(getattr(observer, "ended", None), call, outcome, token)

    def run_started(self, report: Any) -> Tokens:
        """Report a bulk run's start; gives what the other two need."""
        return [(observer, _run(getattr(observer, "run_started", None), report)) for observer in self.of_runs]

    def rows_ended(self, results: Sequence[Any], tokens: Tokens) -> None:
        """Report results of a bulk run."""
        for observer, token in tokens:
            _run(getattr(observer, "rows_ended", None), results, token)

    def run_ended(self, report: Any, error: BaseException | None, tokens: Tokens) -> None:
        """Report a bulk run's end."""
        for observer, token in reversed(tokens):
            _run(getattr(observer, "run_ended", None), report, error, token)


def _of_exchanges(observer: Any) -> Callable[[Attempt], object] | None:
    method: Callable[[Attempt], object] | None = getattr(observer, "exchanged", None)
    if method is None and not any(hasattr(observer, name) for name in METHODS):
        return observer  # type: ignore[no-any-return]  # a plain callable
    return method


def _check(observer: Any) -> None:
    methods = [getattr(observer, name) for name in METHODS if hasattr(observer, name)] or [observer]
    for method in methods:
        if not callable(method):
            raise refuse("observers", f"must be callables, or have one of the methods {', '.join(METHODS)}")
        for function in (method, getattr(method, "__call__", None)):  # noqa: B004 (what it does, not whether it can)
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                raise refuse("observers", "must be plain functions: an async def would never be awaited")


def _run(method: Callable[..., Any] | None, *given: Any) -> Any:
    if method is None:
        return None
    try:
        returned = method(*given)
    except Exception:
        logger.exception("an observer failed")
        return None
    if inspect.iscoroutine(returned):
        returned.close()
        logger.error("an observer returned a coroutine, which is not awaited")
    return returned

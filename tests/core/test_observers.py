"""What observers see: each exchange of a call, its start and its end, whatever the end is."""

import asyncio
import functools
import gc
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gameball import (
    AsyncGameball,
    Gameball,
    GameballError,
    InsufficientBalanceError,
    InvalidRequestError,
    RateLimit,
    Retries,
    ServerError,
)
from gameball.core.observers import Attempt, Call, Observers
from tests.support.calls import TRANSACTIONS
from tests.support.server import API_KEY, Server

MakeAwaited = Callable[..., AsyncGameball]

QUICK = Retries(attempts=1, backoff=0.01, cap=0.02)
NOTHING = Server.answer({"transactions": [], "count": 0, "total": 0})
cashback = TRANSACTIONS["cashback"]


class Diary:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.entries: list[Any] = []

    def started(self, call: Call) -> str:
        self.entries.append(("started", call.operation, call.transaction_id))
        return "token"

    def exchanged(self, attempt: Attempt) -> None:
        self.entries.append(("exchanged", attempt.operation, attempt.status))

    def ended(self, call: Call, outcome: str, token: Any) -> None:
        self.entries.append(("ended", outcome, call.settled_by, call.attempts, call.lookups, type(call.error), token))


class Calls:
    """An observer that keeps the calls."""

    def __init__(self) -> None:
        self.ended_ones: list[Call] = []

    def ended(self, call: Call, outcome: str, token: Any) -> None:
        assert outcome
        assert token is None
        self.ended_ones.append(call)


class OnlyEnds:
    def __init__(self) -> None:
        self.outcomes: list[tuple[str, Any]] = []

    def ended(self, call: Call, outcome: str, token: Any) -> None:
        assert call.operation.startswith("transactions.")
        self.outcomes.append((outcome, token))


async def test_a_call_is_seen_from_its_start_to_its_end(server: Server, awaited: MakeAwaited) -> None:
    diary, ends, plain = Diary(), OnlyEnds(), list[Attempt]()
    server.script(server.answer())
    await awaited(server.base_url, observers=[diary, ends, plain.append]).send(cashback.operation())

    assert diary.entries == [
        ("started", "transactions.cashback", "t1"),
        ("exchanged", "transactions.cashback", 200),
        ("ended", "applied", "answer", 1, 0, type(None), "token"),
    ]
    assert ends.outcomes == [("applied", None)]
    assert [attempt.status for attempt in plain] == [200]


async def test_an_end_says_which_status_was_the_last_and_whether_the_call_was_in_doubt(
    server: Server, awaited: MakeAwaited
) -> None:
    calls = Calls()
    client = awaited(server.base_url, observers=[calls], retries=QUICK)
    found = Server.answer({"transactions": [cashback.listed], "count": 1, "total": 1})
    server.script(server.answer(), server.refusal(309), "close", found, "close", "close")
    await client.send(cashback.operation())
    with pytest.raises(InsufficientBalanceError):
        await client.send(cashback.operation())
    await client.send(cashback.operation())
    for name in ("hold", "list"):
        with pytest.raises(GameballError):
            await client.send(TRANSACTIONS[name].operation())

    assert [(call.status, call.in_doubt) for call in calls.ended_ones] == [
        (200, False),
        (422, False),
        (200, True),
        (None, True),
        (None, False),
    ]


async def test_an_error_is_seen_without_private_words(server: Server, awaited: MakeAwaited) -> None:
    calls = Calls()
    server.script(server.answer({"code": 7, "message": f"no {API_KEY} me@example.com"}, status=422))
    with pytest.raises(GameballError):
        await awaited(server.base_url, observers=[calls]).send(cashback.operation(email="me@example.com"))

    (call,) = calls.ended_ones
    assert str(call.error) == "7 no **** **** (transactions.cashback, transaction_id=t1, HTTP 422)"


async def test_an_exchange_says_how_long_it_waited_for_the_rate_limit(server: Server, awaited: MakeAwaited) -> None:
    attempts: list[Attempt] = []
    client = awaited(server.base_url, observers=[attempts.append], rate_limit=RateLimit((1, 0.3)))
    server.script(NOTHING)
    for _ in range(2):
        await client.transactions.list()

    first, second = attempts
    assert first.queued < 0.1 < second.queued


async def test_an_error_ends_with_its_own_outcome(server: Server, awaited: MakeAwaited) -> None:
    ends = OnlyEnds()
    client = awaited(server.base_url, observers=[ends], retries=QUICK)
    server.script(server.refusal(309), "close", NOTHING, NOTHING, server.answer({}, status=500))
    for call in (cashback.operation(), cashback.operation(), TRANSACTIONS["list"].operation()):
        with pytest.raises(Exception, match=r"."):
            await client.send(call)

    assert ends.outcomes == [("not_applied", None), ("unknown", None), ("not_applied", None)]


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("cashback", "unknown"), ("hold", "unknown"), ("reverse_hold", "unknown"), ("list", "not_applied")],
)
async def test_a_cancelled_write_in_flight_leaves_a_warning_and_reaches_observers(
    server: Server, awaited: MakeAwaited, caplog: pytest.LogCaptureFixture, name: str, outcome: str
) -> None:
    diary = Diary()
    server.script("hang")
    operation = TRANSACTIONS[name].operation()
    call = asyncio.ensure_future(awaited(server.base_url, observers=[diary]).send(operation))
    await server.wait_for(lambda: server.requests)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert diary.entries[-1] == ("ended", outcome, None, 0, 0, asyncio.CancelledError, "token")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == (outcome == "unknown")
    for warning in warnings:
        assert operation.name in warning
        assert operation.transaction_id is None or f"transaction_id={operation.transaction_id}" in warning


async def test_a_call_cancelled_before_it_is_sent_changed_nothing(
    server: Server, awaited: MakeAwaited, caplog: pytest.LogCaptureFixture
) -> None:
    ends = OnlyEnds()
    server.script(server.answer({}, status=429, headers={"Retry-After": "30"}))
    call = asyncio.ensure_future(awaited(server.base_url, observers=[ends]).send(cashback.operation()))
    await server.wait_for(lambda: server.requests)
    await asyncio.sleep(0.03)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert ends.outcomes == [("not_applied", None)]
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


async def test_what_an_observer_raises_is_logged_and_goes_no_further(
    server: Server, awaited: MakeAwaited, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def started(self, call: Call) -> None:
            raise RuntimeError(call.operation)

        exchanged = ended = started

    server.script(server.answer())
    await awaited(server.base_url, observers=[Broken()]).send(cashback.operation())

    assert [record.getMessage() for record in caplog.records] == ["an observer failed"] * 3


async def test_a_callable_that_gives_a_coroutine_is_named_in_the_log(
    server: Server, awaited: MakeAwaited, caplog: pytest.LogCaptureFixture
) -> None:
    def give_a_coroutine(attempt: Attempt) -> Any:
        return watch(attempt)

    server.script(server.answer())
    await awaited(server.base_url, observers=[give_a_coroutine]).send(cashback.operation())
    gc.collect()

    assert "an observer returned a coroutine, which is not awaited" in caplog.text


async def watch(attempt: Attempt) -> None:
    """An observer that would have to be awaited."""


async def generate(attempt: Attempt) -> AsyncIterator[Attempt]:
    yield attempt


class Awaited:
    async def __call__(self, attempt: Attempt) -> None:
        """Never awaited."""


class EndsAwaited:
    async def ended(self, call: Call, outcome: str, token: Any) -> None:
        """Never awaited."""


@pytest.mark.parametrize("client", [AsyncGameball, Gameball])
@pytest.mark.parametrize(
    "observer",
    [watch, generate, functools.partial(watch), Awaited(), EndsAwaited()],
    ids=lambda each: type(each).__name__,
)
def test_a_coroutine_function_is_refused_as_an_observer(client: Any, observer: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^observers must be plain functions"):
        client("key-key-key", "secret-secret", observers=[observer])


@pytest.mark.parametrize("observer", [None, "log", 5, object()])
def test_what_cannot_be_called_is_refused_as_an_observer(observer: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^observers must be callables, or have one of the methods"):
        Observers([observer])


def test_ends_are_reported_in_the_reverse_order_of_starts() -> None:
    seen: list[str] = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def ended(self, *_: Any) -> None:
            seen.append(self.name)

    observers = Observers([Named("outer"), Named("inner")])
    call = Call(operation="transactions.list", method="GET", path="/", transaction_id=None)
    observers.ended(call, "applied", observers.started(call))

    assert seen == ["inner", "outer"]


async def test_clients_made_of_one_share_its_observers(server: Server, awaited: MakeAwaited) -> None:
    ends = OnlyEnds()
    server.script(server.answer({}, status=500))
    with pytest.raises(ServerError):
        await (
            awaited(server.base_url, observers=[ends])
            .with_options(retries=QUICK)
            .send(TRANSACTIONS["list"].operation())
        )

    assert ends.outcomes == [("not_applied", None)]

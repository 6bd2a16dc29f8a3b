"""Runs without a journal: each row once, a player's in order, and a report of what became of each."""

import asyncio
import random
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

import pytest
from attrs import evolve

from gameball import (
    AsyncGameball,
    AuthenticationError,
    BulkReport,
    BulkStoppedError,
    CashbackRequest,
    ConnectionFailedError,
    CredentialsError,
    Gameball,
    InsufficientBalanceError,
    InvalidRequestError,
    ManualRequest,
    OutcomeUnknownError,
    RateLimit,
    RedeemRequest,
    RefundRequest,
    RowResult,
    State,
    Timeouts,
)
from gameball.bulk.sender import CallSender
from gameball.core.waits import STANDARD
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Close, Status
from tests.support.bulk_api import API_KEY, QUICK, SECRET_KEY, Api, Response, never, pay, pays
from tests.support.waits import SHORT, with_waits

pytestmark = pytest.mark.many_cases


async def apays(count: int) -> AsyncIterator[CashbackRequest]:
    """Rows that are awaited."""
    for row in pays(count):
        yield row


class Walk:
    """Rows that are awaited, and that cannot be closed."""

    def __init__(self, count: int) -> None:
        self._rows = pays(count)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> CashbackRequest:
        for row in self._rows:
            await asyncio.sleep(0)
            return row
        raise StopAsyncIteration


@pytest.mark.parametrize(
    "rows",
    [lambda: list(pays(700)), lambda: tuple(pays(700)), lambda: pays(700), lambda: apays(700), lambda: Walk(700)],
    ids=["list", "tuple", "generator", "async generator", "async iterator"],
)
async def test_each_row_is_applied_once_wherever_rows_come_from(
    sandbox: Sandbox, client: AsyncGameball, rows: Callable[[], Iterator[CashbackRequest]]
) -> None:
    report = await client.bulk.run(rows())

    assert (report.rows, report.applied, report.settled, report.left, report.sent) == (700, 700, 700, 0, 700)
    assert report.points == sum(entry.points for entry in sandbox.ledger.transactions())
    assert {entry.transaction_id for entry in sandbox.ledger.transactions()} == {f"t{n}" for n in range(700)}
    assert (report.problems, report.problems_left_out) == ([], 0)


async def test_a_players_rows_go_in_order_and_never_two_at_a_time(api: Api, caller: AsyncGameball) -> None:
    dice = random.Random(5)  # noqa: S311 (to be repeatable is the point)

    async def answer(_: str) -> Response | None:
        await asyncio.sleep(dice.random() * 0.004)
        return None

    api.answer = answer
    report = await caller.bulk.run(pays(2000, players=50), concurrency=32)

    assert report.applied == 2000
    assert (api.most_of_a_player, api.most) == (1, 32)
    order = defaultdict[str, list[int]](list)
    for player, identity in zip(api.players, api.ids, strict=True):
        order[player].append(int(identity[1:]))
    assert len(order) == 50
    assert all(numbers == sorted(numbers) for numbers in order.values())


async def test_one_player_with_many_rows_holds_up_no_other(api: Api, caller: AsyncGameball) -> None:
    """As far as the look-ahead reaches."""

    async def answer(identity: str) -> Response | None:
        return await never() if identity == "t0" else None

    api.answer = answer
    rows = [pay(n, players=1) for n in range(5000)] + [
        CashbackRequest(player_unique_id=f"q{n}", transaction_id=f"u{n}", amount=1) for n in range(20)
    ]
    running = asyncio.create_task(caller.bulk.run(rows, concurrency=4))
    async with asyncio.timeout(10):
        await api.sent(21)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert set(api.ids) == {"t0", *(f"u{n}" for n in range(20))}


async def test_no_more_rows_are_read_than_are_looked_ahead(api: Api, caller: AsyncGameball) -> None:
    read, full, loop = 0, asyncio.Event(), asyncio.get_running_loop()

    def rows() -> Iterator[CashbackRequest]:
        nonlocal read
        for row in pays(10**9, players=1):
            read += 1
            if read == 10_000:
                loop.call_soon_threadsafe(full.set)
            yield row

    async def answer(_: str) -> Response | None:
        return await never()

    api.answer = answer
    running = asyncio.create_task(caller.bulk.run(rows()))
    async with asyncio.timeout(20):
        await full.wait()
    await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert 10_000 <= read <= 10_300


async def test_every_state_has_its_rows(sandbox: Sandbox, client: AsyncGameball) -> None:
    await client.transactions.cashback(player_unique_id="p0", transaction_id="t0", amount=10)
    await client.transactions.cashback(player_unique_id="p1", transaction_id="t1", amount=999)
    sandbox.faults.arm("transactions.cashback", Close(), transaction_id="t2", effect="after")
    sandbox.faults.arm("transactions.list", Status(500), transaction_id="t2", times=99)
    client = with_waits(client.with_options(timeouts=Timeouts(total=1.5)), STANDARD)
    rows = [*pays(4), RedeemRequest(player_unique_id="p3", transaction_id="t4", redeemed_amount=10**6)]
    results = {result.index: result async for result in client.bulk.stream(rows)}

    assert [results[n].state for n in range(5)] == [
        State.ALREADY_APPLIED,
        State.REJECTED,
        State.NEEDS_REVIEW,
        State.APPLIED,
        State.REJECTED,
    ]
    assert [results[n].request for n in range(5)] == rows
    assert [results[n].value is not None for n in range(5)] == [True, False, False, True, False]
    assert isinstance(results[2].error, OutcomeUnknownError)
    assert isinstance(results[4].error, InsufficientBalanceError)
    assert results[4].error.transaction_id == "t4"


async def test_all_four_kinds_go_in_one_run(sandbox: Sandbox, client: AsyncGameball) -> None:
    rows = [
        CashbackRequest(player_unique_id="p", transaction_id="t1", amount=1000),
        ManualRequest(player_unique_id="p", transaction_id="t2", points=500, username="u", reason="r"),
        RedeemRequest(player_unique_id="p", transaction_id="t3", redeemed_amount=1),
        RefundRequest(player_unique_id="p", transaction_id="t4", original_transaction_id="t1"),
    ]
    results = [result async for result in client.bulk.stream(rows)]

    assert [(result.index, result.state) for result in results] == [(n, "applied") for n in range(4)]
    assert [type(result.value).__name__ for result in results] == [
        "CashbackReward",
        "ManualTransaction",
        "Redemption",
        "OrderTransactions",
    ]
    assert [result.points > 0 for result in results] == [True, True, True, False]
    assert len(sandbox.ledger.transactions()) >= 4


@pytest.mark.thorough
async def test_a_report_keeps_the_first_thousand_problems_and_counts_the_rest(api: Api, caller: AsyncGameball) -> None:
    async def answer(_: str) -> Response:
        return 422, {"code": 309, "message": "too little"}

    api.answer = answer
    report = await caller.bulk.run(pays(1100))

    assert (report.rejected, len(report.problems), report.problems_left_out) == (1100, 1000, 100)
    assert all(problem.error is not None for problem in report.problems)


# --- how results come


async def test_results_come_before_a_slow_source_has_ended(client: AsyncGameball) -> None:
    go_on = threading.Event()

    def rows() -> Iterator[CashbackRequest]:
        yield pay(0)
        go_on.wait(10)
        yield pay(1)

    indices: list[int] = []
    async with aclosing(client.bulk.stream(rows())) as results:  # type: ignore[type-var]
        async for result in results:
            indices.append(result.index)
            go_on.set()
    assert indices == [0, 1]


async def test_leaving_early_lets_what_is_in_flight_end(api: Api, caller: AsyncGameball) -> None:
    ended = 0

    async def answer(_: str) -> None:
        nonlocal ended
        await asyncio.sleep(0.05)
        ended += 1

    api.answer = answer
    async with aclosing(caller.bulk.stream(pays(1000), concurrency=8)) as results:  # type: ignore[type-var]
        async for _ in results:
            break
    sent = len(api.ids)

    assert ended == sent
    await asyncio.sleep(0.1)
    assert len(api.ids) == sent < 100


async def test_leaving_early_takes_no_longer_than_what_is_in_flight(api: Api, caller: AsyncGameball) -> None:
    async def answer(identity: str) -> None:
        await asyncio.sleep(0.01 if int(identity[1:]) < 200 else 0.05 * (int(identity[1:]) % 8))

    api.answer = answer
    async with aclosing(caller.bulk.stream(pays(1000), concurrency=8)) as results:  # type: ignore[type-var]
        async for result in results:
            if result.index > 200:
                break
        left = asyncio.get_running_loop().time()

    assert asyncio.get_running_loop().time() - left < STANDARD.leaving / 2


async def test_rows_that_do_not_end_in_time_need_a_review(api: Api, caller: AsyncGameball) -> None:
    with_waits(caller, evolve(SHORT, leaving=0.1))

    async def answer(identity: str) -> Response | None:
        return await never() if identity == "t3" else None

    api.answer = answer
    stop = asyncio.Event()

    def look(report: BulkReport) -> None:
        if report.settled >= 9:
            stop.set()

    report = await caller.bulk.run(pays(10), stop=stop, on_progress=look)

    assert (report.applied, report.needs_review, report.left) == (9, 1, 0)
    assert [problem.index for problem in report.problems] == [3]


async def test_a_run_that_is_stopped_says_how_much_is_left(api: Api, caller: AsyncGameball) -> None:
    stop = asyncio.Event()

    async def answer(identity: str) -> None:
        await asyncio.sleep(0.01)
        if identity == "t50":
            stop.set()

    api.answer = answer
    report = await caller.bulk.run(pays(10_000), concurrency=4, stop=stop)

    assert report.settled == len(api.ids) > 50
    assert report.left == report.rows - report.settled > 0


async def test_progress_is_reported_on_the_way_and_at_the_end(api: Api, caller: AsyncGameball) -> None:
    async def answer(_: str) -> None:
        await asyncio.sleep(0.01)

    api.answer = answer
    reports: list[BulkReport] = []
    report = await caller.bulk.run(pays(200), concurrency=4, on_progress=reports.append)

    settled = [one.settled for one in reports]
    assert len(settled) > 1
    assert settled == sorted(settled)
    assert reports[-1] == report
    assert reports[0] is not report


async def test_an_error_in_on_progress_ends_the_run_in_good_order(api: Api, caller: AsyncGameball) -> None:
    def fail(_: BulkReport) -> None:
        raise ZeroDivisionError

    async def answer(_: str) -> None:
        await asyncio.sleep(0.01)

    api.answer = answer
    with pytest.raises(BulkStoppedError) as stopped:
        await caller.bulk.run(pays(10_000), concurrency=4, on_progress=fail)

    assert isinstance(stopped.value.reason, ZeroDivisionError)
    assert stopped.value.report.settled == len(api.ids)


async def test_an_error_in_on_progress_ends_the_run_the_same_way_before_anything_is_sent(
    api: Api, caller: AsyncGameball
) -> None:
    heard = asyncio.Event()

    def fail(_: BulkReport) -> None:
        heard.set()
        raise ZeroDivisionError

    async def rows() -> AsyncIterator[CashbackRequest]:
        await heard.wait()
        yield pay(0)

    with pytest.raises(BulkStoppedError) as stopped:
        await caller.bulk.run(rows(), on_progress=fail)

    assert isinstance(stopped.value.reason, ZeroDivisionError)
    assert api.ids == []


async def test_a_run_that_is_cancelled_says_how_far_it_was(api: Api, caller: AsyncGameball) -> None:
    async def answer(_: str) -> Response | None:
        return await never()

    api.answer = answer
    running = asyncio.create_task(caller.bulk.run(pays(10)))
    await api.sent(10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await running

    (note,) = cancelled.value.__notes__
    assert note == "the bulk run was cancelled with 10 of 10 rows settled: without a journal it cannot be resumed"
    report = vars(cancelled.value)["report"]
    assert (report.rows, report.needs_review, len(report.problems)) == (10, 10, 10)


# --- what ends a run


async def test_a_bad_row_in_a_list_is_refused_before_anything_is_sent(api: Api, caller: AsyncGameball) -> None:
    with pytest.raises(InvalidRequestError, match=r"rows\[1\] must be one of CashbackRequest, .*, not str"):
        await caller.bulk.run([pay(0), "t1"])  # type: ignore[list-item]
    assert api.ids == []


async def test_a_bad_row_of_a_generator_ends_the_run_after_those_before_it(api: Api, caller: AsyncGameball) -> None:
    def rows() -> Iterator[CashbackRequest]:
        yield from pays(500)
        yield {"amount": 1}  # type: ignore[misc]
        yield from pays(500)

    with pytest.raises(BulkStoppedError, match=r"rows\[500\] must be one of") as stopped:
        await caller.bulk.run(rows())

    assert isinstance(stopped.value.reason, InvalidRequestError)
    assert stopped.value.report.settled == len(api.ids) <= 500


async def test_a_source_that_fails_at_once_raises_its_own_error(api: Api, caller: AsyncGameball) -> None:
    def rows() -> Iterator[CashbackRequest]:
        yield pay(int("x"))

    with pytest.raises(ValueError, match="invalid literal"):
        await caller.bulk.run(rows())
    assert api.ids == []


async def test_a_source_that_fails_later_ends_the_run_in_good_order(api: Api, caller: AsyncGameball) -> None:
    async def rows() -> AsyncIterator[CashbackRequest]:
        for row in pays(300):
            yield row
            await asyncio.sleep(0.0005)
        raise ZeroDivisionError

    with pytest.raises(BulkStoppedError) as stopped:
        await caller.bulk.run(rows())

    assert isinstance(stopped.value.reason, ZeroDivisionError)
    assert stopped.value.report.settled == len(api.ids) > 0


async def test_refused_keys_stop_the_run(sandbox: Sandbox) -> None:
    async with AsyncGameball("wrong", "keys", base_url=sandbox.base_url) as client:
        with pytest.raises(BulkStoppedError, match="0 of") as stopped:
            await client.bulk.run(pays(10_000), concurrency=8)

    report = stopped.value.report
    assert isinstance(stopped.value.reason, AuthenticationError)
    assert (report.settled, report.needs_review) == (0, 0)
    assert len(sandbox.requests) <= 8


async def test_a_run_without_keys_sends_nothing(api: Api) -> None:
    async with AsyncGameball(API_KEY, base_url=api.base_url) as client:
        with pytest.raises(CredentialsError, match="no secret_key"):
            await client.bulk.run(pays(1))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"concurrency": 0}, "concurrency must be from 1"),
        ({"concurrency": 1.5}, "concurrency must be a whole number"),
        ({"via": "pigeon"}, 'via must be "calls" or "batches"'),
        ({"patience": "long"}, "patience must be a number of seconds"),
        ({"patience": True}, "patience must be a number of seconds"),
    ],
)
async def test_a_setting_that_makes_no_sense_is_refused(
    api: Api, caller: AsyncGameball, settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        await caller.bulk.run(pays(1), **settings)  # type: ignore[arg-type]
    assert api.ids == []


@pytest.mark.parametrize("rows", [7, "t1", b"t1", None])
async def test_values_that_are_no_rows_are_refused(caller: AsyncGameball, rows: object) -> None:
    with pytest.raises(InvalidRequestError, match="rows must be an iterable or an async iterable"):
        await caller.bulk.plan(rows)  # type: ignore[arg-type]


async def test_an_error_that_nobody_expected_ends_the_run_and_is_its_reason(
    api: Api, caller: AsyncGameball, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail_after_twenty(*arguments: Any) -> Any:
        if len(api.ids) > 20:
            raise ZeroDivisionError
        return await send_rows(*arguments)

    send_rows = CallSender.send_rows
    monkeypatch.setattr(CallSender, "send_rows", fail_after_twenty)
    with pytest.raises(BulkStoppedError) as stopped:
        await caller.bulk.run(pays(100), concurrency=4)
    assert isinstance(stopped.value.reason, ZeroDivisionError)
    assert stopped.value.report.settled == len(api.ids)


# --- both faces


@pytest.fixture
def plain_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def plain(plain_sandbox: Sandbox) -> Iterator[Gameball]:
    keys = plain_sandbox.api_key, plain_sandbox.secret_key
    with Gameball(*keys, base_url=plain_sandbox.base_url, retries=QUICK) as made:
        yield made


def test_a_plain_run_reads_rows_and_reports_progress_in_the_callers_thread(plain: Gameball) -> None:
    threads: set[int] = set()

    def rows() -> Iterator[CashbackRequest]:
        for row in pays(600):
            threads.add(threading.get_ident())
            yield row

    def complain_of_progress(_: BulkReport) -> None:
        threads.add(threading.get_ident())

    report = plain.bulk.run(rows(), on_progress=complain_of_progress)

    assert report.applied == 600
    assert threads == {threading.get_ident()}


def test_the_plain_client_streams_and_plans(plain: Gameball) -> None:
    results: list[RowResult] = list(plain.bulk.stream(pays(300), concurrency=8))

    assert sorted(result.index for result in results) == list(range(300))
    assert plain.bulk.plan(pays(300)).rows == 300


def test_a_plain_loop_that_is_left_early_ends_in_good_order(plain: Gameball, plain_sandbox: Sandbox) -> None:
    for _ in plain.bulk.stream(pays(5000), concurrency=4):
        break
    sent = len(plain_sandbox.ledger.transactions())

    assert 0 < sent < 1000
    assert plain.transactions.list().total == sent


@pytest.mark.thorough
async def test_awaited_an_iterable_that_blocks_gets_one_thread_of_its_own(client: AsyncGameball) -> None:
    threads: set[str] = set()

    def rows() -> Iterator[CashbackRequest]:
        for row in pays(1000):
            threads.add(threading.current_thread().name)
            yield row

    await client.bulk.run(rows())
    assert threads == {"gameball-rows"}


# --- the plan


async def test_a_plan_says_what_a_run_would_do_and_sends_nothing(api: Api, caller: AsyncGameball) -> None:
    time, later = datetime(2020, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
    rows = [
        pay(0, amount=10),
        pay(1, amount=Decimal("0.5"), transaction_time=time),
        pay(0, amount=99),
        RedeemRequest(player_unique_id="p1", transaction_id="t1", redeemed_amount=2, transaction_time=time),
        pay(5, transaction_time=later),
        RefundRequest(player_unique_id="p1", transaction_id="t8", original_transaction_id="t1"),
    ]
    plan = await caller.with_options(rate_limit=RateLimit((2, 1.0), (3, 10.0))).bulk.plan(rows)

    assert (plan.rows, plan.total_amount) == (6, Decimal("126.5"))
    assert (plan.duplicates, plan.clashes, plan.future, plan.left_out) == (("t0",), ("t1",), ("t5",), 0)
    assert plan.seconds == 20
    assert api.ids == []
    assert (await caller.bulk.plan(rows)).seconds is None


async def test_a_plan_names_the_first_thousand_ids_and_counts_the_rest(caller: AsyncGameball) -> None:
    plan = await caller.bulk.plan([pay(7)] * 1500)
    assert (len(plan.duplicates), plan.left_out) == (1000, 499)


# --- the rate limit


async def test_a_run_keeps_the_clients_rate_limit_and_takes_the_time_it_needs(caller: AsyncGameball) -> None:
    client = caller.with_options(rate_limit=RateLimit((20, 0.2)), timeouts=Timeouts(total=0.3))
    report = await client.bulk.run(pays(100), concurrency=100)

    assert (report.applied, report.rejected) == (100, 0)
    assert report.seconds >= 0.75


async def test_a_run_of_no_rows_ends_at_once(caller: AsyncGameball) -> None:
    report = await caller.bulk.run([])
    assert (report.rows, report.settled, report.sent) == (0, 0, 0)


async def test_a_run_at_an_address_where_nobody_listens_is_given_up(free_port: int) -> None:
    async with AsyncGameball(API_KEY, SECRET_KEY, base_url=f"http://127.0.0.1:{free_port}", retries=QUICK) as client:
        with pytest.raises(BulkStoppedError, match="connection refused") as stopped:
            await client.bulk.run(pays(1000), patience=0)

    assert isinstance(stopped.value.reason, ConnectionFailedError)
    assert (stopped.value.report.settled, stopped.value.report.needs_review) == (0, 0)

"""A run while the API fails: it pauses, probes with one row, and ends when that lasts; no row is missed or doubled."""

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest
from attrs import evolve

from gameball import AsyncGameball, BulkStoppedError, RateLimitedError, Retries, ServerError, State, Timeouts
from gameball.bulk.breaker import IN_A_ROW, LONGEST_PAUSE, CircuitBreaker, Resends
from gameball.core.http import Failure, Fault, Response as Answer
from gameball.core.waits import STANDARD
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Close, Status, TooManyRequests
from tests.support.bulk_api import Api, Response, pays
from tests.support.waits import SHORT, with_waits

pytestmark = [pytest.mark.many_cases, pytest.mark.usefixtures("quick_looks")]


SOON = evolve(SHORT, leaving=0.2)


@pytest.mark.thorough
async def test_an_outage_is_waited_out(sandbox: Sandbox, client: AsyncGameball) -> None:
    with_waits(client, SOON)
    sandbox.faults.arm("transactions.cashback", Close(), nth=200, times=60)
    report = await client.bulk.run(pays(1000), concurrency=32)

    assert (report.applied, report.left) == (1000, 0)
    assert report.pauses >= 1
    assert len(sandbox.ledger.transactions()) == 1000


async def test_a_long_retry_after_holds_for_the_whole_run(api: Api, caller: AsyncGameball) -> None:
    times: list[float] = []

    async def answer(identity: str) -> Response | None:
        times.append(time.monotonic())
        return (429, {}) if identity == "t40" and api.ids.count("t40") == 1 else None

    api.answer = answer
    api.headers = {"Retry-After": "1"}
    report = await caller.bulk.run(pays(200), concurrency=4)

    assert (report.applied, report.rejected, report.pauses) == (200, 0, 1)
    assert isinstance(report.slowed_by, RateLimitedError)
    assert max(later - before for before, later in pairwise(times)) >= 0.9  # some were on their way already


async def test_a_wait_longer_than_the_patience_ends_the_run(sandbox: Sandbox, client: AsyncGameball) -> None:
    with_waits(client, SOON)
    sandbox.faults.arm("transactions.cashback", TooManyRequests("600"), nth=5, times=999)
    with pytest.raises(BulkStoppedError) as stopped:
        await client.bulk.run(pays(100), concurrency=2, patience=300)

    assert isinstance(stopped.value.reason, RateLimitedError)
    assert stopped.value.reason.retry_after == 600
    assert stopped.value.report.needs_review == 0
    assert stopped.value.report.applied == 4


@pytest.mark.thorough
async def test_an_outage_that_lasts_ends_the_run_and_only_what_was_sent_needs_a_review(
    sandbox: Sandbox, client: AsyncGameball
) -> None:
    sandbox.faults.arm("transactions.cashback", Status(503), nth=50, times=10**6)
    sandbox.faults.arm("transactions.list", Status(503), times=10**6)
    hasty = client.with_options(retries=Retries(attempts=2, backoff=0.01, cap=0.02), timeouts=Timeouts(total=0.4))
    with pytest.raises(BulkStoppedError) as stopped:
        await hasty.bulk.run(pays(500), concurrency=8, patience=0.5)

    report = stopped.value.report
    assert isinstance(stopped.value.reason, ServerError)
    assert (report.applied, report.rejected) == (49, 0)
    assert 0 < report.needs_review <= 8 + 8
    assert {problem.state for problem in report.problems} == {State.NEEDS_REVIEW}


# --- the breaker itself


class Clock:
    """The loop's time, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def ended(
    status: int | None, operation: str = "transactions.cashback", headers: Any = None
) -> tuple[str, Answer | Failure]:
    """An exchange's operation and result; without a status, no answer came."""
    if status is None:
        return operation, Failure(fault=Fault.CONNECTION, sent=False, reason="connection refused")
    return operation, Answer(status=status, headers=headers or {}, body=b"")


def breaker_of(limit: int, patience: float) -> CircuitBreaker:
    return CircuitBreaker(limit, patience, STANDARD.first_pause, wake=lambda: None)


def trip(breaker: CircuitBreaker) -> None:
    for _ in range(IN_A_ROW):
        breaker.note(*ended(503))


async def test_a_success_in_between_ends_a_row_of_failures(clock: Clock) -> None:
    breaker = breaker_of(8, 300)
    for status in ([503] * (IN_A_ROW - 1) + [200]) * 3:
        breaker.note(*ended(status))
    assert breaker.closed
    assert clock.now == 1000


async def test_after_a_pause_one_row_probes_and_its_success_closes_the_breaker_at_half_the_limit(clock: Clock) -> None:
    breaker = breaker_of(8, 300)
    assert breaker.admits(7)
    trip(breaker)
    assert not breaker.admits(0)
    clock.now += STANDARD.first_pause
    assert breaker.admits(0)
    assert not breaker.admits(0)
    breaker.note(*ended(200))

    assert [breaker.admits(flying) for flying in (3, 4, 7)] == [True, False, False]
    for _ in range(4):
        breaker.note(*ended(200))
    assert [breaker.admits(flying) for flying in (7, 8)] == [True, False]
    assert breaker.pauses == 1


async def test_each_probe_that_fails_makes_the_pause_longer_up_to_a_bound(clock: Clock) -> None:
    breaker = breaker_of(8, 10_000)
    trip(breaker)
    pauses: list[float] = []
    for _ in range(9):
        began = clock.now
        while not breaker.admits(0):
            clock.now += 0.5
        pauses.append(clock.now - began)
        breaker.note(*ended(None))

    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert pauses[-1] == LONGEST_PAUSE
    assert breaker.pauses == 1


async def test_what_was_on_its_way_when_the_breaker_opened_says_nothing_new(clock: Clock) -> None:
    breaker = breaker_of(8, 300)
    trip(breaker)
    for _ in range(50):
        breaker.note(*ended(503))
    clock.now += STANDARD.first_pause
    assert breaker.admits(0)


async def test_a_longer_retry_after_that_comes_meanwhile_is_kept(clock: Clock) -> None:
    breaker = breaker_of(8, 300)
    for seconds in ("5", "60", "7"):
        breaker.note(*ended(429, headers={"Retry-After": seconds}))
    clock.now += 59
    assert not breaker.admits(0)
    clock.now += 1
    assert breaker.admits(0)
    assert breaker.pauses == 1


async def test_a_look_up_that_is_answered_after_the_pause_is_as_good_as_a_probe(clock: Clock) -> None:
    breaker = breaker_of(8, 300)
    trip(breaker)
    breaker.note(*ended(200, "transactions.list"))
    assert not breaker.closed
    clock.now += STANDARD.first_pause
    breaker.note(*ended(200, "transactions.list"))
    assert breaker.closed


async def test_a_probe_without_an_exchange_makes_place_for_another(clock: Clock) -> None:
    breaker = breaker_of(8, 300)
    trip(breaker)
    clock.now += STANDARD.first_pause
    assert breaker.admits(0)
    breaker.rows_ended()
    assert breaker.admits(0)


async def test_the_breaker_gives_up_when_its_patience_is_over(clock: Clock) -> None:
    breaker = breaker_of(8, 3)
    trip(breaker)
    for _ in range(3):
        clock.now += 1.5
        if breaker.admits(0):
            breaker.note(*ended(None))

    assert not breaker.closed
    assert not breaker.admits(0)
    assert str(breaker.given_up) == "no answer comes: connection refused (transactions.cashback)"
    breaker.give_up(ZeroDivisionError())
    assert not isinstance(breaker.given_up, ZeroDivisionError)


async def test_resends_are_free_while_the_breaker_is_closed_and_none_are_made_when_it_is_open(clock: Clock) -> None:
    breaker = breaker_of(8, 3)
    resends = Resends(breaker=breaker)
    assert all(resends.take() for _ in range(100))
    trip(breaker)
    resends.earn(resent=False)
    assert not resends.take()
    assert clock.now == 1000


# --- a short Retry-After


def deferred(seconds: str) -> tuple[str, Answer | Failure]:
    return ended(429, headers={"Retry-After": seconds})


def limit_of(breaker: CircuitBreaker) -> int:
    return next(flying for flying in range(1000) if not breaker.admits(flying))


async def test_a_short_retry_after_halves_the_limit_once_for_that_long(clock: Clock) -> None:
    breaker = breaker_of(64, 300)
    for _ in range(5):
        breaker.note(*deferred("0.1"))
    assert (limit_of(breaker), breaker.closed, breaker.pauses) == (32, True, 0)
    clock.now += 0.1
    breaker.note(*deferred("0.1"))

    assert limit_of(breaker) == 16
    assert isinstance(breaker.slowed_by, RateLimitedError)
    assert breaker.slowed_by.retry_after == 0.1


async def test_the_limit_grows_back_with_every_success_and_never_ends_at_none(clock: Clock) -> None:
    breaker = breaker_of(4, 300)
    for _ in range(9):
        breaker.note(*deferred("0.1"))
        breaker.note(*ended(200, "transactions.list"))
        clock.now += 1
    assert 1 <= limit_of(breaker) <= 4
    for _ in range(4):
        breaker.note(*ended(200))

    assert limit_of(breaker) == 4


async def test_deferrals_in_a_row_open_the_breaker_however_short(clock: Clock) -> None:
    breaker = breaker_of(64, 300)
    for _ in range(IN_A_ROW):
        assert breaker.closed
        breaker.note(*deferred("0"))
    assert not breaker.closed
    clock.now += STANDARD.first_pause
    assert breaker.admits(0)


@pytest.mark.parametrize("seconds", ["0.6", "1", "30", "", "soon"])
async def test_any_other_429_opens_the_breaker(clock: Clock, seconds: str) -> None:
    breaker = breaker_of(64, 300)
    breaker.note(*deferred(seconds))
    assert (breaker.closed, breaker.pauses) == (False, 1)
    assert clock.now == 1000


async def test_few_short_waits_do_not_stop_a_run(api: Api, caller: AsyncGameball) -> None:
    refused: list[str] = []

    async def answer(identity: str) -> Response | None:
        if int(identity[1:]) % 50 == 7 and identity not in refused:
            refused.append(identity)
            return 429, {}
        return None

    api.answer = answer
    api.headers = {"Retry-After": "0.1"}
    report = await caller.bulk.run(pays(1000), concurrency=32)

    assert (report.applied, report.sent, report.pauses) == (1000, 1020, 0)
    assert isinstance(report.slowed_by, RateLimitedError)
    assert report.seconds < 20 * STANDARD.first_pause


async def test_it_knows_how_far_it_is_closed_and_how_long_it_was_open(clock: Clock) -> None:
    breaker = breaker_of(64, 300)
    assert (breaker.limit, breaker.paused) == (None, 0)
    breaker.note(*deferred("2"))
    clock.now += 1.5
    assert (breaker.limit, breaker.paused) == (0, 1.5)
    clock.now += 0.5
    breaker.note(*ended(200))
    clock.now += 10
    assert (breaker.limit, breaker.paused) == (32, 2)
    breaker.note(*deferred("1"))
    clock.now += 1
    breaker.note(*ended(200))
    assert (breaker.limit, breaker.paused) == (16, 3)
    for _ in range(48):
        breaker.note(*ended(200))
    assert breaker.limit is None


@pytest.mark.thorough
async def test_a_report_says_how_long_everything_waited(api: Api, caller: AsyncGameball) -> None:
    async def answer(identity: str) -> Response | None:
        return (429, {}) if identity == "t40" and api.ids.count("t40") == 1 else None

    api.answer = answer
    api.headers = {"Retry-After": "1"}
    limits: set[int | None] = set()
    report = await caller.bulk.run(pays(200), concurrency=4, on_progress=lambda report: limits.add(report.limit))
    assert 1 <= report.paused <= report.seconds
    assert {0, None} <= limits

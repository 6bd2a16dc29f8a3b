"""A run while the API fails: it pauses, probes with one row, and ends when that lasts; nothing is lost or doubled."""

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest
from bulk_api import Answer, Api, pays

from gameball import AsyncGameball, BulkStoppedError, RateLimitedError, Retries, ServerError, State, Timeouts
from gameball.bulk.gate import FIRST_PAUSE, IN_A_ROW, LONGEST_PAUSE, Gate, Resends
from gameball.core.delivery import Attempt
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Close, Status, TooManyRequests

pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gameball.bulk.gate.FIRST_PAUSE", 0.05)
    monkeypatch.setattr("gameball.bulk.run.GRACE", 0.2)


@pytest.mark.usefixtures("short_pauses")
async def test_an_outage_is_waited_out(sandbox: Sandbox, client: AsyncGameball) -> None:
    sandbox.faults.arm("transactions.cashback", Close(), nth=200, times=60)
    report = await client.bulk.run(pays(1000), concurrency=32)

    assert (report.applied, report.left) == (1000, 0)
    assert report.pauses >= 1
    assert len(sandbox.ledger.transactions()) == 1000


async def test_a_wait_that_the_api_asks_for_holds_for_the_whole_run(api: Api, caller: AsyncGameball) -> None:
    times: list[float] = []

    async def answer(identity: str) -> Answer | None:
        times.append(time.monotonic())
        return (429, {}) if identity == "t40" and api.ids.count("t40") == 1 else None

    api.answer = answer
    api.headers = {"Retry-After": "1"}
    report = await caller.bulk.run(pays(200), concurrency=4)

    assert (report.applied, report.rejected, report.pauses) == (200, 0, 1)
    assert max(later - before for before, later in pairwise(times)) >= 1


@pytest.mark.usefixtures("short_pauses")
async def test_a_wait_longer_than_the_patience_ends_the_run(sandbox: Sandbox, client: AsyncGameball) -> None:
    sandbox.faults.arm("transactions.cashback", TooManyRequests("600"), nth=5, times=999)
    with pytest.raises(BulkStoppedError) as stopped:
        await client.bulk.run(pays(100), concurrency=2, patience=300)

    assert isinstance(stopped.value.reason, RateLimitedError)
    assert stopped.value.reason.retry_after == 600
    assert stopped.value.report.needs_review == 0
    assert stopped.value.report.applied == 4


@pytest.mark.usefixtures("short_pauses")
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


# --- the gate itself


class Clock:
    """The loop's time, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def told(status: int | None, operation: str = "transactions.cashback", headers: Any = None) -> Attempt:
    return Attempt(
        operation=operation,
        number=1,
        status=status,
        headers=headers,
        request_id=None,
        reason=None if status else "connection refused",
        seconds=0.1,
        next="raise",
        wait=0.0,
    )


def shut(gate: Gate) -> None:
    for _ in range(IN_A_ROW):
        gate.note(told(503))


async def test_a_success_in_between_ends_a_row_of_failures(clock: Clock) -> None:
    gate = Gate(8, 300)
    for status in ([503] * (IN_A_ROW - 1) + [200]) * 3:
        gate.note(told(status))
    assert gate.open
    assert clock.now == 1000


async def test_after_a_pause_one_row_probes_and_its_success_opens_at_half_the_width(clock: Clock) -> None:
    gate = Gate(8, 300)
    assert gate.admits(7)
    shut(gate)
    assert not gate.admits(0)
    clock.now += FIRST_PAUSE
    assert gate.admits(0)
    assert not gate.admits(0)
    gate.note(told(200))

    assert [gate.admits(flying) for flying in (3, 4, 7)] == [True, False, False]
    for _ in range(4):
        gate.note(told(200))
    assert [gate.admits(flying) for flying in (7, 8)] == [True, False]
    assert gate.pauses == 1


async def test_each_probe_that_fails_makes_the_pause_longer_up_to_a_bound(clock: Clock) -> None:
    gate = Gate(8, 10_000)
    shut(gate)
    pauses: list[float] = []
    for _ in range(9):
        began = clock.now
        while not gate.admits(0):
            clock.now += 0.5
        pauses.append(clock.now - began)
        gate.note(told(None))

    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert pauses[-1] == LONGEST_PAUSE
    assert gate.pauses == 1


async def test_what_was_on_its_way_when_the_gate_shut_says_nothing_new(clock: Clock) -> None:
    gate = Gate(8, 300)
    shut(gate)
    for _ in range(50):
        gate.note(told(503))
    clock.now += FIRST_PAUSE
    assert gate.admits(0)


async def test_a_longer_wait_that_is_asked_for_meanwhile_is_kept(clock: Clock) -> None:
    gate = Gate(8, 300)
    for seconds in ("5", "60", "7"):
        gate.note(told(429, headers={"Retry-After": seconds}))
    clock.now += 59
    assert not gate.admits(0)
    clock.now += 1
    assert gate.admits(0)
    assert gate.pauses == 1


async def test_a_look_up_that_is_answered_after_the_pause_is_as_good_as_a_probe(clock: Clock) -> None:
    gate = Gate(8, 300)
    shut(gate)
    gate.note(told(200, "transactions.list"))
    assert not gate.open
    clock.now += FIRST_PAUSE
    gate.note(told(200, "transactions.list"))
    assert gate.open


async def test_a_probe_of_which_nothing_was_heard_makes_place_for_another(clock: Clock) -> None:
    gate = Gate(8, 300)
    shut(gate)
    clock.now += FIRST_PAUSE
    assert gate.admits(0)
    gate.rows_ended()
    assert gate.admits(0)


async def test_the_gate_gives_up_when_its_patience_is_over(clock: Clock) -> None:
    gate = Gate(8, 3)
    shut(gate)
    for _ in range(3):
        clock.now += 1.5
        if gate.admits(0):
            gate.note(told(None))

    assert not gate.open
    assert not gate.admits(0)
    assert str(gate.given_up) == "no answer comes: connection refused (transactions.cashback)"
    gate.give_up(ZeroDivisionError())
    assert not isinstance(gate.given_up, ZeroDivisionError)


async def test_resends_are_free_while_the_gate_is_open_and_none_when_it_is_shut(clock: Clock) -> None:
    gate = Gate(8, 3)
    resends = Resends(gate=gate)
    assert all(resends.take() for _ in range(100))
    shut(gate)
    resends.earn(resent=False)
    assert not resends.take()
    assert clock.now == 1000

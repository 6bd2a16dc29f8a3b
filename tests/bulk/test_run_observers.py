"""What observers see of a bulk run: its start, its rows as they end, its end."""

from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from gameball import (
    AsyncGameball,
    Attempt,
    AuthenticationError,
    BulkReport,
    BulkStoppedError,
    Call,
    CashbackRequest,
    Gameball,
    RedeemRequest,
    RowResult,
)
from gameball.sandbox import Sandbox, faults
from tests.support.bulk_api import QUICK, pays

seen_in: ContextVar[str] = ContextVar("seen_in", default="nothing")


class Follower:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str]] = []
        self.ends: list[tuple[int, BaseException | None]] = []
        self.contexts: list[str] = []

    def run_started(self, report: BulkReport) -> BulkReport:
        seen_in.set("a run")
        return report

    def exchanged(self, _: Attempt) -> None:
        self.contexts.append(seen_in.get())

    def rows_ended(self, results: Sequence[RowResult], token: BulkReport) -> None:
        assert results
        assert isinstance(token, BulkReport)
        self.rows += [(result.index, result.state.value) for result in results]

    def run_ended(self, report: BulkReport, error: BaseException | None, token: BulkReport) -> None:
        assert report is token
        self.ends.append((report.settled, error))


class OnlyStarts:
    def __init__(self) -> None:
        self.reports: list[BulkReport] = []

    def run_started(self, report: BulkReport) -> None:
        self.reports.append(report)


def client_of(sandbox: Sandbox, *observers: Any) -> AsyncGameball:
    return AsyncGameball(
        sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url, retries=QUICK, observers=observers
    )


@pytest.mark.parametrize("journal", [False, True])
async def test_a_run_is_seen_from_its_start_to_its_end(sandbox: Sandbox, tmp_path: Path, *, journal: bool) -> None:
    follower, starts = Follower(), OnlyStarts()
    rows = [*pays(3), RedeemRequest(player_unique_id="nobody", transaction_id="r1", redeemed_amount=5)]
    async with client_of(sandbox, follower, starts) as client:
        report = await client.bulk.run(rows, journal=tmp_path / "j.db" if journal else None)

    assert sorted(follower.rows) == [(0, "applied"), (1, "applied"), (2, "applied"), (3, "rejected")]
    assert follower.ends == [(4, None)]
    assert starts.reports == [report]


async def test_the_runs_calls_share_its_context_and_the_caller_does_not(sandbox: Sandbox) -> None:
    follower = Follower()
    async with client_of(sandbox, follower) as client:
        async for _ in client.bulk.stream(pays(5)):
            assert seen_in.get() == "nothing"

    assert follower.contexts == ["a run"] * 5


def test_a_plain_run_is_seen_too(sandbox: Sandbox) -> None:
    follower = Follower()
    settings: dict[str, Any] = {"base_url": sandbox.base_url, "observers": [follower]}
    with Sandbox() as plain_sandbox:
        settings["base_url"] = plain_sandbox.base_url
        with Gameball(plain_sandbox.api_key, plain_sandbox.secret_key, **settings) as client:
            client.bulk.run(pays(3))

    assert follower.ends == [(3, None)]
    assert follower.contexts == ["a run"] * 3
    assert seen_in.get() == "nothing"


async def test_a_run_that_is_stopped_ends_with_its_error(sandbox: Sandbox) -> None:
    follower = Follower()
    sandbox.faults.arm("transactions.cashback", faults.Status(401, {"code": 1000, "message": "no"}), nth=2, times=99)
    async with client_of(sandbox, follower) as client:
        with pytest.raises(BulkStoppedError) as stopped:
            await client.bulk.run(pays(5), concurrency=1)

    assert follower.ends == [(1, stopped.value)]
    assert isinstance(stopped.value.reason, AuthenticationError)


async def test_rows_that_end_while_a_stream_is_left_are_seen_too(sandbox: Sandbox) -> None:
    follower = Follower()
    async with client_of(sandbox, follower) as client:
        results: Any = client.bulk.stream(pays(300), concurrency=8)
        async for _ in results:
            break
        await results.aclose()

    ((settled, error),) = follower.ends
    assert error is None
    assert settled == len(follower.rows) == len(sandbox.ledger.transactions())


async def test_an_observer_of_runs_alone_costs_calls_nothing(sandbox: Sandbox) -> None:
    async with client_of(sandbox, OnlyStarts()) as client:
        assert not client._delivery.observers.of_calls
        assert not client._delivery.observers.of_exchanges


async def test_an_observer_may_follow_calls_and_runs(sandbox: Sandbox) -> None:
    class Both(OnlyStarts):
        def __init__(self) -> None:
            super().__init__()
            self.calls: list[str] = []

        def started(self, call: Call) -> None:
            self.calls.append(call.operation)

    both = Both()
    async with client_of(sandbox, both) as client:
        await client.bulk.run([CashbackRequest(player_unique_id="p", transaction_id="t", amount=10)])

    assert (len(both.reports), both.calls) == (1, ["transactions.cashback"])

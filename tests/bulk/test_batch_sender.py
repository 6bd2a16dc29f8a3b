"""Rows through batches: what a batch reports is believed, what it leaves out is looked up, and nothing goes twice."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from gameball import (
    AsyncGameball,
    BulkStoppedError,
    CashbackRequest,
    DuplicateTransactionError,
    InvalidRequestError,
    JournalError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimit,
    RedeemRequest,
    RefundRequest,
    Retries,
    State,
    Timeouts,
)
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Close, Delay, Html, Status
from tests.support.bulk_api import pay, pays
from tests.support.waits import SHORT, with_waits

pytestmark = [pytest.mark.many_cases, pytest.mark.usefixtures("quick_looks")]


def count(sandbox: Sandbox, operation: str) -> int:
    return sum(request.operation == operation for request in sandbox.requests)


async def test_rows_go_a_thousand_at_a_time(sandbox: Sandbox, client: AsyncGameball) -> None:
    report = await client.bulk.run(list(pays(2500)), via="batches")

    assert (report.rows, report.applied, report.left) == (2500, 2500, 0)
    assert report.points == sum(entry.points for entry in sandbox.ledger.transactions())
    assert (report.sent, count(sandbox, "batches.start")) == (3, 3)
    assert count(sandbox, "transactions.list") == 0


async def test_a_players_rows_go_in_one_batch_after_the_other(sandbox: Sandbox, client: AsyncGameball) -> None:
    report = await client.bulk.run(pays(60, players=20), via="batches")

    assert (report.applied, report.sent) == (60, 3)
    numbers = [int((entry.transaction_id or "")[1:]) for entry in sandbox.ledger.transactions()]
    assert [number // 20 for number in numbers] == [0] * 20 + [1] * 20 + [2] * 20


async def test_cashbacks_and_redemptions_go_in_batches_of_their_own(sandbox: Sandbox, client: AsyncGameball) -> None:
    for number in range(3):
        await client.transactions.cashback(player_unique_id=f"r{number}", transaction_id=f"a{number}", amount=5000)
    redeems = [RedeemRequest(player_unique_id=f"r{n}", transaction_id=f"b{n}", redeemed_amount=1) for n in range(3)]
    results = [result async for result in client.bulk.stream([*pays(3), *redeems], via="batches")]

    assert sorted(result.index for result in results) == list(range(6))
    assert {result.state for result in results} == {State.APPLIED}
    assert all(result.points > 0 for result in results)
    assert {type(result.value).__name__ for result in results} == {"CashbackReward", "Redemption"}
    assert count(sandbox, "batches.start") == 2


async def test_failed_rows_are_rejected_unless_they_were_there_before(sandbox: Sandbox, client: AsyncGameball) -> None:
    await client.transactions.cashback(player_unique_id="p1", transaction_id="t1", amount=11)
    await client.transactions.cashback(player_unique_id="p2", transaction_id="t2", amount=999)
    results = {result.index: result async for result in client.bulk.stream(pays(4), via="batches")}

    assert [results[n].state for n in range(4)] == ["applied", "already_applied", "rejected", "applied"]
    error = results[2].error
    assert error is not None
    assert (error.operation, error.transaction_id, error.outcome) == ("transactions.cashback", "t2", "not_applied")
    assert len(sandbox.ledger.transactions()) == 4


@pytest.mark.parametrize("rows", [list, iter])
async def test_other_kinds_are_refused(client: AsyncGameball, rows: Callable[[Any], Any]) -> None:
    refund = RefundRequest(player_unique_id="p", transaction_id="t", original_transaction_id="o")
    with pytest.raises(InvalidRequestError, match=r"rows\[0\] must be one of CashbackRequest, RedeemRequest, not Refu"):
        await client.bulk.run(rows([refund]), via="batches")


async def test_a_journal_with_other_kinds_cannot_be_resumed_by_batches(client: AsyncGameball, tmp_path: Path) -> None:
    refund = RefundRequest(player_unique_id="p", transaction_id="t", original_transaction_id="o")
    await client.bulk.run([refund], journal=tmp_path / "j.db")
    with pytest.raises(InvalidRequestError, match='via cannot be "batches"'):
        await client.bulk.resume(tmp_path / "j.db", via="batches")


@pytest.mark.parametrize("effect", ["after", "before"])
async def test_rows_of_a_start_without_answer_are_looked_up_before_anything_is_sent_again(
    sandbox: Sandbox, client: AsyncGameball, effect: Any
) -> None:
    """The sandbox works on a batch only when it is read: what was started there is never worked on."""
    sandbox.faults.arm("batches.start", Close(), effect=effect)
    report = await client.bulk.run(pays(50), via="batches")

    assert (report.applied, report.left) == (50, 0)
    assert len({entry.transaction_id for entry in sandbox.ledger.transactions()}) == 50
    assert len(sandbox.ledger.transactions()) == 50
    assert report.looked_up >= 50
    assert report.sent == 2


@pytest.mark.parametrize("fault", [Status(404, {}), Html(404), Status(404, {"code": 3, "message": "no batch"})])
async def test_rows_of_a_batch_that_can_no_longer_be_read_are_looked_up(
    sandbox: Sandbox, client: AsyncGameball, fault: Any
) -> None:
    sandbox.faults.arm("batches.get", fault, times=999)
    report = await client.bulk.run(pays(5), via="batches", concurrency=5)

    assert report.needs_review == 5
    assert report.looked_up >= 10
    assert {type(problem.error) for problem in report.problems} == {OutcomeUnknownError}


async def test_what_neither_batch_nor_list_shows_needs_a_review(sandbox: Sandbox, client: AsyncGameball) -> None:
    sandbox.faults.arm("batches.start", Close(), effect="after")
    sandbox.faults.arm("transactions.list", Html(), times=999)
    report = await client.with_options(timeouts=Timeouts(total=0.3)).bulk.run(pays(3), via="batches")

    assert (report.needs_review, report.left) == (3, 0)


SILENT = Status(200, {"batchId": "b", "status": "finished", "response": {"successful": [], "failed": []}})


async def test_rows_that_a_batch_does_not_name_are_looked_up(sandbox: Sandbox, client: AsyncGameball) -> None:
    """It finished, and left out its rows once: what is not in the list is sent again."""
    sandbox.faults.arm("batches.get", SILENT, nth=2)
    report = await client.bulk.run(pays(10), via="batches")

    assert (report.applied, report.left) == (10, 0)
    assert len(sandbox.ledger.transactions()) == 10
    assert report.looked_up > 0


@pytest.mark.parametrize(
    "named",
    [
        {"playerUniqueId": "p0", "transactionId": "t0", "gameballTransactionId": "7"},
        {"playerUniqueId": "p0", "transactionId": "t0", "points": 2},
        {"playerUniqueId": "p0", "transactionId": "another", "gameballTransactionId": "7", "points": 2},
        {"playerUniqueId": "another", "transactionId": "t0", "gameballTransactionId": "7", "points": 2},
    ],
    ids=["no points", "no id", "another transaction", "another player"],
)
async def test_rows_that_a_batch_names_in_part_are_looked_up(
    sandbox: Sandbox, client: AsyncGameball, named: dict[str, Any]
) -> None:
    await client.transactions.cashback(player_unique_id="p0", transaction_id="t0", amount=10)
    body = {"batchId": "b", "status": "finished", "response": {"successful": [named], "failed": []}}
    sandbox.faults.arm("batches.get", Status(200, body))
    (result,) = [result async for result in client.bulk.stream(pays(1), via="batches")]

    assert (result.state, result.value is not None) == (State.APPLIED, True)
    assert count(sandbox, "transactions.list") == 1


async def test_a_failed_row_that_cannot_be_looked_up_needs_a_review(sandbox: Sandbox, client: AsyncGameball) -> None:
    body = {
        "batchId": "b",
        "status": "finished",
        "response": {"successful": [], "failed": [{"playerUniqueId": "p0"}]},
    }
    sandbox.faults.arm("batches.get", Status(200, body))
    sandbox.faults.arm("transactions.list", Html(403), times=9999)
    report = await client.with_options(timeouts=Timeouts(total=0.3)).bulk.run(pays(1), via="batches")

    assert report.needs_review == 1


async def test_a_failed_row_that_says_not_why_is_rejected_all_the_same(sandbox: Sandbox, client: AsyncGameball) -> None:
    failed = {"batchId": "b", "status": "failed", "response": {"successful": [], "failed": [{"playerUniqueId": "p0"}]}}
    sandbox.faults.arm("batches.get", Status(200, failed))
    report = await client.bulk.run(pays(1), via="batches")

    assert report.rejected == 1
    assert "says that it failed, and not why" in str(report.problems[0].error)


async def test_a_refused_batch_rejects_its_rows(sandbox: Sandbox, client: AsyncGameball) -> None:
    sandbox.faults.arm("batches.start", Status(400, {"code": 1, "message": "nonsense"}))
    report = await client.bulk.run(pays(3), via="batches")

    assert (report.rejected, report.applied) == (3, 0)
    assert sandbox.ledger.transactions() == []


async def test_an_account_without_batches_stops_the_run(sandbox: Sandbox, client: AsyncGameball) -> None:
    sandbox.faults.arm("batches.start", Status(403, {"code": 8000, "message": "not in your plan"}))
    with pytest.raises(BulkStoppedError) as stopped:
        await client.bulk.run(pays(3), via="batches")

    assert isinstance(stopped.value.reason, PermissionDeniedError)
    assert stopped.value.report.left == 3


async def test_keys_that_are_refused_on_the_way_stop_the_run(sandbox: Sandbox, client: AsyncGameball) -> None:
    sandbox.faults.arm("batches.get", Status(401, {"code": 1001, "message": "no"}), times=99)
    with pytest.raises(BulkStoppedError):
        await client.bulk.run(pays(3), via="batches")


async def test_rows_that_never_get_anywhere_need_a_review_in_the_end(sandbox: Sandbox, client: AsyncGameball) -> None:
    sandbox.faults.arm("batches.get", SILENT, times=99)
    report = await client.bulk.run(pays(2), via="batches")

    assert report.needs_review == 2
    assert "no batch says what became of it" in str(report.problems[0].error)
    assert sandbox.ledger.transactions() == []


async def test_a_resumed_run_follows_its_batch_first(sandbox: Sandbox, client: AsyncGameball, tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    sandbox.faults.arm("batches.get", Html(), times=10**6)
    running = asyncio.create_task(client.bulk.run(pays(40), journal=path, via="batches"))
    while not count(sandbox, "batches.get"):
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for armed in sandbox.faults.unfired:
        armed.times = armed.fired
    report = await client.bulk.resume(path)

    assert (report.applied, report.looked_up) == (40, 0)
    assert count(sandbox, "batches.start") == 1
    assert len(sandbox.ledger.transactions()) == 40


async def test_a_chunk_is_sent_when_its_source_has_no_more_rows(client: AsyncGameball) -> None:
    def rows() -> Iterator[CashbackRequest]:
        yield pay(0)
        yield pay(1)

    report = await client.bulk.run(rows(), via="batches")
    assert report.applied == 2


# --- batches that stand still, and rows that are applied late


async def test_repeated_ids_in_a_chunk_concern_their_own_rows_only(sandbox: Sandbox, client: AsyncGameball) -> None:
    rows = [*pays(20), CashbackRequest(player_unique_id="x1", transaction_id="t3", amount=5)]
    report = await client.bulk.run(rows, via="batches")

    assert (report.applied, report.rejected) == (20, 1)
    (problem,) = report.problems
    assert problem.request.player_unique_id == "x1"
    assert len(sandbox.ledger.transactions()) == 20


@pytest.mark.parametrize("word", ["cancelled", "error", "completedWithErrors", "inProgress", "pending"])
async def test_a_batch_that_stands_still_is_not_followed_for_ever(
    sandbox: Sandbox, client: AsyncGameball, word: str
) -> None:
    body = {"batchId": "b", "status": word, "response": {"successful": [], "failed": []}}
    sandbox.faults.arm("batches.get", Status(200, body), times=9999)
    report = await client.bulk.run(pays(2), via="batches", patience=0.2)

    assert (report.needs_review, report.left) == (2, 0)
    assert report.looked_up >= 4
    assert {type(problem.error) for problem in report.problems} == {OutcomeUnknownError}


async def test_what_a_batch_names_before_it_stands_still_counts(sandbox: Sandbox, client: AsyncGameball) -> None:
    named = {"playerUniqueId": "p0", "transactionId": "t0", "gameballTransactionId": "7", "points": 2}
    body = {"batchId": "b", "status": "odd", "response": {"successful": [named], "failed": []}}
    sandbox.faults.arm("batches.get", Status(200, body), times=9999)
    report = await client.bulk.run(pays(2), via="batches", patience=0.2)

    assert (report.applied, report.needs_review) == (1, 1)


async def test_rows_whose_batch_may_take_longer_than_they_are_looked_up_need_a_review(
    sandbox: Sandbox, client: AsyncGameball
) -> None:
    with_waits(client, evolve(SHORT, batch_start=30.0, longest_search=0.1))
    sandbox.faults.arm("batches.start", Close(), effect="before")
    report = await client.bulk.run(pays(3), via="batches")

    assert (report.needs_review, report.sent) == (3, 1)
    assert sandbox.ledger.transactions() == []


async def test_rows_of_a_batch_that_works_late_are_found_and_not_sent_again(
    sandbox: Sandbox, client: AsyncGameball
) -> None:
    """Its start has no answer; its rows are applied while their time has not passed."""
    with_waits(client, evolve(SHORT, batch_start=0.5))
    sandbox.faults.arm("batches.start", Close(), effect="before")
    running = asyncio.create_task(client.bulk.run(pays(3), via="batches"))
    await asyncio.sleep(0.3)
    for number in range(3):
        await client.transactions.cashback(
            player_unique_id=f"p{number}", transaction_id=f"t{number}", amount=10 + number
        )
    report = await running

    assert (report.applied, report.sent) == (3, 1)
    assert len(sandbox.ledger.transactions()) == 3


# --- absence is believed only of two look-ups

NOTHING = Status(200, {"transactions": [], "count": 0, "total": 0})


def named(outcome: str, *players: str, status: str = "finished") -> Status:
    """A batch whose answer names these players as successful or failed."""
    rows = [{"playerUniqueId": player, "message": "transaction id already exists"} for player in players]
    return Status(200, {"batchId": "b", "status": status, "response": {"successful": [], "failed": [], outcome: rows}})


@pytest.mark.parametrize("status", ["finished", "failed", "stopped", "odd"])
async def test_a_failed_row_that_the_list_shows_late_was_already_applied(
    sandbox: Sandbox, client: AsyncGameball, status: str
) -> None:
    await client.transactions.cashback(player_unique_id="p0", transaction_id="t0", amount=10)
    sandbox.faults.arm("batches.get", named("failed", "p0", status=status), times=99)
    sandbox.faults.arm("transactions.list", NOTHING)
    report = await client.bulk.run(pays(1), via="batches", patience=0.1)

    assert (report.already_applied, report.looked_up) == (1, 2)
    assert len(sandbox.ledger.transactions()) == 1


@pytest.mark.parametrize("lists", [[NOTHING, Html()], [Html(), NOTHING]], ids=["then unreadable", "unreadable before"])
async def test_a_failed_row_that_one_look_up_misses_is_looked_up_until_a_second_one_does(
    sandbox: Sandbox, client: AsyncGameball, lists: list[Any]
) -> None:
    once = client.with_options(retries=Retries(attempts=1))
    sandbox.faults.arm("batches.get", named("failed", "p0"))
    for fault in lists:
        sandbox.faults.arm("transactions.list", fault)
    report = await once.bulk.run(pays(1), via="batches")

    assert (report.rejected, report.looked_up) == (1, 3)
    assert report.problems[0].error is not None
    assert report.problems[0].error.outcome == "not_applied"


async def test_a_failed_row_that_is_missed_once_and_then_unreadable_needs_a_review(
    sandbox: Sandbox, client: AsyncGameball
) -> None:
    sandbox.faults.arm("batches.get", named("failed", "p0"))
    sandbox.faults.arm("transactions.list", NOTHING)
    sandbox.faults.arm("transactions.list", Html(), times=9999)
    report = await client.with_options(timeouts=Timeouts(total=0.3)).bulk.run(pays(1), via="batches")

    assert (report.needs_review, report.rejected) == (1, 0)


async def test_keys_that_are_refused_at_a_look_up_stop_the_run(sandbox: Sandbox, client: AsyncGameball) -> None:
    sandbox.faults.arm("batches.get", SILENT)
    sandbox.faults.arm("transactions.list", Status(401, {"code": 1001, "message": "no"}), times=99)
    with pytest.raises(BulkStoppedError) as stopped:
        await client.bulk.run(pays(3), via="batches")

    assert stopped.value.report.needs_review == 3
    assert len(sandbox.ledger.transactions()) == 0


async def test_many_rows_whose_look_ups_cannot_be_read_cost_few(sandbox: Sandbox, client: AsyncGameball) -> None:
    sandbox.faults.arm("batches.get", SILENT)
    sandbox.faults.arm("transactions.list", Html(), times=9999)
    report = await client.with_options(timeouts=Timeouts(total=0.3)).bulk.run(list(pays(300)), via="batches")

    assert report.needs_review == 300
    assert report.looked_up < 100


# --- how long rows of a batch in doubt are looked up


async def test_a_caller_may_say_how_long_rows_are_looked_up(sandbox: Sandbox, client: AsyncGameball) -> None:
    with_waits(client, evolve(SHORT, batch_start=600.0))
    sandbox.faults.arm("batches.start", Close(), effect="before")
    report = await client.bulk.run(pays(3), via="batches", lookup_time=0.1)

    assert (report.applied, report.sent) == (3, 2)
    assert report.looked_up >= 6


@pytest.mark.parametrize("given", ["600", True, -1, float("nan"), float("inf")])
async def test_a_lookup_time_is_a_number_of_seconds(client: AsyncGameball, given: Any) -> None:
    with pytest.raises(InvalidRequestError, match="lookup_time must be a number of seconds"):
        await client.bulk.run(pays(1), via="batches", lookup_time=given)


@pytest.mark.parametrize(
    ("limit", "rows", "sent_again"),
    [
        (None, 12, True),
        (RateLimit((1000, 1.0)), 12, True),
        (RateLimit((600, 3600.0)), 12, False),
    ],
    ids=["published", "faster than published", "very slow"],
)
async def test_the_rate_limit_says_how_long_a_batch_may_take(
    sandbox: Sandbox,
    client: AsyncGameball,
    monkeypatch: pytest.MonkeyPatch,
    limit: RateLimit | None,
    rows: int,
    *,
    sent_again: bool,
) -> None:
    """Sixty times as fast as in truth: 12 rows take 1 s (then 1/60 s) as published, and 72 s at 600 in an hour."""
    monkeypatch.setattr("gameball.bulk.batch_sender.PUBLISHED", RateLimit((720, 1.0)))
    with_waits(client, evolve(SHORT, longest_search=1.0))
    sandbox.faults.arm("batches.start", Close(), effect="before")
    limited = client.with_options(rate_limit=limit) if limit is not None else client
    report = await limited.bulk.run(pays(rows), via="batches")

    assert (report.applied, report.needs_review) == ((rows, 0) if sent_again else (0, rows))


async def test_a_killed_run_whose_batch_has_no_id_looks_its_rows_up_before_anything_is_sent(
    sandbox: Sandbox, client: AsyncGameball, tmp_path: Path
) -> None:
    path = tmp_path / "j.db"
    sandbox.faults.arm("batches.start", Delay(30.0), effect="before")
    running = asyncio.create_task(client.bulk.run(pays(20), journal=path, via="batches"))
    while not count(sandbox, "batches.start"):
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.transactions.cashback(player_unique_id="p3", transaction_id="t3", amount=13)
    report = await client.bulk.resume(path)

    assert (report.applied, report.left) == (20, 0)
    assert report.looked_up >= 39
    assert len(sandbox.ledger.transactions()) == 20


# --- repeated ids


async def test_every_repetition_in_a_chunk_is_named(sandbox: Sandbox, client: AsyncGameball) -> None:
    rows = [
        CashbackRequest(player_unique_id=f"x{n}", transaction_id=transaction_id, amount=5)
        for n, transaction_id in enumerate(["a", "b", "a", "A", "b", "a"])
    ]
    results = {result.index: result async for result in client.bulk.stream(rows, via="batches")}

    assert [results[n].state for n in range(6)] == [
        "applied",
        "applied",
        "rejected",
        "applied",
        "rejected",
        "rejected",
    ]
    assert str(results[4].error) == "transaction_id is the same as in rows[1]; it is taken only once"
    assert len(sandbox.ledger.transactions()) == 3


async def test_cashbacks_and_redemptions_may_share_an_id(sandbox: Sandbox, client: AsyncGameball) -> None:
    await client.transactions.cashback(player_unique_id="r", transaction_id="first", amount=5000)
    redeem = RedeemRequest(player_unique_id="r", transaction_id="t0", redeemed_amount=1)
    results = {result.index: result async for result in client.bulk.stream([*pays(1), redeem], via="batches")}

    assert "taken only once" not in str([result.error for result in results.values()])
    assert count(sandbox, "batches.start") == 2


# --- a journal whose rows are in doubt in a batch


async def killed_in_a_batch(sandbox: Sandbox, client: AsyncGameball, path: Path, operation: str) -> None:
    """A run by batches that ended while this operation had no answer."""
    sandbox.faults.arm(operation, Delay(30.0), effect="before", times=9)
    running = asyncio.create_task(client.bulk.run(pays(20), journal=path, via="batches"))
    while not count(sandbox, operation):
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    sandbox.faults.clear()


@pytest.mark.parametrize("operation", ["batches.start", "batches.get"])
async def test_rows_in_doubt_in_a_batch_are_not_sent_by_calls(
    sandbox: Sandbox, client: AsyncGameball, tmp_path: Path, operation: str
) -> None:
    """A look-up finds nothing of rows that their batch is still to work on."""
    path = tmp_path / "j.db"
    await killed_in_a_batch(sandbox, client, path, operation)
    with pytest.raises(InvalidRequestError, match='via cannot be "calls" yet: rows of a batch are in doubt'):
        await client.bulk.resume(path, via="calls")
    with pytest.raises(InvalidRequestError, match='via cannot be "calls" yet'):
        await client.bulk.run(pays(20), journal=path)

    assert count(sandbox, "transactions.cashback") == 0
    report = await client.bulk.resume(path)
    assert (report.applied, report.left) == (20, 0)
    assert len(sandbox.ledger.transactions()) == 20


async def test_a_journal_of_calls_is_resumed_by_batches_while_rows_of_a_batch_are_in_doubt(
    sandbox: Sandbox, client: AsyncGameball, tmp_path: Path
) -> None:
    path = tmp_path / "j.db"
    sandbox.faults.arm("transactions.cashback", Status(401, {"code": 1001, "message": "no"}), times=99)
    with pytest.raises(BulkStoppedError):
        await client.bulk.run(pays(20), journal=path)
    sandbox.faults.clear()
    await killed_in_a_batch(sandbox, client, path, "batches.start")
    report = await client.bulk.resume(path)

    assert (report.applied, report.left) == (20, 0)
    assert count(sandbox, "batches.start") == 2
    again = await client.bulk.resume(path, via="calls")
    assert again.applied == 20


async def test_a_row_in_doubt_whose_id_is_another_transactions_needs_a_review(
    sandbox: Sandbox, client: AsyncGameball
) -> None:
    await client.transactions.cashback(player_unique_id="p1", transaction_id="t1", amount=999)
    sandbox.faults.arm("batches.start", Close(), effect="before")
    results = {result.index: result async for result in client.bulk.stream(pays(3), via="batches")}

    assert [results[n].state for n in range(3)] == ["applied", "needs_review", "applied"]
    error = results[1].error
    assert isinstance(error, DuplicateTransactionError)
    assert (error.outcome, error.transaction_id) == ("unknown", "t1")


async def test_a_batch_that_cannot_be_written_down_is_not_started(
    sandbox: Sandbox, client: AsyncGameball, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise JournalError("journal j.db cannot grow: the disk is full")

    path = tmp_path / "j.db"
    monkeypatch.setattr("gameball.bulk.journal.store.Journal.record_batch", fail)
    with pytest.raises(JournalError, match="the disk is full"):
        await client.bulk.run(pays(3), journal=path, via="batches")
    assert count(sandbox, "batches.start") == 0
    monkeypatch.undo()
    report = await client.bulk.resume(path, lookup_time=0.01)

    assert (report.applied, report.left) == (3, 0)

"""What a journal keeps of how its runs went: samples over time, and the rows that took longest."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from gameball import AsyncGameball, BulkReport, RowResult, State
from gameball.bulk.journal import JournalReader, history
from gameball.bulk.journal.history import History, Sample, latest, outliers, samples
from gameball.errors import RateLimitedError, ServerError
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Close, Delay, Status
from tests.support.bulk_api import pay, pays

pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rewards.db"


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        yield opened


def result(index: int, *, seconds: float = 0.0, attempts: int = 1, failed: bool = False) -> RowResult:
    state, error = (State.REJECTED, ServerError("no")) if failed else (State.APPLIED, None)
    return RowResult(index=index, request=pay(index), state=state, error=error, seconds=seconds, attempts=attempts)


def history_of(path: Path) -> tuple[list[Sample], dict[int, tuple[float, int]]]:
    with closing(sqlite3.connect(path)) as database:
        return samples(database), {number: rest for number, *rest in outliers(database)}  # type: ignore[misc]


# --- samples


async def test_a_run_leaves_a_sample_of_its_start_and_one_of_its_end(
    sandbox: Sandbox, client: AsyncGameball, path: Path
) -> None:
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 7, "message": "no"}), transaction_id="t5")
    report = await client.bulk.run(pays(100), journal=path)
    first, *_, last = history_of(path)[0]
    assert (first.run, first.settled, first.sent) == (1, 0, 0)
    assert (last.run, last.settled, last.problems, last.sent) == (1, 100, 1, report.sent)
    assert last.problem == 5
    assert last.seconds >= first.seconds
    assert 0 <= last.time - first.time < 60


async def test_each_run_on_a_journal_has_samples_of_its_own(
    sandbox: Sandbox, client: AsyncGameball, path: Path
) -> None:
    sandbox.faults.arm("transactions.cashback", Status(401, {"code": 10, "message": "no"}), nth=50)
    with pytest.raises(Exception, match="no"):
        await client.bulk.run(pays(100), journal=path, concurrency=2)
    await client.bulk.resume(path)
    taken = history_of(path)[0]
    assert sorted({one.run for one in taken}) == [1, 2]
    assert taken[1].settled == taken[2].settled < 100
    assert taken[-1].settled == 100


async def test_a_journal_that_is_only_looked_at_gets_no_sample(client: AsyncGameball, path: Path) -> None:
    await client.bulk.run(pays(10), journal=path)
    before = history_of(path)
    JournalReader(path).__exit__()
    assert history_of(path) == before


def test_samples_are_a_second_apart_but_a_pause_has_one_of_its_own(database: sqlite3.Connection) -> None:
    kept, report = History(database), BulkReport(rows=100)
    for tenth in range(31):
        report.seconds = tenth / 10
        if tenth == 15:
            report.pauses, report.slowed_by = 1, RateLimitedError("too many requests")
        kept.note(report, [result(tenth)])
        report.applied += 1
    taken = samples(database)
    assert [one.seconds for one in taken] == [0, 1, 1.5, 2.5]
    assert [one.settled for one in taken] == [1, 11, 16, 26]
    assert [one.slowed_by for one in taken] == [None, None, "too many requests", "too many requests"]
    kept.end(report)
    assert latest(database) == samples(database)[-1]
    assert samples(database)[-1].settled == 31


def test_a_long_run_keeps_few_samples_and_those_where_its_runs_begin_and_end(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST", 50)
    report = BulkReport(rows=10**9)
    for _ in range(3):
        kept = History(database)
        for _ in range(1000):
            report.seconds += 1
            kept.note(report, [result(report.applied)])
            report.applied += 1
        kept.end(report)
    taken = samples(database)
    assert len(taken) <= 50 + 6
    assert [one.seconds for one in taken] == sorted(one.seconds for one in taken)
    ends = {run: [one.seconds for one in taken if one.run == run] for run in (1, 2, 3)}
    assert [(times[0], times[-1]) for times in ends.values()] == [(1, 1000), (1001, 2000), (2001, 3000)]


# --- the rows that took longest


async def test_slow_rows_and_rows_that_were_sent_again_are_kept(
    sandbox: Sandbox, client: AsyncGameball, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "OUTLIERS", 3)
    sandbox.faults.arm("transactions.cashback", Delay(0.3), transaction_id="t7")
    sandbox.faults.arm("transactions.cashback", Close(), transaction_id="t9", times=2)
    await client.bulk.run(pays(100), journal=path)
    kept = history_of(path)[1]
    assert kept[7][0] >= 0.3
    assert kept[9][1] == 3
    assert len(kept) <= 6


async def test_rows_of_a_batch_count_how_often_they_were_in_one(
    sandbox: Sandbox, client: AsyncGameball, path: Path
) -> None:
    sandbox.faults.arm("batches.start", Close())
    await client.bulk.run(pays(3), journal=path, via="batches", lookup_time=0.1)
    assert {attempts for _, attempts in history_of(path)[1].values()} == {2}


def drawn(kept: History, report: BulkReport, results: Sequence[RowResult]) -> None:
    for start in range(0, len(results), 7):
        kept.note(report, results[start : start + 7])


def test_of_many_rows_the_slowest_and_those_sent_most_often_stay(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "OUTLIERS", 5)
    rows = [result(n, seconds=n * 37 % 1000, attempts=1 + (n % 100 == 0) * n) for n in range(1000)]
    report = BulkReport(rows=1000)
    drawn(History(database), report, rows[:600])
    drawn(History(database), report, rows[600:])  # another run goes on from what there is
    slowest = sorted(rows, key=lambda row: -row.seconds)[:5]
    most_sent = sorted(rows, key=lambda row: -row.attempts)[:5]
    assert {number for number, *_ in outliers(database)} == {row.index for row in [*slowest, *most_sent]}


# --- older journals


async def test_a_journal_without_a_history_is_read_and_gets_one(
    sandbox: Sandbox, client: AsyncGameball, path: Path
) -> None:
    sandbox.faults.arm("transactions.cashback", Status(401, {"code": 10, "message": "no"}), nth=5)
    with pytest.raises(Exception, match="no"):
        await client.bulk.run(pays(10), journal=path, concurrency=1)
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE samples")
        database.execute("DROP TABLE outliers")
        assert (samples(database), latest(database), outliers(database)) == ([], None, [])
    JournalReader(path).__exit__()
    assert (await client.bulk.resume(path)).applied == 10
    assert [one.run for one in history_of(path)[0]] == [1, 1]

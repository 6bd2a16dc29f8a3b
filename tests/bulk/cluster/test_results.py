"""Results in the shared directory: written in parts, read whatever became of their writers."""

from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs the extra dask")

from gameball.bulk.cluster import results
from gameball.bulk.cluster.lease import Lease
from gameball.bulk.cluster.results import Figures, Progress, Results, read_results
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.journal.load import Columns
from gameball.errors import JournalError


@pytest.fixture
def shared(tmp_path: Path) -> SharedDirectory:
    return SharedDirectory(tmp_path / "run")


def applied(row: int, points: str | None = "5") -> Columns:
    return row, "applied", points, "17", None


def test_results_are_written_in_parts_of_which_the_last_one_grows(
    shared: SharedDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "PART", 4)
    writer = Results(shared, 3, "00001-a", ())
    written: list[str] = []
    monkeypatch.setattr(SharedDirectory, "write", _noting(SharedDirectory.write, written))
    for row in range(11):
        writer.add(applied(row))
        if row in {2, 3, 8}:
            writer.write()
    writer.write()
    writer.write()
    assert [name.rpartition("-")[2] for name in written] == [
        *("00000.jsonl", "00000.jsonl"),
        *("00001.jsonl", "00002.jsonl", "00002.jsonl"),
    ]
    assert read_results(shared, 3) == {row: applied(row) for row in range(11)}


def _noting(write: object, written: list[str]) -> object:
    def noted(self: SharedDirectory, name: str, content: bytes) -> None:
        written.append(name)
        write(self, name, content)  # type: ignore[operator]

    return noted


def test_a_row_has_one_result_from_a_worker_and_those_that_are_known_none(shared: SharedDirectory) -> None:
    writer = Results(shared, 0, "00001-a", {1: None})
    for row in (0, 0, 1):
        writer.add(applied(row))
    writer.write()
    assert (shared.read("results/00000/00001-a-00000.jsonl") or b"").count(b"\n") == 1


def test_a_file_that_is_cut_short_keeps_its_whole_lines(shared: SharedDirectory) -> None:
    shared.write("results/00000/00001-a-00000.jsonl", b'[1,"applied","5","17",null]\n[2,"applied","5"')
    shared.write("results/00000/.half", b'[9,"applied","5","17",null]')
    shared.write("results/00000/00002-b-00000.jsonl", b'[3,"no such state","5","17",null]\n[1]\n\xff\n')
    assert read_results(shared, 0) == {1: (1, "applied", "5", "17", None)}


def test_of_two_results_of_a_row_the_surer_one_holds(shared: SharedDirectory) -> None:
    for holder, states in {
        "00001-a": ("applied", "needs_review", "rejected", "already_applied"),
        "00002-b": ("rejected", "applied", "needs_review", "rejected"),
    }.items():
        writer = Results(shared, 0, holder, ())
        for row, state in enumerate(states):
            writer.add((row, state, None, None, None))
        writer.write()
    assert [state for _, state, *_ in read_results(shared, 0).values()] == [
        *("applied", "applied", "needs_review", "already_applied")
    ]


def test_what_could_not_be_written_is_written_the_next_time(
    shared: SharedDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Results(shared, 0, "00001-a", ())
    writer.add(applied(1))
    with monkeypatch.context() as failing:
        failing.setattr("gameball.bulk.cluster.storage.os.fsync", _full)
        with pytest.raises(JournalError, match="No space left"):
            writer.write()
    writer.add(applied(2))
    writer.write()
    assert set(read_results(shared, 0)) == {1, 2}


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_figures_are_those_of_the_results() -> None:
    figures = Figures(applied=7, rejected=7, points=99, sent=9, looked_up=2)
    exact = figures.with_results({0: applied(0), 1: applied(1, "0.5"), 2: (2, "rejected", None, None, "{}")})
    assert exact == Figures(applied=2, rejected=1, points=Decimal("5.5"), sent=9, looked_up=2)
    assert (exact.settled, exact.problems) == (3, 1)


def test_progress_comes_back_as_it_was_written(shared: SharedDirectory) -> None:
    progress = Progress(
        holder="00001-a",
        submission=(1, "b"),
        closed=True,
        in_doubt=((1, None), (2, "batch")),
        recent=(0.5,),
        figures=Figures(applied=1, points=Decimal("5.5"), sent=2),
        slowed_by="too many requests",
    )
    progress.write(shared, 0)
    assert Progress.read(shared, 0) == progress
    assert progress.closes(Lease("00001-a"))
    assert not progress.closes(Lease("00002-b"))
    assert not progress.closes(None)

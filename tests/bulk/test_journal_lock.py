"""Who may use a journal: one run at a time, under whatever name, for the account that its rows went to."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gameball import CashbackRequest, JournalError, Secret
from gameball.bulk.journal import Account, Journal, JournalReader
from gameball.bulk.journal.lock import JournalLock
from gameball.bulk.rows import Row

MINE = Account(api_key=Secret("key-of-the-first-account"), base_url="https://one.test/api/v3.0")
OTHER = Account(api_key=Secret("key-of-another-account"), base_url="https://one.test/api/v3.0")
ELSEWHERE = Account(api_key=Secret("key-of-the-first-account"), base_url="https://two.test/api/v3.0")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rewards.db"


def filled(path: Path, account: Account = MINE) -> Journal:
    journal = Journal(path, create=True)
    loading = journal.load()
    loading.add([CashbackRequest(player_unique_id=f"p{n}", transaction_id=f"t{n}", amount=5) for n in range(4)])
    journal.loaded_by(loading, account, "calls")
    return journal


def claim(journal: Journal, count: int = 2) -> list[Row]:
    return journal.commit_and_claim([], [], count)


# --- one run at a time

START = """
import sys, time
from gameball import CashbackRequest, JournalError, Secret
from gameball.bulk.journal import Account, Journal
sys.stdin.readline()
try:
    journal = Journal(sys.argv[1], create=True)
    loading = journal.load()
    loading.add([CashbackRequest(player_unique_id="p", transaction_id="t", amount=5)])
    journal.loaded_by(loading, Account(api_key=Secret("key-of-an-account"), base_url="http://x"), "calls")
except JournalError as error:
    print("refused:", error, flush=True)
else:
    print("runs", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("attempt", range(3))
def test_of_two_starts_at_once_one_runs_and_the_other_is_given_its_process(path: Path, attempt: int) -> None:
    del attempt
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", START, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    lines = []
    for program in programs:
        assert program.stdin
        program.stdin.write("go\n")
        program.stdin.flush()
    for program in programs:
        assert program.stdout
        lines.append(program.stdout.readline().strip())
    for program in programs:
        program.communicate("end\n", timeout=20)

    (winner,) = [program for program, line in zip(programs, lines, strict=True) if line == "runs"]
    (refused,) = [line for line in lines if line != "runs"]
    assert refused.startswith(f"refused: journal {path} is in use by ")
    assert refused.endswith((f"process {winner.pid}", "another process"))
    with closing(Journal(path)) as journal:
        assert journal.report.rows == 1


def test_a_second_run_in_the_same_process_is_refused(path: Path) -> None:
    with closing(filled(path)), pytest.raises(JournalError, match=f"in use by process {os.getpid()}"):
        Journal(path)
    Journal(path).close()


def test_no_close_of_the_file_by_others_drops_the_lock(path: Path) -> None:
    with closing(filled(path)):
        path.read_bytes()
        sqlite3.connect(path).close()
        with JournalReader(path) as reader:
            assert reader.contents.report.rows == 4
        with pytest.raises(JournalError, match="in use"):
            Journal(path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_neither_keeps_nor_drops_the_lock(path: Path) -> None:
    reading, writing = os.pipe()
    with closing(filled(path)):
        child = os.fork()
        if not child:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        with pytest.raises(JournalError, match="in use"):
            Journal(path)
    Journal(path).close()
    os.close(writing)
    os.close(reading)
    os.waitpid(child, 0)


def test_a_journal_that_never_got_its_rows_is_taken_away_and_its_lock_file_stays(path: Path) -> None:
    """Whoever comes next must lock the same file as whoever is waiting."""
    Journal(path, create=True).close()
    assert [entry.name for entry in path.parent.iterdir()] == ["rewards.db.lock"]


def test_a_lock_can_be_released_twice(path: Path) -> None:
    lock = JournalLock(path, path)
    lock.release()
    lock.release()
    JournalLock(path, path).release()


def test_a_lock_file_without_a_process_in_it_is_another_process_s(path: Path) -> None:
    lock = JournalLock(path, path)
    path.with_name("rewards.db.lock").write_text("")
    with pytest.raises(JournalError, match="in use by another process"):
        Journal(path, create=True)
    lock.release()


# --- names


@pytest.mark.parametrize(
    "name", [":memory:", "file:x.db", "file:x?mode=memory", "q?mode=ro.db", "h#1.db", "p%41.db", "it's.db", "a b.db"]
)
def test_any_name_is_the_name_of_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    filled(Path(name)).close()
    assert (tmp_path / name).stat().st_size > 0
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    with JournalReader(name) as reader:
        assert reader.contents.report.rows == 4


@pytest.mark.parametrize("there", [True, False], ids=["to a file", "dangling"])
def test_a_link_is_refused_before_anything_is_made(path: Path, tmp_path: Path, there: bool) -> None:  # noqa: FBT001
    target = tmp_path / "somebody's"
    if there:
        target.write_bytes(b"")
    path.symlink_to(target)
    for opening in (lambda: Journal(path, create=True), lambda: Journal(path), lambda: JournalReader(path)):
        with pytest.raises(JournalError, match=r"is a link: name the file itself"):
            opening()
    assert target.exists() == there
    assert not path.with_name("rewards.db.lock").exists()


def test_an_sqlite_that_is_too_old_is_refused_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 37, 2))
    with pytest.raises(JournalError, match=r"needs SQLite 3\.38\.0 or newer"):
        Journal(path, create=True)
    assert not path.exists()


# --- reading


def test_a_report_is_read_while_a_run_is_at_work(path: Path) -> None:
    with closing(filled(path)) as journal:
        claim(journal)
        with JournalReader(path) as reader:
            assert (reader.contents.report.rows, reader.contents.bound) == (4, True)


def test_an_archived_journal_is_read_where_nothing_can_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path).close()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with JournalReader(path) as reader:
        assert reader.contents.report.rows == 4
    assert not path.with_name("rewards.db-wal").exists()


def test_a_file_without_rows_cannot_be_reported(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(JournalError, match="holds no rows yet"):
        JournalReader(path)


# --- whose rows they are


@pytest.mark.parametrize("other", [OTHER, ELSEWHERE], ids=["account", "address"])
def test_a_journal_whose_rows_never_left_is_nobodys(path: Path, other: Account) -> None:
    with closing(filled(path)) as journal:
        released = claim(journal)
        journal.release(released, unheard=False)
    with closing(Journal(path)) as journal:
        journal.check(other)
        claim(journal)
    with closing(Journal(path)) as journal, pytest.raises(JournalError, match="belongs to"):
        journal.check(MINE)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [(OTHER, "belongs to another account"), (ELSEWHERE, "belongs to https://one.test/api/v3.0, not to https://two")],
    ids=["account", "address"],
)
def test_rows_that_may_have_left_bind_a_journal(path: Path, other: Account, sentence: str) -> None:
    with closing(filled(path)) as journal:
        claim(journal, 1)
    with closing(Journal(path)) as journal:
        with pytest.raises(JournalError, match=sentence):
            journal.check(other)
        journal.check(MINE)

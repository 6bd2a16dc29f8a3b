"""A file that is read in several passes: the same bytes in each, or an error."""

import gzip
import io
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gameball.bulk.report import SeenIds
from gameball.cli import input_file
from gameball.cli.input_file import BadRowsError
from gameball.cli.rows_file import RowsFile

HEADER = "player_unique_id,transaction_id,amount\n"
ROWS = HEADER + "".join(f"p{n},t{n},{n + 1}\n" for n in range(50))


def append(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("p51,t51,300000\n")


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(200)


def change_in_place(path: Path) -> None:
    """The same size and the same time, and other amounts."""
    before = path.stat()
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(content.replace(b"p7,t7,8", b"p7,t7,9"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path) -> None:
    other = path.with_name("other.csv")
    shutil.copy2(path, other)
    append(other)
    other.replace(path)


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


@pytest.mark.parametrize("change", [append, cut, change_in_place, replace, touch, Path.unlink])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_that_changed_after_its_check_gives_no_row(
    folder: Path, change: Callable[[Path], object], *, compressed: bool
) -> None:
    path = folder / "orders.csv"
    path.write_bytes(gzip.compress(ROWS.encode(), 0) if compressed else ROWS.encode())
    with RowsFile(path) as rows:
        assert len(list(rows)) == len(list(rows)) == 50
        change(path)
        with pytest.raises(BadRowsError, match=r"orders\.csv: has changed since it was checked"):
            next(iter(rows))


def test_a_file_that_changes_during_its_check_gives_no_row_later(folder: Path) -> None:
    path = folder / "orders.csv"
    path.write_text(ROWS, encoding="utf-8")
    with RowsFile(path) as rows:
        reading = iter(rows)
        next(reading)
        append(path)
        list(reading)
        with pytest.raises(BadRowsError, match="has changed"):
            next(iter(rows))


def test_a_file_that_changes_while_it_is_sent_gives_no_changed_row(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_file, "BLOCK", 64)
    path = folder / "orders.csv"
    path.write_text(HEADER + "".join(f"p{n},t{n},{n + 1}\n" for n in range(5000)), encoding="utf-8")
    with RowsFile(path) as rows:
        checked = list(rows)
        sent = iter(rows)
        given = [next(sent)]
        content = path.read_bytes()
        path.write_bytes(content[:-40] + content[-40:].replace(b"5", b"6"))
        with pytest.raises(BadRowsError, match="has changed"):
            given.extend(sent)
    assert given == checked[: len(given)]
    assert 0 < len(given) < 5000


def test_a_check_that_was_stopped_early_is_no_check(folder: Path) -> None:
    path = folder / "orders.csv"
    path.write_text(ROWS, encoding="utf-8")
    with RowsFile(path) as rows:
        next(iter(rows))
        append(path)
        assert len(list(rows)) == 51


def test_a_file_that_fails_while_it_is_read_is_refused_by_its_name(folder: Path) -> None:
    class Broken(io.BytesIO):
        def fileno(self) -> int:
            return 0

        def read(self, *_: object) -> bytes:
            raise OSError(5, "Input/output error")

    path = folder / "orders.csv"
    path.write_text(ROWS, encoding="utf-8")
    with RowsFile(path) as rows:
        rows._file._file.close()
        rows._file._file = Broken()
        with pytest.raises(BadRowsError, match=r"orders\.csv: Input/output error"):
            list(rows)


def test_a_private_file_of_what_was_seen_that_fails_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, at: int) -> int:
        raise sqlite3.OperationalError(f"database or disk is full at {at}")

    monkeypatch.setattr(SeenIds, "first", full)
    path = folder / "orders.csv"
    path.write_text(ROWS, encoding="utf-8")
    with RowsFile(path) as rows, pytest.raises(BadRowsError) as refused:
        list(rows)
    assert str(refused.value) == (
        "a private temporary file cannot be used: database or disk is full at 2; TMPDIR names the folder for such files"
    )


def test_a_file_is_named_without_what_would_steer_a_terminal(folder: Path) -> None:
    path = folder / "or\x1b[2Jders.csv"
    path.write_text("x", encoding="utf-8")
    with RowsFile(path) as rows, pytest.raises(BadRowsError, match=r"^or\\x1b\[2Jders\.csv: lacks"):
        list(rows)


def test_standard_input_that_is_closed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(BadRowsError, match=r"^standard input: is closed$"):
        RowsFile("-")


@pytest.mark.parametrize("failing", ["TemporaryFile", "copyfileobj"])
def test_a_private_copy_that_cannot_be_made_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ROWS.encode())))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(input_file if failing == "TemporaryFile" else shutil, failing, full)
    with pytest.raises(BadRowsError) as refused:
        RowsFile("-")
    assert str(refused.value) == (
        f"standard input: cannot be copied to a temporary file in {folder}: No space left on device"
    )

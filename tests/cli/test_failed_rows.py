"""Rows written to a file: read again as the same rows, safe in a spreadsheet and at a terminal, and private."""

import csv
import os
import stat
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from gameball import (
    APIError,
    Branch,
    CashbackRequest,
    LineItem,
    ManualRequest,
    Merchant,
    OutcomeUnknownError,
    RedeemRequest,
    RefundRequest,
    RowResult,
    State,
)
from gameball.bulk.rows import Request
from gameball.cli import failed_rows
from gameball.cli.failed_rows import private_file, protected, unprotected, write_rows
from gameball.cli.rows_file import RowsFile


def alone(results: list[RowResult]) -> list[tuple[RowResult, dict[str, str]]]:
    """Rows of a file that had no other columns."""
    return [(result, {}) for result in results]


def test_rows_that_failed_are_written_so_that_they_read_as_the_same_requests(folder: Path) -> None:
    requests: list[Request] = [
        CashbackRequest(
            player_unique_id="ada, the first",
            transaction_id="o\r1",
            amount=Decimal("0.00001"),
            email="ada@example.com",
            transaction_time=datetime(2019, 9, 19, 16, 14, 9, 895, UTC),
            merchant=Merchant(unique_id="m1", name='The "Shop"', branch=Branch(name="Nörd")),
        ),
        RefundRequest(
            player_unique_id="ada",
            transaction_id="r1",
            original_transaction_id="o1",
            line_items=(LineItem(product_id="p1", quantity=Decimal("1.5")), LineItem(product_id="p2")),
        ),
        RedeemRequest(player_unique_id="ada", transaction_id="p1", redeemed_amount=10**14),
        ManualRequest(player_unique_id="a", transaction_id="m1", username="ops", reason="two\nlines", points=-3),
    ]
    errors = [APIError("no", code=305), OutcomeUnknownError("no answer"), APIError(), None]
    results = [
        RowResult(index=index, request=request, state=State.REJECTED, error=error)
        for index, (request, error) in enumerate(zip(requests, errors, strict=True))
    ]
    path = folder / "failed.csv"
    assert write_rows(path, lambda: alone(results)) == 4

    with RowsFile(path) as rows:
        assert list(rows) == requests
        assert rows.passed_over == ["row", "code", "message"]
    with path.open(encoding="utf-8", newline="") as file:
        assert "otp" not in file.readline()
    assert path.read_bytes().count(b",305,no\r\n") == 1


def test_without_failed_rows_the_file_has_its_titles_only(folder: Path) -> None:
    path = folder / "failed.csv"
    assert write_rows(path, lambda: alone([])) == 0
    assert path.read_text(encoding="utf-8").splitlines() == ["operation,row,code,message"]


def test_more_rows_than_are_kept_are_written_as_well(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_rows, "KEPT", 3)
    for number in range(8):
        requests = [CashbackRequest(player_unique_id="a", transaction_id=f"t{n}", amount=5) for n in range(number)]
        rows = [
            (RowResult(index=n, request=request, state=State.REJECTED), {"note": f"n{n}"})
            for n, request in enumerate(requests)
        ]
        path = folder / f"{number}.csv"
        assert write_rows(path, partial(iter, rows)) == number
        with path.open(encoding="utf-8", newline="") as file:
            assert [row["note"] for row in csv.DictReader(file)] == [f"n{n}" for n in range(number)]


DANGEROUS = [
    *("=cmd|'/C calc'!A0", "@SUM(1+1)", "+201234", "-2+3", "\tx", "\rx", "\nx", "'+31612", "'", "''", "\uff1d1+1"),
    *("a\x1b[2Jb", "two\nlines", "\u202eada", "=\\n\\\\", "\x00", "\U000e0001x", "tab\there"),
]
ORDINARY = ["ada", "A-1", "a=b", "José", "a\\b", r"a\x1b", "1.5", "日本", "O'Brien", "\U0001f600"]


@pytest.mark.parametrize("text", [*DANGEROUS, *ORDINARY])
def test_a_protected_cell_is_harmless_and_stands_for_the_same_text(text: str) -> None:
    cell = protected(text)
    assert cell.isprintable()
    assert cell[0] not in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
    assert unprotected(cell) == text
    assert (cell == text) is (text in ORDINARY)


@given(st.text(min_size=1))
def test_any_text_survives_its_protection(text: str) -> None:
    cell = protected(text)
    assert cell.isprintable()
    assert unprotected(cell) == text


def test_what_a_spreadsheet_would_run_or_a_terminal_obey_reads_back_as_it_was(folder: Path) -> None:
    texts = [text for text in DANGEROUS if text == text.strip()]
    requests = [
        CashbackRequest(player_unique_id=text, transaction_id=f"{text}x", amount=5, mobile=text) for text in texts
    ]
    error = APIError('=HYPERLINK("http://x","y")\nrow 1: fine\x1b[2J', code=7)
    results = [
        RowResult(index=index, request=request, state=State.REJECTED, error=error)
        for index, request in enumerate(requests)
    ]
    path = folder / "failed.csv"
    write_rows(path, lambda: alone(results))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(texts) + 1
    assert all(line.isprintable() for line in lines)
    for row in csv.reader(lines):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    with RowsFile(path) as rows:
        assert list(rows) == requests


def test_a_phone_number_that_was_protected_is_no_doubt(folder: Path) -> None:
    request = CashbackRequest(player_unique_id="+201234", transaction_id="t", amount=5)
    path = folder / "failed.csv"
    write_rows(path, lambda: alone([RowResult(index=0, request=request, state=State.REJECTED)]))
    assert ",'+201234," in path.read_text(encoding="utf-8")
    with RowsFile(path) as rows:
        assert list(rows) == [request]
        assert rows.doubts == []


def test_an_apostrophe_in_a_file_of_others_stays(folder: Path) -> None:
    path = folder / "orders.csv"
    path.write_text("operation,player_unique_id,transaction_id,amount\ncashback,'+316,t1,5\n", encoding="utf-8")
    with RowsFile(path) as rows:
        (row,) = rows
    assert row.player_unique_id == "'+316"


def test_negative_points_stay_numbers(folder: Path) -> None:
    request = ManualRequest(player_unique_id="a", transaction_id="t", username="-ops", reason="=x", points=-20)
    path = folder / "failed.csv"
    write_rows(path, lambda: alone([RowResult(index=0, request=request, state=State.REJECTED)]))
    assert ",-20," in path.read_text(encoding="utf-8")
    with RowsFile(path) as rows:
        assert list(rows) == [request]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_report_is_its_owners_only_whatever_the_umask_and_what_was_there(folder: Path) -> None:
    path, target = folder / "report.json", folder / "elsewhere.txt"
    target.write_text("of another program", encoding="utf-8")
    before = os.umask(0)
    try:
        for there in ("nothing", "a file for everybody", "a link"):
            if there == "a file for everybody":
                path.chmod(0o666)
            elif there == "a link":
                path.unlink()
                path.symlink_to(target)
            with private_file(path) as file:
                file.write("{}")
            assert mode(path) == 0o600
            assert path.read_text(encoding="utf-8") == "{}"
    finally:
        os.umask(before)
    assert target.read_text(encoding="utf-8") == "of another program"
    assert not path.is_symlink()


def test_a_report_that_cannot_be_finished_leaves_what_was_there(folder: Path) -> None:
    path = folder / "report.json"
    path.write_text("before", encoding="utf-8")

    def write_half() -> None:
        with private_file(path) as file:
            file.write("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space") as raised:
        write_half()
    assert raised.value.filename == str(path)
    assert path.read_text(encoding="utf-8") == "before"
    assert list(folder.iterdir()) == [path]

"""Parquet files and workbooks of Excel, read by the command."""

import gzip
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from gameball import CashbackRequest, Merchant
from gameball.bulk.rows import Request
from gameball.cli.input_file import BadRowsError
from gameball.cli.rows_file import RowsFile
from gameball.sandbox import Sandbox
from tests.cli.commands import Bulk, times

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
openpyxl = pytest.importorskip("openpyxl")

TITLES = ("player_unique_id", "transaction_id", "amount")
Row = Sequence[Any]
Write = Callable[..., Path]


def as_parquet(folder: Path, rows: Sequence[Row], titles: Row = TITLES, *, group: int = 1000) -> Path:
    path = folder / "orders.parquet"
    columns = dict(zip(titles, map(list, zip(*rows, strict=True)), strict=True))
    parquet.write_table(pa.table(columns), path, row_group_size=group)
    return path


def as_workbook(folder: Path, rows: Sequence[Row], titles: Row = TITLES) -> Path:
    book = openpyxl.Workbook()
    for row in (titles, *rows):
        book.active.append(row)
    return saved(book, folder)


def saved(book: Any, folder: Path) -> Path:
    path = folder / "orders.xlsx"
    book.save(path)
    return path


BOTH = pytest.mark.parametrize("write", [as_parquet, as_workbook])


def read(path: Path, **options: Any) -> list[Request]:
    with RowsFile(path, **options) as rows:
        return list(rows)


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(BadRowsError) as error:
        read(path, **options)
    return str(error.value)


def doubts(path: Path) -> list[str]:
    with RowsFile(path) as rows:
        list(rows)
        return rows.doubts


# --- both


@BOTH
def test_a_table_is_planned_and_run_each_row_once(write: Write, here: Path, sandbox: Sandbox, bulk: Bulk) -> None:
    path = write(here, [(f"p{number}", number, 20.25, 3) for number in range(20)], (*TITLES, "till"))
    assert bulk("plan", path.name) == 0
    assert f"{path.name}: 20 rows (20 cashback), amounts of 405.00 in all" in bulk.said
    assert "columns that are not read: till" in bulk.said
    assert bulk("run", path.name, "--yes", "--journal", "a.journal") == 0
    assert times(sandbox) == {str(number): 1 for number in range(20)}


@BOTH
def test_bad_cells_are_refused_by_row_and_column(write: Write, folder: Path) -> None:
    rows: list[Row] = [(f"p{number}", f"t{number}", 5.5) for number in range(30)]
    rows[5], rows[16], rows[29] = ("p5", "t5", None), (" p", "t16", 1.0), ("p29", "t3", 5.5)
    first = 1 if write is as_parquet else 2  # in a workbook the titles have a row
    path = write(folder, rows, ("player_unique_id", "transaction_id", "Total"))
    assert refused(path, columns={"Total": "amount"}) == (
        f"{path.name}: 3 bad rows\n"
        f"  row {5 + first}, column Total: amount is required\n"
        f"  row {16 + first}, column player_unique_id: player_unique_id must not begin or end with white space\n"
        f"  row {29 + first}, column transaction_id: transaction_id t3 stands in row {3 + first} already"
    )


@BOTH
def test_a_column_that_is_missing_is_refused_with_what_there_is(write: Write, folder: Path) -> None:
    said = refused(write(folder, [("ada", "t1", 5)], ("Player Unique Id", "transactionId", "amount")))
    assert "lacks the column player_unique_id; its " in said
    assert "'Player Unique Id', 'transactionId', 'amount'; perhaps --map 'Player Unique Id=player_unique_id'" in said


@BOTH
def test_a_report_shows_rows_as_they_stand_in_their_table(write: Write, here: Path, bulk: Bulk) -> None:
    """The second row claims the time of the first one."""
    time = "2026-03-01T09:00:00Z"
    rows = [("ada", f"t{number}", 5.5, time, 3 + number) for number in range(2)]
    path = write(here, rows, (*TITLES, "transaction_time", "till"))
    assert bulk("run", path.name, "--yes", "--journal", "a.journal") == 3
    assert bulk("report", "--journal", "a.journal") == 0
    titles, line = [
        text for name in ("failed", "needs_review") for text in Path(f"{name}.csv").read_text().splitlines()
    ][-2:]
    row = dict(zip(titles.split(","), line.split(","), strict=False))
    assert (row["transaction_id"], row["amount"], row["till"], row["row"]) == ("t1", "5.5", "4", "2")


@BOTH
def test_a_table_that_changed_after_its_check_gives_no_row(write: Write, folder: Path) -> None:
    path = write(folder, [("ada", "t1", 5.5)])
    with RowsFile(path) as rows:
        assert len(list(rows)) == 1
        content = bytearray(path.read_bytes())
        content[-20] ^= 1
        state = path.stat()
        with path.open("r+b") as file:
            file.write(content)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        with pytest.raises(BadRowsError, match="has changed since it was checked"):
            list(rows)


@BOTH
def test_a_table_can_come_by_standard_input(write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with write(folder, [("ada", "t1", 5.5)]).open("rb") as file:
        monkeypatch.setattr(sys, "stdin", type("Input", (), {"buffer": file}))
        assert read(Path("-")) == [CashbackRequest(player_unique_id="ada", transaction_id="t1", amount=5.5)]


@BOTH
@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"delimiter": ";"}, "--delimiter is for other files"), ({"encoding": "cp1252"}, "--encoding is for other files")],
)
def test_options_of_text_are_refused(write: Write, folder: Path, options: dict[str, str], sentence: str) -> None:
    assert f"is a table, and {sentence}" in refused(write(folder, [("ada", "t1", 5)]), **options)


@BOTH
@pytest.mark.parametrize("left", [0.4, 0.9])
def test_a_table_that_is_cut_short_is_refused(write: Write, folder: Path, left: float) -> None:
    path = write(folder, [(f"p{number}", f"t{number}", 5.5) for number in range(500)])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * left)])
    said = refused(path)
    assert said.startswith(f"{path.name}: ")
    assert "cut short" in said or "cannot be read as Parquet: " in said


@BOTH
def test_without_its_reader_one_sentence_names_the_extra(
    write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder, [("ada", "t1", 5)])
    for module in ("openpyxl", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    sentence = "to be read it needs the extra tables: pip install 'gameball[tables]'"
    assert refused(path) == f"{path.name}: {sentence}"


# --- Parquet


def test_parquet_keeps_its_types(folder: Path) -> None:
    time = datetime(2026, 3, 1, 9, tzinfo=UTC)
    table = pa.table(
        {
            "player_unique_id": pa.array(["ada"]).dictionary_encode(),
            "transaction_id": [17850],
            "amount": pa.array([Decimal("99.98")], pa.decimal128(38, 18)),
            "transaction_time": pa.array([time], pa.timestamp("ns", "UTC")),
            "merchant": [{"unique_id": "m1"}],
        }
    )
    parquet.write_table(table, folder / "orders.parquet")
    assert read(folder / "orders.parquet") == [
        CashbackRequest(
            player_unique_id="ada",
            transaction_id="17850",
            amount=Decimal("99.98"),
            transaction_time=time,
            merchant=Merchant(unique_id="m1"),
        )
    ]


def test_parquet_of_many_row_groups_is_read_to_its_end(folder: Path) -> None:
    path = as_parquet(folder, [(f"p{number}", number, 5.5) for number in range(10_000)], group=700)
    assert [row.transaction_id for row in read(path)] == list(map(str, range(10_000)))


def test_damaged_parquet_is_refused(folder: Path) -> None:
    (folder / "orders.parquet").write_bytes(b"PAR1" + bytes(1000) + b"PAR1")
    assert "orders.parquet: cannot be read as Parquet: " in refused(folder / "orders.parquet")


def test_compressed_parquet_is_refused(folder: Path) -> None:
    path = folder / "orders.parquet.gz"
    path.write_bytes(gzip.compress(as_parquet(folder, [("ada", "t1", 5)]).read_bytes()))
    assert refused(path) == "orders.parquet.gz: is a compressed Parquet file: decompress it"


def test_a_sheet_is_of_workbooks_only(folder: Path) -> None:
    path = as_parquet(folder, [("ada", "t1", 5)])
    assert refused(path, sheet="Orders") == "orders.parquet: is a table, and --sheet is for other files"
    path = folder / "orders.csv"
    path.write_text("a,b\n", encoding="utf-8")
    assert refused(path, sheet="Orders") == "orders.csv: is no workbook, and --sheet is for one"


# --- workbooks


@pytest.mark.parametrize(
    ("cell", "amount"),
    [(99.98, "99.98"), (20, "20"), (20.0, "20"), ("12.50", "12.50"), (0.1, "0.1"), (123456.789, "123456.789")],
)
def test_a_number_is_its_shortest_decimal(folder: Path, cell: object, amount: str) -> None:
    (row,) = read(as_workbook(folder, [("ada", "t1", cell)]))
    assert isinstance(row, CashbackRequest)
    assert str(row.amount) == amount


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"amount": True}, "amount must be a number such as 99.98, not True"),
        ({"amount": datetime(2026, 3, 1)}, "amount must be a number such as 99.98, not 2026-03-01 00:00:00"),  # noqa: DTZ001
        ({"amount": "#N/A"}, "amount must be a number such as 99.98, not '#N/A'"),
        ({"amount": "=1+1"}, "amount is a formula without its result: open the workbook in a spreadsheet, and save it"),
        ({"transaction_id": 17.5}, "transaction_id must be text or a whole number, not 17.5"),
        ({"transaction_id": datetime(2026, 3, 1)}, "transaction_id must be text or a whole number"),  # noqa: DTZ001
        ({"transaction_time": datetime(2026, 3, 1, 9)}, "must be a time with its zone, such as 2019-09-19T16:14:09Z"),  # noqa: DTZ001
        ({"email": "=A1"}, "email is a formula without its result"),
    ],
)
def test_a_cell_that_is_no_value_of_its_column_is_refused(
    folder: Path, values: dict[str, object], sentence: str
) -> None:
    row = {"player_unique_id": "ada", "transaction_id": "t1", "amount": 5, **values}
    said = refused(as_workbook(folder, [tuple(row.values())], tuple(row)))
    assert f"  row 2, column {next(iter(values))}: " in said
    assert sentence in said


def test_a_time_with_its_zone_is_text_in_a_workbook(folder: Path) -> None:
    (row,) = read(as_workbook(folder, [("ada", "t1", 5, "2026-03-01T10:00:00+01:00")], (*TITLES, "transaction_time")))
    assert row.transaction_time == datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_results_of_formulas_are_read_and_blank_ones_are_not_given(folder: Path) -> None:
    path = as_workbook(folder, [("ada", "t1", "=2+3", "=A1", 7)], (*TITLES, "email", "till"))
    with ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].replace(b"<f>2+3</f><v />", b"<f>2+3</f><v>5</v>")
    sheet = sheet.replace(b'<c r="D2"><f>A1</f><v />', b'<c r="D2" t="str"><f>A1</f><v></v>')
    with ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, sheet if name.endswith("sheet1.xml") else content)
    assert read(path) == [CashbackRequest(player_unique_id="ada", transaction_id="t1", amount=5)]


def test_ids_that_a_spreadsheet_changed_are_named(folder: Path) -> None:
    book = openpyxl.Workbook()
    for row in (TITLES, (7, 201005000000.0, 5), ("ada", 1234567890123450, 5.5), ("ada", 1.23456789012345e17, 6.5)):
        book.active.append(row)
    book.active["A2"].number_format = "00000"
    path = saved(book, folder)
    assert [row.transaction_id for row in read(path)] == ["201005000000", "1234567890123450", "123456789012345000"]
    assert doubts(path) == [
        "1 cell has a value that its spreadsheet shows with zeros before it: row 2, player_unique_id 7",
        (
            "2 cells have a value of more than 15 digits, which a spreadsheet rounds:"
            " row 3, transaction_id 1234567890123450; row 4, transaction_id 123456789012345000"
        ),
    ]


def test_blank_rows_are_passed_over_and_rows_may_end_early(folder: Path) -> None:
    rows = [("ada", "t1", 5, None), (), ("", " ", None), ("bob", "t2", 6)]
    path = as_workbook(folder, rows, (*TITLES, "email"))
    assert [row.transaction_id for row in read(path)] == ["t1", "t2"]
    assert refused(as_workbook(folder, [("ada", "t1", 5, 6)])) == (
        "orders.xlsx: 1 bad row\n  row 2: the row has 4 cells, and the first row names 3 columns"
    )


def test_the_first_sheet_is_read_that_is_not_hidden_unless_another_is_named(folder: Path) -> None:
    book = openpyxl.Workbook()
    book.active.sheet_state = "hidden"
    for name, player in (("March", "ada"), ("April", "bob")):
        sheet = book.create_sheet(name)
        for row in (TITLES, (player, "t1", 5)):
            sheet.append(row)
    path = saved(book, folder)
    with RowsFile(path) as rows:
        assert [row.player_unique_id for row in rows] == ["ada"]
        assert rows.form == ["Excel, sheet 'March'"]
    assert [row.player_unique_id for row in read(path, sheet="April")] == ["bob"]
    assert refused(path, sheet="april") == (
        "orders.xlsx: has no sheet 'april', but 'March', 'April'; perhaps 'April' is meant"
    )


def test_a_workbook_without_titles_is_refused(folder: Path) -> None:
    assert refused(as_workbook(folder, [("ada", "t1", 5)], ())) == "orders.xlsx: has no titles in its first row"
    assert refused(saved(openpyxl.Workbook(), folder)) == "orders.xlsx: has no titles in its first row"
    assert refused(as_workbook(folder, [])) == "orders.xlsx: has no rows"


def test_an_archive_that_is_no_workbook_is_refused(folder: Path) -> None:
    path = folder / "orders.xlsx"
    with ZipFile(path, "w") as archive:
        archive.writestr("content.xml", "<x/>")
    assert refused(path).startswith(
        "orders.xlsx: is a zip archive, or a workbook that is not of Excel: save it as .xlsx"
    )
    with ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    assert "orders.xlsx: cannot be read as an Excel workbook: " in refused(path)

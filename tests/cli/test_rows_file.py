"""Rows read from files, CSV and JSON Lines; what is refused in them; rows written to a file."""

import codecs
import csv
import gzip
import io
import json
import os
import re
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gameball import Branch, CashbackRequest, LineItem, ManualRequest, Merchant, RedeemRequest, RefundRequest
from gameball.bulk.rows import Request
from gameball.cli.input_file import BadRowsError
from gameball.cli.rows_file import RowsFile


def packed(data: bytes, level: int = 9) -> bytes:
    """Compressed by gzip, the same bytes every time."""
    return gzip.compress(data, level, mtime=0)


HEADER = "player_unique_id,transaction_id,amount\n"


def written(folder: Path, text: str | bytes, name: str = "orders.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path: Path | str, operation: str = "cashback", columns: Mapping[str, str] | None = None) -> list[Request]:
    with RowsFile(path, operation=operation, columns=columns) as rows:
        return list(rows)


def refused(path: Path | str, operation: str = "cashback", columns: Mapping[str, str] | None = None) -> str:
    with pytest.raises(BadRowsError) as error:
        read(path, operation, columns)
    return str(error.value)


def test_amounts_are_read_as_they_are_written(folder: Path) -> None:
    first, second = read(written(folder, f"{HEADER}ada,o1,99.98\ngrace,o2,1E+2\n"))
    assert first == CashbackRequest(player_unique_id="ada", transaction_id="o1", amount=Decimal("99.98"))
    assert isinstance(second, CashbackRequest)
    assert str(second.amount) == "100"


def test_the_apis_names_a_byte_order_mark_blank_lines_and_spaces_around_titles_are_fine(
    folder: Path,
) -> None:
    path = written(
        folder,
        "\ufeffshop, playerUniqueId, transactionId, amount, transactionTime, email\r\n"
        "x,ada,o1, 5 , 2019-09-19T18:14:09.895+02:00,\r\n\r\n,,,,,\r\n",
    )
    (row,) = read(path)
    assert row == CashbackRequest(
        player_unique_id="ada",
        transaction_id="o1",
        amount=5,
        transaction_time=datetime(2019, 9, 19, 16, 14, 9, 895000, UTC),
    )


def test_columns_with_values_that_are_not_read_are_named_once(folder: Path) -> None:
    path = written(folder, "shop,note,points,,player_unique_id,transaction_id,amount\nx,,7,,ada,o1,5\nx,,,,ada,o2,5\n")
    with RowsFile(path) as rows:
        assert len(list(rows)) == 2
        assert rows.passed_over == ["shop", "points"]
        assert rows.operations == {"cashback": 2}


def test_a_file_can_be_read_again(folder: Path) -> None:
    with RowsFile(written(folder, f"\ufeff{HEADER}ada,o1,1\nada,o2,2\n")) as rows:
        assert list(rows) == list(rows)
        assert rows.operations == {"cashback": 2}


def test_a_pass_can_be_stopped_early_and_the_file_closed_under_it(folder: Path) -> None:
    with RowsFile(written(folder, f"{HEADER}ada,o1,1\nada,o2,2\n")) as rows:
        broken_off = iter(rows)
        assert next(broken_off) == next(iter(rows))
    del broken_off  # would warn of what goes wrong then


@pytest.mark.parametrize(
    ("operation", "header", "cells", "request_"),
    [
        (
            "cashback",
            "amount,mobile,merchant.unique_id,merchant.branch.name",
            "5,+201,m1,North",
            CashbackRequest(
                player_unique_id="ada",
                transaction_id="o1",
                amount=5,
                mobile="+201",
                merchant=Merchant(unique_id="m1", branch=Branch(name="North")),
            ),
        ),
        (
            "redeem",
            "redeemedAmount,otp,merchant.uniqueId,merchant.branch.uniqueId",
            "2.5,1234,m1,b1",
            RedeemRequest(
                player_unique_id="ada",
                transaction_id="o1",
                redeemed_amount=Decimal("2.5"),
                otp="1234",
                merchant=Merchant(unique_id="m1", branch=Branch(unique_id="b1")),
            ),
        ),
        (
            "redeem",
            "hold_reference",
            "h1",
            RedeemRequest(player_unique_id="ada", transaction_id="o1", hold_reference="h1"),
        ),
        (
            "refund",
            "reverseTransactionId,line_items",
            'o0,"[{""productId"": ""p1"", ""quantity"": 1.5}, {}]"',
            RefundRequest(
                player_unique_id="ada",
                transaction_id="o1",
                original_transaction_id="o0",
                line_items=(LineItem(product_id="p1", quantity=Decimal("1.5")), LineItem()),
            ),
        ),
        (
            "manual",
            "username,reason,points",
            "ops,Thank you,-20.0",
            ManualRequest(player_unique_id="ada", transaction_id="o1", username="ops", reason="Thank you", points=-20),
        ),
    ],
)
def test_every_operation_is_read_with_its_own_columns(
    folder: Path, operation: str, header: str, cells: str, request_: Request
) -> None:
    path = written(folder, f"player_unique_id,transaction_id,{header}\nada,o1,{cells}\n")
    assert read(path, operation) == [request_]


def test_a_column_can_name_the_operation_of_each_row(folder: Path) -> None:
    path = written(
        folder,
        "operation,player_unique_id,transaction_id,amount,original_transaction_id\n"
        "refund,ada,r1,5,o1\n,ada,o2,6,\ncashback,ada,r1,7,\n",
    )
    with RowsFile(path) as rows:
        assert [type(row) for row in rows] == [RefundRequest, CashbackRequest, CashbackRequest]
        assert rows.operations == {"cashback": 2, "refund": 1}
        assert rows.passed_over == []


def test_json_lines_hold_the_same_with_objects_as_on_the_apis_pages(folder: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"playerUniqueId": "ada", "transactionId": "o1", "amount": 5, "merchant": {"uniqueId": "m1", "branch": None}},
        {
            "operation": "refund",
            "player_unique_id": "ada",
            "transaction_id": "r1",
            "original_transaction_id": "o1",
            "email": None,
            "lineItems": [{"product_id": "p1", "quantity": None}],
            "shelf": {"row": 7},
        },
        {
            "player_unique_id": "ada",
            "transaction_id": "o2",
            "amount": "0.10",
            "merchant": {"name": "Shop", "branch": {"name": "North", "floor": 2}},
        },
    ]
    path = written(folder, "\n\n".join(map(json.dumps, rows)), "orders.ndjson")
    with RowsFile(path) as file:
        first, refund, third = file
        assert file.passed_over == ["shelf", "merchant.branch.floor"]
    assert first == CashbackRequest(
        player_unique_id="ada", transaction_id="o1", amount=5, merchant=Merchant(unique_id="m1")
    )
    assert refund == RefundRequest(
        player_unique_id="ada",
        transaction_id="r1",
        original_transaction_id="o1",
        line_items=(LineItem(product_id="p1"),),
    )
    assert isinstance(third, CashbackRequest)
    assert third.merchant == Merchant(name="Shop", branch=Branch(name="North"))
    assert str(third.amount) == "0.10"


def test_numbers_of_json_are_read_as_they_are_written(folder: Path) -> None:
    (row,) = read(written(folder, '{"player_unique_id":"a","transaction_id":"t","amount":0.10}', "orders.jsonl"))
    assert isinstance(row, CashbackRequest)
    assert str(row.amount) == "0.10"


def test_a_brace_at_the_beginning_makes_it_json_lines_whatever_its_name(folder: Path) -> None:
    path = written(folder, '\ufeff\n {"player_unique_id":"a","transaction_id":"t","amount":1}\n', "orders.txt")
    assert len(read(path)) == 1


def test_columns_with_other_names_can_be_mapped(folder: Path) -> None:
    path = written(folder, "Kunde,id,brutto\nada,o1,5\n")
    columns = {"Kunde": "player_unique_id", "id": "transactionId", "brutto": "amount"}
    assert read(path, columns=columns) == [CashbackRequest(player_unique_id="ada", transaction_id="o1", amount=5)]


def test_a_mapped_name_is_a_key_of_the_row_not_of_an_object_inside_it(folder: Path) -> None:
    path = written(
        folder, '{"name": "ada", "transaction_id": "o1", "amount": 5, "merchant": {"name": "Shop"}}', "o.jsonl"
    )
    (row,) = read(path, columns={"name": "player_unique_id"})
    assert isinstance(row, CashbackRequest)
    assert (row.player_unique_id, row.merchant) == ("ada", Merchant(name="Shop"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "orders.csv: is empty"),
        (" \n\n", "orders.csv: is empty"),
        ("\ufeff", "orders.csv: is empty"),
        (f"\n{HEADER}", "orders.csv: line 1 is blank, and must name the columns"),
        ("player_unique_id,transaction_id\n", "lacks the column amount"),
        ("operation,transaction_id\nrefund,o1\n", "line 2: player_unique_id is required"),
        ("player_unique_id,transaction_id,amount,amount\n", "has the column amount twice"),
        ("player_unique_id,playerUniqueId,transaction_id,amount\n", "has the column player_unique_id twice"),
        (HEADER, "has no rows"),
        (f"{HEADER}ada,o1,ten\n", "line 2: amount must be a number such as 99.98, not 'ten'"),
        (f"{HEADER}ada,o1,1_000\n", "line 2: amount must be a number such as 99.98, not '1_000'"),
        (f"{HEADER}ada,o1,-1\n", "line 2: amount must be positive"),
        (f"{HEADER}ada,o1,NaN\n", "line 2: amount must be a finite number"),
        (f"{HEADER}ada,o1\n", "line 2: the row has 2 cells, and the first line names 3 columns"),
        (f"{HEADER}ada,o1,1,234.50\n", "line 2: the row has 4 cells, and the first line names 3 columns"),
        (f"{HEADER} ,o1,1\n", "line 2: player_unique_id is required"),
        (f'{HEADER}ada,"o1 ",1\n', "line 2: transaction_id must not begin or end with white space"),
        (f"{HEADER}ada,o1,1\n\ngrace,o1,2\n", "line 4: transaction_id o1 stands on line 2 already"),
        (
            "player_unique_id,transaction_id,amount,transaction_time\nada,o1,1,noon\n",
            "line 2: transaction_time must be a time with its zone, such as 2019-09-19T16:14:09Z, not 'noon'",
        ),
        (
            "player_unique_id,transaction_id,amount,transaction_time\nada,o1,1,2019-09-19T16:14:09\n",
            "line 2: transaction_time must be a time with its zone",
        ),
        (
            f'{HEADER}ada,o1,1\n"ada\nor grace",o2,1\nada,"o3,1\n',
            'line 5: the rest is not CSV: a quote (") is not closed',
        ),
        (f'{HEADER[:-1]},"\n', "is not CSV"),
        (f"{HEADER[:-1]},merchant.branch.name\nada,o1,1,North\n", "line 2: unique_id or name is required for a merch"),
        (f"{HEADER[:-1]},operation\nada,o1,1,sale\n", "operation must be one of cashback, redeem, refund, manual, not"),
        (HEADER.encode() + b"\xff\xfe,o1,1\n", "line 2: player_unique_id is not UTF-8 text"),
        ("größe,Größe\n".encode("cp1252"), "is not UTF-8 text: --encoding names another one, for example cp1252"),
        (f'{HEADER}ada, "o1",5\n', 'line 2: transaction_id has a quote (") inside'),
        (f"{HEADER}ada, o1,5\n", "line 2: transaction_id must not begin or end with white space"),
        (f"{HEADER}ada,o1\u00a0,5\n", "line 2: transaction_id must not begin or end with white space"),
        (f'{HEADER}a"da,o1,5\n', 'line 2: player_unique_id has a quote (") inside: put quotes around'),
        (f'{HEADER}"a"da,o1,5\n', "the rest is not CSV: a cell goes on after its closing quote"),
    ],
)
def test_a_bad_file_is_refused_with_its_place_and_the_rule(folder: Path, text: str | bytes, sentence: str) -> None:
    said = refused(written(folder, text))
    assert said.startswith("orders.csv: ")
    assert sentence in said


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ('{"amount": 1', "the row is not JSON: Expecting ',' delimiter at character"),
        ('{"amount": NaN}', "the row is not JSON that can be read"),
        ('{"amount": 1e99999999999999999999}', "the row is not JSON that can be read"),
        ('{"amount": ' + "[" * 100_000, "the row is not JSON that can be read"),
        ("7", "the row must be a JSON object"),
        ('{"transaction_id": "t", "transactionId": "u"}', "transaction_id is given twice"),
        ('{"transaction_id": "t", "transaction_id": "u"}', "transaction_id is given twice"),
        ('{"operation": "refund", "operation": "cashback"}', "operation must be one of"),
        ('{"operation": 7}', "operation must be one of cashback, redeem, refund, manual, not 7"),
        ('{"transaction_id": 7.0}', "transaction_id must be text or a whole number, not 7.0"),
        ('{"transaction_id": true}', "transaction_id must be text or a whole number, not True"),
        ('{"transaction_id": [7]}', "transaction_id must be text or a whole number, not [7]"),
        ('{"transaction_id": "\\ud800"}', "transaction_id is not UTF-8 text"),
        ('{"amount": true}', "amount must be a number such as 99.98, not True"),
        ('{"amount": {}}', "amount must be a number such as 99.98, not an object"),
        ('{"transaction_time": 1568909649}', "transaction_time must be a time with its zone"),
        ('{"merchant": "m1"}', "merchant must be an object with unique_id or name"),
        ('{"merchant": {"uniqueId": ""}}', "merchant.unique_id must not be empty"),
        ('{"operation": "refund", "line_items": {}}', "line_items must be a list such as"),
        ('{"operation": "refund", "line_items": ["p1"]}', "line_items must be a list such as"),
        ('{"operation": "refund", "line_items": "p1"}', "line_items is not JSON: Expecting value at character 1"),
        ('{"operation": "refund", "line_items": [{"id": "p1"}]}', "line_items must hold product_id and quantity"),
        ('{"operation": "refund", "line_items": [{"quantity": 1, "quantity": 2}]}', "each at most once, and not quant"),
        ('{"operation": "refund", "line_items": [{"productId": []}]}', "line_items.product_id must be text or a whole"),
        ('{"operation": "refund", "line_items": [{"quantity": 0}]}', "quantity must be positive"),
        ('{"operation": "manual", "points": 1.5}', "player_unique_id is required"),
        (
            '{"operation":"manual","player_unique_id":"a","transaction_id":"t","username":"u","reason":"r","points":1.5}',
            "points must be a whole number",
        ),
    ],
)
def test_a_bad_row_of_json_is_refused_with_its_line_and_the_rule(folder: Path, row: str, sentence: str) -> None:
    said = refused(written(folder, f"\n{row}\n", "orders.jsonl"))
    assert said.startswith("orders.jsonl: 1 bad row\n  line 2")
    assert sentence in said


def test_bad_rows_are_named_by_the_files_own_columns(folder: Path) -> None:
    path = written(folder, "playerUniqueId,transaction_id,Betrag\n,o1,5\nada,o2,zehn\n")
    assert refused(path, columns={"Betrag": "amount"}) == (
        "orders.csv: 2 bad rows\n"
        "  line 2, column playerUniqueId: player_unique_id is required\n"
        "  line 3, column Betrag: amount must be a number such as 99.98, not 'zehn'"
    )


def test_the_first_20_bad_rows_are_named_and_the_rest_is_counted(folder: Path) -> None:
    said = refused(written(folder, HEADER + "".join(f"ada,o{n},{n % 2 or 'x'}\n" for n in range(3000))))
    headline, *lines, more = said.splitlines()
    assert headline == "orders.csv: 1,500 bad rows"
    assert [line.split(":")[0] for line in lines] == [f"  line {n}" for n in range(2, 42, 2)]
    assert more == "  and 1,480 more"


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"Betrag": "amont"},
            "column Betrag cannot be mapped to amont: the fields of a cashback are player_unique",
        ),
        ({"Betrag": "points"}, "column Betrag cannot be mapped to points: the fields of a cashback are"),
        ({"mail": "email"}, "orders.csv: has no column 'mail', which --map names, but 'player_unique_id', 'trans"),
        ({"note": "amount"}, "orders.csv: has the column amount twice"),
    ],
)
def test_a_mapping_to_no_field_or_to_a_field_that_is_there_is_refused(
    folder: Path, columns: dict[str, str], sentence: str
) -> None:
    path = written(folder, "player_unique_id,transaction_id,amount,note\nada,o1,5,x\n")
    assert refused(path, columns=columns).startswith(sentence)


def test_a_file_that_cannot_be_opened_or_read_is_refused_by_its_name(folder: Path) -> None:
    assert refused(folder / "absent.csv") == f"{folder / 'absent.csv'}: No such file or directory"
    assert refused(folder) == f"{folder}: Is a directory"


def test_a_pipe_can_be_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{HEADER}ada,o1,5\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    with RowsFile("-") as rows:
        assert len(list(rows)) == len(list(rows)) == 1
        assert rows.name == "standard input"

    pipe = folder / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(text,))
    writer.start()
    with RowsFile(pipe) as rows:
        assert len(list(rows)) == len(list(rows)) == 1
    writer.join()


# --- how a file is written


ROWS = "player_unique_id,transaction_id,amount\nada,o1,5.50\ngrace,o2,6\n"
READ = [
    CashbackRequest(player_unique_id="ada", transaction_id="o1", amount=Decimal("5.50")),
    CashbackRequest(player_unique_id="grace", transaction_id="o2", amount=6),
]


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (ROWS.encode(), []),
        (codecs.BOM_UTF8 + ROWS.encode(), []),
        (codecs.BOM_UTF8 + codecs.BOM_UTF8 + ROWS.encode(), []),
        (ROWS.replace("\n", "\r\n").encode(), []),
        (ROWS.replace("\n", "\r").encode(), []),
        (ROWS.replace(",", ";").encode(), ["semicolons between the cells"]),
        (ROWS.replace(",", "\t").encode(), ["tabs between the cells"]),
        (ROWS.replace(",", "|").encode(), ["vertical bars between the cells"]),
        (b"sep=;\r\n" + ROWS.replace(",", ";").encode(), ["semicolons between the cells"]),
        (b'"sep=^"\n' + ROWS.replace(",", "^").encode(), ["^ between the cells"]),
        (b"SEP=,\n" + ROWS.encode(), []),
        (ROWS.encode("utf-16"), ["UTF-16"]),
        (ROWS.encode("utf-16-be"), ["UTF-16-BE"]),
        (ROWS.encode("utf-16-le"), ["UTF-16-LE"]),
        (ROWS.encode("utf-32"), ["UTF-32"]),
        (ROWS.replace(",", "\t").encode("utf-16"), ["UTF-16", "tabs between the cells"]),
        (packed(ROWS.encode()), ["gzip"]),
        (packed(ROWS[:40].encode()) + packed(ROWS[40:].encode()), ["gzip"]),
        (packed(ROWS.replace(",", ";").encode("utf-16")), ["gzip", "UTF-16", "semicolons between the cells"]),
        (
            b'"player_unique_id";"transaction_id";amount\n"ada";o1;5.50\ngrace;o2;6\n',
            ["semicolons between the cells"],
        ),
    ],
)
def test_how_a_file_is_written_is_recognised_and_said(folder: Path, content: bytes, form: list[str]) -> None:
    with RowsFile(written(folder, content, "orders.txt")) as rows:
        assert list(rows) == READ
        assert rows.form == form


def test_delimiter_and_encoding_can_be_given(folder: Path) -> None:
    text = "player_unique_id~transaction_id~amount~note\nJosé~o1~5~a;b;c;d\n"
    with RowsFile(written(folder, text.encode("cp1252")), delimiter="~", encoding="windows-1252") as rows:
        (row,) = rows
        assert row.player_unique_id == "José"
        assert rows.form == ["CP1252", "~ between the cells"]


def test_a_byte_order_mark_is_no_part_of_a_title_whatever_the_encoding(folder: Path) -> None:
    with RowsFile(written(folder, codecs.BOM_UTF16_LE + ROWS.encode("utf-16-le")), encoding="utf-16-le") as rows:
        assert list(rows) == READ


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"PK\x03\x04\x14\x00", "is cut short, or damaged: its zip archive has no end"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1",
            "is an Excel workbook of the old kind, or one with a password: save it as .xlsx or CSV",
        ),
        (b"SQLite format 3\0\x10\0\1\1", "is a database, perhaps a journal: gameball bulk resume orders.csv"),
        (b"\x7fELF\2\1\1\0\0\0\0\n\0\0", "is no text: it has zero bytes"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no text: it has zero bytes"),
        (b'"a"b\0\n', "is no text: it has zero bytes"),
        (b"\0" * 100, "is no text: it has zero bytes"),
        (b"BZh91AY", "is compressed by bzip2: of compressed files gzip is read"),
        (packed(ROWS.encode() * 9000, 1)[:-9], "is cut short: its gzip data has no end"),
        (packed(ROWS.encode())[:-8] + b"\xff" * 8, "its gzip data is damaged"),
        (b"\x1f\x8b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "its gzip data is damaged"),
        (packed(b""), "is empty"),
        (packed(packed(ROWS.encode())), "is compressed twice"),
        (ROWS.encode("utf-16") + b"\xff", "is not utf-16 text"),
    ],
)
def test_a_file_that_holds_no_text_is_refused_by_what_it_is(folder: Path, content: bytes, sentence: str) -> None:
    assert sentence in refused(written(folder, content))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"delimiter": ";;"}, "--delimiter takes one character, or tab, not ';;'"),
        ({"delimiter": ""}, "--delimiter takes one character, or tab, not ''"),
        ({"delimiter": '"'}, "--delimiter takes one character, or tab, not '\"'"),
        ({"encoding": "windows"}, "--encoding takes a name such as utf-8, utf-16 or cp1252, not 'windows'"),
        ({"encoding": "base64"}, "--encoding takes a name such as utf-8, utf-16 or cp1252, not 'base64'"),
        ({"encoding": "utf-8"}, "line 2: player_unique_id is not UTF-8 text"),
        ({"encoding": "ascii"}, "is not ascii text"),
        ({"delimiter": ";", "name": "o.jsonl"}, "o.jsonl: is JSON, and --delimiter is for CSV"),
        ({"name": "o.jsonl"}, "o.jsonl: 2 bad rows"),
        ({"delimiter": ";"}, "lacks the column player_unique_id; its first line names 'player_unique_id,trans"),
    ],
)
def test_a_wrong_delimiter_encoding_or_format_is_refused(folder: Path, options: dict[str, str], sentence: str) -> None:
    path = written(folder, f"{HEADER}José,o1,5\n".encode("cp1252"), options.pop("name", "orders.csv"))
    with pytest.raises(BadRowsError, match=re.escape(sentence)), RowsFile(path, **options) as rows:  # type: ignore[arg-type]
        list(rows)


def test_long_cells_of_columns_that_are_not_read_are_no_matter(folder: Path) -> None:
    path = written(folder, f'note,player_unique_id,transaction_id,amount\n"{"x" * 300_000}",ada,o1,5\n')
    assert len(read(path)) == 1


def test_a_quote_that_is_not_closed_is_said_to_be_when_a_cell_grows_beyond_measure(folder: Path) -> None:
    path = written(folder, f'note,player_unique_id,transaction_id,amount\n"{"x" * 3000},ada,o1,5\n')
    before = csv.field_size_limit(1000)
    try:
        assert 'a cell has more than 67,108,864 characters: a quote (") is probably not closed' in refused(path)
    finally:
        csv.field_size_limit(before)


def test_bare_quotes_in_columns_that_are_not_read_are_no_matter(folder: Path) -> None:
    path = written(folder, 'player_unique_id,transaction_id,amount,note\n"a""da",o1,5,24" screen\nada,o2,5,"24"" x"\n')
    with pytest.raises(BadRowsError, match="line 2: player_unique_id has a quote"):
        read(path)
    path = written(folder, 'player_unique_id,transaction_id,amount,note\nada,o1,5,24" screen\n"a""da",o2,5,"24"" x"\n')
    assert [row.player_unique_id for row in read(path)] == ["ada", 'a"da']


def test_numeric_ids_in_json_are_read_as_their_digits(folder: Path) -> None:
    path = written(
        folder,
        '{"player_unique_id": 207119551, "transaction_id": 45078946900000000001, "amount": 10}\n'
        '{"operation": "refund", "player_unique_id": "a", "transaction_id": "r", "original_transaction_id": 7,'
        ' "line_items": [{"product_id": 12}]}\n',
        "orders.jsonl",
    )
    first, second = read(path)
    assert (first.player_unique_id, first.transaction_id) == ("207119551", "45078946900000000001")
    assert isinstance(second, RefundRequest)
    assert (second.original_transaction_id, second.line_items) == ("7", (LineItem(product_id="12"),))


OBJECT = {"player_unique_id": "a", "transaction_id": "t", "amount": 1}


@pytest.mark.parametrize(
    ("name", "content", "fix"),
    [
        ("o.json", json.dumps([OBJECT, OBJECT]), "jq -c '.[]' o.json"),
        ("o.json", json.dumps([OBJECT] * 5000), "jq -c '.[]' o.json"),
        ("o.json", "[]", "jq -c '.[]' o.json"),
        ("o.jsonl", json.dumps([OBJECT], indent=2), "jq -c '.[]' o.jsonl"),
        ("o.json", json.dumps(OBJECT, indent=2), "jq -c . o.json"),
        ("o.json", "\n".join(json.dumps(OBJECT, indent=2) for _ in range(3)), "jq -c . o.json"),
        ("o.json", "\ufeff" + json.dumps({"orders": [OBJECT]}, indent=1), "jq -c . o.json"),
        ("o.json", json.dumps({"count": 2, "orders": [OBJECT] * 2}), "jq -c '.orders[]'"),
        ("o.json", json.dumps({"orders": [OBJECT] * 5000}), "jq -c '.orders[]'"),
        ("o.json", json.dumps({"data": {"meta": 1, "page": {"rows": [OBJECT]}}}), "jq -c '.data.page.rows[]'"),
        ("o.json.gz", packed(json.dumps([OBJECT]).encode()), "jq -c '.[]' o.json.gz"),
        ("o.json", "[1, 2]", "jq -c '.[]' o.json"),
    ],
)
def test_a_json_document_is_refused_with_how_to_make_lines_of_it(
    folder: Path, name: str, content: str | bytes, fix: str
) -> None:
    said = refused(written(folder, content, name))
    assert "one object a line" in said
    assert said.endswith(fix)
    assert said.count("\n") <= 1


# --- titles that are not known


@pytest.mark.parametrize(
    ("titles", "parts"),
    [
        ("Player_Unique_ID,Transaction_ID,Amount", ["'Player_Unique_ID'", "--map Player_Unique_ID=player_unique_id"]),
        ("player unique id,transaction id,amount", ["'player unique id'", "--map 'transaction id=transaction_id'"]),
        ("\u200bplayer_unique_id,transaction_id,amount", [r"'\u200bplayer_unique_id'", r"--map '\u200bplayer_uniq"]),
        ("player\u00a0unique_id,transaction_id,amount", [r"'player\xa0unique_id'"]),
        ("playerid,transactionid,amount", ["--map transactionid=transaction_id"]),
        ("Order ID,Customer ID,Total", ["'Order ID', 'Customer ID', 'Total'", "--map 'their title=player_unique_id'"]),
        ("Orders of 2026-03-01", ["its first line names 'Orders of 2026-03-01'"]),
        ("player_unique_id^transaction_id^amount", ["for a file with ^ between the cells: --delimiter '^'"]),
        ("player_unique_id:transaction_id:amount", ["--delimiter ':'"]),
        ("\x1b[31mtotal\x1b]0;owned\x07,x", [r"'\x1b[31mtotal\x1b]0;owned\x07'"]),
        ("ada,o1,5", ["its first line names 'ada', 'o1', '5'"]),
        ("player_unique_id,transaction_id,", ["lacks the column amount; its first line names"]),
    ],
)
def test_titles_that_are_not_known_are_shown_and_the_nearest_suggested(
    folder: Path, titles: str, parts: list[str]
) -> None:
    said = refused(written(folder, f"{titles}\nada,o1,5\n"))
    for part in parts:
        assert part in said
    assert "--map" in said
    assert said.isprintable()


def test_of_many_titles_the_first_20_are_shown(folder: Path) -> None:
    said = refused(written(folder, ",".join(f"c{n}" for n in range(500)) + "\n"))
    assert "'c19', ...;" in said
    assert "c20" not in said


def test_a_column_can_be_mapped_by_the_name_that_the_message_shows(folder: Path) -> None:
    path = written(folder, "\u200bplayer_unique_id,transaction\u00a0id,amount\nada,o1,5\n")
    columns = {r"\u200bplayer_unique_id": "player_unique_id", r"transaction\xa0id": "transaction_id"}
    assert read(path, columns=columns) == [CashbackRequest(player_unique_id="ada", transaction_id="o1", amount=5)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("orders.csv", "Order ID,player_unique_id,amount\no1,ada,5\n"),
        ("orders.csv", "Order ID;player_unique_id;amount\no1;ada;5\n"),
        ("orders.jsonl", '{"Order ID": "o1", "transaction_id": "o2", "player_unique_id": "ada", "amount": 5}\n'),
    ],
)
def test_a_mapped_column_that_is_not_there_is_named(folder: Path, name: str, content: str) -> None:
    said = refused(written(folder, content, name), columns={"Order Id": "transaction_id"})
    assert "'Order Id', which --map names" in said
    assert "lacks" not in said


def test_a_mapped_column_is_found_whatever_its_case_in_the_hint(folder: Path) -> None:
    said = refused(written(folder, "Order ID,player_unique_id,amount\n"), columns={"ORDER_ID": "transaction_id"})
    assert said.endswith("; perhaps 'Order ID' is meant")


def test_a_field_that_is_not_there_is_answered_by_the_nearest(folder: Path) -> None:
    said = refused(written(folder, "a,b\n"), columns={"a": "amont"})
    assert said.endswith("; perhaps amount is meant")


def test_amounts_are_added_up_for_each_operation(folder: Path) -> None:
    path = written(
        folder,
        "operation,player_unique_id,transaction_id,amount,original_transaction_id\n"
        "cashback,a,1,5.50,\nrefund,a,2,2,1\ncashback,a,3,1,\n",
    )
    with RowsFile(path) as rows:
        list(rows)
        assert rows.amounts == {"cashback": Decimal("6.50"), "refund": Decimal(2)}

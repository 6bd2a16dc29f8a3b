"""Rows read from files, CSV and JSON Lines; what is refused in them; rows written to a file."""

import io
import json
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

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
from gameball.cli.rows_file import BadRowsError, RowsFile, write_rows

HEADER = "player_unique_id,transaction_id,amount\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


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


def test_the_apis_names_a_byte_order_mark_blank_lines_and_spaces_after_commas_are_fine(folder: Path) -> None:
    path = written(
        folder,
        "\ufeffshop, playerUniqueId, transactionId, amount, transactionTime, email\r\n"
        "x, ada, o1, 5, 2019-09-19T18:14:09.895+02:00,\r\n\r\n,,,,,\r\n",
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
        ("", "orders.csv: lacks the column player_unique_id; its first line must name the columns"),
        ("player_unique_id;transaction_id;amount\n", "lacks the column player_unique_id"),
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
        (f'{HEADER}ada,o1,1\n"ada\nor grace",o2,1\nada,"o3,1\n', "line 5: the rest is not CSV: unexpected end of data"),
        (f'{HEADER[:-1]},"\n', "is not CSV"),
        (f"{HEADER[:-1]},merchant.branch.name\nada,o1,1,North\n", "line 2: unique_id or name is required for a merch"),
        (f"{HEADER[:-1]},operation\nada,o1,1,sale\n", "operation must be one of cashback, redeem, refund, manual, not"),
        (HEADER.encode() + b"\xff\xfe,o1,1\n", "line 2: player_unique_id is not UTF-8 text"),
        (HEADER.encode("utf-16"), "is not UTF-8 text"),
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
        ("[" * 100_000, "the row is not JSON that can be read"),
        ("[1]", "the row must be a JSON object"),
        ('{"transaction_id": "t", "transactionId": "u"}', "transaction_id is given twice"),
        ('{"transaction_id": "t", "transaction_id": "u"}', "transaction_id is given twice"),
        ('{"operation": "refund", "operation": "cashback"}', "operation must be one of"),
        ('{"operation": 7}', "operation must be one of cashback, redeem, refund, manual, not 7"),
        ('{"transaction_id": 7}', "transaction_id must be a str, not int"),
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
        ('{"operation": "refund", "line_items": [{"productId": 7}]}', "line_items.product_id must be a str, not int"),
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
        ({"mail": "email"}, "orders.csv: has no column mail, which --map names for email"),
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


def test_a_file_that_fails_while_it_is_read_is_refused_by_its_name(folder: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError(5, "Input/output error")

        read1 = read

    with RowsFile(written(folder, HEADER)) as rows:
        rows._file.close()
        rows._file = Broken()
        with pytest.raises(BadRowsError, match=r"orders\.csv: Input/output error"):
            list(rows)


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
    assert write_rows(path, iter(results), ["cashback", "manual", "redeem", "refund"]) == 4

    with RowsFile(path) as rows:
        assert list(rows) == requests
        assert rows.passed_over == ["row", "code", "message"]
    with path.open(encoding="utf-8", newline="") as file:
        assert "otp" not in file.readline()
    assert path.read_bytes().count(b",305,no\r\n") == 1


def test_without_failed_rows_the_file_has_its_titles_only(folder: Path) -> None:
    path = folder / "failed.csv"
    assert write_rows(path, [], []) == 0
    assert path.read_text(encoding="utf-8").splitlines() == ["operation,row,code,message"]

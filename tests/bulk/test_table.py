"""Mappings as rows of a bulk run: dicts, rows of databases, whatever has keys."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from gameball import (
    AsyncGameball,
    Branch,
    CashbackRequest,
    InvalidRequestError,
    LineItem,
    ManualRequest,
    Merchant,
    RefundRequest,
)
from gameball.bulk.table import rows_from
from gameball.models.shared import KeyedRequest
from gameball.sandbox import Sandbox
from tests.bulk.values import Array, Float32, Missing, Timestamp

ORDER: Mapping[str, Any] = {"player_unique_id": "ada", "transaction_id": "t1", "amount": 5}
NAN = float("nan")


def cashback(**values: object) -> CashbackRequest:
    """The request of an order with these values."""
    (row,) = rows_from([{**ORDER, **values}])
    assert isinstance(row, CashbackRequest)
    return row


def refused(table: Any, operation: str = "cashback", columns: Mapping[str, str] | None = None) -> str:
    with pytest.raises(InvalidRequestError) as error:
        list(rows_from(table, operation=operation, columns=columns))
    return error.value.message


def orders(count: int) -> list[dict[str, Any]]:
    return [{**ORDER, "transaction_id": f"t{number}"} for number in range(count)]


# --- values


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        *((99.98, "99.98"), (0.1, "0.1"), (1e3, "1000.0"), (7, "7"), (Decimal("20.50"), "20.50"), ("12.5", "12.5")),
        (Decimal("99.980000000000000000"), "99.98"),
        (Float32("99.98"), "99.98"),
    ],
)
def test_an_amount_is_the_decimal_that_was_written_down(value: object, amount: str) -> None:
    assert str(cashback(amount=value).amount) == amount


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(("A-1", "A-1"), (17850, "17850"), (Decimal(17850), "17850")),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    ],
)
def test_an_id_is_text_or_a_whole_number(value: object, text: str) -> None:
    assert cashback(transaction_id=value).transaction_id == text


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 3, 1, 10, tzinfo=timezone(timedelta(hours=1))),
        Timestamp(2026, 3, 1, 9, tzinfo=UTC),
        "2026-03-01T09:00:00Z",
    ],
)
def test_a_time_comes_with_its_zone(value: object) -> None:
    time = cashback(transaction_time=value).transaction_time
    assert time == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert type(time) is datetime


@pytest.mark.parametrize(
    "missing", [None, NAN, Decimal("NaN"), Missing.NA, Missing.NAT, Float32("nan"), Timestamp.nat()]
)
def test_a_missing_value_is_not_given_and_where_it_is_needed_refused(missing: object) -> None:
    assert cashback(transaction_time=missing, email=missing, mobile=missing).transaction_time is None
    assert refused([{**ORDER, "amount": missing}]) == "table: 1 bad row: row 1, column amount: amount is required"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"amount": True}, "amount must be a number such as 99.98, not True"),
        ({"amount": "1,200"}, "amount must be a number such as 99.98, not '1,200'"),
        ({"amount": 0.1 + 0.2}, "amount must have at most 15 significant digits"),
        ({"amount": float("inf")}, "amount must be a finite number, not Infinity"),
        ({"amount": timedelta(5)}, "amount must be a number such as 99.98, not datetime.timedelta(days=5)"),
        ({"amount": date(2026, 3, 1)}, "amount must be a number such as 99.98, not 2026-03-01"),
        ({"transaction_id": 17850.0}, "transaction_id must be text or a whole number, not 17850.0"),
        ({"transaction_id": b"t1"}, "transaction_id must be text or a whole number, not b't1'"),
        ({"transaction_id": "t1 "}, "transaction_id must not begin or end with white space"),
        ({"transaction_id": "nan"}, "transaction_id must not be 'nan', which a missing value becomes as text"),
        ({"player_unique_id": "<NA>"}, "player_unique_id must not be '<NA>', which a missing value becomes as text"),
        ({"transaction_time": datetime(2026, 3, 1)}, "must be a time with its zone, such as 2019-09-19T16:14:09Z"),  # noqa: DTZ001
        ({"transaction_time": date(2026, 3, 1)}, "such as 2019-09-19T16:14:09Z, not 2026-03-01"),
    ],
)
def test_a_bad_value_is_refused_by_row_column_and_rule(values: Mapping[str, object], sentence: str) -> None:
    (column,) = values
    said = refused([{**ORDER, "transaction_id": "t0"}, {**ORDER, **values}])
    assert said.startswith(f"table: 1 bad row: row 2, column {column}: ")
    assert sentence in said


def test_objects_and_lists_of_objects_are_read_inside_rows() -> None:
    merchant = {"uniqueId": "m1", "name": None, "branch": {"name": "North"}}
    assert cashback(merchant=merchant).merchant == Merchant(unique_id="m1", branch=Branch(name="North"))
    row = {"player_unique_id": "ada", "transaction_id": "r1", "original_transaction_id": "t1"}
    for items in ([{"productId": "p1", "quantity": 1.5}], Array([{"productId": "p1", "quantity": 1.5}])):
        (refund,) = rows_from([{**row, "line_items": items}], operation="refund")
        assert isinstance(refund, RefundRequest)
        assert refund.line_items == (LineItem(product_id="p1", quantity=Decimal("1.5")),)


# --- rows and columns


def test_columns_have_our_names_or_the_apis_or_those_that_are_mapped_and_others_are_passed_over() -> None:
    row = {"playerUniqueId": "ada", "Order No": "t1", "Total": 5, "till": object()}
    columns = {"Order No": "transaction_id", "Total": "amount"}
    assert list(rows_from([row], columns=columns)) == [
        CashbackRequest(player_unique_id="ada", transaction_id="t1", amount=5)
    ]


def test_a_column_can_name_the_operation_of_each_row() -> None:
    manual = {"player_unique_id": "ada", "transaction_id": "m", "username": "ops", "reason": "sorry", "points": 20.0}
    rows = list(rows_from([{**manual, "operation": "manual"}, dict(ORDER)]))
    assert list(map(type, rows)) == [ManualRequest, CashbackRequest]


def test_rows_of_a_database_are_mappings_too() -> None:
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    rows = database.execute("SELECT 'ada' AS player_unique_id, 7 AS transaction_id, 12.5 AS amount")
    assert list(rows_from(rows)) == [CashbackRequest(player_unique_id="ada", transaction_id="7", amount=12.5)]
    database.close()


def test_all_bad_rows_are_named_by_the_tables_own_columns() -> None:
    rows = [{"playerUniqueId": "ada", "id": f"t{number}", "Total": 5} for number in range(30)]
    rows[16]["Total"] = NAN
    rows[20]["playerUniqueId"] = ""
    rows[29]["id"] = "t3"
    assert refused(rows, columns={"id": "transaction_id", "Total": "amount"}) == (
        "table: 3 bad rows: row 17, column Total: amount is required;"
        " row 21, column playerUniqueId: player_unique_id must not be empty;"
        " row 30, column id: transaction_id t3 stands in row 4 already"
    )


def test_the_first_20_bad_rows_are_named_and_the_others_counted() -> None:
    said = refused([{**order, "amount": 0} for order in orders(1200)])
    assert said.startswith("table: 1,200 bad rows: row 1, column amount: amount must be positive, not 0; row 2,")
    assert said.endswith("row 20, column amount: amount must be positive, not 0; and 1,180 more")


def test_the_field_of_the_first_bad_cell_is_told() -> None:
    with pytest.raises(InvalidRequestError) as error:
        list(rows_from([{**ORDER, "amount": 0}, {**ORDER, "player_unique_id": ""}]))
    assert error.value.field == "amount"


def test_what_is_no_row_is_refused() -> None:
    assert refused([("ada", "t1", 5)]) == (
        "table: 1 bad row: row 1: the row must be a mapping of columns to values, not tuple"
    )


@pytest.mark.parametrize("table", ["orders.csv", b"x", 7, None, {"amount": [5]}])
def test_what_is_no_table_is_refused(table: object) -> None:
    with pytest.raises(InvalidRequestError, match="table must be a frame, other Arrow data or an iterable of mappings"):
        rows_from(table)


def test_a_mapping_that_does_not_fit_is_refused_and_the_nearest_name_suggested() -> None:
    with pytest.raises(InvalidRequestError, match=r"Total cannot be mapped to amont: .*; perhaps amount is meant"):
        rows_from([], columns={"Total": "amont"})
    with pytest.raises(InvalidRequestError, match="operation must be one of cashback, redeem, refund, manual, not 'x'"):
        rows_from([], operation="x")
    assert refused(orders(2), columns={"Total": "email"}) == "table: no row has 'Total', which columns names"


# --- passes


def test_a_list_is_checked_as_a_whole_before_its_first_row_is_given() -> None:
    rows = orders(10_000)
    rows[-1]["amount"] = -1
    given: list[KeyedRequest] = []
    with pytest.raises(InvalidRequestError, match="row 10000, column amount"):
        given.extend(rows_from(rows))
    assert given == []


def test_a_list_can_be_planned_and_then_sent() -> None:
    rows = rows_from(orders(5000))
    assert len(list(rows)) == len(list(rows)) == 5000


def test_no_row_is_given_that_differs_from_what_was_checked() -> None:
    table = orders(10_000)
    rows = iter(rows_from(table))
    next(rows)
    table[9000]["amount"] = 500
    with pytest.raises(InvalidRequestError, match="table has changed since it was checked"):
        list(rows)
    table[9000]["amount"] = -1
    with pytest.raises(InvalidRequestError, match="row 9001, column amount"):
        list(rows_from(table))


@pytest.mark.parametrize("left", [0, 9000])
def test_rows_that_are_gone_after_the_check_are_missed(left: int) -> None:
    class UsedUp(list[Any]):
        times = 0

        def __iter__(self) -> Iterator[Any]:
            self.times += 1
            return iter(orders(10_000 if self.times == 1 else left))

    with pytest.raises(InvalidRequestError, match="table has changed since it was checked"):
        list(rows_from(UsedUp()))


def test_of_what_is_read_once_rows_are_given_up_to_the_first_bad_one_and_all_bad_ones_are_named() -> None:
    rows = orders(30)
    rows[5]["amount"] = rows[20]["amount"] = 0
    given: list[KeyedRequest] = []
    with pytest.raises(InvalidRequestError, match=r"2 bad rows: row 6, column amount: .*; row 21, column amount: "):
        given.extend(rows_from(iter(rows)))
    assert [row.transaction_id for row in given] == ["t0", "t1", "t2", "t3", "t4"]


def test_nothing_is_read_before_the_first_row_is_asked_for() -> None:
    def never() -> Iterator[dict[str, Any]]:
        pytest.fail("it was read")
        yield {}

    rows_from(never())
    assert list(rows_from([])) == list(rows_from(iter([]), columns={"Total": "amount"})) == []


# --- runs


async def test_a_table_with_bad_cells_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AsyncGameball, tmp_path: Path
) -> None:
    table = orders(5000)
    table[4321]["amount"] = None
    with pytest.raises(InvalidRequestError, match="row 4322, column amount: amount is required"):
        await client.bulk.run(rows_from(table))
    with pytest.raises(InvalidRequestError, match="row 4322, column amount: amount is required"):
        await client.bulk.run(rows_from(iter(table)), journal=tmp_path / "rewards.journal")
    assert len(sandbox.requests) == 0


async def test_the_rows_of_a_table_are_rewarded_each_once(sandbox: Sandbox, client: AsyncGameball) -> None:
    table = [{"player": f"p{number}", "order": number, "Total": 99.98} for number in range(50)]
    columns = {"player": "player_unique_id", "order": "transaction_id", "Total": "amount"}
    report = await client.bulk.run(rows_from(table, columns=columns))
    assert report.applied == 50
    given = Counter(entry.transaction_id for entry in sandbox.ledger.transactions())
    assert given == {str(number): 1 for number in range(50)}

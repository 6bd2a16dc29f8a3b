"""Arrow data as rows of a bulk run: what each of its types becomes, and what is refused in it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gameball import CashbackRequest, InvalidRequestError, Merchant
from gameball.bulk.table import rows_from
from tests.bulk.values import Frame, Series

pa = pytest.importorskip("pyarrow")

PLAYER, ORDER = pa.array(["ada"]), pa.array(["t1"])
COLUMNS = {"Total": "amount"}


def table(**columns: Any) -> Any:
    return pa.table({"player_unique_id": PLAYER, "transaction_id": ORDER, "amount": pa.array([5]), **columns})


def cashback(**columns: Any) -> CashbackRequest:
    (row,) = rows_from(table(**columns))
    assert isinstance(row, CashbackRequest)
    return row


def refused(data: Any, columns: Mapping[str, str] | None = None) -> str:
    with pytest.raises(InvalidRequestError) as error:
        list(rows_from(data, columns=columns))
    return error.value.message


def orders(count: int) -> Any:
    return pa.table(
        {
            "player_unique_id": [f"p{number % 100}" for number in range(count)],
            "transaction_id": list(range(count)),
            "Total": pa.array([Decimal("99.98")] * count, pa.decimal128(38, 18)),
        }
    )


# --- types


@pytest.mark.parametrize(
    ("column", "amount"),
    [
        (pa.array([99.98]), "99.98"),
        (pa.array([99.98], pa.float32()), "99.98"),
        (pa.array([Decimal("99.98")], pa.decimal128(38, 18)), "99.98"),
        (pa.array([Decimal("20.50")]), "20.50"),
        (pa.array([7], pa.uint8()), "7"),
        (pa.array([Decimal(7)], pa.decimal256(60, 0)), "7"),
        (pa.array(["12.5"]), "12.5"),
        (pa.array(["12.5"]).dictionary_encode(), "12.5"),
        (pa.array([99.98], pa.float32()).dictionary_encode(), "99.98"),
    ],
    ids=lambda one: str(getattr(one, "type", "")),
)
def test_an_amount_is_the_decimal_that_was_written_down(column: Any, amount: str) -> None:
    assert str(cashback(amount=column).amount) == amount


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.int64(), pa.decimal128(20, 0)], ids=str)
def test_an_id_is_text_or_a_whole_number(kind: Any) -> None:
    column = pa.array(["17850"]).cast(kind)
    assert cashback(transaction_id=column, player_unique_id=column.dictionary_encode()) == CashbackRequest(
        player_unique_id="17850", transaction_id="17850", amount=5
    )


def test_times_with_a_zone_are_taken_to_the_microsecond() -> None:
    time = datetime(2026, 3, 1, 9, 0, 0, 123456, UTC)
    for unit, nanoseconds in (("us", 0), ("ns", 789)):
        kind = pa.timestamp(unit, tz="Europe/Berlin")
        number = int(time.timestamp()) * 10**6 + 123456
        column = pa.array([number if unit == "us" else number * 1000 + nanoseconds]).cast(kind)
        assert cashback(transaction_time=column).transaction_time == time
    assert cashback(transaction_time=pa.array(["2026-03-01T09:00:00.123456Z"])).transaction_time == time


def test_a_struct_is_a_merchant_and_nulls_are_not_given() -> None:
    merchant = pa.array([{"unique_id": "m1", "name": None}])
    assert cashback(merchant=merchant, email=pa.nulls(1)).merchant == Merchant(unique_id="m1")
    missing = pa.array([None], pa.timestamp("ns"))
    assert cashback(transaction_time=missing, mobile=pa.array([float("nan")])).transaction_time is None


@pytest.mark.parametrize(
    ("name", "column", "sentence"),
    [
        ("amount", pa.nulls(1), "amount is required"),
        ("amount", pa.array([float("nan")]), "amount is required"),
        ("amount", pa.array([float("nan")], pa.float32()), "amount is required"),
        ("amount", pa.array([True]), "amount must be a number such as 99.98, not True"),
        ("amount", pa.array([timedelta(5)]), "amount must be a number such as 99.98"),
        ("amount", pa.array([0.1 + 0.2]), "amount must have at most 15 significant digits"),
        ("transaction_id", pa.array([17850.0]), "transaction_id must be text or a whole number, not 17850.0"),
        ("transaction_id", pa.array([b"\xff"]), "transaction_id must be text or a whole number, not b'\\xff'"),
        ("transaction_id", pa.array([b"\xff"]).view(pa.string()), "transaction_id cannot be read"),
        ("transaction_time", pa.array([datetime(2026, 3, 1)]), "must be a time with its zone"),  # noqa: DTZ001
        ("transaction_time", pa.array([date(2026, 3, 1)]), "must be a time with its zone"),
        *(
            ("transaction_time", pa.array([2**60]).cast(pa.timestamp(unit, "UTC")), "must lie within the calendar")
            for unit in ("s", "us")
        ),
    ],
    ids=lambda one: str(getattr(one, "type", "")),
)
def test_a_bad_value_is_refused_by_row_column_and_rule(name: str, column: Any, sentence: str) -> None:
    said = refused(table(**{name: column}))
    assert said.startswith(f"table: 1 bad row: row 1, column {name}: ")
    assert sentence in said


def test_one_time_beyond_the_calendar_spoils_no_other() -> None:
    time = datetime(2026, 3, 1, 9, tzinfo=UTC)
    times = pa.array([int(time.timestamp()), 2**60]).cast(pa.timestamp("s", "UTC"))
    rows = orders(2).append_column("transaction_time", times)
    assert refused(rows, COLUMNS) == (
        "table: 1 bad row: row 2, column transaction_time: transaction_time must lie within the calendar"
    )


# --- columns


def test_a_column_that_is_missing_or_there_twice_is_refused_with_what_there_is() -> None:
    assert refused(orders(3)) == (
        "table: lacks the column amount; it has 'player_unique_id', 'transaction_id', 'Total';"
        " columns={'their title': 'amount'} names a column that is called otherwise"
    )
    assert refused(orders(3).rename_columns(["player unique id", "transactionId", "Amount"])) == (
        "table: lacks the column player_unique_id; it has 'player unique id', 'transactionId', 'Amount';"
        " perhaps columns={'player unique id': 'player_unique_id', 'Amount': 'amount'}"
    )
    assert refused(orders(3), {"Totals": "amount"}) == (
        "table: has no column 'Totals', which columns names, but 'player_unique_id', 'transaction_id', 'Total';"
        " perhaps 'Total' is meant"
    )
    twice = orders(3).rename_columns(["player_unique_id", "amount", "amount"])
    assert refused(twice) == "table: has the column amount twice"


def test_columns_that_no_field_reads_may_hold_anything() -> None:
    assert cashback(till=pa.array([b"\xff"]).view(pa.string())).amount == 5


def test_what_is_arrow_data_and_no_table_is_refused() -> None:
    assert "table cannot be read as Arrow data: " in refused(pa.chunked_array([[1]]))


def test_without_pyarrow_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    data = orders(1)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError) as error:
        rows_from(data)
    assert str(error.value) == "tables need their extra: pip install 'gameball[tables]'"


# --- frames of pandas, here of a stand-in: tests/ecosystem/ has the real ones


def test_a_frame_is_read_by_its_index_and_columns_whatever_kinds_of_values_they_mix() -> None:
    columns = {"player_unique_id": ["ada", 7], "Total": [Decimal(5), 12.5], "till": [object(), b""]}
    assert list(rows_from(Frame(columns, index={"transaction_id": ["t1", "t2"]}), columns=COLUMNS)) == [
        CashbackRequest(player_unique_id="ada", transaction_id="t1", amount=5),
        CashbackRequest(player_unique_id="7", transaction_id="t2", amount=12.5),
    ]


def test_a_frame_is_read_in_slices_its_columns_of_one_kind_by_arrow() -> None:
    count = 9000
    ids = list(range(count))
    columns = {"player_unique_id": Series(ids, int), "transaction_id": ids, "amount": Series([99.98] * count, float)}
    rows = list(rows_from(Frame(columns)))
    assert [row.transaction_id for row in rows] == [row.player_unique_id for row in rows] == list(map(str, ids))


def test_a_column_of_a_kind_that_arrow_does_not_take_is_read_cell_by_cell() -> None:
    columns = {"player_unique_id": Series(["ada", 7], str), "transaction_id": ["t1", "t2"], "amount": ["ten", 5]}
    assert refused(Frame(columns)) == (
        "table: 1 bad row: row 1, column amount: amount must be a number such as 99.98, not 'ten'"
    )


# --- passes


def test_a_table_is_checked_as_a_whole_before_its_first_row_is_given() -> None:
    data = orders(20_000)
    totals = data["Total"].to_pylist()
    totals[16] = None
    totals[19_999] = Decimal(-1)
    rows = iter(rows_from(data.set_column(2, "Total", pa.array(totals)), columns=COLUMNS))
    with pytest.raises(InvalidRequestError) as error:
        next(rows)
    assert error.value.message == (
        "table: 2 bad rows: row 17, column Total: amount is required;"
        " row 20000, column Total: amount must be positive, not -1"
    )


def test_batches_of_any_size_are_read() -> None:
    batches = orders(10).to_batches(max_chunksize=3)
    empty = batches[0].slice(0, 0)
    for data in (pa.Table.from_batches([empty, *batches, empty]), orders(10).to_reader(max_chunksize=3)):
        ids = [row.transaction_id for row in rows_from(data, columns=COLUMNS)]
        assert ids == [str(number) for number in range(10)]


def test_a_reader_is_read_once_and_no_further_than_it_must() -> None:
    read: list[int] = []

    def batches() -> Any:
        for batch in orders(50_000).to_batches(max_chunksize=5000):
            read.append(batch.num_rows)
            yield batch

    reader = pa.RecordBatchReader.from_batches(orders(1).schema, batches())
    rows = iter(rows_from(reader, columns=COLUMNS))
    assert next(rows).transaction_id == "0"
    assert sum(read) <= 10_000

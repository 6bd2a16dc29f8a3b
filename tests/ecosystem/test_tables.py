"""Real frames and rows of databases as rows of a bulk run, and the results of a run as a frame."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from gameball import CashbackRequest, Gameball, InvalidRequestError
from gameball.bulk.table import rows_from
from gameball.sandbox import Sandbox
from tests.support.pages import examples

pa = pytest.importorskip("pyarrow")
pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
duckdb = pytest.importorskip("duckdb")
sqlalchemy = pytest.importorskip("sqlalchemy")

COLUMNS = {"player": "player_unique_id", "order": "transaction_id", "Total": "amount", "paid": "transaction_time"}
BEGIN = datetime(2026, 3, 1, 9, tzinfo=UTC)


def orders(count: int) -> dict[str, list[Any]]:
    numbers = range(count)
    return {
        "player": [f"p{number % 1000}" for number in numbers],
        "order": list(numbers),
        "Total": [20.5 + number % 100 for number in numbers],
        "paid": [BEGIN + timedelta(seconds=number) for number in numbers],
        "till": [3 for _ in numbers],
    }


def of_pandas(data: Mapping[str, list[Any]]) -> Any:
    return pandas.DataFrame(data)


def of_pandas_with_its_own_types(data: Mapping[str, list[Any]]) -> Any:
    frame = pandas.DataFrame(data)
    return frame.astype({"player": "category", "order": "Int64", "Total": "Float64"}).set_index("order")


def of_pandas_by_arrow(data: Mapping[str, list[Any]]) -> Any:
    return pandas.DataFrame(data).convert_dtypes(dtype_backend="pyarrow")


def of_pandas_with_objects(data: Mapping[str, list[Any]]) -> Any:
    """Ids of two kinds, and Decimals."""
    ids = [str(number) if number % 2 else number for number in data["order"]]
    totals = [None if total is None else Decimal(str(total)) for total in data["Total"]]
    return pandas.DataFrame({**data, "order": ids, "Total": totals}).astype(object)


def of_polars(data: Mapping[str, list[Any]]) -> Any:
    return polars.DataFrame(data).with_columns(polars.col("player").cast(polars.Categorical))


def of_pyarrow(data: Mapping[str, list[Any]]) -> Any:
    return pa.table(data)


def of_duckdb(data: Mapping[str, list[Any]]) -> Any:
    loaded = pa.table(data)  # noqa: F841 (DuckDB finds it by its name)
    return duckdb.sql('SELECT * REPLACE ("Total"::DECIMAL(18, 6) AS "Total") FROM loaded')


MAKERS = (
    of_pandas,
    of_pandas_with_its_own_types,
    of_pandas_by_arrow,
    of_pandas_with_objects,
    of_polars,
    of_pyarrow,
    of_duckdb,
)
EACH = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__.removeprefix("of_"))
Make = Callable[[Mapping[str, list[Any]]], Any]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Gameball]:
    with Gameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url) as made:
        yield made


@EACH
def test_bad_cells_are_refused_by_row_and_column_before_anything_is_sent(
    make: Make, sandbox: Sandbox, client: Gameball
) -> None:
    data = orders(20_000)
    data["Total"][16] = None
    data["Total"][12_345] = -1.0
    data["player"][19_999] = " ada"
    with pytest.raises(InvalidRequestError) as error:
        client.bulk.run(rows_from(make(data), columns=COLUMNS))
    headline, *sentences = error.value.message.replace("; ", ": ").split(": row ")
    assert headline == "table: 3 bad rows"
    assert sentences[0] == "17, column Total: amount is required"
    assert sentences[1].startswith("12346, column Total: amount must be positive, not -1")
    assert sentences[2] == "20000, column player: player_unique_id must not begin or end with white space"
    assert len(sandbox.requests) == 0


@EACH
def test_a_frame_s_rows_are_rewarded_each_once(make: Make, sandbox: Sandbox, client: Gameball) -> None:
    report = client.bulk.run(rows_from(make(orders(300)), columns=COLUMNS))
    assert report.applied == 300
    given = Counter(entry.transaction_id for entry in sandbox.ledger.transactions())
    assert given == {str(number): 1 for number in range(300)}


@EACH
def test_every_kind_of_frame_gives_the_same_requests(make: Make) -> None:
    assert list(rows_from(make(orders(5000)), columns=COLUMNS)) == [
        CashbackRequest(player_unique_id=player, transaction_id=str(order), amount=total, transaction_time=paid)
        for player, order, total, paid, _ in zip(*orders(5000).values(), strict=True)
    ]


def test_missing_values_of_every_kind_are_not_given() -> None:
    missing = [None, pandas.NA, pandas.NaT, float("nan")]
    frame = pandas.DataFrame({"player": ["p"] * 4, "order": list("abcd"), "Total": 5, "paid": missing}, dtype=object)
    assert [row.transaction_time for row in rows_from(frame, columns=COLUMNS)] == [None] * 4


def test_times_without_a_zone_and_ids_that_became_floats_are_refused() -> None:
    data = orders(2)
    frame = pandas.DataFrame(
        {**data, "order": [1.0, None], "paid": [time.replace(tzinfo=None) for time in data["paid"]]}
    )
    with pytest.raises(InvalidRequestError) as error:
        list(rows_from(frame, columns=COLUMNS))
    assert "row 1, column order: transaction_id must be text or a whole number, not 1.0" in error.value.message
    with pytest.raises(InvalidRequestError, match="row 1, column paid: transaction_time must be a time with its zone"):
        list(rows_from(frame.assign(order=[1, 2]), columns=COLUMNS))


def test_float32_stands_for_its_own_shortest_decimal() -> None:
    data = {**orders(1), "Total": [99.98]}
    for frame in (
        pandas.DataFrame(data).astype({"Total": "float32"}),
        polars.DataFrame(data).cast({"Total": polars.Float32}),
    ):
        (row,) = rows_from(frame, columns=COLUMNS)
        assert isinstance(row, CashbackRequest)
        assert str(row.amount) == "99.98"


def test_rows_of_sqlalchemy_are_read_in_one_pass() -> None:
    columns = {"player": "player_unique_id", "order": "transaction_id", "Total": "amount"}
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        query = sqlalchemy.text('SELECT \'ada\' AS player, 7 AS "order", 12.5 AS "Total"')
        rows = list(rows_from(connection.execute(query).mappings(), columns=columns))
    engine.dispose()
    assert rows == [CashbackRequest(player_unique_id="ada", transaction_id="7", amount=12.5)]


def test_a_relation_of_duckdb_in_no_certain_order_gives_no_row_unchecked() -> None:
    relation = duckdb.sql(
        'SELECT \'ada\' AS player, uuid()::VARCHAR AS "order", 5 AS "Total", NULL AS paid FROM range(10)'
    )
    with pytest.raises(InvalidRequestError, match="table has changed since it was checked, or comes in no certain"):
        next(iter(rows_from(relation, columns=COLUMNS)))
    assert len(list(rows_from(relation.to_arrow_table(), columns=COLUMNS))) == 10


PAGE = Path(__file__).parents[2] / "docs/tables.md"


def test_the_page_on_tables_prints_what_it_says(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAMEBALL_API_KEY", sandbox.api_key)
    monkeypatch.setenv("GAMEBALL_SECRET_KEY", sandbox.secret_key)
    monkeypatch.setenv("GAMEBALL_BASE_URL", sandbox.base_url)
    names: dict[str, Any] = {"__name__": "tables"}
    for code, expected in examples(PAGE.read_text(encoding="utf-8")):
        with redirect_stdout(StringIO()) as printed:
            exec(compile(code, "tables", "exec", dont_inherit=True), names)  # noqa: S102 (ours)
        assert printed.getvalue() == expected, code

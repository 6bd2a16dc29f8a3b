"""Tables as rows of a bulk run, and the results of a run as a table. Arrow data needs the extra `tables`."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import islice, zip_longest
from typing import Any, Final, Protocol

from gameball.bulk.cells import plain, pyarrow, values_of
from gameball.bulk.columns import COLUMNS, IDS, OBJECTS, OPERATION, JsonObject, flat
from gameball.bulk.journal import JournalReader
from gameball.bulk.row_reader import Pairs, RowReader
from gameball.bulk.rows import Request
from gameball.bulk.titles import Names, Wording, listed
from gameball.errors import InvalidRequestError
from gameball.models.shared import KeyedRequest, refuse

CHUNK: Final = 4096
"""Rows that are held at a time."""

ROWS: Final = Wording("row", "columns", lambda columns: f"columns={dict(columns)}", "it has")

PLACES: Final = 2
"""Digits that amounts of results have behind the point, at least."""

READ: Final = frozenset({OPERATION, *OBJECTS, *(name for columns in COLUMNS.values() for name in columns)})
"""Columns that some operation reads; no other one is converted."""

MISSING: Final = frozenset({"nan", "NaN", "None", "NaT", "<NA>"})
"""What Python makes of a missing value that is turned into text: no id."""


def rows_from(
    table: Any, *, operation: str = "cashback", columns: Mapping[str, str] | None = None
) -> Iterable[KeyedRequest]:
    """Make requests of the rows of a table, by the rules for files of rows.

    A table that can be read more than once (a frame, a relation, a list) is checked as a whole before its first row
    is given, and no row that differs from what was checked is given later. Of what can be read only once (a reader, a
    cursor, a generator) rows are given up to the first bad one: nothing is sent before all are checked if the run has
    a journal. Either way few rows are held at a time, and nothing is read before the first row is asked for.

    Args:
        table: Whatever has `__arrow_c_stream__` (pandas, polars, pyarrow, DuckDB), or an iterable of mappings (dicts,
            SQLAlchemy's `.mappings()`). A null, NaN or NaT is a value that is not given.
        operation: The operation of rows that do not name theirs in a column `operation`.
        columns: Names of columns in this table, and the field of each.

    Raises:
        InvalidRequestError: There is no such operation or field, or `table` is none. The rows raise it where a column
            is missing, and for all bad cells together, the first twenty of them by row (from 1) and column.
        ModuleNotFoundError: The extra `tables` is not installed.
    """
    if operation not in COLUMNS:
        raise refuse("operation", f"must be one of {', '.join(COLUMNS)}, not {operation!r}")
    names = Names(operation, columns)
    return _TableRows(_source_of(table, names), names)


class _Source(Protocol):
    """A table, and how its rows are read."""

    again: bool
    """Whether it can be read more than once."""

    def rows(self) -> Iterator[Any]:
        """The rows of one pass."""
        ...

    def pairs(self, row: Any) -> Pairs:
        """A row's cells by their titles.

        Raises:
            InvalidRequestError: It is no row.
        """
        ...


def _source_of(table: Any, names: Names) -> _Source:
    if hasattr(table, "iloc") and hasattr(table, "columns"):
        return _Frame(table, names)
    if hasattr(table, "__arrow_c_stream__"):
        return _Stream(table, names)
    rows: object = table
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        raise refuse(
            "table", f"must be a frame, other Arrow data or an iterable of mappings, not {type(table).__name__}"
        )
    return _Mappings(table)


class _TableRows(Iterable[KeyedRequest]):
    """The requests of a table."""

    def __init__(self, source: _Source, names: Names) -> None:
        self._source = source
        self._names = names
        self._hashes: list[int] | None = None
        """Of the rows in chunks, once all have been checked."""

    def __iter__(self) -> Iterator[Request]:
        if not self._source.again:
            yield from self._rows()
            return
        if self._hashes is None:
            self._hashes = [hash(chunk) for chunk in self._chunks()]
        for known, chunk in zip_longest(self._hashes, self._chunks()):
            if chunk is None or hash(chunk) != known:
                raise refuse("table", "has changed since it was checked, or comes in no certain order: sort or copy it")
            yield from chunk

    def _chunks(self) -> Iterator[tuple[Request, ...]]:
        rows = self._rows()
        while chunk := tuple(islice(rows, CHUNK)):
            yield chunk

    def _rows(self) -> Iterator[Request]:
        """Rows up to the first bad one; raises at the end of the table what is wrong with all."""
        with RowReader(self._names, ROWS, _check_id) as reader:
            place = 0
            for place, row in enumerate(self._source.rows(), 1):
                pairs: Pairs = ()
                try:
                    pairs = self._source.pairs(row)
                    request = reader.request(place, pairs)
                except InvalidRequestError as error:
                    reader.refuse(place, error, pairs)
                else:
                    if not reader.bad.found:
                        yield request
            if reader.bad.found:
                headline, *sentences = reader.bad.complaint()
                raise InvalidRequestError(f"table: {headline}: {'; '.join(sentences)}", field=reader.bad.field)
            if place and reader.unseen and not isinstance(self._source, _Columns):
                raise InvalidRequestError(f"table: no row has {listed(sorted(reader.unseen))}, which columns names")


def _check_id(name: str, _title: str, _cell: Any, value: Any) -> None:
    if name in IDS and value in MISSING:
        raise refuse(name, f"must not be {value!r}, which a missing value becomes as text")


# --- sources


class _Columns:
    """A table with the same columns in every row, read column by column, some rows at a time."""

    def __init__(self, table: Any, names: Names) -> None:
        self._table = table
        self._names = names
        self._arrow = pyarrow()
        self.again = isinstance(table, Sized)

    def pairs(self, row: Pairs) -> Pairs:
        """A row's cells by their titles."""
        return row

    def _read(self, titles: Sequence[str]) -> list[int]:
        """Which columns are to be read.

        Raises:
            InvalidRequestError: One is missing, or there twice.
        """
        if fault := self._names.fault(titles, ROWS):
            raise InvalidRequestError(f"table: {fault}", field="columns")
        return [number for number, title in enumerate(titles) if self._names[title] in READ]


class _Stream(_Columns):
    """Arrow data, batch by batch."""

    def rows(self) -> Iterator[Pairs]:
        """The rows of one pass."""
        try:
            reader = self._arrow.RecordBatchReader.from_stream(self._table)
        except (TypeError, ValueError) as error:
            raise refuse("table", f"cannot be read as Arrow data: {error}") from None
        titles = reader.schema.names
        read = self._read(titles)
        for batch in reader:
            for start in range(0, batch.num_rows, CHUNK):
                part = batch.slice(start, CHUNK)
                yield from _in_rows([titles[number] for number in read], [values_of(part.column(n)) for n in read])


class _Frame(_Columns):
    """A frame of pandas, slice by slice: a column of its objects may mix kinds of values, which no Arrow data does."""

    def rows(self) -> Iterator[Pairs]:
        """The rows of one pass."""
        frame = self._table
        levels = [number for number, name in enumerate(frame.index.names) if name is not None]
        titles = list(map(str, (*(frame.index.names[level] for level in levels), *frame.columns)))
        read = self._read(titles)
        for start in range(0, len(frame), CHUNK):
            part = frame.iloc[start : start + CHUNK]
            columns = [
                *(partial(part.index.get_level_values, level) for level in levels),
                *(partial(part.iloc.__getitem__, (slice(None), number)) for number in range(len(frame.columns))),
            ]
            yield from _in_rows([titles[number] for number in read], [self._values(columns[n]()) for n in read])

    def _values(self, series: Any) -> list[Any]:
        if series.dtype != object:
            try:
                return values_of(self._arrow.array(series, from_pandas=True))
            except Exception:  # noqa: BLE001, S110 (categories of mixed kinds, say)
                pass
        return list(map(plain, series))


def _in_rows(titles: Sequence[str], columns: Sequence[list[Any]]) -> Iterator[Pairs]:
    nested = not set(OBJECTS).isdisjoint(titles)
    for cells in zip(*columns, strict=True):
        pairs = list(zip(titles, cells, strict=True))
        yield list(flat(JsonObject(pairs))) if nested else pairs


class _Mappings:
    """Rows with titles of their own."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows = rows
        self.again = isinstance(rows, Sized)

    def rows(self) -> Iterator[Any]:
        """The rows of one pass."""
        return iter(self._rows)

    def pairs(self, row: Any) -> Pairs:
        """A row's cells by their titles."""
        if not callable(getattr(row, "keys", None)):
            raise refuse("the row", f"must be a mapping of columns to values, not {type(row).__name__}")
        return list(flat(JsonObject((str(title), plain(row[title])) for title in row.keys())))  # noqa: SIM118 (sqlite3.Row)


# --- results


def results_table(journal: str | os.PathLike[str]) -> Any:
    """The rows of a journal and what became of each so far, as a `pyarrow.Table`; nothing is changed.

    Its columns: `row` (its place in the input, from 1), `operation`, `player_unique_id`, `transaction_id`, `amount`
    (a decimal, as exact as was given), `transaction_time` (null of a row that has not been sent and brings none),
    `status` (a `RowState`, or "pending", or "sending" for a row on its way or in doubt), `points`,
    `gameball_transaction_id`, and for what was refused or is unknown `error` (the class), `code` (the API's) and
    `message`.

    Args:
        journal: The file that a run keeps, also while it goes on.

    Raises:
        JournalError: There is none, or it cannot be read.
        ModuleNotFoundError: The extra `tables` is not installed.
    """
    arrow = pyarrow()
    text = arrow.string()
    names = (
        *("row", "operation", "player_unique_id", "transaction_id", "amount", "transaction_time"),
        *("status", "points", "gameball_transaction_id", "error", "code", "message"),
    )
    kinds = {"row": arrow.int64(), "transaction_time": arrow.timestamp("us", "UTC"), "code": arrow.int64()}
    schema = arrow.schema([(name, kinds.get(name, text)) for name in names])
    batches: list[Any] = []
    places = PLACES
    with JournalReader(journal) as recorded:
        for rows in recorded.outcomes():
            columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
            columns["row"] = [number + 1 for number in columns["row"]]
            columns["transaction_time"] = [
                time and datetime.fromisoformat(time) for time in columns["transaction_time"]
            ]
            places = max(places, *(_places(amount) for amount in set(columns["amount"])))
            batches.append(arrow.record_batch(columns, schema=schema))
    table = arrow.Table.from_batches(batches, schema)
    for name, kind in (("amount", arrow.decimal128(38, places)), ("points", arrow.int64())):
        number = names.index(name)
        table = table.set_column(number, name, _as_numbers(table.column(number), kind))
    return table


def _places(amount: str | None) -> int:
    """Digits behind the point."""
    exponent = Decimal(amount or 0).as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _as_numbers(column: Any, kind: Any) -> Any:
    """Text as numbers; points that are not whole as decimals."""
    try:
        return column.cast(kind)
    except ValueError:
        return column.cast(pyarrow().decimal128(38, max(map(_places, column.to_pylist()))))

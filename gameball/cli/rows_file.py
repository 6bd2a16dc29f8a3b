"""Rows read from a file, CSV or JSON Lines, and written back to one that can be read again.

The columns are those of `gameball/cli/columns.py`; others are passed over, and named. In JSON a row is an object as on
the API's pages, a merchant an object inside it. Line items are a JSON list in both. A column `operation` gives each
row's operation, where a file holds more than one kind.
"""

import csv
import io
import os
import reprlib
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final, Protocol, TextIO

from gameball.bulk.distinct import Seen
from gameball.bulk.rows import KINDS, Request, RowResult
from gameball.cli.columns import (
    COLUMNS,
    NAMES,
    OBJECTS,
    OPERATION,
    REQUIRED,
    JsonObject,
    cell_of,
    is_utf8,
    parse,
    request_of,
)
from gameball.errors import InvalidRequestError
from gameball.models.shared import refuse

SNIFFED: Final = 4096
"""Characters at the start of a file: the first one that is not blank shows whether it is JSON or CSV."""

NAMED: Final = 20
"""Bad rows, and columns that are passed over, that are named; other bad rows are counted."""


class BadRowsError(ValueError):
    """The file cannot be used: what is wrong with it, or its first 20 bad rows, one a line, and how many more."""


# --- the two formats


class _Format(Protocol):
    """How rows are written in a file."""

    def records(self) -> Iterator[tuple[int, Any]]:
        """Rows as they are written, each with the number of its first line."""
        ...

    def pairs(self, record: Any) -> Iterable[tuple[str, Any]]:
        """A row's columns, by the names in the file, and their values, or None.

        Raises:
            InvalidRequestError: It is not written as it should be.
        """
        ...


class _Csv:
    def __init__(self, text: TextIO) -> None:
        # Strict: a misplaced quote would otherwise move the rest of a line into another column.
        self._lines = csv.reader(text, strict=True, skipinitialspace=True)
        self.titles = [title.strip() for title in next(self._lines, list[str]())]

    def records(self) -> Iterator[tuple[int, list[str] | csv.Error]]:
        line = self._lines.line_num + 1
        try:
            for cells in self._lines:
                if any(map(str.strip, cells)):
                    yield line, cells
                line = self._lines.line_num + 1
        except csv.Error as error:
            yield line, error

    def pairs(self, record: list[str] | csv.Error) -> Iterable[tuple[str, Any]]:
        if isinstance(record, csv.Error):
            raise refuse("the rest", f"is not CSV: {record}")
        width = len(self.titles)
        if len(record) < width or any(map(str.strip, record[width:])):
            raise refuse("the row", f"has {len(record)} cells, and the first line names {width} columns")
        return [(title, cell if cell.strip() else None) for title, cell in zip(self.titles, record, strict=False)]


class _JsonLines:
    def __init__(self, text: TextIO) -> None:
        self._text = text

    def records(self) -> Iterator[tuple[int, str]]:
        return ((number, line) for number, line in enumerate(self._text, start=1) if line.strip())

    def pairs(self, record: str) -> Iterable[tuple[str, Any]]:
        row = parse("the row", record)
        if not isinstance(row, JsonObject):
            raise refuse("the row", "must be a JSON object")
        return list(_flat(row))


def _flat(pairs: JsonObject, above: str = "") -> Iterator[tuple[str, Any]]:
    """An object as columns."""
    for key, value in pairs:
        name = above + key
        if name not in OBJECTS or value is None:
            yield name, value
        elif isinstance(value, JsonObject):
            yield from _flat(value, f"{name}.")
        else:
            raise refuse(name, "must be an object with unique_id or name")


# --- the rows of a file


class RowsFile(AbstractContextManager["RowsFile"]):
    """The rows of a file, checked and yielded one by one, in every pass over it.

    A pass reads the whole file and raises at its end what was wrong: make one before sending anything. Memory does not
    grow with the number of rows.

    Attributes:
        name: The file's name, without its folder.
        operations: Rows of the last pass, counted by operation.
        passed_over: Columns with values that the last pass did not read; the first 20.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        operation: str = "cashback",
        columns: Mapping[str, str] | None = None,
    ) -> None:
        """Open it.

        Args:
            path: A file, or "-" for standard input, which is copied to a private temporary file.
            operation: The operation of rows that do not name theirs.
            columns: Names of columns in this file, and the field of each.

        Raises:
            BadRowsError: It cannot be opened, or there is no such field.
        """
        self.name = "standard input" if os.fspath(path) == "-" else Path(path).name
        self.operations: Counter[str] = Counter()
        self.passed_over: list[str] = []
        self._operation = operation
        self._own_names = {theirs: NAMES.get(field, field) for theirs, field in (columns or {}).items()}
        self._names = {**NAMES, **self._own_names}
        for theirs, field in self._own_names.items():
            if field != OPERATION and field not in COLUMNS[operation]:
                known = ", ".join(COLUMNS[operation])
                raise BadRowsError(
                    f"column {theirs} cannot be mapped to {field}: the fields of a {operation} are {known}"
                )
        try:
            self._file = _opened(path)
        except OSError as error:
            raise BadRowsError(f"{path}: {error.strerror}") from None
        self._suffix = Path(path).suffix.lower()

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Request]:
        self.operations = Counter()
        self.passed_over = []
        self._file.seek(0)
        text = io.TextIOWrapper(self._file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        try:
            yield from self._rows(text)
        except OSError as error:
            raise BadRowsError(f"{self.name}: {error.strerror}") from None
        finally:
            if not text.closed:  # it is, when the caller stopped early and closed the file first
                text.detach()

    def _rows(self, text: TextIO) -> Iterator[Request]:
        bad = _BadRows(self.name)
        unseen = dict(self._own_names)
        rows = self._format(text)
        with Seen() as seen:
            for line, record in rows.records():
                pairs: Iterable[tuple[str, Any]] = ()
                try:
                    pairs = rows.pairs(record)
                    operation, given = self._given(pairs, unseen)
                    request = request_of(operation, given)
                    first = seen.first(operation, request.transaction_id, at=line)
                    if first != line:
                        raise refuse("transaction_id", f"{request.transaction_id} stands on line {first} already")
                except InvalidRequestError as error:
                    bad.add(line, error, {self._names.get(title, title): title for title, _ in pairs})
                else:
                    self.operations[operation] += 1
                    yield request
        bad.complain()
        if not self.operations:
            raise BadRowsError(f"{self.name}: has no rows")
        if unseen:
            theirs, field = unseen.popitem()
            raise BadRowsError(f"{self.name}: has no column {theirs}, which --map names for {field}")

    def _given(self, pairs: Iterable[tuple[str, Any]], unseen: dict[str, str]) -> tuple[str, dict[str, Any]]:
        """A row's operation, and the fields that have a value."""
        named = [(self._names.get(title, title), title, value) for title, value in pairs]
        operation, *others = [value for name, _, value in named if name == OPERATION and value is not None] or [
            self._operation
        ]
        columns = COLUMNS.get(operation) if isinstance(operation, str) and not others else None
        if columns is None:
            raise refuse(OPERATION, f"must be one of {', '.join(COLUMNS)}, not {reprlib.repr(operation)}")
        given: dict[str, Any] = {}
        for name, title, value in named:
            unseen.pop(title, None)
            if value is None or name == OPERATION:
                continue
            if name in given:
                raise refuse(name, "is given twice")
            if name in columns:
                given[name] = columns[name](name, value)
            elif title not in self.passed_over and len(self.passed_over) < NAMED:
                self.passed_over.append(title)
        return operation, given

    def _format(self, text: TextIO) -> _Format:
        as_json = self._suffix in (".jsonl", ".ndjson") or text.read(SNIFFED).lstrip().startswith("{")
        text.seek(0)
        if as_json:
            return _JsonLines(text)
        try:
            rows = _Csv(text)
        except csv.Error as error:
            raise BadRowsError(f"{self.name}: is not CSV: {error}") from None
        self._check_titles(rows.titles)
        return rows

    def _check_titles(self, titles: list[str]) -> None:
        """Refuse a file without the columns that are needed, or with one of them twice."""
        if not all(map(is_utf8, titles)):
            raise BadRowsError(f"{self.name}: is not UTF-8 text")
        names = [self._names.get(title, title) for title in titles]
        for name in {OPERATION, *NAMES.values()}:
            if names.count(name) > 1:
                raise BadRowsError(f"{self.name}: has the column {name} twice")
        if OPERATION not in names:  # else it depends on the row
            for name in REQUIRED[self._operation]:
                if name not in names:
                    hint = "its first line must name the columns, with commas between"
                    raise BadRowsError(f"{self.name}: lacks the column {name}; {hint}")


class _BadRows:
    """The bad rows of a file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: list[str] = []
        self._count = 0

    def add(self, line: int, error: InvalidRequestError, titles: Mapping[str, str]) -> None:
        """Note a row; `titles` are the names of the columns in the file, by field."""
        self._count += 1
        if len(self._lines) < NAMED:
            title = titles.get(error.field or "", error.field)
            column = "" if title == error.field else f", column {title}"
            self._lines.append(f"  line {line}{column}: {error.message}")

    def complain(self) -> None:
        """Refuse the file if it has bad rows."""
        if self._count:
            more = [f"  and {self._count - NAMED:,} more"] if self._count > NAMED else []
            headline = f"{self._name}: {self._count:,} bad row{'s' if self._count > 1 else ''}"
            raise BadRowsError("\n".join([headline, *self._lines, *more]))


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file that can be read several times: a pipe is copied to a temporary one."""
    if os.fspath(path) == "-":
        return _copied(sys.stdin.buffer)
    file = Path(path).open("rb")  # noqa: SIM115 (the caller closes it)
    if file.seekable():
        return file
    with file:
        return _copied(file)


def _copied(source: BinaryIO) -> BinaryIO:
    file = TemporaryFile()  # noqa: SIM115 (the caller closes it)
    shutil.copyfileobj(source, file)
    return file


# --- rows written to a file


def write_rows(path: str | os.PathLike[str], results: Iterable[RowResult], operations: Iterable[str]) -> int:
    """Write rows to a CSV file that `RowsFile` reads as the same requests, and return how many there were.

    Three more columns give the reason: `row`, the row's place in its input from 1; `code`, the API's, where it gave
    one; and `message`.

    Args:
        path: The file to write; one that exists is replaced.
        results: The rows, and how they ended.
        operations: The operations of these rows.

    Raises:
        OSError: It cannot be written.
    """
    columns = list(dict.fromkeys(name for operation in operations for name in COLUMNS[operation] if name != "otp"))
    count = 0
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([OPERATION, *columns, "row", "code", "message"])
        for result in results:
            count += 1
            request, error = result.request, result.error
            cells = [cell_of(request, name) for name in columns]
            why = ("", "") if error is None else (getattr(error, "code", None) or "", error.message)
            lines.writerow([KINDS[type(request)], *cells, result.index + 1, *why])
    return count

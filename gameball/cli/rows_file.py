"""Rows read from a file, CSV or JSON Lines.

The columns are those of `gameball/cli/columns.py`; others are passed over, and named. In JSON a row is an object as on
the API's pages, a merchant an object inside it. Line items are a JSON list in both. A column `operation` gives each
row's operation, where a file holds more than one kind.
"""

import csv
import json
import os
import re
import reprlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from functools import partial
from typing import Any, Final

from gameball.bulk.report import SeenIds
from gameball.bulk.rows import Request, amount_of
from gameball.cli.columns import (
    COLUMNS,
    IDS,
    NAMES,
    OPERATION,
    PRIVATE,
    REQUIRED,
    JsonObject,
    is_utf8,
    listed,
    nearest,
    request_of,
    suggestion,
)
from gameball.cli.failed_rows import REASON
from gameball.cli.formats import (
    DELIMITERS,
    JSON_START,
    BareQuote,
    Csv,
    Format,
    JsonLines,
    Lines,
    csv_reason,
    is_one_document,
)
from gameball.cli.input_file import BadRowsError, InputFile, temporary_files
from gameball.cli.plausibility import Doubts
from gameball.errors import InvalidRequestError, printable
from gameball.models.shared import add, refuse
from gameball.models.transactions import ManualRequest

NAMED: Final = 20
"""Bad rows, and columns that are passed over, that are named; other bad rows are counted."""


CACHED: Final = 1000
"""Names of columns that are kept; a file in JSON may have any number of keys."""


class RowsFile(AbstractContextManager["RowsFile"]):
    """The rows of a file, checked and yielded one by one, in every pass over it.

    A pass reads the whole file and raises at its end what was wrong: make one before sending anything. Later passes
    raise as soon as the file is not what it was in the first one. Memory does not grow with the number of rows.

    Attributes:
        name: The file's name, without its folder.
        operations: Rows of the last pass, counted by operation.
        amounts: Money of the last pass, added up by operation.
        points: Points of the last pass that are added or deducted by hand, added up.
        passed_over: Columns with values that the last pass did not read; the first 20.
        doubts: What is allowed and looks wrong, one sentence for each kind.
        form: How the file is written, where that is not plain CSV or JSON Lines in UTF-8.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        operation: str = "cashback",
        columns: Mapping[str, str] | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
    ) -> None:
        """Open it.

        Args:
            path: A file, or "-" for standard input, which is copied to a private temporary file.
            operation: The operation of rows that do not name theirs.
            columns: Names of columns in this file, and the field of each.
            delimiter: The character between cells; recognised by the titles without it.
            encoding: Of the text; UTF-8, or UTF-16 where the file shows it, without it.

        Raises:
            BadRowsError: It cannot be opened, or there is no such field, delimiter or encoding.
        """
        self._reset()
        self._operation = operation
        self._own_names = {theirs: NAMES.get(field, field) for theirs, field in (columns or {}).items()}
        self._names = _Names(NAMES | self._own_names)
        for theirs, field in self._own_names.items():
            if field != OPERATION and field not in COLUMNS[operation]:
                raise BadRowsError(_no_such_field(theirs, field, operation))
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise BadRowsError(f"--delimiter takes one character, or tab, not {delimiter!r}")
        self._delimiter = delimiter
        self._file = InputFile(path, encoding)
        self.name = self._file.name

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Request]:
        self._reset()
        with self._file.reading(), temporary_files():
            yield from self._rows(Lines(self._file.text()))

    def records(self) -> Iterator[Callable[[], tuple[Request, dict[str, str]]]]:
        """Every row as a function that reads it: its request, and as text the columns that no field reads.

        Such a function raises InvalidRequestError for a bad row.

        Raises:
            BadRowsError: The file cannot be read.
        """
        with self._file.reading():
            rows = self._format(Lines(self._file.text()))
            for _, record in rows.records():
                yield partial(self._with_others, rows, record)

    def _with_others(self, rows: Format, record: Any) -> tuple[Request, dict[str, str]]:
        pairs = rows.pairs(record)
        if isinstance(rows, Csv) and rows.ours:
            pairs = pairs[: -len(REASON)]
        operation, given = self._given(pairs, set(), 0, Doubts())
        read = {OPERATION, "otp", *COLUMNS[operation]}  # a password is never written down
        beside = [(title, value) for title, value in pairs if value is not None and self._names[title] not in read]
        return request_of(operation, given), {title: _as_text(value) for title, value in beside}

    def _reset(self) -> None:
        self.operations: Counter[str] = Counter()
        self.amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.points = 0
        self.passed_over: list[str] = []
        self.doubts: list[str] = []
        self.form: list[str] = []

    def _rows(self, lines: Lines) -> Iterator[Request]:
        bad = _BadRows(self.name)
        doubts = Doubts()
        unseen = set(self._own_names)
        rows = self._format(lines)
        with SeenIds() as seen:
            for line, record in rows.records():
                pairs: Sequence[tuple[str, Any]] = ()
                try:
                    pairs = rows.pairs(record)
                    operation, given = self._given(pairs, unseen, line, doubts)
                    request = request_of(operation, given)
                    first = seen.first(operation, request.transaction_id, at=line)
                    if first != line:
                        raise refuse("transaction_id", f"{request.transaction_id} stands on line {first} already")
                except InvalidRequestError as error:
                    bad.add(line, error, {self._names[title]: title for title, _ in pairs})
                else:
                    amount, before = amount_of(request) or 0, self.amounts[operation]
                    doubts.check_row(line, request, amount, before, (cell for _, cell in pairs))
                    self.operations[operation] += 1
                    self.amounts[operation] = add(before, amount)
                    if isinstance(request, ManualRequest):
                        self.points += request.points or 0
                    yield request
        bad.complain()
        if not self.operations:
            raise BadRowsError(f"{self.name}: has no rows")
        if unseen:
            raise BadRowsError(f"{self.name}: no row has {listed(sorted(unseen))}, which --map names")
        doubts.ends_open = isinstance(rows, Csv) and not lines.last.endswith(("\n", "\r"))
        self.doubts = doubts.sentences()

    def _given(
        self, pairs: Iterable[tuple[str, Any]], unseen: set[str], line: int, doubts: Doubts
    ) -> tuple[str, dict[str, Any]]:
        """A row's operation, and the fields that have a value."""
        names = self._names
        named = [(names[title], title, value) for title, value in pairs]
        operation, *others = [value for name, _, value in named if name == OPERATION and value is not None] or [
            self._operation
        ]
        columns = COLUMNS.get(operation) if isinstance(operation, str) and not others else None
        if columns is None:
            raise refuse(OPERATION, f"must be one of {', '.join(COLUMNS)}, not {reprlib.repr(operation)}")
        given: dict[str, Any] = {}
        for name, title, value in named:
            if unseen:
                unseen.difference_update((title, printable(title)))
            if value is None or name == OPERATION:
                continue
            if name in given:
                raise refuse(name, "is given twice")
            if name in columns:
                if isinstance(value, BareQuote):
                    raise refuse(name, 'has a quote (") inside: put quotes around the cell, and double the one inside')
                given[name] = columns[name](name, value)
                if name in IDS or name in PRIVATE:
                    doubts.check_text(line, printable(title), given[name], private=name in PRIVATE)
            elif title not in self.passed_over and len(self.passed_over) < NAMED:
                self.passed_over.append(title)
        return operation, given

    def _format(self, lines: Lines) -> Format:
        file = self._file
        if file.compressed:
            self.form.append("gzip")
        if file.encoding != "utf-8":
            self.form.append(file.encoding.upper())
        head = file.head.decode(file.encoding, errors="ignore").lstrip("\ufeff")
        if not head.strip():
            raise BadRowsError(f"{self.name}: is empty")
        if file.suffix in (".json", ".jsonl", ".ndjson") or JSON_START.match(head):
            if is_one_document(head):
                example = f"jq -c '.[]' {self.name}" if head.lstrip().startswith("[") else f"jq -c . {self.name}"
                sentence = f"is one JSON document: write one object a line (JSON Lines), for example by {example}"
                raise BadRowsError(f"{self.name}: {sentence}")
            if self._delimiter is not None:
                raise BadRowsError(f"{self.name}: is JSON, and --delimiter is for CSV")
            return JsonLines(lines, NAMES.keys() | NAMES.values() | self._own_names.keys())
        known = NAMES.keys() | NAMES.values() | self._own_names.keys()
        no_text = f"{self.name}: is no text: it has zero bytes" if "\0" in head else ""
        try:
            rows = Csv(lines, self._delimiter, known)
        except csv.Error as error:
            raise BadRowsError(no_text or f"{self.name}: is not CSV: {csv_reason(error)}") from None
        if no_text and known.isdisjoint(rows.titles):  # one such byte in a cell is its row's
            raise BadRowsError(no_text)
        if rows.delimiter != ",":
            self.form.append(f"{DELIMITERS.get(rows.delimiter, printable(rows.delimiter))} between the cells")
        self._check_titles(rows)
        return rows

    def _check_titles(self, rows: Csv) -> None:
        """Refuse a file without the columns that are needed, or with one of them twice."""
        titles = rows.titles
        if not all(map(is_utf8, titles)):
            raise BadRowsError(f"{self.name}: is not UTF-8 text: --encoding names another one, for example cp1252")
        shown = listed(titles)
        for theirs in self._own_names:
            if theirs not in titles and theirs not in map(printable, titles):
                near = nearest(theirs, titles)
                guess = f"; perhaps {listed([near])} is meant" if near else ""
                raise BadRowsError(f"{self.name}: has no column '{theirs}', which --map names, but {shown}{guess}")
        names = [self._names[title] for title in titles]
        for name in {OPERATION, *NAMES.values()}:
            if names.count(name) > 1:
                raise BadRowsError(f"{self.name}: has the column {name} twice")
        missing = [name for name in REQUIRED[self._operation] if name not in names]
        if OPERATION in names or not missing:  # with operations it depends on the row
            return
        if not any(titles):
            raise BadRowsError(f"{self.name}: line 1 is blank, and must name the columns")
        delimiter = "" if len(titles) > 1 else _other_delimiter(titles[0])
        raise BadRowsError(
            f"{self.name}: lacks the column {missing[0]}; its first line names {shown}{delimiter};"
            f" {suggestion(missing, titles)}"
        )


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(_plain(value), default=str, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, JsonObject):
        return {key: _plain(inner) for key, inner in value}
    return list(map(_plain, value)) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


class _Names(dict[str, str]):
    """Our names of columns by those in a file; --map may name a column as messages show it."""

    def __missing__(self, title: str) -> str:
        name = self.get(printable(title), title)
        if len(self) < CACHED:
            self[title] = name
        return name


def _no_such_field(theirs: str, field: str, operation: str) -> str:
    known = ", ".join(COLUMNS[operation])
    near = nearest(field, COLUMNS[operation])
    guess = f"; perhaps {near} is meant" if near else ""
    return f"column {theirs} cannot be mapped to {field}: the fields of a {operation} are {known}{guess}"


def _other_delimiter(title: str) -> str:
    """A hint at what may stand between the cells, where none of the usual characters does."""
    marks = Counter(re.findall(r"[^\w\s.\"'-]", title))
    return "".join(
        f"; for a file with {mark} between the cells: --delimiter '{mark}'" for mark, _ in marks.most_common(1)
    )


class _BadRows:
    """The bad rows of a file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: list[str] = []
        self._rows: list[dict[str, object]] = []
        self._count = 0

    def add(self, line: int, error: InvalidRequestError, titles: Mapping[str, str]) -> None:
        """Note a row; `titles` are the names of the columns in the file, by field."""
        self._count += 1
        if len(self._lines) < NAMED:
            title = titles.get(error.field or "", error.field)
            column = "" if title == error.field else f", column {title}"
            self._lines.append(printable(f"  line {line}{column}: {error.message}"))
            rule = error.message.removeprefix(f"{error.field} ")
            self._rows.append({"line": line, "column": title, "field": error.field, "rule": rule})

    def complain(self) -> None:
        """Refuse the file if it has bad rows."""
        if self._count:
            more = [f"  and {self._count - NAMED:,} more"] if self._count > NAMED else []
            headline = f"{self._name}: {self._count:,} bad row{'s' if self._count > 1 else ''}"
            raise BadRowsError("\n".join([headline, *self._lines, *more]), self._rows)

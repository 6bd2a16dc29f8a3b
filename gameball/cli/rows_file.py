"""Rows read from a file: CSV, JSON Lines, Parquet, or a workbook.

The columns are those of `gameball/bulk/columns.py`; others are passed over, and named. In JSON a row is an object as on
the API's pages, a merchant an object inside it. Line items are a JSON list in both. A column `operation` gives each
row's operation, where a file holds more than one kind.
"""

import csv
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from decimal import Decimal
from functools import partial
from typing import Any, Final

from gameball.bulk.columns import COLUMNS, IDS, NOT_UTF8, OPERATION, PRIVATE, JsonObject, is_utf8, request_of
from gameball.bulk.row_reader import Pairs, RowReader
from gameball.bulk.rows import KINDS, Request, amount_of
from gameball.bulk.titles import Names, listed
from gameball.cli.failed_rows import REASON
from gameball.cli.formats import (
    DELIMITERS,
    JSON_START,
    LINES,
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

OTHER_ENCODING: Final = f"{NOT_UTF8}: --encoding names another one, for example cp1252"


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
        sheet: str | None = None,
    ) -> None:
        """Open it.

        Args:
            path: A file, or "-" for standard input, which is copied to a private temporary file.
            operation: The operation of rows that do not name theirs.
            columns: Names of columns in this file, and the field of each.
            delimiter: The character between cells; recognised by the titles without it.
            encoding: Of the text; UTF-8, or UTF-16 where the file shows it, without it.
            sheet: Of a workbook; the first one that is not hidden, without it.

        Raises:
            BadRowsError: It cannot be opened, or there is no such field, delimiter or encoding.
        """
        self._reset()
        try:
            self._names = Names(operation, columns)
        except InvalidRequestError as error:
            raise BadRowsError(error.message) from None
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise BadRowsError(f"--delimiter takes one character, or tab, not {delimiter!r}")
        self._delimiter = delimiter
        self._encoding = encoding
        self._sheet = sheet
        self._file = InputFile(path, encoding)
        self.name = self._file.name

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Request]:
        self._reset()
        with self._file.reading(), temporary_files():
            yield from self._rows()

    def records(self) -> Iterator[Callable[[], tuple[Request, dict[str, str]]]]:
        """Every row as a function that reads it: its request, and as text the columns that no field reads.

        Such a function raises InvalidRequestError for a bad row.

        Raises:
            BadRowsError: The file cannot be read.
        """
        with self._file.reading():
            rows = self._format()
            for _, record in rows.records():
                yield partial(self._with_others, rows, record)

    def _with_others(self, rows: Format, record: Any) -> tuple[Request, dict[str, str]]:
        pairs = rows.pairs(record)
        if isinstance(rows, Csv) and rows.ours:
            pairs = pairs[: -len(REASON)]
        operation, given = RowReader(self._names, rows.wording).given(pairs)
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

    def _rows(self) -> Iterator[Request]:
        rows = self._format()
        doubts = Doubts(rows.wording.unit)
        place = 0

        def note(name: str, title: str, cell: Any, value: Any) -> None:
            if name in IDS or name in PRIVATE:
                kind = getattr(cell, "kind", None)
                doubts.check_text(place, title, value, private=name in PRIVATE, kind=kind)

        with RowReader(self._names, rows.wording, note) as reader:
            self.passed_over = reader.passed_over
            for place, record in rows.records():
                pairs: Pairs = ()
                try:
                    pairs = rows.pairs(record)
                    request = reader.request(place, pairs)
                except InvalidRequestError as error:
                    reader.refuse(place, _explained(error), pairs)
                else:
                    operation = KINDS[type(request)]
                    amount, before = amount_of(request) or 0, self.amounts[operation]
                    doubts.check_row(place, request, amount, before, (cell for _, cell in pairs))
                    self.operations[operation] += 1
                    self.amounts[operation] = add(before, amount)
                    if isinstance(request, ManualRequest):
                        self.points += request.points or 0
                    yield request
        if reader.bad.found:
            headline, *sentences = reader.bad.complaint()
            raise BadRowsError("\n  ".join([f"{self.name}: {headline}", *sentences]), reader.bad.rows)
        if not self.operations:
            raise BadRowsError(f"{self.name}: has no rows")
        if reader.unseen:
            raise BadRowsError(f"{self.name}: no row has {listed(sorted(reader.unseen))}, which --map names")
        doubts.ends_open = isinstance(rows, Csv) and rows.ends_open
        self.doubts = doubts.sentences()

    def _format(self) -> Format:
        if self._file.holds == "text":
            if self._sheet is not None:
                raise BadRowsError(f"{self.name}: is no workbook, and --sheet is for one")
            return self._text_format(Lines(self._file.text()))
        from gameball.cli.tables import Parquet, Workbook  # noqa: PLC0415 (most files are text)

        given = {"--delimiter": self._delimiter, "--encoding": self._encoding}
        if self._file.holds == "parquet":
            given["--sheet"] = self._sheet
        for option, value in given.items():
            if value is not None:
                raise BadRowsError(f"{self.name}: is a table, and {option} is for other files")
        file = self._file.table()
        rows = Parquet(file, self.name) if self._file.holds == "parquet" else Workbook(file, self.name, self._sheet)
        self.form.append(rows.form)
        if not any(rows.titles):
            raise BadRowsError(f"{self.name}: has no titles in its first row")
        if fault := self._names.fault(rows.titles, rows.wording):
            raise BadRowsError(f"{self.name}: {fault}")
        return rows

    def _text_format(self, lines: Lines) -> Format:
        file = self._file
        if file.compressed:
            self.form.append("gzip")
        if file.encoding != "utf-8":
            self.form.append(file.encoding.upper())
        head = file.head.decode(file.encoding, errors="ignore").lstrip("\ufeff")
        if not head.strip():
            raise BadRowsError(f"{self.name}: is empty")
        known = self._names.known
        if file.suffix in (".json", ".jsonl", ".ndjson") or JSON_START.match(head):
            if is_one_document(head):
                example = f"jq -c '.[]' {self.name}" if head.lstrip().startswith("[") else f"jq -c . {self.name}"
                sentence = f"is one JSON document: write one object a line (JSON Lines), for example by {example}"
                raise BadRowsError(f"{self.name}: {sentence}")
            if self._delimiter is not None:
                raise BadRowsError(f"{self.name}: is JSON, and --delimiter is for CSV")
            return JsonLines(lines, known)
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
            raise BadRowsError(f"{self.name}: {OTHER_ENCODING}")
        if not any(titles):
            raise BadRowsError(f"{self.name}: line 1 is blank, and must name the columns")
        hint = "" if len(titles) > 1 else _other_delimiter(titles[0])
        if fault := self._names.fault(titles, LINES, hint):
            raise BadRowsError(f"{self.name}: {fault}")


def _explained(error: InvalidRequestError) -> InvalidRequestError:
    """The error of a bad row in words for a file."""
    return refuse(error.field or "", OTHER_ENCODING) if error.message.endswith(NOT_UTF8) else error


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(_plain(value), default=str, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, JsonObject):
        return {key: _plain(inner) for key, inner in value}
    return list(map(_plain, value)) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _other_delimiter(title: str) -> str:
    """A hint at what may stand between the cells, where none of the usual characters does."""
    marks = Counter(re.findall(r"[^\w\s.\"'-]", title))
    return "".join(
        f"; for a file with {mark} between the cells: --delimiter '{mark}'" for mark, _ in marks.most_common(1)
    )

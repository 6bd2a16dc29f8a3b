"""The two ways in which rows are written in a file: CSV, and JSON Lines."""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final, Protocol

from gameball.bulk.columns import JsonObject, flat, parse
from gameball.bulk.row_reader import BadCell, Pairs
from gameball.bulk.titles import Wording, options
from gameball.cli.failed_rows import is_ours, unprotected
from gameball.errors import InvalidRequestError
from gameball.models.shared import refuse

DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""What is recognised between the cells of a line, and its name."""

LONGEST_CELL: Final = 2**26
"""Characters. A cell that is longer begins with a quote that is not closed."""

csv.field_size_limit(LONGEST_CELL)  # the module's own limit is 128 KiB, for columns that are not read as well

SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""The first line of a CSV file by which Excel knows the delimiter."""

BARE_QUOTE: Final = 'has a quote (") inside: put quotes around the cell, and double the one inside'
"""The rule for a row in which not all quotes are doubled."""

JSON_START: Final = re.compile(r"\s*(\{|\[\s*[{\]])")


class Lines:
    """The lines of a text, counted.

    Attributes:
        number: Of the last line.
        last: The last line.
        record: The lines since this was cleared.
    """

    def __init__(self, text: Iterable[str]) -> None:
        self._text = text
        self.number = 0
        self.last = ""
        self.record: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.number += 1
            # A byte order mark, which not every encoding takes off.
            self.last = line if self.number > 1 else line.lstrip("\ufeff")
            self.record.append(self.last)
            yield self.last


LINES: Final = Wording("line", "--map", options, "its first line names")


class Format(Protocol):
    """How rows are written in a file.

    Attributes:
        wording: How messages speak of them.
    """

    wording: Wording

    def records(self) -> Iterator[tuple[int, Any]]:
        """Rows as they are written, each with its place: the number of its first line, or of the row."""
        ...

    def pairs(self, record: Any) -> Pairs:
        """A row's columns, by the names in the file, and their values, or None.

        Raises:
            InvalidRequestError: It is not written as it should be.
        """
        ...


class Csv:
    """Lines of cells. Without a delimiter the titles decide: most names that are known, then most cells."""

    wording = LINES

    def __init__(self, lines: Lines, delimiter: str | None, names: Iterable[str]) -> None:
        self._lines = lines
        source = iter(lines)
        first = next(source, "")
        if (separator := SEPARATOR_LINE.fullmatch(first)) is not None:
            delimiter = delimiter or separator[1]
            first = next(source, "")
        known = set(names)
        self.delimiter = delimiter or max(DELIMITERS, key=lambda one: _recognised(first, one, known))
        # Strict: a misplaced quote would otherwise move the rest of a line into another column.
        self._cells = csv.reader(chain([first], source), delimiter=self.delimiter, strict=True)
        self.titles = [title.strip() for title in next(self._cells, list[str]())]
        self.ours = is_ours(self.titles)
        """Whether it was written here."""
        between = re.escape(self.delimiter)
        cell = rf'(?:"[^"]*(?:""[^"]*)*"|[^"{between}]*)'
        self._regular = re.compile(rf"{cell}(?:{between}{cell})*\s*")
        """A record whose quotes are all around cells, or doubled."""

    @property
    def ends_open(self) -> bool:
        """Whether the last line that was read has no end."""
        return not self._lines.last.endswith(("\n", "\r"))

    def records(self) -> Iterator[tuple[int, list[str] | csv.Error]]:
        """Rows as lists of cells; at last what ends the reading of a file that is not CSV."""
        lines = self._lines
        lines.record.clear()
        line = lines.number + 1
        try:
            for cells in self._cells:
                if any(map(str.strip, cells)):
                    yield line, cells
                lines.record.clear()
                line = lines.number + 1
        except csv.Error as error:
            yield line, error

    def pairs(self, record: list[str] | csv.Error) -> Pairs:
        """The cells of a row by their titles."""
        if isinstance(record, csv.Error):
            raise refuse("the rest", f"is not CSV: {csv_reason(record)}")
        width = len(self.titles)
        if len(record) != width and (len(record) < width or any(map(str.strip, record[width:]))):
            raise refuse("the row", f"has {len(record)} cells, and the first line names {width} columns")
        pairs = [(title, cell if cell.strip() else None) for title, cell in zip(self.titles, record, strict=False)]
        if '"' in self._lines.last and not self._regular.fullmatch("".join(self._lines.record)):
            return [(title, BadCell.of(cell, BARE_QUOTE) if cell and '"' in cell else cell) for title, cell in pairs]
        return [(title, unprotected(cell) if cell else cell) for title, cell in pairs] if self.ours else pairs


def _recognised(line: str, delimiter: str, names: set[str]) -> tuple[int, int]:
    try:
        titles = [title.strip() for title in next(csv.reader([line], delimiter=delimiter))]
    except csv.Error:
        return 0, 0
    return len(names.intersection(titles)), len(titles)


def csv_reason(error: csv.Error) -> str:
    """What is wrong with a CSV file, for whoever does not know the module's words."""
    words = str(error)
    if "unexpected end" in words:
        return 'a quote (") is not closed'
    if "field limit" in words:
        return f'a cell has more than {LONGEST_CELL:,} characters: a quote (") is probably not closed'
    if "expected after" in words:
        return 'a cell goes on after its closing quote ("): quotes inside of one are doubled ("")'
    return words


class JsonLines:
    """One object a line."""

    wording = LINES

    def __init__(self, lines: Lines, names: Iterable[str]) -> None:
        self._lines = lines
        self._names = frozenset(names)

    def records(self) -> Iterator[tuple[int, str]]:
        """Rows as lines."""
        for line in self._lines:
            self._lines.record.clear()
            if line.strip():
                yield self._lines.number, line

    def pairs(self, record: str) -> Pairs:
        """The values of a row by their keys, those of an object inside with its own key before."""
        row = parse("the row", record)
        if not isinstance(row, JsonObject):
            raise refuse("the row", "must be a JSON object")
        if self._names.isdisjoint(key for key, _ in row) and (path := _path_to_rows(row)) is not None:
            raise refuse("the row", f"is a document with many rows: write one object a line: jq -c '{path}[]'")
        return list(flat(row))


def _path_to_rows(value: Any, path: str = "") -> str | None:
    """Where in a document there is a list of objects, as jq writes it."""
    if isinstance(value, JsonObject):
        return next(filter(None, (_path_to_rows(inner, f"{path}.{key}") for key, inner in value)), None)
    is_rows = isinstance(value, list) and any(isinstance(item, JsonObject) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return path if is_rows else None


def is_one_document(head: str) -> bool:
    """Whether JSON is an array, or spread over lines, instead of an object on each."""
    first, _, rest = head.lstrip().partition("\n")
    if not first.startswith("{"):
        return first.startswith("[")
    try:
        parse("the row", first)
    except InvalidRequestError:
        return bool(rest.strip()) and not rest.lstrip().startswith("{")
    return False

"""Rows of files and tables, cell by cell: requests of the good ones, and places and rules of the bad ones."""

import reprlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Self, TypeAlias

from gameball.bulk.columns import COLUMNS, OPERATION, request_of
from gameball.bulk.report import SeenIds
from gameball.bulk.rows import Request
from gameball.bulk.titles import Names, Wording
from gameball.errors import InvalidRequestError, printable
from gameball.models.shared import refuse

NAMED: Final = 20
"""Bad rows, and columns that are passed over, that are named; other bad rows are counted."""

Pairs: TypeAlias = Sequence[tuple[str, Any]]
"""A row: the title of each column, and the value there or None."""

Note: TypeAlias = Callable[[str, str, Any, Any], object]
"""Is given the field of a cell, the column's title, the cell and what was read from it."""


class BadCell(str):
    """A cell that cannot be read, as text: its rule is broken for whoever reads its column."""

    __slots__ = ("rule",)
    rule: str

    @classmethod
    def of(cls, text: str, rule: str) -> Self:
        """Make one."""
        cell = cls(text)
        cell.rule = rule
        return cell


class RowReader(AbstractContextManager["RowReader"]):
    """Reads the rows of one pass over a file or a table.

    Attributes:
        unseen: The mapped titles that no row has had so far.
        passed_over: Columns with values that no field reads; the first 20.
        bad: The bad rows.
    """

    def __init__(self, names: Names, wording: Wording, note: Note | None = None) -> None:
        self.unseen = set(names.mapped)
        self.passed_over: list[str] = []
        self.bad = BadRows(wording)
        self._names = names
        self._wording = wording
        self._note = note

    def __enter__(self) -> Self:
        self._seen = SeenIds()
        return self

    def __exit__(self, *_: object) -> None:
        self._seen.__exit__()

    def request(self, place: int, pairs: Pairs) -> Request:
        """The request of the row at this place, among those since the reader was entered.

        Raises:
            InvalidRequestError: It breaks a rule.
        """
        operation, given = self.given(pairs)
        if self.unseen:
            for title, _ in pairs:
                self.unseen.difference_update((title, printable(title)))
        request = request_of(operation, given)
        first = self._seen.first(operation, request.transaction_id, at=place)
        if first != place:
            where = "on" if self._wording.unit == "line" else "in"
            sentence = f"{request.transaction_id} stands {where} {self._wording.unit} {first} already"
            raise refuse("transaction_id", sentence)
        return request

    def refuse(self, place: int, error: InvalidRequestError, pairs: Pairs) -> None:
        """Note a bad row."""
        self.bad.add(place, error, {self._names[title]: title for title, _ in pairs})

    def given(self, pairs: Pairs) -> tuple[str, dict[str, Any]]:
        """A row's operation, and the fields that have a value.

        Raises:
            InvalidRequestError: A cell breaks a rule.
        """
        names, note = self._names, self._note
        operation, *others = [value for title, value in pairs if names[title] == OPERATION and value is not None] or [
            names.operation
        ]
        columns = COLUMNS.get(operation) if isinstance(operation, str) and not others else None
        if columns is None:
            raise refuse(OPERATION, f"must be one of {', '.join(COLUMNS)}, not {reprlib.repr(operation)}")
        given: dict[str, Any] = {}
        for title, value in pairs:
            name = names[title]
            if value is None or name == OPERATION:
                continue
            if name in given:
                raise refuse(name, "is given twice")
            if name in columns:
                if isinstance(value, BadCell):
                    raise refuse(name, value.rule)
                given[name] = read = columns[name](name, value)
                if note is not None:
                    note(name, title, value, read)
            elif title not in self.passed_over and len(self.passed_over) < NAMED:
                self.passed_over.append(title)
        return operation, given


class BadRows:
    """The bad rows of a pass.

    Attributes:
        found: Whether there is any.
        field: The field that the first one breaks a rule of.
        rows: The first 20, each with its `line`, `column`, `field` and `rule`.
    """

    def __init__(self, wording: Wording) -> None:
        self.found = False
        self.field: str | None = None
        self.rows: list[dict[str, object]] = []
        self._unit = wording.unit
        self._sentences: list[str] = []
        self._count = 0

    def add(self, place: int, error: InvalidRequestError, titles: Mapping[str, str]) -> None:
        """Note a row; `titles` are those of its columns, by field."""
        self._count += 1
        self.field = self.field if self.found else error.field
        self.found = True
        if len(self.rows) < NAMED:
            title = titles.get(error.field or "", error.field)
            in_table = self._unit == "row" and error.field in titles
            column = f", column {title}" if title != error.field or in_table else ""
            self._sentences.append(printable(f"{self._unit} {place}{column}: {error.message}"))
            rule = error.message.removeprefix(f"{error.field} ")
            self.rows.append({"line": place, "column": title, "field": error.field, "rule": rule})

    def complaint(self) -> list[str]:
        """How many there are, and a sentence for each of the first 20; nothing where there are none."""
        if not self.found:
            return []
        more = [f"and {self._count - NAMED:,} more"] if self._count > NAMED else []
        return [f"{self._count:,} bad row{'s' if self._count > 1 else ''}", *self._sentences, *more]

"""Rows written to a CSV file that a spreadsheet opens safely, and that is read again as the same rows."""

import csv
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from tempfile import mkstemp
from typing import Final, TextIO

from gameball.bulk.columns import COLUMNS, NAMES, NUMBERS, OPERATION, cell_of
from gameball.bulk.rows import KINDS, RowResult
from gameball.errors import printable

REASON: Final = ("row", "code", "message")
"""The last columns of such a file: the row's place in its input from 1, the API's code and its words."""

KEPT: Final = 10_000
"""Rows that are kept in memory."""

FORMULA: Final = re.compile(r"[=+\-@\t\r\n'\uff1d\uff0b\uff0d\uff20]")
"""What a cell begins with that a spreadsheet would run, or change."""


def is_ours(titles: Sequence[str]) -> bool:
    """Whether a file with these titles was written here, so that its cells are to be unprotected."""
    return titles[:1] == [OPERATION] and tuple(titles[-len(REASON) :]) == REASON


def protected(text: str) -> str:
    """A cell that is text to a spreadsheet, and one line to a terminal: an apostrophe, and escapes after it."""
    if text.isprintable() and not FORMULA.match(text):
        return text
    return "'" + printable(text.replace("\\", r"\\"))


def unprotected(cell: str) -> str:
    """The text of a protected cell."""
    if not cell.startswith("'"):
        return cell
    return re.sub(r"\\(?:[\\nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", _unescaped, cell[1:])


def _unescaped(escape: re.Match[str]) -> str:
    return "\\" if escape[0] == r"\\" else escape[0].encode().decode("unicode_escape")


def write_rows(path: Path, rows: Callable[[], Iterable[tuple[RowResult, Mapping[str, str]]]]) -> int:
    """Write rows to a file that `RowsFile` reads as the same requests, and return how many there were.

    Args:
        path: The file to write; one that exists is replaced.
        rows: Gives the rows, and for each the columns that it had beside the fields of its request. Called once more
            where there are too many to keep them until all titles are known.

    Raises:
        OSError: It cannot be written.
    """
    columns: dict[str, None] = {}
    titles: dict[str, None] = {}
    count = 0
    reading = iter(rows())
    kept = list(islice(reading, KEPT))
    for count, (result, others) in enumerate(chain(kept, reading), 1):  # noqa: B007 (how many there were)
        columns.update(dict.fromkeys(name for name in COLUMNS[KINDS[type(result.request)]] if name != "otp"))
        titles.update(dict.fromkeys(others))
    beside = [title for title in titles if NAMES.get(title, title) not in columns]
    with private_file(path) as file:
        lines = csv.writer(file)
        lines.writerow([OPERATION, *columns, *map(protected, beside), *REASON])
        for result, others in kept if count == len(kept) else rows():
            cells = [*_cells(result, columns), *(protected(others.get(title, "")) for title in beside)]
            lines.writerow([KINDS[type(result.request)], *cells, result.index + 1, *_reason(result)])
    return count


def _cells(result: RowResult, columns: Iterable[str]) -> Iterator[str]:
    for name in columns:
        cell = cell_of(result.request, name)
        yield cell if name in NUMBERS else protected(cell)


def _reason(result: RowResult) -> tuple[object, str]:
    error = result.error
    return ("", "") if error is None else (getattr(error, "code", None) or "", protected(printable(error.message)))


@contextmanager
def private_file(path: Path) -> Generator[TextIO]:
    """A file that only its owner can read, and that takes its place once it is whole; a link there is replaced.

    Raises:
        OSError: It cannot be written; `filename` is its path.
    """
    try:
        descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 (it is open)
                yield file
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None

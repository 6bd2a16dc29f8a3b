"""The two kinds of files that hold tables instead of text: Parquet, and workbooks of Excel (.xlsx)."""

import re
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from importlib import import_module
from typing import Any, BinaryIO, Final
from zipfile import ZipFile

from gameball.bulk.cells import values_of
from gameball.bulk.columns import OBJECTS, JsonObject, flat
from gameball.bulk.row_reader import BadCell, Pairs
from gameball.bulk.titles import Wording, listed, nearest, options
from gameball.cli.input_file import BLOCK, BadRowsError
from gameball.errors import printable
from gameball.models.shared import refuse

CHUNK: Final = 4096
"""Rows that are read at a time."""

FORMULA: Final = re.compile(rb"<(?:\w+:)?f[\s/>]")
"""A cell's formula in a sheet."""

NO_RESULT: Final = "is a formula without its result: open the workbook in a spreadsheet, and save it"
"""The rule for a formula that a program wrote."""

LONG: Final = 10**15
"""Numbers from here on have more digits than a spreadsheet keeps."""

ZEROS: Final = re.compile(r"0{2,}")
"""A format of numbers with leading zeros."""


class Parquet:
    """A Parquet file."""

    wording = Wording("row", "--map", options, "its columns are")
    form = "Parquet"

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Read its schema.

        Raises:
            BadRowsError: It cannot be read, or the extra is missing.
        """
        self._name = name
        parquet = needed("pyarrow.parquet", name)
        with damage_named(name, "Parquet"):
            self._file = parquet.ParquetFile(file, pre_buffer=False)
        self.titles: Sequence[str] = self._file.schema_arrow.names
        self._nested = not set(OBJECTS).isdisjoint(self.titles)

    def records(self) -> Iterator[tuple[int, Sequence[Any]]]:
        """Rows as lists of cells, counted from 1."""
        number = 0
        with damage_named(self._name, "Parquet"):
            for batch in self._file.iter_batches(batch_size=CHUNK):
                for number, cells in enumerate(zip(*map(values_of, batch.columns), strict=True), number + 1):  # noqa: B020
                    yield number, cells

    def pairs(self, record: Sequence[Any]) -> Pairs:
        """The cells of a row by their titles."""
        pairs = list(zip(self.titles, record, strict=True))
        return list(flat(JsonObject(pairs))) if self._nested else pairs


class Workbook:
    """One sheet of a workbook; its first row has the titles, and rows have the numbers that Excel shows."""

    wording = Wording("row", "--map", options, "its first row names")

    def __init__(self, file: BinaryIO, name: str, sheet: str | None) -> None:
        """Open it.

        Raises:
            BadRowsError: It cannot be read, has no such sheet, or the extra is missing.
        """
        self._name = name
        self._load: Callable[..., Any] = needed("openpyxl", name).load_workbook
        self._file = file
        with damage_named(name, "an Excel workbook"):
            sheets = [one for one in self._opened(data_only=True).worksheets if one.sheet_state == "visible"]
            self._has_formulas = _has_formulas(file)
        named = [one.title for one in sheets]
        if not named or (sheet is not None and sheet not in named):
            near = nearest(sheet or "", named)
            guess = f"; perhaps {listed([near])} is meant" if near else ""
            raise BadRowsError(f"{name}: has no sheet '{sheet or ''}', but {listed(named) or 'none'}{guess}")
        self._sheet = sheet or named[0]
        self.form = f"Excel, sheet {listed([self._sheet])}"
        first = next(self._rows(data_only=True), ())
        self.titles: Sequence[str] = ["" if cell.value is None else str(cell.value).strip() for cell in first]

    def records(self) -> Iterator[tuple[int, Sequence[Any]]]:
        """Rows as lists of cells."""
        formulas = self._rows(data_only=False) if self._has_formulas else None
        for number, cells in enumerate(self._rows(data_only=True), 1):
            beside = None if formulas is None else next(formulas, None)
            values = [_value(cell) for cell in cells] if beside is None else list(map(_value, cells, beside))
            if number > 1 and any(value is not None for value in values):
                yield number, values

    def pairs(self, record: Sequence[Any]) -> Pairs:
        """The cells of a row by their titles."""
        width = len(self.titles)
        if any(value is not None for value in record[width:]):
            raise refuse("the row", f"has {len(record)} cells, and the first row names {width} columns")
        return list(zip(self.titles, [*record, *([None] * (width - len(record)))], strict=False))

    def _rows(self, *, data_only: bool) -> Iterator[Sequence[Any]]:
        with damage_named(self._name, "an Excel workbook"):
            sheet = self._opened(data_only=data_only)[self._sheet]
            sheet.reset_dimensions()  # programs write wrong ones
            rows = sheet.iter_rows()
            while True:
                with _no_warnings():
                    row = next(rows, None)
                if row is None:
                    return
                yield row

    def _opened(self, *, data_only: bool) -> Any:
        with _no_warnings():
            self._file.seek(0)
            return self._load(self._file, read_only=True, data_only=data_only)


class ShownOtherwise(int):
    """A whole number that is another text on the sheet.

    Attributes:
        kind: In which way; see `gameball/cli/plausibility.py`.
    """

    kind: str

    @classmethod
    def of(cls, number: int, kind: str) -> "ShownOtherwise":
        """Make one."""
        made = cls(number)
        made.kind = kind
        return made


def _value(cell: Any, formula: Any = None) -> Any:
    """A cell's value: numbers as their shortest decimal, None for a blank one."""
    value = cell.value
    if value is None and formula is not None and formula.data_type == "f" and cell.data_type != "str":
        return BadCell.of("", NO_RESULT)
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, float):
        exact = Decimal(repr(value))
        value = int(exact) if exact == exact.to_integral_value() else exact
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= LONG:
            return ShownOtherwise.of(value, "rounded")
        if ZEROS.fullmatch(cell.number_format) and len(str(value)) < len(cell.number_format):
            return ShownOtherwise.of(value, "padded")
    return value


def needed(module: str, name: str) -> Any:
    """A module of the extra, for a file of this name.

    Raises:
        BadRowsError: It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise BadRowsError(f"{name}: to be read it needs the extra tables: pip install 'gameball[tables]'") from None


@contextmanager
def damage_named(name: str, kind: str) -> Generator[None]:
    """Name the file in whatever its reader raises.

    Raises:
        BadRowsError: It cannot be read.
    """
    try:
        yield
    except BadRowsError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = printable(str(error).partition("\n")[0]) or type(error).__name__
        raise BadRowsError(f"{name}: cannot be read as {kind}: {reason}") from None


@contextmanager
def _no_warnings() -> Generator[None]:
    """Leave out what openpyxl says of styles and the like."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _has_formulas(file: BinaryIO) -> bool:
    with ZipFile(file) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/"):
                with archive.open(name) as sheet:
                    end = b""
                    while block := sheet.read(BLOCK):
                        if FORMULA.search(end + block):
                            return True
                        end = block[-64:]
    return False

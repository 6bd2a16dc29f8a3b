"""Cells of tables as the plain values that files have: text, whole numbers, exact decimals, times, lists, objects."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID

from gameball.bulk.columns import JsonObject
from gameball.bulk.row_reader import BadCell
from gameball.models.shared import MOST_DIGITS, integer, is_time


def pyarrow() -> Any:
    """The module.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    try:
        return import_module("pyarrow")
    except ModuleNotFoundError:
        raise ModuleNotFoundError("tables need their extra: pip install 'gameball[tables]'") from None


def plain(value: Any) -> Any:
    """A value of Python, numpy or pandas as a file would have it; None for what stands for a missing one.

    A float stands for its shortest decimal. What has no plain value stays as it is, for the columns to refuse.
    """
    match value:
        case None | str() | int():
            return value
        case float():
            return _number(Decimal(float.__repr__(value)))
        case Decimal():
            return _number(value)
        case datetime():
            return _time(value)
        case _:
            return _nested(value)


def values_of(column: Any) -> list[Any]:
    """The plain values of an Arrow array; one that has none is a `BadCell`."""
    arrow = pyarrow()
    kind = column.type
    if arrow.types.is_dictionary(kind):
        words = values_of(column.dictionary)
        return [None if index is None else words[index] for index in column.indices.to_pylist()]
    if arrow.types.is_float32(kind):  # as a float of Python it would have 17 digits
        return [None if text is None else _number(Decimal(text)) for text in column.cast(arrow.string()).to_pylist()]
    try:
        if arrow.types.is_timestamp(kind):
            column = _in_microseconds(column)
        return list(map(plain, column.to_pylist()))
    except (ArithmeticError, ValueError):
        return [_cell(scalar) for scalar in column]


def _cell(scalar: Any) -> Any:
    try:
        return plain(scalar.as_py())
    except (ArithmeticError, ValueError):
        return BadCell.of("", "must lie within the calendar" if hasattr(scalar.type, "unit") else "cannot be read")


def _in_microseconds(column: Any) -> Any:
    """Times as Python holds them: in UTC where they have a zone, and what is finer is cut off."""
    arrow = pyarrow()
    kind = arrow.timestamp("us", tz=column.type.tz and "UTC")
    options = import_module("pyarrow.compute").CastOptions(kind, allow_time_truncate=True)
    return column.cast(options=options)


def _number(value: Decimal) -> Decimal | int | None:
    """A decimal without the zeros that a column's scale adds behind more digits than a number may have."""
    if value.is_nan():
        return None
    _, digits, exponent = value.as_tuple()
    if exponent == 0:
        return int(value)
    if isinstance(exponent, int) and exponent < 0 and len(digits) > MOST_DIGITS:
        return Decimal(format(value, "f").rstrip("0"))
    return value


def _time(value: datetime) -> datetime | None:
    """A time as one of Python's own; None for pandas' NaT."""
    if not is_time(value):
        return None
    as_python: Any = getattr(value, "to_pydatetime", None)
    return value if as_python is None else as_python(warn=False)


def _nested(value: Any) -> Any:
    match value:
        case Mapping():
            return JsonObject((str(key), plain(inner)) for key, inner in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportUnknownMemberType]
        case list() | tuple():
            return list(map(plain, value))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case UUID():
            return str(value)
        case _:
            return _foreign(value)


def _foreign(value: Any) -> Any:
    """A value of numpy or pandas, neither of which is imported for it."""
    if type(value).__name__ == "NAType" or str(value) == "NaT":
        return None
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind == "f" and value.ndim == 0:
        return _number(Decimal(str(value)))
    if kind and value.ndim:
        return plain(value.tolist())
    return integer(value)

"""The columns of rows in files and tables: their names, and the rules for their cells.

A column, in JSON a key, has the name of a field: ours (`player_unique_id`) or the API's (`playerUniqueId`). Those of a
merchant are `merchant.unique_id`, `merchant.name`, `merchant.branch.unique_id` and `merchant.branch.name`.
"""

import json
import reprlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias, TypeGuard

import attrs

from gameball.bulk.rows import KINDS, Request
from gameball.core.converter import spelling, write
from gameball.models.shared import MOST_DIGITS, Branch, Merchant, check_text, refuse
from gameball.models.transactions import LineItem


class JsonObject(tuple[tuple[str, Any], ...]):
    """A JSON object as its pairs, so that a repeated key is seen."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "an object"


# --- cells

NOT_UTF8: Final = "is not UTF-8 text"
"""The rule for bytes of a file that are something else."""


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        if isinstance(value, int) and not isinstance(value, bool):  # a numeric id in JSON
            return str(value)
        raise refuse(name, f"must be text or a whole number, not {_shown(value)}")
    if not is_utf8(value):
        raise refuse(name, NOT_UTF8)
    check_text(name, value)
    if value != value.strip():  # stripped, it would be another id
        raise refuse(name, "must not begin or end with white space")
    return value


def is_utf8(text: str) -> bool:
    """Whether the bytes of a file, read with surrogateescape, were UTF-8."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _number(name: str, value: Any) -> Decimal | int:
    if isinstance(value, str) and value.isascii() and "_" not in value:  # Decimal itself would take both
        try:
            return Decimal(value.strip())
        except InvalidOperation:
            pass
    elif isinstance(value, Decimal | int) and not isinstance(value, bool):
        return value
    raise refuse(name, f"must be a number such as 99.98, not {_shown(value)}")


def _whole(name: str, value: Any) -> Decimal | int:
    """A whole number in any spelling, as in 500.0; the model refuses the rest."""
    number = Decimal(_number(name, value))
    if number.is_finite() and number.adjusted() <= MOST_DIGITS and number == number.to_integral_value():
        return int(number)
    return number


def _time(name: str, value: Any) -> datetime:
    time = value
    if isinstance(value, str):
        with suppress(ValueError):
            time = datetime.fromisoformat(value.strip())
    if not isinstance(time, datetime) or time.utcoffset() is None:
        raise refuse(name, f"must be a time with its zone, such as 2019-09-19T16:14:09Z, not {_shown(value)}")
    return time


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Decimal | date) else reprlib.repr(value)


def _line_items(name: str, value: Any) -> tuple[LineItem, ...]:
    items: Any = parse(name, value) if isinstance(value, str) else value
    if not _is_list(items):
        raise refuse(name, LIST)
    return tuple(LineItem(**_line_item(item)) for item in items)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _line_item(item: Any) -> dict[str, Any]:
    if not isinstance(item, JsonObject):
        raise refuse("line_items", LIST)
    given: dict[str, Any] = {}
    for key, value in item:
        name = NAMES.get(key, key)
        if name not in LINE_ITEM or name in given:  # a refund for something else
            raise refuse("line_items", f"must hold product_id and quantity, each at most once, and not {key}")
        if value is not None:
            given[name] = LINE_ITEM[name](f"line_items.{name}", value)
    return given


def parse(name: str, text: str) -> Any:
    """The value of a JSON text, its numbers exact.

    Raises:
        InvalidRequestError: It is not JSON; the message begins with `name`.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=JsonObject)
    except json.JSONDecodeError as error:
        raise refuse(name, f"is not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}") from None
    except (ValueError, ArithmeticError, RecursionError):
        raise refuse(name, "is not JSON that can be read: a number in it is none, or it is nested too deep") from None


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


# --- columns

Reader: TypeAlias = Callable[[str, Any], Any]

READERS: Final[Mapping[str, Reader]] = {
    "amount": _number,
    "redeemed_amount": _number,
    "points": _whole,
    "transaction_time": _time,
    "line_items": _line_items,
}
"""Fields that are not plain text."""

LIST: Final = 'must be a list such as [{"product_id": "p_01", "quantity": 1}]'
"""The rule for line items."""

LINE_ITEM: Final[Mapping[str, Reader]] = {"product_id": _text, "quantity": _number}

OBJECTS: Final = ("merchant", "merchant.branch")
"""Objects in JSON, whose fields are columns in CSV."""

MERCHANT: Final = tuple(f"{thing}.{name}" for thing in OBJECTS for name in ("unique_id", "name"))
"""Columns of these objects."""

OPERATION: Final = "operation"
"""The column that names a row's operation."""


def _columns(kind: type[Request]) -> Iterator[tuple[str, Reader]]:
    for field in attrs.fields(kind):
        if field.name == "merchant":
            yield from ((name, _text) for name in MERCHANT)
        else:
            yield field.name, READERS.get(field.name, _text)


OPERATIONS: Final[Mapping[str, type[Request]]] = {name: kind for kind, name in KINDS.items()}

COLUMNS: Final = {name: dict(_columns(kind)) for name, kind in OPERATIONS.items()}
"""By operation: its columns, by our names, and the reader of their cells."""

REQUIRED: Final = {
    name: tuple(field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING)
    for name, kind in OPERATIONS.items()
}
"""By operation: the columns that need a value in every row."""

NAMES: Final = {
    ".".join(map(spelling, name.split("."))): name for columns in (*COLUMNS.values(), LINE_ITEM) for name in columns
}
"""The API's name of each column, and ours."""

API_NAMES: Final = {ours: theirs for theirs, ours in NAMES.items()}

NUMBERS: Final = frozenset({"amount", "redeemed_amount", "points"})
"""Columns of numbers."""

IDS: Final = frozenset(name for columns in COLUMNS.values() for name in columns if name.endswith(("_id", "_reference")))
"""Columns of ids."""

PRIVATE: Final = frozenset({"email", "mobile"})
"""Columns of what is known about a person, which no message repeats."""


# --- rows


def flat(pairs: JsonObject, above: str = "") -> Iterator[tuple[str, Any]]:
    """A row's values by their columns, those of an object inside with its own key before.

    Raises:
        InvalidRequestError: What should be an object is none.
    """
    for key, value in pairs:
        name = above + key
        if name not in OBJECTS or value is None:
            yield name, value
        elif isinstance(value, JsonObject):
            yield from flat(value, f"{name}.")
        else:
            raise refuse(name, "must be an object with unique_id or name")


def request_of(operation: str, given: dict[str, Any]) -> Request:
    """Build the request of a row from its cells.

    Raises:
        InvalidRequestError: It breaks a rule.
    """
    for name in REQUIRED[operation]:
        if name not in given:
            raise refuse(name, "is required")
    if not given.keys().isdisjoint(MERCHANT):
        branch = _taken("merchant.branch.", given)
        merchant = _taken("merchant.", given)
        if branch:
            merchant["branch"] = Branch(**branch)
        given["merchant"] = Merchant(**merchant)
    return OPERATIONS[operation](**given)


def _taken(above: str, given: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in given if name.startswith(above)]
    return {name.removeprefix(above): given.pop(name) for name in names}


def cell_of(request: Request, column: str) -> str:
    """A request's value in a column as text; "" for None."""
    value: Any = request
    for name in column.split("."):
        value = getattr(value, name, None)
    if value is None or value == ():
        return ""
    if isinstance(value, tuple):
        return write(value).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else str(value)

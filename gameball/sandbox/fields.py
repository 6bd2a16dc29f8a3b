"""Reading what a caller sent: each field by its rule, or refused by name with code 4, 5 or 7."""

import re
from collections.abc import Callable, ItemsView, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TypeVar

from gameball.sandbox.refusals import Refusal

T = TypeVar("T")
LARGEST = 10**12
"""No amount and no points go beyond a million millions: more is a mistake, and sqlite counts to 2**63."""
FINEST = 15
"""Digits after the point: with `LARGEST`, what decimal arithmetic adds and subtracts exactly."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NUMERAL = re.compile(r"\d{1,9}", re.ASCII)
_NUMBER = re.compile(r"\d{1,30}(\.\d{1,30})?", re.ASCII)


class Fields:
    """The fields of one JSON object, or of a query string."""

    def __init__(self, value: Any, *, where: str = "") -> None:
        if not isinstance(value, Mapping):
            raise Refusal(7, f"{where.rstrip('.') or 'the body'} must be a JSON object")
        self._values = value
        self._where = where

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def items(self) -> ItemsView[str, Any]:
        """The fields as they were sent, unread."""
        return self._values.items()

    def required(self, name: str, read: Callable[[Any], T]) -> T:
        """The field's value as `read` reads it; absent is code 4, null is 5, breaking the rule is 7."""
        if name not in self._values:
            raise Refusal(4, f"{self._where}{name} is required")
        if self._values[name] is None:
            raise Refusal(5, f"{self._where}{name} must not be null")
        return self._read(name, read)

    def optional(self, name: str, read: Callable[[Any], T]) -> T | None:
        """The same for a field that may be absent or null."""
        return None if self._values.get(name) is None else self._read(name, read)

    def exactly_one(self, *names: str) -> None:
        """Refuse the call unless exactly one of these fields has a value."""
        if sum(self._values.get(name) is not None for name in names) != 1:
            raise Refusal(7, f"exactly one of {' and '.join(names)} must be given")

    def _read(self, name: str, read: Callable[[Any], T]) -> T:
        try:
            return read(self._values[name])
        except ValueError as rule:
            raise Refusal(7, f"{self._where}{name} {rule}") from None


def text(value: Any) -> str:
    """Text that says something and that can be stored as UTF-8."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text that is not empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return value


def boolean(value: Any) -> bool:
    """True or false, not 1 or 0."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - one exception for every broken rule
    return value


def array(value: Any) -> list[Any]:
    """A list of anything."""
    if not isinstance(value, list):
        raise ValueError("must be a list")  # noqa: TRY004 - one exception for every broken rule
    return value


def one_of(*words: str) -> Callable[[Any], str]:
    """A reader of one of these words."""

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return str(value)

    return read


def any_case_of(*words: str) -> Callable[[Any], str]:
    """A reader of one of these words, however it is capitalised."""

    def read(value: Any) -> str:
        known = {word.lower(): word for word in words}
        return one_of(*words)(known.get(value.lower()) if isinstance(value, str) else value)

    return read


def positive_amount(value: Any) -> Decimal:
    """Money: a number above zero, kept digit by digit; text that is one is too, as vendors' libraries send it."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004 - one exception for every broken rule
    if not 0 < value <= LARGEST:
        raise ValueError(f"must be positive and at most {LARGEST}")
    amount = Decimal(value)
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -FINEST:
        raise ValueError(f"must have at most {FINEST} digits after the point")
    return amount


def whole(value: Any) -> int:
    """A whole number in any spelling: 20 or 20.0."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not -LARGEST <= value <= LARGEST:
        raise ValueError(f"must be a whole number between -{LARGEST} and {LARGEST}")
    if value != int(value):
        raise ValueError("must be a whole number")
    return int(value)


def positive_points(value: Any) -> int:
    """Points to hold: whole and above zero."""
    points = whole(value)
    if points <= 0:
        raise ValueError("must be positive")
    return points


def signed_points(value: Any) -> int:
    """Points to add or, below zero, to deduct."""
    points = whole(value)
    if points == 0:
        raise ValueError("must not be 0")
    return points


def moment(value: Any) -> datetime:
    """A time with its zone, like `2019-09-19T16:14:09.895Z`."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("must be a time with its zone, like 2019-09-19T16:14:09.895Z")
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time that exists") from None


def first_moment(value: str) -> datetime:
    """`from` of a list: a date (its first moment in UTC) or a time with its zone."""
    return datetime.combine(_date(value), time.min, UTC) if _DATE.fullmatch(value) else moment(value)


def last_moment(value: str) -> datetime:
    """`to` of a list: a date (its last moment in UTC) or a time with its zone."""
    return datetime.combine(_date(value), time.max, UTC) if _DATE.fullmatch(value) else moment(value)


def _date(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a date that exists") from None


def numeral(lowest: int, highest: int = 999_999_999) -> Callable[[str], int]:
    """A reader of whole numbers in a query, between two bounds."""

    def read(value: str) -> int:
        if not _NUMERAL.fullmatch(value) or not lowest <= int(value) <= highest:
            raise ValueError(f"must be a whole number between {lowest} and {highest}")
        return int(value)

    return read


def direction(value: str) -> str:
    """`+` or `-`. A plus that was not sent as `%2B` arrives as a space, and is refused."""
    if value not in {"+", "-"}:
        raise ValueError("must be + (sent as %2B) or -")
    return value


def reference(value: Any) -> str:
    """An id that the tables call a number and the samples write as text: read either, as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)


def merchant(value: Any) -> tuple[str | None, str | None]:
    """The names of a merchant and its branch, as far as they are given."""
    fields = Fields(value, where="merchant.")
    fields.optional("uniqueId", text)
    branch = fields.optional("branch", lambda inner: Fields(inner, where="merchant.branch."))
    if branch is None:
        return fields.optional("name", text), None
    branch.optional("uniqueId", text)
    return fields.optional("name", text), branch.optional("name", text)


def line_items(value: Any) -> list[tuple[str | None, Decimal | None]]:
    """The returned items: product ids and positive quantities."""
    items = [Fields(item, where=f"lineItems[{index}].") for index, item in enumerate(array(value))]
    return [(item.optional("productId", reference), item.optional("quantity", positive_amount)) for item in items]

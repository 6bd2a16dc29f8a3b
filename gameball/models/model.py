"""The base of all models: what turns a value into plain data."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, cast

from attrs import fields

from gameball.errors import GameballError, printable
from gameball.settings import Secret

_LONGEST: Final = 40
"""Digits before the point up to which a whole number is written out."""


class Model:
    """A value with named fields."""

    __slots__ = ()

    def to_dict(self, *, json: bool = False) -> dict[str, Any]:
        """The value as a dict of plain data, by its fields' names; nested values are dicts, and tuples lists.

        An error is a dict of its type, message, code and outcome, a key always `"****"`. Emails, mobiles, one-time
        passwords and coupon codes are there as they are.

        Args:
            json: Only what `json.dumps` takes: amounts as numbers (as text in the rare case that a float would change
                their digits), times as text in UTC, enumerations as their text. Otherwise those are kept.
        """
        return {field.name: _plain(getattr(self, field.name), json=json) for field in fields(cast("Any", type(self)))}


def _plain(value: object, *, json: bool) -> object:
    match value:
        case Model():
            return value.to_dict(json=json)
        case tuple() | list():
            return [_plain(item, json=json) for item in cast("tuple[object, ...] | list[object]", value)]
        case GameballError():
            return {
                "type": type(value).__name__,
                "message": printable(value.message),
                "code": getattr(value, "code", None),
                "outcome": value.outcome,
            }
        case Secret():
            return str(value)
        case _:
            return _json(value) if json else value


def _json(value: object) -> object:
    match value:
        case str():
            return str.__str__(value)  # without its class, an enumeration's included
        case Decimal():
            return _number(value)
        case datetime():
            return value.isoformat() if value.utcoffset() is None else instant(value)
        case _:
            return value


def _number(value: Decimal) -> int | float | str:
    """The number that JSON writes with the same digits; its text where there is none."""
    if not value.is_finite():
        return str(value)
    if value.adjusted() <= _LONGEST and value == (whole := int(value)):
        return whole
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


def instant(value: datetime) -> str:
    """An aware time as text: in UTC with Z, in milliseconds, or in microseconds where it has them."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return value.isoformat(timespec="microseconds" if value.microsecond % 1000 else "milliseconds")[:-6] + "Z"

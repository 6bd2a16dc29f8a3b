# pyright: basic
# (strict elsewhere; this module turns untyped JSON into types)
"""The rules for single values of JSON, both ways: numbers, times, texts and words."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from gameball.models.batches import BatchId
from gameball.models.model import instant
from gameball.models.shared import ExactId, OpenEnum, is_time, refuse, written
from gameball.models.transactions import CouponCode
from gameball.settings import Secret


class UnreadableError(ValueError):
    """What came back does not have the expected shape; says where and why, never what it held."""


# --- out


def base_value(value: object) -> object:
    """What a subclass of a plain type stands for: Django's SafeString, numbers with a unit, and the like.

    Raises:
        TypeError: It is none.
    """
    match value:
        case str():
            return str.__str__(value)
        case Decimal():
            return Decimal(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case _:
            raise TypeError(f"no JSON: {type(value).__name__}")


def time_text(value: datetime) -> str:
    """A time as `instant()` writes it, if it is an aware one."""
    if value.tzinfo is not UTC and (not is_time(value) or value.utcoffset() is None):
        raise refuse("query or json", "must hold timezone-aware times: use datetime.now(timezone.utc)")
    return instant(value)


def plain_decimal(value: Decimal) -> Decimal | msgspec.Raw:
    """A finite decimal, to be written without an exponent."""
    if not value.is_finite():
        raise refuse("json", f"must hold finite numbers only, not {value}")
    # Decimal itself turns to an exponent for small fractions, as in 1E-7.
    return msgspec.Raw(format(value, "f").encode()) if "E" in written(value) else value


def finite(value: float) -> float:
    """A float, if it is a finite number."""
    if not math.isfinite(value):
        raise refuse("json", f"must hold finite numbers only, not {value}")
    return value


# --- in

_NUMBER = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?", re.ASCII)
_LARGEST: Final = 40
"""Digits before or behind the point beyond which a number is no amount, count or number of points."""


def number(value: object, _: Any = None) -> Decimal:
    """A number, or one in a string, exactly."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = Decimal(value.strip())
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value.adjusted()) > _LARGEST:
        raise UnreadableError("is not a number")
    return value


def is_zero(value: object) -> bool:
    """Whether it is a number, and zero."""
    try:
        return number(value) == 0
    except UnreadableError:
        return False


def points(value: object, _: Any = None) -> int | Decimal:
    """An int wherever the number is whole, in any spelling."""
    if type(value) is int:
        return value
    exact = number(value)
    return int(exact) if exact == exact.to_integral_value() else exact


def whole(value: object, _: Any = None) -> int:
    """A whole number in any spelling."""
    count = points(value)
    if isinstance(count, Decimal):
        raise UnreadableError("is not a whole number")
    return count


def truth(value: object, _: Any = None) -> bool:
    """A truth that came as a word; one that came as itself is not asked about."""
    if isinstance(value, str) and value.casefold() in ("true", "false"):
        return value.casefold() == "true"
    raise UnreadableError("is neither true nor false")


def text(value: object, _: Any = None) -> str:
    """A string; an id that came as a number is one too."""
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    try:
        exact = points(value)
    except UnreadableError:
        raise UnreadableError("is not a string") from None
    return str(exact) if isinstance(exact, int) else format(exact, "f")


def batch_id(value: object, _: Any = None) -> BatchId:
    """A batch's id, which is never empty."""
    written = text(value).strip()
    if not written:
        raise UnreadableError("is empty")
    return BatchId(written)


def exact_id(value: object, _: Any = None) -> ExactId:
    """An id that came back as text, which a number is not."""
    if not isinstance(value, str):
        raise UnreadableError("is not a string")
    return ExactId(value)


def coupon_code(value: object, _: Any = None) -> CouponCode:
    """A coupon's code, which is never a number."""
    if not isinstance(value, str):
        raise UnreadableError("is not a string")
    return CouponCode(value)


def secret(value: object, _: Any = None) -> Secret:
    """A key, never shown."""
    return Secret(text(value))


def word_reader(kind: type[OpenEnum]) -> Callable[[Any, Any], OpenEnum]:
    """A rule that reads a word of this enumeration."""
    known = {member.value: member for member in kind}  # many times faster than asking the enumeration

    def read(value: object, _: Any = None) -> OpenEnum:
        return (known.get(value) if type(value) is str else None) or kind(text(value))

    return read


def time(value: Any, _: Any = None) -> datetime:
    """A time in any of the API's spellings; without a zone it is in UTC."""
    try:
        read = datetime.fromisoformat(value.strip())
        if read.tzinfo is UTC:
            return read
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (AttributeError, ValueError, OverflowError):
        pass
    raise UnreadableError("is not a time")

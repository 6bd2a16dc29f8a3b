"""What the pages have in common: the rules for values, enumerations that stay open, merchants.

The rules are attrs validators: they raise `InvalidRequestError` with a sentence that names the field, at
construction, before anything is sent. The converters beside them bring a value into its one form and leave what
they do not understand for the validators to refuse.
"""

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from operator import index
from typing import Any, Final, Self, TypeAlias, cast

from attrs import Attribute, field, frozen
from attrs.converters import optional as if_given
from attrs.validators import optional

from gameball.errors import InvalidRequestError
from gameball.models.generated import Rule, checked, copier, surely_taken
from gameball.models.model import Model

Number: TypeAlias = Decimal | int | float
"""What is taken where a page says "number". A float stands for its shortest decimal: `99.98` is 99.98."""

Points: TypeAlias = int | Decimal
"""Points are whole; should the API ever answer a fraction, it is kept as a Decimal."""

MOST_DIGITS: Final = 15
"""What the API's side holds exactly (a double); a float with more digits was computed, not written down."""


class ExactId(str):
    """An id of ours that counts only if it came back as text, as it was sent: a number is none."""

    __slots__ = ()


NULL_IS_EMPTY: Final = "null is empty"
"""Metadata of a list that an answer must have: the API may write null for an empty one."""

LEFT_OUT_IS_EMPTY: Final = "left out is empty"
"""Metadata of the same: the API may also leave an empty one out, beside a count of zero."""


# --- arithmetic

_OURS: Final = Context(
    prec=100, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, capitals=1, clamp=0, flags=[], traps=[]
)
"""The decimal context of every amount: the caller's own (a low precision, a trap) neither bends nor breaks one."""


def add(left: Points, right: Points) -> Decimal:
    """The exact sum of two amounts."""
    return _OURS.add(left, right)


def add_points(left: Points, right: Points, times: int = 1) -> Points:
    """The exact sum of points and so many times others; whole as long as both are."""
    if isinstance(left, int) and isinstance(right, int):
        return left + right * times
    return _OURS.fma(Decimal(right), Decimal(times), Decimal(left))


def magnitude(value: Points) -> Decimal:
    """An amount without its sign, exactly."""
    return Decimal(value).copy_abs()


def written(value: Decimal) -> str:
    """A decimal as text, an exponent always as a capital E."""
    return _OURS.to_sci_string(value)


class OpenEnum(StrEnum):
    """An enumeration that keeps a word it does not know. Every member compares equal to its string.

    Words are recognised without regard to case and spaces.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        folded = _fold(value)
        for member in cls:
            if _fold(member.value) == folded:
                return member
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = value
        return unknown


def _fold(word: str) -> str:
    return "".join(word.split()).casefold()


# --- converters


def decimal(value: Number) -> Decimal:
    """A number as the decimal that was written down, without an exponent where Decimal allows it."""
    if isinstance(value, float):
        value = Decimal(float.__repr__(value))
    elif not isinstance(value, (Decimal, bool)) and isinstance(count := integer(value), int):
        value = Decimal(count)
    if type(value) is Decimal and "E" not in written(value):
        return value
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= MOST_DIGITS:
        return Decimal(format(value, "f"))
    return cast("Decimal", value)  # the validator refuses what is left


def integer(value: int) -> int:
    """Another library's integer (numpy's, say) as an int, anything else as it is."""
    if isinstance(value, int):
        return value
    try:
        return index(value)
    except TypeError:
        return value  # the validator refuses it


def utc(value: datetime) -> datetime:
    """An aware time in UTC; a naive one as it is, for the validator to refuse."""
    if isinstance(value, datetime) and is_time(value) and value.utcoffset() is not None:
        try:
            return value.astimezone(UTC)
        except OverflowError:  # the first and the last hours of the calendar
            return value
    return value


def is_time(value: datetime) -> bool:
    """Whether it is a time at all: pandas' NaT is a datetime, and alone is not equal to itself."""
    return value == value  # noqa: PLR0124 (that is the question)


def utc_or_date(value: date | datetime) -> date | datetime:
    """A date as it is, an aware time in UTC."""
    return utc(value) if isinstance(value, datetime) else value


# --- validators


def refuse(field: str, rule: str) -> InvalidRequestError:
    """The one form of a refusal: the field, and the rule it breaks."""
    return InvalidRequestError(f"{field} {rule}", field=field)


@surely_taken("type({0}) is Decimal and {0} and len(_text := str({0})) <= 15 and _text.replace('.', '', 1).isdigit()")
def positive(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """A finite decimal above zero, exact within 15 digits."""
    name = attribute.name
    if not isinstance(value, Decimal):
        raise refuse(name, f"must be a Decimal, int or float, not {type(value).__name__}")
    if not value.is_finite():
        raise refuse(name, f"must be a finite number, not {value}")
    if value <= 0:
        raise refuse(name, f"must be positive, not {value if value.adjusted() <= MOST_DIGITS else 'negative'}")
    if len(text := written(value)) <= MOST_DIGITS and "E" not in text:
        return  # so it is with nearly all, and much faster to see
    _, digits, exponent = value.as_tuple()
    if len(digits) > MOST_DIGITS or value.adjusted() >= MOST_DIGITS or -int(exponent) > MOST_DIGITS:
        raise refuse(
            name,
            f"must have at most {MOST_DIGITS} significant digits (a computed float has more): round it first",
        )


def check_whole(name: str, value: object, least: int, most: int) -> None:
    """Refuse what is not a whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse(name, f"must be a whole number, not {type(value).__name__}")
    if not least <= value <= most:
        raise refuse(name, f"must be from {least} to {most}")


def whole(least: int, most: int) -> Rule:
    """A whole number from `least` to `most`."""

    @surely_taken(f"type({{0}}) is int and {least} <= {{0}} <= {most}")
    def check(_: object, attribute: "Attribute[Any]", value: object) -> None:
        check_whole(attribute.name, value, least, most)

    return check


def check_text(name: str, value: object) -> None:
    """Refuse what is not a string with something in it that can be written as UTF-8."""
    if not isinstance(value, str):
        raise refuse(name, f"must be a str, not {type(value).__name__}")
    if not value.strip():
        raise refuse(name, "must not be empty")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise refuse(name, "must be valid Unicode, without lone surrogates")


def check_header(name: str, value: object) -> None:
    """Refuse what cannot travel in a header: anything but printable ASCII."""
    check_text(name, value)
    if not (isinstance(value, str) and value.isascii() and value.isprintable()):
        raise refuse(name, "must be printable ASCII, for it travels in a header")


@surely_taken("type({0}) is str and {0}.isascii() and {0}.strip()")
def text(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """A string with something in it; see `check_text()`."""
    check_text(attribute.name, value)


@surely_taken("type({0}) is datetime and {0}.tzinfo is UTC")
def aware(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """A timezone-aware time."""
    if not isinstance(value, datetime):
        raise refuse(attribute.name, f"must be a datetime, not {type(value).__name__}")
    if not is_time(value):
        raise refuse(attribute.name, "must be a time, not NaT: pass None where there is none")
    if value.utcoffset() is None:
        raise refuse(
            attribute.name,
            "must be timezone-aware: use datetime.now(timezone.utc), or value.replace(tzinfo=...) for a naive value",
        )
    if value.tzinfo is not UTC:
        raise refuse(attribute.name, "must lie within the calendar in UTC")


def aware_or_date(instance: object, attribute: "Attribute[Any]", value: object) -> None:
    """A date, or a timezone-aware time."""
    if not isinstance(value, date):
        raise refuse(attribute.name, f"must be a date or a datetime, not {type(value).__name__}")
    if isinstance(value, datetime):
        aware(instance, attribute, value)


def a(kind: type) -> Rule:
    """A value of this class."""

    def check(_: object, attribute: "Attribute[Any]", value: object) -> None:
        if not isinstance(value, kind):
            raise refuse(attribute.name, f"must be a {kind.__name__}, not {type(value).__name__}")

    return check


def none_or_both(**given: object) -> InvalidRequestError:
    """The refusal of two fields of which exactly one must be given."""
    both = all(value is not None for value in given.values())
    return refuse(" or ".join(given), "are exclusive: give only one of them" if both else "is required")


# --- values


@checked
@frozen(kw_only=True)
class PlayerRequest(Model):
    """What every request that moves a player's points carries.

    `email` and `mobile` are for accounts that merge channels. Without a `transaction_time` the call is stamped
    with the time at which it is built.
    """

    player_unique_id: str = field(validator=text)
    email: str | None = field(default=None, validator=optional(text), repr=False)
    mobile: str | None = field(default=None, validator=optional(text), repr=False)
    transaction_time: datetime | None = field(default=None, converter=if_given(utc), validator=optional(aware))

    def at(self, time: datetime) -> Self:
        """The same request at this time, in UTC. What has been checked is not checked again."""
        copy: Self = copier(cast("Any", type(self)), "transaction_time")(self, time)
        return copy


@checked
@frozen(kw_only=True)
class KeyedRequest(PlayerRequest):
    """A request that the API takes once: `transaction_id` is its own id in the caller's system."""

    transaction_id: str = field(validator=text)


@checked
@frozen(kw_only=True)
class Branch(Model):
    """A merchant's branch."""

    unique_id: str | None = field(default=None, validator=optional(text))
    name: str | None = field(default=None, validator=optional(text))

    def __attrs_post_init__(self) -> None:
        if self.unique_id is None and self.name is None:
            raise refuse("unique_id or name", "is required for a branch")


@checked
@frozen(kw_only=True)
class Merchant(Model):
    """The shop, among several of one account, where something was bought."""

    unique_id: str | None = field(default=None, validator=optional(text))
    name: str | None = field(default=None, validator=optional(text))
    branch: Branch | None = field(default=None, validator=optional(a(Branch)))

    def __attrs_post_init__(self) -> None:
        if self.unique_id is None and self.name is None:
            raise refuse("unique_id or name", "is required for a merchant")

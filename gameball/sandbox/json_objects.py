"""Faults and programs as JSON objects, and back: `{"fault": "status", "status": 503}` is `faults.Status(503)`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from decimal import Decimal
from typing import Any

from gameball.sandbox import faults, json_codec
from gameball.sandbox.faults import Fault
from gameball.sandbox.fields import LARGEST, array, boolean, text, whole
from gameball.sandbox.program import CouponRule, Program

_RENAMED = {"code": "status"}
"""What a class calls a field, and what JSON calls it."""


def _word(kind: type) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


FAULTS: dict[str, type[Any]] = {
    _word(kind): kind
    for kind in (
        faults.Status,
        faults.TooManyRequests,
        faults.Reset,
        faults.Close,
        faults.CutBody,
        faults.EmptyBody,
        faults.Delay,
        faults.Drip,
        faults.Html,
        faults.Redirect,
        faults.Garbage,
        faults.HugeHeaders,
        faults.GzipBomb,
        faults.EndlessBody,
    )
}
"""The faults by the words that JSON has for them."""


def read_fault(word: str, given: Mapping[str, Any]) -> Fault:
    """The fault of that word with the fields given; those that are not keep their defaults.

    Raises:
        ValueError: naming the field and the rule that it breaks.
    """
    fault: Fault = _read(FAULTS[word], given, of=f"the fault {word}")
    return fault


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultField:
    """A field of a fault, for a form."""

    name: str
    kind: Any
    """Its type in Python."""
    required: bool
    default: Any

    @property
    def input(self) -> str:
        """What is typed in for it."""
        if self.kind is bool:
            return "flag"
        if self.kind in {int, float, int | None}:
            return "number"
        return "text" if self.kind in {str, str | None, bytes} else "json"


def fault_fields(word: str) -> list[FaultField]:
    """The fields of the fault of that word, by the names that JSON has for them."""
    return [
        FaultField(
            name=_RENAMED.get(field.name, field.name),
            kind=field.type,
            required=_is_required(field),
            default=None if field.default is MISSING or field.type is bytes else field.default,
        )
        for field in fields(FAULTS[word])
    ]


def changed_program(program: Program, given: Mapping[str, Any]) -> Program:
    """The program with the fields given.

    Raises:
        ValueError: naming the field and the rule that it breaks.
    """
    return replace(program, **_read_values(Program, given, of="the programme"))


def fault_object(fault: Fault) -> dict[str, Any]:
    """The fault's word and its fields; a class of the user's own has a word too."""
    return {"fault": _word(type(fault)), **(plain(fault) if is_dataclass(fault) else {})}


def plain(value: Any) -> Any:
    """A value as `json_codec` writes it: a dataclass as an object, bytes as the JSON or the text in them."""
    match value:
        case bytes():
            plainer = _text(value)
        case float():
            plainer = Decimal(str(value))
        case Mapping():
            plainer = {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            plainer = [plain(item) for item in value]
        case str() | int() | Decimal() | None:
            plainer = value
        case _ if is_dataclass(value):
            plainer = {
                _RENAMED.get(field.name, field.name): plain(getattr(value, field.name)) for field in fields(value)
            }
        case _:
            plainer = repr(value)
    return plainer


def _text(value: bytes) -> Any:
    try:
        return json_codec.read(value)
    except ValueError:
        return value.decode("utf-8", errors="replace")


def seconds(value: Any) -> float:
    """A number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not -LARGEST <= value <= LARGEST:
        raise ValueError(f"must be a number of seconds between -{LARGEST} and {LARGEST}")
    return float(value)


def _read(kind: type[Any], given: Mapping[str, Any], *, of: str) -> Any:
    values = _read_values(kind, given, of=of)
    for field in fields(kind):
        if field.name not in values and _is_required(field):
            raise ValueError(f"{_RENAMED.get(field.name, field.name)} is required by {of}")
    return kind(**values)


def _is_required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _read_values(kind: type[Any], given: Mapping[str, Any], *, of: str) -> dict[str, Any]:
    known = {_RENAMED.get(field.name, field.name): field for field in fields(kind)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{name} is no field of {of}, which has: {', '.join(known) or 'none'}")
        try:
            values[known[name].name] = _READERS[known[name].type](value)
        except ValueError as rule:
            raise ValueError(f"{name} {rule}") from None
    return values


def _amount(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= LARGEST:
        raise ValueError(f"must be a number from 0 to {LARGEST}")
    return Decimal(value)


def _body(value: Any) -> bytes | None:
    """The JSON of any value, exact to the digit; null is no body."""
    return None if value is None else json_codec.write(value)


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ValueError("must be an object whose values are text")
    return value


def _rules(value: Any) -> tuple[CouponRule, ...]:
    rules = array(value)
    if not all(isinstance(rule, dict) for rule in rules):
        raise ValueError("must be a list of objects")
    return tuple(_read(CouponRule, rule, of="a coupon rule") for rule in rules)


def _nullable(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


_READERS: dict[Any, Callable[[Any], Any]] = {
    int: whole,
    int | None: _nullable(whole),
    float: seconds,
    Decimal: _amount,
    bool: boolean,
    str: text,
    str | None: _nullable(text),
    bytes: lambda value: text(value).encode(),
    dict[str, str]: _texts,
    tuple[CouponRule, ...]: _rules,
    Any: _body,
}
"""How a value is read, by the type of the field that it is for."""

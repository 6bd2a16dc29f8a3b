# pyright: basic
# (strict elsewhere; this module turns untyped JSON into types)
"""Between JSON and models, without any I/O.

Here, and nowhere else, live the API's own spellings. Reading is tolerant of what the pages contradict each other
on (unknown fields, drifting case, numbers in strings, four ways to write a time) and strict where it matters: a
reward without its id is not an answer.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin

import attrs
import msgspec
from cattrs import Converter

from gameball.core import scalars
from gameball.core.scalars import UnreadableError, base_value
from gameball.models.batches import BatchId
from gameball.models.clients import UNSET
from gameball.models.configurations import ChallengeConfiguration
from gameball.models.generated import compiled
from gameball.models.shared import LEFT_OUT_IS_EMPTY, NULL_IS_EMPTY, ExactId, OpenEnum, Points
from gameball.models.transactions import CouponCode
from gameball.settings import Secret

T = TypeVar("T")

SPELLINGS: Final[Mapping[str, str]] = {
    "original_transaction_id": "reverseTransactionId",
    "from_date": "from",
    "to_date": "to",
}
"""Our names whose spelling in JSON is not simply their camelCase."""

OTHER_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "gameballTransactionId": ("gameballTrasnactionId",),
    "isDefault": ("isDefaultRule",),
    "points": ("point",),
    "playerUniqueId": ("customerId",),
    "message": ("error",),
}
"""What the API was seen to write instead, beside a drift in case, which is always understood."""

ENVELOPES: Final[Mapping[Any, tuple[str, ...]]] = {
    BatchId: ("batchId", "jobId"),
    tuple[ChallengeConfiguration, ...]: ("challengesConfig", "challenges"),
}
"""Answers that are one value, and the keys it comes under; the value itself, bare, is read as well."""

# --- out


_json = msgspec.json.Decoder(float_hook=Decimal)
_to_bytes = msgspec.json.Encoder(decimal_format="number", enc_hook=base_value).encode
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError)


def write(value: Any) -> bytes:
    """A model, or plain JSON, as it is sent; of a model, what was not given is left out."""
    return _to_bytes(_hooks[value.__class__](value))


def spelling(name: str) -> str:
    """What the API calls a field of ours."""
    head, *rest = name.split("_")
    return SPELLINGS.get(name) or head + "".join(part.capitalize() for part in rest)


# --- in


def load(body: bytes, kind: type[T]) -> T:
    """JSON as a value of this class.

    Raises:
        UnreadableError: It is not JSON, or not of this shape.
    """
    value: T = _loaders[kind](body)
    return value


def read(data: Any, kind: type[T]) -> T:
    """Plain JSON, numbers with a fraction as Decimal, as a value of this class.

    Raises:
        UnreadableError: It is not of this shape.
    """
    return _converter.structure(data, kind)


def _unwrapped(data: Any, kind: Any) -> Any:
    keys = ENVELOPES[kind]
    if not isinstance(data, dict):
        return data
    folded = {key.casefold(): value for key, value in data.items()}
    for key in keys:
        if (value := folded.get(key.casefold())) is not None:
            # Where several are meant, one alone stands for a list of one.
            return [value] if _is_tuple(kind) and isinstance(value, dict) else value
    if _is_tuple(kind) and any(key.casefold() in folded for key in keys):
        return []  # null stands for none
    raise UnreadableError(f"{keys[0]} is missing")


def parse(body: bytes) -> Any:
    """JSON as plain Python, numbers with a fraction as Decimal.

    Raises:
        UnreadableError: It is not JSON.
    """
    try:
        return _json.decode(body.removeprefix(BYTE_ORDER_MARK))
    except _DECODE_ERRORS:
        raise UnreadableError("not JSON, or cut short") from None
    except RecursionError:
        raise UnreadableError("JSON nested too deeply") from None


# --- the converter


_QUICK: Final[Mapping[Any, str]] = {
    str: "value if value.__class__ is str else str(value) if value.__class__ is int else ",
    int: "value if value.__class__ is int else ",
    Points: "value if value.__class__ is int else ",
    bool: "value if value.__class__ is bool else ",
}
"""Where the JSON's own class is the field's, there is nothing to read."""


class _Field:
    """The source code that reads one field of an answer's class.

    It fills the slot itself: answers have no rules to check, and an __init__ takes twice as long.
    """

    def __init__(self, number: int, kind: Any, a: "attrs.Attribute[Any]", names: dict[str, Any]) -> None:
        self.name, self.key = a.name, spelling(a.name)
        of, self.needed = _without_none(a.type), a.default is attrs.NOTHING
        # For text an empty string is a value, but it is no id of anything.
        self.nothing = (None,) if of is str and not self.needed else (None, "")
        self.given = f"value or value not in {self.nothing!r}"
        self.fill = f"set_{number}(answer, {_QUICK.get(of, '')}read_{number}(value, of_{number}))"
        self.fill_default = f"set_{number}(answer, default_{number})"
        self.fill_empty = f"set_{number}(answer, ())" if NULL_IS_EMPTY in a.metadata else None
        self.left_out_is_empty = LEFT_OUT_IS_EMPTY in a.metadata
        names[f"of_{number}"], names[f"read_{number}"] = of, _converter.get_structure_hook(of)
        names[f"set_{number}"], names[f"default_{number}"] = getattr(kind, a.name).__set__, a.default


def _fields(kind: Any) -> tuple[list[_Field], dict[str, Any]]:
    """The fields of an attrs class, and the names of which they speak."""
    names: dict[str, Any] = {"blank": partial(object.__new__, kind), "UnreadableError": UnreadableError}
    own = attrs.fields(attrs.resolve_types(kind))
    return [_Field(number, kind, a, names) for number, a in enumerate(own)], names


def _reader(kind: Any) -> Callable[[Any, Any], Any]:
    """A hook that reads a JSON object into this attrs class, key by key."""
    fields, names = _fields(kind)
    names["plan"], names["known"] = [(f.key, f.nothing) for f in fields], {f.key for f in fields}
    names["respelled"], names["none_are_meant"] = _respelled, _none_are_meant
    lines: list[str] = []
    for f in fields:
        lines += [f"        value = get(key := {f.key!r})", f"        if {f.given}:", f"            {f.fill}"]
        if f.fill_empty:
            none = f"none_are_meant(key, data, left_out={f.left_out_is_empty})"
            lines += [f"        elif {none}:", f"            {f.fill_empty}"]
        lines += ["        else:", f"            {'missing += (key,)' if f.needed else f.fill_default}"]
    return compiled(
        [
            "def made(data, _):",
            "    if not isinstance(data, dict):",
            "        raise UnreadableError('is not an object')",
            "    get = (data if known.issuperset(data) else respelled(plan, data)).get",
            "    answer, missing = blank(), ()",
            "    try:",
            *lines,
            "    except UnreadableError as error:",
            "        problem = f'{key} {error}'",
            "    else:",
            "        if not missing:",
            "            return answer",
            "        problem = f'{\", \".join(missing)} is missing'",
            "    raise UnreadableError(problem)",
        ],
        names,
    )


def _exact_loader(kind: Any) -> Callable[[bytes], Any]:
    """What reads a body with nothing but the keys of this attrs class, as nearly all have: it takes half the time.

    It raises where the body may have to be read more tolerantly, which is left to `_reader`.
    """
    fields, names = _fields(kind)
    named, keys = [(f.name, Any, None) for f in fields], {f.name: f.key for f in fields}
    struct = msgspec.defstruct(kind.__name__, named, rename=keys, forbid_unknown_fields=True)
    names["decode"] = msgspec.json.Decoder(struct, float_hook=Decimal).decode
    lines = ["def made(body):", "    data, answer = decode(body), blank()"]
    for f in fields:
        otherwise = "raise UnreadableError" if f.needed or f.fill_empty else f.fill_default
        lines += [f"    value = data.{f.name}", f"    if {f.given}:", f"        {f.fill}"]
        lines += ["    else:", f"        {otherwise}"]
    return compiled([*lines, "    return answer"], names)


def _respelled(plan: Iterable[tuple[str, tuple[Any, ...]]], data: dict[str, Any]) -> dict[str, Any]:
    """The object under the model's own keys, where it has them under another case or spelling."""
    folded = {key.casefold(): value for key, value in data.items()}
    respelled = dict(data)
    for key, nothing in plan:
        if data.get(key) in nothing:
            for name in (key, *OTHER_SPELLINGS.get(key, ())):
                value = folded.get(name.casefold())
                if value not in nothing:
                    respelled[key] = value
                    break
    return respelled


def _none_are_meant(key: str, data: dict[str, Any], *, left_out: bool) -> bool:
    """Whether null stands for an empty list, or nothing at all beside a count of zero where it may be left out."""
    folded = {name.casefold(): value for name, value in data.items()}
    counts = [count for name in ("count", "total") if (count := folded.get(name)) not in (None, "")]
    there = key.casefold() in folded or (left_out and bool(counts))
    return there and folded.get(key.casefold()) is None and all(map(scalars.is_zero, counts))


_LEAST: Final = Decimal("0.000001")
"""The least number that Decimal writes without an exponent."""

_AS_IT_IS: Final[Mapping[Any, str]] = {
    str: "{0}",
    int: "{0}",
    bool: "{0}",
    Decimal: "part if (part := {0}) is None or part >= least else {1}",
    datetime: (
        "(part if part.microsecond % 1000 else in_milliseconds(part))"
        " if type(part := {0}) is datetime and part.tzinfo is UTC else part if part is None else {1}"
    ),
}
"""What of a field msgspec writes as we would, and much faster."""


def _in_milliseconds(time: datetime) -> str:
    """A time in UTC of whole milliseconds: but for their three zeros msgspec writes it as we would."""
    text = _to_bytes(time).decode()
    return f"{text[1:-5]}Z" if time.microsecond else f"{text[1:-2]}.000Z"


def _writer(kind: Any) -> Callable[[Any], msgspec.Struct]:
    """A hook that brings an attrs value into a struct for msgspec to write, in one expression, field by field.

    What was not given is left out of the JSON: None, or an empty tuple where that is the default; where UNSET is, None
    stands for null.
    """
    fields = attrs.fields(attrs.resolve_types(kind))
    names: dict[str, Any] = {
        "struct": msgspec.defstruct(
            kind.__name__,
            [(a.name, Any, a.default if a.default in (UNSET, ()) else None) for a in fields],
            rename={a.name: spelling(a.name) for a in fields},
            omit_defaults=True,
        ),
        "UNSET": UNSET,
        "UTC": UTC,
        "datetime": _real_datetime(),
        "least": _LEAST,
        "in_milliseconds": _in_milliseconds,
    }
    parts: list[str] = []
    for number, a in enumerate(fields):
        of = _without_none(a.type)
        names[f"dump_{number}"] = _converter.get_unstructure_hook(of)
        if a.default == ():
            template = "{1} if (part := {0}) else ()"
        else:
            template = _AS_IT_IS.get(of, "part if (part := {0}) is None or part is UNSET else {1}")
        parts.append(template.format(f"value.{a.name}", f"dump_{number}(part)"))
    return compiled(["def made(value):", f"    return struct({', '.join(parts)})"], names)


def _real_datetime() -> type[datetime]:
    """The class that msgspec knows: freezegun puts one of its own under the name while time stands still."""
    return next(kind for kind in datetime.__mro__ if type(kind) is type)


def _sequence_reader(kind: Any) -> Callable[[Any, Any], Any]:
    of = get_args(kind)[0]
    hook = _converter.get_structure_hook(of)

    def read(data: Any, _: Any) -> tuple[Any, ...]:
        if not isinstance(data, list):
            raise UnreadableError("is not a list")
        return tuple([hook(item, of) for item in data])

    return read


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind):
        return Union[tuple(part for part in get_args(kind) if part is not NoneType)]  # noqa: UP007 (built at run time)
    return kind


_VALUES: Final[Mapping[Any, Callable[[Any, Any], Any]]] = {
    str: scalars.text,
    int: scalars.whole,
    bool: scalars.truth,
    Decimal: scalars.number,
    datetime: scalars.time,
    Points: scalars.points,
    BatchId: scalars.batch_id,
    ExactId: scalars.exact_id,
    CouponCode: scalars.coupon_code,
    Secret: scalars.secret,
}


def _write_list(values: list[Any]) -> list[Any]:
    """What is in a list is mostly of one kind: how that is written is looked up once."""
    hooks = {kind: _converter.get_unstructure_hook(kind) for kind in set(map(type, values))}
    return [hooks[type(value)](value) for value in values]


def _is_tuple(kind: Any) -> bool:
    origin: Any = get_origin(kind)
    return origin is tuple


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=False)
    converter.register_structure_hook_factory(attrs.has, _reader)
    converter.register_structure_hook_factory(_is_tuple, _sequence_reader)
    # By class: cattrs asks its own rules for str, int, bool and enumerations before any of a factory's.
    for kind, rule in _VALUES.items():
        converter.register_structure_hook(kind, rule)
    for kind in OpenEnum.__subclasses__():
        converter.register_structure_hook(kind, scalars.word_reader(kind))
    converter.register_unstructure_hook_factory(attrs.has, _writer)
    converter.register_unstructure_hook(list, _write_list)
    converter.register_unstructure_hook(datetime, scalars.time_text)
    converter.register_unstructure_hook(Decimal, scalars.plain_decimal)
    converter.register_unstructure_hook(float, scalars.finite)
    for kind in (BatchId, CouponCode, ExactId):
        converter.register_unstructure_hook(kind, str)
    return converter


_converter = _make_converter()


class _Hooks(dict[type, Callable[[Any], Any]]):
    """What the converter writes values of a class by: to ask it takes as long as half of the writing."""

    def __missing__(self, kind: type) -> Callable[[Any], Any]:
        hook = self[kind] = _converter.get_unstructure_hook(kind)
        return hook


_hooks = _Hooks()


class _Loaders(dict[Any, Callable[[bytes], Any]]):
    """What reads a body as a value of a class."""

    def __missing__(self, kind: Any) -> Callable[[bytes], Any]:
        loader = self[kind] = self._made(kind)
        return loader

    def _made(self, kind: Any) -> Callable[[bytes], Any]:
        if kind is object:  # plain JSON, or nothing at all
            return lambda body: parse(body) if body.strip() else None
        hook = _converter.get_structure_hook(kind)
        if kind in ENVELOPES:
            return lambda body: hook(_unwrapped(parse(body), kind), kind)
        if not attrs.has(kind):
            return lambda body: hook(parse(body), kind)
        exact = _exact_loader(kind)

        def load(body: bytes) -> Any:
            try:
                return exact(body)
            except (*_DECODE_ERRORS, RecursionError, UnreadableError):
                return hook(parse(body), kind)

        return load


_loaders = _Loaders()

# pyright: basic
# (strict elsewhere; this module turns untyped JSON into types)
"""Between values and bytes, without any I/O: an operation becomes a request, an answer becomes a model or an error.

Here, and nowhere else, live the API's own spellings. Reading is tolerant of what the pages contradict each other
on (unknown fields, drifting case, numbers in strings, four ways to write a time) and strict where it matters: a
reward without its id is not an answer.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin
from urllib.parse import quote

import attrs
import msgspec
from cattrs import Converter

from gameball.core.http import Request, Response
from gameball.core.operation import Operation, Replay
from gameball.errors import APIError, InvalidRequestError, UnexpectedAnswerError, api_error
from gameball.models.batches import BatchId
from gameball.models.clients import UNSET
from gameball.models.configurations import ChallengeConfiguration
from gameball.models.shared import OpenEnum, Points, refuse
from gameball.models.transactions import CouponCode, TransactionStatus
from gameball.settings import Secret

T = TypeVar("T")

SPELLINGS: Final[Mapping[str, str]] = {
    "original_transaction_id": "reverseTransactionId",
    "from_date": "from",
    "to_date": "to",
}
"""Our names whose spelling on the wire is not simply their camelCase."""

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

PRIVATE: Final = frozenset({"otp", "email", "mobile"})
"""Fields of requests whose values appear in no error and no log."""


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


_json = msgspec.json.Decoder(float_hook=Decimal)
_to_bytes = msgspec.json.Encoder(decimal_format="number", enc_hook=base_value).encode
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_DONE: Final = int(HTTPStatus.OK)
_REDIRECTED: Final = int(HTTPStatus.MULTIPLE_CHOICES)
_REFUSED: Final = int(HTTPStatus.BAD_REQUEST)


# --- out


def encode(operation: Operation[Any], headers: Mapping[str, str] | None = None) -> Request:
    """The request that the operation stands for, byte for byte; `headers` are the client's own.

    Raises:
        InvalidRequestError: The query or the body holds what JSON or an address cannot.
    """
    try:
        query = _query_string(operation.query)
        body = None if operation.body is None else write(operation.body)
    except InvalidRequestError:
        raise
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        kind = type(error).__name__
    else:
        return Request(
            method=operation.method,
            target=operation.path + query,
            signature=operation.signature,
            headers={**headers, **operation.headers} if headers else operation.headers,
            body=body,
            fresh=operation.replay is Replay.NEVER,
        )
    raise refuse("query or json", f"must be plain JSON of valid text and numbers ({kind})")


def write(value: Any) -> bytes:
    """A model, or plain JSON, as it is sent."""
    return _to_bytes(dump(value))


def dump(value: Any) -> Any:
    """A model as plain JSON in the API's spelling; what was not given is left out."""
    return _converter.unstructure(value)


def instant(value: datetime) -> str:
    """A time in UTC with Z, in milliseconds, or in microseconds where it has them."""
    if value.tzinfo is not UTC:
        if value.utcoffset() is None:
            raise refuse("query or json", "must hold times that tell their zone: use datetime.now(timezone.utc)")
        value = value.astimezone(UTC)
    return value.isoformat(timespec="microseconds" if value.microsecond % 1000 else "milliseconds")[:-6] + "Z"


def _query_string(query: Any) -> str:
    if query is None:
        return ""
    if attrs.has(type(query)):
        given = {spelling(a.name): getattr(query, a.name) for a in attrs.fields(type(query))}
    else:
        given = dict(query)
    # quote, not urlencode's quote_plus: a plus sign must arrive as one, a blank as %20.
    pairs = [f"{quote(k, safe='')}={quote(_query_value(v), safe='')}" for k, v in given.items() if v is not None]
    return f"?{'&'.join(pairs)}" if pairs else ""


def _query_value(value: object) -> str:
    if isinstance(value, TransactionStatus) and value.number is not None:
        return str(value.number)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else str(value)


def _plain_decimal(value: Decimal) -> Decimal | msgspec.Raw:
    if not value.is_finite():
        raise refuse("json", f"must hold finite numbers only, not {value}")
    # Decimal itself turns to an exponent for small fractions, as in 1E-7.
    return msgspec.Raw(format(value, "f").encode()) if "E" in str(value) else value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise refuse("json", f"must hold finite numbers only, not {value}")
    return value


def spelling(name: str) -> str:
    """What the API calls a field of ours."""
    head, *rest = name.split("_")
    return SPELLINGS.get(name) or head + "".join(part.capitalize() for part in rest)


def private_words(operation: Operation[Any]) -> list[str]:
    """What must not be seen of a request, in each form in which the API may repeat it; the longest first."""
    words = {word for part in (operation.query, operation.body) for word in _private(part)}
    forms = {form for word in words for form in (word, word.lower(), quote(word, safe=""))}
    return sorted(forms, key=len, reverse=True)


def _private(part: Any) -> Iterator[str]:
    """The values of private fields anywhere in it: in one request, in a batch's rows, or in plain JSON."""
    if attrs.has(type(part)):
        part = attrs.asdict(part, recurse=False)
    if isinstance(part, Mapping):
        for name, value in part.items():
            if str(name).casefold() in PRIVATE and isinstance(value, str | int) and (word := _line(str(value))):
                yield word
            yield from _private(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _private(value)


# --- in


def decode(operation: Operation[T], answer: Response) -> T:
    """The answer as the operation's own kind of value.

    Raises:
        APIError: The API refused or failed (any status from 400 up).
        UnexpectedAnswerError: The answer is not the API's: not JSON, not of the expected shape, a redirect.
    """
    if answer.status >= _REFUSED:
        raise _refusal(answer)
    if not _DONE <= answer.status < _REDIRECTED:
        raise _unexpected(answer, "a redirect, which is never followed; check base_url")
    if operation.returns is NoneType:
        if answer.body.removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(b"<"):
            raise _unexpected(answer, "a page of HTML instead of an answer of the API")
        return None  # type: ignore[return-value]  # T is None here
    try:
        return load(answer.body, operation.returns)
    except UnreadableError as error:
        problem = str(error)
    raise _unexpected(answer, problem)


def load(body: bytes, kind: type[T]) -> T:
    """JSON as a value of this class.

    Raises:
        UnreadableError: It is not JSON, or not of this shape.
    """
    if kind is object:  # plain JSON, or nothing at all
        return parse(body) if body.strip() else None  # type: ignore[return-value]  # T is object here
    return read(_unwrapped(parse(body), kind), kind)


def read(data: Any, kind: type[T]) -> T:
    """Plain JSON, numbers with a fraction as Decimal, as a value of this class.

    Raises:
        UnreadableError: It is not of this shape.
    """
    return _converter.structure(data, kind)


def _unwrapped(data: Any, kind: Any) -> Any:
    keys = ENVELOPES.get(kind)
    if keys is None or not isinstance(data, dict):
        return data
    folded = {key.casefold(): value for key, value in data.items()}
    for key in keys:
        if (value := folded.get(key.casefold())) is not None:
            # Where several are meant, one alone stands for a list of one.
            return [value] if _is_tuple(kind) and isinstance(value, dict) else value
    raise UnreadableError(f"{keys[0]} is missing")


def parse(body: bytes) -> Any:
    """JSON as plain Python, numbers with a fraction as Decimal.

    Raises:
        UnreadableError: It is not JSON.
    """
    try:
        return _json.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError):
        raise UnreadableError("not JSON, or cut short") from None
    except RecursionError:
        raise UnreadableError("JSON nested too deeply") from None


class UnreadableError(ValueError):
    """What came back does not have the expected shape; says where and why, never what it held."""


def _refusal(answer: Response) -> APIError:
    try:
        envelope = parse(answer.body)
    except UnreadableError:
        envelope = None
    said = {key.casefold(): value for key, value in envelope.items()} if isinstance(envelope, dict) else {}
    error = api_error(answer.status, _code(said.get("code")), _line(said.get("message")))
    error.request_id = _line(said.get("requestid")) or request_id(answer)
    return error


def _unexpected(answer: Response, problem: str) -> UnexpectedAnswerError:
    message = f"the answer could not be read: {problem}"
    return UnexpectedAnswerError(message, status=answer.status, request_id=request_id(answer))


def request_id(answer: Response) -> str | None:
    """The API's name for the request, where a header tells it."""
    return _line(answer.headers.get("X-Request-Id") or answer.headers.get("Request-Id"))


def _code(value: object) -> int | None:
    try:
        return None if value is None else _whole(value)
    except UnreadableError:
        return None


def _line(value: object) -> str | None:
    """One printable line of what the API says: it goes into logs."""
    if not isinstance(value, str):
        return None
    words = " ".join(value.split())
    return "".join(filter(str.isprintable, words)) or None


# --- the rules for single values

_NUMBER = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?", re.ASCII)
_LARGEST: Final = 40
"""Digits before or behind the point beyond which a number is no amount, count or number of points."""


def _number(value: object, _: Any = None) -> Decimal:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = Decimal(value.strip())
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or abs(value.adjusted()) > _LARGEST:
        raise UnreadableError("is not a number")
    return value


def _points(value: object, _: Any = None) -> int | Decimal:
    if type(value) is int:
        return value
    number = _number(value)
    return int(number) if number == number.to_integral_value() else number


def _whole(value: object, _: Any = None) -> int:
    number = _points(value)
    if isinstance(number, Decimal):
        raise UnreadableError("is not a whole number")
    return number


def _truth(value: object, _: Any = None) -> bool:
    """A truth that came as a word; one that came as itself is not asked about."""
    if isinstance(value, str) and value.casefold() in ("true", "false"):
        return value.casefold() == "true"
    raise UnreadableError("is neither true nor false")


def _text(value: object, _: Any = None) -> str:
    """A string; an id that came as a number is one too."""
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    try:
        number = _points(value)
    except UnreadableError:
        raise UnreadableError("is not a string") from None
    return str(number) if isinstance(number, int) else format(number, "f")


def _id(value: object, _: Any = None) -> BatchId:
    text = _text(value).strip()
    if not text:
        raise UnreadableError("is empty")
    return BatchId(text)


def _coupon_code(value: object, _: Any = None) -> CouponCode:
    if not isinstance(value, str):
        raise UnreadableError("is not a string")
    return CouponCode(value)


def _secret(value: object, _: Any = None) -> Secret:
    return Secret(_text(value))


def _word_reader(kind: type[OpenEnum]) -> Callable[[Any, Any], OpenEnum]:
    known = {member.value: member for member in kind}  # many times faster than asking the enumeration

    def read(value: object, _: Any = None) -> OpenEnum:
        return (known.get(value) if type(value) is str else None) or kind(_text(value))

    return read


def _time(value: Any, _: Any = None) -> datetime:
    """A time in any of the API's spellings; without a zone it is in UTC."""
    try:
        time = datetime.fromisoformat(value.strip())
        if time.tzinfo is UTC:
            return time
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (AttributeError, ValueError, OverflowError):
        pass
    raise UnreadableError("is not a time")


# --- the converter


_QUICK: Final[Mapping[Any, str]] = {str: "str", int: "int", Points: "int", bool: "bool"}
"""Where the JSON's own class is the field's, there is nothing to read."""


def _reader(kind: Any) -> Callable[[Any, Any], Any]:
    """A hook that reads a JSON object into this attrs class, key by key.

    It fills the slots itself: a frozen class's own __init__ takes twice as long, and answers have no rules to check.
    """
    plan: list[tuple[str, tuple[Any, ...]]] = []
    names: dict[str, Any] = {
        "blank": partial(object.__new__, kind),
        "plan": plan,
        "respelled": _respelled,
        "UnreadableError": UnreadableError,
    }
    lines: list[str] = []
    for number, a in enumerate(attrs.fields(attrs.resolve_types(kind))):
        key, of, needed = spelling(a.name), _without_none(a.type), a.default is attrs.NOTHING
        # For text an empty string is a value, but it is no id of anything.
        nothing = (None,) if of is str and not needed else (None, "")
        plan.append((key, nothing))
        names[f"of_{number}"], names[f"read_{number}"] = of, _converter.get_structure_hook(of)
        names[f"set_{number}"], names[f"default_{number}"] = getattr(kind, a.name).__set__, a.default
        quick = f"value if type(value) is {_QUICK[of]} else " if of in _QUICK else ""
        lines += [
            f"        value = get(key := {key!r})",
            f"        if value or value not in {nothing!r}:",
            f"            set_{number}(answer, {quick}read_{number}(value, of_{number}))",
            "        else:",
            "            missing += (key,)" if needed else f"            set_{number}(answer, default_{number})",
        ]
    names["known"] = {key for key, _ in plan}
    return _compiled(
        [
            "def hook(data, _):",
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


_LEAST: Final = Decimal("0.000001")
"""The least number that Decimal writes without an exponent."""

_AS_IT_IS: Final[Mapping[Any, str]] = {
    str: "part",
    int: "part",
    bool: "part",
    Decimal: "part if part >= least else {}",
    datetime: "part if type(part) is datetime and part.microsecond % 1000 and part.tzinfo is UTC else {}",
}
"""What msgspec writes as we would, and much faster."""


def _writer(kind: Any) -> Callable[[Any], dict[str, Any]]:
    """A hook that writes an attrs value as a JSON object, leaving out what was not given.

    That is None, or an empty tuple where that is the default; where UNSET is, None stands for null.
    """
    names: dict[str, Any] = {"UNSET": UNSET, "UTC": UTC, "Decimal": Decimal, "datetime": datetime, "least": _LEAST}
    lines: list[str] = []
    for number, a in enumerate(attrs.fields(attrs.resolve_types(kind))):
        of = _without_none(a.type)
        names[f"dump_{number}"] = _converter.get_unstructure_hook(of)
        part = _AS_IT_IS.get(of, f"dump_{number}(part)").format(f"dump_{number}(part)")
        if a.default is UNSET:
            given, part = "part is not UNSET", f"None if part is None else {part}"
        else:
            given = "part" if a.default == () else "part is not None"
        lines += [
            f"    part = value.{a.name}",
            f"    if {given}:",
            f"        written[{spelling(a.name)!r}] = {part}",
        ]
    return _compiled(["def hook(value):", "    written = {}", *lines, "    return written"], names)


def _compiled(lines: Iterable[str], names: dict[str, Any]) -> Callable[..., Any]:
    """The function `hook` of this source: written out field by field, it takes half the time of a loop over them."""
    exec("\n".join(lines), names)  # noqa: S102 (made of nothing but our own models' fields)
    hook: Callable[..., Any] = names["hook"]
    return hook


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
    str: _text,
    int: _whole,
    bool: _truth,
    Decimal: _number,
    datetime: _time,
    Points: _points,
    BatchId: _id,
    CouponCode: _coupon_code,
    Secret: _secret,
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
        converter.register_structure_hook(kind, _word_reader(kind))
    converter.register_unstructure_hook_factory(attrs.has, _writer)
    converter.register_unstructure_hook(list, _write_list)
    converter.register_unstructure_hook(datetime, instant)
    converter.register_unstructure_hook(Decimal, _plain_decimal)
    converter.register_unstructure_hook(float, _finite)
    for kind in (BatchId, CouponCode):
        converter.register_unstructure_hook(kind, str)
    return converter


_converter = _make_converter()

# pyright: basic
# (strict elsewhere; this module turns untyped JSON into types)
"""Between values and bytes, without any I/O: an operation becomes a request, an answer becomes a model or an error.

Here, and nowhere else, live the API's own spellings. Reading is tolerant of what the pages contradict each other
on (unknown fields, drifting case, numbers in strings, four ways to write a time) and strict where it matters: a
reward without its id is not an answer.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from http import HTTPStatus
from types import NoneType, UnionType
from typing import Any, Final, NamedTuple, TypeVar, Union, get_args, get_origin
from urllib.parse import quote

import attrs
import msgspec
from cattrs import Converter

from gameball.core.operation import Operation
from gameball.core.wire import Answer, Request
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

_json = msgspec.json.Decoder(float_hook=Decimal)
_write = msgspec.json.Encoder(decimal_format="number").encode
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


# --- out


def encode(operation: Operation[Any], headers: Mapping[str, str] | None = None) -> Request:
    """The request that the operation stands for, byte for byte; `headers` are the client's own.

    Raises:
        InvalidRequestError: The query or the body holds what JSON or an address cannot.
    """
    try:
        query = _query_string(operation.query)
        body = None if operation.body is None else _write(dump(operation.body))
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
        )
    raise refuse("query or json", f"must be plain JSON of valid text and numbers ({kind})")


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
        given = {_spelling(a.name): getattr(query, a.name) for a in attrs.fields(type(query))}
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


def _spelling(name: str) -> str:
    head, *rest = name.split("_")
    return SPELLINGS.get(name) or head + "".join(part.capitalize() for part in rest)


def one_time_passwords(body: Any) -> Iterator[str]:
    """The passwords anywhere in a body: of one request, of a batch's rows, or of plain JSON."""
    if attrs.has(type(body)):
        body = attrs.asdict(body, recurse=False)
    if isinstance(body, Mapping):
        for name, part in body.items():
            if isinstance(part, str) and part and str(name).casefold() == "otp":
                yield part
            yield from one_time_passwords(part)
    elif isinstance(body, list | tuple):
        for part in body:
            yield from one_time_passwords(part)


# --- in


def decode(operation: Operation[T], answer: Answer) -> T:
    """The answer as the operation's own kind of value.

    Raises:
        APIError: The API refused or failed (any status from 400 up).
        UnexpectedAnswerError: The answer is not the API's: not JSON, not of the expected shape, a redirect.
    """
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise _refusal(answer)
    if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
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
    return _converter.structure(_unwrapped(parse(body), kind), kind)


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


def _refusal(answer: Answer) -> APIError:
    try:
        envelope = parse(answer.body)
    except UnreadableError:
        envelope = None
    said = {key.casefold(): value for key, value in envelope.items()} if isinstance(envelope, dict) else {}
    error = api_error(answer.status, _code(said.get("code")), _line(said.get("message")))
    error.request_id = _line(said.get("requestid")) or request_id(answer)
    return error


def _unexpected(answer: Answer, problem: str) -> UnexpectedAnswerError:
    message = f"the answer could not be read: {problem}"
    return UnexpectedAnswerError(message, status=answer.status, request_id=request_id(answer))


def request_id(answer: Answer) -> str | None:
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
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.casefold() in ("true", "false"):
        return value.casefold() == "true"
    raise UnreadableError("is neither true nor false")


def _text(value: object, _: Any = None) -> str:
    """A string; an id that came as a number is one too."""
    if isinstance(value, str):
        return value
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
        word = _text(value)
        return known.get(word) or kind(word)

    return read


def _time(value: object, _: Any = None) -> datetime:
    """A time in any of the API's spellings; without a zone it is in UTC."""
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value.strip())
            if time.tzinfo is UTC:
                return time
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UnreadableError("is not a time")


# --- the converter


class _Field(NamedTuple):
    """How one field of a model is read."""

    name: str
    key: str
    read: Callable[[Any, Any], Any]
    of: Any
    blank: bool
    """Whether an empty string is a value: for text it is, but it is no id of anything."""
    required: bool


def _reader(kind: Any) -> Callable[[Any, Any], Any]:
    """A hook that reads a JSON object into this attrs class, key by key."""
    plan: list[_Field] = []
    for a in attrs.fields(attrs.resolve_types(kind)):
        of = _without_none(a.type)
        needed = a.default is attrs.NOTHING
        blank = of is str and not needed
        plan.append(_Field(a.name, _spelling(a.name), _converter.get_structure_hook(of), of, blank, needed))
    required = [field for field in plan if field.required]

    def read(data: Any, _: Any) -> Any:
        if not isinstance(data, dict):
            raise UnreadableError("is not an object")
        values = _values(plan, data)
        missing = [field.key for field in required if field.name not in values]
        if missing:
            raise UnreadableError(f"{', '.join(missing)} is missing")
        return kind(**values)

    return read


def _values(plan: list[_Field], data: dict[str, Any]) -> dict[str, Any]:
    """What the object holds of the model's fields, read."""
    values: dict[str, Any] = {}
    found = 0
    key = ""
    try:
        for name, key, read, of, blank, _ in plan:
            if key in data:
                found += 1
                value = data[key]
                if value is not None and (blank or value != ""):
                    values[name] = read(value, of)
        if len(values) < len(plan) and found < len(data):
            for field, value in _drifted(plan, data, values):
                key = field.key
                values[field.name] = field.read(value, field.of)
    except UnreadableError as error:
        problem = f"{key} {error}"
    else:
        return values
    raise UnreadableError(problem)


def _drifted(plan: list[_Field], data: dict[str, Any], values: Mapping[str, Any]) -> Iterator[tuple[_Field, Any]]:
    """The fields that are there under another case or spelling of their key."""
    folded = {key.casefold(): value for key, value in data.items()}
    for field in plan:
        if field.name not in values:
            for spelling in (field.key, *OTHER_SPELLINGS.get(field.key, ())):
                value = folded.get(spelling.casefold())
                if value is not None and (field.blank or value != ""):
                    yield field, value
                    break


def _writer(kind: Any) -> Callable[[Any], dict[str, Any]]:
    """A hook that writes an attrs value as a JSON object, leaving out what was not given.

    That is None, or an empty tuple where that is the default; where UNSET is, None stands for null.
    """
    plan: list[tuple[str, str, Callable[[Any], Any] | None, Any]] = []
    for a in attrs.fields(attrs.resolve_types(kind)):
        of = _without_none(a.type)
        dump_part = None if of in (str, int, bool) else _PARTS.get(of, dump)
        plan.append((a.name, _spelling(a.name), dump_part, a.default if a.default in (UNSET, ()) else None))

    def write(value: Any) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for name, key, dump_part, not_given in plan:
            part = getattr(value, name)
            if part is not not_given and (part is not None or not_given is UNSET):
                written[key] = part if dump_part is None or part is None else dump_part(part)
        return written

    return write


_PARTS: Final[Mapping[Any, Callable[[Any], Any]]] = {Decimal: _plain_decimal, datetime: instant}


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
    converter.register_unstructure_hook(datetime, instant)
    converter.register_unstructure_hook(Decimal, _plain_decimal)
    converter.register_unstructure_hook(float, _finite)
    for kind in (BatchId, CouponCode):
        converter.register_unstructure_hook(kind, str)
    return converter


_converter = _make_converter()

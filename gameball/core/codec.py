# pyright: basic
# (strict elsewhere; this module turns untyped JSON into types)
"""Between calls and bytes, without any I/O: an operation becomes a request, a response becomes a value or an error."""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from http import HTTPStatus
from types import NoneType
from typing import Any, Final, TypeVar
from urllib.parse import quote

import attrs

from gameball.codes import api_error
from gameball.core import converter, scalars
from gameball.core.http import Request, Response
from gameball.core.operation import Operation, Replay
from gameball.core.scalars import UnreadableError
from gameball.errors import APIError, InvalidRequestError, UnexpectedAnswerError, printable
from gameball.models.shared import PlayerRequest, integer, refuse
from gameball.models.transactions import TransactionStatus

T = TypeVar("T")

PRIVATE: Final = frozenset({"otp", "email", "mobile"})
"""Fields of requests whose values appear in no error and no log."""

_DONE: Final = int(HTTPStatus.OK)
_REDIRECTED: Final = int(HTTPStatus.MULTIPLE_CHOICES)
_REFUSED: Final = int(HTTPStatus.BAD_REQUEST)

_GOOD_CODES: Final = frozenset({None, 0, 1, *range(_DONE, _REDIRECTED)})
"""Codes that a success carries: none, v3's for a one-time password that was sent, or the HTTP status once more."""

# --- out


def encode(operation: Operation[Any], headers: Mapping[str, str] | None = None) -> Request:
    """The request that the operation stands for, byte for byte; `headers` are the client's own.

    Raises:
        InvalidRequestError: The query or the body holds what JSON or an address cannot.
    """
    query, body = operation.query, operation.body
    try:
        target = operation.path if query is None else operation.path + _query_string(query)
        content = None if body is None else converter.write(body)
    except InvalidRequestError:
        raise
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        kind = type(error).__name__
    else:
        return Request(
            operation.method,
            target,
            operation.signature,
            {**headers, **operation.headers} if headers else operation.headers,
            content,
            operation.replay is Replay.NEVER,
        )
    raise refuse("query or json", f"must be plain JSON of valid text and numbers ({kind})")


def _query_string(query: Any) -> str:
    if attrs.has(type(query)):
        given = {converter.spelling(a.name): getattr(query, a.name) for a in attrs.fields(type(query))}
    else:
        given = dict(query)
    # quote, not urlencode's quote_plus: a plus sign must arrive as one, a blank as %20.
    pairs = [
        f"{quote(name, safe='')}={quote(_query_value(name, value), safe='')}"
        for name, values in given.items()
        for value in (values if isinstance(values, list | tuple) else () if values is None else (values,))
    ]
    return f"?{'&'.join(pairs)}" if pairs else ""


def _query_value(name: str, value: Any) -> str:
    if isinstance(value, TransactionStatus) and value.number is not None:
        value = value.number
    value = value if isinstance(value, Enum) else integer(value)
    for kind, write in _QUERY_VALUES.items():
        if isinstance(value, kind) and (text := write(value)) is not None:
            return text
    raise refuse(
        f"query[{name!r}]", f"must be text, a finite number, a bool, a date or a time, not {type(value).__name__}"
    )


_QUERY_VALUES: Final[Mapping[type, Callable[[Any], str | None]]] = {
    str: str.__str__,
    bool: lambda value: "true" if value else "false",
    int: int.__repr__,
    Decimal: lambda value: format(value, "f") if value.is_finite() else None,
    float: lambda value: float.__repr__(value) if math.isfinite(value) else None,
    datetime: scalars.time_text,
    date: date.isoformat,
    time: time.isoformat,
}
"""How single values are written; None refuses. A bool is an int as well, a datetime a date: they come first."""


def private_words(operation: Operation[Any]) -> list[str]:
    """What must not be seen of a request, in each form in which the API may repeat it; the longest first."""
    words = {word for part in (operation.query, operation.body) for word in _private(part)}
    forms = {printable(form) for word in words for form in (word, word.lower(), quote(word, safe=""))}
    return sorted(forms, key=len, reverse=True)


def _private(part: Any) -> Iterator[str]:
    """The values of private fields anywhere in it: in one request, in a batch's rows, or in plain JSON."""
    if attrs.has(type(part)):
        part = attrs.asdict(part, recurse=False)
    if isinstance(part, Mapping):
        for name, value in part.items():
            if str(name).casefold() in PRIVATE and isinstance(value, str | int) and (word := str(value).strip()):
                yield word
            yield from _private(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _private(value)


# --- in


def decode(operation: Operation[T], response: Response) -> T:
    """The response as the operation's own kind of value.

    Raises:
        APIError: The API refused or failed: any status from 400 up, or a success without a value that carries an
            error's code.
        UnexpectedAnswerError: The response is not the API's: not JSON, not of the expected shape, a redirect; or it
            answers another request.
    """
    status = response.status
    if status >= _REFUSED:
        raise _refusal(response)
    if not _DONE <= status < _REDIRECTED:
        raise _unexpected(response, "a redirect, which is never followed; check base_url")
    if operation.returns is NoneType:
        _check_done(response)
        return None  # type: ignore[return-value]  # T is None here
    try:
        value = converter.load(response.body, operation.returns)
        _check_subject(operation, value)
    except UnreadableError as error:
        problem = str(error)
    else:
        return value
    raise _unexpected(response, problem)


def _check_done(response: Response) -> None:
    """Refuse a success that says otherwise; of a call without a value, any other body will do."""
    if response.body.removeprefix(converter.BYTE_ORDER_MARK).lstrip().startswith(b"<"):
        raise _unexpected(response, "a page of HTML instead of an answer of the API")
    envelope = _envelope(response)
    if _code(envelope.get("code")) not in _GOOD_CODES:
        raise _refusal(response)
    if envelope.get("success") is False:
        raise _unexpected(response, "it says that the call did not succeed")


def _check_subject(operation: Operation[Any], value: object) -> None:
    """Refuse an answer about another player or transaction than the request's: it belongs to another request.

    With an email or a mobile given, another player proves nothing: accounts that merge channels answer with the
    player they merged into.
    """
    request = operation.body
    if not isinstance(request, PlayerRequest):
        return
    player = getattr(value, "player_unique_id", None)
    if player is not None and player != request.player_unique_id and request.email is None and request.mobile is None:
        raise UnreadableError("it is about another player")
    transaction = getattr(value, "transaction_id", None)
    if transaction is not None and transaction != operation.transaction_id:
        raise UnreadableError("it is about another transaction")


def _refusal(response: Response) -> APIError:
    envelope = _envelope(response)
    error = api_error(response.status, _code(envelope.get("code")), _line(envelope.get("message")))
    error.from_api = error.code is not None or _is_empty_object(response)
    error.request_id = _line(envelope.get("requestid")) or request_id(response)
    return error


def _envelope(response: Response) -> dict[str, Any]:
    """The object in a refusal's body, its keys in lower case; empty where it holds none."""
    try:
        envelope = converter.parse(response.body)
    except UnreadableError:
        return {}
    return {key.casefold(): value for key, value in envelope.items()} if isinstance(envelope, dict) else {}


def _is_empty_object(response: Response) -> bool:
    return response.body.removeprefix(converter.BYTE_ORDER_MARK).split() in ([b"{}"], [b"{", b"}"])


def _unexpected(response: Response, problem: str) -> UnexpectedAnswerError:
    message = f"the answer could not be read: {problem}"
    return UnexpectedAnswerError(message, status=response.status, request_id=request_id(response))


def request_id(response: Response) -> str | None:
    """The API's name for the request, where a header gives it."""
    return _line(response.headers.get("X-Request-Id") or response.headers.get("Request-Id"))


def _code(value: object) -> int | None:
    try:
        return None if value is None else scalars.whole(value)
    except UnreadableError:
        return None


def _line(value: object) -> str | None:
    """One printable line of what the API says: it goes into logs."""
    return printable(value.strip()) or None if isinstance(value, str) else None

"""What was asked and answered: the last requests, byte by byte, without anybody's keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from gameball.sandbox.arming import Strike

_KEYS = ("APIKey", "SecretKey", "Authorization")
KEPT = 10_000
"""How many requests are remembered."""
SHOWN = 4096
"""How many bytes of an answer are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was sent back."""

    status: int | None
    """None if a fault left no status line."""
    body: bytes
    """Its first `SHOWN` bytes, if they can be read."""
    seconds: float
    """From the request's arrival until the answer was ready, of real time."""


@dataclass(slots=True, kw_only=True)
class Request:
    """One request as it arrived, and what became of it."""

    number: int
    """Counted from 1."""
    operation: str | None
    """As in "transactions.cashback"; None for what is no endpoint."""
    method: str
    path: str
    """As sent, escapes and query included."""
    body: bytes
    headers: Mapping[str, str]
    """Matched without regard to case; the values of keys are `****`."""
    time: datetime
    """When it arrived, on the sandbox's clock."""
    strike: Strike | None = None
    """The fault that struck it."""
    answer: Answer | None = None
    """None as long as there is none."""


def remembered(number: int, request: web.Request, body: bytes, operation: str | None, time: datetime) -> Request:
    """The request as it may be remembered."""
    headers = request.headers.copy()
    for name in _KEYS:
        if name in headers:
            headers[name] = "****"
    return Request(
        number=number,
        operation=operation,
        method=request.method,
        path=request.raw_path,
        body=body,
        headers=headers,
        time=time,
    )


def answer_of(response: web.StreamResponse, seconds: float) -> Answer:
    """The answer as it may be remembered."""
    if not isinstance(response, web.Response):
        return Answer(status=None, body=b"", seconds=seconds)
    encoded = "Content-Encoding" in response.headers
    body = b"" if encoded or not isinstance(response.body, bytes) else response.body[:SHOWN]
    return Answer(status=response.status, body=body, seconds=seconds)

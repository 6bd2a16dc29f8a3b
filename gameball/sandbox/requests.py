"""What was asked: the last requests, byte by byte, without anybody's keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

_KEYS = ("APIKey", "SecretKey", "Authorization")
KEPT = 10_000
"""How many requests are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it arrived."""

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


def remembered(request: web.Request, body: bytes, operation: str | None, time: datetime) -> Request:
    """The request as it may be remembered."""
    headers = request.headers.copy()
    for name in _KEYS:
        if name in headers:
            headers[name] = "****"
    return Request(
        operation=operation,
        method=request.method,
        path=request.raw_path,
        body=body,
        headers=headers,
        time=time,
    )

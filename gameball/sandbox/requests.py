"""What was asked and answered: the last requests, byte by byte, without anybody's keys."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import overload

from aiohttp import web

from gameball.sandbox.arming import Strike

_KEYS = ("APIKey", "SecretKey", "Authorization")
KEPT = 10_000
"""How many requests are remembered at most."""
KEPT_BYTES = 32 * 1024 * 1024
"""How many bytes of paths, headers and bodies are remembered at most, all requests together."""
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

    @property
    def size(self) -> int:
        """The bytes of its path, headers and body."""
        return len(self.path) + len(self.body) + sum(len(name) + len(value) for name, value in self.headers.items())


class RequestLog(Sequence[Request]):
    """The latest requests, oldest first; the oldest give way when there are too many, or too many bytes of them."""

    def __init__(self, *, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._requests: deque[Request] = deque()
        self._bytes = 0

    def append(self, request: Request) -> None:
        """Remember one more."""
        self._requests.append(request)
        self._bytes += request.size
        while len(self._requests) > self._kept or self._bytes > self._kept_bytes:
            self._bytes -= self._requests.popleft().size

    def clear(self) -> None:
        """Forget them all."""
        self._requests.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[Request]:
        # A copy: requests arrive on the sandbox's thread while a test reads them on its own.
        return iter(self._requests.copy())

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> list[Request]: ...
    def __getitem__(self, index: int | slice) -> Request | list[Request]:
        return list(self._requests)[index] if isinstance(index, slice) else self._requests[index]


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

"""What can go wrong on the way back: each fault is a value that spoils one answer.

`answer` is what the work gave, or None if the fault strikes before any work was done; then nothing that
would pass for a success is ever sent to its end.
"""

import asyncio
import json
import re
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from aiohttp import web

from gameball.sandbox.call import Response

_STAND_IN = Response(status=200, body=b'{"playerUniqueId":"player123","gameballTransactionId":17178}')
"""Sent in part, never whole, in place of an answer that no work was done for."""
_MEGABYTE = bytes(1024 * 1024)


LONGEST = 86_400
"""Seconds that anything is put off or drawn out for, at most: a day."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Fault(Protocol):
    """Something that happens to an answer."""

    async def respond(self, answer: Response | None, /) -> web.StreamResponse:
        """What is sent instead."""
        ...


@dataclass(frozen=True, slots=True)
class Status:
    """Another status; `body` is JSON unless it is bytes, and empty if None."""

    code: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("status", self.code, 200, 599)
        for name, value in self.headers.items():
            if not _TOKEN.fullmatch(name) or not value.isprintable():
                raise ValueError(f"the header {name!r} must have a name of HTTP and a value of one line")

    async def respond(self, _: Response | None, /) -> web.StreamResponse:
        """The status, with its body and headers."""
        body = (
            self.body if isinstance(self.body, bytes) else b"" if self.body is None else json.dumps(self.body).encode()
        )
        headers = {"Content-Type": "application/json", **self.headers}
        return Response(status=self.code, body=body, headers=headers).response()


@dataclass(frozen=True, slots=True)
class TooManyRequests:
    """429 with any Retry-After, or none."""

    retry_after: str | None = None

    def __post_init__(self) -> None:
        if self.retry_after is not None and not self.retry_after.isprintable():
            raise ValueError("retry_after must be one line")

    async def respond(self, answer: Response | None, /) -> web.StreamResponse:
        """429 without a body."""
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        return await Status(429, headers=headers).respond(answer)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Somewhere else."""

    location: str = "http://127.0.0.1:9/elsewhere"
    code: int = 307

    def __post_init__(self) -> None:
        _check("status", self.code, 300, 399)
        if not self.location.isprintable():
            raise ValueError("location must be one line")

    async def respond(self, answer: Response | None, /) -> web.StreamResponse:
        """The status with a Location."""
        return await Status(self.code, headers={"Location": self.location}).respond(answer)


@dataclass(frozen=True, slots=True)
class Html:
    """A page of some proxy where JSON should be."""

    code: int = 200

    def __post_init__(self) -> None:
        _check("status", self.code, 200, 599)

    async def respond(self, answer: Response | None, /) -> web.StreamResponse:
        """The page."""
        page = b"<!DOCTYPE html><html><body><h1>Just a moment...</h1></body></html>"
        return await Status(self.code, page, {"Content-Type": "text/html; charset=utf-8"}).respond(answer)


@dataclass(frozen=True, slots=True)
class EmptyBody:
    """200 and nothing in it."""

    async def respond(self, answer: Response | None, /) -> web.StreamResponse:
        """The empty answer."""
        return await Status(200).respond(answer)


@dataclass(frozen=True, slots=True)
class HugeHeaders:
    """The answer behind one header of so many bytes."""

    size: int = 64 * 1024

    def __post_init__(self) -> None:
        _check("size", self.size, 1, 16 * 1024 * 1024)

    async def respond(self, answer: Response | None, /) -> web.StreamResponse:
        """The answer, or without one a 500, and the header."""
        known = answer or Response(status=500, body=b"")
        return Response(
            status=known.status, body=known.body, headers={**known.headers, "X-Filler": "x" * self.size}
        ).response()


@dataclass(frozen=True, slots=True)
class GzipBomb:
    """A small body that inflates to so many megabytes of zeros."""

    megabytes: int = 64

    def __post_init__(self) -> None:
        _check("megabytes", self.megabytes, 1, 1024)

    async def respond(self, answer: Response | None, /) -> web.StreamResponse:
        """The compressed zeros, as 200 and JSON."""
        return await Status(200, _bomb(self.megabytes), {"Content-Encoding": "gzip"}).respond(answer)


@dataclass(frozen=True, slots=True)
class Delay:
    """The answer, so many seconds late; without one, the connection is closed then."""

    seconds: float

    def __post_init__(self) -> None:
        _check("seconds", self.seconds, 0, LONGEST)

    async def respond(self, answer: Response | None, /) -> web.StreamResponse:
        """The answer after the wait."""
        await asyncio.sleep(self.seconds)
        return await Close().respond(answer) if answer is None else answer.response()


@dataclass(frozen=True, slots=True)
class Close:
    """The connection is closed in good order, without a byte."""

    async def respond(self, _: Response | None, /) -> web.StreamResponse:
        """Nothing."""
        return _Bare(_say())


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is torn down (TCP RST), without a byte."""

    async def respond(self, _: Response | None, /) -> web.StreamResponse:
        """Nothing, and that at once."""
        return _Bare(_reset)


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no HTTP, then the end."""

    data: bytes = b"\x16\x03\x01\x00\x02no HTTP at all\r\n\r\n"

    async def respond(self, _: Response | None, /) -> web.StreamResponse:
        """The bytes."""
        return _Bare(_say(self.data))


@dataclass(frozen=True, slots=True)
class CutBody:
    """The first `keep` bytes of the body (None: half of it), then the end of the connection.

    With its length the cut can be seen; without, the end of the connection passes for the end of the body.
    """

    keep: int | None = None
    with_length: bool = True

    def __post_init__(self) -> None:
        if self.keep is not None and self.keep < 0:
            raise ValueError("keep must not be below 0")

    async def respond(self, answer: Response | None, /) -> web.StreamResponse:
        """Head and part of the body."""
        known = answer or _STAND_IN
        # One byte always stays behind: what arrives whole is no cut.
        longest = len(known.body) - 1
        keep = longest // 2 if self.keep is None else min(self.keep, longest)
        return _Bare(_say(_head(known, with_length=self.with_length), known.body[:keep]))


@dataclass(frozen=True, slots=True)
class Drip:
    """The body in small pieces with a pause before each, for `seconds` at most; then the end of the connection."""

    size: int = 1
    interval: float = 0.05
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.size < 1 or self.interval <= 0:
            raise ValueError("a drip has pieces of at least 1 byte and an interval above 0 seconds")
        _check("seconds", self.seconds, 0, LONGEST)

    async def respond(self, answer: Response | None, /) -> web.StreamResponse:
        """Head, and the body piece by piece; without an answer, never its last byte."""
        known = answer or _STAND_IN
        body = known.body if answer else known.body[:-1]
        pieces = [body[start : start + self.size] for start in range(0, len(body), self.size)]
        affordable = pieces[: round(self.seconds / self.interval)]
        return _Bare(_say(_head(known), *affordable, interval=self.interval))


@dataclass(frozen=True, slots=True)
class EndlessBody:
    """White space, then more of it: up to so many megabytes or seconds, or until nobody listens."""

    megabytes: int = 256
    seconds: float = 10.0

    def __post_init__(self) -> None:
        _check("megabytes", self.megabytes, 1, 1_000_000)
        _check("seconds", self.seconds, 0, LONGEST)

    async def respond(self, _: Response | None, /) -> web.StreamResponse:
        """The stream."""
        return _Endless(self)


def _check(name: str, value: float, lowest: float, highest: float) -> None:
    # Written so that NaN, which is neither below nor above anything, is refused too.
    if not lowest <= value <= highest:
        raise ValueError(f"{name} must be from {lowest} to {highest}")


class _Bare(web.StreamResponse):
    """A response that a script writes on the bare connection, which ends with it."""

    def __init__(self, script: Callable[[asyncio.Transport], Awaitable[None]]) -> None:
        super().__init__()
        self._script = script

    async def prepare(self, request: web.BaseRequest) -> None:
        if request.transport is not None:
            await self._script(request.transport)
        # aiohttp takes it that the client has gone, leaves the connection alone and closes it.
        raise ConnectionResetError("spoilt on purpose")


class _Endless(web.StreamResponse):
    """A response whose body outlasts every patience but its own."""

    def __init__(self, fault: EndlessBody) -> None:
        super().__init__(headers={"Content-Type": "application/json"})
        self._fault = fault

    async def prepare(self, request: web.BaseRequest) -> None:
        await super().prepare(request)
        until = asyncio.get_running_loop().time() + self._fault.seconds
        for _ in range(self._fault.megabytes):
            if asyncio.get_running_loop().time() > until:
                break
            await self.write(b" " * len(_MEGABYTE))
        raise ConnectionResetError("enough of it")


def _say(*pieces: bytes, interval: float = 0) -> Callable[[asyncio.Transport], Awaitable[None]]:
    """A script: the first piece at once, each other one after a pause, until nobody listens."""

    async def script(transport: asyncio.Transport) -> None:
        for index, piece in enumerate(pieces):
            if index and interval:
                await asyncio.sleep(interval)
            if transport.is_closing():
                return
            transport.write(piece)

    return script


async def _reset(transport: asyncio.Transport) -> None:
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


def _head(answer: Response, *, with_length: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} Spoilt", *(f"{name}: {value}" for name, value in answer.headers.items())]
    lines.append(f"Content-Length: {len(answer.body)}" if with_length else "Connection: close")
    return "\r\n".join([*lines, "", ""]).encode()


@cache
def _bomb(megabytes: int) -> bytes:
    gzip = zlib.compressobj(level=9, wbits=31)
    return b"".join([*(gzip.compress(_MEGABYTE) for _ in range(megabytes)), gzip.flush()])

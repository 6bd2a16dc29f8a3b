"""A stand-in for aiohttp that keeps what a call sends: for what a request looks like, and for nothing that fails."""

import re
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any, TypeAlias

from aiohttp import ClientResponse, ClientSession
from aioresponses import aioresponses as AioResponses  # noqa: N812 (a class, whatever its name)
from attrs import frozen

BASE = "https://api.gameball.test/api/v3.0"

Ask: TypeAlias = Callable[..., Awaitable[Any]]
"""Calls a method of `transactions` by its name, or drains it where it iterates."""


NO_WRITER = SimpleNamespace(output_size=0)


class MendedResponse(ClientResponse):
    """aioresponses 0.7.9 does not know the argument that aiohttp 3.14 added."""

    def __init__(self, *args: Any, stream_writer: Any = NO_WRITER, **more: Any) -> None:
        super().__init__(*args, stream_writer=stream_writer, **more)


@frozen
class Sent:
    """A request as it was handed to aiohttp: nothing of it normalised."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def target(self) -> str:
        assert self.url.startswith(BASE)
        return self.url.removeprefix(BASE)


class MockApi(AioResponses):
    """Answers requests in the order in which answers were given, and keeps what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Sent] = []

    def answer(self, body: str | bytes, *, status: int = 200) -> None:
        self.add(re.compile(re.escape(BASE)), method=self._next_method, status=status, body=body)

    _next_method = "GET"

    def to(self, method: str) -> "MockApi":
        self._next_method = method
        return self

    async def _request_mock(
        self, orig_self: ClientSession, method: str, url: Any, *args: Any, **options: Any
    ) -> ClientResponse:
        body = options.get("data")
        headers = {**orig_self.headers, **(options.get("headers") or {})}
        self.sent.append(Sent(method, str(url), headers, None if body is None else body._value))
        return await super()._request_mock(orig_self, method, url, *args, **options)

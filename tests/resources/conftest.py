"""What a call sends, and what is made of the answer: on both faces, without a server and with one."""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

import aioresponses.core
import pytest
from aiohttp import ClientResponse, ClientSession
from aioresponses import aioresponses as AioResponses  # noqa: N812 (a class, whatever its name)
from attrs import frozen

from gameball import AsyncGameball, Gameball
from gameball.sandbox import Sandbox
from tests.support.server import Server

BASE = "https://api.gameball.test/api/v3.0"


NO_WRITER = SimpleNamespace(output_size=0)


class MendedResponse(ClientResponse):
    """aioresponses 0.7.9 does not know the argument that aiohttp 3.14 added."""

    def __init__(self, *args: Any, stream_writer: Any = NO_WRITER, **more: Any) -> None:
        super().__init__(*args, stream_writer=stream_writer, **more)


@pytest.fixture(autouse=True)
def mended_aioresponses(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = inspect.signature(ClientResponse.__init__).parameters.get("stream_writer")
    if wanted is not None and wanted.default is inspect.Parameter.empty:
        monkeypatch.setattr(aioresponses.core, "ClientResponse", MendedResponse)


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


class Wire(AioResponses):
    """Answers requests in the order in which answers were given, and keeps what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Sent] = []

    def answer(self, body: str | bytes, *, status: int = 200) -> None:
        self.add(re.compile(re.escape(BASE)), method=self._next_method, status=status, body=body)

    _next_method = "GET"

    def to(self, method: str) -> "Wire":
        self._next_method = method
        return self

    async def _request_mock(
        self, orig_self: ClientSession, method: str, url: Any, *args: Any, **options: Any
    ) -> ClientResponse:
        body = options.get("data")
        headers = {**orig_self.headers, **(options.get("headers") or {})}
        self.sent.append(Sent(method, str(url), headers, None if body is None else body._value))
        return await super()._request_mock(orig_self, method, url, *args, **options)


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    with wire:
        yield wire


Ask: TypeAlias = Callable[..., Awaitable[Any]]
"""Calls a method of `transactions` by its name, or drains it where it iterates."""


async def _awaited(base_url: str, name: str, *args: Any, **arguments: Any) -> Any:
    async with AsyncGameball("api-key-12345", "secret-key-12345", base_url=base_url, allow_http=True) as client:
        method = getattr(client.transactions, name)
        if name == "iterate":
            return [row async for row in method(*args, **arguments)]
        return await method(*args, **arguments)


def _plainly(base_url: str, name: str, *args: Any, **arguments: Any) -> Any:
    with Gameball("api-key-12345", "secret-key-12345", base_url=base_url, allow_http=True) as client:
        result = getattr(client.transactions, name)(*args, **arguments)
        return list(result) if name == "iterate" else result


@pytest.fixture(params=["awaited", "plain"])
def face(request: pytest.FixtureRequest) -> str:
    return cast("str", request.param)


@pytest.fixture
def ask(face: str) -> Ask:
    """Ask over the stand-in for aiohttp; see `wire`."""
    return _asker(face, lambda: BASE)


def _asker(face: str, base_url: Callable[[], str]) -> Ask:
    async def ask(name: str, *args: Any, **arguments: Any) -> Any:
        if face == "awaited":
            return await _awaited(base_url(), name, *args, **arguments)
        return await asyncio.to_thread(_plainly, base_url(), name, *args, **arguments)

    return ask


KEYS: Mapping[str, Any] = {"api_key": "api-key-12345", "secret_key": "secret-key-12345", "allow_http": True}


@pytest.fixture
def call(face: str) -> Ask:
    """Call any method of a client by its whole name, as in "batches.get"; `settings` are the client's own."""

    async def awaited(name: str, settings: Mapping[str, Any], /, *args: Any, **arguments: Any) -> Any:
        async with AsyncGameball(**settings) as client:
            return await attrgetter(name)(client)(*args, **arguments)

    def plainly(name: str, settings: Mapping[str, Any], /, *args: Any, **arguments: Any) -> Any:
        with Gameball(**settings) as client:
            return attrgetter(name)(client)(*args, **arguments)

    async def call(
        name: str, /, *args: Any, settings: Mapping[str, Any] = KEYS, base_url: str = BASE, **arguments: Any
    ) -> Any:
        all_settings = {"base_url": base_url, **settings}
        if face == "awaited":
            return await awaited(name, all_settings, *args, **arguments)
        return await asyncio.to_thread(plainly, name, all_settings, *args, **arguments)

    return call


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A local Gameball in a thread of its own. A fault that never strikes proves less than it seems to."""
    with Sandbox() as running:
        yield running
        unfired = running.faults.unfired
    assert unfired == []


@pytest.fixture
def ask_server(face: str, server: Server) -> Ask:
    """Ask over a real socket."""
    return _asker(face, lambda: server.base_url)

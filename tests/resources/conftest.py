"""What a call sends, and what is made of the answer: on both faces, without a server and with one."""

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any, cast

import aioresponses.core
import pytest
from aiohttp import ClientResponse

from gameball import AsyncGameball, Gameball
from gameball.core.waits import Waits
from gameball.sandbox import Sandbox
from tests.support.mock_api import BASE, Ask, MendedResponse, MockApi
from tests.support.server import Server
from tests.support.waits import with_waits


@pytest.fixture(autouse=True)
def mended_aioresponses(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = inspect.signature(ClientResponse.__init__).parameters.get("stream_writer")
    if wanted is not None and wanted.default is inspect.Parameter.empty:
        monkeypatch.setattr(aioresponses.core, "ClientResponse", MendedResponse)


@pytest.fixture
def api() -> Iterator[MockApi]:
    mock = MockApi()
    with mock:
        yield mock


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
    """Ask over the stand-in for aiohttp; see `api`."""
    return _asker(face, lambda: BASE)


def _asker(face: str, base_url: Callable[[], str]) -> Ask:
    async def ask(name: str, *args: Any, **arguments: Any) -> Any:
        if face == "awaited":
            return await _awaited(base_url(), name, *args, **arguments)
        return await asyncio.to_thread(_plainly, base_url(), name, *args, **arguments)

    return ask


QUICK_POLLS = Waits(first_poll=0.005, longest_poll=0.02)

KEYS: Mapping[str, Any] = {"api_key": "api-key-12345", "secret_key": "secret-key-12345", "allow_http": True}


@pytest.fixture
def call(face: str) -> Ask:
    """Call any method of a client by its whole name, as in "batches.get"; `settings` are the client's own."""

    async def awaited(name: str, settings: Mapping[str, Any], waits: Waits, /, *args: Any, **arguments: Any) -> Any:
        async with with_waits(AsyncGameball(**settings), waits) as client:
            return await attrgetter(name)(client)(*args, **arguments)

    def plainly(name: str, settings: Mapping[str, Any], waits: Waits, /, *args: Any, **arguments: Any) -> Any:
        with with_waits(Gameball(**settings), waits) as client:
            return attrgetter(name)(client)(*args, **arguments)

    async def call(
        name: str,
        /,
        *args: Any,
        settings: Mapping[str, Any] = KEYS,
        base_url: str = BASE,
        waits: Waits = QUICK_POLLS,
        **arguments: Any,
    ) -> Any:
        all_settings = {"base_url": base_url, **settings}
        if face == "awaited":
            return await awaited(name, all_settings, waits, *args, **arguments)
        return await asyncio.to_thread(plainly, name, all_settings, waits, *args, **arguments)

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

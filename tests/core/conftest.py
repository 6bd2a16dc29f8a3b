"""Servers, programs and clients that end with their test."""

import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from gameball import AsyncGameball, Gameball
from tests.support.servers import API_KEY, SECRET_KEY, Nursery, Program, Server


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with Nursery() as running:
        yield running


@pytest.fixture
def start(nursery: Nursery, tmp_path: Path) -> Iterator[Callable[[str, str], Program]]:
    """Starts a script, with the clients' settings in its environment."""
    with ExitStack() as stack:

        def begin(source: str, base_url: str) -> Program:
            settings = {"GAMEBALL_API_KEY": API_KEY, "GAMEBALL_SECRET_KEY": SECRET_KEY, "GAMEBALL_BASE_URL": base_url}
            return stack.enter_context(nursery.program(source, tmp_path, settings))

        yield begin


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look-ups that hardly wait, where the length of the wait is not the point."""
    monkeypatch.setattr("gameball.core.retry.FIRST_LOOKUP_WAIT", 0.01)
    monkeypatch.setattr("gameball.core.retry.LOOKUP_INTERVAL", 0.03)
    monkeypatch.setattr("gameball.core.retry.CONCURRENT_WAIT", 0.01)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server().script(Server.answer()) as running:
        yield running


@pytest.fixture
def another_server() -> Iterator[Server]:
    with Server().script(Server.answer()) as running:
        yield running


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def black_hole() -> Iterator[socket.socket]:
    """A listening socket whose queue is full: connecting to it neither succeeds nor fails."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)  # noqa: FBT003 (the socket's own signature)
            caller.connect_ex(full.getsockname())
        time.sleep(0.02)
        yield full


@pytest.fixture
async def awaited() -> AsyncIterator[Callable[..., AsyncGameball]]:
    """Makes awaited clients that are closed after the test."""
    async with AsyncExitStack() as stack:

        def make(base_url: str, **settings: Any) -> AsyncGameball:
            client = AsyncGameball(API_KEY, SECRET_KEY, base_url=base_url, **settings)
            stack.push_async_callback(client.aclose)
            return client

        yield make


@pytest.fixture
def plain() -> Iterator[Callable[..., Gameball]]:
    """Makes plain clients that are closed after the test."""
    with ExitStack() as stack:

        def make(base_url: str, **settings: Any) -> Gameball:
            return stack.enter_context(Gameball(API_KEY, SECRET_KEY, base_url=base_url, **settings))

        yield make

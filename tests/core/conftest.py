"""Programs and clients that end with their test."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from gameball import AsyncGameball, Gameball
from tests.support.programs import ForkServer, Program
from tests.support.server import API_KEY, SECRET_KEY


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    with ForkServer() as running:
        yield running


@pytest.fixture
def start(fork_server: ForkServer, tmp_path: Path) -> Iterator[Callable[[str, str], Program]]:
    """Starts a script, with the clients' settings in its environment."""
    with ExitStack() as stack:

        def begin(source: str, base_url: str) -> Program:
            settings = {"GAMEBALL_API_KEY": API_KEY, "GAMEBALL_SECRET_KEY": SECRET_KEY, "GAMEBALL_BASE_URL": base_url}
            return stack.enter_context(fork_server.program(source, tmp_path, settings))

        yield begin


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look-ups that hardly wait, where the length of the wait is not the point."""
    monkeypatch.setattr("gameball.core.retry.FIRST_LOOKUP_WAIT", 0.01)
    monkeypatch.setattr("gameball.core.retry.LOOKUP_INTERVAL", 0.03)
    monkeypatch.setattr("gameball.core.retry.CONCURRENT_WAIT", 0.01)


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

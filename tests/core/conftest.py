"""Programs and clients that end with their test."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from gameball import AsyncGameball, Gameball
from gameball.core.waits import Waits
from tests.support.programs import ForkServer, Program
from tests.support.server import API_KEY, SECRET_KEY
from tests.support.waits import SHORT, with_waits


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
async def awaited() -> AsyncIterator[Callable[..., AsyncGameball]]:
    """Makes awaited clients that are closed after the test."""
    async with AsyncExitStack() as stack:

        def make(base_url: str, waits: Waits = SHORT, **settings: Any) -> AsyncGameball:
            client = with_waits(AsyncGameball(API_KEY, SECRET_KEY, base_url=base_url, **settings), waits)
            stack.push_async_callback(client.aclose)
            return client

        yield make


@pytest.fixture
def plain() -> Iterator[Callable[..., Gameball]]:
    """Makes plain clients that are closed after the test."""
    with ExitStack() as stack:

        def make(base_url: str, waits: Waits = SHORT, **settings: Any) -> Gameball:
            client = with_waits(Gameball(API_KEY, SECRET_KEY, base_url=base_url, **settings), waits)
            return stack.enter_context(client)

        yield make

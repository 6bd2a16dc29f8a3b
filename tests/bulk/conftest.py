"""What the bulk tests share: a sandbox and a watching API, each with a client."""

from collections.abc import AsyncIterator

import pytest

from gameball import AsyncGameball, RateLimit
from gameball.sandbox import Sandbox
from tests.support.bulk_api import API_KEY, QUICK, SECRET_KEY, Api
from tests.support.waits import with_waits


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with Api() as running:
        yield running


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(batch_polls=1) as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[AsyncGameball]:
    """A client of the sandbox."""
    async with AsyncGameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url, retries=QUICK) as made:
        yield with_waits(made)


@pytest.fixture
async def caller(api: Api) -> AsyncIterator[AsyncGameball]:
    """A client of the watching API."""
    async with AsyncGameball(API_KEY, SECRET_KEY, base_url=api.base_url, retries=QUICK) as made:
        yield with_waits(made)


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls and pauses that hardly wait, where the length of the wait is not the point."""
    monkeypatch.setattr("gameball.bulk.batch_sender.PUBLISHED", RateLimit((1_000_000, 1.0)))

"""A running sandbox, and a bare HTTP caller of it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from gameball.sandbox import Sandbox
from tests.support.sandbox_api import Api


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[Api]:
    keys = {"APIKey": sandbox.api_key, "SecretKey": sandbox.secret_key}
    async with aiohttp.ClientSession(headers=keys) as session:
        yield Api(session, sandbox)

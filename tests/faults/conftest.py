"""What the fault suite shares: a till to pay at, clients with canaries as keys, and a net for leaking secrets."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gameball import AsyncGameball, Timeouts
from gameball.core.delivery import Delivery
from gameball.core.waits import Waits
from gameball.sandbox import Sandbox
from tests.support.calls import KEYED, UNKEYED
from tests.support.canaries import API_KEY, PARTNER_TOKEN, SECRET_KEY, Net
from tests.support.till import QUICK, SHORT, Till
from tests.support.waits import with_waits

# --- nothing secret gets out, in any test of this folder


@pytest.fixture(autouse=True)
def net(monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    """Every test of this folder fails that lets a key, a one-time password or an e-mail address out."""
    caught = Net()

    def remembering(real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def remembered(self: Delivery, *call: Any) -> Any:
            try:
                return await real(self, *call)
            except BaseException as error:
                caught.errors.append(error)
                raise

        return remembered

    monkeypatch.setattr(Delivery, "send", remembering(Delivery.send))
    monkeypatch.setattr(Delivery, "deliver", remembering(Delivery.deliver))
    root = logging.getLogger()
    loggers = [root, *(one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger))]
    levels = {one: one.level for one in loggers}
    for one in loggers:
        one.setLevel(logging.DEBUG)
    root.addHandler(caught)
    yield caught
    root.removeHandler(caught)
    for one, level in levels.items():
        one.setLevel(level)
    leaks = caught.catch()
    caught.errors.clear()
    assert not leaks, f"secrets got out: {leaks[:3]}"


# --- clients


@pytest.fixture
async def make(net: Net) -> AsyncIterator[Callable[..., AsyncGameball]]:
    """Makes awaited clients with the canaries as keys, closed after the test."""
    async with AsyncExitStack() as stack:

        def client(base_url: str, waits: Waits = SHORT, **settings: Any) -> AsyncGameball:
            given = {"retries": QUICK, "timeouts": Timeouts(connect=2, attempt=2, total=5), **settings}
            made = AsyncGameball(
                API_KEY,
                SECRET_KEY,
                partner_token=PARTNER_TOKEN,
                base_url=base_url,
                observers=[net.attempts.append],
                **given,
            )
            stack.push_async_callback(made.aclose)
            return with_waits(made, waits)

        yield client


@pytest.fixture(params=KEYED)
def keyed(request: pytest.FixtureRequest) -> str:
    """A write with an id of its own."""
    return str(request.param)


@pytest.fixture(params=UNKEYED)
def unkeyed(request: pytest.FixtureRequest) -> str:
    """A write that cannot be looked up."""
    return str(request.param)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(api_key=API_KEY, secret_key=SECRET_KEY, partner_token=PARTNER_TOKEN) as running:
        yield running


@pytest.fixture
async def till(sandbox: Sandbox, make: Callable[..., AsyncGameball]) -> AsyncIterator[Till]:
    """A till, not yet open; fails the test when an armed fault never struck."""
    made = Till(sandbox, make)
    yield made
    unfired = [armed for armed in sandbox.faults.unfired if armed.times < 1000]
    assert not unfired, f"armed, and never struck: {unfired}"

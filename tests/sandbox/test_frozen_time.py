"""A sandbox beside a test that has stopped its own program's time: freezegun and time-machine."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import freezegun
import pytest
import time_machine

from gameball.sandbox import Sandbox, faults

THEN = datetime(2026, 1, 1, tzinfo=UTC)


@contextmanager
def frozen_by_freezegun(**options: Any) -> Iterator[None]:
    with freezegun.freeze_time(THEN, **options):
        yield


@contextmanager
def frozen_by_time_machine() -> Iterator[None]:
    with time_machine.travel(THEN, tick=False):
        yield


FREEZERS = {
    "freezegun": frozen_by_freezegun,
    "freezegun with real_asyncio": lambda: frozen_by_freezegun(real_asyncio=True),
    "freezegun with tick": lambda: frozen_by_freezegun(tick=True),
    "time-machine": frozen_by_time_machine,
}


@pytest.fixture(params=list(FREEZERS.values()), ids=list(FREEZERS))
def frozen(request: pytest.FixtureRequest) -> AbstractContextManager[None]:
    """A block in which time stands still."""
    block: AbstractContextManager[None] = request.param()
    return block


def call(sandbox: Sandbox, method: str, path: str, /, **body: Any) -> Any:
    """What one call of the API is answered with; bodies get the player and the frozen time."""
    known = {"playerUniqueId": "player", "transactionTime": datetime.now(UTC).isoformat()}
    request = urllib.request.Request(  # noqa: S310 - a loopback address
        f"{sandbox.base_url}/integrations/{path}",
        method=method,
        headers={"APIKey": sandbox.api_key, "SecretKey": sandbox.secret_key},
        data=json.dumps(known | body).encode() if method == "POST" else None,
    )
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - the same
        return json.load(answer)


def use(sandbox: Sandbox) -> None:
    """Every page with a time in it, and a fault that lasts."""
    call(sandbox, "POST", "transaction/cashback", transactionId="order", amount=1000)
    sandbox.faults.arm("transactions.list", faults.Delay(0.01), effect="after")
    (row,) = call(sandbox, "GET", "transaction/list")["transactions"]
    assert row["transactionTime"].startswith("2026-01-01T00:00:")
    assert datetime.fromisoformat(row["expiryDate"]) > datetime.now(UTC)
    assert call(sandbox, "POST", "transactions/coupon", value=1)["startDate"] > "2026-01-02"
    batch = call(sandbox, "POST", "batch", method="POST", operation="balance", body={"playerUniqueIds": ["player"]})
    assert call(sandbox, "GET", f"batch/{batch['batchId']}")["createdAt"] > "2026-01-02"
    hold = call(sandbox, "POST", "transaction/hold", amount=1)
    assert [held.reference for held in sandbox.ledger.holds("player")] == [hold["holdReference"]]
    sandbox.clock.advance(minutes=10)
    assert sandbox.ledger.holds("player") == []


def test_a_sandbox_that_was_started_before_goes_on_in_frozen_time(frozen: AbstractContextManager[None]) -> None:
    with Sandbox() as sandbox, frozen:
        use(sandbox)


def test_a_sandbox_can_be_started_in_frozen_time(frozen: AbstractContextManager[None]) -> None:
    with frozen, Sandbox() as sandbox:
        use(sandbox)


async def test_an_awaited_sandbox_works_in_frozen_time(frozen: AbstractContextManager[None]) -> None:
    async with Sandbox() as sandbox:
        with frozen:
            await asyncio.to_thread(call, sandbox, "POST", "transaction/cashback", transactionId="order", amount=1000)
            listed = await asyncio.to_thread(call, sandbox, "GET", "transaction/list")

    assert listed["total"] == 1


def test_the_sandboxs_clock_is_its_own(frozen: AbstractContextManager[None]) -> None:
    before = datetime.now(UTC)
    with frozen, Sandbox() as sandbox:
        first, second = sandbox.clock.now(), sandbox.clock.now()

    assert before - timedelta(seconds=1) < first <= second < datetime.now(UTC) + timedelta(seconds=1)


def test_the_control_api_answers_the_sandboxs_time(frozen: AbstractContextManager[None]) -> None:
    with frozen, Sandbox() as sandbox:
        url = sandbox.base_url.replace("/api/v3.0", "/_sandbox/api/state")
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - a loopback address
            assert json.load(answer)["now"][:10] == sandbox.clock.now().date().isoformat()

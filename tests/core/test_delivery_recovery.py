"""What another process may have sent: looked up before anything is sent again."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from attrs import evolve

from gameball import (
    AsyncGameball,
    Attempt,
    DuplicateTransactionError,
    InvalidRequestError,
    Operation,
    OutcomeUnknownError,
    Timeouts,
)
from gameball.core.delivery import Delivery
from gameball.models.transactions import CashbackRequest, HoldRequest
from gameball.resources import transactions
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Html


@pytest.fixture
def exchanges() -> list[str]:
    """What was asked of the API, in order."""
    return []


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def delivery(sandbox: Sandbox, exchanges: list[str]) -> AsyncIterator[Delivery]:
    def note(attempt: Attempt) -> None:
        exchanges.append(attempt.operation.removeprefix("transactions."))

    keys = sandbox.api_key, sandbox.secret_key
    async with AsyncGameball(*keys, base_url=sandbox.base_url, observers=[note]) as client:
        yield client._delivery


@pytest.fixture
def cashback() -> Operation[Any]:
    return transactions.cashback(CashbackRequest(player_unique_id="p", transaction_id="t1", amount=100))


async def test_what_was_applied_is_found_and_not_sent_again(
    delivery: Delivery, cashback: Operation[Any], exchanges: list[str]
) -> None:
    reward = await delivery.send(cashback)
    for settle in (delivery.deliver(cashback, in_doubt=True), delivery.recover(cashback)):
        delivered = await settle
        assert delivered is not None
        assert (delivered.value, delivered.settled_by, delivered.attempts) == (reward, "lookup", 0)
    assert exchanges == ["cashback", "list", "list"]


async def test_what_was_not_is_sent_after_two_look_ups(
    delivery: Delivery, cashback: Operation[Any], exchanges: list[str]
) -> None:
    delivered = await delivery.deliver(cashback, in_doubt=True)

    assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("answer", 1, 2)
    assert exchanges == ["list", "list", "cashback"]


async def test_recovering_sends_nothing(
    delivery: Delivery, sandbox: Sandbox, cashback: Operation[Any], exchanges: list[str]
) -> None:
    assert await delivery.recover(cashback) is None
    assert exchanges == ["list", "list"]
    assert not sandbox.ledger.transactions()


async def test_an_id_of_another_transaction_ends_it(
    delivery: Delivery, cashback: Operation[Any], exchanges: list[str]
) -> None:
    other = transactions.cashback(CashbackRequest(player_unique_id="q", transaction_id="t1", amount=7))
    await delivery.send(other)

    with pytest.raises(DuplicateTransactionError) as raised:
        await delivery.recover(cashback)
    assert raised.value.outcome == "unknown"
    assert exchanges == ["cashback", "list"]


async def test_what_cannot_be_looked_up_is_not_taken_as_in_doubt(delivery: Delivery, exchanges: list[str]) -> None:
    hold = transactions.hold(HoldRequest(player_unique_id="p", amount=1))
    with pytest.raises(InvalidRequestError, match=r"^in_doubt is for operations that can be looked up"):
        await delivery.deliver(hold, in_doubt=True)
    assert exchanges == []


async def test_what_cannot_be_read_settles_nothing(
    delivery: Delivery, sandbox: Sandbox, cashback: Operation[Any]
) -> None:
    sandbox.faults.arm("transactions.list", Html(), times=99)
    with pytest.raises(OutcomeUnknownError):
        await evolve(delivery, timeouts=Timeouts(total=0.1)).recover(cashback)

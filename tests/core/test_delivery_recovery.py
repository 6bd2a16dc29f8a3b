"""What another process may have sent: looked up before anything is sent again."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from attrs import evolve

from gameball import (
    AsyncGameball,
    Attempt,
    DuplicateTransactionError,
    GameballError,
    InvalidRequestError,
    Operation,
    Retries,
)
from gameball.core.delivery import Delivery
from gameball.core.operation import Absent, Different, Found
from gameball.models.transactions import CashbackRequest, HoldRequest
from gameball.resources import transactions
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Html, Status


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
    delivered = await delivery.deliver(cashback, in_doubt=True)

    assert (delivered.value, delivered.settled_by, delivered.attempts) == (reward, "lookup", 0)
    assert exchanges == ["cashback", "list"]


@pytest.mark.thorough
async def test_what_was_not_is_sent_after_two_look_ups(
    delivery: Delivery, cashback: Operation[Any], exchanges: list[str]
) -> None:
    delivered = await delivery.deliver(cashback, in_doubt=True)

    assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("answer", 1, 2)
    assert exchanges == ["list", "list", "cashback"]


async def test_an_id_of_another_transaction_ends_it(
    delivery: Delivery, cashback: Operation[Any], exchanges: list[str]
) -> None:
    other = transactions.cashback(CashbackRequest(player_unique_id="q", transaction_id="t1", amount=7))
    await delivery.send(other)

    with pytest.raises(DuplicateTransactionError) as raised:
        await delivery.deliver(cashback, in_doubt=True)
    assert raised.value.outcome == "unknown"
    assert exchanges == ["cashback", "list"]


async def test_what_cannot_be_looked_up_is_not_taken_as_in_doubt(delivery: Delivery, exchanges: list[str]) -> None:
    hold = transactions.hold(HoldRequest(player_unique_id="p", amount=1))
    with pytest.raises(InvalidRequestError, match=r"^in_doubt is for operations that can be looked up"):
        await delivery.deliver(hold, in_doubt=True)
    assert exchanges == []


# --- a look-up alone


async def test_a_look_up_sends_nothing_of_the_call(
    delivery: Delivery, sandbox: Sandbox, cashback: Operation[Any], exchanges: list[str]
) -> None:
    assert await delivery.look_up(cashback) == Absent()
    assert exchanges == ["list"]
    assert not sandbox.ledger.transactions()


async def test_a_look_up_gives_what_the_call_would_have_given(delivery: Delivery, cashback: Operation[Any]) -> None:
    reward = await delivery.send(cashback)
    assert await delivery.look_up(cashback) == Found(reward)


async def test_a_look_up_tells_another_transaction_with_the_id_apart(
    delivery: Delivery, cashback: Operation[Any]
) -> None:
    await delivery.send(transactions.cashback(CashbackRequest(player_unique_id="q", transaction_id="t1", amount=7)))
    assert await delivery.look_up(cashback) == Different()


async def test_a_look_up_is_not_answered_by_a_cache(
    delivery: Delivery, sandbox: Sandbox, cashback: Operation[Any]
) -> None:
    await delivery.look_up(cashback)
    assert sandbox.requests[-1].headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "fault",
    [Html(), Status(200, {"transactions": [{"transactionId": "T1"}], "count": 1, "total": 1})],
    ids=["a page", "another id"],
)
async def test_a_look_up_that_says_nothing_is_an_error(
    delivery: Delivery, sandbox: Sandbox, cashback: Operation[Any], fault: Any
) -> None:
    sandbox.faults.arm("transactions.list", fault, times=99)
    with pytest.raises(GameballError):
        await evolve(delivery, retries=Retries(attempts=1)).look_up(cashback)


async def test_what_has_no_id_of_its_own_is_not_looked_up(delivery: Delivery, exchanges: list[str]) -> None:
    hold = transactions.hold(HoldRequest(player_unique_id="p", amount=1))
    with pytest.raises(InvalidRequestError, match="operation must be one that can be looked up"):
        await delivery.look_up(hold)
    assert exchanges == []

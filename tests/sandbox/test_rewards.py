"""Cashback and manual transactions."""

from decimal import Decimal

import pytest

from gameball.sandbox import Sandbox
from tests.support.sandbox_api import Api

SAMPLE = {
    "playerUniqueId": "player123",
    "amount": 99.98,
    "transactionId": "tra_123456789",
    "transactionTime": "2019-09-19T16:14:09.895Z",
}


async def test_a_cashback_rewards_as_the_page_shows_and_makes_the_player(api: Api, sandbox: Sandbox) -> None:
    reply = await api.post("transaction/cashback", **SAMPLE)

    assert reply.status == 200
    assert reply.json == {"playerUniqueId": "player123", "gameballTransactionId": 1, "rewardedPoints": 20}
    assert sandbox.ledger.balance("player123") == 20


@pytest.mark.parametrize(("amount", "points"), [(2.49, 0), (2.5, 1), (7.49, 1), (7.5, 2), (10, 2), (1e9, 2 * 10**8)])
async def test_points_are_in_proportion_and_a_half_is_rounded_up(api: Api, amount: float, points: int) -> None:
    assert (await api.transact("cashback", amount=amount)).json["rewardedPoints"] == points


async def test_an_amount_is_kept_digit_by_digit(api: Api) -> None:
    await api.call(
        "POST",
        "transaction/cashback",
        data='{"playerUniqueId":"p","transactionId":"t","transactionTime":"2024-01-01T00:00:00Z",'
        '"amount":100000000000.000000000000001}',
    )

    [row] = (await api.get("transaction/list")).json["transactions"]
    assert row["amount"] == Decimal("100000000000.000000000000001")


async def test_a_repeated_id_is_refused_and_rewards_nothing(api: Api, sandbox: Sandbox) -> None:
    await api.transact("cashback", transactionId="order", amount=50)
    again = await api.transact("cashback", transactionId="order", playerUniqueId="another", amount=50)

    assert (again.status, again.code) == (422, 305)
    assert len(sandbox.ledger.transactions()) == 1


async def test_ids_differ_by_case(api: Api) -> None:
    assert (await api.transact("cashback", transactionId="order", amount=50)).status == 200
    assert (await api.transact("cashback", transactionId="ORDER", amount=50)).status == 200


async def test_a_repeated_time_is_refused_per_player_in_whatever_zone_it_is_written(api: Api) -> None:
    await api.transact("cashback", transactionTime="2024-02-01T12:00:00Z", amount=50)
    again = await api.transact("cashback", transactionTime="2024-02-01T14:00:00.000+02:00", amount=50)
    other = await api.transact("cashback", playerUniqueId="other", transactionTime="2024-02-01T12:00:00Z", amount=50)

    assert again.code == 304
    assert other.status == 200


async def test_when_id_and_time_both_repeat_the_id_is_refused(api: Api) -> None:
    await api.post("transaction/cashback", **SAMPLE)

    assert (await api.post("transaction/cashback", **SAMPLE)).code == 305


async def test_manual_points_come_and_go_by_their_sign(api: Api, sandbox: Sandbox) -> None:
    manual = {"username": "admin", "reason": "Thank You Gift"}
    plus = await api.transact("manual", points=30, **manual)
    minus = await api.transact("manual", points=-10, transactionTime="2024-05-01T00:00:00.123Z", **manual)

    assert plus.json["points"] == 30
    assert minus.json == {
        "playerUniqueId": "player123",
        "gameballTransactionId": 2,
        "amount": Decimal("0.10"),
        "transactionId": "tra_2",
        "transactionTime": "2024-05-01T00:00:00.123Z",
        "points": -10,
    }
    assert sandbox.ledger.balance("player123") == 20
    types = [entry.type for entry in sandbox.ledger.transactions("player123")]
    assert types == ["ManualAccumulation", "ManualDeduction"]


async def test_a_manual_amount_earns_as_cashback_does(api: Api) -> None:
    reply = await api.transact("manual", amount=99.98, username="admin", reason="gift")

    assert (reply.json["amount"], reply.json["points"]) == (Decimal("99.98"), 20)


async def test_more_points_than_there_are_cannot_be_deducted(api: Api, sandbox: Sandbox) -> None:
    reply = await api.transact("manual", points=-1, username="admin", reason="mistake")

    assert reply.code == 309
    assert sandbox.ledger.transactions() == []


async def test_points_expire_after_their_period_the_oldest_spent_first(api: Api, sandbox: Sandbox) -> None:
    await api.give(100)
    sandbox.clock.advance(days=300)
    await api.give(50)
    await api.transact("manual", points=-30, username="admin", reason="spent")

    sandbox.clock.advance(days=421)

    assert sandbox.ledger.balance("player123") == 50
    last = sandbox.ledger.transactions("player123")[-1]
    assert (last.type, last.direction, last.points) == ("Expiry", "-", 70)
    sandbox.clock.advance(days=720)
    assert sandbox.ledger.balance("player123") == 0

"""Redemptions, holds and coupons."""

from decimal import Decimal

import pytest

from gameball.sandbox import Sandbox
from tests.support.sandbox_api import Api


async def test_an_amount_is_paid_with_points_a_fraction_rounded_up(api: Api, sandbox: Sandbox) -> None:
    await api.give(1000)
    reply = await api.transact("redeem", redeemedAmount=1.991)

    assert reply.json == {"playerUniqueId": "player123", "gameballTransactionId": 2, "redeemedPoints": 200}
    assert sandbox.ledger.balance("player123") == 800


async def test_points_that_are_not_there_cannot_be_redeemed(api: Api, sandbox: Sandbox) -> None:
    await api.give(100)

    assert (await api.transact("redeem", redeemedAmount=1.01)).code == 309
    assert sandbox.ledger.balance("player123") == 100
    assert (await api.transact("redeem", redeemedAmount=1)).status == 200


async def test_a_hold_takes_points_out_of_what_can_be_spent(api: Api, sandbox: Sandbox) -> None:
    await api.give(10_000)
    hold = await api.transact("hold", amount=98.89)

    assert hold.json["holdPoints"] == 9889
    assert hold.json["amount"] == Decimal("98.89")
    assert sandbox.ledger.balance("player123") == 10_000
    assert sandbox.ledger.available("player123") == 111
    assert [held.reference for held in sandbox.ledger.holds("player123")] == [hold.json["holdReference"]]
    assert (await api.transact("redeem", redeemedAmount=1.12)).code == 309
    assert (await api.transact("hold", holdPoints=112)).code == 309


@pytest.mark.parametrize("kind", [str, int], ids=["text", "number"])
async def test_a_hold_is_redeemed_by_its_reference_once(api: Api, sandbox: Sandbox, kind: type) -> None:
    await api.give(300)
    reference = kind((await api.transact("hold", holdPoints=200)).json["holdReference"])

    reply = await api.transact("redeem", redeemedAmount=None, holdReference=reference)
    assert reply.json["redeemedPoints"] == 200
    assert sandbox.ledger.balance("player123") == sandbox.ledger.available("player123") == 100
    assert (await api.transact("redeem", holdReference=reference)).code == 307
    assert (await api.delete(f"transaction/hold/{reference}")).code == 307


async def test_a_hold_is_its_players_own(api: Api) -> None:
    await api.give(300)
    await api.give(300, player="another")
    reference = (await api.transact("hold", holdPoints=200)).json["holdReference"]

    assert (await api.transact("redeem", playerUniqueId="another", holdReference=reference)).code == 307
    assert (await api.transact("redeem", holdReference=reference)).status == 200


async def test_a_hold_ends_by_itself_after_ten_minutes(api: Api, sandbox: Sandbox) -> None:
    await api.give(300)
    reference = (await api.transact("hold", holdPoints=200)).json["holdReference"]

    sandbox.clock.advance(minutes=9, seconds=50)
    assert sandbox.ledger.available("player123") == 100
    sandbox.clock.advance(seconds=10)
    assert sandbox.ledger.available("player123") == 300
    assert (await api.transact("redeem", holdReference=reference)).code == 307
    assert (await api.delete(f"transaction/hold/{reference}")).code == 307


async def test_a_reversed_hold_gives_its_points_back_once(api: Api, sandbox: Sandbox) -> None:
    await api.give(300)
    reference = (await api.transact("hold", holdPoints=200)).json["holdReference"]

    assert (await api.delete(f"transaction/hold/{reference}")).status == 200
    assert sandbox.ledger.available("player123") == 300
    assert (await api.delete(f"transaction/hold/{reference}")).code == 307
    assert (await api.transact("redeem", holdReference=reference)).code == 307


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("redeem", {"redeemedAmount": 1}),
        ("redeem", {"holdReference": "1"}),
        ("hold", {"holdPoints": 1}),
        ("refund", {"reverseTransactionId": "order"}),
    ],
)
async def test_spending_makes_no_player(api: Api, kind: str, body: dict[str, object]) -> None:
    assert (await api.transact(kind, **body)).code == 101


async def test_a_coupon_is_bought_by_the_general_rule(api: Api, sandbox: Sandbox) -> None:
    await api.give(2000)
    coupon = await api.post("transactions/coupon", playerUniqueId="player123", value=17.0)

    assert set(coupon.json) == {"code", "url", "startDate", "expiryDate"}
    [row] = (await api.get("transaction/list", direction="-")).json["transactions"]
    assert row["type"] == "DiscountCode"
    assert (row["points"], row["amount"]) == (1700, Decimal("17.0"))
    assert (row["couponCode"], row["couponType"]) == (coupon.json["code"], "fixed_rate_discount")
    assert row["isCouponUsed"] is False
    assert sandbox.ledger.balance("player123") == 300


async def test_a_coupon_is_bought_by_a_rule_at_the_rules_price(api: Api, sandbox: Sandbox) -> None:
    await api.give(60)

    reply = await api.post("transactions/coupon", playerUniqueId="player123", ruleId=1976, value=17000000)
    assert reply.status == 200
    assert sandbox.ledger.balance("player123") == 10
    assert (await api.post("transactions/coupon", playerUniqueId="player123", ruleId=1976)).code == 309


async def test_a_coupon_needs_a_player_and_a_rule_or_a_value(api: Api) -> None:
    assert (await api.post("transactions/coupon", playerUniqueId="nobody", value=1)).code == 101
    await api.give(60)
    assert (await api.post("transactions/coupon", playerUniqueId="player123")).code == 4
    assert (await api.post("transactions/coupon", playerUniqueId="player123", ruleId=1)).code == 3

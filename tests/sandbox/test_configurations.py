"""The program's terms: what is answered about them, and that the ledger keeps them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from gameball.sandbox import Program, Sandbox
from tests.support.sandbox_api import Api


async def test_the_whole_configuration_has_every_part_of_the_page(api: Api) -> None:
    whole = (await api.get("config")).json

    assert set(whole) == {
        *("currency", "programName", "rankPointsName", "walletPointsName", "botMainColor", "controlConfig"),
        *("levels", "challenges", "referral", "cashback", "redemption"),
    }
    assert len(whole["controlConfig"]) == 9
    assert whole["controlConfig"]["gameballEnabled"] is True
    assert set(whole["levels"][0]) == {"minProgress", "order", "icon", "name", "benefits"}
    assert len(whole["challenges"][0]) == 13
    assert whole["cashback"] == {
        "rewardFactor": Decimal("0.002"),
        "amountRewardThreshold": 10,
        "rewardWalletFactor": 2,
        "rewardRankFactor": 1,
    }
    assert whole["redemption"]["redemptionFactor"] == Decimal("0.01")
    assert whole["redemption"]["redemptionRules"][1] == {
        "ruleId": 1976,
        "type": "FreeProduct",
        "equivalentPoints": 50,
        "equivalentPointsValue": Decimal("0.50"),
        "productId": "6932183449758",
        "productName": "7 Shakra Bracelet",
    }


async def test_the_whole_configuration_asks_for_the_api_key_alone(sandbox: Sandbox) -> None:
    url = f"{sandbox.base_url}/integrations/config"
    async with aiohttp.ClientSession() as session:
        async with session.get(url, headers={"APIKey": sandbox.api_key, "lang": "fr"}) as answer:
            assert answer.status == 200
        async with session.get(url, headers={"APIKey": sandbox.api_key, "SecretKey": "wrong"}) as answer:
            assert answer.status == 401


@pytest.mark.parametrize("handle", ["6128", "free shirt"])
async def test_a_challenge_is_found_by_its_id_and_by_its_name(api: Api, handle: str) -> None:
    [challenge] = (await api.get(f"config/challenge/{handle}", lang="en")).json["challenges"]

    assert (challenge["id"], challenge["name"]) == (6128, "free shirt")
    assert challenge["rewards"][0]["couponReward"]["product"]["productId"] == "7803615346931"


async def test_an_unknown_challenge_is_not_found(api: Api) -> None:
    reply = await api.get("config/challenge/nothing")

    assert (reply.status, reply.code) == (404, 3)


async def test_the_redemption_rules_are_those_that_coupons_are_bought_by(api: Api) -> None:
    reply = await api.get("client/redemption/config")

    assert reply.json["isRedemptionActive"] is True
    assert reply.json["pointsExpiryPeriod"] == 720
    kinds = {rule["id"]: rule["ruleType"] for rule in reply.json["redemptionRules"]}
    assert kinds == {1975: "general_settings", 1976: "free_product_settings", 1977: "fixed_rate_settings"}
    await api.give(1000)
    for rule_id in kinds:
        coupon = await api.post("transactions/coupon", playerUniqueId="player123", ruleId=rule_id, value=1)
        assert coupon.status == 200


async def test_the_cashback_rule_is_the_one_that_rewards(api: Api) -> None:
    reply = await api.get("client/cashback")

    assert reply.json["isCashbackActive"] is True
    [rule] = reply.json["cashbackRules"]
    assert (rule["minAmountToSpend"], rule["pointsRewardedAsCashback"]) == (10, 2)
    assert rule["isDefault"] is True


async def test_changed_terms_hold_from_the_next_call_on(api: Api, sandbox: Sandbox) -> None:
    sandbox.program = Program(
        points_rewarded_as_cashback=Decimal(5), min_amount_to_spend=Decimal(1), redemption_factor=Decimal("0.1")
    )

    assert (await api.transact("cashback", amount=10)).json["rewardedPoints"] == 50
    assert (await api.transact("redeem", redeemedAmount=1)).json["redeemedPoints"] == 10
    [rule] = (await api.get("client/cashback")).json["cashbackRules"]
    assert (rule["minAmountToSpend"], rule["pointsRewardedAsCashback"]) == (1, 5)


async def test_what_is_switched_off_is_refused(api: Api, sandbox: Sandbox) -> None:
    await api.give(100)
    sandbox.program = Program(cashback_enabled=False, redemption_enabled=False)

    assert (await api.transact("cashback", amount=10)).code == 51
    assert (await api.transact("redeem", redeemedAmount=0.1)).code == 50
    assert (await api.transact("hold", holdPoints=1)).code == 50
    assert (await api.get("client/cashback")).json["isCashbackActive"] is False
    sandbox.program = replace(sandbox.program, gameball_enabled=False, cashback_enabled=True)
    assert (await api.transact("cashback", amount=10)).code == 50
    assert (await api.transact("manual", points=1, username="a", reason="b")).code == 50


def test_terms_must_make_sense() -> None:
    with pytest.raises(ValueError, match="positive"):
        Program(redemption_factor=Decimal(0))
    float_factor: Any = 0.05
    assert Program(redemption_factor=float_factor).worth_of(3) == Decimal("0.15")

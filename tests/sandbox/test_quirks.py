"""The contradictions of the pages, on request: the same facts in other spellings."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from gameball.sandbox import Sandbox
from tests.support.sandbox_api import Api


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(quirks=True) as running:
        yield running


async def test_ids_points_and_keys_are_spelt_in_other_ways(api: Api) -> None:
    cashback = (await api.transact("cashback", amount=99.98)).json
    manual = (await api.transact("manual", points=500, username="a", reason="b")).json
    redeem = (await api.transact("redeem", redeemedAmount=1)).json

    assert cashback == {
        "playerUniqueId": "player123",
        "gameballTransactionId": "gbtrx1",
        "rewardedPoints": "20",
    }
    assert manual["gameballTrasnactionId"] == "gbtrx2"
    assert redeem == {
        "PlayerUniqueId": "player123",
        "GameballTransactionId": "gbtrx3",
        "RedeemedPoints": Decimal("100.0"),
    }


async def test_times_have_no_zone_and_seven_digits(api: Api) -> None:
    await api.transact("cashback", transactionTime="2022-09-28T11:58:34.579234Z", amount=10)
    await api.transact("cashback", amount=10)
    first, second = (await api.get("transaction/list")).json["transactions"]

    assert second["transactionTime"] == "2022-09-28T11:58:34.5792340"
    assert (second["type"], second["status"]) == ("Cash Back", "active")
    assert (first["gameballTransactionId"], second["gameballTrasnactionId"]) == ("gbtrx2", "gbtrx1")


async def test_a_hold_is_a_number_and_still_redeemed(api: Api) -> None:
    await api.give(10)
    reference = (await api.transact("hold", holdPoints=5)).json["holdReference"]

    assert isinstance(reference, int)
    assert (await api.transact("redeem", holdReference=reference)).status == 200


async def test_a_batch_is_a_job_with_other_words(api: Api) -> None:
    job = await api.post("batch", method="POST", operation="balance", body={"playerUniqueIds": ["nobody"]})
    assert isinstance(job.json["jobId"], int)
    answers = [(await api.get(f"batch/{job.json['jobId']}")).json for _ in range(3)]

    assert [answer["status"] for answer in answers] == ["Queued", "processing", "COMPLETED"]
    assert len(answers[2]["createdAt"]) == len("2012-12-30 16:50:11")
    assert answers[2]["response"]["failed"] == [{"customerId": "nobody", "error": "player not found: nobody"}]


async def test_configurations_follow_the_other_table(api: Api) -> None:
    whole = (await api.get("config")).json
    assert whole["challenges"][0]["visibility"] == "AlwaysVisibile"
    assert "point" in whole["referral"]["playerReward"]["extraReward"]
    assert (await api.get("config/challenge/6128")).json["challengesConfig"]["id"] == 6128
    assert (await api.get("client/cashback")).json["cashbackRules"][0]["isDefaultRule"] is True
    rules = (await api.get("client/redemption/config")).json["redemptionRules"]
    assert rules[1]["coupon"]["product"]["productId"] == 6932183449758


async def test_refusals_have_one_spelling(api: Api) -> None:
    assert (await api.transact("redeem", redeemedAmount=1)).code == 101

"""Batches: started, asked about, stopped."""

from typing import Any

import aiohttp
import pytest

from gameball.sandbox import Sandbox
from tests.support.sandbox_api import Api


def payments(*players: str) -> list[dict[str, Any]]:
    return [
        {
            "playerUniqueId": player,
            "transactionId": f"order{number}",
            "transactionTime": f"2024-01-01T00:00:{number:02}Z",
            "amount": 99.98,
        }
        for number, player in enumerate(players)
    ]


async def start(api: Api, operation: str, body: Any, **more: Any) -> str:
    reply = await api.post("batch", method="POST", operation=operation, params={}, body=body, **more)
    assert reply.status == 200, reply
    assert list(reply.json) == ["batchId"]
    return str(reply.json["batchId"])


async def test_a_batch_is_pending_then_in_progress_then_finished(api: Api, sandbox: Sandbox) -> None:
    batch = await start(api, "cashback", payments("a", "b", "c", "d"))

    pending, running, finished, still = [(await api.get(f"batch/{batch}")).json for _ in range(4)]

    assert (pending["status"], pending["finishedCount"], pending["startedAt"]) == ("pending", 0, None)
    assert pending["response"] is None
    assert (running["status"], running["finishedCount"], running["response"]) == ("inProgress", 2, {})
    assert (finished["status"], finished["finishedCount"], finished["errorCount"]) == ("finished", 4, 0)
    assert (finished["method"], finished["operation"], finished["totalCount"]) == ("POST", "cashback", 4)
    assert finished["createdAt"] <= finished["startedAt"]
    assert finished["response"]["successful"][0] == {
        "playerUniqueId": "a",
        "amount": "99.98",
        "points": "20",
        "gameballTransactionId": "1",
    }
    assert still == finished
    assert sandbox.ledger.balance("d") == 20


async def test_a_failed_row_fails_alone(api: Api, sandbox: Sandbox) -> None:
    rows = payments("a", "b", "c")
    batch = await start(api, "cashback", [rows[0], {**rows[1], "amount": -1}, rows[0], "no row", rows[2]])

    *_, finished = [(await api.get(f"batch/{batch}")).json for _ in range(3)]

    assert (finished["status"], finished["errorCount"], finished["finishedCount"]) == ("finished", 3, 5)
    assert [row["playerUniqueId"] for row in finished["response"]["successful"]] == ["a", "c"]
    failed = [(row["playerUniqueId"], row["message"]) for row in finished["response"]["failed"]]
    assert failed[0][0] == "b"
    assert "amount" in failed[0][1]
    assert failed[1] == ("a", "transaction id already exists: order0")
    assert len(sandbox.ledger.transactions()) == 2


async def test_a_redeem_batch_answers_two_keys_in_pascal_case(api: Api) -> None:
    await api.give(500)
    row = {**payments("player123")[0], "amount": None, "redeemedAmount": 2}
    batch = await start(api, "redeem", [row, {**row, "playerUniqueId": "nobody", "transactionId": "x"}])

    *_, finished = [(await api.get(f"batch/{batch}")).json for _ in range(3)]

    assert finished["response"]["successful"] == [
        {"playerUniqueId": "player123", "GameballTransactionId": "2", "RedeemedPoints": "200"}
    ]
    assert finished["response"]["failed"][0]["message"] == "player not found: nobody"


async def test_a_balance_batch_answers_points_and_what_they_are_worth(api: Api) -> None:
    await api.give(500)
    batch = await start(api, "balance", {"playerUniqueIds": ["player123", "nobody", 5]})

    *_, finished = [(await api.get(f"batch/{batch}")).json for _ in range(3)]

    assert finished["response"]["successful"] == [
        {
            "playerUniqueId": "player123",
            "pointsBalance": 500,
            "pointsValue": 5,
            "currency": "USD",
            "pointsName": "Points",
        }
    ]
    assert [row["playerUniqueId"] for row in finished["response"]["failed"]] == ["nobody", None]


async def test_a_stopped_batch_does_no_more_rows(api: Api, sandbox: Sandbox) -> None:
    batch = await start(api, "cashback", payments("a", "b", "c", "d"))
    for _ in range(2):
        await api.get(f"batch/{batch}")

    assert (await api.delete(f"batch/{batch}")).status == 200

    stopped = (await api.get(f"batch/{batch}")).json
    assert (stopped["status"], stopped["finishedCount"]) == ("stopped", 2)
    assert len(stopped["response"]["successful"]) == 2
    assert len(sandbox.ledger.transactions()) == 2
    assert (await api.delete(f"batch/{batch}")).code == 3


async def test_the_number_of_polls_until_a_batch_is_finished_is_a_setting() -> None:
    async with Sandbox(batch_polls=0) as sandbox:
        keys = {"APIKey": sandbox.api_key, "SecretKey": sandbox.secret_key}
        async with aiohttp.ClientSession(headers=keys) as session:
            url = f"{sandbox.base_url}/integrations/batch"
            body = {"method": "POST", "operation": "cashback", "body": payments("a")}
            async with session.post(url, json=body) as answer:
                batch = (await answer.json())["batchId"]
            async with session.get(f"{url}/{batch}") as answer:
                assert (await answer.json())["status"] == "finished"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"body": []}, 7),
        ({"body": payments(*("p" * 1001))}, 7),
        ({"body": {}}, 7),
        ({"body": None}, 5),
        ({"operation": "refund"}, 7),
        ({"operation": ["cashback"]}, 7),
        ({"operation": "balance", "body": {}}, 4),
        ({"operation": "balance", "body": {"playerUniqueIds": []}}, 7),
        ({"method": "DELETE"}, 7),
        ({"params": 5}, 7),
    ],
)
async def test_a_start_that_breaks_a_rule_is_refused(api: Api, change: dict[str, Any], code: int) -> None:
    good = {"method": "POST", "operation": "cashback", "params": {}, "body": payments("a")}

    assert (await api.post("batch", **{**good, **change})).code == code


async def test_an_unknown_batch_is_not_found(api: Api) -> None:
    assert (await api.get("batch/213")).code == 3
    assert (await api.delete("batch/213")).code == 3


async def test_a_thousand_rows_are_a_batch(api: Api, sandbox: Sandbox) -> None:
    rows = [{**row, "transactionTime": "2024-01-01T00:00:00Z"} for row in payments(*map(str, range(1000)))]
    batch = await start(api, "cashback", rows)
    *_, finished = [(await api.get(f"batch/{batch}")).json for _ in range(3)]

    assert len(finished["response"]["successful"]) == 1000
    assert len(sandbox.ledger.transactions()) == 1000

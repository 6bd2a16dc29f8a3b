"""Calls in the shapes that the vendor's own libraries for Python, PHP and Ruby give them."""

from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from gameball.sandbox import Sandbox
from tests.support.sandbox_api import Api, Reply

CASHBACK = {"playerUniqueId": "player456", "transactionTime": "2019-09-19T16:14:09.895Z", "amount": 2500}


@pytest.mark.parametrize(
    "path",
    [
        "/api/v3.0/integrations/transaction/cashback",
        "/api/v3/integrations/transaction/cashback",
        "/api/v3.0/integrations/transaction/cashback/",
        "/api/v3.0//integrations/transaction/cashback",
        "/API/V3/Integrations/Transaction/Cashback//",
        "/api/v3.0/integrations/transaction/c%61shback",
    ],
)
async def test_a_path_may_differ_in_case_slashes_and_version(sandbox: Sandbox, path: str) -> None:
    url = f"http://127.0.0.1:{sandbox.port}{path}"
    headers = {"APIKey": sandbox.api_key, "secretKey": sandbox.secret_key}
    async with aiohttp.ClientSession(headers=headers) as session:
        answer = await session.post(url, json=CASHBACK | {"transactionId": "order"})

    assert answer.status == 200
    assert sandbox.ledger.balance("player456") == 500


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2.0/integrations/transaction/cashback",
        "/api/integrations/transaction/cashback",
        "/v3.0/integrations/transaction/cashback",
        "/api/v3.0/integrations/transaction/cashbacks",
        "/api/v3.0/integrations/transaction/cashback/more",
        "/",
    ],
)
async def test_another_path_is_no_endpoint(sandbox: Sandbox, path: str) -> None:
    headers = {"APIKey": sandbox.api_key, "secretKey": sandbox.secret_key}
    async with aiohttp.ClientSession(headers=headers) as session:
        answer = await session.post(f"http://127.0.0.1:{sandbox.port}{path}", json=CASHBACK)

    assert (answer.status, (await answer.json())["code"]) == (404, 3)


async def test_the_case_of_an_id_in_a_path_is_kept(api: Api) -> None:
    await api.transact("cashback", transactionId="Order 7/b", amount=10)

    assert (await api.get("ORDER/Order%207%2Fb/Transactions/")).json["total"] == 1
    assert (await api.get("order/order%207%2Fb/transactions")).json["total"] == 0


@pytest.mark.parametrize(
    ("given", "kept"), [(1234567890, "1234567890"), (0, "0"), (-5, "-5"), (10**20, "1" + "0" * 20)]
)
async def test_a_transaction_id_may_be_a_number(api: Api, sandbox: Sandbox, given: int, kept: str) -> None:
    assert (await api.transact("cashback", transactionId=given, amount=10)).status == 200
    assert (await api.transact("cashback", transactionId=kept, amount=10)).code == 305

    (entry,) = sandbox.ledger.transactions(transaction_id=kept)
    assert (await api.get("transaction/list", transactionId=kept)).json["transactions"][0]["transactionId"] == kept
    assert (await api.transact("refund", reverseTransactionId=given)).status == 200
    assert sandbox.ledger.balance(entry.player) == 0


@pytest.mark.parametrize(("amount", "points"), [("99.98", 20), ("2500", 500), ("0.10", 0), ("007.5", 2)])
async def test_an_amount_may_be_text(api: Api, sandbox: Sandbox, amount: str, points: int) -> None:
    reply = await api.transact("cashback", amount=amount)

    assert (reply.status, reply.json["rewardedPoints"]) == (200, points)
    assert sandbox.ledger.transactions()[0].amount == Decimal(amount)


async def test_the_samples_of_a_purchase_run_from_reward_to_refund(api: Api, sandbox: Sandbox) -> None:
    merchant = {"uniqueId": "mid123", "name": "mname123", "branch": {"uniqueId": "bid123", "name": "bname123"}}
    await done(await api.transact("cashback", transactionId="tra_1", amount="250000", merchant=merchant))
    await done(await api.transact("cashback", transactionId="tra_2", amount=99.98, merchant=None))
    hold = await done(await api.transact("hold", amount="98.89"))
    await done(
        await api.call("DELETE", f"transaction/hold/{hold['holdReference']}", json={"playerUniqueId": "player123"})
    )
    hold = await done(await api.transact("hold", amount=10))
    redemption = {"holdReference": hold["holdReference"], "redeemedAmount": None, "transactionId": "tra_3"}
    await done(await api.transact("redeem", **redemption))
    await done(await api.transact("redeem", transactionId="tra_4", redeemedAmount="10", holdReference=None))
    await done(await api.transact("refund", transactionId="tra_5", reversedTransactionId="tra_4"))
    await done(await api.transact("manual", username="admin", reason="gift", amount=None, points=5))
    listed = await done(await api.call("GET", "transaction/list?page=1&limit=50&"))

    assert listed["total"] == 6
    assert sandbox.ledger.balance("player123") == 50_000 + 20 - 1000 - 1000 + 1000 + 5


async def test_a_batch_is_started_by_the_shape_of_each_library_and_found_by_a_bare_id() -> None:
    row = {**CASHBACK, "transactionId": 17, "amount": "2500"}
    start = {"method": "POST", "operation": "cashback", "params": {}, "body": [row]}
    async with Sandbox(quirks=True, batch_polls=0) as sandbox:
        headers = {"APIKey": sandbox.api_key, "secretKey": sandbox.secret_key}
        async with aiohttp.ClientSession(headers=headers) as session:
            url = f"{sandbox.base_url}/integrations/batch"
            answers = [await (await session.post(url, json=start)).json() for _ in range(4)]
            ids = [str(answer["jobId"] if isinstance(answer, dict) else answer) for answer in answers]
            batches = [await (await session.get(f"{url}/{batch_id}")).json() for batch_id in ids]

    assert {type(answer) for answer in answers} == {int, str, dict}
    assert [batch["errorCount"] for batch in batches] == [0, 1, 1, 1], "the row's id is taken after the first"


@pytest.mark.parametrize(("method", "operation"), [("post", "Balance"), ("Post", "BALANCE")])
async def test_the_words_of_a_batch_are_read_in_any_case(api: Api, method: str, operation: str) -> None:
    started = await done(
        await api.post("batch", method=method, operation=operation, body={"playerUniqueIds": ["player123"]})
    )

    batch = await done(await api.get(f"batch/{started['batchId']}"))
    assert (batch["method"], batch["operation"]) == ("POST", "balance")


async def done(reply: Reply) -> dict[str, Any]:
    """The value of a call that must go well."""
    assert reply.status == 200, reply
    values: dict[str, Any] = reply.json
    return values

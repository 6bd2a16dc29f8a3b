"""Partners: clients made, used and changed."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gameball.sandbox import Sandbox
from tests.support.sandbox_api import Api, Reply

BEARER = {"Authorization": "Bearer sandbox-partner-token"}
CLIENT: dict[str, Any] = {
    "name": "Jon Snow",
    "email": "testEmail@email.com",
    "mobile": "+01010101010",
    "storeName": "MyNewStore",
    "domain": "mynewstore.com",
    "currency": "USD",
    "timezone": "GMT+1",
    "country": "Saudi Arabia",
}
OTHER = CLIENT | {"name": "Other", "email": "other@email.com", "storeName": "Other"}


async def create(api: Api, **change: Any) -> Reply:
    return await api.call("POST", "client", json=CLIENT | change, headers=BEARER)


async def update(api: Api, store_id: str = "MyNewStore", **change: Any) -> Reply:
    return await api.call("PUT", "client", json=change, headers={**BEARER, "storeId": store_id})


async def test_a_new_clients_keys_open_a_ledger_of_its_own(api: Api, sandbox: Sandbox) -> None:
    reply = await create(api)
    assert set(reply.json) == {"apiKey", "secretKey", "gameballId"}
    keys = {"APIKey": reply.json["apiKey"], "SecretKey": reply.json["secretKey"]}
    account = reply.json["gameballId"]

    payment = {
        "playerUniqueId": "player123",
        "transactionId": "order",
        "transactionTime": "2024-01-01T00:00:00Z",
        "amount": 10,
    }
    theirs = await api.call("POST", "transaction/cashback", json=payment, headers=keys)
    ours = await api.post("transaction/cashback", **payment, merchant=None)

    assert (theirs.status, ours.status) == (200, 200)
    assert sandbox.ledger.balance("player123", account=account) == 2
    assert (await api.call("GET", "transaction/list", headers=keys)).json["total"] == 1
    wrong = {**keys, "SecretKey": sandbox.secret_key}
    assert (await api.call("GET", "transaction/list", headers=wrong)).status == 401


async def test_one_accounts_holds_and_batches_are_not_found_by_another(api: Api) -> None:
    reply = await create(api)
    keys = {"APIKey": reply.json["apiKey"], "SecretKey": reply.json["secretKey"]}
    await api.give(10)
    hold = (await api.transact("hold", holdPoints=5)).json["holdReference"]
    batch = (await api.post("batch", method="POST", operation="balance", body={"playerUniqueIds": ["player123"]})).json[
        "batchId"
    ]

    assert (await api.call("DELETE", f"transaction/hold/{hold}", headers=keys)).code == 307
    assert (await api.call("GET", f"batch/{batch}", headers=keys)).code == 3


async def test_clients_live_in_the_file(tmp_path: Path) -> None:
    async with Sandbox(db=tmp_path / "points.db") as sandbox, aiohttp.ClientSession() as session:
        url = f"{sandbox.base_url}/integrations/client"
        async with session.post(url, json=CLIENT, headers=BEARER) as answer:
            made = await answer.json()
    async with Sandbox(db=tmp_path / "points.db") as sandbox, aiohttp.ClientSession() as session:
        keys = {"APIKey": made["apiKey"], "SecretKey": made["secretKey"]}
        url = f"{sandbox.base_url}/integrations/transaction/list"
        async with session.get(url, headers=keys) as answer:
            assert answer.status == 200


async def test_only_what_is_sent_is_changed_and_null_is_a_value(api: Api) -> None:
    account = (await create(api, customDomain="mynewstore.custom.com", subscriptionId=23, isLoyaltyEnabled=True)).json[
        "gameballId"
    ]

    assert (await update(api)).json == {
        "id": account,
        "name": "Jon Snow",
        "email": "testEmail@email.com",
        "mobile": "+01010101010",
        "storeName": "MyNewStore",
        "domain": "mynewstore.com",
        "country": "Saudi Arabia",
        "currency": "USD",
        "timeZone": "GMT+1",
        "isLoyaltyEnabled": True,
        "customDomain": "mynewstore.custom.com",
        "plan": "Free",
        "status": "active",
        "subscriptionId": 23,
    }
    changed = await update(api, status="trialing", storeName="Renamed", customDomain=None, timeZone="UTC")
    assert changed.json["customDomain"] is None
    assert (changed.json["status"], changed.json["timeZone"]) == ("trialing", "UTC")
    assert (changed.json["name"], changed.json["subscriptionId"]) == ("Jon Snow", 23)
    assert (await update(api)).code == 3
    assert (await update(api, "Renamed", name="New Name")).json["name"] == "New Name"


async def test_names_stores_and_emails_are_taken_once(api: Api) -> None:
    await create(api)
    assert (await create(api, **OTHER)).status == 200

    assert (await create(api, **OTHER | {"name": "Jon Snow"})).code == 14
    assert (await create(api, email="new@email.com", name="New")).code == 14
    assert (await create(api, name="New", storeName="New")).code == 15
    assert (await update(api, email="other@email.com")).code == 15
    assert (await update(api, name="Other")).code == 14
    assert (await update(api, name="Jon Snow")).status == 200


@pytest.mark.parametrize(
    ("authorization", "status"), [(None, 401), ("Bearer", 401), ("Basic abc", 401), ("Bearer wrong", 403)]
)
async def test_a_partner_is_known_by_its_token(api: Api, authorization: str | None, status: int) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for method in ("POST", "PUT"):
        reply = await api.call(method, "client", json=CLIENT, headers=headers)
        assert (reply.status, reply.code) == (status, 10)


async def test_a_client_that_breaks_a_rule_is_refused(api: Api) -> None:
    incomplete = {name: value for name, value in CLIENT.items() if name != "domain"}
    assert (await api.call("POST", "client", json=incomplete, headers=BEARER)).code == 4
    assert (await create(api, country=None)).code == 5
    assert (await create(api, isLoyaltyEnabled=1)).code == 7
    assert (await create(api, subscriptionId="23")).code == 7
    assert (await create(api, status="asleep")).code == 7
    assert (await api.call("PUT", "client", json={}, headers=BEARER)).code == 4
    assert (await update(api, "nowhere", name="x")).code == 3

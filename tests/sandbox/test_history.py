"""The list of transactions: fields, filters, pages."""

from typing import Any

import pytest

from gameball.sandbox import Sandbox
from tests.support.sandbox_api import Api

ADMIN = {"username": "admin", "reason": "gift"}


async def ids(api: Api, **query: Any) -> list[str]:
    reply = await api.get("transaction/list", **query)
    assert reply.status == 200, reply
    return [row["transactionId"] for row in reply.json["transactions"]]


async def test_a_row_has_the_fields_of_the_page_that_apply_to_it(api: Api, sandbox: Sandbox) -> None:
    await api.transact(
        "cashback",
        transactionTime="2019-09-21T16:53:28.190Z",
        amount=10,
        merchant={"uniqueId": "m1", "name": "merchant", "branch": {"uniqueId": "b1", "name": "branch"}},
    )
    await api.transact("manual", points=-1, **ADMIN)
    manual, payment = (await api.get("transaction/list")).json["transactions"]

    expires = sandbox.ledger.transactions()[0].expires
    assert expires is not None
    assert payment.pop("expiryDate") == expires.isoformat().replace("+00:00", "Z")
    assert payment == {
        "transactionId": "tra_1",
        "gameballTransactionId": 1,
        "type": "PaymentReward",
        "direction": "+",
        "playerUniqueId": "player123",
        "points": 2,
        "amount": 10,
        "transactionTime": "2019-09-21T16:53:28.190Z",
        "status": "Active",
        "merchantName": "merchant",
        "branchName": "branch",
        "pointsBalanceBefore": 0,
        "pointsBalanceAfter": 2,
    }
    assert (manual["direction"], manual["points"], manual["reason"]) == ("-", 1, "gift")
    assert "expiryDate" not in manual


async def test_rows_come_latest_first_by_their_own_time(api: Api) -> None:
    for day in (2, 3, 1):
        await api.transact(
            "cashback", transactionId=f"day{day}", transactionTime=f"2024-03-0{day}T00:00:00Z", amount=10
        )

    assert await ids(api) == ["day3", "day2", "day1"]


async def test_a_page_has_fifty_rows_by_default(api: Api) -> None:
    for _ in range(51):
        await api.transact("cashback", amount=10)

    first = (await api.get("transaction/list")).json
    assert (len(first["transactions"]), first["count"], first["total"]) == (50, 50, 51)
    second = (await api.get("transaction/list", page=2)).json
    assert (len(second["transactions"]), second["count"], second["total"]) == (1, 1, 51)
    beyond = (await api.get("transaction/list", page=999_999_999, limit=200)).json
    assert beyond == {"transactions": [], "count": 0, "total": 51}
    paged = [row for page in (1, 2, 3, 4) for row in await ids(api, page=page, limit=17)]
    assert paged == await ids(api, limit=200)


async def test_each_filter_narrows_the_list(api: Api, sandbox: Sandbox) -> None:
    await api.transact("cashback", transactionId="old", transactionTime="2024-03-01T23:59:59.999999Z", amount=10)
    sandbox.clock.advance(days=700)
    await api.transact("manual", transactionId="minus", points=-1, **ADMIN)
    await api.transact(
        "cashback", transactionId="new", transactionTime="2024-03-02T00:00:00Z", playerUniqueId="x", amount=10
    )

    assert await ids(api, direction="+") == ["new", "old"]
    assert await ids(api, direction="-") == ["minus"]
    assert await ids(api, transactionId="old") == ["old"]
    assert await ids(api, transactionId="OLD") == []
    assert await ids(api, playerUniqueId="x") == ["new"]
    assert await ids(api, **{"from": "2024-03-02"}) == ["new"]
    assert await ids(api, **{"from": "2024-03-01", "to": "2024-03-01"}) == ["old"]
    assert await ids(api, **{"from": "2024-03-02T02:00:00+02:00"}) == ["new"]
    assert await ids(api, status=1) == ["new", "old", "minus"]
    assert await ids(api, status=2) == await ids(api, status=3) == await ids(api, status=4) == []
    sandbox.clock.advance(days=21)
    assert await ids(api, status=4) == ["old"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "201"},
        {"limit": "0"},
        {"page": "0"},
        {"page": "-1"},
        {"page": "x"},
        {"page": ""},
        {"page": "٣"},
        {"status": "5"},
        {"status": "Active"},
        {"direction": " "},
        {"direction": "plus"},
        {"from": "2024-02-30"},
        {"to": "2024-03-01T00:00:00"},
        {"transactionId": ""},
    ],
    ids=str,
)
async def test_a_filter_that_breaks_its_rule_is_refused(api: Api, query: dict[str, str]) -> None:
    reply = await api.get("transaction/list", **query)

    assert (reply.status, reply.code) == (400, 7)
    assert next(iter(query)) in reply.json["message"]

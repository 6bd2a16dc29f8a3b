"""The control API below `/_sandbox/api/`: what it gives, what it changes, and whom it refuses."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from gameball.sandbox import Program, Sandbox, faults
from gameball.sandbox.control import API_PATH, ENDPOINTS, EVENTS
from gameball.sandbox.json_objects import FAULTS, fault_object, read_fault
from tests.support.sandbox_api import Api

ROOT = Path(__file__).parents[2]
SIGNED = {"X-Sandbox-Control": "1"}


class Control:
    """Calls the control API; `error` is the sentence of a refusal."""

    def __init__(self, session: aiohttp.ClientSession, sandbox: Sandbox) -> None:
        self._session = session
        self._url = f"http://127.0.0.1:{sandbox.port}{API_PATH}"

    async def send(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        given = SIGNED if headers is None else headers
        async with self._session.request(method, self._url + path, data=data, headers=given) as response:
            assert not [name for name in response.headers if name.startswith("Access-Control")]
            text = await response.text()
            return response.status, json.loads(text, parse_float=Decimal) if text else None

    async def get(self, path: str) -> Any:
        status, answer = await self.send("GET", path, headers={})
        assert status == 200, answer
        return answer

    async def change(self, method: str, path: str, body: object = None) -> Any:
        status, answer = await self.send(method, path, body)
        assert status in {200, 201}, answer
        return answer

    async def error(self, method: str, path: str, body: object = None, *, status: int = 400) -> str:
        given, answer = await self.send(method, path, body)
        assert (given, list(answer)) == (status, ["error"])
        return str(answer["error"])


@pytest.fixture
async def control(sandbox: Sandbox) -> AsyncIterator[Control]:
    async with aiohttp.ClientSession() as session:
        yield Control(session, sandbox)


async def pay(api: Api, player: str, order: str, amount: int) -> None:
    reply = await api.transact("cashback", playerUniqueId=player, transactionId=order, amount=amount)
    assert reply.status == 200, reply


# --- looking


async def test_the_state_sums_up_points_requests_and_faults(sandbox: Sandbox, api: Api, control: Control) -> None:
    await pay(api, "ada", "order-1", 1000)
    await pay(api, "bob", "order-2", 50)
    await api.transact("hold", playerUniqueId="ada", holdPoints=30)
    sandbox.faults.arm("transactions.redeem", faults.Reset(), times=2)

    state = await control.get("/state")

    points = {"given": 210, "redeemed": 0, "taken_back": 0, "returned": 0, "deducted": 0, "expired": 0}
    assert state["points"] == {**points, "balance": 210, "held": 30}
    assert (state["players"], state["transactions"], state["holds"]) == (2, 2, 1)
    assert state["requests"] == {"total": 3, "per_second": Decimal("0.3")}
    assert state["faults"] == {"armed": 1, "struck": 0}
    assert state["base_url"] == sandbox.base_url
    assert abs(datetime.fromisoformat(state["now"]) - sandbox.clock.now()) < timedelta(seconds=10)


async def test_points_are_summed_up_by_how_they_came_and_went(sandbox: Sandbox, api: Api, control: Control) -> None:
    await pay(api, "ada", "order-1", 1000)
    await api.transact("redeem", playerUniqueId="ada", transactionId="basket-1", redeemedAmount=1)
    await api.transact("refund", playerUniqueId="ada", reverseTransactionId="order-1", amount=250)
    await api.transact("refund", playerUniqueId="ada", reverseTransactionId="basket-1")
    await api.transact("manual", playerUniqueId="ada", points=-7, username="u", reason="r")
    await api.transact("manual", playerUniqueId="ada", points=20, username="u", reason="r")

    async def points() -> Any:
        return (await control.get("/state"))["points"]

    sums = {"given": 220, "redeemed": 100, "taken_back": 50, "returned": 100, "deducted": 7, "expired": 0, "held": 0}
    assert await points() == {**sums, "balance": 163}
    assert await points() == {**sums, "balance": 163}
    sandbox.clock.advance(days=800)
    assert await points() == {**sums, "expired": 163, "balance": 0}
    assert (await points())["balance"] == sandbox.ledger.balance("ada")


async def test_players_come_in_pages_with_their_balances(api: Api, control: Control) -> None:
    for number in range(7):
        await api.give(10 * (number + 1), player=f"player-{number}")
    await api.transact("hold", playerUniqueId="player-6", holdPoints=30)

    page = await control.get("/players?limit=3&page=3")

    last = page["players"][0].pop("last_transaction_time")
    assert datetime.fromisoformat(last).tzinfo is not None
    assert page == {
        "players": [
            {
                "player_unique_id": "player-6",
                "balance": 70,
                "held": 30,
                "available": 40,
                "worth": Decimal("0.70"),
                "transactions": 1,
            }
        ],
        "count": 1,
        "total": 7,
        "page": 3,
        "limit": 3,
    }
    found = await control.get("/players?search=er-4")
    assert [player["player_unique_id"] for player in found["players"]] == ["player-4"]
    assert found["total"] == 1


@pytest.mark.parametrize("player", ["a/b", "ä{x}?&#%25", "..x", "<b>"])
async def test_one_player_is_found_by_any_id(api: Api, control: Control, player: str) -> None:
    await api.give(10, player=player)
    await api.transact("hold", playerUniqueId=player, holdPoints=4)
    found = await control.get(f"/players/{quote(player, safe='')}")
    assert (found["player_unique_id"], found["balance"], found["available"]) == (player, 10, 6)
    assert [hold["points"] for hold in found["holds"]] == [4]


async def test_an_unknown_player_is_not_found(control: Control) -> None:
    assert await control.error("GET", "/players/nobody", status=404) == "player_unique_id: there is no player nobody"


async def test_transactions_are_filtered_and_paged(api: Api, control: Control) -> None:
    await pay(api, "ada", "order-1", 1000)
    await pay(api, "ada", "order-2", 500)
    await pay(api, "bob", "order-3", 500)
    await api.transact("redeem", playerUniqueId="ada", transactionId="basket-1", redeemedAmount=1)

    async def ids(query: str) -> list[str]:
        page = await control.get(f"/transactions?{query}")
        assert page["count"] == len(page["transactions"])
        return [one["transaction_id"] for one in page["transactions"]]

    assert await ids("") == ["basket-1", "order-3", "order-2", "order-1"]
    assert await ids("limit=1&page=2") == ["order-3"]
    assert await ids("player_unique_id=ada&direction=%2B") == ["order-2", "order-1"]
    assert await ids("type=Redemption") == ["basket-1"]
    assert await ids("transaction_id=order-3") == ["order-3"]
    assert await ids("status=Expired") == []
    assert await ids("status=Active&from=2024-01-01&to=2024-01-01T00:00:02Z") == ["order-2", "order-1"]
    [redemption] = (await control.get("/transactions?type=Redemption"))["transactions"]
    assert redemption["amount"] == 1
    assert (redemption["direction"], redemption["points"], redemption["balance_after"]) == ("-", 100, 200)
    assert redemption["transaction_time"] == "2024-01-01T00:00:04.000Z"


async def test_holds_say_how_long_they_still_hold(sandbox: Sandbox, api: Api, control: Control) -> None:
    await api.give(100, player="ada")
    first = await api.transact("hold", playerUniqueId="ada", holdPoints=10)
    second = await api.transact("hold", playerUniqueId="ada", holdPoints=20)
    await api.delete(f"transaction/hold/{first.json['holdReference']}")

    async def states(query: str = "") -> list[tuple[int, str]]:
        return [(hold["points"], hold["state"]) for hold in (await control.get(f"/holds?{query}"))["holds"]]

    assert await states() == [(20, "live"), (10, "reversed")]
    [live] = (await control.get("/holds?state=live&player_unique_id=ada"))["holds"]
    assert live["hold_reference"] == second.json["holdReference"]
    assert 590 <= live["seconds_left"] <= 600
    sandbox.clock.advance(minutes=10)
    assert await states("state=live") == []
    assert await states("state=expired") == [(20, "expired")]
    assert await states("state=reversed") == [(10, "reversed")]
    assert await states("player_unique_id=bob") == []


async def test_batches_are_looked_at_without_moving_on(api: Api, control: Control) -> None:
    await api.give(100)
    started = await api.post("batch", method="POST", operation="balance", body={"playerUniqueIds": ["player123", "x"]})
    for _ in range(3):
        [batch] = (await control.get("/batches"))["batches"]
        assert (batch["batch_id"], batch["status"], batch["finished_count"]) == (started.json["batchId"], "pending", 0)
    for _ in range(3):
        await api.get(f"batch/{started.json['batchId']}")
    [batch] = (await control.get("/batches"))["batches"]
    assert (batch["status"], batch["total_count"], batch["finished_count"], batch["error_count"]) == (
        *("finished", 2, 2, 1),
    )


async def test_accounts_are_listed_without_keys_and_looked_into(sandbox: Sandbox, api: Api, control: Control) -> None:
    client = {"name": "Shop", "email": "e", "mobile": "m", "storeName": "shop", "domain": "d", "country": "c"}
    made = await api.call(
        "POST",
        "client",
        json={**client, "currency": "USD", "timeZone": "UTC"},
        headers={"Authorization": f"Bearer {sandbox.partner_token}"},
    )
    keys = {"APIKey": made.json["apiKey"], "SecretKey": made.json["secretKey"]}
    await api.transact("manual", playerUniqueId="zoe", points=5, username="u", reason="r")
    body = {"playerUniqueId": "yan", "transactionId": "t", "transactionTime": "2024-01-01T00:00:00Z", "amount": 100}
    await api.call("POST", "transaction/cashback", json=body, headers=keys)

    own, other = (await control.get("/accounts"))["accounts"]

    assert (own["account"], own["store_name"]) == (1, None)
    assert (other["account"], other["store_name"]) == (2, "shop")
    assert set(made.json.values()).isdisjoint(json.dumps([own, other], default=str).split('"'))
    [player] = (await control.get("/players?account=2"))["players"]
    assert player["player_unique_id"] == "yan"
    assert (await control.get("/state?account=2"))["points"]["given"] == 20
    assert (await control.get("/state"))["points"]["given"] == 5
    assert await control.error("GET", "/players?account=3") == "account must be one of 1, 2"
    shown = json.dumps((await control.get("/requests"))["requests"], default=str)
    assert not [key for key in (*keys.values(), sandbox.api_key, sandbox.partner_token) if key in shown]


async def test_requests_come_latest_first_with_answers_and_faults_and_no_keys(
    sandbox: Sandbox, api: Api, control: Control
) -> None:
    await api.transact("cashback", amount=1000, otp="123456")
    sandbox.faults.arm("transactions.hold", faults.Status(503, {"code": 13}), effect="after")
    sandbox.faults.arm("transactions.redeem", faults.Close())
    await api.transact("hold", holdPoints=1)
    with pytest.raises(aiohttp.ClientError):
        await api.transact("redeem", redeemedAmount=1)
    await api.get("batch/none?otp=123456")

    page = await control.get("/requests")

    lookup, redeem, hold, cashback = page["requests"]
    assert (page["total"], [one["number"] for one in page["requests"]]) == (4, [4, 3, 2, 1])
    assert (cashback["method"], cashback["operation"], cashback["status"]) == ("POST", "transactions.cashback", 200)
    assert cashback["headers"]["APIKey"] == cashback["headers"]["SecretKey"] == "****"
    assert json.loads(cashback["body"])["otp"] == "****"
    assert json.loads(cashback["answer"])["rewardedPoints"] == 200
    assert cashback["fault"] is None
    assert 0 <= cashback["seconds"] < 10
    assert (hold["status"], hold["answer"], hold["fault"]["effect"]) == (503, '{"code": 13}', "after")
    assert hold["fault"]["fault"] == "status"
    assert (redeem["status"], redeem["answer"], redeem["fault"]["fault"]) == (None, "", "close")
    assert (lookup["status"], lookup["path"].endswith("otp=****")) == (404, True)
    holds = await control.get("/requests?operation=transactions.hold&limit=1")
    assert [one["number"] for one in holds["requests"]] == [2]


# --- changing


async def test_a_fault_armed_by_http_strikes_as_one_armed_in_python(
    sandbox: Sandbox, api: Api, control: Control
) -> None:
    status, armed = await control.send(
        "POST",
        "/faults",
        {"operation": "transactions.cashback", "fault": "status", "status": 503, "body": {}, "times": 2},
    )
    read_back = {"fault": "status", "status": 503, "body": {}, "headers": {}}
    assert status == 201
    assert armed == {
        **read_back,
        "operation": "transactions.cashback",
        "effect": "before",
        "later": 1,
        "transaction_id": None,
        "nth": 1,
        "times": 2,
        "seen": 0,
        "struck": 0,
    }
    [same] = sandbox.faults.armed
    assert (same.fault, same.effect, same.times) == (faults.Status(503, b"{}"), "before", 2)

    assert (await api.transact("cashback", amount=10)).status == 503
    listed = await control.get("/faults")
    assert listed["struck"] == 1
    assert [(fault["struck"], fault["times"]) for fault in listed["faults"]] == [(1, 2)]
    assert sandbox.ledger.transactions() == []

    assert await control.change("DELETE", "/faults") == {"cleared": 1}
    assert (await api.transact("cashback", amount=10)).status == 200
    assert await control.get("/faults") == {"faults": [], "struck": 1}


@pytest.mark.parametrize("word", FAULTS)
async def test_every_fault_can_be_armed_by_its_word(sandbox: Sandbox, control: Control, word: str) -> None:
    given = {"seconds": 2} if word == "delay" else {"status": 500} if word == "status" else {}
    armed = await control.change("POST", "/faults", {"operation": "*", "fault": word, **given})
    [known] = sandbox.faults.armed
    assert known.fault == read_fault(word, given)
    assert {name: armed[name] for name in fault_object(known.fault)} == json.loads(
        json.dumps(fault_object(known.fault), default=float), parse_float=Decimal
    )


def test_every_fault_of_the_sandbox_has_a_word() -> None:
    classes = {value for value in vars(faults).values() if isinstance(value, type) and hasattr(value, "respond")}
    assert classes - {faults.Fault} == {*FAULTS.values()} | {
        value for value in classes if value.__name__.startswith("_")
    }


async def test_a_faults_own_fields_are_read_to_the_digit(api: Api, control: Control) -> None:
    body = b"""{"operation": "transactions.cashback", "fault": "status", "status": 500, "headers": {"X-A": "b"},
               "body": {"code": 13, "amount": 0.10}, "transaction_id": "tra_2", "nth": 1.0}"""
    armed = await control.change("POST", "/faults", body)
    assert armed["body"] == {"code": 13, "amount": Decimal("0.10")}
    assert (await api.transact("cashback", amount=10)).status == 200
    struck = await api.transact("cashback", amount=10)
    assert (struck.status, struck.json) == (500, {"code": 13, "amount": Decimal("0.10")})


async def test_a_fault_of_the_users_own_is_shown_by_its_name(sandbox: Sandbox, control: Control) -> None:
    class OutOfMood:
        async def respond(self, _: object, /) -> Any: ...

    sandbox.faults.arm("*", OutOfMood())
    [shown] = (await control.get("/faults"))["faults"]
    assert shown["fault"] == "out_of_mood"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "operation is required"),
        ({"operation": "x"}, "fault is required"),
        ({"operation": "*", "fault": "x"}, "fault must be one of status,"),
        ({"operation": "x", "fault": "reset"}, "x is no operation; there are: batches.get,"),
        ({"operation": "*", "fault": "reset", "effect": "x"}, "x is no effect; there are: before, after, later"),
        ({"operation": "*", "fault": "reset", "nth": 0}, "nth and times count from 1"),
        ({"operation": "*", "fault": "reset", "times": 1.5}, "times must be a whole number"),
        ({"operation": "*", "fault": "reset", "later": -1}, "later must be a number of seconds from 0 to 86400"),
        ({"operation": "*", "fault": "reset", "size": 1}, "size is no field of the fault reset, which has: none"),
        ({"operation": "*", "fault": "status"}, "status is required by the fault status"),
        ({"operation": "*", "fault": "status", "status": "503"}, "status must be a whole number"),
        ({"operation": "*", "fault": "status", "status": 99}, "status must be from 200 to 599"),
        ({"operation": "*", "fault": "status", "status": 200, "headers": {"a": 1}}, "headers must be an object whose"),
        ({"operation": "*", "fault": "status", "status": 200, "headers": {"a": "b\r\nc: d"}}, "the header 'a' must"),
        ({"operation": "*", "fault": "status", "status": 200, "headers": {"a:": "b"}}, "the header 'a:' must"),
        ({"operation": "*", "fault": "delay"}, "seconds is required by the fault delay"),
        ({"operation": "*", "fault": "delay", "seconds": True}, "seconds must be a number of seconds"),
        ({"operation": "*", "fault": "delay", "seconds": 90_000}, "seconds must be from 0 to 86400"),
        ({"operation": "*", "fault": "redirect", "location": "a\nb"}, "location must be one line"),
        ({"operation": "*", "fault": "redirect", "status": 200}, "status must be from 300 to 399"),
        ({"operation": "*", "fault": "too_many_requests", "retry_after": "1\n"}, "retry_after must be one line"),
        ({"operation": "*", "fault": "gzip_bomb", "megabytes": 10**6}, "megabytes must be from 1 to 1024"),
        ({"operation": "*", "fault": "huge_headers", "size": 0}, "size must be from 1 to"),
        ({"operation": "*", "fault": "cut_body", "keep": -1}, "keep must not be below 0"),
        ({"operation": "*", "fault": "drip", "interval": 0}, "a drip has pieces of at least 1 byte"),
        ({"operation": "*", "fault": "endless_body", "megabytes": 0}, "megabytes must be from 1 to"),
    ],
)
async def test_a_fault_that_cannot_be_armed_is_refused_by_field_and_rule(
    sandbox: Sandbox, control: Control, body: dict[str, Any], sentence: str
) -> None:
    assert (await control.error("POST", "/faults", body)).startswith(sentence)
    assert sandbox.faults.armed == []


async def test_the_clock_advances_and_is_set(sandbox: Sandbox, control: Control) -> None:
    moved = await control.change("POST", "/clock", {"advance": 600})
    assert timedelta(minutes=9) < sandbox.clock.now() - datetime.now(UTC) < timedelta(minutes=11)
    assert abs(datetime.fromisoformat(moved["now"]) - sandbox.clock.now()) < timedelta(seconds=10)
    await control.change("POST", "/clock", {"now": "2100-01-01T02:00:00+02:00"})
    assert timedelta() <= sandbox.clock.now() - datetime(2100, 1, 1, tzinfo=UTC) < timedelta(seconds=10)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "exactly one of advance and now must be given"),
        ({"advance": 1, "now": "2100-01-01T00:00:00Z"}, "exactly one of advance and now must be given"),
        ({"advance": -1}, "advance must not go back: time only passes forwards"),
        ({"advance": "1"}, "advance must be a number of seconds"),
        ({"advance": 10**12}, "advance must not go beyond the year 9000"),
        ({"advance": 10**13}, "advance must be a number of seconds between"),
        ({"now": "2020-01-01T00:00:00Z"}, "now must not go back"),
        ({"now": "2100-01-01T00:00:00"}, "now must be a time with its zone"),
        ({"now": "9500-01-01T00:00:00Z"}, "now must not go beyond the year 9000"),
        ({"ahead": 1}, "ahead is not known here; there are: advance, now"),
        ([], "the body must be a JSON object"),
        (b"{", "the body is not JSON"),
        (b'{"advance": ' * 5000, "the body is not JSON"),
    ],
)
async def test_a_step_that_the_clock_cannot_take_is_refused(
    sandbox: Sandbox, control: Control, body: object, sentence: str
) -> None:
    assert (await control.error("POST", "/clock", body)).startswith(sentence)
    assert sandbox.clock.ahead == timedelta()


async def test_the_programme_is_read_and_changed_field_by_field(sandbox: Sandbox, api: Api, control: Control) -> None:
    known = await control.get("/programme")
    assert set(known) == {field.name for field in fields(Program)}
    assert known["min_amount_to_spend"] == 10
    assert [rule["id"] for rule in known["coupon_rules"]] == [1975, 1976, 1977]

    rule = {"id": 7, "rule_type": "fixed_rate_settings", "coupon_type": "fixed_rate_discount", "points_to_redeem": 5}
    changed = await control.change(
        "PUT", "/programme", {"points_rewarded_as_cashback": 5, "hold_minutes": 1, "coupon_rules": [rule]}
    )
    assert changed == {
        **known,
        "points_rewarded_as_cashback": 5,
        "hold_minutes": 1,
        "coupon_rules": [{**rule, "discount_value": 0}],
    }
    assert (await api.transact("cashback", amount=10)).json["rewardedPoints"] == 5
    assert sandbox.program.hold_minutes == 1


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"rate": 1}, "rate is no field of the programme, which has: currency,"),
        ({"currency": ""}, "currency must be a text that is not empty"),
        ({"min_amount_to_spend": 0}, "min_amount_to_spend must be positive"),
        ({"min_amount_to_spend": -1}, "min_amount_to_spend must be a number from 0"),
        ({"redemption_factor": 10**7}, "redemption_factor must be positive and at most 1000000"),
        ({"hold_minutes": 0}, "hold_minutes must be positive and at most"),
        ({"points_expiry_days": 10**9}, "points_expiry_days must be positive and at most 36500"),
        ({"cashback_enabled": 1}, "cashback_enabled must be true or false"),
        ({"coupon_rules": {}}, "coupon_rules must be a list"),
        ({"coupon_rules": [1]}, "coupon_rules must be a list of objects"),
        ({"coupon_rules": [{"id": 1}]}, "coupon_rules rule_type is required by a coupon rule"),
    ],
)
async def test_a_programme_that_makes_no_sense_is_refused(
    sandbox: Sandbox, control: Control, body: dict[str, Any], sentence: str
) -> None:
    assert (await control.error("PUT", "/programme", body)).startswith(sentence)
    assert sandbox.program == Program()


async def test_a_reset_starts_afresh(sandbox: Sandbox, api: Api, control: Control) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Reset())
    sandbox.faults.arm("transactions.hold", faults.Status(500, {}), effect="later", later=0.05)
    await api.give(100, player="ada")
    await api.transact("hold", playerUniqueId="ada", holdPoints=5)
    await api.post("batch", method="POST", operation="balance", body={"playerUniqueIds": ["ada"]})
    await control.change("POST", "/clock", {"advance": 3600})
    await control.change("PUT", "/programme", {"currency": "EUR"})
    assert (await control.get("/state"))["points"]["given"] == 100

    state = await control.change("POST", "/reset")
    await asyncio.sleep(0.1)

    assert set(state["points"].values()) == {0}
    assert (state["players"], state["holds"], state["requests"]["total"]) == (0, 0, 0)
    assert state["faults"] == {"armed": 0, "struck": 0}
    assert (await control.get("/holds"))["total"] == 0
    assert (await control.get("/batches"))["batches"] == []
    assert (await control.get("/requests"))["requests"] == []
    assert sandbox.program == Program()
    assert sandbox.clock.ahead == timedelta()
    await api.give(10, player="bob")
    [first] = (await control.get("/transactions"))["transactions"]
    assert first["gameball_transaction_id"] == 1
    assert (await control.get("/state"))["points"]["given"] == 10
    assert [one["number"] for one in (await control.get("/requests"))["requests"]] == [1]


# --- events


async def test_events_say_when_something_changes(sandbox: Sandbox, api: Api) -> None:
    marks: list[str] = []
    url = f"http://127.0.0.1:{sandbox.port}{API_PATH}{EVENTS}"

    async def next_mark(stream: aiohttp.StreamReader) -> str:
        async with asyncio.timeout(5):
            while True:
                line = await stream.readline()
                if line.startswith(b"data: "):
                    event = json.loads(line.removeprefix(b"data: "))
                    assert datetime.fromisoformat(event["now"]).tzinfo is not None
                    return str(event["mark"])

    async def changed_mark(stream: aiohttp.StreamReader) -> None:
        known = marks[-1]
        while (mark := await next_mark(stream)) == known:
            pass
        marks.append(mark)

    async with api.session.get(url) as events:
        assert events.content_type == "text/event-stream"
        marks.append(await next_mark(events.content))
        for change in (
            lambda: sandbox.faults.arm("*", faults.Reset(), nth=1000),
            lambda: sandbox.clock.advance(seconds=1),
            lambda: setattr(sandbox, "program", Program(currency="EUR")),
        ):
            change()
            await changed_mark(events.content)
        await api.give(10)
        await changed_mark(events.content)
    assert len(set(marks)) == len(marks)


# --- who is let in


EVIL = {"Host": "rebound.example:8765"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((one.method, one.path.replace("{player_unique_id}", "ada")) for one in ENDPOINTS),
        ("GET", EVENTS),
        ("GET", "/nothing"),
    ],
)
async def test_a_rebound_name_gets_nowhere(api: Api, control: Control, method: str, path: str) -> None:
    await api.give(10, player="ada")
    before = await control.get("/state")
    for headers in ({**EVIL, **SIGNED}, {"Host": "", **SIGNED}, {"Sec-Fetch-Site": "cross-site", **SIGNED}):
        status, answer = await control.send(method, path, {}, headers=headers)
        assert (status, list(answer)) == (403, ["error"])
    assert {**await control.get("/state"), "now": 0} == {**before, "now": 0}


CHANGING = [endpoint for endpoint in ENDPOINTS if endpoint.method != "GET"]


@pytest.mark.parametrize("endpoint", CHANGING, ids=lambda one: f"{one.method}{one.path}")
async def test_a_change_needs_the_header_that_no_form_can_send(
    sandbox: Sandbox, api: Api, control: Control, endpoint: Any
) -> None:
    await api.give(10)
    body = {"advance": 5, "operation": "*", "fault": "reset"}
    for headers in ({}, {"X-Sandbox-Control": "0"}, {**SIGNED, "Sec-Fetch-Site": "same-site"}):
        status, answer = await control.send(endpoint.method, endpoint.path, body, headers=headers)
        assert status == 403
        assert ("X-Sandbox-Control: 1" in answer["error"]) is ("Sec-Fetch-Site" not in headers)
    assert sandbox.ledger.balance("player123") == 10
    assert (sandbox.faults.armed, sandbox.clock.ahead) == ([], timedelta())


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_own_pages_and_programs_are_let_in(control: Control, headers: dict[str, str], host: str) -> None:
    status, _ = await control.send("POST", "/clock", {"advance": 1}, headers={**headers, **SIGNED, "Host": host})
    assert status == 200


async def test_a_preflight_gets_no_leave(control: Control) -> None:
    preflight = {"Origin": "http://127.0.0.1:9", "Access-Control-Request-Method": "POST"}
    status, answer = await control.send("OPTIONS", "/reset", headers=preflight)
    assert (status, list(answer)) == (404, ["error"])


async def test_answers_are_neither_kept_nor_guessed_at_nor_embedded(api: Api, sandbox: Sandbox) -> None:
    async with api.session.get(f"http://127.0.0.1:{sandbox.port}{API_PATH}/state") as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("method", "path", "sentence"),
    [
        ("GET", "/nothing", "GET /_sandbox/api/nothing is no route; below /_sandbox/api there are: GET /state,"),
        ("PATCH", "/programme", "PATCH /_sandbox/api/programme is no route;"),
    ],
)
async def test_what_is_no_route_is_told_what_there_is(control: Control, method: str, path: str, sentence: str) -> None:
    assert (await control.error(method, path, status=404)).startswith(sentence)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/players?limit=1001", "limit must be a whole number between 1 and 1000"),
        ("/players?page=0", "page must be a whole number between 1 and"),
        ("/transactions?direction=x", "direction must be + (sent as %2B) or -"),
        ("/transactions?status=Lost", "status must be one of Active, Pending, Blocked, Expired"),
        ("/transactions?from=yesterday", "from must be a time with its zone"),
        ("/transactions?plyer=ada", "plyer is not known here; there are: account, page, limit, type,"),
        ("/holds?state=x", "state must be one of live, used, reversed, expired"),
        ("/state?x=1", "x is not known here; there are: account"),
    ],
)
async def test_a_wrong_query_is_refused_by_field_and_rule(control: Control, path: str, sentence: str) -> None:
    assert (await control.error("GET", path)).startswith(sentence)


async def test_a_field_that_nobody_knows_changes_nothing(sandbox: Sandbox, control: Control) -> None:
    sandbox.faults.arm("*", faults.Reset())
    for method, path in (("POST", "/reset"), ("DELETE", "/faults")):
        assert await control.error(method, path, {"x": 1}) == "x is not known here; there are: no fields"
    assert len(sandbox.faults.armed) == 1


async def test_control_is_neither_counted_nor_remembered_nor_struck(sandbox: Sandbox, control: Control) -> None:
    sandbox.faults.arm("*", faults.Reset())
    await control.get("/state")
    assert (await control.get("/state"))["requests"]["total"] == len(sandbox.requests) == 0


async def test_without_control_there_is_nothing_below_its_path() -> None:
    async with Sandbox(control=False) as sandbox, aiohttp.ClientSession() as session:
        for path in ("/_sandbox/", f"{API_PATH}/state"):
            async with session.get(f"http://127.0.0.1:{sandbox.port}{path}") as response:
                assert (response.status, (await response.json())["code"]) == (404, 3)


# --- the documentation


OPENAPI: dict[str, Any] = json.loads((ROOT / "docs" / "sandbox-openapi.json").read_text(encoding="utf-8"))
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, Decimal),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def complaints(value: Any, schema: dict[str, Any], where: str = "") -> list[str]:
    """What of a value is not as its schema says."""
    for name in schema.get("$ref", "").split("/")[1:]:
        schema = schema[name] if name in schema else OPENAPI[name]
    found = [one for part in schema.get("allOf", ()) for one in complaints(value, part, where)]
    if "oneOf" in schema and sum(not complaints(value, part, where) for part in schema["oneOf"]) != 1:
        found.append(f"{where} is not one of")
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        found.append(f"{where} is another word: {value}")
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, TYPES[kind]) for kind in kinds):
        found.append(f"{where} is no {kinds}: {value!r}")
    if isinstance(value, dict):
        found += [f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        known = schema.get("properties", {})
        found += [
            one for name in known if name in value for one in complaints(value[name], known[name], f"{where}.{name}")
        ]
    if isinstance(value, list) and "items" in schema:
        found += [one for item in value for one in complaints(item, schema["items"], f"{where}[]")]
    return found


def test_the_openapi_page_describes_every_route_and_no_other() -> None:
    described = {(method.upper(), path) for path, operations in OPENAPI["paths"].items() for method in operations}
    assert described == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS} | {("GET", EVENTS)}


async def test_every_answer_is_as_the_openapi_page_says(sandbox: Sandbox, api: Api, control: Control) -> None:
    bodies = {
        "/clock": {"advance": 1},
        "/faults": {"operation": "*", "fault": "drip", "nth": 9},
        "/programme": {"currency": "EUR"},
    }
    await pay(api, "ada", "order-1", 1000)
    await api.transact("refund", playerUniqueId="ada", reverseTransactionId="order-1", amount=250)
    await api.transact("hold", playerUniqueId="ada", holdPoints=5)
    await api.post("batch", method="POST", operation="balance", body={"playerUniqueIds": ["ada"]})
    sandbox.faults.arm("transactions.hold", faults.Status(500, {}, {"X-A": "b"}), nth=2)
    last = [endpoint for endpoint in ENDPOINTS if endpoint.path == "/reset"]
    for endpoint in [*(one for one in ENDPOINTS if one not in last), *last]:
        described = OPENAPI["paths"][endpoint.path][endpoint.method.lower()]
        body = bodies.get(endpoint.path) if endpoint.method in {"POST", "PUT"} else None
        status, answer = await control.send(endpoint.method, endpoint.path.replace("{player_unique_id}", "ada"), body)
        schema = described["responses"][str(status)]["content"]["application/json"]["schema"]
        assert complaints(answer, schema, endpoint.path) == []
        for name in answer:
            assert f'"{name}"' in json.dumps(OPENAPI["components"]["schemas"]), name
        if body:
            sent = described["requestBody"]["content"]["application/json"]["schema"]
            assert complaints(body, sent, endpoint.path) == []


@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if one.method == "GET"], ids=lambda one: str(one.path))
async def test_the_openapi_page_has_every_query_of_a_route(api: Api, control: Control, endpoint: Any) -> None:
    await api.give(1, player="ada")
    sentence = await control.error("GET", endpoint.path.replace("{player_unique_id}", "ada") + "?unknown=1")
    known = sentence.partition("there are: ")[2].replace("no fields", "")
    parameters = OPENAPI["paths"][endpoint.path]["get"].get("parameters", [])
    described = {one["$ref"].split("/")[-1] if "$ref" in one else one["name"] for one in parameters}
    assert described == set(filter(None, known.split(", ")))


def test_the_openapi_page_has_every_fault_with_its_fields() -> None:
    described = {
        one["properties"]["fault"]["const"]: set(one["properties"]) - {"fault"}
        for one in OPENAPI["components"]["schemas"]["Fault"]["oneOf"]
    }
    assert described == {
        word: {"status" if field.name == "code" else field.name for field in fields(kind)}
        for word, kind in FAULTS.items()
    }

"""Keys, codes and envelopes; and that nothing whatever makes the sandbox fall over."""

import json
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from hypothesis import given, settings, strategies as st
from yarl import URL

from gameball.sandbox import Sandbox
from tests.support.sandbox_api import Api

PAYMENT: dict[str, Any] = {
    "playerUniqueId": "player123",
    "amount": 99.98,
    "transactionId": "tra_123456789",
    "transactionTime": "2019-09-19T16:14:09.895Z",
}
MANUAL: dict[str, Any] = {
    "playerUniqueId": "player123",
    "transactionId": "gift",
    "transactionTime": "2019-09-19T16:14:10Z",
    "username": "admin",
    "reason": "gift",
    "points": 5,
}
WRONG_PAYMENTS: list[dict[str, Any]] = [
    {"amount": 0},
    {"amount": -1},
    *({"amount": text} for text in ("", "x", "-1", "0", "1e3", " 1", "1_000", "1.", "٣", "9" * 13, "9" * 5000)),
    {"amount": True},
    {"amount": 1e300},
    {"amount": 1e-300},
    {"playerUniqueId": ""},
    {"playerUniqueId": 5},
    {"playerUniqueId": "\ud800"},
    {"transactionId": True},
    {"transactionId": 5.5},
    {"transactionId": []},
    {"transactionTime": "2019-09-19T16:14:09.895"},
    {"transactionTime": "2019-09-19 16:14:09Z"},
    {"transactionTime": "2019-02-30T16:14:09Z"},
    {"transactionTime": "0001-01-01T00:00:00+10:00"},
    {"transactionTime": "yesterday"},
    {"transactionTime": 1568909649},
    {"merchant": "shop"},
    {"merchant": {"name": 5}},
    {"merchant": {"branch": []}},
    {"email": 5},
]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"APIKey": "sandbox-api-key"},
        {"SecretKey": "sandbox-secret-key"},
        {"APIKey": "sandbox-api-key", "SecretKey": "wrong"},
        {"APIKey": "wrong", "SecretKey": "sandbox-secret-key"},
        {"APIKey": "SANDBOX-API-KEY", "SecretKey": "sandbox-secret-key"},
    ],
    ids=str,
)
async def test_a_call_without_both_keys_does_nothing(sandbox: Sandbox, headers: dict[str, str]) -> None:
    url = f"{sandbox.base_url}/integrations/transaction/cashback"
    async with aiohttp.ClientSession() as session, session.post(url, json=PAYMENT, headers=headers) as answer:
        assert answer.status == 401
        assert (await answer.json())["code"] == 10
    assert sandbox.ledger.transactions() == []


async def test_header_names_are_matched_in_any_case(sandbox: Sandbox) -> None:
    headers = {"apikey": sandbox.api_key, "SECRETKEY": sandbox.secret_key}
    url = f"{sandbox.base_url}/integrations/transaction/cashback"
    async with aiohttp.ClientSession() as session, session.post(url, json=PAYMENT, headers=headers) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("field", PAYMENT)
async def test_a_required_field_must_be_there_and_have_a_value(api: Api, field: str) -> None:
    absent = await api.post("transaction/cashback", **{k: v for k, v in PAYMENT.items() if k != field})
    null = await api.post("transaction/cashback", **{**PAYMENT, field: None})

    assert (absent.status, absent.code) == (400, 4)
    assert (null.status, null.code) == (400, 5)
    assert field in absent.json["message"]
    assert field in null.json["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *(("transaction/cashback", PAYMENT | wrong) for wrong in WRONG_PAYMENTS),
        *(
            ("transaction/manual", {**MANUAL, "points": points, **more})
            for points, more in (
                (0, {}),
                (1.5, {}),
                (True, {}),
                ("5", {}),
                (10**30, {}),
                (5, {"amount": 1}),
                (None, {}),
            )
        ),
        ("transaction/redeem", PAYMENT),
        ("transaction/redeem", PAYMENT | {"redeemedAmount": 1, "holdReference": "1"}),
        ("transaction/redeem", PAYMENT | {"redeemedAmount": None, "holdReference": None}),
        ("transaction/redeem", PAYMENT | {"holdReference": True}),
        ("transaction/hold", PAYMENT | {"holdPoints": 5}),
        ("transaction/hold", PAYMENT | {"amount": None}),
        ("transaction/hold", PAYMENT | {"amount": None, "holdPoints": -5}),
        ("transaction/refund", PAYMENT | {"reverseTransactionId": "x", "amount": -1}),
        ("transaction/refund", PAYMENT | {"reverseTransactionId": "x", "lineItems": {}}),
        ("transaction/refund", PAYMENT | {"reverseTransactionId": "x", "lineItems": [1]}),
        ("transaction/refund", PAYMENT | {"reverseTransactionId": "x", "lineItems": [{"quantity": 0}]}),
        ("transactions/coupon", {"playerUniqueId": "player123", "value": -1}),
        ("transactions/coupon", {"playerUniqueId": "player123", "ruleId": "1976"}),
    ],
    ids=repr,
)
async def test_a_value_that_breaks_its_rule_is_refused(
    api: Api, sandbox: Sandbox, path: str, body: dict[str, Any]
) -> None:
    reply = await api.post(path, **body)

    assert (reply.status, reply.code) == (400, 7), reply
    assert sandbox.ledger.transactions() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"amount": NaN}',
        b'{"amount": 1e99999999999999999999}',
        b'{"amount": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_a_body_that_is_no_json_object_is_refused(api: Api, body: bytes) -> None:
    reply = await api.call("POST", "transaction/cashback", data=body)

    assert (reply.status, reply.code) == (400, 7)


async def test_a_body_that_is_not_compressed_as_it_says_is_refused(api: Api) -> None:
    headers = {"Content-Encoding": "gzip"}
    reply = await api.call("POST", "transaction/cashback", data=b"{}" * 99, headers=headers)

    assert (reply.status, reply.code) == (400, 7)


async def test_a_body_beyond_all_measure_is_refused(api: Api) -> None:
    reply = await api.call("POST", "transaction/cashback", data=BytesIO(b" " * (8 * 1024 * 1024 + 1)))

    assert (reply.status, reply.code) == (413, 7)


@pytest.mark.parametrize(("method", "path"), [("GET", "nothing"), ("PUT", "transaction/cashback"), ("POST", "")])
async def test_what_is_no_endpoint_is_not_found(api: Api, method: str, path: str) -> None:
    reply = await api.call(method, path)

    assert (reply.status, reply.code) == (404, 3)


async def test_the_status_of_refusals_is_a_setting() -> None:
    async with Sandbox(refusal_status=402, api_key="a", secret_key="b") as sandbox:
        headers = {"APIKey": "a", "SecretKey": "b"}
        url = f"{sandbox.base_url}/integrations/transaction/redeem"
        body = PAYMENT | {"redeemedAmount": 1}
        async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=body) as answer:
            assert answer.status == 402
            assert (await answer.json())["code"] == 101


@pytest.mark.parametrize(
    ("id_scope", "time_scope", "codes"), [("player", "player", [0, 0]), ("account", "account", [305, 304])]
)
async def test_the_scopes_of_ids_and_times_are_settings(id_scope: Any, time_scope: Any, codes: list[int]) -> None:
    async with Sandbox(id_scope=id_scope, time_scope=time_scope) as sandbox:
        headers = {"APIKey": sandbox.api_key, "SecretKey": sandbox.secret_key}
        url = f"{sandbox.base_url}/integrations/transaction/cashback"
        seen = []
        async with aiohttp.ClientSession(headers=headers) as session:
            await (await session.post(url, json=PAYMENT)).read()
            for again in ({"transactionTime": "2020-01-01T00:00:00Z"}, {"transactionId": "another"}):
                answer = await session.post(url, json=PAYMENT | {"playerUniqueId": "other"} | again)
                seen.append((await answer.json()).get("code", 0))
        assert seen == codes


POSTS = [
    "transaction/cashback",
    "transaction/redeem",
    "transaction/refund",
    "transaction/hold",
    "transaction/manual",
]
FIELDS = [
    *(
        "playerUniqueId",
        "transactionId",
        "transactionTime",
        "amount",
        "redeemedAmount",
        "holdReference",
        "points",
    ),
    *(
        "holdPoints",
        "reverseTransactionId",
        "username",
        "reason",
        "merchant",
        "lineItems",
        "value",
        "ruleId",
        "otp",
    ),
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["p", "t", "u"])
)
anything = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
plausible = st.fixed_dictionaries(
    {
        "playerUniqueId": st.sampled_from(["p", "q"]),
        "transactionId": st.sampled_from("abcdefgh"),
        "transactionTime": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    },
    optional={
        "amount": st.decimals(1, 1000, places=2).map(float),
        "redeemedAmount": st.decimals(0, 1, places=2).map(float),
        "points": st.integers(-50, 500),
        "holdPoints": st.integers(1, 50),
        "reverseTransactionId": st.sampled_from("abcdefgh"),
        "username": st.just("admin"),
        "reason": st.just("gift"),
    },
)
bodies = plausible | st.dictionaries(st.sampled_from(FIELDS), anything) | anything


@pytest.mark.thorough
@settings(max_examples=40, deadline=None)
@given(calls=st.lists(st.tuples(st.sampled_from([*POSTS, "transactions/coupon"]), bodies), min_size=1, max_size=12))
async def test_no_body_makes_the_sandbox_fail_and_its_books_always_add_up(calls: list[tuple[str, Any]]) -> None:
    async with Sandbox() as sandbox:
        headers = {"APIKey": sandbox.api_key, "SecretKey": sandbox.secret_key}
        async with aiohttp.ClientSession(headers=headers) as session:
            for path, body in calls:
                url = f"{sandbox.base_url}/integrations/{path}"
                before = len(sandbox.ledger.transactions())
                answer = await session.post(url, data=json.dumps(body))
                answered = json.loads(await answer.read())
                written = len(sandbox.ledger.transactions()) - before
                assert answer.status < 500
                assert (answer.status == 200) == ("code" not in answered or "url" in answered)
                assert written == (0 if answer.status != 200 or path.endswith("hold") else 1)
        check_books(sandbox)


batches = st.fixed_dictionaries(
    {"method": st.just("POST"), "operation": st.sampled_from(["cashback", "redeem", "balance"])},
    optional={
        "body": st.lists(bodies, max_size=3) | st.fixed_dictionaries({"playerUniqueIds": st.lists(anything)}),
        "params": anything,
    },
)
CLIENT_FIELDS = ["name", "email", "mobile", "storeName", "domain", "country", "currency", "timezone", "status"]
clients = st.dictionaries(st.sampled_from(CLIENT_FIELDS), st.sampled_from(["a", "b"]) | anything)
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda word: set(word) != {"."}
)
FILTERS = ["page", "limit", "direction", "from", "to", "transactionId", "status", "playerUniqueId"]
filtered = st.dictionaries(st.sampled_from(FILTERS), words).map(lambda query: f"transaction/list?{urlencode(query)}")
handled = st.builds(
    lambda form, word: form.format(quote(word, safe="")),
    st.sampled_from(["order/{}/transactions", "batch/{}", "config/challenge/{}", "config?lang={}"]),
    words,
)


@settings(max_examples=40, deadline=None)
@given(body=batches | clients, question=filtered | handled, word=words)
async def test_no_partner_body_query_or_path_makes_the_sandbox_fail(body: Any, question: str, word: str) -> None:
    async with Sandbox(batch_polls=0) as sandbox:
        headers = {
            "APIKey": sandbox.api_key,
            "SecretKey": sandbox.secret_key,
            "Authorization": f"Bearer {sandbox.partner_token}",
            "storeId": quote(word),
        }
        base = f"{sandbox.base_url}/integrations"
        async with aiohttp.ClientSession(headers=headers) as session:
            for method, path in (("POST", "batch"), ("POST", "client"), ("PUT", "client")):
                answer = await session.request(method, f"{base}/{path}", data=json.dumps(body))
                assert answer.status < 500
                made = await answer.json()
                if "batchId" in made:
                    answer = await session.get(f"{base}/batch/{made['batchId']}")
                    assert (await answer.json())["status"] == "finished"
            for method in ("GET", "DELETE"):
                answer = await session.request(method, URL(f"{base}/{question}", encoded=True))
                assert answer.status < 500
                await answer.read()
            hold = URL(f"{base}/transaction/hold/{quote(word, safe='')}", encoded=True)
            assert (await session.delete(hold)).status == 422
        check_books(sandbox)


def check_books(sandbox: Sandbox) -> None:
    """Each balance is the sum of its lines, each id is used once, and no refund exceeds what it refunds."""
    entries = sandbox.ledger.transactions()
    balances: dict[str, int] = {}
    for entry in entries:
        assert entry.points >= 0
        assert entry.balance_before == balances.get(entry.player, 0)
        signed = entry.points if entry.direction == "+" else -entry.points
        assert entry.balance_after == entry.balance_before + signed
        balances[entry.player] = entry.balance_after
    for player, balance in balances.items():
        assert sandbox.ledger.balance(player) == balance
    assert len({entry.transaction_id for entry in entries}) == len(entries)
    for original in entries:
        refunds = [entry for entry in entries if entry.reverses == original.id]
        assert sum(entry.points for entry in refunds) <= original.points
        assert sum(entry.amount or 0 for entry in refunds) <= (original.amount or 0)

"""The client page, for partners: making clients, changing them, and keeping their keys to ourselves."""

import copy
import json
import logging
import pickle
import traceback
from typing import Any

import pytest

from gameball import (
    UNSET,
    AsyncGameball,
    ClientKeys,
    ClientStatus,
    CredentialsError,
    Gameball,
    GameballError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    PartnerClient,
    Retries,
    Secret,
)
from gameball.models.clients import ClientRequest, ClientUpdate
from gameball.resources import clients
from gameball.sandbox import Sandbox, faults
from tests.support.mock_api import Ask, MockApi
from tests.support.server import Server

pytestmark = pytest.mark.many_cases

PARTNER = {"partner_token": "partner-token-12345"}
ALL_KEYS = {**PARTNER, "api_key": "api-key-12345", "secret_key": "secret-key-12345"}
REQUIRED: dict[str, Any] = {
    "name": "Jon Snow",
    "email": "testEmail@email.com",
    "mobile": "+01010101010",
    "store_name": "MyNewStore",
    "domain": "mynewstore.com",
    "country": "Saudi Arabia",
    "currency": "USD",
    "time_zone": "GMT+1",
}
OPTIONAL: dict[str, Any] = {
    "is_loyalty_enabled": True,
    "custom_domain": "mynewstore.custom.com",
    "plan": "Pro",
    "status": "active",
    "subscription_id": 23,
}
API_KEY, SECRET_KEY = "e4ed9964dba843a98aa231cfca1c00ed", "0ba56fe05f604463a27b883809833a19"
CREATED = """{
    "apiKey": "e4ed9964dba843a98aa231cfca1c00ed",
    "secretKey": "0ba56fe05f604463a27b883809833a19",
    "gameballId": 12345
}"""
UPDATED = """{
    "id": 1234,
    "name": "Jon Snow",
    "email": "testEmail@email.com",
    "mobile": "+01010101010",
    "plan": "Pro",
    "isLoyaltyEnabled": true,
    "storeName": "MyNewStore",
    "domain": "mynewstore.com",
    "customDomain": "mynewstore.custom.com",
    "currency": "USD",
    "timezone": "GMT+1",
    "status": "active",
    "country": "Saudi Arabia",
    "subscriptionId": 23
  }"""


def partner(sandbox: Sandbox) -> dict[str, Any]:
    return {"partner_token": sandbox.partner_token, "base_url": sandbox.base_url}


# --- making


async def test_the_pages_sample_client_is_made_and_its_keys_are_read(call: Ask, api: MockApi) -> None:
    api.to("POST").answer(CREATED)

    made = await call("clients.create", settings=ALL_KEYS, **REQUIRED, **OPTIONAL)

    assert made == ClientKeys(api_key=Secret(API_KEY), secret_key=Secret(SECRET_KEY), gameball_id=12345)
    assert (made.api_key.reveal(), made.secret_key.reveal()) == (API_KEY, SECRET_KEY)
    (sent,) = api.sent
    assert (sent.method, sent.target) == ("POST", "/integrations/client")
    assert sent.body == (
        b'{"name":"Jon Snow","email":"testEmail@email.com","mobile":"+01010101010","storeName":"MyNewStore",'
        b'"domain":"mynewstore.com","country":"Saudi Arabia","currency":"USD","timeZone":"GMT+1",'
        b'"isLoyaltyEnabled":true,"customDomain":"mynewstore.custom.com","plan":"Pro","status":"active",'
        b'"subscriptionId":23}'
    )


async def test_what_is_not_given_of_a_new_client_is_not_sent(call: Ask, api: MockApi) -> None:
    api.to("POST").answer(CREATED)
    await call("clients.create", settings=PARTNER, **REQUIRED)
    assert json.loads(api.sent[0].body or b"") == {
        "name": "Jon Snow",
        "email": "testEmail@email.com",
        "mobile": "+01010101010",
        "storeName": "MyNewStore",
        "domain": "mynewstore.com",
        "country": "Saudi Arabia",
        "currency": "USD",
        "timeZone": "GMT+1",
    }


@pytest.mark.parametrize("settings", [PARTNER, ALL_KEYS])
async def test_partners_calls_carry_the_token_and_no_accounts_keys(
    call: Ask, api: MockApi, settings: dict[str, str]
) -> None:
    api.to("POST").answer(CREATED)
    api.to("PUT").answer(UPDATED)
    await call("clients.create", settings=settings, **REQUIRED)
    await call("clients.update", "MyNewStore", settings=settings, name="New Name")
    for sent in api.sent:
        assert sent.headers["Authorization"] == "Bearer partner-token-12345"
        assert not {"apikey", "secretkey"} & {name.casefold() for name in sent.headers}


async def test_without_a_token_nothing_is_sent(call: Ask, api: MockApi) -> None:
    with pytest.raises(CredentialsError, match="no partner_token: pass it, or set GAMEBALL_PARTNER_TOKEN"):
        await call("clients.create", **REQUIRED)
    with pytest.raises(CredentialsError):
        await call("clients.update", "store", name="New Name")
    assert api.sent == []


async def test_with_a_token_alone_no_points_are_moved(call: Ask, api: MockApi) -> None:
    with pytest.raises(CredentialsError, match="no api_key"):
        await call("configurations.get", settings=PARTNER)
    with pytest.raises(CredentialsError, match="no api_key"):
        await call("batches.get", "1", settings=PARTNER)
    assert api.sent == []


@pytest.mark.parametrize(
    ("change", "field"),
    [({name: bad}, name) for name in REQUIRED for bad in ("", " ", None, 12)]
    + [
        ({"is_loyalty_enabled": "yes"}, "is_loyalty_enabled"),
        ({"is_loyalty_enabled": 1}, "is_loyalty_enabled"),
        ({"custom_domain": ""}, "custom_domain"),
        ({"plan": 1}, "plan"),
        ({"status": ""}, "status"),
        ({"subscription_id": -1}, "subscription_id"),
        ({"subscription_id": True}, "subscription_id"),
        ({"subscription_id": "23"}, "subscription_id"),
        ({"name": "\ud800"}, "name"),
    ],
)
async def test_what_breaks_a_rule_is_refused_before_anything_is_sent(
    call: Ask, api: MockApi, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{field} ") as caught:
        await call("clients.create", settings=PARTNER, **{**REQUIRED, **change})
    assert caught.value.field == field
    if None not in change.values():
        with pytest.raises(InvalidRequestError, match=f"^{field} "):
            await call("clients.update", "store", settings=PARTNER, **change)
    assert api.sent == []


@pytest.mark.parametrize("number", ["12345", '"12345"', "12345.0"])
async def test_a_new_clients_number_is_whole_however_it_is_written(call: Ask, api: MockApi, number: str) -> None:
    api.to("POST").answer(f'{{"ApiKey": "a-key", "secretkey": "s-key", "gameballID": {number}}}')
    assert (await call("clients.create", settings=PARTNER, **REQUIRED)).gameball_id == 12345


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("", 500),
        ("<html>", 200),
        (f'{{"apiKey": "{API_KEY}", "gameballId": 12345}}', 200),
        (f'{{"apiKey": "{API_KEY}", "secretKey": null}}', 201),
        (f'{{"apiKey": "{API_KEY}", "secretKey": ["{SECRET_KEY}"]}}', 200),
        (f'{{"apiKey": "{API_KEY}", "secretKey": "{SECRET_KEY}", "gameballId": "{SECRET_KEY}"}}', 200),
        (f'{{"apiKey": "{API_KEY}", "secretKey": "{SECRET_KEY}', 200),
    ],
)
async def test_a_client_that_may_have_been_made_is_not_made_again_and_no_key_is_told(
    call: Ask, api: MockApi, caplog: pytest.LogCaptureFixture, answer: str, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    api.to("POST").answer(answer, status=status)
    with pytest.raises(OutcomeUnknownError, match="its keys were only in the answer that did not come") as caught:
        await call("clients.create", settings=PARTNER, **REQUIRED)
    assert len(api.sent) == 1
    error = caught.value
    shown = f"{error} {error!r} {vars(error)} {''.join(traceback.format_exception(error))} {caplog.text}"
    shown += repr(pickle.dumps(error))
    assert not [key for key in (API_KEY, SECRET_KEY, PARTNER["partner_token"]) if key in shown]


async def test_a_lost_creation_is_never_repeated(call: Ask, sandbox: Sandbox) -> None:
    sandbox.faults.arm("clients.create", faults.Reset(), effect="after")
    with pytest.raises(OutcomeUnknownError):
        await call("clients.create", settings=partner(sandbox), **REQUIRED)
    assert len(sandbox.requests) == 1


# --- changing


async def test_the_pages_sample_update_is_sent_and_its_answer_is_read(call: Ask, api: MockApi) -> None:
    api.to("PUT").answer(UPDATED)

    client = await call(
        "clients.update",
        "MyNewStore",
        settings=PARTNER,
        status="trialing",
        name="New Name",
        email="newemail@email.com",
        mobile="010010101010",
        store_name="NewStoreName",
        is_loyalty_enabled=True,
    )

    assert client == PartnerClient(
        id=1234,
        name="Jon Snow",
        email="testEmail@email.com",
        mobile="+01010101010",
        plan="Pro",
        is_loyalty_enabled=True,
        store_name="MyNewStore",
        domain="mynewstore.com",
        custom_domain="mynewstore.custom.com",
        currency="USD",
        time_zone="GMT+1",
        status=ClientStatus.ACTIVE,
        country="Saudi Arabia",
        subscription_id=23,
    )
    (sent,) = api.sent
    assert (sent.method, sent.target) == ("PUT", "/integrations/client")
    assert sent.headers["storeId"] == "MyNewStore"
    assert json.loads(sent.body or b"") == {
        "status": "trialing",
        "name": "New Name",
        "email": "newemail@email.com",
        "mobile": "010010101010",
        "storeName": "NewStoreName",
        "isLoyaltyEnabled": True,
    }


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({"plan": "Pro"}, b'{"plan":"Pro"}'),
        ({"plan": None}, b'{"plan":null}'),
        ({"plan": None, "name": UNSET}, b'{"plan":null}'),
        ({"is_loyalty_enabled": False}, b'{"isLoyaltyEnabled":false}'),
        ({"is_loyalty_enabled": None}, b'{"isLoyaltyEnabled":null}'),
        ({"subscription_id": 0}, b'{"subscriptionId":0}'),
        ({"subscription_id": None, "time_zone": "GMT"}, b'{"timeZone":"GMT","subscriptionId":null}'),
        (
            dict.fromkeys([*REQUIRED, *OPTIONAL]),
            (
                b'{"name":null,"email":null,"mobile":null,"storeName":null,"domain":null,"country":null,"currency":null,'
                b'"timeZone":null,"isLoyaltyEnabled":null,"customDomain":null,"plan":null,"status":null,'
                b'"subscriptionId":null}'
            ),
        ),
        (
            {**REQUIRED, **OPTIONAL},
            (
                b'{"name":"Jon Snow","email":"testEmail@email.com","mobile":"+01010101010","storeName":"MyNewStore",'
                b'"domain":"mynewstore.com","country":"Saudi Arabia","currency":"USD","timeZone":"GMT+1",'
                b'"isLoyaltyEnabled":true,"customDomain":"mynewstore.custom.com","plan":"Pro","status":"active",'
                b'"subscriptionId":23}'
            ),
        ),
    ],
)
async def test_what_is_left_is_not_sent_and_none_is_sent_as_null(
    call: Ask, api: MockApi, changes: dict[str, Any], body: bytes
) -> None:
    api.to("PUT").answer(UPDATED)
    await call("clients.update", "store", settings=PARTNER, **changes)
    assert api.sent[0].body == body


@pytest.mark.parametrize("changes", [{}, {"name": UNSET, "plan": UNSET}])
async def test_an_update_of_nothing_is_refused(call: Ask, api: MockApi, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="give at least one field to update"):
        await call("clients.update", "store", settings=PARTNER, **changes)
    assert api.sent == []


@pytest.mark.parametrize("store_id", ["", " ", "a\r\nAPIKey: b", "a\x00", "Läden", 12, None])
async def test_a_store_that_cannot_travel_in_a_header_is_refused(call: Ask, api: MockApi, store_id: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^store_id "):
        await call("clients.update", store_id, settings=PARTNER, name="New Name")
    assert api.sent == []


@pytest.mark.parametrize(
    ("answer", "field", "value"),
    [
        ('{"id": "1234"}', "id", 1234),
        ('{"id": 1, "timeZone": "GMT"}', "time_zone", "GMT"),
        ('{"id": 1, "timezone": "GMT"}', "time_zone", "GMT"),
        ('{"id": 1, "TimeZone": "GMT"}', "time_zone", "GMT"),
        ('{"id": 1, "status": "trialing"}', "status", "trialing"),
        ('{"id": 1, "status": "Suspended"}', "status", ClientStatus.SUSPENDED),
        ('{"id": 1, "status": "on a break"}', "status", "on a break"),
        ('{"id": 1, "subscriptionId": "23"}', "subscription_id", 23),
        ('{"id": 1, "isLoyaltyEnabled": "False"}', "is_loyalty_enabled", False),
        ('{"id": 1, "plan": null}', "plan", None),
        ('{"id": 1}', "status", None),
    ],
)
async def test_an_updated_client_is_read_in_every_spelling(
    call: Ask, api: MockApi, answer: str, field: str, value: object
) -> None:
    api.to("PUT").answer(answer)
    client = await call("clients.update", "store", settings=PARTNER, name="New Name")
    assert getattr(client, field) == value


async def test_a_lost_update_is_sent_again_byte_for_byte(call: Ask, api: MockApi) -> None:
    api.to("PUT").answer("", status=502)
    api.to("PUT").answer(UPDATED)
    settings = {**PARTNER, "retries": Retries(attempts=2, backoff=0.001)}
    assert (await call("clients.update", "store", settings=settings, name="New Name")).id == 1234
    first, second = api.sent
    assert first == second


async def test_an_unknown_store_is_not_found(call: Ask, sandbox: Sandbox) -> None:
    with pytest.raises(NotFoundError):
        await call("clients.update", "nowhere", settings=partner(sandbox), name="New Name")


async def test_the_bytes_of_an_update_are_exact_on_a_real_socket(call: Ask, server: Server) -> None:
    server.script(server.answer(UPDATED.encode()))
    await call("clients.update", "My store #1", settings=ALL_KEYS, base_url=server.base_url, plan=None)
    assert server.only.line == "PUT /api/v3.0/integrations/client HTTP/1.1"
    head, body = server.only.head, server.only.body
    assert body == b'{"plan":null}'
    assert server.only.headers["storeId"] == "My store #1"
    assert [name for name, value in server.only.headers.items() if "12345" in value] == ["Authorization"]
    assert b"key-12345" not in head


# --- the new keys


@pytest.fixture
def made() -> ClientKeys:
    return ClientKeys(api_key=Secret(API_KEY), secret_key=Secret(SECRET_KEY), gameball_id=12345)


def test_new_keys_are_shown_nowhere(made: ClientKeys) -> None:
    shown = f"{made} {made!r} {made.api_key} {made.secret_key!r} {made.secret_key:>50} {[made]} {vars_of(made)}"
    assert "****" in shown
    assert API_KEY not in shown
    assert SECRET_KEY not in shown


def vars_of(made: ClientKeys) -> dict[str, Any]:
    return {name: getattr(made, name) for name in ("api_key", "secret_key", "gameball_id")}


def test_new_keys_are_not_pickled_nor_deeply_copied(made: ClientKeys) -> None:
    """A masked copy would look like the only keys there are."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(made)
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.deepcopy(made)


def test_new_keys_work_when_they_are_handed_to_a_client(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[Any] = []
    with Gameball(partner_token=sandbox.partner_token, base_url=sandbox.base_url, observers=[seen.append]) as mine:
        new = mine.clients.create(**REQUIRED)
        delivered = mine.deliver(clients.update("MyNewStore", ClientUpdate(plan="Pro")))
    assert delivered.value.plan == "Pro"

    with Gameball(new.api_key, new.secret_key, base_url=sandbox.base_url, observers=[seen.append]) as theirs:
        reward = theirs.transactions.cashback(player_unique_id="p", transaction_id="t", amount=100)
        with pytest.raises(GameballError) as caught:
            theirs.transactions.cashback(player_unique_id="p2", transaction_id="t", amount=100)

    assert sandbox.ledger.balance("p", account=new.gameball_id or 0) == reward.rewarded_points == 20
    assert sandbox.ledger.balance("p") == 0
    shown = f"{caplog.text} {new!r} {theirs!r} {seen!r} {caught.value!r} {vars(caught.value)} {delivered!r}"
    shown += "".join(traceback.format_exception(caught.value))
    assert not [key for key in (new.api_key, new.secret_key) if key.reveal() in shown]


async def test_new_keys_work_when_they_are_handed_to_an_awaited_client(sandbox: Sandbox) -> None:
    async with AsyncGameball(partner_token=sandbox.partner_token, base_url=sandbox.base_url) as mine:
        new = await mine.clients.create(**REQUIRED)
    async with AsyncGameball(new.api_key, new.secret_key, base_url=sandbox.base_url) as theirs:
        assert (await theirs.configurations.get()).currency == "USD"


def test_how_a_creation_went_shows_no_keys(sandbox: Sandbox) -> None:
    with Gameball(partner_token=sandbox.partner_token, base_url=sandbox.base_url) as mine:
        delivered = mine.deliver(clients.create(ClientRequest(**REQUIRED)))
    assert delivered.value.api_key.reveal() == delivered.json["apiKey"]
    assert delivered.json["apiKey"] not in repr(delivered)
    with pytest.raises(TypeError):
        pickle.dumps(delivered)


# --- people's addresses


REACHED_BY = {"email": REQUIRED["email"], "mobile": REQUIRED["mobile"]}


@pytest.mark.parametrize(
    "value",
    [ClientRequest(**REQUIRED), ClientUpdate(**REACHED_BY), PartnerClient(id=1, **REACHED_BY)],
    ids=lambda value: type(value).__name__,
)
def test_email_and_mobile_are_in_no_repr(value: object) -> None:
    assert REQUIRED["email"] not in repr(value)
    assert REQUIRED["mobile"] not in repr(value)
    assert repr(UNSET) == "UNSET"

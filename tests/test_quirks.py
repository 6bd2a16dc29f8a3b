"""All 18 endpoints against a sandbox that answers with the contradictions of the API's pages, on both faces.

What is read must mean the same as from a sandbox that answers as its tables say.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import attrs
import pytest

from gameball import (
    AsyncGameball,
    CashbackRequest,
    Gameball,
    HoldNotFoundError,
    PlayerNotFoundError,
    RedeemRequest,
    TransactionType,
)
from gameball.sandbox import Sandbox
from tests.support.waits import with_waits

Ask = Callable[..., Awaitable[Any]]

REFERENCES = {"hold_reference", "code", "api_key", "secret_key", "batch_id", "coupon_code"}
"""Drawn at random by every sandbox."""


def time(second: int) -> datetime:
    return datetime(2024, 5, 6, 7, 8, second, 123456, tzinfo=UTC)


async def tour(ask: Ask) -> dict[str, Any]:
    """Every endpoint once or more; what each gave."""
    answers: dict[str, Any] = {}
    player: dict[str, Any] = {"player_unique_id": "p"}

    async def note(name: str, /, *args: Any, **arguments: Any) -> Any:
        answers[f"{len(answers):02} {name}"] = value = await ask(name, *args, **arguments)
        return value

    await note("transactions.cashback", **player, transaction_id="t1", amount=1000, transaction_time=time(1))
    manual = {"username": "u", "reason": "r", "transaction_time": time(2)}
    await note("transactions.manual", **player, transaction_id="t2", points=500, **manual)
    await note("transactions.redeem", **player, transaction_id="t3", redeemed_amount=1, transaction_time=time(3))
    hold = await note("transactions.hold", **player, hold_points=50, transaction_time=time(4))
    await note(
        "transactions.redeem",
        **player,
        transaction_id="t4",
        hold_reference=hold.hold_reference,
        transaction_time=time(5),
    )
    reversed_hold = await note("transactions.hold", **player, amount=0.25, transaction_time=time(6))
    await note("transactions.reverse_hold", reversed_hold.hold_reference)
    await note(
        "transactions.refund",
        **player,
        transaction_id="t5",
        original_transaction_id="t1",
        amount=100,
        transaction_time=time(7),
    )
    await note("transactions.for_order", "t1")
    await note("transactions.create_coupon", **player, rule_id=1976)
    await note("transactions.list", page=1, limit=3)
    await note("transactions.list", status="Active", direction="-", transaction_id="t3")

    rows = [CashbackRequest(**player, transaction_id=f"b{n}", amount=10, transaction_time=time(10 + n)) for n in (1, 2)]
    batch_id = await note("batches.start_cashback", rows)
    await note("batches.get", batch_id)
    await note("batches.get", batch_id)
    await note("batches.wait", batch_id)
    redeem = [
        RedeemRequest(player_unique_id=name, transaction_id=f"r {name}", redeemed_amount=1, transaction_time=time(20))
        for name in ("p", "nobody")
    ]
    await note("batches.wait", await note("batches.start_redeem", redeem))
    await note("batches.wait", await note("batches.start_balance", ["p", "nobody"]))
    stopped = await note("batches.start_balance", ["p"])
    await note("batches.stop", stopped)
    await note("batches.wait", stopped)

    shop = {"name": "n", "email": "e", "mobile": "m", "domain": "d", "country": "c", "currency": "USD"}
    await note("clients.create", **shop, store_name="store", time_zone="GMT", subscription_id=23)
    await note("clients.update", "store", plan="Pro", status="trialing", custom_domain=None)

    await note("configurations.get", lang="en")
    await note("configurations.challenge", "3350")
    await note("configurations.challenge", "free shirt", lang="en")
    await note("configurations.redemption", lang="en")
    await note("configurations.cashback")
    return answers


def meaning(value: Any, name: str = "") -> Any:  # noqa: PLR0911 (one line for each kind of value)
    """The value without what differs from one sandbox to the next, or is another word for the same."""
    if attrs.has(type(value)):
        return type(value), {a.name: meaning(getattr(value, a.name), a.name) for a in attrs.fields(type(value))}
    if isinstance(value, tuple):
        return tuple(meaning(item, name) for item in value)
    if value is None:
        return None
    if name in REFERENCES or name.endswith("start"):
        assert value
        return type(value)
    if name == "gameball_transaction_id":
        return value.removeprefix("gbtrx")
    if isinstance(value, datetime) and (ahead := value - datetime.now(UTC)) > -timedelta(minutes=10):
        return round(ahead / timedelta(days=30))  # stamped by the sandbox, with or without fractions of a second
    if name == "transaction_id" and len(value) == 32:
        return "the sandbox's own"
    return TransactionType.CASH_BACK if value == TransactionType.PAYMENT_REWARD else value


async def toured(face: str, *, quirks: bool) -> dict[str, Any]:
    with Sandbox(quirks=quirks) as sandbox:
        settings: dict[str, Any] = {
            "api_key": sandbox.api_key,
            "secret_key": sandbox.secret_key,
            "partner_token": sandbox.partner_token,
            "base_url": sandbox.base_url,
        }
        if face == "awaited":
            async with with_waits(AsyncGameball(**settings)) as client:
                answers = await tour(lambda name, /, *args, **more: attrgetter(name)(client)(*args, **more))
        else:
            with with_waits(Gameball(**settings)) as plain:
                answers = await tour(
                    lambda name, /, *args, **more: asyncio.to_thread(attrgetter(name)(plain), *args, **more)
                )
        asked = {request.operation for request in sandbox.requests}
    assert len(asked) == 18
    assert None not in asked
    return answers


@pytest.fixture
async def as_the_tables_say() -> dict[str, Any]:
    return await toured("awaited", quirks=False)


@pytest.mark.parametrize("face", ["awaited", "plain"])
async def test_every_answer_means_the_same_however_it_is_written(face: str, as_the_tables_say: dict[str, Any]) -> None:
    contradicted = await toured(face, quirks=True)

    assert list(contradicted) == list(as_the_tables_say)
    for name, value in contradicted.items():
        call = name.partition(".")[2]
        assert meaning(value, call.partition("_")[0]) == meaning(as_the_tables_say[name], call.partition("_")[0]), name


async def test_the_answers_were_contradictory_indeed() -> None:
    """Were the quirks off, the test above would prove nothing."""
    with (
        Sandbox(quirks=True) as sandbox,
        Gameball("sandbox-api-key", "sandbox-secret-key", base_url=sandbox.base_url) as client,
    ):
        raw = client.request("GET", "/integrations/client/cashback")
        assert "isDefaultRule" in raw["cashbackRules"][0]
        assert set(client.request("GET", "/integrations/config/challenge/3350")) == {"challengesConfig"}
        start = {"method": "POST", "operation": "balance", "params": {}, "body": {"playerUniqueIds": ["p"]}}
        assert set(client.request("POST", "/integrations/batch", json=start)) == {"jobId"}


def test_refusals_are_the_same_with_quirks() -> None:
    with (
        Sandbox(quirks=True) as sandbox,
        Gameball("sandbox-api-key", "sandbox-secret-key", base_url=sandbox.base_url) as client,
    ):
        with pytest.raises(PlayerNotFoundError):
            client.transactions.hold(player_unique_id="nobody", hold_points=1)
        with pytest.raises(HoldNotFoundError):
            client.transactions.reverse_hold("12")

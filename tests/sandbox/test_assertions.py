"""What tests claim of a ledger, and what they are shown when it does not hold."""

from collections.abc import Callable

import aiohttp
import pytest

from gameball.sandbox import Sandbox
from gameball.sandbox.ledger import Ledger
from tests.support.sandbox_api import Api


async def one_of_each(api: Api) -> None:
    """Of every kind that has an id, one, each sent twice: the repetition is refused."""
    for kind, body in (
        ("cashback", {"transactionId": "paid", "amount": 100}),
        ("manual", {"transactionId": "gift", "points": 500, "username": "ops", "reason": "thanks"}),
        ("redeem", {"transactionId": "spent", "redeemedAmount": 1}),
        ("refund", {"transactionId": "back", "reverseTransactionId": "paid", "amount": 50}),
    ):
        assert (await api.transact(kind, **body)).status == 200
        assert (await api.transact(kind, **body)).code == 305


async def test_what_was_booked_once_is_once_whatever_was_refused_later(api: Api, sandbox: Sandbox) -> None:
    await one_of_each(api)
    ledger = sandbox.ledger
    assert ledger.assert_rewarded_once("paid").points == 20
    assert ledger.assert_adjusted_once("gift").points == 500
    assert ledger.assert_redeemed_once("spent").points == 100
    assert ledger.assert_refunded_once("back", player="player123").points == 10
    ledger.assert_balance("player123", 20 + 500 - 100 - 10)


async def test_an_id_counts_for_its_own_kind_only(api: Api, sandbox: Sandbox) -> None:
    await one_of_each(api)
    assert (await api.transact("redeem", transactionId="paid", redeemedAmount=1)).code == 305
    ledger = sandbox.ledger
    ledger.assert_not_redeemed("paid")
    ledger.assert_not_refunded("paid")
    ledger.assert_not_adjusted("spent")
    ledger.assert_not_rewarded("gift")


async def test_a_full_refund_counts_as_one(api: Api, sandbox: Sandbox) -> None:
    await api.transact("cashback", transactionId="paid", amount=100)
    await api.transact("refund", transactionId="all", reverseTransactionId="paid")
    sandbox.ledger.assert_refunded_once("all")
    sandbox.ledger.assert_rewarded_once("paid")


async def test_a_refused_transaction_is_none(api: Api, sandbox: Sandbox) -> None:
    await api.give(10)
    assert (await api.transact("redeem", transactionId="spent", redeemedAmount=1000)).code == 309
    sandbox.ledger.assert_not_redeemed("spent")
    with pytest.raises(AssertionError, match=r"^spent was never redeemed; the ledger:"):
        sandbox.ledger.assert_redeemed_once("spent")


async def test_points_are_counted_with_and_without_those_that_are_held(api: Api, sandbox: Sandbox) -> None:
    await api.give(500)
    assert (await api.transact("hold", holdPoints=200)).status == 200
    sandbox.ledger.assert_balance("player123", 500)
    sandbox.ledger.assert_held("player123", 200)
    sandbox.clock.advance(minutes=10)
    sandbox.ledger.assert_held("player123", 0)
    sandbox.ledger.assert_balance("nobody", 0)


async def test_a_failure_shows_the_players_ledger_and_marks_the_transaction(api: Api, sandbox: Sandbox) -> None:
    await api.transact("cashback", transactionId="other", playerUniqueId="another", amount=10)
    await one_of_each(api)
    with pytest.raises(AssertionError) as caught:
        sandbox.ledger.assert_not_rewarded("paid")
    assert str(caught.value) == (
        "paid was rewarded once; the ledger of player123:\n"
        "\n"
        "   id  transaction  player     type                points  amount  balance  time\n"
        ">   2  paid         player123  PaymentReward          +20     100       20  2024-01-01T00:00:02.000000Z\n"
        "    3  gift         player123  ManualAccumulation    +500    5.00      520  2024-01-01T00:00:04.000000Z\n"
        "    4  spent        player123  Redemption            -100       1      420  2024-01-01T00:00:06.000000Z\n"
        "    5  back         player123  PartialRefund          -10      50      410  2024-01-01T00:00:08.000000Z\n"
    )


async def test_a_misspelt_id_shows_the_latest_lines_of_shownplayers(api: Api, sandbox: Sandbox) -> None:
    for number in range(25):
        await api.transact("cashback", transactionId=f"order-{number}", playerUniqueId=f"player-{number}", amount=10)
    with pytest.raises(
        AssertionError, match=r"^ordre-1 was never rewarded; the ledger, without 5 earlier lines:"
    ) as shown:
        sandbox.ledger.assert_rewarded_once("ordre-1")
    assert "order-4 " not in str(shown.value)
    assert "order-5 " in str(shown.value)


async def test_an_early_line_that_is_concerned_is_shown_however_many_follow(api: Api, sandbox: Sandbox) -> None:
    for number in range(25):
        await api.transact("cashback", transactionId=f"order-{number}", amount=10)
    with pytest.raises(AssertionError, match=r"without 4 earlier lines:[^>]+\n> +1 +order-0 .+\n +6 +order-5 "):
        sandbox.ledger.assert_not_rewarded("order-0")


async def test_an_id_of_two_players_is_once_for_each_of_them() -> None:
    async with Sandbox(id_scope="player") as sandbox:
        keys = {"APIKey": sandbox.api_key, "SecretKey": sandbox.secret_key}
        async with aiohttp.ClientSession(headers=keys) as session:
            api = Api(session, sandbox)
            for player in ("ada", "bob"):
                await api.transact("cashback", playerUniqueId=player, transactionId="order", amount=10)
        sandbox.ledger.assert_rewarded_once("order", player="ada")
        with pytest.raises(AssertionError, match=r"^order was rewarded twice; the ledger of ada, bob:"):
            sandbox.ledger.assert_rewarded_once("order")
        with pytest.raises(AssertionError, match=r"^order of carl was never rewarded; the ledger of ada, bob, carl:"):
            sandbox.ledger.assert_rewarded_once("order", player="carl")


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (lambda ledger: ledger.assert_balance("ada", 5), "ada has 0 points, not 5; the ledger of ada is empty"),
        (lambda ledger: ledger.assert_held("ada", 5), "0 points of ada are held, not 5; the ledger of ada is empty"),
        (lambda ledger: ledger.assert_refunded_once("r"), "r was never refunded; the ledger is empty"),
        (lambda ledger: ledger.assert_adjusted_once("m"), "m was never adjusted; the ledger is empty"),
    ],
)
def test_an_empty_ledger_is_called_so(claim: Callable[[Ledger], object], sentence: str) -> None:
    with Sandbox() as sandbox, pytest.raises(AssertionError) as caught:
        claim(sandbox.ledger)
    assert str(caught.value) == sentence


def test_partners_clients_have_ledgers_of_their_own() -> None:
    with Sandbox() as sandbox:
        sandbox.ledger.assert_not_rewarded("paid", account=2)
        with pytest.raises(AssertionError, match="the ledger is empty"):
            sandbox.ledger.assert_rewarded_once("paid", account=2)


@pytest.mark.parametrize(
    "claim",
    [
        lambda ledger: ledger.assert_rewarded_once(None),
        lambda ledger: ledger.assert_not_rewarded(17),
        lambda ledger: ledger.assert_redeemed_once("spent", player=17),
        lambda ledger: ledger.assert_balance(None, 0),
    ],
)
def test_an_id_that_is_no_text_proves_nothing(claim: Callable[[Ledger], object]) -> None:
    with Sandbox() as sandbox, pytest.raises(TypeError, match=r"^(transaction_id|player) must be a str, not "):
        claim(sandbox.ledger)

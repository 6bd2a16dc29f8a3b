"""Refunds, and the transactions of an order."""

from gameball.sandbox import Sandbox
from tests.support.sandbox_api import Api


async def test_a_cancelled_cashback_takes_its_points_back(api: Api, sandbox: Sandbox) -> None:
    await api.transact("cashback", transactionId="order", transactionTime="2021-10-19T21:46:24Z", amount=70)
    reply = await api.transact(
        "refund",
        transactionId="return",
        reverseTransactionId="order",
        transactionTime="2021-10-20T21:46:24Z",
        amount=None,
        lineItems=[{"productId": "p_01", "quantity": 1}],
    )

    assert reply.json == {
        "orderTransactions": [
            {
                "transactionDate": "2021-10-19T21:46:24.000Z",
                "gameballTransactionId": 1,
                "transactionType": "Payment",
                "amount": 70,
                "equivalentPoints": 14,
                "transactionId": "order",
            },
            {
                "transactionDate": "2021-10-20T21:46:24.000Z",
                "gameballTransactionId": 2,
                "transactionType": "Cancel",
                "amount": 70,
                "equivalentPoints": 14,
                "transactionId": "return",
            },
        ]
    }
    assert sandbox.ledger.balance("player123") == 0


async def test_a_refunded_redemption_gives_its_points_back(api: Api, sandbox: Sandbox) -> None:
    await api.give(200)
    await api.transact("redeem", transactionId="order", redeemedAmount=2)
    reply = await api.transact("refund", reverseTransactionId="order")

    types = [row["transactionType"] for row in reply.json["orderTransactions"]]
    assert types == ["Redemption", "Refund"]
    assert sandbox.ledger.balance("player123") == 200
    assert sandbox.ledger.transactions("player123")[-1].direction == "+"


async def test_parts_are_proportional_and_never_exceed_the_whole(api: Api, sandbox: Sandbox) -> None:
    await api.transact("cashback", transactionId="order", amount=10)
    balances = []
    for amount in (3.33, 3.33, 500):
        assert (await api.transact("refund", reverseTransactionId="order", amount=amount)).status == 200
        balances.append(sandbox.ledger.balance("player123"))

    assert balances == [1, 1, 0]
    [_, *refunds] = sandbox.ledger.transactions("player123")
    assert [entry.type for entry in refunds] == ["PartialRefund", "PartialRefund", "Cancel"]
    assert sum(entry.amount or 0 for entry in refunds) == 10
    assert (await api.transact("refund", reverseTransactionId="order", amount=1)).code == 302


async def test_without_an_amount_all_that_is_left_is_taken_back(api: Api, sandbox: Sandbox) -> None:
    await api.transact("cashback", transactionId="order", amount=100)
    await api.transact("refund", reverseTransactionId="order", amount=25)
    await api.transact("refund", reverseTransactionId="order")

    assert sandbox.ledger.balance("player123") == 0
    assert (await api.transact("refund", reverseTransactionId="order")).code == 302


async def test_points_already_spent_leave_the_balance_below_zero(api: Api, sandbox: Sandbox) -> None:
    await api.transact("cashback", transactionId="order", amount=1000)
    await api.transact("redeem", redeemedAmount=1.5)
    await api.transact("refund", reverseTransactionId="order")

    assert sandbox.ledger.balance("player123") == -150
    assert (await api.transact("redeem", redeemedAmount=0.01)).code == 309


async def test_an_unknown_original_cannot_be_refunded_nor_another_players(api: Api) -> None:
    await api.give(10, player="another")
    await api.transact("cashback", transactionId="order", amount=100)

    assert (await api.transact("refund", reverseTransactionId="nothing")).code == 306
    other = await api.transact("refund", playerUniqueId="another", reverseTransactionId="order")
    assert other.code == 306


async def test_only_cashbacks_and_redemptions_can_be_taken_back(api: Api) -> None:
    await api.transact("cashback", transactionId="order", amount=100)
    await api.transact("refund", transactionId="return", reverseTransactionId="order", amount=1)
    await api.transact("manual", transactionId="gift", points=5, username="admin", reason="gift")

    assert (await api.transact("refund", reverseTransactionId="return")).code == 301
    assert (await api.transact("refund", reverseTransactionId="gift")).code == 301


async def test_a_repeated_refund_is_refused_as_a_repeated_id(api: Api) -> None:
    await api.transact("cashback", transactionId="order", amount=100)
    await api.transact("refund", transactionId="return", reverseTransactionId="order")

    assert (await api.transact("refund", transactionId="return", reverseTransactionId="order")).code == 305


async def test_an_order_lists_its_payment_and_its_refunds(api: Api) -> None:
    await api.transact("cashback", transactionId="order/1 {é}", amount=100)
    await api.transact("cashback", transactionId="order/2", amount=100)
    await api.transact("refund", reverseTransactionId="order/1 {é}", amount=10)

    reply = await api.get("order/order%2F1%20%7B%C3%A9%7D/transactions")
    rows = reply.json["orderTransactions"]
    assert [row["transactionType"] for row in rows] == ["Payment", "PartialRefund"]
    assert (reply.json["total"], reply.json["count"]) == (2, 2)


async def test_an_unknown_order_has_no_transactions(api: Api) -> None:
    reply = await api.get("order/nothing/transactions")

    assert reply.json == {"orderTransactions": [], "total": 0, "count": 0}

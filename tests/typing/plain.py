"""What a type checker sees of Gameball.

A line that carries "ignore" is one that both checkers must flag: an ignore without an error is an error itself.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, assert_type

from gameball import (
    UNSET,
    Batch,
    BulkPlan,
    BulkReport,
    CashbackConfiguration,
    CashbackRequest,
    CashbackReward,
    ChallengeConfiguration,
    ClientKeys,
    Configuration,
    Coupon,
    Delivered,
    Gameball,
    Hold,
    ManualTransaction,
    OrderTransactions,
    PartnerClient,
    RedeemRequest,
    Redemption,
    RedemptionConfiguration,
    Replay,
    RowResult,
    Transaction,
    TransactionPage,
)
from gameball.core.methods import Sync
from gameball.resources.batches import Batches
from gameball.resources.clients import Clients
from gameball.resources.configurations import Configurations
from gameball.resources.transactions import Transactions, cashback

client = Gameball("key", "secret")
assert_type(client.transactions, Transactions[Sync])
assert_type(client.batches, Batches[Sync])
assert_type(client.clients, Clients[Sync])
assert_type(client.configurations, Configurations[Sync])
payment = CashbackRequest(player_unique_id="p", transaction_id="t", amount=1)


def every_call_gives_its_own_type() -> None:
    transactions = client.transactions
    assert_type(transactions.cashback(player_unique_id="p", transaction_id="t", amount=1), CashbackReward)
    assert_type(transactions.redeem(player_unique_id="p", transaction_id="t", redeemed_amount=1), Redemption)
    assert_type(
        transactions.refund(player_unique_id="p", transaction_id="t", original_transaction_id="o"),
        OrderTransactions,
    )
    assert_type(transactions.hold(player_unique_id="p", hold_points=10), Hold)
    assert_type(
        transactions.manual(player_unique_id="p", transaction_id="t", username="u", reason="r", points=1),
        ManualTransaction,
    )
    assert_type(transactions.list(page=1, limit=200), TransactionPage)
    assert_type(transactions.for_order("o"), OrderTransactions)
    assert_type(transactions.create_coupon(player_unique_id="p", rule_id=1), Coupon)
    assert_type(transactions.reverse_hold("ref"), None)


def transactions_come_one_by_one() -> None:
    assert_type(client.transactions.iterate(page_size=50), Iterator[Transaction])
    for transaction in client.transactions.iterate(player_unique_id="p"):
        assert_type(transaction, Transaction)


def an_operation_gives_what_it_returns() -> None:
    operation = cashback(CashbackRequest(player_unique_id="p", transaction_id="t", amount=1))
    assert_type(client.send(operation), CashbackReward)
    assert_type(client.deliver(operation), Delivered[CashbackReward])
    assert_type(client.deliver(operation).value, CashbackReward)


def the_client_is_its_own_context() -> None:
    with Gameball("key", "secret") as own:
        assert_type(own, Gameball)


async def the_awaited_manner_is_flagged() -> None:
    await client.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    await client.send(cashback(CashbackRequest(player_unique_id="p", transaction_id="t", amount=1)))  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    _ = [row async for row in client.transactions.iterate()]  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
    client.aclose()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def a_wrong_argument_is_flagged() -> None:
    client.transactions.cashback(player_unique_id="p", transaction_id="t", amount="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1, note="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.transactions.cashback("p", transaction_id="t", amount=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.transactions.reverse_hold(12)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.send("cashback")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.transactions.iterate(page_size="50")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.transactions.iterate(page=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def a_missing_argument_is_flagged() -> None:
    client.transactions.cashback(player_unique_id="p", transaction_id="t")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.transactions.refund(player_unique_id="p", transaction_id="t")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.transactions.reverse_hold()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def a_changed_or_misspelt_answer_is_flagged() -> None:
    reward = client.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1)
    _ = reward.rewardedPoints  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    reward.rewarded_points = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def a_batch_is_started_followed_and_stopped() -> None:
    assert_type(client.batches.start_cashback([payment]), str)
    assert_type(client.batches.start_cashback(payment for _ in range(3)), str)
    redemption = RedeemRequest(player_unique_id="p", transaction_id="t", redeemed_amount=1)
    assert_type(client.batches.start_redeem([redemption]), str)
    assert_type(client.batches.start_balance({"p": 1}), str)
    assert_type(client.batches.get("213"), Batch)
    assert_type(client.batches.wait("213"), Batch)
    batch = client.batches.wait("213", timeout=60, on_progress=lambda batch: batch.finished_count)
    assert_type(batch.status.terminal, bool)
    assert_type(client.batches.stop("213"), None)


def a_mistaken_batch_is_flagged() -> None:
    redemption = RedeemRequest(player_unique_id="p", transaction_id="t", redeemed_amount=1)
    client.batches.start_cashback([redemption])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    client.batches.start_balance(12)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.batches.wait("213", on_progress=print, timeout="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.batches.wait("213", 60)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def a_partner_makes_and_changes_clients() -> None:
    keys = client.clients.create(
        name="n", email="e", mobile="m", store_name="s", domain="d", country="c", currency="USD", time_zone="GMT"
    )
    assert_type(keys, ClientKeys)
    assert_type(Gameball(keys.api_key, keys.secret_key), Gameball)
    assert_type(client.clients.update("s", name="n", plan=None, email=UNSET), PartnerClient)
    client.clients.update("s", name=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.clients.update("s", subscription_id="23")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.clients.create(name="n")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def configurations_are_read() -> None:
    assert_type(client.configurations.get(lang="en"), Configuration)
    assert_type(client.configurations.challenge("1"), tuple[ChallengeConfiguration, ...])
    assert_type(client.configurations.redemption(), RedemptionConfiguration)
    assert_type(client.configurations.cashback(), CashbackConfiguration)
    client.configurations.cashback(lang="en")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.configurations.get("en")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def a_hold_lasts_for_a_block() -> None:
    holding = client.transactions.holding(player_unique_id="p", hold_points=10)
    assert_type(holding, AbstractContextManager[Hold])
    with holding as hold:
        assert_type(hold, Hold)


def any_other_endpoint_is_asked_for_plain_json() -> None:
    answer = client.request("GET", "/x", query={"a": 1}, json=[1], replay=Replay.SAFE)
    assert_type(answer, Any)
    client.request("GET", "/x", replay="safe")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.request("GET")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def the_awaited_manner_of_the_other_pages_is_flagged() -> None:
    await client.batches.wait("213")  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    await client.configurations.cashback()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    async with client.transactions.holding(player_unique_id="p", hold_points=10):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass


def many_rows_go_in_one_run() -> None:
    assert_type(client.bulk.plan([payment]), BulkPlan)
    assert_type(client.bulk.run([payment], journal="rewards.db", via="batches"), BulkReport)
    assert_type(client.bulk.resume("rewards.db", on_progress=lambda report: report.applied), BulkReport)
    assert_type(client.bulk.stream(payment for _ in range(3)), Iterator[RowResult])
    client.bulk.run([12])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    client.bulk.run([payment], via="calls at once")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def every_answer_and_request_becomes_a_dict() -> None:
    assert_type(payment.to_dict(), dict[str, Any])
    page = client.transactions.list()
    assert_type([row.to_dict(json=True) for row in page.transactions], list[dict[str, Any]])
    assert_type(client.bulk.run([payment]).to_dict(json=True), dict[str, Any])
    for result in client.bulk.stream([payment]):
        assert_type(result.to_dict(), dict[str, Any])
    page.to_dict(json="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

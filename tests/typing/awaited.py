"""What a type checker sees of AsyncGameball.

A line that carries "ignore" is one that both checkers must flag: an ignore without an error is an error itself.
"""

from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, assert_type

from gameball import (
    UNSET,
    AsyncGameball,
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
from gameball.core.methods import Async
from gameball.resources.batches import Batches
from gameball.resources.clients import Clients
from gameball.resources.configurations import Configurations
from gameball.resources.transactions import Transactions, cashback, reverse_hold

client = AsyncGameball("key", "secret")
assert_type(client.transactions, Transactions[Async])
assert_type(client.batches, Batches[Async])
assert_type(client.clients, Clients[Async])
assert_type(client.configurations, Configurations[Async])
payment = CashbackRequest(player_unique_id="p", transaction_id="t", amount=1)


async def every_call_gives_its_own_type() -> None:
    transactions = client.transactions
    assert_type(await transactions.cashback(player_unique_id="p", transaction_id="t", amount=1), CashbackReward)
    assert_type(await transactions.redeem(player_unique_id="p", transaction_id="t", redeemed_amount=1), Redemption)
    assert_type(
        await transactions.refund(player_unique_id="p", transaction_id="t", original_transaction_id="o"),
        OrderTransactions,
    )
    assert_type(await transactions.hold(player_unique_id="p", hold_points=10), Hold)
    assert_type(
        await transactions.manual(player_unique_id="p", transaction_id="t", username="u", reason="r", points=1),
        ManualTransaction,
    )
    assert_type(await transactions.list(page=1, limit=200), TransactionPage)
    assert_type(await transactions.for_order("o"), OrderTransactions)
    assert_type(await transactions.create_coupon(player_unique_id="p", rule_id=1), Coupon)
    nothing: Coroutine[Any, Any, None] = transactions.reverse_hold("ref")
    await nothing


async def transactions_come_one_by_one() -> None:
    assert_type(client.transactions.iterate(page_size=50), AsyncIterator[Transaction])
    async for transaction in client.transactions.iterate(player_unique_id="p"):
        assert_type(transaction, Transaction)


async def an_operation_gives_what_it_returns() -> None:
    operation = cashback(CashbackRequest(player_unique_id="p", transaction_id="t", amount=1))
    assert_type(await client.send(operation), CashbackReward)
    assert_type(await client.deliver(operation), Delivered[CashbackReward])
    assert_type((await client.deliver(operation)).value, CashbackReward)


async def the_client_is_its_own_context() -> None:
    async with AsyncGameball("key", "secret") as own:
        assert_type(own, AsyncGameball)


async def a_forgotten_await_is_flagged() -> None:
    client.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    client.transactions.reverse_hold("ref")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    client.send(reverse_hold("ref"))  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    client.aclose()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    reward: CashbackReward = client.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    assert_type(reward, CashbackReward)


async def the_plain_manner_is_flagged() -> None:
    _ = list(client.transactions.iterate())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportUnknownVariableType]
    await client.transactions.iterate()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    client.close()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


async def a_wrong_argument_is_flagged() -> None:
    await client.transactions.cashback(player_unique_id="p", transaction_id="t", amount="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1, note="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.transactions.cashback("p", transaction_id="t", amount=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.transactions.reverse_hold(12)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.send("cashback")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.transactions.iterate(page_size="50")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.transactions.iterate(page=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def a_missing_argument_is_flagged() -> None:
    await client.transactions.cashback(player_unique_id="p", transaction_id="t")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.transactions.refund(player_unique_id="p", transaction_id="t")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.transactions.reverse_hold()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def a_changed_or_misspelt_answer_is_flagged() -> None:
    reward = await client.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1)
    _ = reward.rewardedPoints  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    reward.rewarded_points = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


async def a_batch_is_started_followed_and_stopped() -> None:
    assert_type(await client.batches.start_cashback([payment]), str)
    assert_type(await client.batches.start_cashback(payment for _ in range(3)), str)
    redemption = RedeemRequest(player_unique_id="p", transaction_id="t", redeemed_amount=1)
    assert_type(await client.batches.start_redeem([redemption]), str)
    assert_type(await client.batches.start_balance({"p": 1}), str)
    assert_type(await client.batches.get("213"), Batch)
    assert_type(await client.batches.wait("213"), Batch)
    batch = await client.batches.wait("213", timeout=60, on_progress=lambda batch: batch.finished_count)
    assert_type(batch.status.terminal, bool)
    stopped: Coroutine[Any, Any, None] = client.batches.stop("213")
    await stopped


async def a_mistaken_batch_is_flagged() -> None:
    redemption = RedeemRequest(player_unique_id="p", transaction_id="t", redeemed_amount=1)
    await client.batches.start_cashback([redemption])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await client.batches.start_balance(12)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.batches.wait("213", on_progress=print, timeout="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.batches.wait("213", 60)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.batches.wait("213")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]


async def a_partner_makes_and_changes_clients() -> None:
    keys = await client.clients.create(
        name="n", email="e", mobile="m", store_name="s", domain="d", country="c", currency="USD", time_zone="GMT"
    )
    assert_type(keys, ClientKeys)
    assert_type(AsyncGameball(keys.api_key, keys.secret_key), AsyncGameball)
    assert_type(await client.clients.update("s", name="n", plan=None, email=UNSET), PartnerClient)
    await client.clients.update("s", name=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.clients.update("s", subscription_id="23")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.clients.create(name="n")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def configurations_are_read() -> None:
    assert_type(await client.configurations.get(lang="en"), Configuration)
    assert_type(await client.configurations.challenge("1"), tuple[ChallengeConfiguration, ...])
    assert_type(await client.configurations.redemption(), RedemptionConfiguration)
    assert_type(await client.configurations.cashback(), CashbackConfiguration)
    await client.configurations.cashback(lang="en")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.configurations.get("en")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def a_hold_lasts_for_a_block() -> None:
    holding = client.transactions.holding(player_unique_id="p", hold_points=10)
    assert_type(holding, AbstractAsyncContextManager[Hold])
    async with holding as hold:
        assert_type(hold, Hold)


async def any_other_endpoint_is_asked_for_plain_json() -> None:
    answer = await client.request("GET", "/x", query={"a": 1}, json=[1], replay=Replay.SAFE)
    assert_type(answer, Any)
    await client.request("GET", "/x", replay="safe")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.request("GET")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def the_plain_manner_of_a_hold_is_flagged() -> None:
    with client.transactions.holding(player_unique_id="p", hold_points=10):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass


async def many_rows_go_in_one_run() -> None:
    assert_type(await client.bulk.plan([payment]), BulkPlan)
    assert_type(await client.bulk.run([payment], journal="rewards.db", via="batches"), BulkReport)
    assert_type(await client.bulk.resume("rewards.db", on_progress=lambda report: report.applied), BulkReport)
    assert_type(client.bulk.stream(payment for _ in range(3)), AsyncIterator[RowResult])
    await client.bulk.run([12])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await client.bulk.run([payment], via="calls at once")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def every_answer_and_request_becomes_a_dict() -> None:
    assert_type(payment.to_dict(), dict[str, Any])
    page = await client.transactions.list()
    assert_type([row.to_dict(json=True) for row in page.transactions], list[dict[str, Any]])
    assert_type((await client.bulk.run([payment])).to_dict(json=True), dict[str, Any])
    async for result in client.bulk.stream([payment]):
        assert_type(result.to_dict(), dict[str, Any])
    page.to_dict(json="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

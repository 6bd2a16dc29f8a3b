"""One story from end to end, once plainly and once awaited: a partner, a new shop, and its customers' points."""

from decimal import Decimal
from typing import Any

import pytest

from gameball import AsyncGameball, BatchStatus, CashbackRequest, Gameball
from gameball.sandbox import Sandbox

SHOP: dict[str, Any] = {
    "name": "Jon Snow",
    "email": "jon@shop.example",
    "mobile": "+01010101010",
    "store_name": "MyNewStore",
    "domain": "mynewstore.example",
    "country": "Saudi Arabia",
    "currency": "USD",
    "time_zone": "GMT+1",
}
PAYMENTS = [
    CashbackRequest(player_unique_id=f"player{number}", transaction_id=f"order{number}", amount=Decimal(100 + number))
    for number in range(1000)
]


def test_the_ledger_agrees_with_every_number_of_the_story() -> None:
    with Sandbox() as sandbox:
        # A partner makes a client, whose keys open an account of its own.
        with Gameball(partner_token=sandbox.partner_token, base_url=sandbox.base_url) as partner:
            keys = partner.clients.create(**SHOP)
        account = keys.gameball_id
        assert account is not None

        with Gameball(keys.api_key, keys.secret_key, base_url=sandbox.base_url) as shop:
            # A thousand payments are rewarded in one batch, by the rule in the account's configuration.
            (rule,) = shop.configurations.cashback().cashback_rules
            assert rule.min_amount_to_spend is not None
            assert rule.points_rewarded_as_cashback is not None
            rate = rule.points_rewarded_as_cashback / rule.min_amount_to_spend
            batch = shop.batches.wait(shop.batches.start_cashback(PAYMENTS), timeout=30)
            assert batch.status is BatchStatus.FINISHED
            assert (batch.total_count, batch.finished_count, batch.error_count) == (1000, 1000, 0)
            rewarded = {row.player_unique_id: row.points for row in batch.successful}
            assert len(rewarded) == 1000
            for player, points in rewarded.items():
                assert player is not None
                assert sandbox.ledger.balance(player, account=account) == points
            assert rewarded["player400"] == 500 * rate == 100

            # A fifth of one order comes back, and with it a fifth of its points.
            order = shop.transactions.refund(
                player_unique_id="player400", transaction_id="back1", original_transaction_id="order400", amount=100
            )
            payment, refund = order.order_transactions
            assert (payment.transaction_id, payment.equivalent_points) == ("order400", 100)
            assert (refund.transaction_id, refund.equivalent_points, refund.amount) == ("back1", 20, Decimal(100))
            assert sandbox.ledger.balance("player400", account=account) == 80

            # The customer pays with points that were held during the checkout.
            with shop.transactions.holding(player_unique_id="player400", amount=Decimal("0.30")) as hold:
                assert (hold.hold_points, hold.amount) == (30, Decimal("0.30"))
                assert sandbox.ledger.available("player400", account=account) == 80 - 30
                redemption = shop.transactions.redeem(
                    player_unique_id="player400", transaction_id="pay1", hold_reference=hold.hold_reference
                )
            assert redemption.redeemed_points == 30
            assert sandbox.ledger.holds("player400", account=account) == []
            assert sandbox.ledger.balance("player400", account=account) == 80 - 30

            # What is left buys a coupon, by one of the account's rules.
            rules = shop.configurations.redemption().redemption_rules
            (free_product,) = [rule for rule in rules if rule.points_to_redeem == 50]
            coupon = shop.transactions.create_coupon(player_unique_id="player400", rule_id=free_product.id)
            assert sandbox.ledger.balance("player400", account=account) == 0

            # The list shows what the ledger holds, line by line.
            listed = list(shop.transactions.iterate(player_unique_id="player400"))
            everything = sum(1 for _ in shop.transactions.iterate())

        ledger = sandbox.ledger.transactions("player400", account=account)
        assert [(row.transaction_id, row.type, row.points, row.points_balance_after) for row in reversed(listed)] == [
            (line.transaction_id, line.type, line.points, line.balance_after) for line in ledger
        ]
        assert [str(line.id) for line in ledger] == [
            payment.gameball_transaction_id,
            refund.gameball_transaction_id,
            redemption.gameball_transaction_id,
            listed[0].gameball_transaction_id,
        ]
        assert ledger[-1].coupon_code == coupon.code
        assert everything == len(sandbox.ledger.transactions(account=account)) == 1000 + 3
        assert sandbox.ledger.transactions() == []  # nothing of it is in the sandbox's own account


@pytest.mark.thorough
async def test_the_same_story_awaited() -> None:
    async with Sandbox() as sandbox:
        async with AsyncGameball(partner_token=sandbox.partner_token, base_url=sandbox.base_url) as partner:
            keys = await partner.clients.create(**SHOP)
        account = keys.gameball_id or 0

        async with AsyncGameball(keys.api_key, keys.secret_key, base_url=sandbox.base_url) as shop:
            batch = await shop.batches.wait(await shop.batches.start_cashback(PAYMENTS), timeout=30)
            assert batch.status is BatchStatus.FINISHED
            rewarded = {row.player_unique_id: row.points for row in batch.successful}
            assert len(rewarded) == 1000

            order = await shop.transactions.refund(
                player_unique_id="player400", transaction_id="back1", original_transaction_id="order400", amount=100
            )
            assert [row.equivalent_points for row in order.order_transactions] == [rewarded["player400"], 20]

            async with shop.transactions.holding(player_unique_id="player400", hold_points=30) as hold:
                redemption = await shop.transactions.redeem(
                    player_unique_id="player400", transaction_id="pay1", hold_reference=hold.hold_reference
                )
            assert redemption.redeemed_points == hold.hold_points == 30

            coupon = await shop.transactions.create_coupon(player_unique_id="player400", rule_id=1976)
            listed = [row async for row in shop.transactions.iterate(player_unique_id="player400")]

        ledger = sandbox.ledger.transactions("player400", account=account)
        assert [row.gameball_transaction_id for row in reversed(listed)] == [str(line.id) for line in ledger]
        assert [line.points for line in ledger] == [rewarded["player400"], 20, 30, 50]
        assert ledger[-1].coupon_code == coupon.code
        assert sandbox.ledger.balance("player400", account=account) == 0

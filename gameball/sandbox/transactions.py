"""The nine endpoints of the transactions page: a body or a query in, an answer's JSON out."""

from typing import Any

from gameball.sandbox import fields
from gameball.sandbox.call import Call
from gameball.sandbox.clock import Clock
from gameball.sandbox.entries import Entry, TransactionDetails
from gameball.sandbox.fields import Fields
from gameball.sandbox.history import DEFAULT_LIMIT, Filters, status_of
from gameball.sandbox.ledger import Ledger
from gameball.sandbox.program import GENERAL_RULE
from gameball.sandbox.refusals import Refusal


class Transactions:
    """The transactions page over one ledger."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def cashback(self, call: Call) -> dict[str, Any]:
        """POST - Cashback."""
        body = Fields(call.body)
        details = _details(call.account, body)
        entry = self._ledger.reward(details, amount=body.required("amount", fields.positive_amount))
        return {
            "playerUniqueId": entry.player,
            "gameballTransactionId": entry.id,
            "rewardedPoints": entry.points,
        }

    def redeem(self, call: Call) -> dict[str, Any]:
        """POST - Redeem Points."""
        body = Fields(call.body)
        details = _details(call.account, body)
        body.optional("otp", fields.text)
        body.exactly_one("redeemedAmount", "holdReference")
        reference = body.optional("holdReference", fields.reference)
        if reference is None:
            amount = body.required("redeemedAmount", fields.positive_amount)
            entry = self._ledger.redeem(details, amount=amount)
        else:
            entry = self._ledger.redeem_hold(details, reference=reference)
        return {
            "playerUniqueId": entry.player,
            "gameballTransactionId": entry.id,
            "redeemedPoints": entry.points,
        }

    def refund(self, call: Call) -> dict[str, Any]:
        """POST - Refund. Items have no prices here: without `amount` all that is left is taken back."""
        body = Fields(call.body)
        details = _details(call.account, body)
        body.optional("otp", fields.text)
        body.optional("lineItems", fields.line_items)
        entries = self._ledger.refund(
            details,
            original_id=_original_id(body),
            amount=body.optional("amount", fields.positive_amount),
        )
        return {"orderTransactions": [_order_row(entry) for entry in entries]}

    def hold(self, call: Call) -> dict[str, Any]:
        """POST - Hold Points, by their number or by the amount they are worth."""
        body = Fields(call.body)
        player = _player(body)
        body.required("transactionTime", fields.moment)
        body.exactly_one("amount", "holdPoints")
        amount = body.optional("amount", fields.positive_amount)
        hold = self._ledger.hold(
            call.account,
            player,
            points=body.required("holdPoints", fields.positive_points)
            if amount is None
            else self._ledger.program.price_of(amount),
            amount=amount,
        )
        return {
            "playerUniqueId": hold.player,
            "amount": hold.amount,
            "holdPoints": hold.points,
            "holdReference": hold.reference,
        }

    def reverse_hold(self, call: Call) -> dict[str, Any]:
        """DELETE - Reverse Hold."""
        self._ledger.release(call.account, Fields(call.path).required("holdReference", fields.text))
        return {}

    def manual(self, call: Call) -> dict[str, Any]:
        """POST - Manual Transaction, by signed points or by an amount that earns as cashback does."""
        body = Fields(call.body)
        details = _details(call.account, body)
        username = body.required("username", fields.text)
        reason = body.required("reason", fields.text)
        body.exactly_one("points", "amount")
        amount = body.optional("amount", fields.positive_amount)
        entry = self._ledger.adjust(
            details,
            points=body.required("points", fields.signed_points)
            if amount is None
            else self._ledger.program.reward_for(amount),
            amount=amount,
            username=username,
            reason=reason,
        )
        return {
            "playerUniqueId": entry.player,
            "gameballTransactionId": entry.id,
            "amount": entry.amount,
            "transactionId": entry.transaction_id,
            "transactionTime": entry.time,
            "points": entry.points if entry.direction == "+" else -entry.points,
        }

    def list(self, call: Call) -> dict[str, Any]:
        """GET - List Transactions."""
        query = Fields(call.query)
        filters = Filters(
            page=query.optional("page", fields.numeral(1)) or 1,
            limit=query.optional("limit", fields.numeral(1, 200)) or DEFAULT_LIMIT,
            direction=query.optional("direction", fields.direction),
            first=query.optional("from", fields.first_moment),
            last=query.optional("to", fields.last_moment),
            transaction_id=query.optional("transactionId", fields.text),
            status=query.optional("status", fields.numeral(1, 4)),
            player=query.optional("playerUniqueId", fields.text),
        )
        entries, total = self._ledger.page(call.account, filters)
        now = self._clock.now()
        rows = [_row(entry, status_of(entry, now)) for entry in entries]
        return {"transactions": rows, "count": len(rows), "total": total}

    def for_order(self, call: Call) -> dict[str, Any]:
        """GET - List Order Transactions."""
        entries = self._ledger.order(call.account, Fields(call.path).required("orderId", fields.text))
        rows = [_order_row(entry) for entry in entries]
        return {"orderTransactions": rows, "total": len(rows), "count": len(rows)}

    def create_coupon(self, call: Call) -> dict[str, Any]:
        """POST - Create Coupon: by `ruleId`, or by the general rule for a `value`."""
        body = Fields(call.body)
        player = _player(body)
        rule_id = body.optional("ruleId", fields.whole)
        rule = GENERAL_RULE if rule_id is None else self._ledger.program.rule(rule_id)
        if rule is None:
            raise Refusal(3, f"redemption rule {rule_id}")
        general = rule.rule_type == GENERAL_RULE.rule_type
        coupon = self._ledger.buy_coupon(
            call.account,
            player,
            rule=rule,
            value=body.required("value", fields.positive_amount) if general else None,
        )
        return {"code": coupon.code, "url": None, "startDate": coupon.starts, "expiryDate": coupon.expires}


def _original_id(body: Fields) -> str:
    """The refunded transaction's id: `reverseTransactionId`, or as a library of the vendor's has it."""
    other = body.optional("reversedTransactionId", fields.reference)
    return other or body.required("reverseTransactionId", fields.reference)


def _player(body: Fields) -> str:
    """The player; `email` and `mobile` merge channels only in accounts set up for it, and this one is not."""
    body.optional("email", fields.text)
    body.optional("mobile", fields.text)
    return body.required("playerUniqueId", fields.text)


def _details(account: int, body: Fields) -> TransactionDetails:
    merchant, branch = body.optional("merchant", fields.merchant) or (None, None)
    return TransactionDetails(
        account=account,
        player=_player(body),
        transaction_id=body.required("transactionId", fields.reference),
        time=body.required("transactionTime", fields.moment),
        merchant_name=merchant,
        branch_name=branch,
    )


def _row(entry: Entry, status: str) -> dict[str, Any]:
    """A transaction object of the list: what does not apply to its type is left out."""
    applying = {
        "amount": entry.amount,
        "couponCode": entry.coupon_code,
        "isCouponUsed": None if entry.coupon_code is None else False,
        "couponType": entry.coupon_type,
        "merchantName": entry.merchant_name,
        "branchName": entry.branch_name,
        "expiryDate": entry.expires,
        "reason": entry.reason,
    }
    return {
        "transactionId": entry.transaction_id,
        "gameballTransactionId": entry.id,
        "type": entry.type,
        "direction": entry.direction,
        "playerUniqueId": entry.player,
        "points": entry.points,
        "transactionTime": entry.time,
        "status": status,
        "pointsBalanceBefore": entry.balance_before,
        "pointsBalanceAfter": entry.balance_after,
        **{name: value for name, value in applying.items() if value is not None},
    }


def _order_row(entry: Entry) -> dict[str, Any]:
    """An order transaction object; here the page calls a payment's reward a Payment."""
    return {
        "transactionDate": entry.time,
        "gameballTransactionId": entry.id,
        "transactionType": "Payment" if entry.type == "PaymentReward" else entry.type,
        "amount": entry.amount,
        "equivalentPoints": entry.points,
        "transactionId": entry.transaction_id,
    }

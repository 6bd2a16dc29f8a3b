"""Values of the transactions page: requests, then answers.

Money is `Decimal`, points are `int`, times are aware and in UTC. Requests are checked when they are made and
raise `InvalidRequestError`.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Self, cast

from attrs import Attribute, field, frozen
from attrs.converters import optional as if_given
from attrs.validators import deep_iterable, optional

from gameball.models.generated import checked, surely_taken
from gameball.models.model import Model
from gameball.models.shared import (
    LEFT_OUT_IS_EMPTY,
    NULL_IS_EMPTY,
    KeyedRequest,
    Merchant,
    OpenEnum,
    PlayerRequest,
    Points,
    a,
    aware_or_date,
    check_whole,
    decimal,
    integer,
    none_or_both,
    positive,
    refuse,
    text,
    utc_or_date,
    whole,
)

PAGE_ROWS: Final = 200
"""The most rows of one page of the list."""

LAST_PAGE: Final = 2**31 - 1
"""What the API's side can hold."""


class TransactionType(OpenEnum):
    """What made points move. The API spells some kinds in two ways: both are here."""

    ACHIEVEMENT_REWARD = "AchievementReward"
    PAYMENT_REWARD = "PaymentReward"
    CASH_BACK = "Cash Back"
    PAYMENT = "Payment"
    REFUND = "Refund"
    PARTIAL_REFUND = "PartialRefund"
    REDEMPTION = "Redemption"
    EXPIRY = "Expiry"
    CANCEL = "Cancel"
    MIGRATION = "Migration"
    MANUAL_ACCUMULATION = "ManualAccumulation"
    MANUAL_DEDUCTION = "ManualDeduction"
    MANUAL_REWARD = "ManualReward"
    DISCOUNT_CODE = "DiscountCode"


class TransactionStatus(OpenEnum):
    """Whether the points count. Answers say it in words, the list's filter by number (1 to 4)."""

    ACTIVE = "Active"
    PENDING = "Pending"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        by_number = {str(number): member for number, member in enumerate(cls, start=1)}
        known = by_number.get(value) if isinstance(value, str) else None
        return known or super()._missing_(value)

    @property
    def number(self) -> int | None:
        """The number the list's filter knows the status by."""
        return next((number for number, member in enumerate(TransactionStatus, start=1) if member is self), None)


class Direction(OpenEnum):
    """Whether points were added or deducted."""

    ADDITION = "+"
    DEDUCTION = "-"


class CouponType(OpenEnum):
    """What a coupon is good for."""

    FREE_SHIPPING = "free_shipping"
    PERCENTAGE_DISCOUNT = "percentage_discount"
    FIXED_DISCOUNT = "fixed_discount"
    FREE_PRODUCT = "free_product"
    FIXED_RATE_DISCOUNT = "fixed_rate_discount"
    CUSTOM = "custom"


# --- requests


@checked
@frozen(kw_only=True)
class CashbackRequest(KeyedRequest):
    """Reward a player for an `amount` of money paid."""

    amount: Decimal = field(converter=decimal, validator=positive)
    merchant: Merchant | None = field(default=None, validator=optional(a(Merchant)))


@checked
@frozen(kw_only=True)
class RedeemRequest(KeyedRequest):
    """Pay with points: an amount of money's worth, or what a hold has set aside."""

    redeemed_amount: Decimal | None = field(default=None, converter=if_given(decimal), validator=optional(positive))
    hold_reference: str | None = field(default=None, validator=optional(text))
    merchant: Merchant | None = field(default=None, validator=optional(a(Merchant)))
    otp: str | None = field(default=None, validator=optional(text), repr=False)

    def __attrs_post_init__(self) -> None:
        if (self.redeemed_amount is None) is (self.hold_reference is None):
            raise none_or_both(redeemed_amount=self.redeemed_amount, hold_reference=self.hold_reference)


@checked
@frozen(kw_only=True)
class LineItem(Model):
    """A returned item of an order."""

    product_id: str | None = field(default=None, validator=optional(text))
    quantity: Decimal | None = field(default=None, converter=if_given(decimal), validator=optional(positive))


def _tuple(items: Sequence[LineItem]) -> tuple[LineItem, ...]:
    return tuple(items) if isinstance(items, Iterable) else cast("tuple[LineItem, ...]", items)


@checked
@frozen(kw_only=True)
class RefundRequest(KeyedRequest):
    """Take back an order, or an `amount` of it.

    `transaction_id` is the refund's own new id; `original_transaction_id` names what is refunded (the API calls
    it reverseTransactionId).
    """

    original_transaction_id: str = field(validator=text)
    amount: Decimal | None = field(default=None, converter=if_given(decimal), validator=optional(positive))
    line_items: tuple[LineItem, ...] = field(
        default=(), converter=_tuple, validator=[a(tuple), deep_iterable(a(LineItem))]
    )
    otp: str | None = field(default=None, validator=optional(text), repr=False)


@checked
@frozen(kw_only=True)
class HoldRequest(PlayerRequest):
    """Set points aside: an `amount` of money's worth, or a number of points."""

    amount: Decimal | None = field(default=None, converter=if_given(decimal), validator=optional(positive))
    hold_points: Decimal | None = field(default=None, converter=if_given(decimal), validator=optional(positive))

    def __attrs_post_init__(self) -> None:
        if (self.amount is None) is (self.hold_points is None):
            raise none_or_both(amount=self.amount, hold_points=self.hold_points)


@surely_taken("type({0}) is int and {0} and -(10**15) < {0} < 10**15")
def _signed(_: object, attribute: "Attribute[Any]", value: object) -> None:
    check_whole(attribute.name, value, -(10**15) + 1, 10**15 - 1)
    if value == 0:
        raise refuse(attribute.name, "must not be zero: positive adds points, negative takes them")


@checked
@frozen(kw_only=True)
class ManualRequest(KeyedRequest):
    """Add or deduct points by hand: a signed number of `points`, or an `amount` of money to reward."""

    username: str = field(validator=text)
    reason: str = field(validator=text)
    points: int | None = field(default=None, converter=if_given(integer), validator=optional(_signed))
    amount: Decimal | None = field(default=None, converter=if_given(decimal), validator=optional(positive))

    def __attrs_post_init__(self) -> None:
        if (self.points is None) is (self.amount is None):
            raise none_or_both(points=self.points, amount=self.amount)


@checked
@frozen(kw_only=True)
class CouponRequest:
    """Turn a player's points into a coupon, by a rule, by a value, or by both."""

    player_unique_id: str = field(validator=text)
    rule_id: int | None = field(default=None, converter=if_given(integer), validator=optional(whole(1, LAST_PAGE)))
    value: Decimal | None = field(default=None, converter=if_given(decimal), validator=optional(positive))

    def __attrs_post_init__(self) -> None:
        if self.rule_id is None and self.value is None:
            raise refuse("rule_id or value", "is required")


def _status(value: str | int) -> TransactionStatus:
    if isinstance(value, int) and value is not True and value in range(1, len(TransactionStatus) + 1):
        return TransactionStatus(str(value))
    return TransactionStatus(value) if isinstance(value, str) else cast("TransactionStatus", value)


def _known_status(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if value not in tuple(TransactionStatus):
        raise refuse(attribute.name, "must be Active, Pending, Blocked or Expired, or their number from 1 to 4")


def _known_direction(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if value not in tuple(Direction):
        raise refuse(attribute.name, "must be '+' or '-'")


@checked
@frozen(kw_only=True)
class TransactionFilter:
    """Which transactions to list. A date without a time means the day, as the API understands it."""

    page: int | None = field(default=None, converter=if_given(integer), validator=optional(whole(1, LAST_PAGE)))
    limit: int | None = field(default=None, converter=if_given(integer), validator=optional(whole(1, PAGE_ROWS)))
    direction: str | None = field(default=None, validator=optional(_known_direction))
    from_date: date | datetime | None = field(
        default=None, converter=if_given(utc_or_date), validator=optional(aware_or_date)
    )
    to_date: date | datetime | None = field(
        default=None, converter=if_given(utc_or_date), validator=optional(aware_or_date)
    )
    transaction_id: str | None = field(default=None, validator=optional(text))
    status: TransactionStatus | None = field(
        default=None, converter=if_given(_status), validator=optional(_known_status)
    )
    player_unique_id: str | None = field(default=None, validator=optional(text))


# --- what is answered


@frozen(kw_only=True)
class CashbackReward(Model):
    """The points given for a payment."""

    gameball_transaction_id: str
    rewarded_points: Points
    player_unique_id: str | None = None


@frozen(kw_only=True)
class Redemption(Model):
    """The points spent."""

    gameball_transaction_id: str
    redeemed_points: Points
    player_unique_id: str | None = None


@frozen(kw_only=True)
class Hold(Model):
    """Points set aside, for ten minutes unless the account says otherwise."""

    hold_reference: str
    player_unique_id: str | None = None
    amount: Decimal | None = None
    hold_points: Points | None = None


@frozen(kw_only=True)
class ManualTransaction(Model):
    """Points added or deducted by hand."""

    gameball_transaction_id: str
    points: Points | None = None
    player_unique_id: str | None = None
    amount: Decimal | None = None
    transaction_id: str | None = None
    transaction_time: datetime | None = None


@frozen(kw_only=True)
class Transaction(Model):
    """A movement of points, as the list tells it."""

    gameball_transaction_id: str
    transaction_id: str | None = None
    type: TransactionType | None = None
    direction: Direction | None = None
    player_unique_id: str | None = None
    points: Points | None = None
    amount: Decimal | None = None
    transaction_time: datetime | None = None
    status: TransactionStatus | None = None
    coupon_code: str | None = field(default=None, repr=False)
    is_coupon_used: bool | None = None
    coupon_type: CouponType | None = None
    merchant_name: str | None = None
    branch_name: str | None = None
    expiry_date: datetime | None = None
    points_balance_before: Points | None = None
    points_balance_after: Points | None = None
    achievement_name: str | None = None
    reason: str | None = None


@frozen(kw_only=True)
class TransactionPage(Model):
    """A page of transactions, newest first; `total` counts all that match the filters."""

    transactions: tuple[Transaction, ...] = field(metadata={NULL_IS_EMPTY: True, LEFT_OUT_IS_EMPTY: True})
    count: int | None = None
    total: int | None = None


@frozen(kw_only=True)
class OrderTransaction(Model):
    """A movement of points that belongs to an order."""

    gameball_transaction_id: str
    transaction_type: TransactionType | None = None
    transaction_date: datetime | None = None
    amount: Decimal | None = None
    equivalent_points: Points | None = None
    transaction_id: str | None = None


@frozen(kw_only=True)
class OrderTransactions(Model):
    """All movements of points of an order: the payment, what was redeemed, the refunds."""

    order_transactions: tuple[OrderTransaction, ...] = field(metadata={NULL_IS_EMPTY: True})
    total: int | None = None
    count: int | None = None


class CouponCode(str):
    """A coupon's code. A number is none: that is an answer's own code, as in `{"code": 1, "message": ...}`."""

    __slots__ = ()


@frozen(kw_only=True)
class Coupon(Model):
    """A coupon bought with points. `url` belongs to its group, where it has one."""

    code: CouponCode = field(converter=CouponCode, repr=False)
    url: str | None = None
    start_date: datetime | None = None
    expiry_date: datetime | None = None

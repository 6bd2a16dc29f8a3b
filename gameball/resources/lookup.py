"""How a transaction without an answer is recognised in the list, and its value rebuilt. Pure.

A row is ours when its id (exactly), its kind and its player agree, and its amount or points where both sides have
them. With an email or a mobile given, another player id proves nothing: accounts that merge channels answer with the
player they merged into. That it is not there is believed only of an empty page that counts none: a page with other
rows did not obey the filter, or has our id in an altered form, and is no evidence.
"""

import unicodedata
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, TypeAlias, TypeVar

from attrs import frozen

from gameball.core.operation import Absent, Different, Finding, Found
from gameball.errors import GameballError, UnexpectedAnswerError
from gameball.models.shared import ExactId, KeyedRequest, Points, magnitude
from gameball.models.transactions import (
    CashbackRequest,
    CashbackReward,
    Direction,
    ManualRequest,
    ManualTransaction,
    OrderTransaction,
    OrderTransactions,
    RedeemRequest,
    Redemption,
    RefundRequest,
    Transaction,
    TransactionPage,
    TransactionType as Type,
)

T = TypeVar("T")

CASHBACK: Final = (Type.PAYMENT_REWARD, Type.CASH_BACK)
REDEMPTION: Final = (Type.REDEMPTION,)
REFUND: Final = (Type.REFUND, Type.PARTIAL_REFUND, Type.CANCEL)
ADDED: Final = (Type.MANUAL_ACCUMULATION, Type.MANUAL_REWARD)
DEDUCTED: Final = (Type.MANUAL_DEDUCTION,)
"""The list's words for what a request did."""

Evidence: TypeAlias = Finding[T] | GameballError
"""What the list says of a request, or why it says nothing."""


@frozen(kw_only=True)
class ExactTransaction(Transaction):
    """A row whose id counts only as it was written: a number may have been rounded, or lack its zeros."""

    transaction_id: ExactId | None = None


@frozen(kw_only=True)
class LookupPage(TransactionPage):
    """A page that is evidence: null does not stand for an empty list."""

    transactions: tuple[ExactTransaction, ...]


@frozen(kw_only=True)
class ExactOrderTransaction(OrderTransaction):
    """The same, of an order."""

    transaction_id: ExactId | None = None


@frozen(kw_only=True)
class LookupOrder(OrderTransactions):
    """The same, of an order."""

    order_transactions: tuple[ExactOrderTransaction, ...]


# --- one for each kind of request


def cashback(request: CashbackRequest, page: TransactionPage) -> Evidence[CashbackReward]:
    """What became of a cashback."""

    def rebuild(rows: Sequence[Transaction]) -> CashbackReward | None:
        row = rows[0]
        if row.points is None:
            return None
        return CashbackReward(
            gameball_transaction_id=row.gameball_transaction_id,
            rewarded_points=row.points,
            player_unique_id=row.player_unique_id,
        )

    def is_ours(row: Transaction) -> bool:
        return _is_kind(row, CASHBACK, Direction.ADDITION) and _agree(request.amount, row.amount)

    return _find(request, page, is_ours, rebuild)


def redeem(request: RedeemRequest, page: TransactionPage) -> Evidence[Redemption]:
    """What became of a redemption."""

    def rebuild(rows: Sequence[Transaction]) -> Redemption | None:
        row = rows[0]
        if row.points is None:
            return None
        return Redemption(
            gameball_transaction_id=row.gameball_transaction_id,
            redeemed_points=_unsigned(row.points),
            player_unique_id=row.player_unique_id,
        )

    def is_ours(row: Transaction) -> bool:
        return _is_kind(row, REDEMPTION, Direction.DEDUCTION) and _agree(request.redeemed_amount, row.amount)

    return _find(request, page, is_ours, rebuild)


def manual(request: ManualRequest, page: TransactionPage) -> Evidence[ManualTransaction]:
    """What became of points added or deducted by hand."""
    deducts = request.points is not None and request.points < 0

    def rebuild(rows: Sequence[Transaction]) -> ManualTransaction:
        row = rows[0]
        return ManualTransaction(
            gameball_transaction_id=row.gameball_transaction_id,
            points=request.points if request.points is not None else row.points,
            player_unique_id=row.player_unique_id,
            amount=row.amount,
            transaction_id=row.transaction_id,
            transaction_time=row.transaction_time,
        )

    def is_ours(row: Transaction) -> bool:
        kinds, direction = (DEDUCTED, Direction.DEDUCTION) if deducts else (ADDED, Direction.ADDITION)
        same = _agree(request.amount, row.amount) and _agree(request.points, row.points)
        return _is_kind(row, kinds, direction) and same

    return _find(request, page, is_ours, rebuild)


def refund(request: RefundRequest, page: TransactionPage) -> Evidence[OrderTransactions]:
    """What became of a refund: its own rows, which `with_order()` extends to the whole order."""

    def rebuild(rows: Sequence[Transaction]) -> OrderTransactions:
        return OrderTransactions(
            order_transactions=tuple(
                OrderTransaction(
                    gameball_transaction_id=row.gameball_transaction_id,
                    transaction_type=row.type,
                    transaction_date=row.transaction_time,
                    amount=row.amount,
                    equivalent_points=row.points,
                    transaction_id=row.transaction_id,
                )
                for row in rows
            )
        )

    def is_ours(row: Transaction) -> bool:
        # The API refunds no more than is left, so it may be less than was requested.
        within = request.amount is None or row.amount is None or magnitude(row.amount) <= request.amount
        return _is_kind(row, REFUND, None) and within

    return _find(request, page, is_ours, rebuild)


def with_order(refunded: OrderTransactions, order: OrderTransactions) -> Finding[OrderTransactions]:
    """The whole order, as in the refund's own answer; one that lacks the refund says that it is another order's."""
    ours = refunded.order_transactions[0].transaction_id or ""
    rows = order.order_transactions
    if any(row.transaction_id == ours for row in rows):
        return Found(order)
    altered = any(_folded(row.transaction_id or "") in ("", _folded(ours)) for row in rows)
    return Absent() if altered or not _shows_all(rows, order.total, order.count) else Different()


# --- the rules they share


def _find(
    request: KeyedRequest,
    page: TransactionPage,
    is_ours: Callable[[Transaction], bool],
    rebuild: Callable[[Sequence[Transaction]], T | None],
) -> Evidence[T]:
    rows = page.transactions
    same_id = [row for row in rows if row.transaction_id == request.transaction_id]
    ours = [row for row in same_id if _same_player(row, request) and is_ours(row)]
    if ours:
        value = rebuild(ours)
        return UnexpectedAnswerError("the list does not have its points") if value is None else Found(value)
    if len(same_id) < len(rows):
        return UnexpectedAnswerError("the list did not obey the filter: it holds other ids than the one requested")
    if not _shows_all(rows, page.total, page.count):
        return UnexpectedAnswerError("the list does not show all that it counts")
    return Different() if same_id else Absent()


def _shows_all(rows: Sequence[Transaction | OrderTransaction], *counts: int | None) -> bool:
    return all(count is None or count <= len(rows) for count in counts)


def _folded(transaction_id: str) -> str:
    """An id without what systems alter: case, blanks, leading zeros, the form of its characters."""
    return "".join(unicodedata.normalize("NFKC", transaction_id).casefold().split()).lstrip("0")


def _is_kind(row: Transaction, kinds: Sequence[Type], direction: Direction | None) -> bool:
    known = row.type is not None and row.type in tuple(Type)  # of an unknown word, the direction must do
    same_way = direction is None or row.direction is None or row.direction == direction
    return same_way and (not known or row.type in kinds)


def _same_player(row: Transaction, request: KeyedRequest) -> bool:
    merged = request.email is not None or request.mobile is not None
    return merged or row.player_unique_id is None or row.player_unique_id == request.player_unique_id


def _agree(ours: Decimal | int | None, theirs: Decimal | int | None) -> bool:
    return ours is None or theirs is None or magnitude(ours) == magnitude(theirs)


def _unsigned(points: Points) -> Points:
    return abs(points) if isinstance(points, int) else points.copy_abs()

"""How a transaction whose answer was lost is recognised in the list, and its value rebuilt. Pure.

A row is ours when its id (exactly), its kind and its player agree, and its amount or points where both sides tell
them. With an email or a mobile given, another player id proves nothing: accounts that merge channels answer with the
player they merged into.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from gameball.core.operation import Absent, Different, Finding, Found
from gameball.models.shared import KeyedRequest
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

KINDS: Final[Mapping[type[KeyedRequest], tuple[Type, ...]]] = {
    CashbackRequest: (Type.PAYMENT_REWARD, Type.CASH_BACK),
    RedeemRequest: (Type.REDEMPTION,),
    RefundRequest: (Type.REFUND, Type.PARTIAL_REFUND, Type.CANCEL),
    ManualRequest: (Type.MANUAL_ACCUMULATION, Type.MANUAL_DEDUCTION, Type.MANUAL_REWARD),
}
"""The words by which the list tells what a request of this class did."""

# --- one for each kind of request


def cashback(request: CashbackRequest, page: TransactionPage) -> Finding[CashbackReward]:
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

    return _find(request, page, rebuild, direction=Direction.ADDITION, amount=request.amount)


def redeem(request: RedeemRequest, page: TransactionPage) -> Finding[Redemption]:
    """What became of a redemption."""

    def rebuild(rows: Sequence[Transaction]) -> Redemption | None:
        row = rows[0]
        if row.points is None:
            return None
        return Redemption(
            gameball_transaction_id=row.gameball_transaction_id,
            redeemed_points=row.points if row.points >= 0 else -row.points,
            player_unique_id=row.player_unique_id,
        )

    return _find(request, page, rebuild, direction=Direction.DEDUCTION, amount=request.redeemed_amount)


def manual(request: ManualRequest, page: TransactionPage) -> Finding[ManualTransaction]:
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

    direction = Direction.DEDUCTION if deducts else Direction.ADDITION
    return _find(request, page, rebuild, direction=direction, amount=request.amount, points=request.points)


def refund(request: RefundRequest, page: TransactionPage) -> Finding[OrderTransactions]:
    """What became of a refund: its own rows, which `with_order()` completes to the whole order."""

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

    return _find(request, page, rebuild, direction=None, amount=request.amount)


def with_order(refunded: OrderTransactions, order: OrderTransactions) -> OrderTransactions:
    """The whole order, as the refund's own answer tells it, unless the order does not know of the refund yet."""
    ours = refunded.order_transactions[0].transaction_id
    return order if any(row.transaction_id == ours for row in order.order_transactions) else refunded


# --- the rules they share


def _find(
    request: KeyedRequest,
    page: TransactionPage,
    rebuild: Callable[[Sequence[Transaction]], T | None],
    *,
    direction: Direction | None,
    amount: Decimal | None,
    points: int | None = None,
) -> Finding[T]:
    same_id = [row for row in page.transactions if row.transaction_id == request.transaction_id]
    ours = [
        row
        for row in same_id
        if _same_kind(row, KINDS[type(request)], direction)
        and _same_player(row, request)
        and _agree(amount, row.amount)
        and _agree(points, row.points)
    ]
    value = rebuild(ours) if ours else None
    if value is not None:
        return Found(value)
    return Different() if same_id else Absent()


def _same_kind(row: Transaction, kinds: Sequence[Type], direction: Direction | None) -> bool:
    if row.type is None or row.type not in tuple(Type):  # an unknown word: the direction must do
        return direction is None or row.direction is None or row.direction == direction
    return row.type in kinds


def _same_player(row: Transaction, request: KeyedRequest) -> bool:
    merged = request.email is not None or request.mobile is not None
    return merged or row.player_unique_id is None or row.player_unique_id == request.player_unique_id


def _agree(ours: Decimal | int | None, theirs: Decimal | int | None) -> bool:
    return ours is None or theirs is None or abs(ours) == abs(theirs)

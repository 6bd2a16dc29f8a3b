"""What goes into a bulk run, and what comes out: rows and their results."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from time import monotonic
from typing import Any, Final, TypeAlias

from attrs import define, field, frozen

from gameball.core.operation import Operation
from gameball.errors import GameballError
from gameball.models.generated import maker
from gameball.models.model import Model
from gameball.models.shared import Points, refuse
from gameball.models.transactions import (
    CashbackRequest,
    CashbackReward,
    ManualRequest,
    ManualTransaction,
    OrderTransactions,
    RedeemRequest,
    Redemption,
    RefundRequest,
)
from gameball.resources import transactions

Request: TypeAlias = CashbackRequest | RedeemRequest | RefundRequest | ManualRequest
Value: TypeAlias = CashbackReward | Redemption | OrderTransactions | ManualTransaction

KINDS: Final[Mapping[type[Request], str]] = {
    CashbackRequest: "cashback",
    RedeemRequest: "redeem",
    RefundRequest: "refund",
    ManualRequest: "manual",
}
"""What a row may be, and the call it stands for."""

_CALLS: Final[Mapping[type[Request], Callable[[Any], Operation[Any]]]] = {
    CashbackRequest: transactions.cashback,
    RedeemRequest: transactions.redeem,
    RefundRequest: transactions.refund,
    ManualRequest: transactions.manual,
}


class RowState(StrEnum):
    """How a row ended."""

    APPLIED = "applied"
    ALREADY_APPLIED = "already_applied"
    """This very transaction was there from an earlier call."""
    REJECTED = "rejected"
    """The API said no, and nothing was applied."""
    NEEDS_REVIEW = "needs_review"
    """Outcome unknown: it may have been applied."""


State = RowState
"""The public name that programs know it by as well."""


@frozen(kw_only=True)
class RowResult(Model):
    """How a row ended.

    Attributes:
        index: Its place in the input, from 0.
        request: The row itself.
        state: How it ended; equal to its word, as in "applied".
        value: What the single call would have returned, where it was applied.
        error: What the single call would have raised, where it was not, or where that is unknown.
        attempts: How many times it was sent, or tried to.
        seconds: How long it took, from the first time that it was to be sent; all waits in between count.
    """

    index: int
    request: Request
    state: RowState
    value: Value | None = None
    error: GameballError | None = None
    attempts: int = field(default=0, eq=False, repr=False)
    seconds: float = field(default=0.0, eq=False, repr=False)

    @property
    def points(self) -> Points:
        """Points that were rewarded or redeemed, or added by hand (negative: deducted); 0 for a refund."""
        match self.value:
            case CashbackReward(rewarded_points=points) | Redemption(redeemed_points=points):
                return points
            case ManualTransaction(points=points) if points is not None:
                return points
            case _:
                return 0


_result: Final = maker(RowResult)


@define(eq=False)
class Row:
    """A row on its way.

    Attributes:
        index: Its place in the input.
        request: As it was given.
        time: The transaction time that a journal has frozen for it; None where the call may stamp it.
        in_doubt: Whether an earlier try may have been applied: it is looked up before anything is sent.
        batch: The id of the batch that the earlier try was part of, "" where that is not known; None for a call.
        tries: How often it came back without having been applied.
        error: What it came back with.
        attempts: How many times it was sent, or tried to.
        began: When it was first to be sent, on the monotonic clock.
    """

    index: int
    request: Request
    time: datetime | None = None
    in_doubt: bool = False
    batch: str | None = None
    tries: int = 0
    error: GameballError | None = None
    attempts: int = 0
    began: float | None = None
    _operation: Operation[Any] | None = None

    @property
    def operation(self) -> Operation[Any]:
        """The call it stands for, the same one every time."""
        if self._operation is None:
            request: Any = self.timed
            self._operation = _CALLS[type(request)](request)
        return self._operation

    @property
    def timed(self) -> Request:
        """The request with its frozen time."""
        return self.request if self.time is None else self.request.at(self.time)

    def freeze(self, time: datetime) -> None:
        """Give it another time."""
        self.time = time
        self._operation = None

    def ended(self, state: RowState, *, value: Value | None = None, error: GameballError | None = None) -> RowResult:
        """Its result."""
        return _result(
            index=self.index,
            request=self.request,
            state=state,
            value=value,
            error=error,
            attempts=self.attempts,
            seconds=0.0 if self.began is None else monotonic() - self.began,
        )


def check_row(index: int, row: object, kinds: Sequence[type[Request]]) -> None:
    """Refuse what is none of these kinds."""
    if type(row) not in kinds:
        names = ", ".join(kind.__name__ for kind in kinds)
        raise refuse(f"rows[{index}]", f"must be one of {names}, not {type(row).__name__}")


def amount_of(request: Request) -> Decimal | None:
    """The money that a row is about; None where it gives none."""
    return request.redeemed_amount if isinstance(request, RedeemRequest) else request.amount

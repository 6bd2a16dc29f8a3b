"""What goes into a bulk run and what comes out of it: rows, their results, the report, the plan."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeAlias

from attrs import define, field, frozen

from gameball.core.operation import Operation
from gameball.errors import GameballError
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

KEPT: Final = 1000
"""Problems, duplicates and the like that are told one by one; the rest is counted."""


class RowState(StrEnum):
    """How a row ended."""

    APPLIED = "applied"
    ALREADY_APPLIED = "already_applied"
    """This very transaction was there from an earlier call."""
    REJECTED = "rejected"
    """The API said no, and nothing was applied."""
    NEEDS_REVIEW = "needs_review"
    """It may have been applied, and nothing could settle it."""


State = RowState
"""The public name that programs know it by as well."""


@frozen(kw_only=True)
class RowResult:
    """How a row ended.

    Attributes:
        index: Its place in the input, from 0.
        request: The row itself.
        state: How it ended; equal to its word, as in "applied".
        value: What the single call would have returned, where it was applied.
        error: What the single call would have raised, where it was not, or nobody knows.
    """

    index: int
    request: Request
    state: RowState
    value: Value | None = None
    error: GameballError | None = None

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


@define(kw_only=True)
class BulkReport:
    """What became of a run, or so far. With a journal it covers all runs on that journal.

    Attributes:
        rows: Rows that were taken in.
        applied, already_applied, rejected, needs_review: How many ended in which state.
        points: The points of all that is applied, now or already; see `RowResult.points`.
        seconds: How long it took.
        sent: How many times a row or a batch was sent, or tried to; resends included.
        looked_up: How many times a transaction was looked for.
        pauses: How many times everything waited because the API failed, or asked for it.
        problems: The first 1000 rows that were rejected or need a review.
        problems_left_out: How many more there are.
    """

    rows: int = 0
    applied: int = 0
    already_applied: int = 0
    rejected: int = 0
    needs_review: int = 0
    points: Points = 0
    seconds: float = 0.0
    sent: int = 0
    looked_up: int = 0
    pauses: int = 0
    problems: list[RowResult] = field(factory=list[RowResult], repr=False)
    problems_left_out: int = 0

    @property
    def settled(self) -> int:
        """Rows that have ended, one way or another."""
        return self.applied + self.already_applied + self.rejected + self.needs_review

    @property
    def left(self) -> int:
        """Rows that have not been settled: a journal can be resumed for them."""
        return self.rows - self.settled

    def count(self, result: RowResult) -> None:
        """Take a result into account."""
        setattr(self, result.state, getattr(self, result.state) + 1)
        if result.value is not None:
            self.points += result.points
        if result.error is not None:
            self.keep(result)

    def keep(self, problem: RowResult) -> None:
        """Tell of a problem, or that there are more."""
        if len(self.problems) < KEPT:
            self.problems.append(problem)
        else:
            self.problems_left_out += 1


@frozen(kw_only=True)
class BulkPlan:
    """What a run would do; nothing was sent.

    Attributes:
        rows: How many there are.
        total_amount: Money of all rows together, of those that tell an amount.
        duplicates: Transaction ids that an earlier row of the same kind has.
        clashes: Ids of rows whose player and transaction time an earlier row has: the API takes a time once.
        future: Ids of rows whose transaction time lies ahead.
        left_out: How many ids more than the first 1000 these would name.
        seconds: What the client's rate limit makes it take at least; None without a limit.
    """

    rows: int
    total_amount: Decimal
    duplicates: tuple[str, ...] = ()
    clashes: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    left_out: int = 0
    seconds: float | None = None


@define(eq=False)
class Row:
    """A row on its way.

    Attributes:
        index: Its place in the input.
        request: As it was given.
        time: The transaction time that a journal has frozen for it; None where the call may stamp it.
        in_doubt: Whether an earlier try may have been applied: it is looked up before anything is sent.
        batch: The batch that the earlier try was part of, where that is known.
        tries: How often it came back without having been applied.
        error: What it came back with.
    """

    index: int
    request: Request
    time: datetime | None = None
    in_doubt: bool = False
    batch: str | None = None
    tries: int = 0
    error: GameballError | None = None
    _operation: Operation[Any] | None = None

    @property
    def operation(self) -> Operation[Any]:
        """The call it stands for, the same one every time."""
        if self._operation is None:
            self._operation = operation_of(self.timed)
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
        return RowResult(index=self.index, request=self.request, state=state, value=value, error=error)


def operation_of(request: Request) -> Operation[Any]:
    """The call that a row stands for."""
    match request:
        case CashbackRequest():
            return transactions.cashback(request)
        case RedeemRequest():
            return transactions.redeem(request)
        case RefundRequest():
            return transactions.refund(request)
        case _:
            return transactions.manual(request)


def check_row(index: int, row: object, kinds: Sequence[type[Request]]) -> None:
    """Refuse what is none of these kinds."""
    if type(row) not in kinds:
        names = ", ".join(kind.__name__ for kind in kinds)
        raise refuse(f"rows[{index}]", f"must be one of {names}, not {type(row).__name__}")


def amount_of(request: Request) -> Decimal | None:
    """The money that a row is about, where it tells."""
    return request.redeemed_amount if isinstance(request, RedeemRequest) else request.amount

"""Values of the batches page."""

from datetime import datetime
from decimal import Decimal
from typing import Final, Self

from attrs import frozen

from gameball.models.model import Model
from gameball.models.shared import OpenEnum, Points

BATCH_ROWS: Final = 1000
"""The most rows of one batch."""


class BatchId(str):
    """What a batch is known by: text, whatever the API wrote."""

    __slots__ = ()


_OTHER_WORDS: Final = {
    "queued": "pending",
    "processing": "inProgress",
    "running": "inProgress",
    "completed": "finished",
}


class BatchStatus(OpenEnum):
    """How far a batch is. The API has several words for most of these; an unknown one is kept, and not terminal."""

    PENDING = "pending"
    IN_PROGRESS = "inProgress"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        known = _OTHER_WORDS.get(value.strip().casefold()) if isinstance(value, str) else None
        return cls(known) if known else super()._missing_(value)

    @property
    def terminal(self) -> bool:
        """Whether nothing more will happen to the batch."""
        return self in (BatchStatus.FINISHED, BatchStatus.STOPPED, BatchStatus.FAILED)


@frozen(kw_only=True)
class BatchRow(Model):
    """What became of one row of a batch; which fields are there depends on the operation.

    Attributes:
        amount, points: Of a cashback: money paid, points rewarded.
        redeemed_points: Of a redemption.
        points_balance, points_value, currency, points_name: Of a balance inquiry; the value is money.
        message: Of a row that failed: why.
    """

    player_unique_id: str | None = None
    transaction_id: str | None = None
    gameball_transaction_id: str | None = None
    amount: Decimal | None = None
    points: Points | None = None
    redeemed_points: Points | None = None
    points_balance: Points | None = None
    points_value: Decimal | None = None
    currency: str | None = None
    points_name: str | None = None
    message: str | None = None


@frozen(kw_only=True)
class BatchResponse(Model):
    """What became of the rows of a batch."""

    successful: tuple[BatchRow, ...] = ()
    failed: tuple[BatchRow, ...] = ()


@frozen(kw_only=True)
class Batch(Model):
    """How far a batch is, and what became of its rows so far. A batch with failed rows still finishes."""

    status: BatchStatus
    batch_id: str | None = None
    method: str | None = None
    operation: str | None = None
    error_count: int | None = None
    total_count: int | None = None
    finished_count: int | None = None
    started_at: datetime | None = None
    created_at: datetime | None = None
    response: BatchResponse = BatchResponse()

    @property
    def successful(self) -> tuple[BatchRow, ...]:
        """The rows that were done."""
        return self.response.successful

    @property
    def failed(self) -> tuple[BatchRow, ...]:
        """The rows that were not, each with its `message`."""
        return self.response.failed

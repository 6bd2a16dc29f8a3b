"""Rows sent up to 1000 at a time, through the batches of the API.

A batch has no id of ours, and its answer names players: so a chunk has at most one row of a player, and a player is
in one chunk at a time. Rows that a batch does not name are looked up, one by one; and so are all of them when no
answer to its start comes, before anything is sent again.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from attrs import evolve

from gameball.bulk.breaker import CircuitBreaker
from gameball.bulk.rows import Request, Row, RowResult, RowState, Value
from gameball.bulk.sender import MOST_TRIES, row_after_error
from gameball.core.delivery import Delivery
from gameball.core.operation import Operation
from gameball.core.polling import poll
from gameball.core.retry import Disposition, classify
from gameball.core.timestamps import stamp
from gameball.errors import APIError, DuplicateTransactionError, GameballError, OutcomeUnknownError
from gameball.models.batches import BATCH_ROWS, Batch, BatchId, BatchRow
from gameball.models.transactions import CashbackRequest, CashbackReward, RedeemRequest, Redemption
from gameball.resources import batches
from gameball.settings import RateLimit

START: Final[Mapping[type[Request], Callable[[Iterable[Any]], Operation[BatchId]]]] = {
    CashbackRequest: batches.start_cashback,
    RedeemRequest: batches.start_redeem,
}
"""What the API takes in batches."""


QUEUED: Final = 30.0
"""Seconds that a batch may wait at the API before it is worked on."""

PUBLISHED: Final = RateLimit((30, 1.0), (360, 30.0))
"""The API's own limit, as its later version publishes it: a batch is not worked on any faster than that."""


class BatchSender:
    """Carries rows in batches, several side by side."""

    at_once = 4
    most = BATCH_ROWS

    def __init__(
        self,
        delivery: Delivery,
        breaker: CircuitBreaker,
        concurrency: int,
        patience: float,
        record_batch: Callable[[Sequence[Row]], Awaitable[object]],
    ) -> None:
        """Prepare it.

        Args:
            delivery: The run's.
            breaker: The run's.
            concurrency: The most look-ups at a time.
            patience: Seconds that a batch may stand still before its rows are looked up, and the most that is waited
                for one whose start has no answer.
            record_batch: Keeps which batch rows have become part of.
        """
        self._delivery = delivery
        self._breaker = breaker
        self._patience = patience
        self._record_batch = record_batch
        self._places = asyncio.Semaphore(concurrency)

    async def send_rows(self, rows: Sequence[Row]) -> list[RowResult | Row]:
        """What became of each row; one that must be sent again comes back itself."""
        alike: dict[tuple[type[Request], bool, str | None, int], list[Row]] = {}
        ids: Counter[tuple[type[Request], str]] = Counter()
        for row in rows:
            kind, identity = type(row.request), row.request.transaction_id
            # A batch takes an id once: a row that repeats one goes in a batch of its own, after the first.
            alike.setdefault((kind, row.in_doubt, row.batch, ids[kind, identity]), []).append(row)
            ids[kind, identity] += 1
        return [end for group in alike.values() for end in await self._send_alike(group)]

    async def _send_alike(self, rows: Sequence[Row]) -> Sequence[RowResult | Row]:
        """Send rows of one kind, or find out what became of those in doubt: all in one batch, or in an unknown one."""
        pauses = self._breaker.pauses
        if not rows[0].in_doubt:
            for row in rows:
                if row.timed.transaction_time is None:
                    row.freeze(stamp())
            try:
                requests: list[Any] = [row.timed for row in rows]
                batch_id = await self._delivery.send(START[type(rows[0].request)](requests))
            except GameballError as error:
                if error.outcome == "not_applied":
                    return [
                        row_after_error(row, error, self._breaker, calm=self._breaker.calm_since(pauses))
                        for row in rows
                    ]
            else:
                for row in rows:
                    row.batch = str(batch_id)
                await self._record_batch(rows)
            for row in rows:
                row.in_doubt = True
        return await self._recover_late(rows) if rows[0].batch is None else await self._follow(rows)

    async def _follow(self, rows: Sequence[Row]) -> Sequence[RowResult | Row]:
        """Wait for a batch's end, and for what it says of each row."""
        batch_id = rows[0].batch or ""
        pauses = self._breaker.pauses
        progress = _Progress(self._patience)
        try:
            batch = await poll(
                partial(self._delivery.send, batches.get(batch_id)),
                done=lambda batch: batch.status.terminal or progress.stalled(batch),
                timeout=None,
                tell=None,
                missed=batches.LOST,
            )
        except GameballError as error:
            if classify(error) is Disposition.FATAL or not self._breaker.calm_since(pauses):
                return [row_after_error(row, error, self._breaker, calm=False) for row in rows]
            return await self._recover_late(rows)  # it can no longer be asked, and may run all the same
        assert batch is not None  # noqa: S101 (for the type checkers: without a timeout there is an end)
        return await self._gather(partial(self._end, _RowsByPlayer(batch)), rows)

    async def _recover_late(self, rows: Sequence[Row]) -> Sequence[RowResult | Row]:
        """Find out about rows of a batch that may still run: they go again only after the time that it may take."""
        ends = await self._gather(self._recover, rows)
        absent = [end for end in ends if isinstance(end, Row) and not end.in_doubt]
        if not absent:
            return ends
        needed = self._time_of(len(rows))
        for row in absent:
            row.in_doubt = True  # until it was looked up again
        await asyncio.sleep(min(needed, self._patience))
        recover = self._recover if needed <= self._patience else self._recover_or_review
        later = dict(zip(map(id, absent), await self._gather(recover, absent), strict=True))
        return [later.get(id(end), end) for end in ends]

    def _time_of(self, rows: int) -> float:
        """Seconds in which a batch of so many rows should be done, however it was queued."""
        limit = self._delivery.rate_limiter.limit if self._delivery.rate_limiter is not None else PUBLISHED
        return QUEUED + max(rows / most * seconds for most, seconds in limit.windows)

    async def _gather(
        self, end: Callable[[Row], Awaitable[RowResult | Row]], rows: Sequence[Row]
    ) -> Sequence[RowResult | Row]:
        async with asyncio.TaskGroup() as tasks:
            ending = [tasks.create_task(self._in_place(end, row)) for row in rows]
        return [task.result() for task in ending]

    async def _in_place(self, end: Callable[[Row], Awaitable[RowResult | Row]], row: Row) -> RowResult | Row:
        async with self._places:
            return await end(row)

    async def _end(self, answer: "_RowsByPlayer", row: Row) -> RowResult | Row:
        """What a batch says of a row, or else the list."""
        if (value := answer.value(row)) is not None:
            return row.ended(RowState.APPLIED, value=value)
        refusal = answer.refusal(row)
        if refusal is None:
            return await (self._recover(row) if answer.terminal else self._recover_or_review(row))
        # The API may refuse a repetition of what it has; it gives no code here.
        end = await self._recover(row)
        if isinstance(end, RowResult) and isinstance(end.error, DuplicateTransactionError):
            end.error.outcome = "not_applied"  # the batch refused it, and what has its id is another transaction
            return evolve(end, state=RowState.REJECTED)
        if isinstance(end, RowResult):
            return evolve(end, state=RowState.ALREADY_APPLIED) if end.state is RowState.APPLIED else end
        if end.in_doubt:
            return end
        return row.ended(RowState.REJECTED, error=self._delivery.complete(APIError(refusal), row.operation, 1))

    async def _recover(self, row: Row) -> RowResult | Row:
        """Find out whether a row was applied; when it was not, it may be sent again."""
        pauses = self._breaker.pauses
        row.batch = None
        try:
            delivered = await self._delivery.recover(row.operation)
        except GameballError as error:
            return row_after_error(row, error, self._breaker, calm=self._breaker.calm_since(pauses))
        if delivered is not None:
            return row.ended(RowState.APPLIED, value=delivered.value)
        row.tries += 1
        if row.tries >= MOST_TRIES:
            return self._review(row)
        row.in_doubt = False
        return row

    async def _recover_or_review(self, row: Row) -> RowResult | Row:
        """Find out whether a row was applied; when it was not, its batch may still do so: it is not sent again."""
        end = await self._recover(row)
        return self._review(row) if isinstance(end, Row) and not end.in_doubt else end

    def _review(self, row: Row) -> RowResult:
        unknown = OutcomeUnknownError("no batch says what became of it, and it is not in the list")
        return row.ended(RowState.NEEDS_REVIEW, error=self._delivery.complete(unknown, row.operation, row.tries))


class _Progress:
    """Whether a batch still moves: its word, or how many of its rows it names."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._clock = asyncio.get_running_loop().time
        self._seen: object = None
        self._moved_at = 0.0

    def stalled(self, batch: Batch) -> bool:
        """Take a look into account; whether nothing has moved for too long."""
        seen = (batch.status, len(batch.successful), len(batch.failed))
        if seen != self._seen:
            self._seen, self._moved_at = seen, self._clock()
        return self._clock() - self._moved_at >= self._patience


class _RowsByPlayer:
    """What a batch's answer says of its rows, by player."""

    def __init__(self, batch: Batch) -> None:
        self.terminal = batch.status.terminal
        self._successful = {row.player_unique_id: row for row in batch.successful}
        self._failed = {row.player_unique_id: row for row in batch.failed}

    def value(self, row: Row) -> Value | None:
        """What the single call would have returned, of a row that was applied."""
        found = _same(row, self._successful)
        if found is None:
            return None
        given, player = found.gameball_transaction_id, found.player_unique_id
        points = found.points if isinstance(row.request, CashbackRequest) else found.redeemed_points
        if given is None or points is None:
            return None
        if isinstance(row.request, CashbackRequest):
            return CashbackReward(gameball_transaction_id=given, rewarded_points=points, player_unique_id=player)
        return Redemption(gameball_transaction_id=given, redeemed_points=points, player_unique_id=player)

    def refusal(self, row: Row) -> str | None:
        """Why a row was not applied, of one that failed."""
        found = _same(row, self._failed)
        return None if found is None else found.message or "the batch says that it failed, and not why"


def _same(row: Row, answered: Mapping[str | None, BatchRow]) -> BatchRow | None:
    found = answered.get(row.request.player_unique_id)
    if found is None or found.transaction_id not in (None, row.request.transaction_id):
        return None
    return found

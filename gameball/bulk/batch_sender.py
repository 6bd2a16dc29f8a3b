"""Rows sent up to 1000 at a time, through the batches of the API.

A batch has no id of ours, and its answer names players: so a chunk has at most one row of a player, and a player is
in one chunk at a time. Rows that a batch does not name are looked up, one by one. So are all of them when no answer
to its start comes: it may be worked on for minutes, so they are looked up for as long as that may take before any is
sent again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from attrs import define, evolve

from gameball.bulk.breaker import CircuitBreaker
from gameball.bulk.rows import Request, Row, RowResult, RowState, Value
from gameball.bulk.sender import MOST_TRIES, row_after_error, wrong_address
from gameball.core.delivery import Delivery
from gameball.core.operation import Absent, Different, Finding, Found, Operation
from gameball.core.polling import NoProgressError, poll
from gameball.core.retry import Disposition, classify, is_foreign
from gameball.core.timestamps import stamp
from gameball.errors import APIError, DuplicateTransactionError, GameballError, OutcomeUnknownError
from gameball.models.batches import BATCH_ROWS, Batch, BatchId, BatchRow
from gameball.models.shared import refuse
from gameball.models.transactions import CashbackRequest, CashbackReward, RedeemRequest, Redemption
from gameball.resources import batches
from gameball.settings import RateLimit

START: Final[Mapping[type[Request], Callable[[Iterable[Any]], Operation[BatchId]]]] = {
    CashbackRequest: batches.start_cashback,
    RedeemRequest: batches.start_redeem,
}
"""What the API takes in batches."""

PUBLISHED: Final = RateLimit((30, 1.0), (360, 30.0))
"""The API's own limit, as its later version publishes it: how fast a batch is worked on at least."""

LONGEST_WAIT: Final = 30.0
"""Seconds between two rounds of look-ups."""

UNNAMED: Final = ""
"""In place of the id of a batch that is not known, or can no longer be followed."""

Ends: TypeAlias = Sequence[RowResult | Row]


class BatchSender:
    """Sends rows in batches, several side by side."""

    at_once = 4
    most = BATCH_ROWS

    def __init__(
        self,
        delivery: Delivery,
        breaker: CircuitBreaker,
        concurrency: int,
        record_batch: Callable[[Sequence[Row]], Awaitable[object]],
        *,
        patience: float,
        lookup_time: float | None = None,
    ) -> None:
        """Prepare it.

        Args:
            delivery: Carries out each request.
            breaker: The run's.
            concurrency: The most look-ups side by side.
            record_batch: Keeps which batch rows have become part of.
            patience: Seconds without progress after which a batch is no longer followed.
            lookup_time: Seconds over which the rows of a batch in doubt are looked up before they are sent again; see
                `Bulk.run()`.
        """
        self._delivery = delivery
        self._breaker = breaker
        self._record_batch = record_batch
        self._places = asyncio.Semaphore(concurrency)
        self._patience = patience
        self._lookup_time = lookup_time

    async def send_rows(self, rows: Sequence[Row]) -> list[RowResult | Row]:
        """What became of each row; one that must be sent again comes back itself."""
        alike: dict[tuple[type[Request], bool, str | None], list[Row]] = {}
        for row in rows:
            alike.setdefault((type(row.request), row.in_doubt, row.batch), []).append(row)
        try:
            async with asyncio.TaskGroup() as tasks:
                groups = [tasks.create_task(self._send_alike(group)) for group in alike.values()]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [end for group in groups for end in group.result()]

    async def _send_alike(self, rows: Sequence[Row]) -> Ends:
        """Send rows of one kind, or find out what became of those in doubt: all in one batch, or in unknown ones."""
        if not rows[0].in_doubt:
            return await self._start(rows)
        return await (self._follow(rows) if rows[0].batch else self._search(rows))

    async def _start(self, rows: Sequence[Row]) -> Ends:
        """Start a batch, and wait for its end."""
        rows, repeated = _first_of_each_id(rows)
        pauses = self._breaker.pauses
        for row in rows:
            row.batch = UNNAMED
            row.attempts += 1
            if row.timed.transaction_time is None:
                row.freeze(stamp())
        await self._record_batch(rows)
        requests: list[Any] = [row.timed for row in rows]
        try:
            batch_id = await self._delivery.send(START[type(rows[0].request)](requests))
        except GameballError as error:
            if error.outcome == "not_applied":
                calm = self._breaker.calm_since(pauses)
                for row in rows:
                    row.batch = None
                return [*(row_after_error(row, error, self._breaker, calm=calm) for row in rows), *repeated]
            _mark_in_doubt(rows, UNNAMED)
            return [*await self._search(rows), *repeated]
        _mark_in_doubt(rows, str(batch_id))
        await self._record_batch(rows)
        return [*await self._follow(rows), *repeated]

    async def _follow(self, rows: Sequence[Row]) -> Ends:
        """Wait for a batch's end, and for what it says of each row."""
        batch_id = rows[0].batch or ""
        pauses = self._breaker.pauses
        try:
            batch = await poll(
                partial(self._delivery.send, batches.get(batch_id)),
                done=lambda batch: batch.status.terminal,
                waits=evolve(self._delivery.waits, no_progress=self._patience),
                missed=batches.MISSED,
            )
        except NoProgressError as stalled:
            return await self._conclude(rows, stalled.value, _unfinished(batch_id, stalled.value))
        except GameballError as error:
            if _is_fatal(error) or not self._breaker.calm_since(pauses):
                return [row_after_error(row, error, self._breaker, calm=False) for row in rows]
            _mark_in_doubt(rows, UNNAMED)
            return await self._search(rows)  # it can no longer be followed, but may go on
        return await self._conclude(rows, batch, None)

    async def _conclude(self, rows: Sequence[Row], batch: Batch, unfinished: str | None) -> Ends:
        """What a batch says of each row, or else the list.

        Args:
            rows: The rows of the batch.
            batch: How it was read last.
            unfinished: Why rows that are not in the list may still be applied; None when the batch has ended.
        """
        answer = _RowsByPlayer(batch)
        values = [(row, answer.value(row)) for row in rows]
        ends: list[RowResult | Row] = [
            row.ended(RowState.APPLIED, value=value) for row, value in values if value is not None
        ]
        for row, finding in await self._look_up([row for row, value in values if value is None], 0.0):
            refusal = answer.refusal(row)
            if refusal is None:
                ends.append(self._end(row, finding, unfinished))
            elif isinstance(finding, Found):  # the API refuses a repetition of what it has
                ends.append(row.ended(RowState.ALREADY_APPLIED, value=finding.value))
            elif isinstance(finding, Absent | Different):
                error = self._delivery.complete(APIError(refusal), row.operation, 1)
                ends.append(row.ended(RowState.REJECTED, error=error))
            else:
                ends.append(finding)
        return ends

    async def _search(self, rows: Sequence[Row]) -> Ends:
        """Look for rows of a batch that was perhaps started, until it must have been worked on."""
        needed, unfinished, waits = self._lookup_time, None, self._delivery.waits
        if needed is None:
            limiter = self._delivery.rate_limiter
            windows = (*PUBLISHED.windows, *(limiter.limit.windows if limiter is not None else ()))
            needed = waits.batch_start + max(len(rows) / most * seconds for most, seconds in windows)
            if needed > waits.longest_search:
                needed, unfinished = waits.longest_search, "its batch may still be worked on"
        return [self._end(row, finding, unfinished) for row, finding in await self._look_up(rows, needed)]

    def _end(self, row: Row, finding: "_LookedUp", unfinished: str | None) -> RowResult | Row:
        """What look-ups mean for a row in doubt; one that was not applied may be sent again."""
        if isinstance(finding, Found):
            return row.ended(RowState.APPLIED, value=finding.value)
        if isinstance(finding, Different):
            taken = DuplicateTransactionError(
                "the transaction id belongs to a different transaction", outcome="unknown"
            )
            return row.ended(RowState.NEEDS_REVIEW, error=self._delivery.complete(taken, row.operation, row.tries + 1))
        if not isinstance(finding, Absent):
            return finding
        row.tries += 1
        if unfinished is None and row.tries >= MOST_TRIES:
            unfinished = "no batch says what became of it"
        if unfinished is not None:
            unknown = OutcomeUnknownError(f"{unfinished}, and it is not in the list")
            return row.ended(RowState.NEEDS_REVIEW, error=self._delivery.complete(unknown, row.operation, row.tries))
        row.in_doubt, row.batch = False, None
        return row

    async def _look_up(self, rows: Sequence[Row], seconds: float) -> Sequence[tuple[Row, "_LookedUp"]]:
        """Look rows up, again and again, until each is found, or was missed twice, the last time after these seconds.

        A look-up that cannot be read says nothing: it is repeated, of one row as a probe first, until none could be
        read for as long as a call may take, or until there is an outage, which is the run's to wait out. Of what is not
        known then, the row's end is given, or the row itself.
        """
        waits, clock, pauses = self._delivery.waits, asyncio.get_running_loop().time, self._breaker.pauses
        read_at, until, wait = clock(), clock() + seconds, waits.first_lookup
        left = sought = [_Sought(row) for row in rows]
        while left and self._breaker.calm_since(pauses):
            await asyncio.sleep(wait)
            final, probe, others = clock() >= until, left[0], left[1:]
            if await self._look_up_once(probe, final=final):
                read_at = clock()
                async with asyncio.TaskGroup() as tasks:
                    for one in others:
                        tasks.create_task(self._look_up_once(one, final=final))
            left = [one for one in (*others, probe) if one.finding is None]
            rest = min(read_at, until) + self._delivery.timeouts.total - clock()
            if rest <= 0:
                break
            wait = max(waits.between_lookups, min(2 * wait, LONGEST_WAIT, until - clock(), rest))
        calm = self._breaker.calm_since(pauses)
        return [(one.row, one.finding or self._unknown(one, calm=calm)) for one in sought]

    async def _look_up_once(self, sought: "_Sought", *, final: bool) -> bool:
        """Whether the look-up could be read."""
        try:
            async with self._places:
                finding = await self._delivery.look_up(sought.row.operation)
        except GameballError as error:
            sought.problem = error
            if (reason := error if _is_fatal(error) else wrong_address(error)) is not None:
                self._breaker.give_up(reason)
            return False
        if isinstance(finding, Found):
            sought.finding = finding
        else:
            sought.misses += 1
            if final and sought.misses > 1:
                sought.finding = finding
        return True

    def _unknown(self, sought: "_Sought", *, calm: bool) -> RowResult | Row:
        reason = sought.problem.message if sought.problem is not None else "it could not be looked up"
        unknown = OutcomeUnknownError(f"outcome unknown: it may have been applied ({reason})")
        row = sought.row
        return row_after_error(row, self._delivery.complete(unknown, row.operation, 1), self._breaker, calm=calm)


_LookedUp: TypeAlias = Finding[Any] | RowResult | Row


@define(eq=False)
class _Sought:
    """A row that is looked up, and what the look-ups have said of it."""

    row: Row
    finding: Finding[Any] | None = None
    misses: int = 0
    problem: GameballError | None = None


def _first_of_each_id(rows: Sequence[Row]) -> tuple[Sequence[Row], Sequence[RowResult]]:
    """Those whose id no earlier one has, and the ends of the others: a batch takes an id only once."""
    first: dict[str, Row] = {}
    repeated: list[RowResult] = []
    for row in rows:
        before = first.setdefault(row.request.transaction_id, row)
        if before is not row:
            error = refuse("transaction_id", f"is the same as in rows[{before.index}]; it is taken only once")
            repeated.append(row.ended(RowState.REJECTED, error=error))
    return list(first.values()), repeated


def _mark_in_doubt(rows: Sequence[Row], batch: str) -> None:
    for row in rows:
        row.in_doubt, row.batch = True, batch


def _is_fatal(error: GameballError) -> bool:
    """Whether no other read would fare better; a gateway's page in between says nothing."""
    return classify(error) is Disposition.FATAL and not is_foreign(error)


def _unfinished(batch_id: str, batch: Batch) -> str:
    return f'batch {batch_id} made no progress (its status is "{batch.status}")'


class _RowsByPlayer:
    """What a batch's answer says of its rows, by player."""

    def __init__(self, batch: Batch) -> None:
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

"""Where a run's rows wait: the queue as the runner sees it, and the one without a journal, a window in memory."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from gameball.bulk.reader import CHUNK, Reader
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import Request, Row, RowResult, RowState
from gameball.errors import OutcomeUnknownError

LOOK_AHEAD: Final = 10_000
"""Rows that are held while they wait for an earlier one of their player."""

READ_AHEAD: Final = 2 * CHUNK
"""Rows that are read before they are needed, where that keeps nobody from anything."""


class Queue(Protocol):
    """Where a run's rows wait, and where their results are kept."""

    @property
    def empty(self) -> bool:
        """Whether all rows have been claimed."""
        ...

    async def fill(self, count: int, wake: Callable[[], object]) -> None:
        """Read rows until `count` can be claimed, as far as there are more; call `wake` when some come in later."""
        ...

    async def commit_and_claim(self, results: Sequence[RowResult], retried: Sequence[Row], count: int) -> Sequence[Row]:
        """Keep the results, and claim up to `count` rows; `retried` are rows that will be sent again."""
        ...

    async def record_batch(self, rows: Sequence[Row]) -> None:
        """Keep which batch rows have become part of."""
        ...

    async def release(self, rows: Sequence[Row], *, unheard: bool) -> Sequence[RowResult]:
        """Take back rows that this run sends no more, and give the results of those that no other run will send.

        Args:
            rows: The rows.
            unheard: Whether all that was sent in this run was answered by another server than the API.
        """
        ...

    async def close(self) -> None:
        """End the use of the queue."""
        ...


class PlayerQueue:
    """Which row may go next: a player's rows in order and one at a time, those of different players side by side."""

    def __init__(self) -> None:
        self._ready: deque[Row] = deque()
        self._behind: dict[str, deque[Row] | None] = {}
        """Of every player that has a row ready or on its way: the rows that wait for it, if there were any."""
        self._held = 0
        self._added = 0

    @property
    def ready(self) -> int:
        """Rows that may go now."""
        return len(self._ready)

    @property
    def full(self) -> bool:
        """Whether no more rows should be added."""
        return self._held >= LOOK_AHEAD

    @property
    def added(self) -> int:
        """Rows so far."""
        return self._added

    def add(self, requests: Iterable[Request]) -> None:
        """Add rows, in order."""
        before, behind = self._added, self._behind
        for request in requests:
            row, player = Row(self._added, request), request.player_unique_id
            self._added += 1
            if player not in behind:
                behind[player] = None
                self._ready.append(row)
            elif (waiting := behind[player]) is None:
                behind[player] = deque([row])
            else:
                waiting.append(row)
        self._held += self._added - before

    def take(self, most: int) -> list[Row]:
        """Take rows that may go now."""
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]

    def ended(self, request: Request) -> None:
        """Let the next row of this one's player go."""
        self._held -= 1
        behind = self._behind[request.player_unique_id]
        if behind:
            self._ready.append(behind.popleft())
        else:
            del self._behind[request.player_unique_id]


class MemoryQueue:
    """The queue of a run without a journal: rows as they are read, never more than the look-ahead."""

    def __init__(self, reader: Reader, report: BulkReport) -> None:
        self._reader = reader
        self._report = report
        self._rows = PlayerQueue()
        self._reading: asyncio.Task[None] | None = None
        self._all_read = False

    @property
    def empty(self) -> bool:
        """Whether all rows have been claimed."""
        return self._all_read and not self._rows.ready

    async def fill(self, count: int, wake: Callable[[], object]) -> None:
        """Read on; where reading does not block the caller, it goes ahead beside the run."""
        if self._reader.blocking:
            await self._read(count, wake)
            return
        if self._reading is not None and self._reading.done():
            reading, self._reading = self._reading, None
            reading.result()
        if self._reading is None and self._wants(count + READ_AHEAD):
            self._reading = asyncio.create_task(self._read(count + READ_AHEAD, wake))
            self._reading.add_done_callback(lambda _: wake())
            await asyncio.sleep(0)

    async def commit_and_claim(self, results: Sequence[RowResult], retried: Sequence[Row], count: int) -> Sequence[Row]:
        """Count the results, and claim rows."""
        del retried  # a row that is sent again has kept its player waiting all the time
        for result in results:
            self._rows.ended(result.request)
            self._report.count(result)
        self._report.rows = self._rows.added
        return self._rows.take(max(count, 0))

    async def record_batch(self, rows: Sequence[Row]) -> None:
        """Nothing would remember it."""

    async def release(self, rows: Sequence[Row], *, unheard: bool) -> Sequence[RowResult]:
        """Nothing remembers these rows: those that may have been applied need a review."""
        del unheard
        in_doubt = [row for row in rows if row.in_doubt]
        results = [row.ended(RowState.NEEDS_REVIEW, error=row.error or OutcomeUnknownError()) for row in in_doubt]
        await self.commit_and_claim(results, (), 0)
        return results

    async def close(self) -> None:
        """Read no further."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._reader.close()

    def _wants(self, count: int) -> bool:
        return not self._all_read and self._rows.ready < count and not self._rows.full

    async def _read(self, count: int, wake: Callable[[], object]) -> None:
        while self._wants(count):
            rows = await self._reader.read()
            self._all_read = not rows
            self._rows.add(rows)
            wake()
            if len(rows) < CHUNK:  # from a slow source: what there is can go
                return

"""Where a run's rows wait: the queue as the runner sees it, and the one without a journal, a window in memory."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
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

    gathering: float
    """Seconds that results wait for others while workers have enough to do: one commit does for many."""

    @property
    def empty(self) -> bool:
        """Whether all rows have been claimed."""
        ...

    async def fill(self, count: int, wake: Callable[[], object]) -> None:
        """Read rows until `count` can be claimed, as far as there are more; call `wake` when some come in later."""
        ...

    async def commit_and_claim(self, results: Sequence[RowResult], retried: Sequence[Row], count: int) -> Sequence[Row]:
        """Keep the results, and claim rows that may go.

        Args:
            results: How rows have ended.
            retried: Rows that will be sent again.
            count: How many rows are wanted; what claims cost nothing may give more.
        """
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
        self._ready: list[Row] = []
        self._behind: dict[str, deque[Row] | None] = {}
        """Of every player that has a row ready or on its way: the rows that wait for it, if there were any."""
        self._held = 0
        self._added = 0

    @property
    def ready(self) -> int:
        """Rows that may go now."""
        return len(self._ready)

    @property
    def allowed(self) -> int:
        """How many more rows should be added."""
        return LOOK_AHEAD - self._held

    @property
    def added(self) -> int:
        """Rows so far."""
        return self._added

    def add(self, requests: Sequence[Request]) -> None:
        """Add rows, in order."""
        ready, behind = self._ready, self._behind
        for index, request in enumerate(requests, self._added):
            row, player = Row(index, request), request.player_unique_id
            if player not in behind:
                behind[player] = None
                ready.append(row)
            elif (waiting := behind[player]) is None:
                behind[player] = deque([row])
            else:
                waiting.append(row)
        self._added += len(requests)
        self._held += len(requests)

    def take(self) -> Sequence[Row]:
        """Take all rows that may go now."""
        rows, self._ready = self._ready, []
        return rows

    def ended(self, results: Sequence[RowResult]) -> None:
        """Let the next row of each one's player go."""
        ready, behind = self._ready, self._behind
        for result in results:
            player = result.request.player_unique_id
            if waiting := behind[player]:
                ready.append(waiting.popleft())
            else:
                del behind[player]
        self._held -= len(results)


class MemoryQueue:
    """The queue of a run without a journal: rows as they are read, never more than the look-ahead."""

    gathering = 0.0

    def __init__(self, reader: Reader, report: BulkReport) -> None:
        self._reader = reader
        self._report = report
        self._rows = PlayerQueue()
        self._reading: asyncio.Task[None] | None = None
        self._wanted = 0
        """How many rows should be ready."""
        self._all_read = False

    @property
    def empty(self) -> bool:
        """Whether all rows have been claimed."""
        return self._all_read and not self._rows.ready

    async def fill(self, count: int, wake: Callable[[], object]) -> None:
        """Read on; where reading does not block the caller, it goes ahead beside the run."""
        self._wanted = count
        if self._reader.blocking:
            await self._read(wake)
            return
        self._wanted += READ_AHEAD
        if self._reading is not None and self._reading.done():
            reading, self._reading = self._reading, None
            reading.result()
        if self._reading is None and self._missing > 0:
            self._reading = asyncio.create_task(self._read(wake))
            self._reading.add_done_callback(lambda _: wake())
            await asyncio.sleep(0)

    async def commit_and_claim(self, results: Sequence[RowResult], retried: Sequence[Row], count: int) -> Sequence[Row]:
        """Count the results, and claim all rows that may go: nothing is kept of a claim."""
        del retried, count  # a row that is sent again has kept its player waiting all the time
        self._end(results)
        self._report.rows = self._rows.added
        rows = self._rows.take()
        self._wanted -= len(rows)
        return rows

    async def record_batch(self, rows: Sequence[Row]) -> None:
        """Nothing would remember it."""

    async def release(self, rows: Sequence[Row], *, unheard: bool) -> Sequence[RowResult]:
        """Nothing remembers these rows: those that may have been applied need a review."""
        del unheard
        in_doubt = [row for row in rows if row.in_doubt]
        results = [row.ended(RowState.NEEDS_REVIEW, error=row.error or OutcomeUnknownError()) for row in in_doubt]
        self._end(results)
        return results

    async def close(self) -> None:
        """Read no further."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._reader.close()

    def _end(self, results: Sequence[RowResult]) -> None:
        self._rows.ended(results)
        self._report.count(results)

    @property
    def _missing(self) -> int:
        """How many more rows to read."""
        return 0 if self._all_read else min(self._wanted - self._rows.ready, self._rows.allowed)

    async def _read(self, wake: Callable[[], object]) -> None:
        while (missing := self._missing) > 0:
            most = max(missing, CHUNK)
            rows = await self._reader.read(most)
            self._all_read = not rows
            self._rows.add(rows)
            wake()
            if len(rows) < most:  # from a slow source: what there is can go
                return

"""The queue of a run without a journal: a window of the rows, in memory."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from gameball.bulk.reader import CHUNK, Reader
from gameball.bulk.rows import BulkReport, Row, RowResult, RowState
from gameball.bulk.schedule import PlayerQueue
from gameball.errors import OutcomeUnknownError

AHEAD: Final = 2 * CHUNK
"""Rows that are read before they are needed, where that keeps nobody from anything."""


class MemoryQueue:
    """Rows as they are read, never more than the schedule looks ahead."""

    def __init__(self, rows: Reader, report: BulkReport) -> None:
        self.changed: Callable[[], object] = lambda: None
        self._rows = rows
        self._report = report
        self._schedule = PlayerQueue()
        self._reading: asyncio.Task[None] | None = None
        self._all_read = False

    @property
    def empty(self) -> bool:
        """Whether all rows have been handed out."""
        return self._all_read and not self._schedule.ready

    async def fill(self, room: int) -> None:
        """Read on; where reading does not block the caller, it goes ahead beside the run."""
        if self._rows.blocking:
            await self._read(room)
            return
        if self._reading is not None and self._reading.done():
            reading, self._reading = self._reading, None
            reading.result()
        if self._reading is None and self._wants(room + AHEAD):
            self._reading = asyncio.create_task(self._read(room + AHEAD))
            self._reading.add_done_callback(lambda _: self.changed())
            await asyncio.sleep(0)

    async def turn(self, results: Sequence[RowResult], back: Sequence[Row], room: int) -> Sequence[Row]:
        """Keep the results, and hand out rows."""
        del back  # what comes back has kept its player waiting all the time
        for result in results:
            self._schedule.settled(result.request)
            self._report.count(result)
        self._report.rows = self._schedule.taken_in
        return [Row(index, request) for index, request in self._schedule.take(max(room, 0))]

    async def record_batch(self, rows: Sequence[Row]) -> None:
        """Nothing would remember it."""

    async def release(self, rows: Sequence[Row]) -> Sequence[RowResult]:
        """Nothing remembers these rows: those that may have been applied need a review."""
        lost = [row for row in rows if row.in_doubt]
        results = [row.ended(RowState.NEEDS_REVIEW, error=row.error or OutcomeUnknownError()) for row in lost]
        await self.turn(results, (), 0)
        return results

    async def close(self) -> None:
        """Read no further."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._rows.close()

    def _wants(self, room: int) -> bool:
        return not self._all_read and self._schedule.ready < room and not self._schedule.full

    async def _read(self, room: int) -> None:
        while self._wants(room):
            rows = await self._rows.read()
            self._all_read = not rows
            self._schedule.add(rows)
            self.changed()
            if len(rows) < CHUNK:  # from a slow source: what there is can go
                return

"""One run: workers that send_rows rows side by side, and the loop that feeds them and gathers their results."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, Protocol

import anyio

from gameball.bulk.breaker import CircuitBreaker
from gameball.bulk.rows import Row, RowResult

GRACE: Final = 10.0
"""Seconds that what is in flight may take to end when a run is left early."""

TOGETHER: Final = 0.03
"""Seconds that results wait for others while workers have enough to do: one turn of the queue does for many."""

MOST_AHEAD: Final = 6
"""The most rows that have been handed out and wait for a worker, for each that can be in flight."""


class Queue(Protocol):
    """Where a run's rows wait, and where their results are kept."""

    changed: Callable[[], object]
    """To be called when rows have come in."""

    @property
    def empty(self) -> bool:
        """Whether all rows have been handed out."""
        ...

    async def fill(self, room: int) -> None:
        """Take in rows, as far as there is need and they are there."""
        ...

    async def turn(self, results: Sequence[RowResult], back: Sequence[Row], room: int) -> Sequence[Row]:
        """Keep the results, and hand out up to `room` rows; `back` are rows that will be sent again."""
        ...

    async def record_batch(self, rows: Sequence[Row]) -> None:
        """Keep which batch rows have become part of."""
        ...

    async def release(self, rows: Sequence[Row]) -> Sequence[RowResult]:
        """Take back rows that this run sends no more, and give the results of those that no other run will send."""
        ...

    async def close(self) -> None:
        """The run has ended."""
        ...


class Sender(Protocol):
    """Carries rows to the API."""

    at_once: int
    """How many workers there are."""
    most: int
    """How many rows one takes at a time."""

    async def send_rows(self, rows: Sequence[Row]) -> Sequence[RowResult | Row]:
        """What became of each row; one that must be sent again comes back itself."""
        ...


class Run:
    """The workers of one run, and the loop that feeds them.

    Closed early, it lets what is in flight end first; cancelled, it ends at once.
    """

    def __init__(self, queue: Queue, sender: Sender, breaker: CircuitBreaker) -> None:
        self._queue = queue
        self._sender = sender
        self._breaker = breaker
        self._ready: deque[Row] = deque()
        self._ended: list[RowResult | Row] = []
        self._in_flight = sender.at_once * sender.most
        """The most rows that can be."""
        self._ahead = sender.most
        """How many more to have at hand: enough to last until the next turn is over, and not many more, for whoever
        resumes a run that was killed must look them all up."""
        self._carrying = self._flying = 0
        """Groups and rows on their way."""
        self._idle: deque[asyncio.Future[None]] = deque()
        self._turning = False
        """Whether the queue is at work."""
        self._news = asyncio.Event()
        self._due: asyncio.TimerHandle | None = None
        self._clock = asyncio.get_running_loop().time
        self._leave_by: float | None = None
        self._dry = False
        """Whether the queue has no more rows than it gave, until some have ended."""
        self._broken = False
        """Whether the queue has failed: then nothing more is sent."""
        breaker.changed = self._wake
        queue.changed = self._news.set

    async def results(self) -> AsyncGenerator[Sequence[RowResult]]:
        """Results in chunks, as they come; ends when there are no more, or when the breaker has given up."""
        workers = [asyncio.create_task(self._work()) for _ in range(self._sender.at_once)]
        try:
            while True:
                await self._fill()
                if results := await self._turn():
                    yield results
                elif self._done:
                    break
                if self._flying or not results:  # else nobody would bring news
                    await self._news.wait()
            if results := await self._release():
                yield results
        except GeneratorExit:
            self.leave()
            while self._flying and not self._overdue:
                self._news.clear()
                await self._news.wait()
            raise
        finally:
            self._leave_by = self._clock()
            with anyio.CancelScope(shield=True):
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
                if not self._broken:
                    await self._turn()
                    await self._release()
                await self._queue.close()

    def leave(self) -> None:
        """Send nothing more; the results of what is in flight still come, for a while."""
        if self._leave_by is None:
            self._leave_by = self._clock() + GRACE
            asyncio.get_running_loop().call_at(self._leave_by, self._news.set)
        self._news.set()

    async def _fill(self) -> None:
        if not self._stopping:
            try:
                await self._queue.fill(self._room)
            except Exception as error:  # noqa: BLE001 (the caller's own, from its rows: what is in flight ends first)
                self._breaker.give_up(error)
        if self._breaker.given_up is not None:
            self.leave()

    async def _turn(self) -> Sequence[RowResult]:
        """Hand what has ended to the queue, and what it hands out to the workers."""
        self._news.clear()
        if self._due is not None:
            self._due.cancel()
            self._due = None
        ended, self._ended = self._ended, []
        results = [one for one in ended if isinstance(one, RowResult)]
        back = [one for one in ended if isinstance(one, Row)]
        if ended:
            ahead = max(len(ended) * 3 // 2, self._ahead // 2, self._sender.most)
            self._ahead = min(ahead, MOST_AHEAD * self._in_flight)
        room = self._room
        self._turning = True
        try:
            rows = await self._queue.turn(results, back, room)
        except BaseException:
            self._broken = True
            raise
        finally:
            self._turning = False
        self._dry = len(rows) < room
        self._ready.extendleft(reversed(back))
        self._ready.extend(rows)
        self._wake_workers()
        if self._ended:
            self._tell()
        return results

    async def _release(self) -> Sequence[RowResult]:
        rows = list(self._ready)
        self._ready.clear()
        return await self._queue.release(rows) if rows else ()

    @property
    def _room(self) -> int:
        """How many more rows to ask for: so many that no worker waits while the queue is asked again."""
        return 0 if self._stopping else self._in_flight + self._ahead - self._flying - len(self._ready)

    @property
    def _stopping(self) -> bool:
        return self._leave_by is not None or self._breaker.given_up is not None

    @property
    def _overdue(self) -> bool:
        """Whether what is in flight has had its time to end."""
        return self._leave_by is not None and self._clock() >= self._leave_by

    @property
    def _done(self) -> bool:
        if self._overdue:
            return True
        if self._flying or self._ended:
            return False
        return self._stopping or (not self._ready and self._queue.empty)

    # The workers.

    async def _work(self) -> None:
        while True:
            if rows := self._take():
                ends = await self._carry(rows)
                self._ended.extend(ends)  # the list as it is now: it changes hands while rows are on their way
                self._tell()
            else:
                rest = asyncio.get_running_loop().create_future()
                self._idle.append(rest)
                await rest

    def _tell(self) -> None:
        """Rows have ended: tell the loop at once when the run is to end or workers would run dry, else with others."""
        if self._turning:
            return  # there will be more to tell when it is over
        if self._stopping or len(self._ready) <= self._ahead // 4:
            self._news.set()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(TOGETHER, self._news.set)

    def _take(self) -> Sequence[Row]:
        enough = len(self._ready) >= (1 if self._dry else self._sender.most)
        if not self._ready or not enough or self._stopping or self._broken or not self._breaker.admits(self._carrying):
            return ()
        return [self._ready.popleft() for _ in range(min(self._sender.most, len(self._ready)))]

    async def _carry(self, rows: Sequence[Row]) -> Sequence[RowResult | Row]:
        self._carrying += 1
        self._flying += len(rows)
        try:
            return await self._sender.send_rows(rows)
        except asyncio.CancelledError:
            for row in rows:
                row.in_doubt = True
            self._ended.extend(rows)
            raise
        except Exception as error:
            self._breaker.give_up(error)
            self._news.set()
            raise
        finally:
            self._carrying -= 1
            self._flying -= len(rows)
            self._breaker.rows_ended()

    def _wake(self) -> None:
        self._wake_workers()
        self._news.set()

    def _wake_workers(self) -> None:
        for _ in range(min(len(self._ready), len(self._idle))):
            rest = self._idle.popleft()
            if not rest.done():
                rest.set_result(None)

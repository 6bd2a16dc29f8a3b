"""One run: claims rows from the queue, hands them to a sender under a breaker, commits what became of them."""

import asyncio
import contextvars
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from time import monotonic
from typing import Final, Protocol

import anyio
from attrs import evolve

from gameball.bulk.breaker import CircuitBreaker
from gameball.bulk.queue import Queue
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import Row, RowResult
from gameball.bulk.sender import Sender
from gameball.bulk.tally import Tally
from gameball.core import loop_thread
from gameball.core.delivery import Delivery
from gameball.core.observers import Observers, Tokens
from gameball.core.retry import Budget
from gameball.errors import BulkStoppedError, JournalError
from gameball.settings import LONGEST

MOST_AHEAD: Final = 6
"""The most rows that have been claimed and wait for a worker, for each that can be in flight."""

PROGRESS: Final = 0.1
"""Seconds between two calls of `on_progress`."""


class StopFlag(Protocol):
    """An `asyncio.Event` or a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether it has been set."""
        ...


class Runner:
    """The workers of one run, and the loop that feeds them.

    Closed early, it lets what is in flight end first; cancelled, it ends at once.
    """

    def __init__(
        self,
        queue: Queue,
        sender: Sender,
        breaker: CircuitBreaker,
        news: asyncio.Event,
        tally: Tally,
        *,
        observers: Observers,
        leaving: float,
        hint: str,
    ) -> None:
        """Prepare it; nothing is sent yet.

        Args:
            queue: Where rows wait, and where their results are kept.
            sender: Sends them to the API.
            breaker: Says when rows may be sent.
            news: Set by whatever has something for the loop to do; the breaker sets it too.
            tally: Counts all exchanges.
            observers: The client's, which follow the run.
            leaving: Seconds that what is in flight may take to end when the run is left early.
            hint: What can be done when the run ends early, in words.
        """
        self._queue = queue
        self._sender = sender
        self._breaker = breaker
        self._news = news
        self.tally = tally
        self._hint = hint
        self._leaving = leaving
        self._observers = observers
        self._context = contextvars.copy_context()
        """Of the run's observers, and of its calls: what the former open is above the latter."""
        self._tokens: Tokens = []
        self._ready: deque[Row] = deque()
        self._ended: list[RowResult | Row] = []
        self._most = sender.most
        """Rows that a worker takes at a time."""
        self._ahead, self._low = self._most, 0
        """How many more to have claimed: enough to last until the next commit is over, and not many more, for whoever
        resumes a run that was killed must look them all up. And how few that are left bring it about at once."""
        self._sending = 0
        """Workers that have rows on their way."""
        self._idle: deque[asyncio.Future[None]] = deque()
        self._committing = False
        self._due: asyncio.TimerHandle | None = None
        self._clock = asyncio.get_running_loop().time
        self._leave_by: float | None = None
        self._dry = False
        """Whether the queue has no more rows than it gave, until some have ended."""
        self._broken = False
        """Whether the queue has failed: then nothing more is sent."""
        self._complaint: Exception | None = None
        """What `on_progress` raised."""

    # What a run does.

    async def results(self) -> AsyncGenerator[Sequence[RowResult]]:
        """Results in chunks, as they come.

        Raises:
            BulkStoppedError: The run ended early. What refuses it before anything is sent is raised itself.
        """
        report = self.tally.report
        problem: BaseException | None = None
        self._tokens = self._context.run(self._observers.run_started, report)
        try:
            async with aclosing(self._outcome()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except BaseException as error:
            problem = None if isinstance(error, GeneratorExit) else error
            raise
        finally:
            self.tally.update()
            self._context.run(self._observers.run_ended, report, problem, self._tokens)

    async def _outcome(self) -> AsyncGenerator[Sequence[RowResult]]:
        """Results in chunks, and at the end the error that ended the run, if one did."""
        try:
            async with aclosing(self._loop()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except JournalError as error:
            self._breaker.give_up(error)
        except asyncio.CancelledError as error:
            report = self.tally.report
            error.add_note(
                f"the bulk run was cancelled with {report.settled} of {report.rows} rows settled: {self._hint}"
            )
            vars(error)["report"] = report  # all that is left to whoever presses Ctrl-C in a run without a journal
            raise
        reason = self._breaker.given_up
        if reason is not None and reason is not self._complaint and not self.tally.exchanges:
            raise reason
        if reason is not None:
            report = self.tally.report
            raise BulkStoppedError(
                f"stopped with {report.settled} of {report.rows} rows settled: {reason}; {self._hint}",
                report=report,
                reason=reason,
            ) from reason

    async def complete(self, on_progress: Callable[[BulkReport], object] | None, stop: StopFlag | None) -> BulkReport:
        """Go through all results, reporting progress, and give the report.

        Raises:
            BulkStoppedError: The run ended early, otherwise than by `stop`.
        """
        watch = asyncio.create_task(self._watch(on_progress, stop))
        try:
            async with aclosing(self.results()) as chunks:
                async for _ in chunks:
                    pass
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        if on_progress is not None:
            await loop_thread.run_in_caller_thread(partial(on_progress, self._snapshot()))
        return self.tally.report

    def leave(self) -> None:
        """Send nothing more; the results of what is in flight still come, for a while."""
        if self._leave_by is None:
            self._leave_by = self._clock() + self._leaving
            asyncio.get_running_loop().call_at(self._leave_by, self._news.set)
        self._news.set()

    async def _watch(self, on_progress: Callable[[BulkReport], object] | None, stop: StopFlag | None) -> None:
        while True:
            await asyncio.sleep(PROGRESS)
            if stop is not None and stop.is_set():
                self.leave()
            if on_progress is not None:
                self.tally.update()
                try:
                    await loop_thread.run_in_caller_thread(partial(on_progress, self._snapshot()))
                except Exception as error:  # noqa: BLE001 (the caller's own: what is in flight ends first)
                    self._complaint = error
                    self._breaker.give_up(error)
                    self.leave()
                    return

    def _snapshot(self) -> BulkReport:
        return evolve(self.tally.report, problems=list(self.tally.report.problems))

    # The loop.

    async def _loop(self) -> AsyncGenerator[Sequence[RowResult]]:
        context = self._context
        workers = [asyncio.create_task(self._work(), context=context.copy()) for _ in range(self._sender.at_once)]
        try:
            while True:
                await self._fill()
                if results := await self._commit_and_claim():
                    yield results
                elif self._done:
                    break
                if self._sending or not results:  # else nothing would set the event
                    await self._news.wait()
            if results := await self._release():
                yield results
        except GeneratorExit:
            self.leave()
            while self._sending and not self._overdue:
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
                    await self._commit_and_claim()
                    await self._release()
                await self._queue.close()

    async def _fill(self) -> None:
        if not self._stopping:
            try:
                await self._queue.fill(self._wanted, self._news.set)
            except Exception as error:  # noqa: BLE001 (the caller's own, from its rows: what is in flight ends first)
                self._breaker.give_up(error)
        if self._breaker.given_up is not None:
            self.leave()

    async def _commit_and_claim(self) -> Sequence[RowResult]:
        """Commit what has ended to the queue, and hand what can be claimed to the workers."""
        self._news.clear()
        self.tally.update()
        if self._due is not None:
            self._due.cancel()
            self._due = None
        ended, self._ended = self._ended, []
        results = [one for one in ended if isinstance(one, RowResult)]
        retried = [one for one in ended if isinstance(one, Row)] if len(results) < len(ended) else []
        if ended:
            ahead = max(len(ended) * 3 // 2, self._ahead // 2, self._most)
            self._ahead = min(ahead, MOST_AHEAD * self._sender.at_once * self._most)
            self._low = self._ahead // 4
        wanted = self._wanted
        self._committing = True
        try:
            rows = await self._queue.commit_and_claim(results, retried, wanted)
        except BaseException:
            self._broken = True
            raise
        finally:
            self._committing = False
        self._dry = len(rows) < wanted
        self._ready.extendleft(reversed(retried))
        self._ready.extend(rows)
        self._wake_workers()
        if self._ended:
            self._announce()
        return self._observed(results)

    async def _release(self) -> Sequence[RowResult]:
        rows = list(self._ready)
        self._ready.clear()
        return self._observed(await self._queue.release(rows, unheard=self.tally.unheard)) if rows else ()

    def _observed(self, results: Sequence[RowResult]) -> Sequence[RowResult]:
        if results:
            self._context.run(self._observers.rows_ended, results, self._tokens)
        return results

    @property
    def _wanted(self) -> int:
        """How many more rows to claim: so many that no worker waits for the next commit."""
        resting = self._sender.at_once - self._sending
        return 0 if self._stopping else resting * self._most + self._ahead - len(self._ready)

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
        if self._sending or self._ended:
            return False
        return self._stopping or (not self._ready and self._queue.empty)

    # The workers.

    async def _work(self) -> None:
        ready, breaker, tally, send_rows = self._ready, self._breaker, self.tally, self._sender.send_rows
        while True:
            rows = self._take()
            if not rows:
                rest = asyncio.get_running_loop().create_future()
                self._idle.append(rest)
                await rest
                continue
            self._sending += 1
            if tally.elsewhere:
                tally.begin(rows)
            began = monotonic()
            for row in rows:
                row.began = row.began or began
            try:
                ends = await send_rows(rows)
            except asyncio.CancelledError:
                for row in rows:
                    row.in_doubt = True
                self._ended.extend(rows)
                raise
            except Exception as error:
                breaker.give_up(error)
                raise
            finally:
                self._sending -= 1
                breaker.rows_ended()
            self._ended.extend(ends)  # the list as it is now: it changes hands while rows are on their way
            if self._due is None or len(ready) <= self._low:
                self._announce()

    def _take(self) -> Sequence[Row]:
        ready, most = self._ready, self._most
        if len(ready) < most and not (self._dry and ready):
            return ()
        if self._leave_by is not None or not self._breaker.admits(self._sending):
            return ()
        return [ready.popleft()] if most == 1 else [ready.popleft() for _ in range(min(most, len(ready)))]

    def _announce(self) -> None:
        """Rows have ended: wake the loop at once when the run is to end or workers would run dry, else with others."""
        if self._committing:
            return  # the loop looks once more when it has committed
        if self._stopping or len(self._ready) <= self._low:
            self._news.set()
        else:
            self._due = asyncio.get_running_loop().call_later(self._queue.gathering, self._news.set)

    def _wake_workers(self) -> None:
        for _ in range(min(len(self._ready), len(self._idle))):
            rest = self._idle.popleft()
            if not rest.done():
                rest.set_result(None)


def prepared(delivery: Delivery, tally: Tally, budget: Budget, concurrency: int) -> Delivery:
    """The client's delivery as a run needs it: observed, and with time to wait for places in a rate limit."""
    timeouts = delivery.timeouts
    if delivery.rate_limiter is not None:
        turn = max(math.ceil(concurrency / most) * seconds for most, seconds in delivery.rate_limiter.limit.windows)
        timeouts = evolve(timeouts, total=min(timeouts.total + delivery.retries.attempts * turn, LONGEST))
    return evolve(delivery, timeouts=timeouts, budget=budget, monitor=tally.note)

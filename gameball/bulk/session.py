"""One run from its beginning to its end: what is told of it on the way, how it is stopped, what is raised."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final, Protocol

from attrs import evolve

from gameball.bulk.breaker import CircuitBreaker
from gameball.bulk.rows import BulkReport, RowResult
from gameball.bulk.runner import Queue, Run, Sender
from gameball.core import loop_thread
from gameball.core.delivery import Attempt, Delivery
from gameball.core.retry import Budget
from gameball.errors import BulkStoppedError, JournalError
from gameball.settings import LONGEST

LOOK_UP: Final = "transactions.list"
READS: Final = (LOOK_UP, "transactions.for_order", "batches.get")
"""What is asked in a run beside its writes."""

PROGRESS: Final = 0.1
"""Seconds between two tellings of a run's progress."""


class StopFlag(Protocol):
    """An `asyncio.Event` or a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether it has been set."""
        ...


class Tally:
    """Keeps a report's figures that come from exchanges. An observer."""

    def __init__(self, report: BulkReport, breaker: CircuitBreaker) -> None:
        self.exchanges = 0
        self._report = report
        self._breaker = breaker
        self._pauses = report.pauses
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock() - report.seconds

    def note(self, attempt: Attempt) -> None:
        """An exchange has ended."""
        self._breaker.note(attempt)
        self.exchanges += 1
        report = self._report
        if attempt.operation not in READS:
            report.sent += 1
        elif attempt.operation == LOOK_UP:
            report.looked_up += 1
        self.tell_time()

    def tell_time(self) -> None:
        """Bring what changes without an exchange up to date."""
        self._report.pauses = self._pauses + self._breaker.pauses
        self._report.seconds = self._clock() - self._began


class Session:
    """A run, ready to begin."""

    def __init__(
        self, queue: Queue, sender: Sender, breaker: CircuitBreaker, *, report: BulkReport, tally: Tally, hint: str
    ) -> None:
        self._run = Run(queue, sender, breaker)
        self._breaker = breaker
        self._report = report
        self._tally = tally
        self._hint = hint
        """What can be done when the run ends early."""
        self._complaint: Exception | None = None
        """What `on_progress` raised."""

    async def results(self) -> AsyncGenerator[Sequence[RowResult]]:
        """Results in chunks, as they come.

        Raises:
            BulkStoppedError: The run ended early. What refuses it before anything is sent is raised itself.
        """
        try:
            async with aclosing(self._run.results()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except JournalError as error:
            self._breaker.give_up(error)
        except asyncio.CancelledError as error:
            error.add_note(f"the bulk run was given up: {self._hint}")
            raise
        self._tally.tell_time()
        reason = self._breaker.given_up
        if reason is not None and reason is not self._complaint and not self._tally.exchanges:
            raise reason
        if reason is not None:
            report = self._report
            raise BulkStoppedError(
                f"stopped with {report.settled} of {report.rows} rows settled: {reason}; {self._hint}",
                report=report,
                reason=reason,
            ) from reason

    async def complete(self, on_progress: Callable[[BulkReport], object] | None, stop: StopFlag | None) -> BulkReport:
        """Go through all results, telling of the progress, and give the report.

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
        return self._report

    async def _watch(self, on_progress: Callable[[BulkReport], object] | None, stop: StopFlag | None) -> None:
        while True:
            await asyncio.sleep(PROGRESS)
            if stop is not None and stop.is_set():
                self._run.leave()
            if on_progress is not None:
                self._tally.tell_time()
                try:
                    await loop_thread.run_in_caller_thread(partial(on_progress, self._snapshot()))
                except Exception as error:  # noqa: BLE001 (the caller's own: what is in flight ends first)
                    self._complaint = error
                    self._breaker.give_up(error)
                    self._run.leave()
                    return

    def _snapshot(self) -> BulkReport:
        return evolve(self._report, problems=list(self._report.problems))


def prepared(delivery: Delivery, tally: Tally, budget: Budget, concurrency: int) -> Delivery:
    """The client's delivery as a run needs it: watched, and with time to wait for places in a rate limit."""
    timeouts = delivery.timeouts
    if delivery.rate_limiter is not None:
        turn = max(math.ceil(concurrency / most) * seconds for most, seconds in delivery.rate_limiter.limit.windows)
        timeouts = evolve(timeouts, total=min(timeouts.total + delivery.retries.attempts * turn, LONGEST))
    return evolve(delivery, timeouts=timeouts, budget=budget, observers=(*delivery.observers, tally.note))

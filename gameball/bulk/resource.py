"""Bulk runs, as a resource of both clients."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Literal

from gameball.bulk.batch_sender import START, BatchSender
from gameball.bulk.breaker import CircuitBreaker, Resends
from gameball.bulk.journal.contents import Account
from gameball.bulk.journal.queue import JournalQueue
from gameball.bulk.queue import MemoryQueue, Queue
from gameball.bulk.reader import Reader, Rows, reader_of
from gameball.bulk.report import BulkPlan, BulkReport, Planner, SeenIds
from gameball.bulk.rows import KINDS, RowResult
from gameball.bulk.runner import Runner, StopFlag, Tally, prepared
from gameball.bulk.sender import CallSender, Sender
from gameball.core.delivery import Delivery
from gameball.core.loop_thread import running_loop
from gameball.core.methods import Async, Items, Mode, ResourceBase, Sync, endpoint, paginated
from gameball.models.shared import check_whole, refuse
from gameball.settings import LONGEST

Via = Literal["calls", "batches"]
"""How rows are sent: each by a call of its own, or up to 1000 in a batch."""


class Bulk(ResourceBase[Mode]):
    """Send many rows in one run: each once, a player's in order, those of different players side by side.

    Rows are request values (`CashbackRequest`, `RedeemRequest`, `RefundRequest`, `ManualRequest`), of one kind or
    mixed, from any iterable or async iterable. They are read as they are needed: ten million take no more memory than
    ten thousand. The plain client reads them, and calls `on_progress`, in the caller's own thread; the awaited one
    gives an iterable that may block a thread of its own.

    With a `journal`, a file that the run keeps, it can be killed at any point and resumed: what was settled is
    skipped, what was in flight is looked up first.
    """

    def __init__(self, mode: type[Async] | type[Sync], delivery: Delivery, address: str) -> None:
        super().__init__(mode)
        self._delivery = delivery
        self._address = address

    @endpoint
    async def plan(self, rows: Rows) -> BulkPlan:
        """Find out what a run of these rows would do; nothing is sent, and a generator is used up.

        Args:
            rows: Any iterable or async iterable of requests.

        Raises:
            InvalidRequestError: One of the rows is none.
        """
        reader = reader_of(rows, self._mode, tuple(KINDS))
        try:
            with SeenIds() as seen:
                planner = Planner(seen)
                while chunk := await reader.read():
                    planner.add(chunk)
                return planner.plan(
                    self._delivery.rate_limiter.limit if self._delivery.rate_limiter is not None else None
                )
        finally:
            await reader.close()

    @paginated
    def stream(
        self,
        rows: Rows,
        *,
        journal: str | os.PathLike[str] | None = None,
        via: Via = "calls",
        concurrency: int = 64,
        patience: float = 300.0,
        lookup_time: float | None = None,
    ) -> Items[RowResult]:
        """Send rows, and yield each one's result as it is settled. A row that fails raises nothing: its result says so.

        Leaving the loop early lets what is in flight end first, for ten seconds at most.

        Args:
            rows: Any iterable or async iterable of requests.
            journal: A file to keep, for resuming; rows that it has settled already are skipped.
            via: "calls" sends each row by a call of its own, "batches" up to 1000 at a time (cashbacks and
                redemptions only).
            concurrency: The most rows (of batches: look-ups) at a time; the client's `connections` bound it too.
            patience: Seconds that an outage may last before the run is stopped, and that a batch may make no progress
                before its rows are looked up.
            lookup_time: Seconds over which the rows of a batch whose start got no answer are looked up before they are
                sent again. By default what a batch of its size may take: 30 s, and 1 s for 12 rows (or as many as the
                client's rate limit allows); where that is more than 600 s, rows that are not found need a review.

        Raises:
            InvalidRequestError: A row or an argument breaks a rule, and nothing was sent.
            JournalError: The journal cannot be used, and nothing was sent.
            BulkStoppedError: Keys or account were refused, an outage lasted longer than `patience`, or the journal
                or the rows broke off; what was in flight has been settled.
        """
        begin = partial(self._begin, rows, journal, via, concurrency, patience=patience, lookup_time=lookup_time)
        return Items(_results(begin))

    @endpoint
    async def run(
        self,
        rows: Rows,
        *,
        journal: str | os.PathLike[str] | None = None,
        via: Via = "calls",
        concurrency: int = 64,
        patience: float = 300.0,
        lookup_time: float | None = None,
        on_progress: Callable[[BulkReport], object] | None = None,
        stop: StopFlag | None = None,
    ) -> BulkReport:
        """Send rows, and report what became of them. With a journal the report covers all runs on it.

        Args:
            rows: Any iterable or async iterable of requests.
            journal: A file to keep, for resuming; rows that it has settled already are skipped.
            via: "calls" sends each row by a call of its own, "batches" up to 1000 at a time (cashbacks and
                redemptions only).
            concurrency: The most rows (of batches: look-ups) at a time; the client's `connections` bound it too.
            patience: Seconds that an outage may last before the run is stopped, and that a batch may make no progress
                before its rows are looked up.
            lookup_time: Seconds over which the rows of a batch whose start got no answer are looked up before they are
                sent again. By default what a batch of its size may take: 30 s, and 1 s for 12 rows (or as many as the
                client's rate limit allows); where that is more than 600 s, rows that are not found need a review.
            on_progress: Called with the report so far, about ten times a second, in the caller's own thread.
            stop: An `asyncio.Event` or `threading.Event`. Once set, what is in flight ends, for ten seconds at most,
                and the report says how much is `left`.

        Raises:
            InvalidRequestError: A row or an argument breaks a rule, and nothing was sent.
            JournalError: The journal cannot be used, and nothing was sent.
            BulkStoppedError: Keys or account were refused, an outage lasted longer than `patience`, or the journal
                or the rows broke off; what was in flight has been settled.
        """
        runner = await self._begin(rows, journal, via, concurrency, patience=patience, lookup_time=lookup_time)
        return await runner.complete(on_progress, stop)

    @endpoint
    async def resume(
        self,
        journal: str | os.PathLike[str],
        *,
        via: Via | None = None,
        concurrency: int = 64,
        patience: float = 300.0,
        lookup_time: float | None = None,
        on_progress: Callable[[BulkReport], object] | None = None,
        stop: StopFlag | None = None,
    ) -> BulkReport:
        """Go on with a journal's run: what is settled is skipped, what was in flight is looked up first.

        Args:
            journal: The file that the run kept.
            via: "calls" or "batches"; without it, as in the run before.
            concurrency: The most rows (of batches: look-ups) at a time; the client's `connections` bound it too.
            patience: Seconds that an outage may last before the run is stopped, and that a batch may make no progress
                before its rows are looked up.
            lookup_time: Seconds over which the rows of a batch whose start got no answer are looked up before they are
                sent again. By default what a batch of its size may take: 30 s, and 1 s for 12 rows (or as many as the
                client's rate limit allows); where that is more than 600 s, rows that are not found need a review.
            on_progress: Called with the report so far, about ten times a second, in the caller's own thread.
            stop: An `asyncio.Event` or `threading.Event`. Once set, what is in flight ends, for ten seconds at most,
                and the report says how much is `left`.

        Raises:
            JournalError: The journal cannot be used, and nothing was sent.
            BulkStoppedError: Keys or account were refused, an outage lasted longer than `patience`, or the journal
                broke off; what was in flight has been settled.
        """
        runner = await self._begin(None, journal, via, concurrency, patience=patience, lookup_time=lookup_time)
        return await runner.complete(on_progress, stop)

    async def _begin(
        self,
        rows: Rows | None,
        journal: str | os.PathLike[str] | None,
        via: Via | None,
        concurrency: int,
        *,
        patience: float,
        lookup_time: float | None,
    ) -> Runner:
        """Check everything, and load the journal; nothing is sent before that."""
        running_loop()
        check_whole("concurrency", concurrency, 1, 10_000)
        if via not in ("calls", "batches", None):
            raise refuse("via", 'must be "calls" or "batches"')
        _check_seconds("patience", patience)
        if lookup_time is not None:
            _check_seconds("lookup_time", lookup_time)
        self._delivery.credentials.require("api_key", "secret_key")
        kinds = tuple(START) if via == "batches" else tuple(KINDS)
        reader = None if rows is None else reader_of(rows, self._mode, kinds)
        queue: Queue
        if journal is not None:
            queue, by_batches = await self._open(journal, reader, via)
            report = queue.report
            hint = f"resume it with the journal {os.fspath(journal)}"
        else:
            assert reader is not None  # noqa: S101 (for the type checkers: whoever brings no rows brings a journal)
            report, by_batches = BulkReport(), via == "batches"
            queue = MemoryQueue(reader, report)
            hint = "without a journal it cannot be resumed"
        news = asyncio.Event()
        breaker = CircuitBreaker(BatchSender.at_once if by_batches else concurrency, patience, wake=news.set)
        tally = Tally(report, breaker)
        delivery = prepared(self._delivery, tally, Resends(breaker=breaker), concurrency)
        sender: Sender = (
            BatchSender(delivery, breaker, concurrency, queue.record_batch, patience=patience, lookup_time=lookup_time)
            if by_batches
            else CallSender(delivery, breaker, concurrency)
        )
        return Runner(queue, sender, breaker, news, tally, observers=self._delivery.observers, hint=hint)

    async def _open(
        self, journal: str | os.PathLike[str], reader: Reader | None, via: Via | None
    ) -> tuple[JournalQueue, bool]:
        """The queue in a journal, and whether its rows go by batches."""
        account = Account(api_key=self._delivery.credentials.api_key, base_url=self._address)
        try:
            queue = await JournalQueue.open(journal, reader, account, via)
        finally:
            if reader is not None:
                await reader.close()
        contents = queue.contents
        by_batches = (via or contents.via) == "batches"
        refused = ""
        if by_batches and not contents.kinds <= {KINDS[kind] for kind in START}:
            refused = 'cannot be "batches": the journal has rows of other kinds'
        elif contents.in_batches and via == "calls":
            refused = 'cannot be "calls" yet: rows of a batch are in doubt, and only "batches" can find out about them'
        if refused:
            await queue.close()
            raise refuse("via", refused)
        return queue, by_batches or contents.in_batches


async def _results(begin: Callable[[], Awaitable[Runner]]) -> AsyncGenerator[Sequence[RowResult], None]:
    runner = await begin()
    async with aclosing(runner.results()) as chunks:
        async for chunk in chunks:
            yield chunk


def _check_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
        raise refuse(name, "must be a number of seconds")

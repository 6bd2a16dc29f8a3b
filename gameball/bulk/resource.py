"""Bulk runs, as a resource of both clients."""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial

from gameball.bulk.reader import Rows, reader_of
from gameball.bulk.report import BulkPlan, BulkReport, Planner, SeenIds
from gameball.bulk.rows import KINDS, RowResult
from gameball.bulk.runner import Runner, StopFlag
from gameball.bulk.start import Via, start
from gameball.core.delivery import Delivery
from gameball.core.methods import Async, Items, Mode, ResourceBase, Sync, endpoint, paginated


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
        self._start = partial(start, mode, delivery, address)

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
        begin = partial(
            self._start, rows, journal, via=via, concurrency=concurrency, patience=patience, lookup_time=lookup_time
        )
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
        runner = await self._start(
            rows, journal, via=via, concurrency=concurrency, patience=patience, lookup_time=lookup_time
        )
        return await runner.complete(on_progress, stop)

    @endpoint
    async def resume(
        self,
        journal: str | os.PathLike[str],
        *,
        via: Via | None = None,
        new_key: bool = False,
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
            new_key: Whether this client may have another API key of the account than the run before. One applied row of
                the journal is looked up first: the account must have it, with the same player and Gameball's id.
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
            JournalError: The journal cannot be used, or is another account's, and nothing was sent.
            GameballError: The look-up for `new_key` failed, and nothing was sent.
            BulkStoppedError: Keys or account were refused, an outage lasted longer than `patience`, or the journal
                broke off; what was in flight has been settled.
        """
        runner = await self._start(
            None,
            journal,
            via=via,
            concurrency=concurrency,
            patience=patience,
            lookup_time=lookup_time,
            new_key=new_key,
        )
        return await runner.complete(on_progress, stop)


async def _results(begin: Callable[[], Awaitable[Runner]]) -> AsyncGenerator[Sequence[RowResult], None]:
    runner = await begin()
    async with aclosing(runner.results()) as chunks:
        async for chunk in chunks:
            yield chunk

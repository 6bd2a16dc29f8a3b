"""The queue of a run with a journal: its rows are in the file, and a thread of its own reads and writes there."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, Self, TypeVar

from gameball.bulk.journal.contents import Account, AppliedRow, Contents
from gameball.bulk.journal.store import Journal
from gameball.bulk.reader import Reader
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import Row, RowResult

P = ParamSpec("P")
T = TypeVar("T")


class JournalQueue:
    """A journal, at a run's disposal. One thing after the other, whatever is cancelled in between."""

    gathering = 0.03

    def __init__(self, journal: Journal, thread: ThreadPoolExecutor) -> None:
        self._journal = journal
        self._thread = thread

    @classmethod
    async def open(
        cls,
        path: str | os.PathLike[str],
        rows: Reader | None,
        account: Account,
        via: str | None,
        *,
        check_applied: Callable[[AppliedRow | None], Awaitable[object]] | None = None,
    ) -> Self:
        """Open a journal, and fill it with rows where there are some.

        Args:
            path: Where it is.
            rows: What to fill it with.
            account: Whose it must be.
            via: How rows are to be sent; None for as before.
            check_applied: Refuses where another API key is not one of the journal's account, by a row that the account
                has; without it every other key is refused.

        Raises:
            JournalError: It cannot be used, belongs to another account, or is made of other rows.
            InvalidRequestError: A row cannot be kept.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="gameball-journal")
        try:
            journal = await _in(thread, Journal, path, create=rows is not None)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        queue = cls(journal, thread)
        try:
            if rows is None or journal.contents is not None:
                if check_applied is not None and journal.has_other_key(account):
                    await check_applied(journal.applied_row())
                    journal.bind(account)
                journal.check(account)
            if rows is not None:
                await queue._load(rows, account, via or "calls")
        except BaseException:
            await queue.close()
            raise
        return queue

    @property
    def contents(self) -> Contents:
        """What the journal says of its run."""
        return self._journal.loaded

    @property
    def report(self) -> BulkReport:
        """Of all runs on the journal."""
        return self._journal.report

    @property
    def empty(self) -> bool:
        """Whether all rows have been claimed."""
        return self._journal.exhausted

    async def fill(self, count: int, wake: Callable[[], object]) -> None:
        """Nothing to do: all rows are there."""

    async def commit_and_claim(self, results: Sequence[RowResult], retried: Sequence[Row], count: int) -> Sequence[Row]:
        """Write results down, and claim rows: that they are being sent is durable then."""
        if not results and not retried and count <= 0:
            return ()
        rows = await _in(self._thread, self._journal.commit_and_claim, results, retried, count)
        self.report.count(results)
        return rows

    async def record_batch(self, rows: Sequence[Row]) -> None:
        """Write down which batch rows have become part of."""
        await _in(self._thread, self._journal.record_batch, rows)

    async def release(self, rows: Sequence[Row], *, unheard: bool) -> Sequence[RowResult]:
        """Write down that these were not sent; another run on the journal will send them."""
        await _in(self._thread, self._journal.release, rows, unheard=unheard)
        return ()

    async def close(self) -> None:
        """Let another run have it."""
        await _in(self._thread, self._journal.close)
        self._thread.shutdown(wait=False)

    async def _load(self, rows: Reader, account: Account, via: str) -> None:
        loading = await _in(self._thread, self._journal.load)
        while chunk := await rows.read():
            await _in(self._thread, loading.add, chunk)
        await _in(self._thread, self._journal.loaded_by, loading, account, via)


async def _in(thread: ThreadPoolExecutor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, partial(function, *args, **kwargs))

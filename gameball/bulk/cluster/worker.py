"""What runs on a worker: one shard, as an ordinary run with a journal in the worker's local directory.

That directory ends with its worker, so the journal is never resumed from. What it says is in the shared directory:
results every few seconds, and at a shard's end which of its rows are in doubt. A worker that dies leaves only the
results. Then every other row of its shard is in doubt, and is looked up before it is sent.
"""

import asyncio
import time
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import ExitStack, aclosing, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

from attrs import evolve

from gameball import settings
from gameball.bulk.batch_sender import START
from gameball.bulk.cluster import lease
from gameball.bulk.cluster.lease import FencedTransport, Lease, View, Watch
from gameball.bulk.cluster.manifest import Manifest, Submission
from gameball.bulk.cluster.results import Figures, Progress, Results, read_results
from gameball.bulk.cluster.shards import read_shard
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.journal import Account, Journal, JournalReader
from gameball.bulk.journal.load import Columns, StoredRow
from gameball.bulk.journal.schema import explained
from gameball.bulk.journal.store import columns_of
from gameball.bulk.rows import KINDS
from gameball.bulk.runner import Runner
from gameball.bulk.start import start
from gameball.core.delivery import Delivery
from gameball.core.methods import Async
from gameball.core.rate_limiter import RateLimiter
from gameball.core.transport import Transport
from gameball.errors import BulkStoppedError, CredentialsError, GameballError, JournalError
from gameball.models.shared import refuse
from gameball.settings import Retries, Timeouts

PATIENCE: Final = 300.0
"""Seconds that an outage may last; see `Bulk.run()`."""

OFTEN: Final = 2.0
"""Seconds between two times that results are written to the shared directory."""

LAST_TRIES: Final = 5
"""How often the end of a shard is tried to be written."""

AGAIN: Final = 1.0
"""Seconds between two of these tries."""


def run_shard(directory: str, shard: int) -> GameballError | None:
    """Send the rows of a shard that have not ended, and say what stopped it early; the rest is in the directory.

    Keys and the API's address come from this process's own environment.
    """
    try:
        _Shard(SharedDirectory(directory), shard).run()
    except BulkStoppedError as stopped:
        reason = stopped.reason
        return reason if isinstance(reason, GameballError) else GameballError(f"{type(reason).__name__}: {reason}")
    except GameballError as error:
        return error
    return None


class _Shard:
    """One shard, and all that a worker needs for it."""

    def __init__(self, directory: SharedDirectory, shard: int) -> None:
        """Read what is to be done.

        Raises:
            JournalError: There is no such run, or it is another account's.
            CredentialsError: This worker has no keys.
        """
        self._directory = directory
        self._shard = shard
        name, self._local = _worker()
        manifest, submission = Manifest.read(directory), Submission.read(directory)
        if manifest is None or submission is None:
            raise JournalError(f"{name} finds no run in {directory}: it must be a directory that all workers reach")
        try:
            self._keys = settings.credentials(None, None, None)
            self._keys.require("api_key", "secret_key")
        except CredentialsError as error:
            raise CredentialsError(f"{name} cannot sign requests: {error.message}") from None
        self._account = Account(api_key=self._keys.api_key, base_url=settings.base_url(None, allow_http=False))
        manifest.check(self._account, directory, name)
        self._manifest, self._submission = manifest, submission
        self._rows = manifest.shards[shard]
        self._before = Progress.read(directory, shard)

    def run(self) -> None:
        """Work on it, unless it has ended or nobody is to work any more.

        Raises:
            GameballError: It ended early.
        """
        before, via = Lease.newest(self._directory, self._shard), self._submission.via
        clean = self._before if self._before is not None and self._before.closes(before) else None
        done = clean is not None and clean.figures.settled == self._rows
        if done or self._submission.state != "running":
            return
        rows = read_shard(self._directory, self._shard, self._rows)
        if via == "batches" and not {kind for _, kind, *_ in rows} <= {KINDS[kind] for kind in START}:
            raise refuse("via", 'cannot be "batches": the run has rows of other kinds')
        if via == "calls" and before is not None and _may_be_in_a_batch(before, clean):
            raise refuse("via", 'cannot be "calls" yet: rows of a batch are in doubt, and only "batches" can find out')
        with _folder(self._local) as folder:
            self._lease = Lease.take(self._directory, self._shard, before, via)
            others = self._lease.others_since(self._directory, self._shard, before)
            unclean = [*others, *([before] if before is not None and clean is None else [])]
            if unclean:
                time.sleep(lease.HOLDS)
            results = read_results(self._directory, self._shard)
            if self._look() == "taken":
                raise self._taken_over()
            journal = folder / "shard.db"
            self._fill(journal, rows, results, unclean, clean.in_doubt if clean is not None else ())
            spent = self._spent(started=before is not None or bool(others))
            asyncio.run(self._send(journal, Results(self._directory, self._shard, self._lease.holder, results), spent))

    def _fill(
        self,
        path: Path,
        rows: Iterable[StoredRow],
        results: Mapping[int, Columns],
        unclean: Collection[Lease],
        in_doubt: Iterable[tuple[int, str | None]],
    ) -> None:
        """Make the journal, of what is known of the rows.

        Args:
            path: Where.
            rows: All rows of the shard.
            results: What became of rows.
            unclean: Leases whose holders did not end well: any row may have been sent.
            in_doubt: Where all ended well, the rows that they left in doubt.
        """
        journal = Journal(path, create=True)
        try:
            loading = journal.load()
            loading.store(rows)
            loading.restore(results.values(), {row: batch for row, batch in in_doubt if row not in results})
            if unclean:
                loading.doubt_all("" if any(lease.by_batches for lease in unclean) else None)
            journal.loaded_by(loading, self._account, self._submission.via)
        finally:
            journal.close()

    def _spent(self, *, started: bool) -> list[float] | None:
        """How the requests before these count in this shard's part of the rate limit; None where it is spent whole.

        Shards follow on one another in lanes: each takes over from the one that has just ended in its lane. Only in a
        run's first submission nobody was there before the first ones.
        """
        lane = range(self._shard - self._submission.at_once, -1, -self._submission.at_once)
        earlier = next((shard for shard in lane if self._manifest.shards[shard]), None)
        if started:
            return None
        if earlier is None:
            return [] if self._submission.number == 1 else None
        ended = Progress.read(self._directory, earlier)
        if ended is None or ended.submission != self._submission.identity:
            return None
        return list(ended.recent) if ended.closes(Lease.newest(self._directory, earlier)) else None

    def _look(self) -> View:
        submission = Submission.read(self._directory)
        if submission is None:
            raise JournalError(f"directory {self._directory} cannot be read")
        if submission.identity != self._submission.identity:
            return "taken"
        if Lease.newest(self._directory, self._shard) != self._lease:
            return "taken"
        return "held" if submission.state == "running" else "stopping"

    def _taken_over(self) -> JournalError:
        return JournalError(f"shard {self._shard} of the run in {self._directory} was taken over by another worker")

    # With a loop.

    async def _send(self, journal: Path, results: Results, spent: list[float] | None) -> None:
        share, limiter = self._submission.share(self._shard), None
        if share is not None:
            limiter = RateLimiter(share, [0.0] * max(most for most, _ in share.windows) if spent is None else spent)
        watch = Watch(self._look)
        await watch.look()
        timeouts = Timeouts()
        transport = Transport(self._account.base_url, self._keys, timeouts, self._submission.concurrency)
        delivery = Delivery(
            transport=cast("Transport", FencedTransport(transport, watch)),
            credentials=self._keys,
            timeouts=timeouts,
            retries=Retries(),
            rate_limiter=limiter,
        )
        try:
            runner = await start(
                Async,
                delivery,
                self._account.base_url,
                None,
                journal,
                via=self._submission.via,
                concurrency=self._submission.concurrency,
                patience=PATIENCE,
                lookup_time=None,
            )
            sending = asyncio.create_task(_drain(runner, results))
            watching = asyncio.create_task(watch.run(runner.leave))
            ended = asyncio.Event()
            writing = asyncio.create_task(self._write_often(runner, results, watch, ended))
            await asyncio.wait([sending, watching], return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                sending.cancel()
            await asyncio.wait([sending])
            watching.cancel()
            ended.set()
            await writing
        finally:
            await transport.aclose()
        if watch.view == "taken":
            results.write()
            raise self._taken_over()
        await self._close(self._progress(runner), journal, results, limiter)
        sending.result()

    async def _write_often(self, runner: Runner, results: Results, watch: Watch, ended: asyncio.Event) -> None:
        """Write what has come in, until the end: never cancelled, for two threads must not write at the same time."""
        while not ended.is_set() and watch.view != "taken":
            with suppress(JournalError):  # what is not written now is written the next time
                await asyncio.to_thread(self._write, results, self._progress(runner))
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), OFTEN)

    async def _close(self, progress: Progress, journal: Path, results: Results, limiter: RateLimiter | None) -> None:
        """Write the end down: whoever goes on with the shard knows then which rows were never sent."""
        with JournalReader(journal) as recorded:
            for columns in recorded.results():  # some came in after the last ones that the run has shown
                results.add(columns)
            progress = evolve(
                progress,
                closed=True,
                in_doubt=tuple(recorded.in_doubt().items()),
                recent=tuple(limiter.recent()) if limiter is not None else (),
            )
        for _ in range(LAST_TRIES - 1):
            with suppress(JournalError):
                self._write(results, progress)
                return
            await asyncio.sleep(AGAIN)
        self._write(results, progress)

    def _write(self, results: Results, progress: Progress) -> None:
        results.write()
        progress.write(self._directory, self._shard)

    def _progress(self, runner: Runner) -> Progress:
        runner.tally.update()
        report = runner.tally.report
        figures = Figures.of_report(report)
        return Progress(
            holder=self._lease.holder,
            submission=self._submission.identity,
            figures=figures if self._before is None else figures.with_requests_of(self._before.figures),
            slowed_by=str(report.slowed_by) if report.slowed_by is not None else None,
            at=time.time(),
        )


def _may_be_in_a_batch(before: Lease, clean: Progress | None) -> bool:
    return before.by_batches and (clean is None or any(batch is not None for _, batch in clean.in_doubt))


@contextmanager
def _folder(where: str | None) -> Generator[Path]:
    """A folder for a journal, which goes with it."""
    with explained(Path(where or ".")), ExitStack() as stack:
        if where is not None:
            Path(where).mkdir(parents=True, exist_ok=True)
        name = stack.enter_context(TemporaryDirectory(prefix="gameball-", dir=where, ignore_cleanup_errors=True))
        kept = stack.pop_all()
    with kept:
        yield Path(name)


async def _drain(runner: Runner, results: Results) -> None:
    async with aclosing(runner.results()) as chunks:
        async for chunk in chunks:
            for result in chunk:
                results.add(columns_of(result))


def _worker() -> tuple[str, str | None]:
    """What this worker is called, and its local directory; a process that is none has no directory of its own."""
    with suppress(ImportError, ValueError):
        worker = import_module("distributed").get_worker()
        return f"worker {worker.address}", worker.local_directory
    return "this process", None

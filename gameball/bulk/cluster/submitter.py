"""The two calls that start a run on a cluster, plain or awaited."""

import os
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from gameball import settings
from gameball.bulk.batch_sender import START
from gameball.bulk.cluster.dispatch import Dispatch
from gameball.bulk.cluster.manifest import Manifest, Submission
from gameball.bulk.cluster.plan import plan
from gameball.bulk.cluster.scheduler import Scheduler
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.journal import Account
from gameball.bulk.reader import Rows, reader_of
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import KINDS
from gameball.bulk.runner import StopFlag
from gameball.bulk.start import Via
from gameball.core import loop_thread
from gameball.core.methods import Sync
from gameball.errors import JournalError
from gameball.models.shared import check_whole, refuse
from gameball.settings import RateLimit

MOST_SHARDS: Final = 100_000
MOST_AT_ONCE: Final = 10_000


def run_on_cluster(
    cluster: Any,
    rows: Rows,
    *,
    directory: str | os.PathLike[str],
    shards: int | None = None,
    at_once: int | None = None,
    concurrency: int = 64,
    rate_limit: RateLimit | None = None,
    via: Via = "calls",
    on_progress: Callable[[BulkReport], object] | None = None,
    stop: StopFlag | None = None,
) -> Any:
    """Send rows from the workers of a Dask cluster, each row once, and report what became of them.

    The same rows and directory once more go on where the run was, as with a journal. This process and each worker
    take the keys from their own environment.

    Args:
        cluster: A `distributed.Client`.
        rows: Any iterable or async iterable of requests; none with a one-time password.
        directory: A path or URL that fsspec knows and that all workers reach. It keeps the rows, what became of them,
            and no key.
        shards: In how many parts the rows are cut, by player; a worker takes one at a time. By default about 2000 rows
            each.
        at_once: How many shards are worked on at a time; by default as many as there are workers.
        concurrency: The most rows in flight, of each shard.
        rate_limit: Of all workers together; each shard that is worked on has an equal share of it.
        via: "calls" sends each row by a call of its own, "batches" up to 1000 at a time (cashbacks and redemptions
            only).
        on_progress: Called with the report so far, about twice a second, in the caller's own thread.
        stop: An `asyncio.Event` or `threading.Event`. Once set, what is in flight ends, for ten seconds at most, and
            the report says how much is `left`.

    Returns:
        A `BulkReport`; a coroutine of one, where `cluster` is asynchronous.

    Raises:
        InvalidRequestError: A row or an argument breaks a rule, and nothing was sent.
        CredentialsError: There are no keys here, or none at a worker, and nothing was sent.
        JournalError: The directory cannot be used, or has the run of another account or of other rows.
        BulkStoppedError: The run ended early: keys or account were refused, an outage lasted longer than 300 s, a
            worker cannot take part, or a shard failed on one worker after the other. What was in flight has been
            settled, but for what was on a worker that is gone.
    """
    if shards is not None:
        check_whole("shards", shards, 1, MOST_SHARDS)
    if via not in ("calls", "batches"):
        raise refuse("via", 'must be "calls" or "batches"')
    start = _Start(
        cluster,
        directory,
        at_once=at_once,
        concurrency=concurrency,
        rate_limit=rate_limit,
        on_progress=on_progress,
        stop=stop,
    )
    return start.begin(partial(start.run, rows, shards, via))


def resume_on_cluster(
    cluster: Any,
    directory: str | os.PathLike[str],
    *,
    at_once: int | None = None,
    concurrency: int = 64,
    rate_limit: RateLimit | None = None,
    via: Via | None = None,
    on_progress: Callable[[BulkReport], object] | None = None,
    stop: StopFlag | None = None,
) -> Any:
    """Go on with a run on a cluster, this one or another: what is settled is skipped, what was in flight is looked up.

    Args:
        cluster: A `distributed.Client`.
        directory: Where the run is.
        at_once: How many shards are worked on at a time; by default as many as there are workers.
        concurrency: The most rows in flight, of each shard.
        rate_limit: Of all workers together; each shard that is worked on has an equal share of it.
        via: "calls" or "batches"; without it, as before.
        on_progress: Called with the report so far, about twice a second, in the caller's own thread.
        stop: An `asyncio.Event` or `threading.Event`. Once set, what is in flight ends, for ten seconds at most, and
            the report says how much is `left`.

    Returns:
        A `BulkReport`; a coroutine of one, where `cluster` is asynchronous.

    Raises:
        InvalidRequestError: An argument breaks a rule, and nothing was sent.
        CredentialsError: There are no keys here, or none at a worker, and nothing was sent.
        JournalError: There is no run in the directory, or another account's, or it cannot be used.
        BulkStoppedError: The run ended early; see `run_on_cluster()`.
    """
    if via not in ("calls", "batches", None):
        raise refuse("via", 'must be "calls" or "batches"')
    start = _Start(
        cluster,
        directory,
        at_once=at_once,
        concurrency=concurrency,
        rate_limit=rate_limit,
        on_progress=on_progress,
        stop=stop,
    )
    return start.begin(partial(start.resume, via))


class _Start:
    """What both calls have in common."""

    def __init__(
        self,
        cluster: Any,
        directory: str | os.PathLike[str],
        *,
        at_once: int | None,
        concurrency: int,
        rate_limit: RateLimit | None,
        on_progress: Callable[[BulkReport], object] | None,
        stop: StopFlag | None,
    ) -> None:
        self._scheduler = Scheduler(cluster)
        self._directory = SharedDirectory(directory)
        check_whole("concurrency", concurrency, 1, 10_000)
        if rate_limit is not None and not isinstance(rate_limit, RateLimit):
            raise refuse("rate_limit", f"must be a RateLimit, not {type(rate_limit).__name__}")
        self._most = min([MOST_AT_ONCE, *(most for most, _ in (rate_limit.windows if rate_limit is not None else ()))])
        if at_once is not None:
            check_whole("at_once", at_once, 1, MOST_AT_ONCE)
            if at_once > self._most:
                raise refuse("at_once", f"must be at most {self._most}: the rate limit has no place for more shards")
        self._at_once = at_once
        self._concurrency = concurrency
        self._windows = rate_limit.windows if rate_limit is not None else None
        self._on_progress = on_progress
        self._stop = stop
        keys = settings.credentials(None, None, None)
        keys.require("api_key", "secret_key")
        self._account = Account(api_key=keys.api_key, base_url=settings.base_url(None, allow_http=False))

    def begin(self, function: Callable[[], Any]) -> Any:
        """Run it: to its end, or as a coroutine for whoever awaits it."""
        return loop_thread.run(function) if self._scheduler.mode is Sync else function()

    async def run(self, rows: Rows, shards: int | None, via: Via) -> BulkReport:
        """Plan the run where that was not done, and go through with it."""
        reader = reader_of(rows, self._scheduler.mode, tuple(START) if via == "batches" else tuple(KINDS))
        at_once = await self._lanes()
        manifest = await plan(self._directory, reader, self._account, via, shards=shards, at_once=at_once)
        return await self._complete(manifest, via, at_once)

    async def resume(self, via: Via | None) -> BulkReport:
        """Go through with a run that was planned."""
        manifest = Manifest.read(self._directory)
        if manifest is None:
            raise JournalError(f"there is no run in {self._directory}")
        before = Submission.read(self._directory)
        at_once = await self._lanes()
        return await self._complete(manifest, via or (before.via if before is not None else "calls"), at_once)

    async def _lanes(self) -> int:
        return self._at_once or min(max(1, await self._scheduler.workers()), self._most)

    async def _complete(self, manifest: Manifest, via: Via, at_once: int) -> BulkReport:
        manifest.check(self._account, self._directory, "this client")
        submission = Submission(
            number=1,
            token=secrets.token_hex(4),
            at_once=max(1, min(at_once, len(manifest.shards))),
            windows=self._windows,
            concurrency=self._concurrency,
            via=via,
            seconds=0.0,
        )
        dispatch = Dispatch(
            self._scheduler,
            self._directory,
            manifest,
            submission,
            on_progress=self._on_progress,
            stop=self._stop,
        )
        return await dispatch.complete()

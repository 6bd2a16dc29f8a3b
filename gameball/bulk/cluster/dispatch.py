"""One submission: shards handed out to workers lane by lane, followed by their figures alone, and stopped."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic, time
from typing import Any, Final, Literal

import anyio
from attrs import evolve

from gameball.bulk.cluster.lease import HOLDS, LOOK
from gameball.bulk.cluster.manifest import Manifest, Submission
from gameball.bulk.cluster.report import ClusterReader
from gameball.bulk.cluster.results import Figures, Progress
from gameball.bulk.cluster.scheduler import Scheduler, TaskFailedError
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.cluster.worker import LAST_TRIES
from gameball.bulk.report import BulkReport
from gameball.bulk.runner import StopFlag
from gameball.core import loop_thread
from gameball.core.waits import STANDARD
from gameball.errors import BulkStoppedError, GameballError, JournalError

TICK: Final = 0.1
"""Seconds between two looks at what has ended."""

PROGRESS: Final = 0.5
"""Seconds between two times that the progress of shards is read."""

SETTLES: Final = 0.5
"""Seconds after which two submissions that began at the same time see each other."""

END: Final = STANDARD.leaving + LOOK + HOLDS + LAST_TRIES + 5.0
"""Seconds that workers may take to end when a run is stopped."""

PATIENCE: Final = 300.0
"""Seconds without any progress after which a cluster without workers is waited for no more."""

FAILURES: Final = 3
"""How often the task of a shard may fail, one time after the other, without any progress of it."""


class Dispatch:
    """Has the shards of a run worked on that have not ended.

    Shards go in lanes, as many as are worked on at a time: a lane's next one begins when the one before has ended, and
    takes over how much of the lane's part of the rate limit is spent.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        directory: SharedDirectory,
        manifest: Manifest,
        submission: Submission,
        *,
        on_progress: Callable[[BulkReport], object] | None,
        stop: StopFlag | None,
    ) -> None:
        self._scheduler = scheduler
        self._directory = directory
        self._manifest = manifest
        self._submission = submission
        self._on_progress = on_progress
        self._stop = stop
        self._lanes: list[deque[int]] = [deque() for _ in range(submission.at_once)]
        self._running: dict[int, tuple[int, Any]] = {}
        """The shard and the future of each lane that is busy."""
        self._figures: dict[int, Figures] = {}
        self._slowed_by: str | None = None
        self._failures: dict[int, tuple[int, int]] = {}
        """Of each shard whose task failed: how many of its rows had ended then, and how often since it was so."""
        self._tasks = 0
        self._problem: Exception | None = None
        """What ends the run early."""
        self._complaint: Exception | None = None
        """What `on_progress` raised."""
        self._end_by: float | None = None
        self._began = monotonic()
        self._moved = 0, self._began
        """How many rows had ended when that last changed, and when it did."""

    async def complete(self) -> BulkReport:
        """Work on all shards, and give the report.

        Raises:
            GameballError: Another run goes on in the directory, or it cannot be used; nothing was sent.
            BulkStoppedError: The run ended early, otherwise than by `stop`.
        """
        await self._read_progress(shard for shard, rows in enumerate(self._manifest.shards) if rows)
        for shard, rows in enumerate(self._manifest.shards):
            if self._settled(shard) < rows:
                self._lanes[shard % len(self._lanes)].append(shard)
        before = self._requests
        if any(self._lanes) and not self._is_to_stop:
            await self._begin()
            try:
                await self._follow()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._finish()
        report = await asyncio.to_thread(self._final_report)
        if self._on_progress is not None and self._complaint is None:
            await loop_thread.run_in_caller_thread(partial(self._on_progress, report))
        if self._problem is None:
            return report
        if self._requests == before and self._problem is not self._complaint:
            raise self._problem
        raise BulkStoppedError(
            f"stopped with {report.settled} of {report.rows} rows settled: {self._problem};"
            f" resume it with the directory {self._directory}",
            report=report,
            reason=self._problem,
        ) from self._problem

    # Its beginning and its end.

    async def _begin(self) -> None:
        """Make this the submission that workers work for; those of an earlier one end."""
        before = await asyncio.to_thread(Submission.read, self._directory)
        self._submission = evolve(self._submission, began=time(), settled=self._all_settled)
        if before is not None:
            self._submission = evolve(self._submission, number=before.number + 1, seconds=before.seconds)
        await asyncio.to_thread(self._submission.write, self._directory)
        await asyncio.sleep(SETTLES if before is None or before.state == "ended" else HOLDS)
        await self._check_latest()

    async def _check_latest(self) -> None:
        latest = await asyncio.to_thread(Submission.read, self._directory)
        if latest is not None and latest.identity != self._submission.identity:
            raise JournalError(f"another run has started to work in {self._directory}")

    async def _finish(self) -> None:
        """Leave nothing behind that goes on."""
        left = [future for _, future in self._running.values()]
        try:
            await self._check_latest()
            await self._write_state("stopping" if left else "ended")
        except JournalError as error:
            self._problem = self._problem or error
        if left:
            await self._scheduler.cancel(left)

    async def _write_state(self, state: Literal["stopping", "ended"]) -> None:
        seconds = self._submission.seconds + monotonic() - self._began
        await asyncio.to_thread(evolve(self._submission, state=state, seconds=seconds).write, self._directory)

    # While it goes.

    async def _follow(self) -> None:
        read_at = 0.0
        while self._running or (self._end_by is None and any(self._lanes)):
            if self._end_by is None and not self._is_to_stop:
                self._hand_out()
            await asyncio.sleep(TICK)
            for lane in list(self._running):
                await self._collect(lane)
            if monotonic() >= read_at + PROGRESS:
                await self._keep_track()
                read_at = monotonic()
            if self._end_by is not None and monotonic() >= self._end_by:
                return
            if self._end_by is None and (self._problem is not None or self._is_to_stop):
                self._end_by = monotonic() + END
                await self._ask_to_stop()

    def _hand_out(self) -> None:
        for lane, shards in enumerate(self._lanes):
            if shards and lane not in self._running and self._problem is None:
                shard = shards.popleft()
                self._tasks += 1
                number, token = self._submission.identity
                key = f"gameball-{number}-{token}-{shard}-{self._tasks}"
                try:
                    self._running[lane] = shard, self._scheduler.submit(self._directory.address, shard, key)
                except Exception as error:  # noqa: BLE001 (the cluster's own: it is gone, say)
                    self._problem = GameballError(f"the cluster takes no task: {type(error).__name__}: {error}")

    async def _collect(self, lane: int) -> None:
        """Take in what a lane's task has to say, if it is done."""
        shard, future = self._running[lane]
        if not future.done():
            return
        try:
            error = await self._scheduler.result(future)
        except TimeoutError:
            return
        except TaskFailedError as failure:
            del self._running[lane]
            await self._after_failure(lane, shard, failure)
            return
        del self._running[lane]
        await self._read_progress([shard])
        self._problem = self._problem or error

    async def _after_failure(self, lane: int, shard: int, failure: TaskFailedError) -> None:
        """Have the shard worked on once more, unless that leads nowhere."""
        await self._read_progress([shard])
        settled_before, times = self._failures.get(shard, (-1, 0))
        settled = self._settled(shard)
        times = times + 1 if settled == settled_before else 1
        self._failures[shard] = settled, times
        self._lanes[lane].appendleft(shard)
        if times > FAILURES:
            self._problem = self._problem or GameballError(f"shard {shard} fails on every worker: {failure}")

    async def _keep_track(self) -> None:
        try:
            await self._check_latest()
            await self._read_progress([shard for shard, _ in self._running.values()])
            await self._check_workers()
        except JournalError as error:
            self._problem = self._problem or error
        if self._on_progress is not None and self._complaint is None:
            try:
                await loop_thread.run_in_caller_thread(partial(self._on_progress, self._report()))
            except Exception as error:  # noqa: BLE001 (the caller's own: what is in flight ends first)
                self._problem = self._complaint = error

    async def _check_workers(self) -> None:
        settled, now = self._all_settled, monotonic()
        if settled == self._moved[0] and now < self._moved[1] + PATIENCE:
            return
        if settled == self._moved[0] and not await self._scheduler.workers():
            self._problem = self._problem or GameballError(f"the cluster has had no workers for {PATIENCE:g} s")
        self._moved = settled, now

    async def _ask_to_stop(self) -> None:
        try:
            await self._check_latest()
            await self._write_state("stopping")
        except JournalError as error:
            self._problem = self._problem or error

    @property
    def _is_to_stop(self) -> bool:
        return self._stop is not None and self._stop.is_set()

    # Figures.

    async def _read_progress(self, shards: Iterable[int]) -> None:
        def read() -> None:
            for shard in shards:
                progress = Progress.read(self._directory, shard)
                if progress is not None:
                    self._figures[shard] = progress.figures
                    self._slowed_by = progress.slowed_by or self._slowed_by

        await asyncio.to_thread(read)

    def _settled(self, shard: int) -> int:
        return self._figures[shard].settled if shard in self._figures else 0

    @property
    def _all_settled(self) -> int:
        return sum(figures.settled for figures in self._figures.values())

    @property
    def _requests(self) -> int:
        return sum(figures.sent + figures.looked_up for figures in self._figures.values())

    def _report(self) -> BulkReport:
        report = BulkReport(rows=self._manifest.rows)
        for figures in self._figures.values():
            figures.add_to(report)
        return self._with_time(report)

    def _final_report(self) -> BulkReport:
        with ClusterReader(self._directory.address) as reader:
            return self._with_time(reader.report)

    def _with_time(self, report: BulkReport) -> BulkReport:
        report.seconds = self._submission.seconds + monotonic() - self._began
        report.slowed_by = GameballError(self._slowed_by) if self._slowed_by is not None else None
        return report

"""What a run on a cluster came to, read from its directory: one report, as of a journal."""

import os
import sqlite3
from collections.abc import Iterator, Sequence, Set as AbstractSet
from contextlib import AbstractContextManager
from decimal import Decimal
from functools import cached_property
from time import time
from typing import Final

from attrs import frozen

from gameball.bulk.cluster.lease import Lease
from gameball.bulk.cluster.manifest import Manifest, Submission
from gameball.bulk.cluster.results import Figures, Progress, read_results
from gameball.bulk.cluster.shards import read_shard
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.journal.contents import Outlier, Sum, kind_named, points_from, problems_in
from gameball.bulk.journal.history import Sample
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import RowResult, RowState, amount_of
from gameball.core import converter
from gameball.errors import JournalError
from gameball.models.shared import add, add_points

SILENT: Final = 30.0
"""Seconds without a word from any worker after which none is believed to be at work: they write every two."""

PROBLEMS: Final = """
    CREATE TABLE problems (number INTEGER PRIMARY KEY, kind TEXT, request TEXT, status TEXT, error TEXT)
"""
"""What `problems_in()` reads."""


@frozen(kw_only=True)
class Contents:
    """What all rows add up to; the same of a journal is `gameball.bulk.journal.contents.Contents`.

    Attributes:
        base_url: Where they go.
        via: How they are sent.
        report: What became of them.
        sums: Of them, by operation and status.
    """

    base_url: str
    via: str
    report: BulkReport
    sums: Sequence[Sum]


class ClusterReader(AbstractContextManager["ClusterReader"]):
    """The directory of a run, read and not changed: also while the run goes.

    Attributes:
        report: What became of the rows.
        base_url: Where they go.
        submission: How they are worked on, or were the last time; None where nobody has started.
        in_doubt: How many rows may have been sent and have not ended.
        heard: When a worker last wrote something, in seconds since 1970.
        slowed_by: Why everything waited the last time, in one of the shards.
        samples, outliers: None: how a run on a cluster went is not recorded. See `JournalReader`.
    """

    samples: Final[Sequence[Sample]] = ()
    outliers: Final[Sequence[Outlier]] = ()

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Read it.

        Raises:
            InvalidRequestError: It is neither a path nor a URL that can be used here.
            JournalError: There is no run, or it cannot be read.
        """
        self._directory = SharedDirectory(directory)
        manifest = Manifest.read(self._directory)
        if manifest is None:
            raise JournalError(f"there is no run in {self._directory}")
        self._shards = [(shard, rows) for shard, rows in enumerate(manifest.shards) if rows]
        self.base_url = manifest.base_url
        self.submission = submission = Submission.read(self._directory)
        self.report = BulkReport(rows=manifest.rows, seconds=submission.seconds if submission is not None else 0.0)
        self.in_doubt, self.heard = 0, submission.began if submission is not None else 0.0
        self.slowed_by: str | None = None
        self._doubtful: dict[int, AbstractSet[int] | None] = {shard: frozenset() for shard, _ in self._shards}
        """Of each shard: rows that may have been sent and have not ended; None where these are all that have not."""
        # Problems only, in the order of the input; an empty name is a database that spills to a file of its own.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        try:
            self._database.execute(PROBLEMS)
            for shard, rows in self._shards:
                self._read(shard, rows)
            for problem in problems_in(self._database, tuple(RowState)):
                self.report.keep(problem)
        except BaseException:
            self._database.close()
            raise

    @property
    def is_running(self) -> bool:
        """Whether workers are at work."""
        return self.submission is not None and self.submission.state != "ended" and time() < self.heard + SILENT

    @cached_property
    def contents(self) -> Contents:
        """What all rows add up to, by a pass over them.

        Raises:
            JournalError: They cannot be read.
        """
        sums: dict[tuple[str, str], Sum] = {}
        for shard, rows in self._shards:
            self._add_up(sums, shard, rows)
        via = self.submission.via if self.submission is not None else "calls"
        return Contents(base_url=self.base_url, via=via, report=self.report, sums=[sums[key] for key in sorted(sums)])

    def all_problems(self) -> Iterator[RowResult]:
        """All rows that were rejected or need a review, in order."""
        return problems_in(self._database, tuple(RowState))

    def problems(self, state: RowState) -> Iterator[RowResult]:
        """All rows that ended in this state, in order."""
        return problems_in(self._database, (state,))

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def _read(self, shard: int, rows: int) -> None:
        progress, lease = Progress.read(self._directory, shard), Lease.newest(self._directory, shard)
        figures = progress.figures if progress is not None else Figures()
        closed = progress is not None and progress.closes(lease)
        results = None
        if not closed or figures.problems:
            results = read_results(self._directory, shard)
            figures = figures.with_results(results)
        figures.add_to(self.report)
        if progress is not None:
            self.heard = max(self.heard, progress.at)
            self.slowed_by = progress.slowed_by or self.slowed_by
        if lease is not None:
            doubtful = {number for number, _ in progress.in_doubt} if progress is not None and closed else None
            self._doubtful[shard] = doubtful
            self.in_doubt += rows - figures.settled if doubtful is None else len(doubtful)
        if results is not None and figures.problems:
            self._database.executemany(
                "INSERT INTO problems VALUES (?, ?, ?, ?, ?)",
                [
                    (row[0], row[1], row[4], columns[1], columns[4])
                    for row in read_shard(self._directory, shard, rows)
                    if (columns := results.get(row[0])) is not None and columns[4] is not None
                ],
            )

    def _add_up(self, sums: dict[tuple[str, str], Sum], shard: int, rows: int) -> None:
        results, doubtful = read_results(self._directory, shard), self._doubtful[shard]
        for number, kind, _, _, request in read_shard(self._directory, shard, rows):
            columns = results.get(number)
            in_doubt = doubtful is None or number in doubtful
            status = columns[1] if columns is not None else "sending" if in_doubt else "pending"
            one = sums.setdefault((kind, status), Sum(kind, status))
            one.rows += 1
            if columns is not None and columns[2] is not None:
                one.points = add_points(one.points, points_from(columns[2]))
            one.amount = add(one.amount, amount_of(converter.load(request.encode(), kind_named[kind])) or Decimal(0))

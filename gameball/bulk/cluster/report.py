"""What a run on a cluster came to, read from its directory: one report, as of a journal."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager

from gameball.bulk.cluster.lease import Lease
from gameball.bulk.cluster.manifest import Manifest, Submission
from gameball.bulk.cluster.results import Figures, Progress, read_results
from gameball.bulk.cluster.shards import read_shard
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.journal import schema
from gameball.bulk.journal.contents import problems_in
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import RowResult, RowState
from gameball.errors import JournalError


class ClusterReader(AbstractContextManager["ClusterReader"]):
    """The directory of a run, read and not changed: also while the run goes.

    Attributes:
        report: What became of the rows.
    """

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
        submission = Submission.read(self._directory)
        self.report = BulkReport(rows=manifest.rows, seconds=submission.seconds if submission is not None else 0.0)
        # Problems only, in the order of the input; an empty name is a database that spills to a file of its own.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        try:
            self._database.execute(schema.TABLES[1])
            for shard, rows in enumerate(manifest.shards):
                if rows:
                    self._read(shard, rows)
            for problem in problems_in(self._database, tuple(RowState)):
                self.report.keep(problem)
        except BaseException:
            self._database.close()
            raise

    def problems(self, state: RowState) -> Iterator[RowResult]:
        """All rows that ended in this state, in order."""
        return problems_in(self._database, (state,))

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def _read(self, shard: int, rows: int) -> None:
        progress = Progress.read(self._directory, shard)
        figures = progress.figures if progress is not None else Figures()
        results = None
        if progress is None or not progress.closes(Lease.newest(self._directory, shard)) or figures.problems:
            results = read_results(self._directory, shard)
            figures = figures.with_results(results)
        figures.add_to(self.report)
        if results is not None and figures.problems:
            self._database.executemany(
                "INSERT INTO rows (number, kind, transaction_id, player, request, status, error)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (*row, columns[1], columns[4])
                    for row in read_shard(self._directory, shard, rows)
                    if (columns := results.get(row[0])) is not None and columns[4] is not None
                ],
            )

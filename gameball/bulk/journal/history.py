"""How the runs on a journal went: a sample a second at most, and the rows that took longest or were sent most often.

Both are written in the transaction of the results that they come from, and both stay small: samples of a long run are
thinned, and of the rows a hundred of each kind are kept.
"""

import sqlite3
from collections.abc import Sequence
from heapq import heappush, heapreplace
from time import time
from typing import Final

from attrs import astuple, frozen

from gameball.bulk.report import BulkReport
from gameball.bulk.rows import RowResult

INTERVAL: Final = 1.0
"""Seconds between two samples, until there are many."""

MOST: Final = 2000
"""Samples beside the first and the last one of each run."""

OUTLIERS: Final = 100
"""Rows that are kept because they took longest, and because they were sent most often."""

TABLES: Final = (
    """
    CREATE TABLE IF NOT EXISTS samples (
        run INTEGER NOT NULL,
        time REAL NOT NULL,
        seconds REAL NOT NULL,
        settled INTEGER NOT NULL,
        problems INTEGER NOT NULL,
        sent INTEGER NOT NULL,
        pauses INTEGER NOT NULL,
        paused REAL NOT NULL,
        slowed_by TEXT,
        problem INTEGER
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS outliers (
        number INTEGER PRIMARY KEY,
        seconds REAL NOT NULL,
        attempts INTEGER NOT NULL
    )
    """,
)

SAMPLES: Final = "SELECT run, time, seconds, settled, problems, sent, pauses, paused, slowed_by, problem FROM samples"

THIN: Final = """
    DELETE FROM samples WHERE rowid IN (
        SELECT number FROM (
            SELECT rowid AS number, row_number() OVER (ORDER BY rowid) AS place,
                run = lag(run) OVER (ORDER BY rowid) AND run = lead(run) OVER (ORDER BY rowid) AS inside
            FROM samples
        ) WHERE place % 2 = 0 AND inside
    )
"""
"""Drops every second sample, but for the first and the last one of each run."""


@frozen
class Sample:
    """How far the runs on a journal were at one moment; the figures are of all of them.

    Attributes:
        run: Which run it was, from 1.
        time: When, in seconds since 1970.
        seconds: How long all runs had taken.
        settled, problems: Rows that had ended, and those of them that were rejected or need a review.
        sent: Requests.
        pauses, paused: How many times everything waited, and how many seconds in all.
        slowed_by: Why it did so the last time in this run.
        problem: The row of the latest problem.
    """

    run: int
    time: float
    seconds: float
    settled: int
    problems: int
    sent: int
    pauses: int
    paused: float
    slowed_by: str | None
    problem: int | None


class _Largest:
    """The rows with the largest values.

    Attributes:
        least: What a value must exceed to become one of them.
    """

    def __init__(self, least: float) -> None:
        self.least = least
        self.heap: list[tuple[float, int]] = []

    def add(self, value: float, number: int) -> int | None:
        """Add a row with a larger value than `least`; the one that is so no more is returned."""
        if len(self.heap) < OUTLIERS:
            heappush(self.heap, (value, number))
            dropped = None
        else:
            dropped = heapreplace(self.heap, (value, number))[1]
        if len(self.heap) == OUTLIERS:
            self.least = self.heap[0][0]
        return dropped


class History:
    """What one run adds to the history of its journal."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._run = 0
        """Which run this is; 0 until it has claimed something."""
        self._count = 0
        self._interval = INTERVAL
        self._latest: Sample | None = None
        self._problem: int | None = None
        self._slowest, self._most_sent = _Largest(least=0.0), _Largest(least=1)  # sent again, that is

    def note(self, report: BulkReport, results: Sequence[RowResult]) -> None:
        """Take the results into account, which the report does not count yet; in the transaction that writes them."""
        if self._latest is None:
            self._begin()
        self._note_outliers(results)
        problems = [result.index for result in results if result.error is not None]
        self._problem = problems[-1] if problems else self._problem
        last = self._latest
        if last is None or report.seconds - last.seconds >= self._interval or report.pauses > last.pauses:
            self._take(report, settled=len(results), problems=len(problems))

    def end(self, report: BulkReport) -> None:
        """Take a last sample of a run that has claimed something."""
        if self._latest is not None:
            self._take(report, settled=0, problems=0)

    def _begin(self) -> None:
        for table in TABLES:
            self._database.execute(table)
        last = latest(self._database)
        self._run, self._problem = (1, None) if last is None else (last.run + 1, last.problem)
        (self._count,) = self._database.execute("SELECT count(*) FROM samples").fetchone()
        for number, seconds, attempts in self._database.execute("SELECT number, seconds, attempts FROM outliers"):
            if seconds > self._slowest.least:
                self._slowest.add(seconds, number)
            if attempts > self._most_sent.least:
                self._most_sent.add(attempts, number)

    def _take(self, report: BulkReport, *, settled: int, problems: int) -> None:
        sample = self._latest = Sample(
            run=self._run,
            time=time(),
            seconds=report.seconds,
            settled=report.settled + settled,
            problems=report.rejected + report.needs_review + problems,
            sent=report.sent,
            pauses=report.pauses,
            paused=report.paused,
            slowed_by=None if report.slowed_by is None else str(report.slowed_by),
            problem=self._problem,
        )
        self._database.execute("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(sample))
        self._count += 1
        if self._count >= MOST:
            self._count -= self._database.execute(THIN).rowcount
            self._interval *= 2

    def _note_outliers(self, results: Sequence[RowResult]) -> None:
        slowest, most_sent = self._slowest, self._most_sent
        dropped: set[int] = set()
        for result in results:  # nearly all of them are none
            is_slow, is_sent_often = result.seconds > slowest.least, result.attempts > most_sent.least
            if is_slow or is_sent_often:
                self._database.execute(
                    "INSERT OR REPLACE INTO outliers VALUES (?, ?, ?)", (result.index, result.seconds, result.attempts)
                )
                left = (
                    slowest.add(result.seconds, result.index) if is_slow else None,
                    most_sent.add(result.attempts, result.index) if is_sent_often else None,
                )
                dropped.update(number for number in left if number is not None)
        if dropped:
            kept = {number for largest in (slowest, most_sent) for _, number in largest.heap}
            self._database.executemany("DELETE FROM outliers WHERE number = ?", [(one,) for one in dropped - kept])


def samples(database: sqlite3.Connection) -> list[Sample]:
    """All samples, in order; none where no run has taken one."""
    if not _has(database, "samples"):
        return []
    return [Sample(*row) for row in database.execute(f"{SAMPLES} ORDER BY rowid")]


def latest(database: sqlite3.Connection) -> Sample | None:
    """The last sample."""
    if not _has(database, "samples"):
        return None
    row = database.execute(f"{SAMPLES} ORDER BY rowid DESC LIMIT 1").fetchone()
    return None if row is None else Sample(*row)


def outliers(database: sqlite3.Connection) -> list[tuple[int, float, int]]:
    """The number of each row that is kept, its seconds and its attempts."""
    return database.execute("SELECT * FROM outliers").fetchall() if _has(database, "outliers") else []


def _has(database: sqlite3.Connection, table: str) -> bool:
    return database.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,)).fetchone() is not None

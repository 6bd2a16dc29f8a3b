"""What a run would do, and what became of one: the plan, the planner with its set of seen ids, the report."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Final, Self

from attrs import define, field, frozen

from gameball.bulk.rows import KINDS, Request, RowResult, amount_of
from gameball.errors import GameballError
from gameball.models.model import Model
from gameball.models.shared import Points, add, add_points
from gameball.settings import RateLimit

_STATE: Final = attrgetter("state")

KEPT: Final = 1000
"""Problems, duplicates and the like that are named one by one; the rest is counted."""

CACHE: Final = 16 * 2**10
"""KiB of seen ids that stay in memory: with sqlite's own 2 MiB, a million are written and read again many times."""


@frozen(kw_only=True)
class BulkPlan(Model):
    """What a run would do; nothing was sent.

    Attributes:
        rows: How many there are.
        total_amount: Money of all rows together, of those that have an amount.
        duplicates: Transaction ids that an earlier row of the same kind has.
        clashes: Ids of rows that repeat the player and transaction time of an earlier row; the API accepts each once.
        future: Ids of rows whose transaction time lies ahead.
        left_out: How many ids more than the first 1000 these would name.
        seconds: The least time that the client's rate limit allows; None without a limit.
    """

    rows: int
    total_amount: Decimal
    duplicates: tuple[str, ...] = ()
    clashes: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    left_out: int = 0
    seconds: float | None = None


@define(kw_only=True)
class BulkReport(Model):
    """What became of a run, or so far. With a journal it covers all runs on that journal.

    Attributes:
        rows: Rows that were read.
        applied, already_applied, rejected, needs_review: How many ended in which state.
        points: The points of all that is applied, now or already; see `RowResult.points`.
        seconds: How long it took.
        sent: How many times a row or a batch was sent, or tried to; resends included.
        looked_up: How many times a transaction was looked up.
        pauses: How many times everything waited because the API failed, or said to wait.
        paused: How many of the seconds everything waited.
        limit: The most rows (via batches: batches) in flight while trouble keeps it low, 0 while everything waits; None
            without trouble.
        slowed_by: Why the run waited or was slowed down the last time; None where it never was.
        problems: The first 1000 rows that were rejected or need a review.
        problems_left_out: How many more there are.
    """

    rows: int = 0
    applied: int = 0
    already_applied: int = 0
    rejected: int = 0
    needs_review: int = 0
    points: Points = 0
    seconds: float = 0.0
    sent: int = 0
    looked_up: int = 0
    pauses: int = 0
    paused: float = 0.0
    limit: int | None = field(default=None, repr=False)
    slowed_by: GameballError | None = field(default=None, repr=False)
    problems: list[RowResult] = field(factory=list[RowResult], repr=False)
    problems_left_out: int = 0

    @property
    def settled(self) -> int:
        """Rows that have ended, one way or another."""
        return self.applied + self.already_applied + self.rejected + self.needs_review

    @property
    def left(self) -> int:
        """Rows that have not ended: a journal can be resumed for them."""
        return self.rows - self.settled

    def count(self, results: Sequence[RowResult]) -> None:
        """Take results into account."""
        for state, count in Counter(map(_STATE, results)).items():
            setattr(self, state, getattr(self, state) + count)
        points = self.points
        for result in results:
            if result.value is not None:
                points = add_points(points, result.points)
            if result.error is not None:
                self.keep(result)
        self.points = points

    def keep(self, problem: RowResult) -> None:
        """Name a problem, or count it where 1000 are named."""
        if len(self.problems) < KEPT:
            self.problems.append(problem)
        else:
            self.problems_left_out += 1


class SeenIds(AbstractContextManager["SeenIds"]):
    """A set of keys, and where each was seen first, in a private temporary file: larger than memory should hold."""

    def __init__(self) -> None:
        # An empty name is a database that spills to a file of its own, which ends with it.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(f"PRAGMA cache_size = -{CACHE}")
        self._database.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID")
        self._database.execute("BEGIN")
        self._cursor = self._database.cursor()

    def first(self, *key: str, at: int) -> int:
        """Where the key was seen first: `at` itself, when it is new."""
        joined = "\0".join(key)
        if self._cursor.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (joined, at)).rowcount:
            return at
        (place,) = self._cursor.execute("SELECT at FROM seen WHERE key = ?", (joined,)).fetchone()
        return int(place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()


@define
class Planner:
    """Reads rows, chunk by chunk, and makes the plan; needs no more memory for many rows than for few.

    Attributes:
        distinct: Whether no two rows of a kind have the same id: whoever reads them sees to it.
    """

    _seen: SeenIds
    distinct: bool = False
    _now: datetime = field(factory=lambda: datetime.now(UTC))
    _rows: int = 0
    _amount: Decimal = Decimal(0)
    _duplicates: list[str] = field(factory=list[str])
    _clashes: list[str] = field(factory=list[str])
    _future: list[str] = field(factory=list[str])
    _left_out: int = 0

    def add(self, requests: Iterable[Request]) -> None:
        """Take rows into account."""
        first = self._seen.first
        for request in requests:
            index, self._rows = self._rows, self._rows + 1
            self._amount = add(self._amount, amount_of(request) or 0)
            if not self.distinct and first("id", KINDS[type(request)], request.transaction_id, at=index) != index:
                self._note(self._duplicates, request)
            time = request.transaction_time
            if time is not None:
                if first("time", request.player_unique_id, time.isoformat(), at=index) != index:
                    self._note(self._clashes, request)
                if time > self._now:
                    self._note(self._future, request)

    def plan(self, limit: RateLimit | None) -> BulkPlan:
        """The plan for all rows so far."""
        return BulkPlan(
            rows=self._rows,
            total_amount=self._amount,
            duplicates=tuple(self._duplicates),
            clashes=tuple(self._clashes),
            future=tuple(self._future),
            left_out=self._left_out,
            seconds=max(self._rows / most * seconds for most, seconds in limit.windows) if limit else None,
        )

    def _note(self, ids: list[str], request: Request) -> None:
        if len(ids) < KEPT:
            ids.append(request.transaction_id)
        else:
            self._left_out += 1

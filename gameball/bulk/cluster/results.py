"""What became of a shard's rows, kept in the shared directory every few seconds: a worker may be gone the next moment.

Whoever works on a shard writes files of its own, so that a worker which was cut off and lives on spoils nothing.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

import msgspec
from attrs import evolve, field, frozen

from gameball.bulk.cluster.lease import Lease
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.journal.contents import points_from
from gameball.bulk.journal.load import Columns
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import RowState
from gameball.models.shared import Points, add_points

PART: Final = 2000
"""Results that one file holds; the last one is written again with those that came since."""

SUREST: Final = (RowState.APPLIED, RowState.ALREADY_APPLIED, RowState.NEEDS_REVIEW, RowState.REJECTED)
"""Which of two results of the same row holds, the first one first: a value is proof, a refusal may be of a resend."""

_to_lines: Final = msgspec.json.Encoder().encode_lines
_from_line: Final = msgspec.json.Decoder(Columns).decode


class Results:
    """The results of one shard, from one worker."""

    def __init__(self, directory: SharedDirectory, shard: int, holder: str, known: Iterable[int]) -> None:
        """Begin with none.

        Args:
            directory: Where they are written.
            shard: Its number.
            holder: The worker's lease; see `lease.py`.
            known: Rows whose results are there already.
        """
        self._directory = directory
        self._known = set(known)
        self._prefix = f"{_folder(shard)}/{holder}"
        self._part = 0
        self._lines: list[Columns] = []
        self._written = 0
        """How many of the lines of this part are in the directory."""

    def add(self, columns: Columns) -> None:
        """Take in a result, to be written with the next ones; one of a row that has one already is passed over."""
        if columns[0] not in self._known:
            self._known.add(columns[0])
            self._lines.append(columns)

    def write(self) -> None:
        """Write what has come in. What fails is written with the next ones.

        Raises:
            JournalError: The directory cannot be used.
        """
        count = len(self._lines)  # more may come in from another thread meanwhile: they are the next time's
        while count > self._written:
            lines = self._lines[: min(count, PART)]
            self._directory.write(f"{self._prefix}-{self._part:05}.jsonl", _to_lines(lines))
            self._written = len(lines)
            if len(lines) == PART:
                del self._lines[:PART]
                self._part, self._written, count = self._part + 1, 0, count - PART


def read_results(directory: SharedDirectory, shard: int) -> dict[int, Columns]:
    """What became of the rows of a shard, from all workers that it had; rows without a result are left out.

    Raises:
        JournalError: The directory cannot be used.
    """
    results: dict[int, Columns] = {}
    for name in directory.names(_folder(shard)):
        if name.endswith(".jsonl"):
            for line in (directory.read(f"{_folder(shard)}/{name}") or b"").splitlines():
                with suppress(msgspec.MsgspecError, ValueError):  # cut short: its row is looked up
                    columns = _from_line(line)
                    rank = _rank(columns)
                    if columns[0] not in results or rank < _rank(results[columns[0]]):
                        results[columns[0]] = columns
    return results


def _rank(columns: Columns) -> int:
    return SUREST.index(RowState(columns[1]))


def _folder(shard: int) -> str:
    return f"results/{shard:05}"


@frozen(kw_only=True)
class Figures:
    """What a report says of a shard, in plain numbers."""

    applied: int = 0
    already_applied: int = 0
    rejected: int = 0
    needs_review: int = 0
    points: Points = 0
    sent: int = 0
    looked_up: int = 0
    pauses: int = 0
    paused: float = 0.0

    @classmethod
    def of_report(cls, report: BulkReport) -> "Figures":
        """Those of a journal's report."""
        return cls(**{name: getattr(report, name) for name in FIGURES})

    def with_results(self, results: Mapping[int, Columns]) -> "Figures":
        """The same requests, with exactly these results."""
        states = [columns[1] for columns in results.values()]
        points: Points = 0
        for columns in results.values():
            points = add_points(points, points_from(columns[2]) if columns[2] is not None else 0)
        return evolve(self, points=points, **{state.value: states.count(state) for state in RowState})

    def with_requests_of(self, other: "Figures") -> "Figures":
        """The same results, with the requests of both."""
        return evolve(
            self,
            sent=self.sent + other.sent,
            looked_up=self.looked_up + other.looked_up,
            pauses=self.pauses + other.pauses,
            paused=self.paused + other.paused,
        )

    @property
    def settled(self) -> int:
        """Rows that have ended."""
        return self.applied + self.already_applied + self.rejected + self.needs_review

    @property
    def problems(self) -> int:
        """Rows that were rejected or need a review."""
        return self.rejected + self.needs_review

    def add_to(self, report: BulkReport) -> None:
        """Add them to the report of all shards."""
        for name in FIGURES:
            setattr(report, name, getattr(report, name) + getattr(self, name))


FIGURES: Final = (
    *("applied", "already_applied", "rejected", "needs_review", "points"),
    *("sent", "looked_up", "pauses", "paused"),
)


@frozen(kw_only=True)
class Progress:
    """How far a shard is, as its worker saw it last.

    Attributes:
        holder: The worker's lease; see `lease.py`.
        submission: The number and token of the submission that it worked for.
        closed: Whether it ended well. Then all its results are there, and of the other rows only those `in_doubt` were
            ever sent.
        in_doubt: Numbers of rows, with the batch that each was part of; see `Row.batch`.
        recent: How many seconds before its end each request ended that still counted in the rate limit.
        figures: Of all workers that the shard had.
        slowed_by: Why everything waited the last time.
        at: When it was written, in seconds since 1970.
    """

    holder: str
    submission: tuple[int, str]
    closed: bool = False
    in_doubt: tuple[tuple[int, str | None], ...] = ()
    recent: tuple[float, ...] = ()
    figures: Figures = field(factory=Figures)
    slowed_by: str | None = None
    at: float = 0.0

    @classmethod
    def read(cls, directory: SharedDirectory, shard: int) -> "Progress | None":
        """The latest; None where nobody has started, or it cannot be read.

        Raises:
            JournalError: The directory cannot be used.
        """
        return directory.read_as(f"progress/{shard:05}.json", cls)

    def closes(self, lease: Lease | None) -> bool:
        """Whether it is the end of the work that began with this lease."""
        return self.closed and lease is not None and self.holder == lease.holder

    def write(self, directory: SharedDirectory, shard: int) -> None:
        """Write it in the place of the one before.

        Raises:
            JournalError: The directory cannot be used.
        """
        directory.write_json(f"progress/{shard:05}.json", self)

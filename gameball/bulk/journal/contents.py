"""What a journal says: whose it is, how far its rows are, what became of them. Read without changing anything."""

import hashlib
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self, cast

import msgspec
from attrs import define, frozen

from gameball import errors
from gameball.bulk.journal import history, schema
from gameball.bulk.journal.load import Columns, StoredRow
from gameball.bulk.journal.lock import holder_of
from gameball.bulk.journal.schema import damaged, explained
from gameball.bulk.journal.states import read_states
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import KINDS, Request, RowResult, RowState
from gameball.core import converter
from gameball.core.scalars import UnreadableError
from gameball.errors import GameballError, JournalError
from gameball.models.shared import Points, add, add_points
from gameball.settings import Secret

kind_named: Final[Mapping[str, type[Request]]] = {name: kind for kind, name in KINDS.items()}
"""The kinds of rows, by the word that a journal has for each."""

NOBODY: Final = b""
"""The account of a journal that no account has a claim to."""

ENDED: Final = frozenset(RowState)
"""The statuses that rows can end in."""

TOGETHER: Final = 50_000
"""Rows that are read at a time."""

_from_json: Final = msgspec.json.Decoder().decode


@frozen(kw_only=True)
class Account:
    """Whose journal it is, and where its rows go."""

    api_key: Secret | None
    base_url: str

    def hashed(self, salt: bytes) -> bytes:
        """What recognises the account, and says nothing about its key."""
        key = self.api_key.reveal() if self.api_key is not None else ""
        return hashlib.blake2b(key.encode(), salt=salt, digest_size=16).digest()


@frozen(kw_only=True)
class AppliedRow:
    """A row that the journal's account has, as the journal knows it."""

    number: int
    transaction_id: str
    player_unique_id: str
    gameball_transaction_id: str


@define
class Sum:
    """Rows of one operation and status, added up."""

    operation: str
    status: str
    rows: int = 0
    amount: Decimal = Decimal(0)
    points: Points = 0


@frozen
class Outlier:
    """A row that took longest or was sent most often.

    Attributes:
        number: Its place in the input, from 0.
        operation, player, transaction_id: What it is.
        status: How far it is; see `schema`.
        seconds: How long it took.
        attempts: How many times it was sent, or tried to.
    """

    number: int
    operation: str
    player: str
    transaction_id: str
    status: str
    seconds: float
    attempts: int


@frozen(kw_only=True)
class Contents:
    """What a journal says of its run.

    Attributes:
        salt, account, base_url: Whose it is; see `Account`.
        via: How the run that made it sends its rows.
        input: The fingerprint of its rows.
        report: Of all runs on it.
        sums: Of its rows, by operation and status.
        sending: How many rows are on their way, or were when a run broke off.
        kinds: What rows there are.
        in_batches: Whether rows of a batch are in doubt.
        bound: Whether it belongs to the account, and the address: any of its rows may have reached them.
    """

    salt: bytes
    account: bytes
    base_url: str
    via: str
    input: bytes
    report: BulkReport
    sums: Sequence[Sum]
    sending: int
    kinds: frozenset[str]
    in_batches: bool
    bound: bool

    @classmethod
    def of(cls, database: sqlite3.Connection, path: Path, *, amounts: bool) -> Self:
        """Read them, with one pass over the rows.

        Args:
            database: Where `states.read_states()` has been.
            path: What messages call it.
            amounts: Whether the sums need their amounts.

        Raises:
            JournalError: The file is damaged.
        """
        try:
            row = database.execute(
                "SELECT salt, account, base_url, via, input, sent, looked_up, pauses, seconds FROM run"
            ).fetchone()
            salt, account, base_url, via, fingerprint = row[:5]
            report = BulkReport(sent=row[5], looked_up=row[6], pauses=row[7], seconds=row[8])
            sums, in_batches = _sums(database, amounts=amounts)
            for one in sums:
                report.rows += one.rows
                report.points = add_points(report.points, one.points)
                if one.status in ENDED:
                    setattr(report, one.status, getattr(report, one.status) + one.rows)
            for problem in problems_in(database, tuple(RowState)):
                report.keep(problem)
            if (sample := history.latest(database)) is not None:
                report.paused = sample.paused
        except (LookupError, TypeError, ValueError, ArithmeticError):
            raise damaged(path) from None
        return cls(
            salt=salt,
            account=account,
            base_url=base_url,
            via=via,
            input=fingerprint,
            report=report,
            sums=sums,
            sending=sum(one.rows for one in sums if one.status == "sending"),
            kinds=frozenset(one.operation for one in sums),
            in_batches=in_batches,
            bound=account != NOBODY and any(one.status != "pending" for one in sums),
        )


class JournalReader(AbstractContextManager["JournalReader"]):
    """A journal, read and not changed: also while a run works on it, and where nothing can be written."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open it.

        Raises:
            JournalError: There is none, or it cannot be read.
        """
        self._path = Path(path)
        file = file_of(self._path)
        with explained(self._path):
            # Where no -wal file can be made, sqlite reads only what it is assured will not change.
            unchanging = not os.access(file.parent, os.W_OK) and not file.with_name(f"{file.name}-wal").exists()
            self._database = sqlite3.connect(
                f"{file.as_uri()}?mode=ro{'&immutable=1' if unchanging else ''}", uri=True, isolation_level=None
            )
        try:
            with explained(self._path):
                _require_rows(self._database, self._path)
                # A run may go on meanwhile: all that is read is of one moment.
                self._database.execute("BEGIN")
                read_states(self._database)
                self.contents = Contents.of(self._database, self._path, amounts=True)
        except BaseException:
            self._database.close()
            raise

    @property
    def holder(self) -> str | None:
        """Which process runs it now, "" where that is not known; None if nobody does."""
        return holder_of(self._path.absolute())

    @property
    def samples(self) -> Sequence[history.Sample]:
        """How far its runs were, moment by moment.

        Raises:
            JournalError: It cannot be read.
        """
        with explained(self._path):
            return history.samples(self._database)

    @property
    def outliers(self) -> Sequence[Outlier]:
        """Rows that took longest or were sent most often, in their order.

        Raises:
            JournalError: It cannot be read.
        """
        with explained(self._path):
            kept = {number: rest for number, *rest in history.outliers(self._database)}
            rows = self._database.execute(schema.NAMED, (msgspec.json.encode(list(kept)),))
            return [Outlier(number, *row, *kept[number]) for number, *row in rows]

    def all_problems(self) -> Iterator[RowResult]:
        """All rows that were rejected or need a review, in order.

        Raises:
            JournalError: It cannot be read.
        """
        with explained(self._path):
            yield from problems_in(self._database, tuple(RowState))

    def problem(self, number: int) -> RowResult | None:
        """The row of this number, if it was rejected or needs a review.

        Raises:
            JournalError: It cannot be read.
        """
        with explained(self._path):
            return next(problems_in(self._database, tuple(RowState), number), None)

    def problems(self, state: RowState) -> Iterator[RowResult]:
        """All rows that ended in this state, in order.

        Raises:
            JournalError: It cannot be read.
        """
        with explained(self._path):
            yield from problems_in(self._database, (state,))

    def results(self) -> Iterator[Columns]:
        """How each row ended that has, in order.

        Raises:
            JournalError: It cannot be read.
        """
        with explained(self._path):
            yield from self._database.execute(schema.RESULTS)

    def outcomes(self) -> Iterator[Sequence[tuple[Any, ...]]]:
        """All rows, many at a time and in order: see `schema.OUTCOMES`.

        Raises:
            JournalError: It cannot be read.
        """
        with explained(self._path):
            reading = self._database.execute(schema.OUTCOMES)
            while rows := reading.fetchmany(TOGETHER):
                yield rows

    def in_doubt(self) -> dict[int, str | None]:
        """The numbers of rows in doubt, with the batch that each was part of; see `Row.batch`.

        Raises:
            JournalError: It cannot be read.
        """
        with explained(self._path):
            return {number: batch for number, *_, batch in self._database.execute(schema.IN_DOUBT)}

    def parted(self, part: Callable[[str], int]) -> Iterator[StoredRow]:
        """All rows, ordered by what `part` gives for their player, then by number.

        Raises:
            JournalError: It cannot be read.
        """
        with explained(self._path):
            self._database.create_function("part", 1, part, deterministic=True)
            yield from self._database.execute(schema.STORED)

    def __exit__(self, *_: object) -> None:
        self._database.close()


# --- the file


def file_of(path: Path, *, create: bool = False) -> Path:
    """The absolute path, which sqlite can take for nothing else: `:memory:` and `file:x` are names like others.

    Raises:
        JournalError: It is a link, or there is no file (unless `create`), or sqlite is too old.
    """
    if sqlite3.sqlite_version_info < schema.OLDEST_SQLITE:
        needed = ".".join(map(str, schema.OLDEST_SQLITE))
        raise JournalError(f"a journal needs SQLite {needed} or newer; this Python has {sqlite3.sqlite_version}")
    if path.is_symlink():
        raise JournalError(f"journal {path} is a link: name the file itself")
    if not path.is_file() and (not create or path.exists()):
        raise JournalError(f"there is no journal at {path}")
    return path.absolute()


def check_version(database: sqlite3.Connection, path: Path) -> bool:
    """Whether the database is still empty.

    Raises:
        JournalError: It is not a journal, or one of another version.
    """
    if _number(database, "SELECT count(*) FROM sqlite_schema") == 0:
        return True
    if _number(database, "PRAGMA application_id") != schema.MARK:
        raise JournalError(f"{path} is a database, but no journal")
    if (version := _number(database, "PRAGMA user_version")) != schema.VERSION:
        which, action = ("a newer", "upgrade gameball") if version > schema.VERSION else ("an older", "use that one")
        raise JournalError(
            f"journal {path} was written by {which} version of gameball (schema {version}; this one knows"
            f" {schema.VERSION}): {action}"
        )
    return False


def _require_rows(database: sqlite3.Connection, path: Path) -> None:
    if check_version(database, path):
        raise JournalError(f"journal {path} holds no rows yet: run it with them")


def _number(database: sqlite3.Connection, query: str) -> int:
    (number,) = database.execute(query).fetchone()
    return int(number)


# --- from text


def _sums(database: sqlite3.Connection, *, amounts: bool) -> tuple[list[Sum], bool]:
    """The sums of all rows, and whether rows of a batch are in doubt; of many rows that are alike, one is read."""
    sums: dict[tuple[str, str], Sum] = {}
    in_batches = False
    for kind, status, points, in_batch, count in database.execute(schema.COUNTS):
        one = sums.setdefault((kind, status), Sum(kind, status))
        one.rows += count
        one.points = add_points(one.points, 0 if points is None else points_from(points), times=count)
        in_batches = in_batches or (in_batch == 1 and status == "sending")
    if amounts:
        reading = database.execute(schema.AMOUNTS)
        while rows := reading.fetchmany(TOGETHER):
            for (kind, status, amount), count in Counter(rows).items():
                if amount is not None:
                    one = sums[kind, status]
                    one.amount = add(one.amount, add_points(0, Decimal(amount), times=count))
    return [sums[key] for key in sorted(sums)], in_batches


def points_from(written: str) -> Points:
    """Points as a journal keeps them."""
    return int(written) if written.lstrip("-").isdecimal() else Decimal(written)


def problems_in(
    database: sqlite3.Connection, states: Sequence[RowState], only: int | None = None
) -> Iterator[RowResult]:
    """Rows that were rejected or need a review, in order; only those of these states, or one of them."""
    wanted = [state for state in (RowState.REJECTED, RowState.NEEDS_REVIEW) if state in states]
    for number, kind, request, status, error in database.execute(
        "SELECT number, kind, request, status, error FROM problems"
        " WHERE status IN (SELECT value FROM json_each(?)) AND number = coalesce(?, number) ORDER BY number",
        (msgspec.json.encode(wanted), only),
    ):
        yield RowResult(
            index=number,
            request=converter.load(request.encode(), kind_named[kind]),
            state=RowState(status),
            error=_error(error),
        )


def _error(written: str | None) -> GameballError:
    match _from_json(written or "null"):
        case [str(name), {"message": str(message), **particulars}]:
            kind = vars(errors).get(name)
            if isinstance(kind, type) and issubclass(kind, GameballError):
                return kind(message, cast("dict[str, Any]", particulars))
        case _:
            pass
    raise UnreadableError("it is no error")

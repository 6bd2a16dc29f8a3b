"""A journal at work: claimed from and committed to by one run at a time."""

import os
import secrets
import sqlite3
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import evolve

from gameball.bulk.journal import schema
from gameball.bulk.journal.contents import NOBODY, Account, AppliedRow, Contents, check_version, file_of, kind_named
from gameball.bulk.journal.history import History
from gameball.bulk.journal.load import Columns, Loading
from gameball.bulk.journal.lock import JournalLock
from gameball.bulk.journal.schema import damaged, explained
from gameball.bulk.journal.states import read_states
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import Row, RowResult
from gameball.core import converter, scalars
from gameball.core.timestamps import stamps
from gameball.errors import JournalError
from gameball.models.shared import Points, written
from gameball.models.transactions import OrderTransactions

LAST: Final = 2**63 - 1
"""Behind every row."""

_index: Final = attrgetter("index")
_to_json: Final = msgspec.json.Encoder(enc_hook=scalars.base_value).encode
_read_rows: Final = msgspec.json.Decoder(tuple[list[int], list[str], list[dict[str, Any]]], float_hook=Decimal).decode


class Journal:
    """A journal at work: locked against every other run, used by one thread at a time."""

    def __init__(self, path: str | os.PathLike[str], *, create: bool = False) -> None:
        """Open it.

        Raises:
            JournalError: There is none, or it cannot be used.
        """
        self.path = Path(path)
        self.contents: Contents | None = None
        """None until its rows are there; they come all at once or not at all."""
        self._players: set[str] = set()
        """Those with a row on its way, or one that was left on its way."""
        self._ended: list[int] = []
        """Rows that have ended: their player's next one may go."""
        self._left: dict[int, tuple[str | None, str | None]] = {}
        """The time and the batch of rows that an earlier run has left on their way."""
        self._in_doubt: deque[int] = deque()
        """Of these the first of each player: they come first."""
        self._claimed: dict[int, Row] = {}
        """Rows on their way, by number."""
        self._seen = -1
        """The last row that was looked at, in the order of the input."""
        self._all_seen = False
        file = file_of(self.path, create=create)
        self._lock = JournalLock(self.path, file)
        try:
            with explained(self.path):
                self._made = create and _make(file)
                self._database = sqlite3.connect(file, timeout=0, isolation_level=None, check_same_thread=False)
        except BaseException:
            self._lock.release()
            raise
        self._history = History(self._database)
        try:
            with explained(self.path):
                self._prepare()
        except BaseException:
            self.close()
            raise

    @property
    def report(self) -> BulkReport:
        """Of all runs on it."""
        return self.loaded.report

    @property
    def exhausted(self) -> bool:
        """Whether all rows have been claimed."""
        return self._all_seen and not self._in_doubt and not self._ended

    def close(self) -> None:
        """Let another run have it; one that was made and never got its rows is taken away."""
        if self.contents is not None:
            with suppress(sqlite3.Error):  # the disk may be full, and nothing depends on it
                self._history.end(self.report)
        self._database.close()
        if self._made and self.contents is None:
            self.path.unlink(missing_ok=True)
        self._lock.release()

    # Opening.

    def _prepare(self) -> None:
        run = self._database.execute
        empty = check_version(self._database, self.path)
        self.path.chmod(0o600)
        run("PRAGMA synchronous = FULL")
        if not empty:
            run("PRAGMA journal_mode = WAL")
        run("BEGIN IMMEDIATE")  # whether it can be written to
        run("COMMIT")
        if empty:
            return
        if run("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise damaged(self.path)
        run("BEGIN")
        self._read(amounts=True)
        run("COMMIT")

    def _read(self, *, amounts: bool) -> None:
        read_states(self._database)
        self.contents = Contents.of(self._database, self.path, amounts=amounts)
        for number, player, time, batch in self._database.execute(schema.IN_DOUBT):
            self._left[number] = (time, batch)
            if player not in self._players:  # else it follows the player's first one
                self._in_doubt.append(number)
                self._players.add(player)

    @property
    def loaded(self) -> Contents:
        """What it says.

        Raises:
            JournalError: It holds no rows yet.
        """
        if self.contents is None:
            raise JournalError(f"journal {self.path} holds no rows yet: run it with them")
        return self.contents

    @contextmanager
    def _transaction(self) -> Generator[None]:
        with explained(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # some errors have rolled it back already
                    self._database.execute("ROLLBACK")
                raise

    # Whose it is, and its rows.

    def check(self, account: Account) -> None:
        """Refuse to work for another account, or at another address, than the one that may have its rows.

        A journal none of whose rows has ever reached the API is nobody's: a mistyped key or address binds nothing.

        Raises:
            JournalError: It belongs to another one, or holds no rows yet.
        """
        contents = self.loaded
        if contents.bound and contents.base_url != account.base_url:
            raise JournalError(f"journal {self.path} belongs to {contents.base_url}, not to {account.base_url}")
        if self.has_other_key(account):
            raise JournalError(
                f"journal {self.path} belongs to another account: its API key is not this client's (if it is an older"
                " key of the same account, resume with new_key=True, or --new-key)"
            )
        if not contents.bound:
            self.bind(account)

    def has_other_key(self, account: Account) -> bool:
        """Whether it belongs to another API key at the same address."""
        contents = self.loaded
        same_key = contents.account == account.hashed(contents.salt)
        return contents.bound and contents.base_url == account.base_url and not same_key

    def bind(self, account: Account) -> None:
        """Make it this account's."""
        hashed = account.hashed(self.loaded.salt)
        with self._transaction():
            self._database.execute("UPDATE run SET account = ?, base_url = ?", (hashed, account.base_url))
        self.contents = evolve(self.loaded, account=hashed, base_url=account.base_url)

    def applied_row(self) -> AppliedRow | None:
        """A row that its account has, for certain; None where there is none with an id of Gameball's.

        Raises:
            JournalError: It cannot be read.
        """
        with explained(self.path):
            row = self._database.execute(schema.APPLIED).fetchone()
        if row is None:
            return None
        number, transaction_id, player, gameball_id = row
        return AppliedRow(
            number=number, transaction_id=transaction_id, player_unique_id=player, gameball_transaction_id=gameball_id
        )

    def load(self) -> Loading:
        """Begin to take rows in; one that has its rows already only compares.

        They are there when `loaded_by()` has returned, and gone when the journal is closed before.
        """
        if self.contents is None:
            with explained(self.path):
                self._database.execute("BEGIN IMMEDIATE")
                for table in schema.TABLES:
                    self._database.execute(table)
        return Loading(self.path, self._database, only_compares=self.contents is not None)

    def loaded_by(self, loading: Loading, account: Account, via: str) -> None:
        """End the loading: all rows are there.

        Raises:
            JournalError: They are not those that the journal was made of.
            InvalidRequestError: Two rows have the same id, and are not the same.
        """
        if self.contents is not None:
            if loading.fingerprint != self.contents.input:
                raise JournalError(f"journal {self.path} was made of other rows: the input has changed since")
            return
        salt = secrets.token_bytes(16)
        with explained(self.path):
            loading.index()
            self._database.execute(
                "INSERT INTO run (salt, account, base_url, via, input) VALUES (?, ?, ?, ?, ?)",
                (salt, account.hashed(salt), account.base_url, via, loading.fingerprint),
            )
            self._database.execute(f"PRAGMA application_id = {schema.MARK}")
            self._database.execute(f"PRAGMA user_version = {schema.VERSION}")
            self._read(amounts=False)
            self._database.execute("COMMIT")
            # Not before: a write-ahead log would hold all rows once more.
            self._database.execute("PRAGMA journal_mode = WAL")

    # The queue.

    def commit_and_claim(self, results: Sequence[RowResult], retried: Sequence[Row], count: int) -> list[Row]:
        """Write results down, and claim up to `count` rows: that they are being sent is durable when this returns.

        Rows in `retried` stay claimed; those without a transaction time get another one.
        """
        for result in results:
            self._players.discard(result.request.player_unique_id)
            self._ended.append(result.index)
        _freeze(retried)
        claimed = self._claimed
        with self._transaction():
            rows = self._claim(count)
            ended = [_ended(result, claimed[result.index]) for result in results]
            self._write([*ended, *map(_sending, retried), *map(_sending, rows)])
            report = self.report
            self._database.execute(
                "UPDATE run SET sent = ?, looked_up = ?, pauses = ?, seconds = ?",
                (report.sent, report.looked_up, report.pauses, report.seconds),
            )
            self._history.note(report, results)
        for result in results:
            del claimed[result.index]
        claimed.update(zip(map(_index, rows), rows, strict=True))
        return rows

    def record_batch(self, rows: Sequence[Row]) -> None:
        """Write down which batch rows have become part of."""
        with self._transaction():
            self._write([_sending(row) for row in rows])

    def release(self, rows: Sequence[Row], *, unheard: bool) -> None:
        """Write down that these were not sent. What is in doubt stays so, for whoever resumes.

        After a run that was unheard by the API the journal is nobody's, unless an earlier run has bound it.
        """
        with self._transaction():
            self._write([(row.index, "pending", *[None] * 5) for row in rows if not row.in_doubt])
            if unheard and not self.loaded.bound and not self.report.settled:  # else the API's word has settled a row
                self._database.execute("UPDATE run SET account = ?", (NOBODY,))

    def _write(self, states: Sequence[tuple[object, ...]]) -> None:
        """Append new states of rows; see `State`."""
        if states:
            self._database.execute(schema.COMMIT, (_to_json(states).decode(),))

    def _claim(self, count: int) -> list[Row]:
        rows: list[Row] = []
        if self._in_doubt and count > 0:
            in_doubt = [self._in_doubt.popleft() for _ in range(min(count, len(self._in_doubt)))]
            rows += self._rows(schema.BY_NUMBER, _to_json(in_doubt))
        while self._ended and len(rows) < count:  # all of them, before anybody's later row may go
            most = count - len(rows)
            ended, self._ended = self._ended[:most], self._ended[most:]
            rows += self._free(self._rows(schema.NEXT_OF_PLAYER, _to_json(ended), self._seen))
        while len(rows) < count and not self._all_seen:
            most = count - len(rows)
            found = self._rows(schema.NEXT_IN_ORDER, self._seen, _to_json(list(self._players)), most)
            # What is left when there are fewer waits for an earlier row of its player.
            self._all_seen = len(found) < most
            self._seen = LAST if self._all_seen else found[-1].index
            rows += self._free(found)
        _freeze(rows)
        return rows

    def _free(self, found: Sequence[Row]) -> list[Row]:
        """Those whose player has no row on its way; another goes when that one has ended."""
        rows: list[Row] = []
        for row in found:
            if row.request.player_unique_id not in self._players:
                self._players.add(row.request.player_unique_id)
                rows.append(row)
        return rows

    def _rows(self, query: str, *values: object) -> list[Row]:
        (listed,) = self._database.execute(query, values).fetchone()
        if listed is None:
            return []
        numbers, kinds, requests = _read_rows(listed)
        rows = list(map(Row, numbers, map(converter.read, requests, [kind_named[kind] for kind in kinds])))
        rows.sort(key=_index)
        for row in rows if self._left else ():
            if row.index in self._left:
                time, row.batch = self._left[row.index]
                row.time = None if time is None else datetime.fromisoformat(time)
                row.in_doubt = True
        return rows


def _make(file: Path) -> bool:
    """Make the file, readable to its owner alone; whether it was not there before."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return False
    return True


# --- rows to text and back


def _freeze(rows: Sequence[Row]) -> None:
    """Rows that bring no time of their own keep the one they get here: sent again, they must be the same bytes."""
    untimed = [row for row in rows if row.request.transaction_time is None and row.time is None]
    for row, time in zip(untimed, stamps(len(untimed)), strict=True):
        row.freeze(time)


def _sending(row: Row) -> tuple[object, ...]:
    return row.index, "sending", row.time, row.batch, None, None, None


def _ended(result: RowResult, row: Row) -> tuple[object, ...]:
    number, state, points, gameball_id, error = columns_of(result)
    return number, state, row.time, row.batch, points, gameball_id, error


def columns_of(result: RowResult) -> Columns:
    """How a row ended, as a journal keeps it."""
    points, gameball_id = (None, None) if result.value is None else (_as_text(result.points), _gameball_id(result))
    error = result.error
    kept = None if error is None else _to_json((type(error).__name__, vars(error))).decode()
    return result.index, result.state, points, gameball_id, kept


def _gameball_id(result: RowResult) -> str | None:
    """Gameball's id of what was applied; a refund's value is its whole order."""
    value = result.value
    if isinstance(value, OrderTransactions):
        rows = value.order_transactions
        ours = (row.gameball_transaction_id for row in rows if row.transaction_id == result.request.transaction_id)
        return next(ours, None)
    return None if value is None else value.gameball_transaction_id


def _as_text(points: Points) -> str:
    return str(points) if isinstance(points, int) else written(points)

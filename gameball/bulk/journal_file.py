"""The journal of a run: a durable queue in one sqlite file. What is to be sent is written down before it is.

A row has an `intent`, the transaction time that it is sent with, from before its first byte leaves; and an `ended`,
the state it ended in. Between the two nobody knows: whoever resumes looks it up first. No key and no one-time
password is ever written, only a salted hash that recognises the account.

Many rows go in and out with one step of a statement each, as one JSON list: a thread that steps row by row would
have to wait for the interpreter's lock at every one of them.
"""

import hashlib
import os
import secrets
import sqlite3
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import frozen

from gameball import errors
from gameball.bulk.rows import KINDS, BulkReport, Request, Row, RowResult, RowState
from gameball.core import codec
from gameball.core.timestamps import stamps
from gameball.errors import GameballError, JournalError
from gameball.models.shared import Points, refuse

SCHEMA: Final = 1
"""Raised with every change that older versions could not read."""

MARK: Final = 0x6762616C
"""What sqlite knows the files of this application by."""

TABLES: Final = (
    """
    CREATE TABLE run (
        salt BLOB NOT NULL,
        account BLOB NOT NULL,
        base_url TEXT NOT NULL,
        via TEXT NOT NULL,
        input BLOB NOT NULL,
        sent INTEGER NOT NULL DEFAULT 0,
        looked_up INTEGER NOT NULL DEFAULT 0,
        pauses INTEGER NOT NULL DEFAULT 0,
        seconds REAL NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE rows (
        number INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        transaction_id TEXT NOT NULL,
        player TEXT NOT NULL,
        request TEXT NOT NULL,
        intent TEXT,
        batch TEXT,
        ended TEXT,
        points TEXT,
        gameball_transaction_id TEXT,
        error TEXT
    )
    """,
)

INDEXES: Final = (
    "CREATE UNIQUE INDEX rows_by_id ON rows (kind, transaction_id)",
    "CREATE INDEX rows_by_player ON rows (player, number)",
)
"""Made when all rows are there: sorting once is many times faster than finding a place for each."""

SAME_ID: Final = """
    SELECT first.number, later.number, first.request = later.request
    FROM (SELECT kind, transaction_id, min(number) AS number FROM rows GROUP BY 1, 2 HAVING count(*) > 1) AS lowest
    JOIN rows AS first ON first.number = lowest.number
    JOIN rows AS later USING (kind, transaction_id)
    WHERE later.number > first.number
"""

END: Final = """
    UPDATE rows
    SET ended = told.value ->> 1, points = told.value ->> 2, gameball_transaction_id = told.value ->> 3,
        error = told.value ->> 4
    FROM json_each(?) AS told
    WHERE number = told.value ->> 0
"""

INTEND: Final = """
    UPDATE rows SET intent = told.value ->> 1, batch = told.value ->> 2
    FROM json_each(?) AS told
    WHERE number = told.value ->> 0
"""

ROWS: Final = """
    SELECT '[' || group_concat(
        '[' || number || ',"' || kind || '",' || request || ',' || json_quote(intent) || ',' || json_quote(batch) || ']'
    ) || ']'
    FROM rows
"""
"""Requests are JSON already: they go into the list as they are."""

BY_NUMBER: Final = f"""
    {ROWS} WHERE number IN (SELECT value FROM json_each(?))
"""  # noqa: S608 (constants only; so the next two)

NEXT_OF_PLAYER: Final = f"""
    {ROWS} WHERE number <= ? AND number IN (
        SELECT (SELECT min(later.number) FROM rows AS later WHERE later.player = ended.player AND later.number > value)
        FROM json_each(?) JOIN rows AS ended ON ended.number = value
    )
"""  # noqa: S608

NEXT_IN_ORDER: Final = f"""
    {ROWS} WHERE number IN (
        SELECT number FROM rows
        WHERE number > ? AND ended IS NULL AND intent IS NULL AND player NOT IN (SELECT value FROM json_each(?))
        ORDER BY number LIMIT ?
    )
"""  # noqa: S608

LAST: Final = 2**63 - 1
"""Behind every row."""

_index: Final = attrgetter("index")
_to_json: Final = msgspec.json.Encoder(enc_hook=codec.base_value).encode
_from_json: Final = msgspec.json.Decoder().decode
_read_rows: Final = msgspec.json.Decoder(
    list[tuple[int, str, dict[str, Any], str | None, str | None]], float_hook=Decimal
).decode
_kinds: Final[Mapping[str, type[Request]]] = {name: kind for kind, name in KINDS.items()}


@frozen(kw_only=True)
class Account:
    """Whose journal it is, and where its rows go."""

    api_key: str
    base_url: str

    def known_by(self, salt: bytes) -> bytes:
        """What recognises the account, and tells nothing about its key."""
        return hashlib.blake2b(self.api_key.encode(), salt=salt, digest_size=16).digest()


class Journal:
    """An open journal: locked against every other process, used by one thread at a time."""

    def __init__(self, path: str | os.PathLike[str], *, create: bool = False) -> None:
        """Open it.

        Raises:
            JournalError: There is none, or it cannot be used.
        """
        self.path = Path(path)
        self.report = BulkReport()
        self.via = ""
        self.kinds: set[str] = set()
        """What rows there are."""
        self._salt = self._account = self._input = b""
        self._base_url = ""
        self._players: set[str] = set()
        """Those with a row on its way, or one that was left on its way."""
        self._done: list[int] = []
        """Rows that have ended: their player's next one may go."""
        self._lost: deque[int] = deque()
        """Rows that an earlier run has left on their way: they come first."""
        self._seen = -1
        """The last row that was looked at, in the order of the input."""
        self._all_seen = False
        with _told(self.path):
            self._made = create and self._make()
            if not self.path.is_file():
                raise JournalError(f"there is no journal at {self.path}")
            self._database = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            with _told(self.path):
                self._prepare()
        except BaseException:
            self.close()
            raise

    @property
    def loaded(self) -> bool:
        """Whether it has its rows; they come all at once or not at all."""
        return bool(self._input)

    @property
    def exhausted(self) -> bool:
        """Whether all rows have been handed out."""
        return self._all_seen and not self._lost and not self._done

    def close(self) -> None:
        """Let others use it; one that was made and never got its rows is taken away."""
        self._database.close()
        if self._made and not self.loaded:
            self.path.unlink(missing_ok=True)

    # Opening.

    def _make(self) -> bool:
        """Make the file, readable to its owner alone; whether it was not there before."""
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            return False
        return True

    def _prepare(self) -> None:
        run = self._database.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        empty = self._number("SELECT count(*) FROM sqlite_schema") == 0
        if not empty and self._number("PRAGMA application_id") != MARK:
            raise JournalError(f"{self.path} is a database, but no journal")
        if (schema := self._number("PRAGMA user_version")) > SCHEMA:
            raise JournalError(
                f"journal {self.path} was written by a newer version of gameball (schema {schema}; this one knows"
                f" {SCHEMA}): upgrade gameball"
            )
        self.path.chmod(0o600)
        run("PRAGMA synchronous = FULL")
        if not empty:
            run("PRAGMA journal_mode = WAL")
        run("BEGIN IMMEDIATE")  # from here on it is locked
        run("COMMIT")
        if empty:
            return
        if run("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise self._damaged()
        try:
            self._read_run()
        except (LookupError, TypeError, ValueError):
            raise self._damaged() from None

    def _damaged(self) -> JournalError:
        return JournalError(f"journal {self.path} is damaged")

    def _number(self, question: str, *values: object) -> int:
        (number,) = self._database.execute(question, values).fetchone()
        return int(number)

    def _read_run(self) -> None:
        run = self._database.execute
        row = run("SELECT salt, account, base_url, via, input, sent, looked_up, pauses, seconds FROM run").fetchone()
        self._salt, self._account, self._base_url, self.via, self._input = row[:5]
        report = self.report
        report.sent, report.looked_up, report.pauses, report.seconds = row[5:]
        for kind, ended, rows in run("SELECT kind, ended, count(*) FROM rows GROUP BY kind, ended").fetchall():
            self.kinds.add(kind)
            report.rows += rows
            if ended is not None:
                setattr(report, RowState(ended), getattr(report, RowState(ended)) + rows)
        for points, rows in run("SELECT points, count(*) FROM rows WHERE points IS NOT NULL GROUP BY points"):
            report.points += _points(points) * rows
        for problem in self.problems():
            report.keep(problem)
        for number, player in run(
            "SELECT number, player FROM rows WHERE intent IS NOT NULL AND ended IS NULL ORDER BY number"
        ):
            self._lost.append(number)
            self._players.add(player)

    @contextmanager
    def _transaction(self) -> Generator[None]:
        with _told(self.path):
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
        """Refuse to work for another account, or another address.

        Raises:
            JournalError: It belongs to another one, or to none yet.
        """
        if not self.loaded:
            raise JournalError(f"journal {self.path} holds no rows yet: run it with them")
        if self._account != account.known_by(self._salt):
            raise JournalError(f"journal {self.path} belongs to another account: its API key is not this client's")
        if self._base_url != account.base_url:
            raise JournalError(f"journal {self.path} belongs to {self._base_url}, not to {account.base_url}")

    def load(self) -> "Loading":
        """Begin to take rows in; one that has its rows already only compares.

        They are there when `loaded_by()` has said so, and gone when the journal is closed before.
        """
        if not self.loaded:
            with _told(self.path):
                self._database.execute("BEGIN IMMEDIATE")
                for table in TABLES:
                    self._database.execute(table)
        return Loading(self.path, self._database, only_compares=self.loaded)

    def loaded_by(self, loading: "Loading", account: Account, via: str) -> None:
        """All rows are there.

        Raises:
            JournalError: They are not those that the journal was made of.
            InvalidRequestError: Two rows have the same id, and are not the same.
        """
        if self.loaded:
            if loading.fingerprint != self._input:
                raise JournalError(f"journal {self.path} was made of other rows: the input has changed since")
            return
        salt = secrets.token_bytes(16)
        with _told(self.path):
            loading.index()
            self._database.execute(
                "INSERT INTO run (salt, account, base_url, via, input) VALUES (?, ?, ?, ?, ?)",
                (salt, account.known_by(salt), account.base_url, via, loading.fingerprint),
            )
            self._database.execute(f"PRAGMA application_id = {MARK}")
            self._database.execute(f"PRAGMA user_version = {SCHEMA}")
            self._database.execute("COMMIT")
            # Not before: a write-ahead log would hold all rows once more.
            self._database.execute("PRAGMA journal_mode = WAL")
            self._read_run()

    # The queue.

    def turn(self, results: Sequence[RowResult], back: Sequence[Row], room: int) -> list[Row]:
        """Write results down, and hand out rows whose intent is durable when this returns.

        Rows in `back` stay handed out; those that have lost their time get another one.
        """
        for result in results:
            self._players.discard(result.request.player_unique_id)
            self._done.append(result.index)
        _freeze(back)
        with self._transaction():
            self._database.execute(END, (_to_json([_ended(result) for result in results]),))
            rows = self._hand_out(room)
            self._intend((*back, *rows))
            report = self.report
            self._database.execute(
                "UPDATE run SET sent = ?, looked_up = ?, pauses = ?, seconds = ?",
                (report.sent, report.looked_up, report.pauses, report.seconds),
            )
        return rows

    def record_batch(self, rows: Sequence[Row]) -> None:
        """Write down which batch rows have become part of."""
        with self._transaction():
            self._intend(rows)

    def release(self, rows: Sequence[Row]) -> None:
        """Write down that these were not sent. What may have been applied stays on its way, for whoever resumes."""
        with self._transaction():
            self._database.execute(
                "UPDATE rows SET intent = NULL WHERE number IN (SELECT value FROM json_each(?))",
                (_to_json([row.index for row in rows if not row.in_doubt]),),
            )

    def _intend(self, rows: Sequence[Row]) -> None:
        told = [(row.index, row.time.isoformat() if row.time else "", row.batch) for row in rows]
        self._database.execute(INTEND, (_to_json(told),))

    def _hand_out(self, room: int) -> list[Row]:
        rows: list[Row] = []
        if self._lost and room > 0:
            lost = [self._lost.popleft() for _ in range(min(room, len(self._lost)))]
            rows += self._rows(BY_NUMBER, _to_json(lost))
        while self._done and len(rows) < room:  # all of them, before anybody's later row may go
            most = room - len(rows)
            done, self._done = self._done[:most], self._done[most:]
            rows += self._free(self._rows(NEXT_OF_PLAYER, self._seen, _to_json(done)))
        while len(rows) < room and not self._all_seen:
            most = room - len(rows)
            found = self._rows(NEXT_IN_ORDER, self._seen, _to_json(list(self._players)), most)
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

    def _rows(self, question: str, *values: object) -> list[Row]:
        (listed,) = self._database.execute(question, values).fetchone()
        rows = [] if listed is None else [_row(*row) for row in _read_rows(listed)]
        rows.sort(key=_index)
        return rows

    # What became of its rows.

    def problems(self, state: RowState | None = None) -> Iterator[RowResult]:
        """Rows that did not come through, in order; all of them, or those of one state."""
        states = (RowState.REJECTED, RowState.NEEDS_REVIEW) if state is None else (state, state)
        for number, kind, request, ended, error in self._database.execute(
            "SELECT number, kind, request, ended, error FROM rows WHERE ended IN (?, ?) ORDER BY number", states
        ):
            yield RowResult(
                index=number,
                request=codec.load(request.encode(), _kinds[kind]),
                state=RowState(ended),
                error=_error(error),
            )


class Loading:
    """Rows on their way into a journal, or past it: one that has its rows already takes their fingerprint only."""

    def __init__(self, path: Path, database: sqlite3.Connection, *, only_compares: bool) -> None:
        self._path = path
        self._database = database
        self._only_compares = only_compares
        self._hash = hashlib.sha256()
        self._rows = 0

    @property
    def fingerprint(self) -> bytes:
        """What tells these rows from any others."""
        return self._hash.digest()

    def add(self, requests: Sequence[Request]) -> None:
        """Take rows in.

        Raises:
            InvalidRequestError: One carries a one-time password, which must not be written down.
        """
        rows: list[tuple[object, ...]] = []
        for number, request in enumerate(requests, self._rows):
            if getattr(request, "otp", None) is not None:
                raise refuse(f"rows[{number}].otp", "is a one-time password, which a journal must not keep")
            kind = KINDS[type(request)]
            plain = codec.write(request)
            self._hash.update(kind.encode() + plain + b"\n")
            rows.append((number, kind, request.transaction_id, request.player_unique_id, plain.decode()))
        self._rows += len(rows)
        if not self._only_compares:
            with _told(self._path):
                self._database.executemany(
                    "INSERT INTO rows (number, kind, transaction_id, player, request) VALUES (?, ?, ?, ?, ?)", rows
                )

    def index(self) -> None:
        """Make what finds rows, and drop those that are there twice.

        Raises:
            InvalidRequestError: Two rows have the same id, and are not the same.
        """
        by_id, by_player = INDEXES
        try:
            self._database.execute(by_id)
        except sqlite3.IntegrityError:
            self._drop_duplicates()
            self._database.execute(by_id)
        self._database.execute(by_player)

    def _drop_duplicates(self) -> None:
        self._database.execute("CREATE INDEX by_id ON rows (kind, transaction_id)")
        for first, later, same in self._database.execute(SAME_ID).fetchall():
            if not same:
                raise refuse(
                    f"rows[{later}].transaction_id", f"is the same as in rows[{first}], and the rest is different"
                )
            self._database.execute("DELETE FROM rows WHERE number = ?", (later,))
        self._database.execute("DROP INDEX by_id")


def summary(path: str | os.PathLike[str]) -> BulkReport:
    """The report of all runs on a journal so far.

    Raises:
        JournalError: It cannot be read.
    """
    with closing(Journal(path)) as journal:
        return journal.report


def problems(path: str | os.PathLike[str], state: RowState) -> Iterator[RowResult]:
    """All rows of a journal that ended in this state, in order.

    Raises:
        JournalError: It cannot be read.
    """
    with closing(Journal(path)) as journal, _told(journal.path):
        yield from journal.problems(state)


@contextmanager
def _told(path: Path) -> Generator[None]:
    """Say what the system complains about in a sentence that can be acted on."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"journal {path} {_in_words(error)}") from None
    except OSError as error:
        raise JournalError(f"journal {path} cannot be used: {error.strerror}") from None
    except (msgspec.MsgspecError, codec.UnreadableError):
        raise JournalError(f"journal {path} is damaged") from None


def _in_words(error: sqlite3.Error) -> str:
    # The lower byte is the kind of error, the rest its particulars.
    match (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "is in use by another process"
        case sqlite3.SQLITE_NOTADB:
            return "is no journal"
        case sqlite3.SQLITE_CORRUPT:
            return "is damaged"
        case sqlite3.SQLITE_FULL:
            return "cannot grow: the disk is full"
        case _:
            return f"cannot be used: {error}"


# --- rows to text and back


def _freeze(rows: Sequence[Row]) -> None:
    """Rows that bring no time of their own keep the one they get here: sent again, they must be the same bytes."""
    untimed = [row for row in rows if row.request.transaction_time is None and row.time is None]
    for row, time in zip(untimed, stamps(len(untimed)), strict=True):
        row.freeze(time)


def _row(number: int, kind: str, request: dict[str, Any], intent: str | None, batch: str | None) -> Row:
    time = datetime.fromisoformat(intent) if intent else None
    return Row(number, codec.read(request, _kinds[kind]), time=time, in_doubt=intent is not None, batch=batch)


def _ended(result: RowResult) -> tuple[int, str, str | None, str | None, str | None]:
    points = str(result.points) if result.value is not None else None
    return result.index, result.state, points, getattr(result.value, "gameball_transaction_id", None), _told_of(result)


def _points(written: str) -> Points:
    return Decimal(written) if "." in written else int(written)


def _told_of(result: RowResult) -> str | None:
    error = result.error
    return None if error is None else _to_json((type(error).__name__, vars(error))).decode()


def _error(written: str) -> GameballError:
    name, particulars = _from_json(written)
    error: GameballError = getattr(errors, name)(particulars["message"])
    vars(error).update(particulars)
    return error

"""The sandbox's sqlite file: its tables, and the one way to read and write them."""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FORMAT = 1
_MARK = 0x67626C31  # "gbl1" as sqlite's application_id: marks our files among other people's
_SCHEMA = """
create table transactions (
    id integer primary key,
    account integer not null,
    player text not null,
    transaction_id text not null,
    time text not null,
    type text not null,
    direction text not null,
    points integer not null,
    amount text,
    reverses integer references transactions (id),
    expires text,
    merchant_name text,
    branch_name text,
    username text,
    reason text,
    coupon_code text,
    coupon_type text,
    balance_before integer not null,
    balance_after integer not null
);
create index by_key on transactions (account, transaction_id, time);
create index by_player on transactions (account, player, id);
create index by_player_time on transactions (account, player, time);
create index by_time on transactions (account, time);
create index by_reversal on transactions (reverses) where reverses is not null;
create index by_expiry on transactions (expires) where expires is not null;

create table holds (
    reference text primary key,
    account integer not null,
    player text not null,
    points integer not null,
    amount text not null,
    expires text not null,
    state text not null
);
create index holds_by_player on holds (account, player, expires);
create index live_holds on holds (expires, account, points) where state = 'live';

create table clients (
    account integer primary key,
    api_key text not null unique,
    secret_key text not null,
    fields text not null
);
"""


class Store:
    """One sqlite database, in memory or in a file that no other process may open meanwhile.

    Raises:
        sqlite3.Error: if the file cannot be opened, is in use, or is not a sandbox's.
    """

    def __init__(self, db: str | Path) -> None:
        # Requests come on the loop's thread, a test's questions on its own; the lock keeps their turns apart.
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(db, isolation_level=None, check_same_thread=False, timeout=0.5)
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def atomic(self) -> Generator[sqlite3.Connection]:
        """All that is done inside happens, or none of it; nobody else sees the middle."""
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.execute("commit")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise

    def clear(self) -> None:
        """Remove every row of every table."""
        with self.atomic() as sql:
            for table in ("transactions", "holds", "clients"):
                sql.execute(f"delete from {table}")  # noqa: S608 - our own words

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _prepare(self) -> None:
        self._pragma("locking_mode = exclusive")
        ours = (self._pragma("application_id"), self._pragma("user_version")) == (_MARK, _FORMAT)
        if not ours and self._connection.execute("select 1 from sqlite_master").fetchone():
            raise sqlite3.DatabaseError("the file is not a ledger of this sandbox")
        if ours and self._pragma("quick_check(1)") != "ok":
            raise sqlite3.DatabaseError("the file is damaged")
        self._pragma("journal_mode = wal")
        self._pragma("synchronous = normal")
        with self.atomic() as sql:
            for statement in () if ours else _SCHEMA.split(";"):
                sql.execute(statement)
            self._pragma(f"application_id = {_MARK}")
            self._pragma(f"user_version = {_FORMAT}")

    def _pragma(self, pragma: str) -> Any:
        row = self._connection.execute(f"pragma {pragma}").fetchone()
        return row and row[0]

"""Rows on their way into a journal, or past it: one that has its rows already only compares them."""

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from gameball.bulk.journal.schema import BY_ID, BY_PLAYER, COMMIT, DOUBT_ALL, SAME_ID, STORE, explained
from gameball.bulk.rows import KINDS, Request
from gameball.core.converter import write
from gameball.models.shared import refuse

StoredRow: TypeAlias = tuple[int, str, str, str, str]
"""A row as a journal keeps it: its number, kind, transaction id and player, and the request as JSON."""

Columns: TypeAlias = tuple[int, str, str | None, str | None, str | None]
"""How a row ended, as a journal keeps it: its number, state, points, Gameball's id, and the error as JSON."""


class Loading:
    """The rows of one input, as they are read."""

    def __init__(self, path: Path, database: sqlite3.Connection, *, only_compares: bool) -> None:
        self._path = path
        self._database = database
        self._only_compares = only_compares
        self._hash = hashlib.sha256()
        self._rows = 0

    @property
    def fingerprint(self) -> bytes:
        """A hash that is the same for the same rows only."""
        return self._hash.digest()

    def add(self, requests: Sequence[Request]) -> None:
        """Write rows, or compare them.

        Raises:
            InvalidRequestError: One carries a one-time password, which must not be written down.
        """
        rows: list[StoredRow] = []
        hashed: list[bytes] = []
        for number, request in enumerate(requests, self._rows):
            if getattr(request, "otp", None) is not None:
                raise refuse(f"rows[{number}].otp", "is a one-time password, which a journal must not keep")
            kind = KINDS[type(request)]
            plain = write(request)
            hashed += (kind.encode(), plain, b"\n")
            rows.append((number, kind, request.transaction_id, request.player_unique_id, plain.decode()))
        self._hash.update(b"".join(hashed))
        self._rows += len(rows)
        if not self._only_compares:
            self.store(rows)

    def store(self, rows: Iterable[StoredRow]) -> None:
        """Write rows of another journal."""
        with explained(self._path):
            self._database.executemany(STORE, rows)

    def restore(self, results: Iterable[Columns], in_doubt: Mapping[int, str | None]) -> None:
        """Write down what became of rows, and which others are in doubt, with the batch that each was part of."""
        states: list[tuple[object, ...]] = [(number, status, None, None, *rest) for number, status, *rest in results]
        states += [(number, "sending", None, batch, None, None, None) for number, batch in in_doubt.items()]
        with explained(self._path):
            self._database.execute(COMMIT, (msgspec.json.encode(states).decode(),))

    def doubt_all(self, batch: str | None) -> None:
        """Write down that every row without a result is in doubt; `batch` is "" where rows went by batches."""
        with explained(self._path):
            self._database.execute(DOUBT_ALL, (batch,))

    def index(self) -> None:
        """Make the indexes, and drop rows that are there twice.

        Raises:
            InvalidRequestError: Two rows have the same id, and are not the same.
        """
        try:
            self._database.execute(BY_ID)
        except sqlite3.IntegrityError:
            self._drop_duplicates()
            self._database.execute(BY_ID)
        self._database.execute(BY_PLAYER)

    def _drop_duplicates(self) -> None:
        self._database.execute("CREATE INDEX by_id ON requests (kind, transaction_id)")
        for first, later, same in self._database.execute(SAME_ID).fetchall():
            if not same:
                raise refuse(
                    f"rows[{later}].transaction_id", f"is the same as in rows[{first}], and the rest is different"
                )
            self._database.execute("DELETE FROM requests WHERE number = ?", (later,))
        self._database.execute("DROP INDEX by_id")

"""Rows on their way into a journal, or past it: one that has its rows already only compares them."""

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from gameball.bulk.journal.schema import BY_ID, BY_PLAYER, PROBLEMS, SAME_ID, explained
from gameball.bulk.rows import KINDS, Request
from gameball.core.converter import write
from gameball.models.shared import refuse


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
        rows: list[tuple[object, ...]] = []
        for number, request in enumerate(requests, self._rows):
            if getattr(request, "otp", None) is not None:
                raise refuse(f"rows[{number}].otp", "is a one-time password, which a journal must not keep")
            kind = KINDS[type(request)]
            plain = write(request)
            self._hash.update(kind.encode() + plain + b"\n")
            rows.append((number, kind, request.transaction_id, request.player_unique_id, plain.decode()))
        self._rows += len(rows)
        if not self._only_compares:
            with explained(self._path):
                self._database.executemany(
                    "INSERT INTO rows (number, kind, transaction_id, player, request) VALUES (?, ?, ?, ?, ?)", rows
                )

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
        self._database.execute(PROBLEMS)

    def _drop_duplicates(self) -> None:
        self._database.execute("CREATE INDEX by_id ON rows (kind, transaction_id)")
        for first, later, same in self._database.execute(SAME_ID).fetchall():
            if not same:
                raise refuse(
                    f"rows[{later}].transaction_id", f"is the same as in rows[{first}], and the rest is different"
                )
            self._database.execute("DELETE FROM rows WHERE number = ?", (later,))
        self._database.execute("DROP INDEX by_id")

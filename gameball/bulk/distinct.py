"""What was seen before, among more than memory should hold."""

import sqlite3
from contextlib import AbstractContextManager
from typing import Self


class Seen(AbstractContextManager["Seen"]):
    """Remembers keys and where each was seen first, in a private temporary file."""

    def __init__(self) -> None:
        # An empty name is a database that spills to a file of its own, which ends with it.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def first(self, *key: str, at: int) -> int:
        """Where the key was seen first: `at` itself, when it is new."""
        joined = "\0".join(key)
        if self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (joined, at)).rowcount:
            return at
        (place,) = self._database.execute("SELECT at FROM seen WHERE key = ?", (joined,)).fetchone()
        return int(place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

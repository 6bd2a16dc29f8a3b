"""The tables of a journal and what is said to them; what sqlite's complaints mean.

The rows of the input stay as they were loaded. What happens to them is appended: every commit adds one record, with the
new states of some rows, and the last state of a row counts. Written in place, a row would take ten times as long.

A row is `pending` until it is claimed; `sending` from before its first byte leaves, with the transaction time that it
goes out with; then one of the four states that it can end in. What is found `sending` when a journal is opened is in
doubt: whoever resumes looks it up first. No key and no one-time password is ever written, only a salted hash that
recognises the account.

Many rows go out with one step of a statement, as one JSON list: a thread that steps row by row would have to wait for
the interpreter's lock at every one of them.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from gameball.core.scalars import UnreadableError
from gameball.errors import JournalError

VERSION: Final = 2
"""Raised with every change that older versions could not read."""

MARK: Final = 0x6762616C
"""The application id by which sqlite knows these files."""

OLDEST_SQLITE: Final = (3, 38, 0)
"""The first with the JSON operators that are used below."""

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
    CREATE TABLE requests (
        number INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        transaction_id TEXT NOT NULL,
        player TEXT NOT NULL,
        request TEXT NOT NULL
    )
    """,
    "CREATE TABLE commits (number INTEGER PRIMARY KEY, states TEXT NOT NULL)",
    """
    CREATE VIEW rows AS
    SELECT number, kind, transaction_id, player, request, coalesce(status, 'pending') AS status, transaction_time,
        batch, points, gameball_transaction_id, error
    FROM requests LEFT JOIN (
        SELECT CAST(state.value ->> 0 AS INTEGER) AS number, state.value ->> 1 AS status,
            state.value ->> 2 AS transaction_time,
            state.value ->> 3 AS batch, state.value ->> 4 AS points, state.value ->> 5 AS gameball_transaction_id,
            state.value ->> 6 AS error, max(commits.number)
        FROM commits, json_each(commits.states) AS state GROUP BY 1
    ) USING (number)
    """,
)
"""The view is for whoever looks into a journal with other tools; `states` has a faster one. An index is made for it on
the fly, if numbers are numbers."""

BY_ID: Final = "CREATE UNIQUE INDEX requests_by_id ON requests (kind, transaction_id)"
BY_PLAYER: Final = "CREATE INDEX requests_by_player ON requests (player, number)"
"""Made when all rows are there: sorting once is many times faster than finding a place for each."""

SAME_ID: Final = """
    SELECT first.number, later.number, first.request = later.request
    FROM (SELECT kind, transaction_id, min(number) AS number FROM requests GROUP BY 1, 2 HAVING count(*) > 1) AS lowest
    JOIN requests AS first ON first.number = lowest.number
    JOIN requests AS later USING (kind, transaction_id)
    WHERE later.number > first.number
"""

COMMIT: Final = "INSERT INTO commits (states) VALUES (?)"
"""The states are a list; see `states.State`."""

APPLIED: Final = """
    SELECT number, transaction_id, player, gameball_transaction_id FROM states JOIN requests USING (number)
    WHERE gameball_transaction_id IS NOT NULL
    ORDER BY request -> '$.email' IS NOT NULL OR request -> '$.mobile' IS NOT NULL, number LIMIT 1
"""
"""With an email or a mobile, the API may have put the player under another id."""

ROWS: Final = """
    SELECT
        '[[' || group_concat(number) || '],["' || group_concat(kind, '","') || '"],[' || group_concat(request) || ']]'
    FROM requests
"""
"""Requests are JSON already: they go into the list as they are."""

BY_NUMBER: Final = f"""
    {ROWS} WHERE number IN (SELECT value FROM json_each(?))
"""  # noqa: S608 (constants only; so the next two)

NEXT_OF_PLAYER: Final = f"""
    {ROWS} WHERE number IN (
        SELECT (
            SELECT min(later.number) FROM requests AS later
            WHERE later.player = ended.player AND later.number > value AND NOT EXISTS (
                SELECT * FROM states WHERE states.number = later.number AND status NOT IN ('pending', 'sending')
            )
        )
        FROM json_each(?) JOIN requests AS ended ON ended.number = value
    ) AND (number <= ? OR number IN (SELECT number FROM states WHERE status = 'sending'))
"""  # noqa: S608
"""A row in doubt follows even when it was not looked at in order: there it is passed over."""

NEXT_IN_ORDER: Final = f"""
    {ROWS} WHERE number IN (
        SELECT number FROM requests
        WHERE number > ? AND player NOT IN (SELECT value FROM json_each(?)) AND NOT EXISTS (
            SELECT * FROM states WHERE states.number = requests.number AND status <> 'pending'
        )
        ORDER BY number LIMIT ?
    )
"""  # noqa: S608

COUNTS: Final = """
    SELECT kind, status, points, batch IS NOT NULL, count(*)
    FROM states JOIN requests USING (number) GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT kind, 'pending', NULL, 0, count(*)
    FROM requests WHERE number NOT IN (SELECT number FROM states) GROUP BY kind
"""

AMOUNTS: Final = "SELECT kind, status, coalesce(request -> '$.amount', request -> '$.redeemedAmount') FROM rows"
"""An amount is the text of its digits: they stay exact."""

IN_DOUBT: Final = (
    "SELECT number, player, transaction_time, batch FROM states JOIN requests USING (number)"
    " WHERE status = 'sending' ORDER BY number"
)

RESULTS: Final = (
    "SELECT number, status, points, gameball_transaction_id, error FROM states"
    " WHERE status NOT IN ('pending', 'sending') ORDER BY number"
)

NAMED: Final = (
    "SELECT number, kind, player, transaction_id, status FROM rows"
    " WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number"
)

OUTCOMES: Final = """
    SELECT number, kind, player, transaction_id, coalesce(request -> '$.amount', request -> '$.redeemedAmount'),
        coalesce(request ->> '$.transactionTime', transaction_time), status, points, gameball_transaction_id,
        error ->> '$[0]', error ->> '$[1].code', error ->> '$[1].message'
    FROM rows ORDER BY number
"""

STORE: Final = "INSERT INTO requests (number, kind, transaction_id, player, request) VALUES (?, ?, ?, ?, ?)"

STORED: Final = "SELECT number, kind, transaction_id, player, request FROM requests ORDER BY part(player), number"
"""`part` is a function that whoever asks for them defines."""

DOUBT_ALL: Final = """
    INSERT INTO commits (states)
    SELECT json_group_array(json_array(number, 'sending', NULL, ?, NULL, NULL, NULL)) FROM main.rows
    WHERE status = 'pending'
"""


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Raise what goes wrong with a journal's file as a JournalError, in a sentence that can be acted on."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"journal {path} {_in_words(error)}") from None
    except OSError as error:
        raise JournalError(f"journal {path} cannot be used: {error.strerror}") from None
    except (msgspec.MsgspecError, UnreadableError):
        raise damaged(path) from None


def damaged(path: Path) -> JournalError:
    """The error for a file that is no longer what was written."""
    return JournalError(f"journal {path} is damaged")


def _in_words(error: sqlite3.Error) -> str:
    # The lower byte is the kind of error, the rest its particulars.
    match (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "is in use by another process"
        case sqlite3.SQLITE_NOTADB:
            return "is no journal"
        case sqlite3.SQLITE_CORRUPT:
            return "is damaged"
        case sqlite3.SQLITE_ERROR if "malformed JSON" in str(error):
            return "is damaged"
        case sqlite3.SQLITE_FULL:
            return "cannot grow: the disk is full"
        case _:
            return f"cannot be used: {error}"

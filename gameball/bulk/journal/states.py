"""How far the rows of a journal are, by its commits: read once, into a table for the queries."""

import sqlite3
from typing import Final, Literal, TypeAlias

import msgspec

Status: TypeAlias = Literal["pending", "sending", "applied", "already_applied", "rejected", "needs_review"]

State: TypeAlias = tuple[int, Status, str | None, str | None, str | None, str | None, str | None]
"""A row's number and status; the transaction time and the batch that it was sent with; and of one that has ended its
points, Gameball's id, and the error as JSON."""

TABLES: Final = (
    """
    CREATE TEMP TABLE states (
        number INTEGER PRIMARY KEY,
        status TEXT NOT NULL,
        transaction_time TEXT,
        batch TEXT,
        points TEXT,
        gameball_transaction_id TEXT,
        error TEXT
    )
    """,
    """
    CREATE TEMP VIEW problems AS
    SELECT number, kind, request, status, error FROM states JOIN main.requests USING (number)
    WHERE status IN ('rejected', 'needs_review')
    """,
    """
    CREATE TEMP VIEW rows AS
    SELECT number, kind, transaction_id, player, request, coalesce(status, 'pending') AS status, transaction_time,
        batch, points, gameball_transaction_id, error
    FROM main.requests LEFT JOIN states USING (number)
    """,
)
"""They last as long as the connection, in a file of its own where they are large."""

PROBLEMS: Final = "CREATE INDEX temp.states_of_problems ON states (number) WHERE status IN ('rejected', 'needs_review')"

PUT: Final = "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?, ?, ?)"

_read: Final = msgspec.json.Decoder(list[State]).decode


def read_states(database: sqlite3.Connection) -> None:
    """Read the state of each row that has one, in a transaction."""
    for table in TABLES:
        database.execute(table)
    sending: dict[int, State] = {}
    for (states,) in database.execute("SELECT states FROM commits ORDER BY number"):
        others: list[State] = []
        for state in _read(states):
            if state[1] == "sending":  # most have an end to come, which alone is worth writing
                sending[state[0]] = state
            else:
                sending.pop(state[0], None)
                others.append(state)
        database.executemany(PUT, others)
    database.executemany(PUT, sending.values())
    database.execute(PROBLEMS)

"""A line of the ledger, as a value and as a row."""

import sqlite3
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from gameball.sandbox.clock import loaded, stored


@dataclass(frozen=True, kw_only=True)
class TransactionDetails:
    """What a caller says of a transaction: whose it is, its name and its time in the caller's system."""

    account: int
    player: str
    transaction_id: str
    time: datetime
    merchant_name: str | None = None
    branch_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Movement:
    """What a transaction does to the points."""

    type: str
    direction: str
    """`+` or `-`."""
    points: int
    """How many, never below zero: `direction` says which way."""
    amount: Decimal | None = None
    reverses: int | None = None
    """The `id` of the entry that this one takes back."""
    expires: datetime | None = None
    username: str | None = None
    reason: str | None = None
    coupon_code: str | None = None
    coupon_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class Entry(TransactionDetails, Movement):
    """A line of the ledger. `id` is the API's gameballTransactionId."""

    id: int
    balance_before: int
    balance_after: int


_COLUMNS = tuple(field.name for field in fields(Entry) if field.name != "id")
_SELECT = f"select id, {', '.join(_COLUMNS)} from transactions "  # noqa: S608 - our own column names
_INSERT = (
    f"insert into transactions ({', '.join(_COLUMNS)}) "  # noqa: S608 - the same
    f"values ({', '.join('?' * len(_COLUMNS))}) returning id"
)


def insert(sql: sqlite3.Connection, details: TransactionDetails, movement: Movement, *, balance: int) -> Entry:
    """Write the player's next line, on top of his `balance`."""
    signed = movement.points if movement.direction == "+" else -movement.points
    values: dict[str, Any] = {
        **vars(details),
        **vars(movement),
        "balance_before": balance,
        "balance_after": balance + signed,
    }
    row = sql.execute(_INSERT, [_plain(values[column]) for column in _COLUMNS]).fetchone()
    return Entry(id=row[0], **values)


def select(sql: sqlite3.Connection, clause: str, *values: Any) -> list[Entry]:
    """The lines that a `where … order by …` clause finds."""
    return [_entry(row) for row in sql.execute(_SELECT + clause, values)]


def where(**known: Any) -> tuple[str, list[Any]]:
    """The `where` clause that asks for these columns to have these values; None asks for nothing."""
    asked = {column: value for column, value in known.items() if value is not None}
    return "where " + " and ".join(f"{column} = ?" for column in asked), list(asked.values())


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return stored(value)
    return format(value, "f") if isinstance(value, Decimal) else value


def _entry(row: tuple[Any, ...]) -> Entry:
    values = dict(zip(("id", *_COLUMNS), row, strict=True))
    values["time"] = loaded(values["time"])
    values["expires"] = None if values["expires"] is None else loaded(values["expires"])
    values["amount"] = None if values["amount"] is None else Decimal(values["amount"])
    return Entry(**values)

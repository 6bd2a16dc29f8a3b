"""Looking back: the filtered, paged list and the transactions of an order."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gameball.sandbox.clock import stored
from gameball.sandbox.entries import Entry, select

DEFAULT_LIMIT = 50
STATUSES = ("Active", "Pending", "Blocked", "Expired")
"""The words for the numbers 1 to 4 of a status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What "GET - List Transactions" can be asked for; None asks for all."""

    page: int = 1
    limit: int = DEFAULT_LIMIT
    type: str | None = None
    direction: str | None = None
    first: datetime | None = None
    last: datetime | None = None
    transaction_id: str | None = None
    status: int | None = None
    player: str | None = None


_CONDITIONS = {1: "(expires is null or expires > ?)", 2: "? is null", 3: "? is null", 4: "expires <= ?"}
"""How each status shows, given the present time. Nothing here is ever pending or blocked."""


def page_of(sql: sqlite3.Connection, account: int, filters: Filters, now: datetime) -> list[Entry]:
    """The page asked for, ordered by transaction time, the latest first."""
    clause, values = _clause(account, filters, now)
    skipped = (filters.page - 1) * filters.limit
    return select(sql, f"{clause} order by time desc, id desc limit ? offset ?", *values, filters.limit, skipped)


def count(sql: sqlite3.Connection, account: int, filters: Filters, now: datetime) -> int:
    """How many transactions pass the filters on all pages together."""
    clause, values = _clause(account, filters, now)
    row = sql.execute(f"select count(*) from transactions {clause}", values).fetchone()  # noqa: S608 - our own words
    return int(row[0])


def order_of(sql: sqlite3.Connection, account: int, order_id: str) -> list[Entry]:
    """The transactions of that id, then those that take them back, oldest first."""
    named = "(select id from transactions where account = ? and transaction_id = ?)"
    clause = f"where id in {named} or reverses in {named} order by id"
    return select(sql, clause, account, order_id, account, order_id)


def status_of(entry: Entry, now: datetime) -> str:
    """The word for an entry's status at that time."""
    return "Expired" if entry.expires is not None and entry.expires <= now else "Active"


def _clause(account: int, filters: Filters, now: datetime) -> tuple[str, list[Any]]:
    asked = {
        "account = ?": account,
        "type = ?": filters.type,
        "direction = ?": filters.direction,
        "time >= ?": filters.first and stored(filters.first),
        "time <= ?": filters.last and stored(filters.last),
        "transaction_id = ?": filters.transaction_id,
        "player = ?": filters.player,
        _CONDITIONS.get(filters.status or 0, ""): filters.status and stored(now),
    }
    asked = {condition: value for condition, value in asked.items() if value is not None}
    return "where " + " and ".join(asked), list(asked.values())

"""The ledger as it is looked at: players with balances, statements, orders with refunds, holds, totals."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from gameball.sandbox.clock import Clock, loaded, stored
from gameball.sandbox.entries import Entry, select
from gameball.sandbox.ledger import Ledger

HOLD_STATES = ("live", "used", "reversed", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part of a list is wanted; pages count from 1."""

    page: int = 1
    limit: int = 50

    @property
    def bounds(self) -> tuple[int, int]:
        """Limit and offset, as sqlite takes them."""
        return self.limit, (self.page - 1) * self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """A player with balances in points."""

    id: str
    balance: int
    held: int
    transactions: int
    last: datetime
    """The time of the latest transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A cashback or a redemption, and what was taken back of it."""

    entry: Entry
    refunds: list[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRecord:
    """A hold, whether it still holds or not."""

    reference: str
    player: str
    points: int
    amount: Decimal
    expires: datetime
    state: str
    """One of `HOLD_STATES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The points of an account by how they came and went; none but the balance is ever below zero."""

    given: int
    """By cashback and by hand."""
    redeemed: int
    """Paid with, and spent on coupons."""
    taken_back: int
    """By refunds of cashbacks."""
    returned: int
    """By refunds of redemptions."""
    deducted: int
    """By hand."""
    expired: int
    transactions: int

    @property
    def balance(self) -> int:
        """What all players have together."""
        return self.given + self.returned - self.redeemed - self.taken_back - self.deducted - self.expired


Kind = tuple[str, str]
"""Type and direction of a transaction."""
_KINDS: dict[str, tuple[Kind, ...]] = {
    "given": (("PaymentReward", "+"), ("ManualAccumulation", "+")),
    "redeemed": (("Redemption", "-"), ("DiscountCode", "-")),
    "taken_back": (("Cancel", "-"), ("PartialRefund", "-")),
    "returned": (("Refund", "+"), ("PartialRefund", "+")),
    "deducted": (("ManualDeduction", "-"),),
    "expired": (("Expiry", "-"),),
}
_ORDER_KINDS: tuple[Kind, ...] = (("PaymentReward", "+"), ("Redemption", "-"))


class Books:
    """Reads the ledger, each method in one sqlite transaction, and lists one page at a time."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._tally = _Tally()

    def forget(self) -> None:
        """Add up anew: the ledger was emptied."""
        self._tally = _Tally()

    def players(self, account: int, *, search: str = "", part: Part) -> tuple[list[Player], int]:
        """The players whose ids contain `search`, by id, and how many there are in all."""
        with self._ledger.reading() as sql:
            rows = sql.execute(_PLAYERS, (self._now(), account, search, search, *part.bounds))
            return [_player(*row) for row in rows], _count_players(sql, account, search)

    def player(self, account: int, player: str) -> Player | None:
        """One player; None if nothing was ever booked for that id."""
        with self._ledger.reading() as sql:
            row = sql.execute(_PLAYER, (self._now(), account, player)).fetchone()
        return None if row is None else _player(*row)

    def statement(self, account: int, player: str, part: Part) -> tuple[list[Entry], int]:
        """The player's transactions in the order they were booked, latest first, and how many there are in all."""
        with self._ledger.reading() as sql:
            clause, values = "where account = ? and player = ?", (account, player)
            entries = select(sql, f"{clause} order by id desc limit ? offset ?", *values, *part.bounds)
            return entries, _count(sql, "transactions", clause, values)

    def orders(self, account: int, *, transaction_id: str | None = None, part: Part) -> tuple[list[Order], int]:
        """Cashbacks and redemptions, all or those of one id, latest first, and how many there are in all."""
        clause = "where account = ? and type in ('PaymentReward', 'Redemption')"
        values: tuple[Any, ...] = (account,)
        with self._ledger.reading() as sql:
            if transaction_id is None:
                total = self._tally.count(sql, account, _ORDER_KINDS)
                # Nearly every line is an order: read backwards from the last, it takes no index and no sorting.
                clause = f"not indexed {clause}"
            else:
                clause, values = f"{clause} and transaction_id = ?", (account, transaction_id)
                total = _count(sql, "transactions", clause, values)
            entries = select(sql, f"{clause} order by id desc limit ? offset ?", *values, *part.bounds)
            marks = ", ".join("?" * len(entries))
            refunds = select(sql, f"where reverses in ({marks}) order by id", *(entry.id for entry in entries))
        orders = [Order(entry=entry, refunds=[one for one in refunds if one.reverses == entry.id]) for entry in entries]
        return orders, total

    def holds(
        self, account: int, *, player: str | None = None, state: str | None = None, part: Part
    ) -> tuple[list[HoldRecord], int]:
        """Holds, newest first, and how many there are in all."""
        now = self._now()
        asked: dict[str, Any] = {"account = ?": account}
        if player is not None:
            asked["player = ?"] = player
        if state is not None:
            asked[_HOLD_CONDITIONS.get(state, "state = ?")] = now if state in _HOLD_CONDITIONS else state
        clause, values = "where " + " and ".join(asked), tuple(asked.values())
        with self._ledger.reading() as sql:
            rows = sql.execute(_HOLDS.format(clause=clause), (now, *values, *part.bounds))
            return [_hold(row) for row in rows], _count(sql, "holds", clause, values)

    def held(self, account: int) -> tuple[int, int]:
        """How many live holds there are, and of how many points."""
        with self._ledger.reading() as sql:
            count, points = sql.execute(_HELD, (account, self._now())).fetchone()
        return count, points

    def totals(self, account: int) -> Totals:
        """The account's points by how they came and went."""
        with self._ledger.reading() as sql:
            points = {name: self._tally.points(sql, account, kinds) for name, kinds in _KINDS.items()}
            count = sum(self._tally.count(sql, account, kinds) for kinds in _KINDS.values())
        return Totals(**points, transactions=count)

    def mark(self) -> tuple[int, int]:
        """Two numbers that change whenever the ledger does, or a hold runs out."""
        with self._ledger.reading() as sql:
            [live] = sql.execute(_LIVE, (self._now(),)).fetchone()
            return sql.total_changes, live

    def player_count(self, account: int) -> int:
        """How many players an account has."""
        with self._ledger.reading() as sql:
            return _count_players(sql, account, "")

    def _now(self) -> str:
        return stored(self._clock.now())


class _Tally:
    """Points and transactions by account and kind. Lines never change, so each is added up once."""

    def __init__(self) -> None:
        self._last = 0
        self._sums: dict[tuple[int, Kind], tuple[int, int]] = {}

    def points(self, sql: sqlite3.Connection, account: int, kinds: tuple[Kind, ...]) -> int:
        return self._sum(sql, account, kinds)[0]

    def count(self, sql: sqlite3.Connection, account: int, kinds: tuple[Kind, ...]) -> int:
        return self._sum(sql, account, kinds)[1]

    def _sum(self, sql: sqlite3.Connection, account: int, kinds: tuple[Kind, ...]) -> tuple[int, int]:
        self._catch_up(sql)
        known = [self._sums.get((account, kind), (0, 0)) for kind in kinds]
        return sum(points for points, _ in known), sum(count for _, count in known)

    def _catch_up(self, sql: sqlite3.Connection) -> None:
        for account, word, direction, points, count, last in sql.execute(_NEW_SUMS, (self._last,)).fetchall():
            known = self._sums.get((account, (word, direction)), (0, 0))
            self._sums[account, (word, direction)] = known[0] + points, known[1] + count
            self._last = max(self._last, last)


_NEW_SUMS = """
select account, type, direction, sum(points), count(*), max(id)
from transactions not indexed where id > ? group by account, type, direction
"""
_PLAYER_COLUMNS = """
select latest.player, latest.balance_after, latest.time, known.count, (
    select coalesce(sum(points), 0) from holds
    where holds.account = latest.account and holds.player = latest.player and expires > ? and state = 'live'
)
"""
_PLAYERS = f"""
{_PLAYER_COLUMNS} from (
    select max(id) as id, count(*) as count from transactions
    where account = ? and (? = '' or instr(player, ?)) group by player order by player limit ? offset ?
) as known join transactions as latest using (id) order by latest.player
"""  # noqa: S608 - our own words
_PLAYER = f"""
{_PLAYER_COLUMNS} from (
    select max(id) as id, count(*) as count from transactions where account = ? and player = ? group by player
) as known join transactions as latest using (id)
"""  # noqa: S608 - our own words
_COUNT_PLAYERS = "select count(distinct player) from transactions where account = ? and (? = '' or instr(player, ?))"
_HELD = "select count(*), coalesce(sum(points), 0) from holds where account = ? and expires > ? and state = 'live'"
_LIVE = "select count(*) from holds where expires > ? and state = 'live'"
_HOLDS = """
select reference, player, points, amount, expires,
       case when state = 'live' and expires <= ? then 'expired' else state end
from holds {clause} order by rowid desc limit ? offset ?
"""
_HOLD_CONDITIONS = {"live": "state = 'live' and expires > ?", "expired": "state = 'live' and expires <= ?"}


def _count(sql: sqlite3.Connection, table: str, clause: str, values: tuple[Any, ...]) -> int:
    row = sql.execute(f"select count(*) from {table} {clause}", values).fetchone()  # noqa: S608 - our own words
    return int(row[0])


def _count_players(sql: sqlite3.Connection, account: int, search: str) -> int:
    return int(sql.execute(_COUNT_PLAYERS, (account, search, search)).fetchone()[0])


def _player(player: str, balance: int, last: str, transactions: int, held: int) -> Player:
    return Player(id=player, balance=balance, held=held, transactions=transactions, last=loaded(last))


def _hold(row: tuple[str, str, int, str, str, str]) -> HoldRecord:
    reference, player, points, amount, expires, state = row
    return HoldRecord(
        reference=reference,
        player=player,
        points=points,
        amount=Decimal(amount),
        expires=loaded(expires),
        state=state,
    )

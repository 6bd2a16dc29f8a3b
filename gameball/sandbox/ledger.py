"""The accounting: every point that comes or goes is a line that is never changed again."""

import secrets
import sqlite3
import uuid
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from gameball.sandbox.assertions import LedgerAssertions
from gameball.sandbox.clock import Clock, loaded, stored
from gameball.sandbox.entries import Entry, Movement, TransactionDetails, insert, select, where
from gameball.sandbox.history import Filters, count, order_of, page_of
from gameball.sandbox.program import CouponRule, Program, half_up
from gameball.sandbox.refusals import Refusal
from gameball.sandbox.store import Store

Scope = Literal["account", "player"]
"""Within what something must be unique."""
_REVERSIBLE = {"PaymentReward": "Cancel", "Redemption": "Refund"}
"""What can be taken back, and what taking back all of it is called."""
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Points set aside until `expires`; they leave the balance only when redeemed."""

    reference: str
    player: str
    points: int
    amount: Decimal
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """A coupon that points have paid for."""

    code: str
    starts: datetime
    expires: datetime


class Ledger(LedgerAssertions):
    """The points of every player of every account, by the terms that hold at the time.

    A player exists from his first line on. Each method is one sqlite transaction: refused means unwritten.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        terms: Callable[[], Program],
        *,
        id_scope: Scope,
        time_scope: Scope,
    ) -> None:
        self._terms = terms
        self._store = store
        self._clock = clock
        self._id_scope = id_scope
        self._time_scope = time_scope
        self._expired_until = ""
        self._next_expiry = datetime.min.replace(tzinfo=UTC)

    @property
    def program(self) -> Program:
        """The terms of this moment."""
        return self._terms()

    def reward(self, details: TransactionDetails, *, amount: Decimal) -> Entry:
        """Cashback: points in proportion to what was paid. Makes the player if need be."""
        with self._changing() as sql:
            if not self.program.cashback_enabled:
                raise Refusal(51)
            self._check_new(sql, details)
            points = self.program.reward_for(amount)
            return self._add(sql, details, Movement(type="PaymentReward", direction="+", points=points, amount=amount))

    def adjust(
        self, details: TransactionDetails, *, points: int, amount: Decimal | None, username: str, reason: str
    ) -> Entry:
        """A manual transaction of signed points; without an amount, theirs is what they are worth."""
        with self._changing() as sql:
            self._check_new(sql, details)
            accumulates = points >= 0
            if not accumulates:
                self._check_affordable(sql, details.account, details.player, -points)
            movement = Movement(
                type="ManualAccumulation" if accumulates else "ManualDeduction",
                direction="+" if accumulates else "-",
                points=abs(points),
                amount=self.program.worth_of(abs(points)) if amount is None else amount,
                username=username,
                reason=reason,
            )
            return self._add(sql, details, movement)

    def redeem(self, details: TransactionDetails, *, amount: Decimal) -> Entry:
        """Points paid with: as many as the amount is worth."""
        with self._spending() as sql:
            self._check_new(sql, details)
            _known_balance(sql, details.account, details.player)
            points = self.program.price_of(amount)
            self._check_affordable(sql, details.account, details.player, points)
            return self._add(sql, details, Movement(type="Redemption", direction="-", points=points, amount=amount))

    def redeem_hold(self, details: TransactionDetails, *, reference: str) -> Entry:
        """The points of a live hold paid with. A hold is a promise: it is honoured whatever else is held."""
        with self._spending() as sql:
            self._check_new(sql, details)
            _known_balance(sql, details.account, details.player)
            hold = self._end_hold(sql, details.account, reference, state="used", player=details.player)
            movement = Movement(type="Redemption", direction="-", points=hold.points, amount=hold.amount)
            return self._add(sql, details, movement)

    def refund(self, details: TransactionDetails, *, original_id: str, amount: Decimal | None) -> list[Entry]:
        """Take back a cashback or a redemption, in part or all that is left; answers the whole order.

        Parts are proportional and never add up to more than the original. The balance may fall below zero.
        """
        with self._changing() as sql:
            self._check_new(sql, details)
            _known_balance(sql, details.account, details.player)
            original = _original(sql, details, original_id)
            earlier = select(sql, "where reverses = ?", original.id)
            whole = original.amount or Decimal(0)
            refunded = sum((entry.amount or Decimal(0) for entry in earlier), Decimal(0))
            left = whole - refunded
            if left <= 0:
                raise Refusal(302, original_id)
            part = left if amount is None else min(amount, left)
            share = Fraction(refunded + part) / Fraction(whole)
            movement = Movement(
                type=_REVERSIBLE[original.type] if part == left else "PartialRefund",
                direction="-" if original.direction == "+" else "+",
                points=half_up(original.points * share) - sum(entry.points for entry in earlier),
                amount=part,
                reverses=original.id,
            )
            self._add(sql, details, movement)
            return order_of(sql, details.account, original_id)

    def hold(self, account: int, player: str, *, points: int, amount: Decimal | None) -> Hold:
        """Set points aside; without an amount, theirs is what they are worth."""
        with self._spending() as sql:
            _known_balance(sql, account, player)
            self._check_affordable(sql, account, player, points)
            hold = Hold(
                reference=new_reference(),
                player=player,
                points=points,
                amount=self.program.worth_of(points) if amount is None else amount,
                expires=self._clock.now() + timedelta(minutes=self.program.hold_minutes),
            )
            row = (hold.reference, account, player, points, format(hold.amount, "f"), stored(hold.expires))
            sql.execute("insert into holds values (?, ?, ?, ?, ?, ?, 'live')", row)
            return hold

    def release(self, account: int, reference: str) -> None:
        """Give a live hold's points back to the available balance."""
        with self._turn() as sql:
            self._end_hold(sql, account, reference, state="reversed")

    def buy_coupon(self, account: int, player: str, *, rule: CouponRule, value: Decimal | None) -> Coupon:
        """Spend points on a coupon: the rule's price, or what `value` is worth by the general rule."""
        with self._spending() as sql:
            _known_balance(sql, account, player)
            points = rule.points_to_redeem if value is None else self.program.price_of(value)
            self._check_affordable(sql, account, player, points)
            now = self._clock.now()
            coupon = Coupon(
                code=secrets.token_hex(5).upper(),
                starts=now,
                expires=now + timedelta(days=self.program.coupon_days),
            )
            movement = Movement(
                type="DiscountCode",
                direction="-",
                points=points,
                amount=self.program.worth_of(points) if value is None else value,
                coupon_code=coupon.code,
                coupon_type=rule.coupon_type,
            )
            self._add(sql, _own_details(account, player, now), movement)
            return coupon

    def balance(self, player: str, *, account: int = 1) -> int:
        """The player's points, held ones included; 0 if there is no such player."""
        with self._turn() as sql:
            return _balance(sql, account, player) or 0

    def known_balance(self, player: str, *, account: int = 1) -> int:
        """The same, but an unknown player is refused with 101."""
        with self._turn() as sql:
            return _known_balance(sql, account, player)

    def available(self, player: str, *, account: int = 1) -> int:
        """The points that the player can spend: the balance without what is held."""
        with self._turn() as sql:
            return (_balance(sql, account, player) or 0) - self._held(sql, account, player)

    def holds(self, player: str, *, account: int = 1) -> list[Hold]:
        """The player's live holds."""
        with self._turn() as sql:
            rows = sql.execute(
                "select reference, player, points, amount, expires from holds "
                "where account = ? and player = ? and expires > ? and state = 'live'",
                (account, player, stored(self._clock.now())),
            )
            return [_hold(*row) for row in rows]

    def transactions(
        self, player: str | None = None, *, transaction_id: str | None = None, account: int = 1
    ) -> list[Entry]:
        """The lines of the ledger, oldest first; all of them, or one player's, or those of one id."""
        with self._turn() as sql:
            clause, values = where(account=account, player=player, transaction_id=transaction_id)
            return select(sql, f"{clause} order by id", *values)

    def page(self, account: int, filters: Filters) -> tuple[list[Entry], int]:
        """One page of the transactions that pass the filters, latest first, and how many pass in all."""
        with self._turn() as sql:
            now = self._clock.now()
            return page_of(sql, account, filters, now), count(sql, account, filters, now)

    def order(self, account: int, order_id: str) -> list[Entry]:
        """All that relates to an order: the transactions of that id and what was taken back of them."""
        with self._turn() as sql:
            return order_of(sql, account, order_id)

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """The database, after what has run out was written down: for questions that have no method here."""
        return self._turn()

    def clear(self) -> None:
        """Begin with empty books."""
        self._store.clear()
        self._settled = ""
        self._next_expiry = datetime.min.replace(tzinfo=UTC)

    @contextmanager
    def _turn(self) -> Generator[sqlite3.Connection]:
        with self._store.atomic() as sql:
            self._expire(sql)
            yield sql

    @contextmanager
    def _changing(self) -> Generator[sqlite3.Connection]:
        if not self.program.gameball_enabled:
            raise Refusal(50)
        with self._turn() as sql:
            yield sql

    @contextmanager
    def _spending(self) -> Generator[sqlite3.Connection]:
        with self._changing() as sql:
            # No code of its own is published for this.
            if not self.program.redemption_enabled:
                raise Refusal(50, "redemption is switched off")
            yield sql

    def _add(self, sql: sqlite3.Connection, details: TransactionDetails, movement: Movement) -> Entry:
        if movement.direction == "+":
            expires = self._clock.now() + timedelta(days=self.program.points_expiry_days)
            self._next_expiry = min(self._next_expiry, expires)
            movement = replace(movement, expires=expires)
        return insert(sql, details, movement, balance=_balance(sql, details.account, details.player) or 0)

    def _check_new(self, sql: sqlite3.Connection, details: TransactionDetails) -> None:
        """An id and a time may be used once. When both repeat, the id is what is refused."""
        for column, value, scope, code in (
            ("transaction_id", details.transaction_id, self._id_scope, 305),
            ("time", stored(details.time), self._time_scope, 304),
        ):
            clause, values = where(
                account=details.account,
                player=details.player if scope == "player" else None,
                **{column: value},
            )
            if sql.execute(f"select 1 from transactions {clause}", values).fetchone():  # noqa: S608 - our own words
                raise Refusal(code, value)

    def _check_affordable(self, sql: sqlite3.Connection, account: int, player: str, points: int) -> None:
        available = (_balance(sql, account, player) or 0) - self._held(sql, account, player)
        if points > available:
            raise Refusal(309, f"{points} points wanted, {available} available")

    def _held(self, sql: sqlite3.Connection, account: int, player: str) -> int:
        row = sql.execute(
            "select coalesce(sum(points), 0) from holds "
            "where account = ? and player = ? and expires > ? and state = 'live'",
            (account, player, stored(self._clock.now())),
        ).fetchone()
        return int(row[0])

    def _end_hold(
        self, sql: sqlite3.Connection, account: int, reference: str, *, state: str, player: str | None = None
    ) -> Hold:
        """Take a live hold, of that player if one is named, out of what is held."""
        row = sql.execute(
            "update holds set state = ? where reference = ? and account = ? and player = coalesce(?, player) "
            "and expires > ? and state = 'live' returning reference, player, points, amount, expires",
            (state, reference, account, player, stored(self._clock.now())),
        ).fetchone()
        if row is None:
            raise Refusal(307, reference)
        return _hold(*row)

    def _expire(self, sql: sqlite3.Connection) -> None:
        """Write down the points whose time has run out: of each player's, the oldest are spent first."""
        now = self._clock.now()
        if now < self._next_expiry:
            return
        due = sql.execute(
            "select distinct account, player from transactions where expires > ? and expires <= ?",
            (self._expired_until, stored(now)),
        ).fetchall()
        for account, player in due:
            overdue, balance = sql.execute(_OVERDUE, (stored(now), account, player)).fetchone()
            expired = min(overdue, balance)
            if expired > 0:
                movement = Movement(type="Expiry", direction="-", points=expired)
                insert(sql, _own_details(account, player, now), movement, balance=balance)
        self._expired_until = stored(now)
        following = sql.execute("select min(expires) from transactions where expires > ?", (self._expired_until,))
        expires = following.fetchone()[0]
        self._next_expiry = _END_OF_TIME if expires is None else loaded(expires)


def new_reference() -> str:
    """A number nobody can guess, as text: the pages show references as both."""
    return str(secrets.randbelow(9 * 10**14) + 10**14)


_OVERDUE = """
select sum(case when direction = '-' then -points when expires <= ? then points else 0 end),
       sum(case when direction = '-' then -points else points end)
from transactions where account = ? and player = ?
"""
"""Per player: what has come and run out, less all that has gone; and the balance."""


def _balance(sql: sqlite3.Connection, account: int, player: str) -> int | None:
    """The balance after the player's last line; None for an unknown player."""
    row = sql.execute(
        "select balance_after from transactions where account = ? and player = ? order by id desc limit 1",
        (account, player),
    ).fetchone()
    return None if row is None else int(row[0])


def _known_balance(sql: sqlite3.Connection, account: int, player: str) -> int:
    balance = _balance(sql, account, player)
    if balance is None:
        raise Refusal(101, player)
    return balance


def _original(sql: sqlite3.Connection, details: TransactionDetails, original_id: str) -> Entry:
    """The player's transaction that a refund names, if it is of a kind that can be taken back."""
    clause, values = where(account=details.account, transaction_id=original_id, player=details.player)
    found = select(sql, f"{clause} order by id", *values)
    if not found:
        raise Refusal(306, original_id)
    if found[0].type not in _REVERSIBLE:
        raise Refusal(301, found[0].type)
    return found[0]


def _own_details(account: int, player: str, now: datetime) -> TransactionDetails:
    """Details of a transaction that Gameball makes by itself: nobody else can have its id."""
    return TransactionDetails(account=account, player=player, transaction_id=uuid.uuid4().hex, time=now)


def _hold(reference: str, player: str, points: int, amount: str, expires: str) -> Hold:
    return Hold(reference=reference, player=player, points=points, amount=Decimal(amount), expires=loaded(expires))

"""What a sandbox holds and what happened in it, as plain values: the control API and the console show the same."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Protocol

from gameball.sandbox import fields
from gameball.sandbox.access import OWN_ACCOUNT
from gameball.sandbox.arming import Armed, Faults
from gameball.sandbox.batches import Batches
from gameball.sandbox.books import Books, HoldRecord, Order, Part, Player
from gameball.sandbox.clock import Clock
from gameball.sandbox.entries import Entry
from gameball.sandbox.history import Filters, status_of
from gameball.sandbox.json_objects import fault_object, plain
from gameball.sandbox.ledger import Ledger
from gameball.sandbox.partners import Partners
from gameball.sandbox.program import Program
from gameball.sandbox.requests import Request
from gameball.sandbox.traffic import Traffic

JSON = dict[str, Any]
_PRIVATE = "api_?key|secret_?key|otp"
_PRIVATE_VALUE = re.compile(rf'("(?:{_PRIVATE})"\s*:\s*)(?:"(?:[^"\\]|\\.)*"?|[^\s,}}]+)', re.IGNORECASE)
_PRIVATE_PARAMETER = re.compile(rf"([?&](?:{_PRIVATE})=)[^&]*", re.IGNORECASE)


class Inspected(Protocol):
    """What is read of the sandbox itself."""

    program: Program
    clock: Clock
    faults: Faults
    quirks: bool

    @property
    def base_url(self) -> str:
        """Where the API is."""
        ...

    @property
    def requests(self) -> Sequence[Request]:
        """The latest requests, oldest first."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Inspection:
    """Reads one sandbox. Names are snake_case; amounts are Decimal, points are int and times aware, in UTC."""

    sandbox: Inspected
    ledger: Ledger
    books: Books
    batches: Batches
    partners: Partners
    traffic: Traffic

    def state(self, account: int = OWN_ACCOUNT) -> JSON:
        """The overview: clock, points, requests and faults."""
        totals = self.books.totals(account)
        holds, held = self.books.held(account)
        points = asdict(totals)
        transactions = points.pop("transactions")
        return {
            "base_url": self.sandbox.base_url,
            "now": self.sandbox.clock.now(),
            "quirks": self.sandbox.quirks,
            "account": account,
            "players": self.books.player_count(account),
            "transactions": transactions,
            "holds": holds,
            "points": {**points, "balance": totals.balance, "held": held},
            "requests": {"total": self.traffic.total, "per_second": self.traffic.per_second},
            "faults": {"armed": len(self.sandbox.faults.unfired), "struck": len(self.sandbox.faults.fired)},
        }

    def forget(self) -> None:
        """Begin anew with what is kept here of the ledger, and forget the batches: the sandbox is reset."""
        self.books.forget()
        self.batches.clear()

    def pulse(self) -> JSON:
        """The time, and a mark that changes with whatever the other methods give."""
        faults = self.sandbox.faults
        seen = (
            self.sandbox.clock.ahead,
            self.sandbox.program,
            self.books.mark(),
            self.traffic.total,
            self.traffic.per_second,
            [(armed.operation, armed.seen) for armed in faults.armed],
            len(faults.fired),
        )
        mark = hashlib.blake2s(repr(seen).encode(), digest_size=8).hexdigest()
        return {"mark": mark, "now": self.sandbox.clock.now()}

    def account(self, value: str) -> int:
        """A reader of an account's number."""
        return int(fields.one_of(*map(str, self._clients()))(value))

    def accounts(self) -> list[JSON]:
        """The sandbox's own account and those of partners' clients, without their keys."""
        return [
            {
                "account": account,
                "name": client.get("name"),
                "store_name": client.get("storeName"),
                "status": client.get("status"),
            }
            for account, client in self._clients().items()
        ]

    def _clients(self) -> dict[int, JSON]:
        return {OWN_ACCOUNT: {}, **self.partners.clients()}

    def players(self, account: int, *, search: str = "", part: Part) -> JSON:
        """A page of players with their balances."""
        players, total = self.books.players(account, search=search, part=part)
        return _listed("players", [self._player(player) for player in players], total, part)

    def player(self, account: int, player: str) -> JSON | None:
        """One player with balances and live holds; None if nothing was ever booked for that id."""
        found = self.books.player(account, player)
        if found is None:
            return None
        live, _ = self.books.holds(account, player=player, state="live", part=Part(limit=1000))
        return {**self._player(found), "holds": [self._hold(hold) for hold in live]}

    def transactions(self, account: int, filters: Filters) -> JSON:
        """A page of transactions, latest time first."""
        entries, total = self.ledger.page(account, filters)
        part = Part(page=filters.page, limit=filters.limit)
        return _listed("transactions", [self._entry(entry) for entry in entries], total, part)

    def statement(self, account: int, player: str, part: Part) -> JSON:
        """A page of one player's transactions in the order they were booked, latest first."""
        entries, total = self.books.statement(account, player, part)
        return _listed("transactions", [self._entry(entry) for entry in entries], total, part)

    def orders(self, account: int, *, transaction_id: str | None = None, part: Part) -> JSON:
        """A page of cashbacks and redemptions with their refunds, latest first."""
        orders, total = self.books.orders(account, transaction_id=transaction_id, part=part)
        return _listed("orders", [self._order(order) for order in orders], total, part)

    def holds(self, account: int, *, player: str | None = None, state: str | None = None, part: Part) -> JSON:
        """A page of holds, newest first."""
        holds, total = self.books.holds(account, player=player, state=state, part=part)
        return _listed("holds", [self._hold(hold) for hold in holds], total, part)

    def batch_list(self, account: int, part: Part) -> JSON:
        """A page of batches, newest first, as they are: looking does not move them on."""
        found = [(batch_id, batch) for batch_id, batch in self.batches.all().items() if batch.account == account]
        rows = [
            {
                "batch_id": batch_id,
                "operation": batch.operation,
                "status": batch.status,
                "total_count": len(batch.rows),
                "finished_count": batch.done,
                "error_count": len(batch.failed),
                "created_at": batch.created,
                "started_at": batch.started,
            }
            for batch_id, batch in found[::-1]
        ]
        limit, offset = part.bounds
        return _listed("batches", rows[offset : offset + limit], len(rows), part)

    def requests(self, *, operation: str | None = None, struck: bool = False, part: Part) -> JSON:
        """A page of the requests that are remembered, latest first, without anybody's keys."""
        found = [
            request
            for request in reversed(list(self.sandbox.requests))
            if operation in {None, request.operation} and (request.strike is not None or not struck)
        ]
        limit, offset = part.bounds
        return _listed("requests", [_request(one) for one in found[offset : offset + limit]], len(found), part)

    def faults(self) -> list[JSON]:
        """All that is armed, with how much of it was consumed, in the order it was armed."""
        return [self.armed(armed) for armed in self.sandbox.faults.armed]

    @staticmethod
    def armed(armed: Armed) -> JSON:
        """One armed fault."""
        return {
            "operation": armed.operation,
            **fault_object(armed.fault),
            "effect": armed.effect,
            "later": Decimal(str(armed.later)),
            "transaction_id": armed.transaction_id,
            "nth": armed.nth,
            "times": armed.times,
            "seen": armed.seen,
            "struck": armed.fired,
        }

    def programme(self) -> JSON:
        """The terms that hold now."""
        terms: JSON = plain(self.sandbox.program)
        return terms

    def _player(self, player: Player) -> JSON:
        return {
            "player_unique_id": player.id,
            "balance": player.balance,
            "held": player.held,
            "available": player.balance - player.held,
            "worth": self.sandbox.program.worth_of(player.balance),
            "transactions": player.transactions,
            "last_transaction_time": player.last,
        }

    def _entry(self, entry: Entry) -> JSON:
        return {
            "gameball_transaction_id": entry.id,
            "transaction_id": entry.transaction_id,
            "player_unique_id": entry.player,
            "type": entry.type,
            "direction": entry.direction,
            "points": entry.points,
            "amount": entry.amount,
            "transaction_time": entry.time,
            "status": status_of(entry, self.sandbox.clock.now()),
            "balance_before": entry.balance_before,
            "balance_after": entry.balance_after,
            "expires": entry.expires,
            "reverses": entry.reverses,
            "merchant_name": entry.merchant_name,
            "branch_name": entry.branch_name,
            "username": entry.username,
            "reason": entry.reason,
            "coupon_code": entry.coupon_code,
            "coupon_type": entry.coupon_type,
        }

    def _order(self, order: Order) -> JSON:
        refunded = sum((refund.amount or Decimal(0) for refund in order.refunds), Decimal(0))
        return {
            **self._entry(order.entry),
            "refunded_amount": refunded,
            "refunded_points": sum(refund.points for refund in order.refunds),
            "refunds": [self._entry(refund) for refund in order.refunds],
        }

    def _hold(self, hold: HoldRecord) -> JSON:
        left = (hold.expires - self.sandbox.clock.now()).total_seconds()
        return {
            "hold_reference": hold.reference,
            "player_unique_id": hold.player,
            "points": hold.points,
            "amount": hold.amount,
            "state": hold.state,
            "expires": hold.expires,
            "seconds_left": max(0, round(left)) if hold.state == "live" else 0,
        }


def _listed(name: str, rows: list[JSON], total: int, part: Part) -> JSON:
    return {name: rows, "count": len(rows), "total": total, "page": part.page, "limit": part.limit}


def _request(request: Request) -> JSON:
    answer, strike = request.answer, request.strike
    return {
        "number": request.number,
        "time": request.time,
        "method": request.method,
        "path": _PRIVATE_PARAMETER.sub(r"\1****", _unicode(request.path)),
        "operation": request.operation,
        "headers": {_unicode(name): _unicode(value) for name, value in request.headers.items()},
        "body": _shown(request.body),
        "status": answer and answer.status,
        "answer": answer and _shown(answer.body),
        "seconds": answer and round(Decimal(answer.seconds), 4),
        "fault": strike and {**fault_object(strike.fault), "effect": strike.effect},
    }


def _shown(body: bytes) -> str:
    return _PRIVATE_VALUE.sub(r'\1"****"', body.decode("utf-8", errors="replace"))


def _unicode(value: str) -> str:
    """Text without the lone surrogates that stand for bytes which are no UTF-8."""
    return value.encode(errors="replace").decode()

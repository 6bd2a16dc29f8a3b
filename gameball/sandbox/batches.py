"""The batches page: a batch is a list of single calls that are worked off while it is asked about."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from gameball.sandbox import fields
from gameball.sandbox.call import Call
from gameball.sandbox.clock import Clock
from gameball.sandbox.fields import Fields
from gameball.sandbox.ledger import Ledger, new_reference
from gameball.sandbox.refusals import Refusal
from gameball.sandbox.transactions import Transactions

LARGEST = 1000
"""Rows in one batch."""
RowCall = Callable[[int, Any], dict[str, Any]]
"""Carries out one row for an account and answers its line of the outcome."""


@dataclass(slots=True, kw_only=True)
class Batch:
    """One batch and how far it is. It lives as long as the sandbox runs; what its rows did is in the ledger."""

    account: int
    method: str
    operation: str
    rows: list[Any]
    created: datetime
    started: datetime | None = None
    polls: int = 0
    status: str = "pending"
    successful: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Rows worked off, well or not."""
        return len(self.successful) + len(self.failed)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in {"finished", "stopped"}


class Batches:
    """The batches page. Each question about a batch moves it one step, and the `polls + 1`-th finds it finished.

    The first of them finds it pending, those between find it in progress with its share of the rows done.
    """

    def __init__(self, transactions: Transactions, ledger: Ledger, clock: Clock, *, polls: int) -> None:
        self._ledger = ledger
        self._clock = clock
        self._polls = polls
        self._batches: dict[str, Batch] = {}
        self._rows: dict[str, RowCall] = {
            "cashback": partial(_cashback_row, transactions),
            "redeem": partial(_redeem_row, transactions),
            "balance": self._balance_row,
        }

    def start(self, call: Call) -> dict[str, Any]:
        """POST - Start Batch Operation. Rows are not looked at before they are worked off."""
        body = Fields(call.body)
        operation = body.required("operation", fields.any_case_of(*self._rows))
        body.optional("params", lambda params: Fields(params, where="params."))
        batch = Batch(
            account=call.account,
            method=body.required("method", fields.any_case_of("GET", "POST", "PUT", "PATCH")),
            operation=operation,
            rows=body.required("body", _player_ids if operation == "balance" else fields.array),
            created=self._clock.now(),
        )
        if not 1 <= len(batch.rows) <= LARGEST:
            raise Refusal(7, f"a batch has 1 to {LARGEST} entries, this one has {len(batch.rows)}")
        batch_id = new_reference()
        self._batches[batch_id] = batch
        return {"batchId": batch_id}

    def get(self, call: Call) -> dict[str, Any]:
        """GET - Get Batch Operation."""
        batch = self._find(call)
        if not batch.ended:
            self._step(batch)
        outcome = {"successful": batch.successful, "failed": batch.failed}
        return {
            "method": batch.method,
            "operation": batch.operation,
            "errorCount": len(batch.failed),
            "totalCount": len(batch.rows),
            "finishedCount": batch.done,
            "startedAt": batch.started,
            "createdAt": batch.created,
            "status": batch.status,
            "response": outcome if batch.ended else None if batch.started is None else {},
        }

    def stop(self, call: Call) -> dict[str, Any]:
        """DELETE - Stop Batch Operation: rows not yet worked off never will be. What has ended is not found."""
        batch = self._find(call)
        if batch.ended:
            raise Refusal(3, "the batch has ended")
        batch.status = "stopped"
        return {}

    def all(self) -> dict[str, Batch]:
        """Every batch by its id, in the order they were started."""
        return dict(self._batches)

    def clear(self) -> None:
        """Forget them all."""
        self._batches.clear()

    def _find(self, call: Call) -> Batch:
        batch = self._batches.get(call.path["batchId"])
        if batch is None or batch.account != call.account:
            raise Refusal(3, "no such batch")
        return batch

    def _step(self, batch: Batch) -> None:
        polled, batch.polls = batch.polls, batch.polls + 1
        if polled == 0 < self._polls:
            return
        batch.started = batch.started or self._clock.now()
        batch.status = "finished" if polled >= self._polls else "inProgress"
        share = len(batch.rows) if batch.ended else len(batch.rows) * polled // self._polls
        for row in batch.rows[batch.done : share]:
            try:
                batch.successful.append(self._rows[batch.operation](batch.account, row))
            except Refusal as refusal:
                batch.failed.append({"playerUniqueId": _player_of(row), "message": refusal.message})

    def _balance_row(self, account: int, row: Any) -> dict[str, Any]:
        player = Fields({"playerUniqueId": row}).required("playerUniqueId", fields.text)
        balance = self._ledger.known_balance(player, account=account)
        return {
            "playerUniqueId": player,
            "pointsBalance": balance,
            "pointsValue": self._ledger.program.worth_of(balance),
            "currency": self._ledger.program.currency,
            "pointsName": self._ledger.program.points_name,
        }


def _cashback_row(transactions: Transactions, account: int, row: Any) -> dict[str, Any]:
    """A cashback as a batch answers it: numbers as strings."""
    done = transactions.cashback(Call(account=account, body=row))
    return {
        "playerUniqueId": done["playerUniqueId"],
        "amount": format(Decimal(row["amount"]), "f"),
        "points": str(done["rewardedPoints"]),
        "gameballTransactionId": str(done["gameballTransactionId"]),
    }


def _redeem_row(transactions: Transactions, account: int, row: Any) -> dict[str, Any]:
    """A redemption as a batch answers it: two keys in PascalCase, numbers as strings."""
    done = transactions.redeem(Call(account=account, body=row))
    return {
        "playerUniqueId": done["playerUniqueId"],
        "GameballTransactionId": str(done["gameballTransactionId"]),
        "RedeemedPoints": str(done["redeemedPoints"]),
    }


def _player_ids(body: Any) -> list[Any]:
    return Fields(body, where="body.").required("playerUniqueIds", fields.array)


def _player_of(row: Any) -> Any:
    """Whom a failed row was about, as far as it says so."""
    player = row.get("playerUniqueId") if isinstance(row, dict) else row
    return player if isinstance(player, str) else None

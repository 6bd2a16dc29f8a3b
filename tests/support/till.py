"""A till at a sandbox: a player with points and an order, calls with private data in them, and what came of them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

from aiohttp.web import StreamResponse

from gameball import AsyncGameball, Operation, Retries
from gameball.core.sessions import TimeLimit
from gameball.core.waits import Waits
from gameball.sandbox import Sandbox, faults
from tests.support.calls import KEYED, ORDER, PLAYER, TRANSACTION, TRANSACTIONS
from tests.support.canaries import EMAIL, OTP

QUICK: Final = Retries(backoff=0.002, cap=0.004)
SHORT: Final = Waits(first_lookup=0.003, between_lookups=0.01, concurrent=0.002)

_PRIVATE: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {"cashback": {"email": EMAIL}, "redeem": {"otp": OTP}, "refund": {"otp": OTP}, "manual": {"email": EMAIL}}
)


def operation(kind: str, transaction_id: str = TRANSACTION) -> Operation[Any]:
    """A call of the transactions page, with private data where it takes some."""
    own_id = {"transaction_id": transaction_id} if kind in KEYED else {}
    return TRANSACTIONS[kind].operation(**own_id, **_PRIVATE.get(kind, {}))


def effect_of(kind: str, value: Any, transaction_id: str = TRANSACTION) -> tuple[str, int]:
    """Id and points of the effect, as the call's value has them."""
    if kind == "refund":
        (row,) = [row for row in value.order_transactions if row.transaction_id == transaction_id]
        return row.gameball_transaction_id, int(row.equivalent_points)
    points = {"cashback": "rewarded_points", "redeem": "redeemed_points", "manual": "points"}
    return value.gameball_transaction_id, getattr(value, points[kind])


@dataclass(frozen=True)
class Struck:
    """A fault, and what happens as soon as it strikes: the same on a machine of any speed."""

    fault: faults.Fault
    then: Callable[[], object]

    async def respond(self, answer: Any, /) -> StreamResponse:
        self.then()
        return await self.fault.respond(answer)


class Till:
    """A sandbox with a player who has points and an order, and a client of it."""

    def __init__(self, sandbox: Sandbox, make: Callable[..., AsyncGameball]) -> None:
        self.sandbox = sandbox
        self.make = make
        self.client = make(sandbox.base_url)
        self._before = 0

    async def together(self, kinds: Sequence[str]) -> dict[str, Any]:
        """One call of each kind side by side, each under its kind as transaction id; how each was delivered."""
        calls = [asyncio.create_task(self.client.deliver(operation(kind, kind)), name=kind) for kind in kinds]
        return dict(zip(kinds, await asyncio.gather(*calls), strict=True))

    async def open(self, **settings: Any) -> Self:
        """Give the player points and an order; settings are those of a new client."""
        await self.client.transactions.cashback(player_unique_id=PLAYER, transaction_id=ORDER, amount=1_000_000)
        self._before = len(self.sandbox.requests)
        if settings:
            self.client = self.make(self.sandbox.base_url, **settings)
        return self

    def arm(self, kind: str, *args: Any, **how: Any) -> None:
        self.sandbox.faults.arm(f"transactions.{kind}", *args, **how)

    def arm_for_too_long(self, kind: str, fault: faults.Fault, **how: Any) -> None:
        """Arm what takes longer than the client waits: it waits no longer than until some of it has come."""

        def soon() -> None:
            asyncio.get_running_loop().call_later(0.02, self._run_out_of_time, kind)

        self.arm(kind, Struck(fault, soon), **how)

    def _run_out_of_time(self, kind: str) -> None:
        """Let the timer of the client's exchange of this kind expire."""
        loop = asyncio.get_running_loop()
        timer = self.client._delivery.transport._by_loop[loop].timer
        (limit,) = [due for due in timer.due if _name(due) == kind] or timer.due
        del timer.due[limit]
        limit.expire()

    def catch_up(self) -> None:
        """Have the sandbox do at once what it has put off."""
        for handle in list(self.sandbox._server._delayed):
            handle._run()

    def sent(self, kind: str) -> list[bytes]:
        """The body of every request of this kind that arrived."""
        seen = list(self.sandbox.requests)[self._before :]
        return [request.body for request in seen if request.operation == f"transactions.{kind}"]

    def rows(self, transaction_id: str = TRANSACTION) -> list[Any]:
        """What the ledger has under this id."""
        return self.sandbox.ledger.transactions(transaction_id=transaction_id)

    def effects(self, kind: str) -> int:
        """How many holds or coupons there are."""
        if kind == "hold":
            return len(self.sandbox.ledger.holds(PLAYER))
        return sum(row.type == "DiscountCode" for row in self.sandbox.ledger.transactions(PLAYER))

    def original(self, transaction_id: str = TRANSACTION) -> tuple[str, int]:
        """Id and points of the one effect that there is."""
        (row,) = self.rows(transaction_id)
        return str(row.id), row.points


def _name(limit: TimeLimit) -> str:
    return limit._task.get_name()

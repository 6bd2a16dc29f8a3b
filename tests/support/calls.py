"""Every call of the API once: how it is made, the request that goes out, and an answer to it.

The one catalogue from which all tests take their samples. A new endpoint begins here: see .github/CONTRIBUTING.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from gameball import CashbackRequest, ManualRequest, Operation, RedeemRequest, RefundRequest
from gameball.models.clients import ClientRequest, ClientUpdate
from gameball.models.transactions import CouponRequest, HoldRequest, TransactionFilter
from gameball.resources import batches, clients, configurations, transactions

PLAYER: Final = "p"
TRANSACTION: Final = "t1"
ORDER: Final = "t0"
"""The transaction that refunds refer to."""

NOTHING_LISTED: Final[Mapping[str, Any]] = {"transactions": [], "count": 0, "total": 0}


@dataclass(frozen=True, kw_only=True)
class SampleCall:
    """One method of the clients that sends one operation; called with a client, it makes the call."""

    name: str
    """The method's whole name on a client, as in "transactions.cashback"."""
    sends: str | None = None
    """The operation's name, where it is not the method's."""
    build: Callable[..., Operation[Any]]
    """The operation, from the arguments of the method."""
    identifier: tuple[Any, ...] = ()
    """The method's one positional argument, where it has one."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    request: tuple[str, str]
    """HTTP method and path."""
    body: Any = None
    """JSON as it goes out, but for the transaction time."""
    answer: Any
    listed: Mapping[str, Any] | None = None
    """The row of the list of transactions that shows it was applied."""

    @property
    def operation_name(self) -> str:
        return self.sends or self.name

    def operation(self, *identifier: Any, **changes: Any) -> Operation[Any]:
        """The call as a value, with other arguments where given."""
        return self.build(*(identifier or self.identifier), **{**self.arguments, **changes})

    def __call__(self, client: Any, **changes: Any) -> Any:
        """Make the call: a coroutine from an awaited client, the value from a plain one."""
        return attrgetter(self.name)(client)(*self.identifier, **{**self.arguments, **changes})


_KEYED: Final = {"player_unique_id": PLAYER, "transaction_id": TRANSACTION}
_KEYED_BODY: Final = {"playerUniqueId": PLAYER, "transactionId": TRANSACTION}
_APPLIED: Final = {"playerUniqueId": PLAYER, "gameballTransactionId": 17178}
_ROW: Final = {
    **_APPLIED,
    "transactionId": TRANSACTION,
    "direction": "+",
    "points": 20,
    "amount": 10,
    "transactionTime": "2024-01-01T00:00:00Z",
    "status": "Active",
}
_ORDER_ROWS: Final = [
    {"gameballTransactionId": 17000, "transactionType": "Payment", "transactionId": ORDER},
    {"gameballTransactionId": 17178, "transactionType": "PartialRefund", "transactionId": TRANSACTION},
]
ORDER_LISTED: Final[Mapping[str, Any]] = {"orderTransactions": _ORDER_ROWS, "total": 2, "count": 2}
_ROWS: Final = [CashbackRequest(player_unique_id=PLAYER, transaction_id=TRANSACTION, amount=10)]
_REDEEM_ROWS: Final = [RedeemRequest(player_unique_id=PLAYER, transaction_id=TRANSACTION, redeemed_amount=10)]
_SHOP: Final = {
    "name": "n",
    "email": "e@x.example",
    "mobile": "+01",
    "store_name": "s",
    "domain": "x.example",
    "country": "c",
    "currency": "USD",
    "time_zone": "GMT",
}


def _batch(operation: str, rows: Any) -> dict[str, Any]:
    return {"method": "POST", "operation": operation, "params": {}, "body": rows}


_SAMPLES: Final = (
    SampleCall(
        name="transactions.cashback",
        build=lambda **given: transactions.cashback(CashbackRequest(**given)),
        arguments={**_KEYED, "amount": 10},
        request=("POST", "/integrations/transaction/cashback"),
        body={**_KEYED_BODY, "amount": 10},
        answer={**_APPLIED, "rewardedPoints": 20},
        listed={**_ROW, "type": "PaymentReward"},
    ),
    SampleCall(
        name="transactions.redeem",
        build=lambda **given: transactions.redeem(RedeemRequest(**given)),
        arguments={**_KEYED, "redeemed_amount": 10},
        request=("POST", "/integrations/transaction/redeem"),
        body={**_KEYED_BODY, "redeemedAmount": 10},
        answer={**_APPLIED, "redeemedPoints": 20},
        listed={**_ROW, "type": "Redemption", "direction": "-"},
    ),
    SampleCall(
        name="transactions.refund",
        build=lambda **given: transactions.refund(RefundRequest(**given)),
        arguments={**_KEYED, "original_transaction_id": ORDER, "amount": 10},
        request=("POST", "/integrations/transaction/refund"),
        body={**_KEYED_BODY, "reverseTransactionId": ORDER, "amount": 10},
        answer=ORDER_LISTED,
        listed={**_ROW, "type": "PartialRefund"},
    ),
    SampleCall(
        name="transactions.manual",
        build=lambda **given: transactions.manual(ManualRequest(**given)),
        arguments={**_KEYED, "username": "admin", "reason": "gift", "points": 20},
        request=("POST", "/integrations/transaction/manual"),
        body={**_KEYED_BODY, "username": "admin", "reason": "gift", "points": 20},
        answer={**_APPLIED, "points": 20},
        listed={**_ROW, "type": "ManualAccumulation"},
    ),
    SampleCall(
        name="transactions.hold",
        build=lambda **given: transactions.hold(HoldRequest(**given)),
        arguments={"player_unique_id": PLAYER, "hold_points": 5},
        request=("POST", "/integrations/transaction/hold"),
        body={"playerUniqueId": PLAYER, "holdPoints": 5},
        answer={"playerUniqueId": PLAYER, "holdReference": "h-1", "holdPoints": 5, "amount": 0.05},
    ),
    SampleCall(
        name="transactions.reverse_hold",
        build=transactions.reverse_hold,
        identifier=("123",),
        request=("DELETE", "/integrations/transaction/hold/123"),
        answer={},
    ),
    SampleCall(
        name="transactions.list",
        build=lambda **given: transactions.transaction_page(TransactionFilter(**given)),
        request=("GET", "/integrations/transaction/list"),
        answer=NOTHING_LISTED,
    ),
    SampleCall(
        name="transactions.for_order",
        build=transactions.for_order,
        identifier=(ORDER,),
        request=("GET", f"/integrations/order/{ORDER}/transactions"),
        answer=ORDER_LISTED,
    ),
    SampleCall(
        name="transactions.create_coupon",
        build=lambda **given: transactions.create_coupon(CouponRequest(**given)),
        arguments={"player_unique_id": PLAYER, "value": 5},
        request=("POST", "/integrations/transactions/coupon"),
        body={"playerUniqueId": PLAYER, "value": 5},
        answer={"code": "coupon-1"},
    ),
    SampleCall(
        name="batches.start_cashback",
        sends="batches.start",
        build=batches.start_cashback,
        identifier=(_ROWS,),
        request=("POST", "/integrations/batch"),
        body=_batch("cashback", [{**_KEYED_BODY, "amount": 10}]),
        answer={"batchId": 213},
    ),
    SampleCall(
        name="batches.start_redeem",
        sends="batches.start",
        build=batches.start_redeem,
        identifier=(_REDEEM_ROWS,),
        request=("POST", "/integrations/batch"),
        body=_batch("redeem", [{**_KEYED_BODY, "redeemedAmount": 10}]),
        answer={"batchId": 213},
    ),
    SampleCall(
        name="batches.start_balance",
        sends="batches.start",
        build=batches.start_balance,
        identifier=([PLAYER],),
        request=("POST", "/integrations/batch"),
        body=_batch("balance", {"playerUniqueIds": [PLAYER]}),
        answer={"batchId": 213},
    ),
    SampleCall(
        name="batches.get",
        build=batches.get,
        identifier=("213",),
        request=("GET", "/integrations/batch/213"),
        answer={"batchId": 213, "status": "finished"},
    ),
    SampleCall(
        name="batches.stop",
        build=batches.stop,
        identifier=("213",),
        request=("DELETE", "/integrations/batch/213"),
        answer={},
    ),
    SampleCall(
        name="clients.create",
        build=lambda **given: clients.create(ClientRequest(**given)),
        arguments=_SHOP,
        request=("POST", "/integrations/client"),
        body={
            "name": "n",
            "email": "e@x.example",
            "mobile": "+01",
            "storeName": "s",
            "domain": "x.example",
            "country": "c",
            "currency": "USD",
            "timeZone": "GMT",
        },
        answer={"apiKey": "a new api key", "secretKey": "a new secret key", "gameballId": 2},
    ),
    SampleCall(
        name="clients.update",
        build=lambda store_id, **given: clients.update(store_id, ClientUpdate(**given)),
        identifier=("s",),
        arguments={"plan": "Pro"},
        request=("PUT", "/integrations/client"),
        body={"plan": "Pro"},
        answer={"id": 2, "plan": "Pro"},
    ),
    SampleCall(
        name="configurations.get",
        build=configurations.configuration,
        request=("GET", "/integrations/config"),
        answer={"currency": "USD"},
    ),
    SampleCall(
        name="configurations.challenge",
        build=configurations.challenge,
        identifier=("1",),
        request=("GET", "/integrations/config/challenge/1"),
        answer=[{"id": 1, "name": "first order"}],
    ),
    SampleCall(
        name="configurations.redemption",
        build=configurations.redemption,
        request=("GET", "/integrations/client/redemption/config"),
        answer={"redemptionRules": []},
    ),
    SampleCall(
        name="configurations.cashback",
        build=configurations.cashback,
        request=("GET", "/integrations/client/cashback"),
        answer={"cashbackRules": []},
    ),
)

CALLS: Final[Mapping[str, SampleCall]] = MappingProxyType({sample.name: sample for sample in _SAMPLES})
"""All of them, each by the method's whole name."""

TRANSACTIONS: Final[Mapping[str, SampleCall]] = MappingProxyType(
    {name.removeprefix("transactions."): sample for name, sample in CALLS.items() if name.startswith("transactions.")}
)
"""The calls of the transactions page, each by the method's own name."""

KEYED: Final = ("cashback", "redeem", "refund", "manual")
"""Writes with an id of their own, by which they can be looked up."""
UNKEYED: Final = ("hold", "create_coupon")
"""Writes that cannot be looked up, and are never resent."""

COMPOSED: Final = frozenset({"transactions.holding", "transactions.iterate", "batches.wait"})
"""Methods made of the others: they send no operation of their own."""

OPERATIONS: Final[Mapping[str, Operation[Any]]] = MappingProxyType(
    {sample.operation_name: sample.operation() for sample in _SAMPLES}
)
"""One operation of each of the 18 endpoints, by its name."""

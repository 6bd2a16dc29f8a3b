"""The 18 endpoints: their names, their paths and who may call them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from urllib.parse import unquote

from gameball.sandbox.access import Access
from gameball.sandbox.batches import Batches
from gameball.sandbox.call import Call
from gameball.sandbox.configurations import Configurations
from gameball.sandbox.partners import Partners
from gameball.sandbox.transactions import Transactions


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `operation` names it in faults, quirks and the log, and says which page's method it is."""

    operation: str
    method: str
    path: str
    authenticate: Callable[[Access, Mapping[str, str]], int]
    """Finds out from the headers whose call it is, or refuses it."""

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The values of the path's braces, if a path of these segments is this endpoint's."""
        own = self.path.split("/")[1:]
        if len(own) != len(segments):
            return None
        values: dict[str, str] = {}
        for name, given in zip(own, segments, strict=True):
            if name.startswith("{"):
                values[name[1:-1]] = given
            elif name != given.lower():
                return None
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The four pages of the API, ready to be called."""

    transactions: Transactions
    batches: Batches
    clients: Partners
    configurations: Configurations

    def endpoint(self, operation: str) -> Callable[[Call], dict[str, Any]]:
        """The method behind an operation's name."""
        method: Callable[[Call], dict[str, Any]] = attrgetter(operation)(self)
        return method


_KEYS, _API_KEY, _TOKEN = Access.by_both_keys, Access.by_api_key, Access.by_partner_token

ROUTES = (
    Route("transactions.cashback", "POST", "/integrations/transaction/cashback", _KEYS),
    Route("transactions.redeem", "POST", "/integrations/transaction/redeem", _KEYS),
    Route("transactions.refund", "POST", "/integrations/transaction/refund", _KEYS),
    Route("transactions.hold", "POST", "/integrations/transaction/hold", _KEYS),
    Route("transactions.reverse_hold", "DELETE", "/integrations/transaction/hold/{holdReference}", _KEYS),
    Route("transactions.manual", "POST", "/integrations/transaction/manual", _KEYS),
    Route("transactions.list", "GET", "/integrations/transaction/list", _KEYS),
    Route("transactions.for_order", "GET", "/integrations/order/{orderId}/transactions", _KEYS),
    Route("transactions.create_coupon", "POST", "/integrations/transactions/coupon", _KEYS),
    Route("batches.start", "POST", "/integrations/batch", _KEYS),
    Route("batches.get", "GET", "/integrations/batch/{batchId}", _KEYS),
    Route("batches.stop", "DELETE", "/integrations/batch/{batchId}", _KEYS),
    Route("clients.create", "POST", "/integrations/client", _TOKEN),
    Route("clients.update", "PUT", "/integrations/client", _TOKEN),
    Route("configurations.get", "GET", "/integrations/config", _API_KEY),
    Route("configurations.challenge", "GET", "/integrations/config/challenge/{handle}", _KEYS),
    Route("configurations.redemption", "GET", "/integrations/client/redemption/config", _KEYS),
    Route("configurations.cashback", "GET", "/integrations/client/cashback", _KEYS),
)
BASE_PATH = "/api/v3.0"
_BASES = (["api", "v3.0"], ["api", "v3"])
OPERATIONS = frozenset(route.operation for route in ROUTES)


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The endpoint at a path, and the values in that path; None if there is no such endpoint.

    Names are matched in any case, slashes may be doubled or end the path: vendors' own libraries differ in that.

    Args:
        method: In capitals.
        path: With its escapes, without the query.
    """
    segments = [unquote(segment) for segment in path.split("/") if segment]
    if [segment.lower() for segment in segments[:2]] not in _BASES:
        return None
    for route in ROUTES:
        values = route.match(segments[2:]) if route.method == method else None
        if values is not None:
            return route, values
    return None

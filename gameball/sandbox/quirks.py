"""The contradictions of the API's own pages, as rewrites of the answers that follow its tables.

A reader that copes with `Sandbox(quirks=True)` copes with every spelling that the pages show.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

Rewrite = Callable[[dict[str, Any]], dict[str, Any]]


class Quirks:
    """The contradictions of one sandbox; where there are several for the same answer they take turns."""

    def __init__(self) -> None:
        self._batches = 0

    def contradict(self, operation: str, answer: dict[str, Any]) -> Any:
        """The answer of that operation as some other part of the pages, or a vendor's library, writes it."""
        if operation == "batches.start":
            self._batches += 1
            return _BATCH_IDS[self._batches % len(_BATCH_IDS)](answer["batchId"])
        for rewrite in _QUIRKS.get(operation, ()):
            answer = rewrite(answer)
        spelling = "%Y-%m-%d %H:%M:%S" if operation.startswith("batches.") else "%Y-%m-%dT%H:%M:%S.%f0"
        return _retimed(answer, spelling)


def changed(name: str, change: Callable[[Any], Any]) -> Rewrite:
    """Another spelling of one field, where it has a value."""
    return lambda answer: {
        key: change(value) if key == name and value is not None else value for key, value in answer.items()
    }


def renamed(**names: str) -> Rewrite:
    """Other keys for the same values."""
    return lambda answer: {names.get(key, key): value for key, value in answer.items()}


def each(name: str, *rewrites: Rewrite) -> Rewrite:
    """The rewrites on each object of a list."""

    def rewrite(answer: dict[str, Any]) -> dict[str, Any]:
        rows = answer[name]
        for change in rewrites:
            rows = [change(row) for row in rows]
        return {**answer, name: rows}

    return rewrite


def within(name: str, *rewrites: Rewrite) -> Rewrite:
    """The rewrites on one object inside, unless it is null or empty."""

    def rewrite(answer: dict[str, Any]) -> dict[str, Any]:
        inner = answer[name]
        for change in rewrites if inner else ():
            inner = change(inner)
        return {**answer, name: inner}

    return rewrite


def _pascal_case(answer: dict[str, Any]) -> dict[str, Any]:
    return {key[0].upper() + key[1:]: value for key, value in answer.items()}


def _alternating_id_keys(answer: dict[str, Any]) -> dict[str, Any]:
    """The list's sample spells the same key right in one row and wrong in the next."""
    misspelt = renamed(gameballTransactionId="gameballTrasnactionId")
    rows = [misspelt(row) if index % 2 else row for index, row in enumerate(answer["transactions"])]
    return {**answer, "transactions": rows}


def _single_challenge(answer: dict[str, Any]) -> dict[str, Any]:
    """The table has one object under `challengesConfig`, the sample a list under `challenges`."""
    return {"challengesConfig": answer["challenges"][0]}


def _retimed(value: Any, spelling: str) -> Any:
    """Times without their zone, with seven digits of a second or none."""
    if isinstance(value, datetime):
        return value.strftime(spelling)
    if isinstance(value, list):
        return [_retimed(item, spelling) for item in value]
    if isinstance(value, dict):
        return {key: _retimed(item, spelling) for key, item in value.items()}
    return value


_with_a_point = Decimal("1.0").__mul__
_PREFIX = "gbtrx{}".format
_PREFIXED_ID = changed("gameballTransactionId", _PREFIX)
_BATCH_WORDS = {"pending": "Queued", "inProgress": "processing", "finished": "COMPLETED", "stopped": "Stopped"}
_ORDER = (each("orderTransactions", _PREFIXED_ID, changed("equivalentPoints", _with_a_point)),)
_NUMERIC_PRODUCT = (changed("productId", int), changed("variantId", int))

_BATCH_IDS: tuple[Callable[[str], Any], ...] = (str, lambda batch_id: {"jobId": int(batch_id)}, int)
"""A batch's id in the answer to its start: bare text, a number with another name, a bare number."""

_QUIRKS: dict[str, tuple[Rewrite, ...]] = {
    "transactions.cashback": (_PREFIXED_ID, changed("rewardedPoints", str)),
    "transactions.redeem": (_PREFIXED_ID, changed("redeemedPoints", _with_a_point), _pascal_case),
    "transactions.refund": _ORDER,
    "transactions.hold": (changed("holdReference", int), changed("holdPoints", _with_a_point)),
    "transactions.manual": (_PREFIXED_ID, renamed(gameballTransactionId="gameballTrasnactionId")),
    "transactions.list": (
        each(
            "transactions",
            _PREFIXED_ID,
            changed("type", lambda word: "Cash Back" if word == "PaymentReward" else word),
            changed("status", str.lower),
            changed("points", str),
        ),
        _alternating_id_keys,
    ),
    "transactions.for_order": _ORDER,
    "transactions.create_coupon": (_pascal_case,),
    "batches.get": (
        changed("status", _BATCH_WORDS.__getitem__),
        within(
            "response",
            each("successful", _PREFIXED_ID, changed("GameballTransactionId", _PREFIX)),
            each("failed", renamed(playerUniqueId="customerId", message="error")),
        ),
    ),
    "clients.create": (changed("gameballId", str),),
    "clients.update": (renamed(timeZone="timezone"), changed("subscriptionId", str)),
    "configurations.get": (
        each("challenges", changed("visibility", lambda word: word.replace("Visible", "Visibile"))),
        within(
            "referral",
            within("playerReward", renamed(points="point"), within("extraReward", renamed(points="point"))),
            within("friendReward", renamed(points="point")),
        ),
    ),
    "configurations.challenge": (_single_challenge,),
    "configurations.redemption": (each("redemptionRules", within("coupon", within("product", *_NUMERIC_PRODUCT))),),
    "configurations.cashback": (each("cashbackRules", renamed(isDefault="isDefaultRule")),),
}

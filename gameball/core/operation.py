"""A call as a value: the request, what comes back, and what may be done when no answer comes."""

from collections.abc import Callable, Mapping
from enum import Enum, StrEnum
from typing import Any, Final, Generic, TypeAlias, TypedDict, TypeVar, Unpack
from urllib.parse import quote

from attrs import Attribute, define, field, frozen

from gameball.errors import GameballError
from gameball.models.shared import check_text, refuse

T = TypeVar("T")


class Replay(Enum):
    """What may be done when nobody knows whether a request was applied."""

    SAFE = "safe"
    """Send it again: it reads, or it sets a state."""

    BY_TRANSACTION_ID = "by_transaction_id"
    """Look the transaction up by its id; send the same bytes again only when it is not there."""

    NEVER = "never"
    """Cannot be looked up, so never resent: leave it to the caller."""


class Signature(StrEnum):
    """What a request is signed with."""

    BOTH_KEYS = "both_keys"
    API_KEY = "api_key"
    PARTNER = "partner"
    ALL = "all"
    """All keys there are, for endpoints that this package does not know."""


NEEDED_KEYS: Final[Mapping[Signature, tuple[str, ...]]] = {
    Signature.BOTH_KEYS: ("api_key", "secret_key"),
    Signature.API_KEY: ("api_key",),
    Signature.PARTNER: ("partner_token",),
    Signature.ALL: (),
}


@define
class Found(Generic[T]):
    """The transaction is there, with the value that its own answer would have had."""

    value: T


@frozen
class Different:
    """The id is there, but it belongs to another transaction."""


@frozen
class Absent:
    """The id is not there."""


Finding: TypeAlias = Found[T] | Different | Absent


@frozen(kw_only=True)
class Reconciliation(Generic[T]):
    """How to find out whether a write without an answer was applied.

    Attributes:
        lookup: Builds from a call's transaction id the read that shows whether it is there.
        match: What the answer to it says of a call's body, or why it says nothing; pure.
        detail: Builds from a call's body a second read that knows the value better than the first.
        merge: What both say together; pure. Different: the first one's row belongs to something else after all.
    """

    lookup: "Callable[[str], Operation[Any]]"
    match: Callable[[Any, Any], Finding[T] | GameballError]
    detail: "Callable[[Any], Operation[Any]] | None" = None
    merge: Callable[[T, Any], Finding[T]] | None = None


def _below_the_base(_: object, attribute: "Attribute[str]", value: str) -> None:
    # Anything else could make the base URL's host a part of something longer.
    if not value.startswith("/") or "?" in value or "#" in value:
        raise refuse(attribute.name, "must start with / and hold neither query nor fragment")


class OfOneCall(TypedDict, total=False):
    """What one call of an endpoint has of its own; see `Operation`."""

    path: str
    query: Any
    body: Any
    headers: Mapping[str, str]
    transaction_id: str
    restamp: "Callable[[Operation[Any]], Operation[Any]] | None"


@frozen(kw_only=True, slots=False)  # so that `call()` can copy its values at once
class Operation(Generic[T]):
    """One call to the API. `T` is what it gives back.

    Attributes:
        name: As in "transactions.cashback": for errors, logs and rates.
        method: The HTTP method.
        path: Below the base URL, its values escaped; see `path()`.
        returns: The class that the answer is read into; `type(None)` where the answer does not matter.
        replay: What may be done when no answer comes.
        query, body: A model or plain JSON; None sends none.
        headers: Beyond those that sign and frame the request.
        signature: What signs it.
        transaction_id: The id under which the API takes the request only once, where there is one.
        reconciliation: How it is looked up, for writes that have such an id.
        restamp: Builds the call anew with another time, where the time is not the caller's.
        not_found_means_done: Whether the API's not-found, after a try of our own, means that it was done.
        check: What the caller can look at when the outcome stays unknown, in one sentence.
    """

    name: str
    method: str
    path: str = field(validator=_below_the_base)
    returns: type[T]
    replay: Replay
    query: Any = field(default=None, repr=False)
    body: Any = field(default=None, repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str])
    signature: Signature = Signature.BOTH_KEYS
    transaction_id: str | None = None
    reconciliation: Reconciliation[T] | None = field(default=None, repr=False)
    restamp: "Callable[[Operation[T]], Operation[T]] | None" = field(default=None, repr=False)
    not_found_means_done: bool = False
    check: str = field(default="", repr=False)

    def call(self, **given: Unpack[OfOneCall]) -> "Operation[T]":
        """One call of the endpoint that this operation stands for: the same, with what this call alone has.

        Nothing is checked at run time; a path comes from `path()`.
        """
        values = vars(self).copy()
        values.update(given)
        call: Operation[T] = object.__new__(type(self))
        object.__setattr__(call, "__dict__", values)
        return call

    @property
    def reads(self) -> bool:
        """Whether the call changes nothing at the API. A GET that must not be sent twice (`Replay.NEVER`) may."""
        return self.replay is Replay.SAFE and self.method in ("GET", "HEAD")


def path(template: str, **values: str) -> str:
    """Fill a path's places, each value as one escaped segment.

    Raises:
        InvalidRequestError: A value is empty, `.` or `..`, or no valid Unicode.
    """
    return template.format(**{name: _segment(name, value) for name, value in values.items()})


def _segment(name: str, value: str) -> str:
    check_text(name, value)
    if value in (".", ".."):
        raise refuse(name, "must not be . or .., which a server would read as a step in the path")
    return quote(value, safe="")

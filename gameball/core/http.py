"""Plain data across the border to the network: a request out, a response or a failure back.

What every call makes anew is not frozen, and its fields may be given by place: a frozen value of named fields takes
several times as long to make. Nobody changes it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

from attrs import define, field, frozen

from gameball.core.operation import Signature


@define
class Request:
    """One request, ready to be written. `target` is path and query, escaped; sent again, it is the same bytes."""

    method: str
    target: str
    signature: Signature
    headers: Mapping[str, str] = field(factory=dict[str, str])
    body: bytes | None = field(default=None, repr=False)
    fresh: bool = False
    """Whether it goes on a connection that no request has used before: a kept one may break under it."""


@define
class Response:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Fault(Enum):
    """What kept an answer away."""

    CONNECTION = "connection"
    TLS = "tls"
    TIME = "time"
    SIZE = "size"
    UNUSABLE = "unusable"
    """Asking again is no use: a session that is closed, a proxy that refuses, a bug."""


@frozen(kw_only=True)
class Failure:
    """No whole answer came.

    Attributes:
        fault: What was in the way.
        sent: Whether the request may have reached the API. Only False promises that nothing was applied.
        reason: The same in words, without anything that could hold a key.
    """

    fault: Fault
    sent: bool
    reason: str


@define
class Exchange:
    """One request, and how it ended.

    Attributes:
        result: What came of it.
        seconds: How long it took.
        queued: Seconds before it, until the rate limit had a place for it.
    """

    result: Response | Failure
    seconds: float
    queued: float = 0.0


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a Retry-After header requests; a date is measured against the answer's own Date."""
    said = headers.get("Retry-After", "").strip()
    try:
        seconds = float(said)
    except ValueError:
        until = _http_date(said)
        if until is None:
            return None
        seconds = (until - (_http_date(headers.get("Date", "")) or now)).total_seconds()
    return max(seconds, 0.0) if seconds < float("inf") else None


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date
    except (ValueError, OverflowError):
        return None

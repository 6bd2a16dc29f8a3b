"""How values are written on a page."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

WORDS = {
    "PaymentReward": "Cashback",
    "Redemption": "Redemption",
    "Refund": "Refund",
    "PartialRefund": "Part refund",
    "Cancel": "Cancelled",
    "ManualAccumulation": "Given by hand",
    "ManualDeduction": "Deducted by hand",
    "DiscountCode": "Coupon",
    "Expiry": "Expired",
    "inProgress": "in progress",
}
"""What a reader says for the API's words."""


def number(value: int | Decimal) -> str:
    """A number with its thousands apart and a true minus sign."""
    return f"{value:,}".replace("-", "\N{MINUS SIGN}")


def amount(value: Decimal) -> str:
    """Money with two digits after the point, or as many as it has, so that columns line up."""
    exponent = value.as_tuple().exponent
    digits = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def rate(value: Decimal) -> str:
    """A rate of the programme without idle zeros."""
    return f"{value.normalize():,f}"


def signed(transaction: dict[str, Any]) -> str:
    """A transaction's points with the sign of their direction."""
    sign = "+" if transaction["direction"] == "+" else "\N{MINUS SIGN}"
    return f"{sign}{transaction['points']:,}"


def when(moment: datetime) -> str:
    """A moment to the second; pages say once that all are in UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def machine(moment: datetime) -> str:
    """The same for a `datetime` attribute."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """A time span in its two largest units; the page's script counts down in the same words."""
    left = int(seconds)
    for size, unit, part_size, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if left >= size:
            return f"{left // size} {unit} {left % size // part_size} {part}"
    return f"{left} s"


def word(value: str) -> str:
    """The reader's word for one of the API's."""
    return WORDS.get(value, value)


def query(**values: Any) -> str:
    """A query string of what is not None; empty if nothing is left."""
    given = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""

"""Orders from a CSV file, each checked before any is sent."""

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import _csv

from gameball.errors import InvalidRequestError
from gameball.models.transactions import CashbackRequest

COLUMNS: Final[Mapping[str, str]] = {
    "playerUniqueId": "player_unique_id",
    "transactionId": "transaction_id",
    "amount": "amount",
    "email": "email",
    "mobile": "mobile",
    "transactionTime": "transaction_time",
}
"""The columns that are read, in the API's spelling, and ours; a file may use either. Others are passed over."""

REQUIRED: Final = ("player_unique_id", "transaction_id", "amount")


class BadOrdersError(ValueError):
    """The file cannot be used; says where and why."""


def read_orders(path: Path) -> list[CashbackRequest]:
    """Read all orders of a file.

    Raises:
        BadOrdersError: The file cannot be read, lacks a column, or a row breaks a rule; nothing is left half read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            orders = list(_rows(path.name, csv.reader(file, strict=True)))
    except OSError as error:
        raise BadOrdersError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadOrdersError(f"{path}: is not UTF-8 text") from None
    except csv.Error as error:
        raise BadOrdersError(f"{path}: is not CSV: {error}") from None
    if not orders:
        raise BadOrdersError(f"{path}: has no orders")
    return orders


def _rows(name: str, lines: "_csv.Reader") -> Iterator[CashbackRequest]:
    titles: list[str] = next(lines, list[str]())
    header = [COLUMNS.get(title.strip(), title.strip()) for title in titles]
    for column in REQUIRED:
        if header.count(column) != 1:
            problem = "lacks the column" if column not in header else "has twice the column"
            raise BadOrdersError(f"{name}: {problem} {column}; its first line must name the columns")
    seen: dict[str, int] = {}
    for cells in lines:
        if not any(cells):
            continue
        order = _order(f"{name}, line {lines.line_num}", dict(zip(header, cells, strict=False)))
        first = seen.setdefault(order.transaction_id, lines.line_num)
        if first != lines.line_num:
            raise BadOrdersError(
                f"{name}, line {lines.line_num}: transaction_id {order.transaction_id} stands on line {first} already"
            )
        yield order


def _order(where: str, cells: Mapping[str, str]) -> CashbackRequest:
    given = {column: text.strip() for column, text in cells.items() if column in COLUMNS.values() and text.strip()}
    for column in REQUIRED:
        if column not in given:
            raise BadOrdersError(f"{where}: {column} is empty")
    try:
        return CashbackRequest(
            player_unique_id=given["player_unique_id"],
            transaction_id=given["transaction_id"],
            amount=_amount(given["amount"]),
            email=given.get("email"),
            mobile=given.get("mobile"),
            transaction_time=_time(given["transaction_time"]) if "transaction_time" in given else None,
        )
    except InvalidRequestError as error:
        raise BadOrdersError(f"{where}: {error.message}") from None


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidRequestError(f"amount must be a number such as 99.98, not {text!r}", field="amount") from None


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequestError(
            f"transaction_time must be a time such as 2019-09-19T16:14:09Z, not {text!r}", field="transaction_time"
        ) from None

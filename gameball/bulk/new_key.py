"""Another API key for a journal: whether it is one of the same account, by a row that the account has."""

import os
from typing import Any

from attrs import evolve

from gameball.bulk.journal.contents import AppliedRow
from gameball.core.delivery import UNCACHED, Delivery
from gameball.core.operation import Operation
from gameball.errors import JournalError
from gameball.models.transactions import TransactionFilter
from gameball.resources.lookup import LookupPage
from gameball.resources.transactions import transaction_page


async def check_applied(delivery: Delivery, journal: str | os.PathLike[str], applied: AppliedRow | None) -> None:
    """Refuse unless the account of these keys has a row as the journal knows it; one read.

    Raises:
        JournalError: It has not, or there is no such row.
        GameballError: The read failed.
    """
    if applied is None:
        raise JournalError(
            f"journal {os.fspath(journal)} has no applied row that would show whose account it is: resume it with the"
            " key that it was made with, or run its rows with a new journal (what was applied is recognised by its id)"
        )
    read: Operation[Any] = transaction_page(TransactionFilter(transaction_id=applied.transaction_id))
    page: LookupPage = await delivery.send(evolve(read, returns=LookupPage, headers=UNCACHED))
    if not any(
        row.transaction_id == applied.transaction_id
        and row.player_unique_id == applied.player_unique_id
        and row.gameball_transaction_id == applied.gameball_transaction_id
        for row in page.transactions
    ):
        raise JournalError(
            f"journal {os.fspath(journal)}: the account of this key does not show rows[{applied.number}]"
            f" (transaction_id={applied.transaction_id}) as the journal has it: it is another account, or its list"
            " lags; nothing was sent"
        )

"""How a run is put together: reader, queue, breaker and sender, under a runner."""

import asyncio
import os
from functools import partial
from typing import Literal

from gameball.bulk.batch_sender import START, BatchSender
from gameball.bulk.breaker import CircuitBreaker, Resends
from gameball.bulk.journal.contents import Account
from gameball.bulk.journal.queue import JournalQueue
from gameball.bulk.new_key import check_applied
from gameball.bulk.queue import MemoryQueue, Queue
from gameball.bulk.reader import Reader, Rows, reader_of
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import KINDS
from gameball.bulk.runner import Runner, prepared
from gameball.bulk.sender import CallSender, Sender
from gameball.bulk.tally import Tally
from gameball.core.delivery import Delivery
from gameball.core.loop_thread import running_loop
from gameball.core.methods import Async, Sync
from gameball.core.operation import Signature
from gameball.models.shared import check_whole, refuse
from gameball.settings import LONGEST

Via = Literal["calls", "batches"]
"""How rows are sent: each by a call of its own, or up to 1000 in a batch."""


async def start(
    mode: type[Async] | type[Sync],
    delivery: Delivery,
    address: str,
    rows: Rows | None,
    journal: str | os.PathLike[str] | None,
    *,
    via: Via | None,
    concurrency: int,
    patience: float,
    lookup_time: float | None,
    new_key: bool = False,
) -> Runner:
    """Check everything, and load the journal; nothing is sent before the runner is asked for results.

    Args:
        mode: Whether rows are read in the thread of a plain caller.
        delivery: The client's.
        address: The API's, to which the journal belongs.
        rows: None to resume a journal.
        journal: None where none is kept.
        via: None for as before.
        concurrency: See `Bulk.run()`.
        patience: The same.
        lookup_time: The same.
        new_key: See `Bulk.resume()`.

    Raises:
        InvalidRequestError: A row or an argument breaks a rule.
        CredentialsError: The client has no keys.
        JournalError: The journal cannot be used.
    """
    running_loop()
    check_whole("concurrency", concurrency, 1, 10_000)
    if via not in ("calls", "batches", None):
        raise refuse("via", 'must be "calls" or "batches"')
    _check_seconds("patience", patience)
    if lookup_time is not None:
        _check_seconds("lookup_time", lookup_time)
    delivery.check(Signature.BOTH_KEYS)
    kinds = tuple(START) if via == "batches" else tuple(KINDS)
    reader = None if rows is None else reader_of(rows, mode, kinds)
    queue: Queue
    if journal is not None:
        queue, by_batches = await _open(
            delivery,
            Account(api_key=delivery.credentials.api_key, base_url=address),
            journal,
            reader,
            via,
            new_key=new_key,
        )
        report = queue.report
        hint = f"resume it with the journal {os.fspath(journal)}"
    else:
        assert reader is not None  # noqa: S101 (for the type checkers: whoever brings no rows brings a journal)
        report, by_batches = BulkReport(), via == "batches"
        queue = MemoryQueue(reader, report)
        hint = "without a journal it cannot be resumed"
    news = asyncio.Event()
    breaker = CircuitBreaker(
        BatchSender.at_once if by_batches else concurrency, patience, delivery.waits.first_pause, wake=news.set
    )
    tally = Tally(report, breaker)
    prepared_delivery = prepared(delivery, tally, Resends(breaker=breaker), concurrency)
    sender: Sender = (
        BatchSender(
            prepared_delivery, breaker, concurrency, queue.record_batch, patience=patience, lookup_time=lookup_time
        )
        if by_batches
        else CallSender(prepared_delivery, breaker, concurrency)
    )
    return Runner(
        queue, sender, breaker, news, tally, observers=delivery.observers, leaving=delivery.waits.leaving, hint=hint
    )


async def _open(
    delivery: Delivery,
    account: Account,
    journal: str | os.PathLike[str],
    reader: Reader | None,
    via: Via | None,
    *,
    new_key: bool,
) -> tuple[JournalQueue, bool]:
    """The queue in a journal, and whether its rows go by batches."""
    try:
        check = partial(check_applied, delivery, journal) if new_key else None
        queue = await JournalQueue.open(journal, reader, account, via, check_applied=check)
    finally:
        if reader is not None:
            await reader.close()
    contents = queue.contents
    by_batches = (via or contents.via) == "batches"
    refused = ""
    if by_batches and not contents.kinds <= {KINDS[kind] for kind in START}:
        refused = 'cannot be "batches": the journal has rows of other kinds'
    elif contents.in_batches and via == "calls":
        refused = 'cannot be "calls" yet: rows of a batch are in doubt, and only "batches" can find out about them'
    if refused:
        await queue.close()
        raise refuse("via", refused)
    return queue, by_batches or contents.in_batches


def _check_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
        raise refuse(name, "must be a number of seconds")

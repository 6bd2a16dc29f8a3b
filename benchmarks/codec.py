"""What models cost: a page and a configuration decoded, a batch encoded."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

import msgspec

from benchmarks import answers
from benchmarks.measure import AsyncCall, Contender, Effort, Work, awaited, repeated, side_by_side
from benchmarks.mirrors import pydantic_model, struct
from benchmarks.peers import KEYS
from benchmarks.server import serving
from benchmarks.table import Table, Target, compared
from gameball import AsyncGameball, CashbackRequest, Configuration, Operation, TransactionPage
from gameball.core import codec
from gameball.core.http import Response
from gameball.models.transactions import TransactionFilter
from gameball.resources import batches, configurations, transactions

ROWS: Final = 1000
CONCURRENCY: Final = 100


def page(effort: Effort) -> Iterator[Table]:
    """A page of 200 transactions, decoded."""
    operation = transactions.transaction_page(TransactionFilter(limit=200))
    yield _decoded("page: 200 transactions decoded", operation, answers.PAGE, TransactionPage, effort, limit=6.5)


def configuration(effort: Effort) -> Iterator[Table]:
    """The account's configuration, decoded."""
    operation = configurations.configuration()
    title = f"configuration: {len(answers.CONFIGURATION):,} bytes decoded"
    yield _decoded(title, operation, answers.CONFIGURATION, Configuration, effort)


def _decoded(
    title: str, operation: Operation[Any], body: bytes, kind: type, effort: Effort, *, limit: float | None = None
) -> Table:
    answer = Response(status=200, headers={}, body=body)
    contenders = [
        Contender("Gameball, frozen models", repeated(partial(codec.decode, operation, answer))),
        Contender("msgspec structs", repeated(partial(msgspec.json.Decoder(struct(kind)).decode, body))),
        Contender(
            "msgspec structs, frozen", repeated(partial(msgspec.json.Decoder(struct(kind, frozen=True)).decode, body))
        ),
        Contender("pydantic, frozen", partial(_validated, kind, body)),
        Contender("json, dicts", repeated(partial(json.loads, body))),
        Contender("json, dicts, exact decimals", repeated(partial(json.loads, body, parse_float=Decimal))),
    ]
    comparison = side_by_side(contenders, effort)
    ours, structs = comparison.measured[:2]
    targets = [] if limit is None else [Target("against msgspec structs", ours.cpu_against(structs), "at most", limit)]
    return compared(title, comparison, "answer", targets=targets)


def _validated(kind: type, body: bytes) -> AbstractContextManager[Work]:
    return repeated(partial(pydantic_model(kind).model_validate_json, body))()


def batch(effort: Effort) -> Iterator[Table]:
    """A batch of 1000 cashbacks: encoded, then sent."""
    yield _encoded(effort)
    with serving() as address:
        yield _sent(address, effort)


def _rows() -> list[CashbackRequest]:
    start = datetime(2026, 1, 1, 12, tzinfo=UTC)
    return [
        CashbackRequest(
            player_unique_id=f"player{number}",
            transaction_id=f"order{number}",
            amount=Decimal(1000 + number) / 100,
            transaction_time=start + timedelta(microseconds=number),
        )
        for number in range(ROWS)
    ]


def _dicts(rows: list[CashbackRequest]) -> list[dict[str, Any]]:
    """The rows as people write them by hand."""
    return [
        {
            "playerUniqueId": row.player_unique_id,
            "transactionId": row.transaction_id,
            "amount": float(row.amount),
            "transactionTime": row.transaction_time.isoformat().replace("+00:00", "Z"),
        }
        for row in rows
        if row.transaction_time is not None
    ]


def _enveloped(body: Any) -> Any:
    return {"method": "POST", "operation": "cashback", "params": {}, "body": body}


def _encoded(effort: Effort) -> Table:
    rows = _rows()
    operation = batches.start_cashback(rows)
    ready = _enveloped(_dicts(rows))
    contenders = [
        Contender("Gameball", repeated(lambda: codec.encode(operation))),
        Contender("Gameball, checked and encoded", repeated(lambda: codec.encode(batches.start_cashback(rows)))),
        Contender("json.dumps of dicts", repeated(lambda: json.dumps(_enveloped(_dicts(rows))))),
        Contender("json.dumps of dicts made before", repeated(lambda: json.dumps(ready))),
    ]
    comparison = side_by_side(contenders, effort)
    ours, _, by_hand, _ = comparison.measured
    target = Target("against json.dumps of dicts", ours.cpu_against(by_hand), "at most", 0.5)
    return compared(f"batch: {ROWS} rows encoded", comparison, "batch", targets=[target])


def _sent(address: str, effort: Effort) -> Table:
    rows = _rows()

    @asynccontextmanager
    async def in_batches() -> AsyncIterator[AsyncCall]:
        async with AsyncGameball(*KEYS, base_url=address) as client:
            yield lambda _: client.batches.start_cashback(rows)

    @asynccontextmanager
    async def one_by_one() -> AsyncIterator[AsyncCall]:
        async with AsyncGameball(*KEYS, base_url=address) as client:
            yield lambda number: client.send(transactions.cashback(rows[number % ROWS]))

    @contextmanager
    def counted_in_rows() -> Iterator[Work]:
        with awaited(in_batches, 1)() as start:
            yield lambda count: start(count // ROWS)

    contenders = [
        Contender(f"a batch of {ROWS}", counted_in_rows),
        Contender(f"single calls, {CONCURRENCY} at a time", awaited(one_by_one, CONCURRENCY)),
    ]
    comparison = side_by_side(contenders, effort, step=ROWS)
    together, single = comparison.measured
    target = Target("CPU of a single call against a row in a batch", single.cpu_against(together), "at least", 40)
    return compared("batch: sent", comparison, "row", targets=[target])

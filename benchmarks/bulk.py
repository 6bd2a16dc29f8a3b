"""Many rows: streamed through a bulk run, without and with a journal."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

from attrs import evolve

from benchmarks import peers
from benchmarks.measure import (
    AsyncWork,
    Comparison,
    Contender,
    Effort,
    Figure,
    awaited,
    in_threads,
    on_a_loop,
    side_by_side,
)
from benchmarks.server import serving
from benchmarks.table import Table, Target, compared, limit
from gameball import AsyncGameball, CashbackRequest

AMOUNT: Final = Decimal("99.98")
PLAYERS: Final = 10_000
LATENCY: Final = 0.05
WARM_UP: Final = 500
REQUESTS: Final = "requests, threads"


def orders(count: int) -> Iterator[CashbackRequest]:
    """Rows as a file or a database would give them: made one by one, as they are asked for."""
    for number in range(count):
        yield CashbackRequest(
            player_unique_id=f"player{number % PLAYERS}", transaction_id=f"order{number}", amount=AMOUNT
        )


@asynccontextmanager
async def streaming(address: str, concurrency: int, *, durable: bool = False) -> AsyncIterator[AsyncWork]:
    """Rows through `client.bulk.stream`, each result looked at; with a journal, a new one for each run."""
    async with AsyncGameball(*peers.KEYS, base_url=address, connections=concurrency) as client:

        async def work(count: int) -> None:
            with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
                journal = Path(folder, "journal.db") if durable else None
                results = client.bulk.stream(orders(count), journal=journal, concurrency=concurrency)
                applied = 0
                async for result in results:
                    applied += result.state == "applied"
            if applied != count:
                raise RuntimeError(f"{count - applied} of {count} rows were not applied")

        yield work


def fanout(effort: Effort) -> Iterator[Table]:
    """20,000 rows with streamed results, at 0 ms and at 50 ms."""
    with serving() as address:
        comparison = _streamed(address, 100, effort)
    targets: list[Target] = []
    if theirs := comparison.get(REQUESTS):
        faster = theirs.wall_against(comparison.measured[0])
        targets = [Target("throughput against requests", faster, "at least", limit(5.5, 5))]
    yield compared(f"fanout: {_rows(effort):,} rows, 100 at a time", comparison, "row", targets=targets)

    with serving(latency=LATENCY) as address:
        for concurrency, share in ((100, 0.95), (500, 0.75)):
            comparison = _streamed(address, concurrency, effort)
            possible = concurrency / LATENCY
            reached = Figure.over([1 / turn.wall / possible for turn in comparison.measured[0].turns])
            target = Target(f"share of the {possible:,.0f} rows/s that are possible", reached, "at least", share, "%")
            title = f"fanout: {_rows(effort):,} rows, {concurrency} at a time, an answer after 50 ms"
            yield compared(title, comparison, "row", targets=[target])


def _rows(effort: Effort) -> int:
    return effort.of(full=20_000, quick=1_000)


def _few_rounds(effort: Effort) -> Effort:
    """Here a turn is long, and its size given."""
    return evolve(effort, rounds=effort.of(full=3, quick=1))


def _streamed(address: str, concurrency: int, effort: Effort) -> Comparison:
    contenders = [
        Contender("Gameball, bulk.stream", on_a_loop(partial(streaming, address, concurrency))),
        Contender("plain aiohttp, workers", awaited(partial(peers.aiohttp, address, concurrency), concurrency)),
        Contender(REQUESTS, in_threads(partial(peers.requests_each, address, concurrency))),
    ]
    return side_by_side(contenders, _few_rounds(effort), step=WARM_UP, count=_rows(effort))


def journal(effort: Effort) -> Iterator[Table]:
    """What a journal costs, when answers take 5 ms."""
    with serving(latency=0.005) as address:
        contenders = [
            Contender("with a journal", on_a_loop(partial(streaming, address, 64, durable=True))),
            Contender("without", on_a_loop(partial(streaming, address, 64))),
        ]
        comparison = side_by_side(contenders, _few_rounds(effort), step=WARM_UP, count=_rows(effort))
    kept, forgotten = comparison.measured
    cost = Figure.over([1 - b.wall / a.wall for a, b in zip(kept.turns, forgotten.turns, strict=True)])
    target = Target("the journal's cost in throughput", cost, "at most", 0.05, "%")
    title = f"journal: {_rows(effort):,} rows, 64 at a time, an answer after 5 ms"
    yield compared(title, comparison, "row", targets=[target])

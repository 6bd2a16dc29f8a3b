"""Many rows: planned, and streamed through a bulk run, without and with a journal."""

import csv
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
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
    Opened,
    awaited,
    in_threads,
    on_a_loop,
    side_by_side,
)
from benchmarks.server import serving
from benchmarks.table import Table, Target, compared, limit
from gameball import AsyncGameball, CashbackRequest
from gameball.bulk.report import Planner, SeenIds
from gameball.cli.rows_file import RowsFile

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


def plan(effort: Effort) -> Iterator[Table]:
    """A file of cashbacks with times planned, as the command does it: read, checked, added up, searched for repeats."""
    yield _planned(effort.of(full=50_000, quick=1_000), _few_rounds(effort))
    if effort.million:
        yield _planned(1_000_000, evolve(effort, rounds=1))


def _planned(count: int, effort: Effort) -> Table:
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        files = {rows: Path(folder, f"{rows}.csv") for rows in (WARM_UP, count)}
        for rows, file in files.items():
            _write_cashbacks(file, rows)
        contenders = [
            Contender("Gameball, plan", _planning(files, _by_the_command)),
            Contender("csv and sets, by hand", _planning(files, _by_hand)),
        ]
        comparison = side_by_side(contenders, effort, step=WARM_UP, count=count)
    return compared(f"plan: a file of {count:,} cashbacks with times", comparison, "row")


def _planning(files: Mapping[int, Path], planner: Callable[[Path], int]) -> Opened:
    def work(count: int) -> None:
        if (rows := planner(files[count])) != count:
            raise RuntimeError(f"{rows} of {count} rows were planned")

    return lambda: nullcontext(work)


def _by_the_command(file: Path) -> int:
    with RowsFile(file) as rows, SeenIds() as seen:
        planner = Planner(seen, distinct=True)
        planner.add(rows)
        return planner.plan(None).rows


def _by_hand(file: Path) -> int:
    ids: set[str] = set()
    times: set[tuple[str, datetime]] = set()
    total, now = Decimal(0), datetime.now(UTC)
    repeated, clashes, future = 0, 0, 0
    with file.open(newline="", encoding="utf-8") as text:
        for row in csv.DictReader(text):
            paid = datetime.fromisoformat(row["transaction_time"])
            player_and_time = (row["player_unique_id"], paid)
            total += Decimal(row["amount"])
            repeated += row["transaction_id"] in ids
            clashes += player_and_time in times
            future += paid > now
            ids.add(row["transaction_id"])
            times.add(player_and_time)
    return len(ids) + repeated


def _write_cashbacks(file: Path, count: int) -> None:
    """Rows in no order of their ids, players or times, as exports are."""
    chance = random.Random(count)  # noqa: S311 (figures, not secrets)
    began = datetime(2024, 1, 1, tzinfo=UTC)
    with file.open("w", newline="", encoding="utf-8") as text:
        rows = csv.writer(text)
        rows.writerow(("player_unique_id", "transaction_id", "amount", "transaction_time"))
        for number in range(count):
            paid = began + timedelta(seconds=chance.randrange(30_000_000))
            order = f"order-{chance.randrange(10**9):09}-{number}"
            amount = Decimal(chance.randrange(100, 100_000)).scaleb(-2)
            rows.writerow((f"player{chance.randrange(count)}", order, amount, paid.isoformat()))

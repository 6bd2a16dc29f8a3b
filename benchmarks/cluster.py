"""A run from two worker processes beside the same run from one, on this machine."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from typing import Any, Final

from attrs import evolve

from benchmarks import peers
from benchmarks.bulk import orders
from benchmarks.measure import Contender, Effort, Figure, Work, side_by_side
from benchmarks.server import CORES, pin, serving
from benchmarks.table import Table, Target

WARM_UP: Final = 200
GOAL: Final = 1.6


def cluster(effort: Effort) -> Iterator[Table]:
    """Rows from two workers and from one: where the processor holds them up, and where waiting for answers does."""
    yield _compared(effort, effort.of(full=20_000, quick=400), concurrency=64, latency=0.005)
    yield _compared(effort, effort.of(full=1_000, quick=100), concurrency=8, latency=0.2)


def _compared(effort: Effort, rows: int, *, concurrency: int, latency: float) -> Table:
    title = f"cluster: {rows:,} rows, {concurrency} at a time of each worker, an answer after {latency * 1000:g} ms"
    columns = ("", "rows/s, planned and sent", "spread", "rows/s, sent", "spread")
    sending: dict[int, list[float]] = {1: [], 2: []}
    with ExitStack() as stack:
        stack.callback(pin, 0, CORES[:1])
        pin(0, CORES)  # workers go where this process may go
        address = stack.enter_context(serving(latency=latency))
        stack.enter_context(_environment(address))
        contenders = [
            Contender(f"{count} worker{'s' * (count > 1)}", partial(_workers, count, concurrency, sending[count]))
            for count in sending
        ]
        few = evolve(effort, rounds=effort.of(full=3, quick=1))
        comparison = side_by_side(contenders, few, step=min(WARM_UP, rows), count=rows)
    if comparison.absent:
        return Table(title, columns, (), notes=[f"{comparison.absent[0]} is not installed: left out"])
    one_worker, two_workers = comparison.measured
    sent = {count: seconds[1:] for count, seconds in sending.items()}  # without the warm-up
    figures = [
        (measured.wall, Figure.over([seconds / rows for seconds in sent[count]]))
        for count, measured in zip(sent, comparison.measured, strict=True)
    ]
    faster = Figure.over([alone / both for alone, both in zip(sent[1], sent[2], strict=True)])
    return Table(
        title,
        columns,
        [
            (
                measured.name,
                round(1 / whole.middle),
                f"{whole.spread:.0%}",
                round(1 / alone.middle),
                f"{alone.spread:.0%}",
            )
            for measured, (whole, alone) in zip(comparison.measured, figures, strict=True)
        ],
        [
            Target("two workers against one, sent", faster, "at least", GOAL),
            Target("two workers against one, planned and sent", one_worker.wall_against(two_workers), "at least", GOAL),
        ],
        notes=[f"{len(CORES) or os.cpu_count()} cores, for the workers, the server and what plans the run together"],
    )


@contextmanager
def _environment(address: str) -> Iterator[None]:
    """The keys, where workers look for them."""
    ours: Mapping[str, str] = dict(
        zip(("GAMEBALL_API_KEY", "GAMEBALL_SECRET_KEY", "GAMEBALL_BASE_URL"), (*peers.KEYS, address), strict=True)
    )
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _workers(count: int, concurrency: int, sending: list[float]) -> Iterator[Work]:
    """Runs of that many processes, each in a new directory; `sending` gets the seconds after the plan."""
    distributed: Any = import_module("distributed")
    run_on_cluster = import_module("gameball.bulk.cluster").run_on_cluster

    with (
        distributed.LocalCluster(
            n_workers=count, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
        ) as local,
        distributed.Client(local) as client,
    ):

        def work(rows: int) -> None:
            with tempfile.TemporaryDirectory(prefix="benchmarks-") as directory:
                report = run_on_cluster(client, orders(rows), directory=directory, concurrency=concurrency)
            if report.applied != rows:
                raise RuntimeError(f"{rows - report.applied} of {rows} rows were not applied")
            sending.append(report.seconds)

        yield work

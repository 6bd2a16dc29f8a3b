"""How much memory a bulk run takes, each in a process of its own."""

import asyncio
import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final

from attrs import asdict, frozen

from benchmarks.bulk import streaming
from benchmarks.measure import Effort
from benchmarks.server import serving
from benchmarks.table import Table, Target

CONCURRENCY: Final = 64
WARM_UP: Final = 2_000
STATUS: Final = Path("/proc/self/status")


@frozen
class Taken:
    """Megabytes before the run and at its peak, and how fast it was."""

    before: float
    peak: float
    rows_per_second: float

    @property
    def growth(self) -> float:
        """Megabytes that the run added."""
        return self.peak - self.before


def memory(effort: Effort) -> Iterator[Table]:
    """What a run of few rows and one of many take, without and with a journal."""
    title = "memory: one bulk run in a process of its own"
    columns = ("", "before, MB", "peak, MB", "growth, MB", "rows/s")
    if not STATUS.exists():
        yield Table(title, columns, (), notes=["this system keeps no record of a process's peak: left out"])
        return
    few, many = effort.of(full=20_000, quick=2_000), effort.of(full=200_000, quick=6_000)
    counts = [few, many, *([10_000, 1_000_000] if effort.million else [])]
    with serving() as address:
        taken = {
            (rows, kept): _in_a_process(address, rows, durable=kept) for kept, rows in product((False, True), counts)
        }
    rows = [
        (
            f"{count:,} rows, {'a' if durable else 'no'} journal",
            round(one.before, 1),
            round(one.peak, 1),
            round(one.growth, 1),
            round(one.rows_per_second),
        )
        for (count, durable), one in taken.items()
    ]
    targets: list[Target] = []
    for durable in (False, True):
        small, large = taken[few, durable], taken[many, durable]
        words = "a journal" if durable else "no journal"
        targets += [
            Target(f"growth over {many:,} rows, {words}", large.growth, "at most", 5, "MB"),
            Target(f"beyond that of {few:,} rows, {words}", large.growth - small.growth, "at most", 1, "MB"),
        ]
        if effort.million:
            beyond = taken[1_000_000, durable].peak - taken[10_000, durable].peak
            targets.append(Target(f"peak of 1,000,000 rows beyond that of 10,000, {words}", beyond, "at most", 5, "MB"))
    yield Table(title, columns, rows, targets)


def _in_a_process(address: str, rows: int, *, durable: bool) -> Taken:
    command = [sys.executable, "-m", "benchmarks.memory", address, str(rows), str(int(durable))]
    return Taken(**json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


async def _run(address: str, rows: int, *, durable: bool) -> Taken:
    async with streaming(address, CONCURRENCY, durable=durable) as work:
        await work(WARM_UP)
        gc.collect()
        before = _megabytes("VmRSS")
        _forget_the_peak()
        start = time.perf_counter()
        await work(rows)
        return Taken(before, _megabytes("VmHWM"), rows / (time.perf_counter() - start))


def _forget_the_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _megabytes(name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", STATUS.read_text(encoding="ascii"), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    _, server, many, with_journal = sys.argv
    print(json.dumps(asdict(asyncio.run(_run(server, int(many), durable=bool(int(with_journal)))))))

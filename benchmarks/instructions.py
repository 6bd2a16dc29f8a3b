"""Instructions of one call, counted by valgrind: a busy machine does not move them, so that a dearer call shows.

A count is the difference of two processes, of which one makes more calls. What the system does on their behalf is not
counted, nor what the server does.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import peers
from benchmarks.measure import Effort, Opened, awaited, one_by_one
from benchmarks.server import serving
from benchmarks.table import Table

CONCURRENCY: Final = 100
FEWER: Final = 500
"""Calls of the shorter process, with all that is done at first use."""

AWAITED: Final = {
    "Gameball": peers.gameball,
    "plain aiohttp": peers.aiohttp,
    "aiohttp, a careful team's": peers.careful_aiohttp,
}
ONE_BY_ONE: Final = {"Gameball": peers.plain_gameball, "requests": peers.requests}
COUNTED: Final[Mapping[str, tuple[str, ...]]] = {"call": tuple(AWAITED), "plain": tuple(ONE_BY_ONE)}
"""Scenarios, and whose calls are counted: ours first."""

_COUNT: Final = re.compile(r"I\s+refs:\s+([\d,]+)")


def counted(effort: Effort, scenario: str) -> Iterator[Table]:
    """The instructions of a scenario's call, and of the difference: our own code."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        yield Table(f"{scenario}: not counted", ("",), (), notes=["valgrind is not installed"])
        return
    more = FEWER + effort.of(full=2000, quick=CONCURRENCY)
    with serving() as address:

        def count(peer: str) -> int:
            short, long = (_instructions(valgrind, scenario, peer, address, calls) for calls in (FEWER, more))
            return round((long - short) / (more - FEWER))

        counts = {peer: count(peer) for peer in COUNTED[scenario] if _is_there(scenario, peer, address)}
    ours, theirs, *_ = counts.values()
    yield Table(
        f"{scenario}: instructions",
        ("", "instructions/call", "ratio"),
        [(peer, number, round(ours / number, 3)) for peer, number in counts.items()],
        notes=[f"own code: {ours - theirs:,}"],
    )


def _instructions(valgrind: str, scenario: str, peer: str, address: str, calls: int) -> int:
    """Instructions of a process that makes so many calls."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        log = Path(folder, "log")
        options = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", f"--log-file={log}"]
        work = [sys.executable, "-m", __name__, scenario, peer, address, str(calls)]
        subprocess.run([valgrind, *options, *work], check=True, env={**os.environ, "PYTHONHASHSEED": "0"})
        found = _COUNT.search(log.read_text())
    assert found is not None
    return int(found[1].replace(",", ""))


def _is_there(scenario: str, peer: str, address: str) -> bool:
    """Whether all that a peer needs is installed."""
    try:
        with _opener(scenario, peer, address)():
            return True
    except ModuleNotFoundError:
        return False


def _opener(scenario: str, peer: str, address: str) -> Opened:
    if scenario == "call":
        return awaited(partial(AWAITED[peer], address, CONCURRENCY), CONCURRENCY)
    return one_by_one(partial(ONE_BY_ONE[peer], address))


if __name__ == "__main__":
    _, scenario, peer, address, calls = sys.argv
    with _opener(scenario, peer, address)() as work:
        work(int(calls))

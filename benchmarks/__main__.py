"""The command: `python -m benchmarks [NAME ...] [--quick] [--json] [--instructions]`."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from attrs import evolve

from benchmarks import bulk, calls, cluster, codec, imports, memory
from benchmarks.instructions import COUNTED, counted
from benchmarks.measure import FULL, QUICK, Effort
from benchmarks.server import CORES, pin
from benchmarks.table import Table, plain, summary, text

SCENARIOS: Final[Mapping[str, Callable[[Effort], Iterator[Table]]]] = {
    "typed": calls.typed,
    "call": calls.call,
    "plain": calls.plain,
    "threads": calls.threads,
    "fanout": bulk.fanout,
    "journal": bulk.journal,
    "plan": bulk.plan,
    "cluster": cluster.cluster,
    "memory": memory.memory,
    "page": codec.page,
    "batch": codec.batch,
    "configuration": codec.configuration,
    "imports": imports.imports,
}

PACKAGES: Final = (
    "gameball",
    "aiohttp",
    "msgspec",
    "cattrs",
    "requests",
    "urllib3",
    "httpx",
    "pydantic",
    "uvloop",
    "tenacity",
    "openai",
    "stripe",
)


def main() -> int:
    """Run the scenarios, all unless some are named; 2 when a name is none of theirs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Side by side with the peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="see that all works; the figures are rough")
    parser.add_argument(
        "--million", action="store_true", help="memory, plan: a million rows as well, which take minutes"
    )
    parser.add_argument("--instructions", action="store_true", help=f"count instructions instead: {', '.join(COUNTED)}")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    arguments = parser.parse_args()
    scenarios = {name: partial(counted, scenario=name) for name in COUNTED} if arguments.instructions else SCENARIOS
    for name in arguments.names:
        if name not in scenarios:
            print(f"There is no scenario {name!r}; there are {', '.join(scenarios)}.", file=sys.stderr)
            return 2
    pin(0, CORES[:1])
    effort = evolve(QUICK if arguments.quick else FULL, million=arguments.million)
    tables: list[Table] = []
    found = surroundings()
    if not arguments.json:
        print(", ".join(f"{what} {figure}" for what, figure in found.items()), flush=True)
    for name in arguments.names or scenarios:
        for table in scenarios[name](effort):
            tables.append(table)
            if not arguments.json:
                print(f"\n{text(table)}", flush=True)
    if not arguments.json and len(tables) > 1:
        print(f"\n{text(summary(tables))}")
    if arguments.json:
        print(json.dumps({"surroundings": found, "tables": [plain(table) for table in tables]}, indent=2))
    return 0


def surroundings() -> Mapping[str, str]:
    """What the figures hold for, and how busy the machine was before."""
    found = {"Python": platform.python_version(), "load average": f"{os.getloadavg()[0]:.1f}"}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())

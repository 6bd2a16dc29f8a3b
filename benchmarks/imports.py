"""What it takes to import the package."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Final

from benchmarks.measure import Comparison, Effort, Measured, Turn
from benchmarks.table import Table, Target, compared

NAMED: Final = "its client named"

IMPORTS: Final[Mapping[str, str]] = {
    "import gameball": "import gameball",
    NAMED: "from gameball import Gameball",
    "a client made": "from gameball import Gameball; Gameball('api-key', 'secret-key')",
    "import requests": "import requests",
    "import aiohttp": "import aiohttp",
    "import httpx": "import httpx",
}
"""The first is the one that the others are compared with."""

PROGRAM: Final = """\
import json, sys, time
wall, cpu = time.perf_counter(), time.process_time()
{}
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
print(json.dumps([cpu, wall, sum("aiohttp" in name for name in sys.modules)]))
"""


def imports(effort: Effort) -> Iterator[Table]:
    """Imports, each in an interpreter of its own."""
    turns: dict[str, list[Turn]] = {}
    aiohttp: dict[str, int] = {}
    absent: list[str] = []
    for name, statement in IMPORTS.items():
        package = statement.split()[1]
        if find_spec(package) is None:
            absent.append(package)
        else:
            turns[name] = []
            _imported(statement)  # what is compiled at the first import is so before the first turn
    for _ in range(effort.of(full=15, quick=3)):
        for name, taken in turns.items():
            turn, aiohttp[name] = _imported(IMPORTS[name])
            taken.append(turn)
    comparison = Comparison([Measured(name, taken) for name, taken in turns.items()], absent)
    ours = comparison.measured[0]
    targets = [Target("aiohttp loaded before the first client", aiohttp[NAMED], "at most", 0, "modules")]
    if theirs := comparison.get("import requests"):
        targets.insert(0, Target("CPU against `import requests`", ours.cpu_against(theirs), "at most", 1.0))
    yield compared("imports: each in an interpreter of its own", comparison, "import", targets=targets)


def _imported(statement: str) -> tuple[Turn, int]:
    """What the statement took, and how many modules of aiohttp were loaded after it."""
    command = [sys.executable, "-c", PROGRAM.format(statement)]
    cpu, wall, modules = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return Turn(cpu, wall), modules

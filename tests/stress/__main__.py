"""`python -m tests.stress --seeds 200`: random faults against the promises, and a table of what came out."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.stress.scenarios import SCENARIOS, Result
from tests.stress.timing import MARGIN

AGAIN = 2


def run(name: str, seed: int, scale: float = 1.0) -> Result:
    """One run, as large as `scale` says; again, if a promise broke while the machine stood still for too long."""
    for _ in range(AGAIN):
        result = SCENARIOS[name](seed, scale)
        if not result.violations or result.stall < MARGIN / 2:
            return result
    return SCENARIOS[name](seed, scale)


def main() -> int:
    """Run the seeds; the exit code is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds; each runs one scenario, in turn")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--scenario", choices=SCENARIOS, help="only this one")
    parser.add_argument("--seconds", type=float, default=3600, help="no further seed is started after so long")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    names = [options.scenario] if options.scenario else list(SCENARIOS)
    jobs = [(names[seed % len(names)], seed) for seed in range(options.first, options.first + options.seeds)]
    until = time.monotonic() + options.seconds
    results: list[Result] = []
    for result in _results(jobs, options.processes, until):
        results.append(result)
        for violation in result.violations:
            print(f"{result.scenario}, seed {result.seed}: {violation}", flush=True)  # noqa: T201 - a command
        if len(results) % 10 == 0:
            print(f"{len(results)} of {len(jobs)} seeds", file=sys.stderr, flush=True)  # noqa: T201 - the same
    print("\n".join(_table(results)))  # noqa: T201 - the same
    return int(any(result.violations for result in results))


def _results(jobs: list[tuple[str, int]], processes: int, until: float) -> Iterator[Result]:
    if processes == 1:
        yield from (run(*job) for job in jobs if time.monotonic() < until)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(run, *zip(*jobs, strict=True))


def _table(results: Iterable[Result]) -> Iterator[str]:
    by_scenario: dict[str, list[Result]] = {}
    for result in results:
        by_scenario.setdefault(result.scenario, []).append(result)
    yield "| scenario | seeds | writes | outcomes | requests | faults | kills | longest call | broken |"
    yield "|---|---|---|---|---|---|---|---|---|"
    drawn = Counter[str]()
    for scenario, ones in by_scenario.items():
        outcomes = sum((one.outcomes for one in ones), Counter[str]())
        drawn += (faults := sum((one.drawn for one in ones), Counter[str]()))
        words = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
        longest = max(one.longest for one in ones)
        yield (
            f"| {scenario} | {len(ones)} | {outcomes.total()} | {words} | {sum(one.requests for one in ones)} | "
            f"{faults.total()} | {sum(one.kills for one in ones)} | {f'{longest:.1f} s' if longest else '-'} | "
            f"{sum(len(one.violations) for one in ones)} |"
        )
    yield ""
    yield "Faults: " + ", ".join(f"{count} {fault}" for fault, count in drawn.most_common())


if __name__ == "__main__":
    sys.exit(main())

"""One call: typed, timed and tried again; awaited, plain, and from many threads."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from benchmarks import peers
from benchmarks.measure import Comparison, Contender, Effort, awaited, in_threads, one_by_one, side_by_side
from benchmarks.server import serving
from benchmarks.table import Table, Target, compared, limit

CONCURRENCY: Final = (1, 10, 100, 500)
MOST_OF_HTTPX: Final = 100
THREADS: Final = 32
MANY_THREADS: Final = 100

GAMEBALL: Final = "Gameball"
ON_UVLOOP: Final = "Gameball, on uvloop"
PLAIN_AIOHTTP: Final = "plain aiohttp"
CAREFUL_AIOHTTP: Final = "aiohttp, a careful team's"
REQUESTS: Final = "requests"
REQUESTS_IN_THREADS: Final = f"requests, {MANY_THREADS} threads"


def typed(effort: Effort) -> Iterator[Table]:
    """A call that is typed, timed and tried again, 100 at a time: aiohttp with what a careful team adds, other SDKs."""
    at_once = MANY_THREADS
    with serving() as address:
        contenders = [
            Contender(GAMEBALL, awaited(partial(peers.gameball, address, at_once), at_once)),
            Contender(CAREFUL_AIOHTTP, awaited(partial(peers.careful_aiohttp, address, at_once), at_once)),
            Contender("openai's SDK, its own call", awaited(partial(peers.openai, address), at_once)),
            Contender("stripe's SDK, its own call", awaited(partial(peers.stripe, address), at_once)),
        ]
        comparison = side_by_side(contenders, effort, step=at_once)
    theirs = comparison.get(CAREFUL_AIOHTTP)
    against = [] if theirs is None else [comparison.measured[0].cpu_against(theirs)]
    targets = [Target(f"CPU against {CAREFUL_AIOHTTP}", figure, "at most", 0.75) for figure in against]
    yield compared(
        f"typed: a call that is typed, timed and tried again, {at_once} at a time", comparison, "call", targets=targets
    )


def call(effort: Effort) -> Iterator[Table]:
    """A call awaited, 1, 10, 100 and 500 at a time."""
    with serving() as address:
        for concurrency in CONCURRENCY:
            contenders = [
                Contender(GAMEBALL, awaited(partial(peers.gameball, address, concurrency), concurrency)),
                Contender(
                    "Gameball, observed",
                    awaited(partial(peers.gameball, address, concurrency, observed=True), concurrency),
                ),
                Contender(PLAIN_AIOHTTP, awaited(partial(peers.aiohttp, address, concurrency), concurrency)),
            ]
            notes = [f"httpx is left out: a call takes it milliseconds above {MOST_OF_HTTPX} at a time"]
            if concurrency <= MOST_OF_HTTPX:
                contenders.append(Contender("httpx", awaited(partial(peers.httpx, address, concurrency), concurrency)))
                notes = []
            if concurrency == MANY_THREADS:
                contenders += [
                    Contender(
                        ON_UVLOOP, awaited(partial(peers.gameball, address, concurrency), concurrency, peers.uvloop)
                    ),
                    Contender(
                        f"{PLAIN_AIOHTTP}, on uvloop",
                        awaited(partial(peers.aiohttp, address, concurrency), concurrency, peers.uvloop),
                    ),
                    Contender(REQUESTS_IN_THREADS, in_threads(partial(peers.requests_each, address, MANY_THREADS))),
                    Contender(
                        f"urllib3, {MANY_THREADS} threads",
                        in_threads(partial(peers.urllib3_shared, address, MANY_THREADS)),
                    ),
                ]
            # httpx makes so much of waking idle connections that a turn of one call each would show little else.
            comparison = side_by_side(contenders, effort, step=concurrency * effort.of(full=4, quick=1))
            yield compared(
                f"call: awaited, {concurrency} at a time",
                comparison,
                "call",
                targets=_call_targets(comparison) if concurrency == MANY_THREADS else (),
                notes=notes,
            )


def _call_targets(comparison: Comparison) -> Iterator[Target]:
    ours = comparison.measured[0]
    for name, most in ((PLAIN_AIOHTTP, 0.95), (REQUESTS_IN_THREADS, limit(0.18, 0.22))):
        if theirs := comparison.get(name):
            yield Target(f"CPU against {name}", ours.cpu_against(theirs), "at most", most)


def plain(effort: Effort) -> Iterator[Table]:
    """A plain call, one after the other."""
    with serving() as address:
        contenders = [
            Contender(GAMEBALL, one_by_one(partial(peers.plain_gameball, address))),
            Contender(ON_UVLOOP, one_by_one(partial(peers.plain_gameball, address, on_uvloop=True))),
            Contender(REQUESTS, one_by_one(partial(peers.requests, address))),
            Contender("httpx", one_by_one(partial(peers.plain_httpx, address))),
            Contender("urllib3", one_by_one(partial(peers.urllib3, address))),
        ]
        comparison = side_by_side(contenders, effort)
    ours = comparison.measured[0]
    targets: list[Target] = []
    if theirs := comparison.get(REQUESTS):
        targets = [
            Target("CPU against requests.Session", ours.cpu_against(theirs), "at most", limit(0.4, 0.5)),
            Target("wall against requests.Session", ours.wall_against(theirs), "at most", 0.6),
        ]
    yield compared("plain: one call after the other", comparison, "call", targets=targets)


def threads(effort: Effort) -> Iterator[Table]:
    """32 threads on one plain client."""
    with serving() as address:
        contenders = [
            Contender("Gameball, one client", in_threads(partial(peers.gameball_shared, address, THREADS))),
            Contender(ON_UVLOOP, in_threads(partial(peers.gameball_shared, address, THREADS, on_uvloop=True))),
            Contender(REQUESTS, in_threads(partial(peers.requests_each, address, THREADS))),
            Contender("urllib3, one pool", in_threads(partial(peers.urllib3_shared, address, THREADS))),
        ]
        comparison = side_by_side(contenders, effort, step=THREADS)
    ours = comparison.measured[0]
    targets: list[Target] = []
    if theirs := comparison.get(REQUESTS):
        faster = theirs.wall_against(ours)
        targets = [Target("throughput against requests, a session per thread", faster, "at least", 2.8)]
    yield compared(f"threads: {THREADS} threads", comparison, "call", targets=targets)

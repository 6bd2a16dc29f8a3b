"""What is run against the server, and what must hold afterwards."""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

from aiohttp import ClientSession

from gameball import AsyncGameball, Gameball, GameballError
from tests.stress.faults import Dice
from tests.stress.server import Server
from tests.stress.timing import GRACE, LATEST_EFFECT, LONGEST_LAG, RETRIES, TIMEOUTS, WAITS
from tests.support.programs import ForkServer
from tests.support.waits import with_waits

KEYS: Final = ("api-key-of-the-stress", "secret-key-of-the-stress")
CALLS: Final = 60
"""Calls in one run of single calls."""
ROWS: Final = 150
"""Rows in one bulk run."""
KILLS: Final = 4
RESTARTS: Final = 25
"""Restarts of a bulk run after which the server works well, so that every run ends."""
CANCELLED: Final = 0.3
"""The share of awaited calls that are cancelled, if they last long enough: half of them early, half at any time."""

CONNECTIONS: Final = (4, 20, 100)
OWN_SESSION: Final = 0.3
"""The share of seeds in which the awaited client is given a session of the caller's."""

Outcome = Literal["applied", "not_applied", "unknown", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call to make."""

    operation: str
    arguments: dict[str, Any]
    key: str
    """By which the ledger knows it."""
    cancel_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class End:
    """How a call ended."""

    call: Call
    outcome: Outcome
    value: Any = None
    error: BaseException | None = None
    seconds: float = 0.0


@dataclass
class Result:
    """What one run came to."""

    scenario: str
    seed: int
    outcomes: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    stall: float = 0.0
    requests: int = 0
    kills: int = 0
    drawn: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0

    def check(self, server: Server, key: str, outcome: str, value: Any = None, *, about: object = "") -> None:
        """Compare what became of a write with what the ledger has of it."""
        self.outcomes[outcome] += 1
        effects = server.ledger.of(key)
        if len(effects) > 1:
            self.violations.append(f"double: {key} took effect {len(effects)} times ({outcome}) {about}")
        elif outcome in {"applied", "already_applied"} and not effects:
            self.violations.append(f"missing: {key} is said to be applied {about}")
        elif outcome in {"not_applied", "rejected"} and effects:
            self.violations.append(f"false outcome: {key} is said not to be applied {about}")
        elif value is not None and str(effects[0].number) not in _numbers(value):
            self.violations.append(f"another's value: {key} is {effects[0].number}, and was given {value}")

    def note(self, server: Server) -> None:
        """Take the server's figures over."""
        self.stall, self.requests, self.drawn = server.stall, server.requests, server.drawn


def _numbers(value: Any) -> set[str]:
    rows = getattr(value, "order_transactions", None)
    named = [value] if rows is None else rows
    return {str(getattr(one, "gameball_transaction_id", None) or one.hold_reference) for one in named}


# --- single calls


def calls(seed: int, scale: float) -> list[Call]:
    """The calls of a seed, of every kind that moves points; amounts differ, by which holds are known."""
    dice = Dice(seed).of("calls")
    made: list[Call] = []
    for number in range(round(CALLS * scale)):
        key, amount = f"Order-{seed}-{number}", Decimal(number + 1)
        common = {"player_unique_id": f"player{number % 10}"}
        keyed = {**common, "transaction_id": key}
        operation, arguments = dice.choice(
            (
                ("cashback", {**keyed, "amount": amount}),
                ("cashback", {**keyed, "amount": amount}),
                ("manual", {**keyed, "points": number + 1, "username": "u", "reason": "r"}),
                ("redeem", {**keyed, "redeemed_amount": amount}),
                ("refund", {**keyed, "original_transaction_id": f"original {number}", "amount": amount}),
                ("hold", {**common, "amount": amount}),
            )
        )
        cancel_after = dice.uniform(0, dice.choice((0.05, 1.5))) if dice.random() < CANCELLED else None
        known = f"hold {number + 1}" if operation == "hold" else key
        made.append(Call(operation=operation, arguments=arguments, key=known, cancel_after=cancel_after))
    return made


def awaited(seed: int, scale: float = 1.0) -> Result:
    """Calls side by side on the awaited client; some are cancelled."""

    async def run(server: Server) -> list[End]:
        dice = Dice(seed).of("client")
        async with AsyncExitStack() as stack:
            own = await stack.enter_async_context(ClientSession()) if dice.random() < OWN_SESSION else None
            client = AsyncGameball(
                *KEYS,
                base_url=server.base_url,
                timeouts=TIMEOUTS,
                retries=RETRIES,
                connections=dice.choice(CONNECTIONS),
                session=own,
            )
            with_waits(await stack.enter_async_context(client), WAITS)
            return await asyncio.gather(*(_make(client, call) for call in calls(seed, scale)))

    with Server(Dice.of_seed(seed)) as server:
        return _checked("awaited", seed, server, asyncio.run(run(server)))


async def _make(client: AsyncGameball, call: Call) -> End:
    method: Callable[..., Awaitable[Any]] = getattr(client.transactions, call.operation)
    started = time.monotonic()
    task = asyncio.ensure_future(method(**call.arguments))
    if call.cancel_after is not None:
        await asyncio.wait([task], timeout=call.cancel_after)
        task.cancel()
    end: dict[str, Any]
    try:
        end = {"outcome": "applied", "value": await task}
    except asyncio.CancelledError:
        end = {"outcome": "cancelled"}
    except GameballError as error:
        end = {"outcome": error.outcome, "error": error}
    return End(call=call, seconds=time.monotonic() - started, **end)


def plain(seed: int, scale: float = 1.0) -> Result:
    """Calls from many threads on one plain client."""
    connections = Dice(seed).of("client").choice(CONNECTIONS)
    with (
        Server(Dice.of_seed(seed)) as server,
        Gameball(
            *KEYS, base_url=server.base_url, timeouts=TIMEOUTS, retries=RETRIES, connections=connections
        ) as client,
        ThreadPoolExecutor(CALLS) as threads,
    ):
        with_waits(client, WAITS)

        def make(call: Call) -> End:
            started = time.monotonic()
            end: dict[str, Any]
            try:
                end = {"outcome": "applied", "value": getattr(client.transactions, call.operation)(**call.arguments)}
            except GameballError as error:
                end = {"outcome": error.outcome, "error": error}
            return End(call=call, seconds=time.monotonic() - started, **end)

        return _checked("plain", seed, server, list(threads.map(make, calls(seed, scale))))


def _checked(scenario: str, seed: int, server: Server, ends: Sequence[End]) -> Result:
    time.sleep(LATEST_EFFECT + LONGEST_LAG)
    result = Result(scenario, seed)
    result.note(server)
    for end in ends:
        result.check(server, end.call.key, end.outcome, end.value, about=end.error or "")
        result.longest = max(result.longest, end.seconds)
        if end.seconds > TIMEOUTS.total + GRACE:
            result.violations.append(f"too long: {end.call.key} took {end.seconds:.1f} s")
    return result


# --- bulk runs that are killed

PROGRAM: Final = """
from gameball import BulkStoppedError, CashbackRequest, ManualRequest
from tests.stress.timing import LOOKUP_TIME, RETRIES, TIMEOUTS, WAITS
from tests.support.waits import with_waits

def row(n):
    keyed = dict(player_unique_id=f"player{{n % {players}}}", transaction_id=f"Row-{seed}-{{n}}")
    if "{via}" == "calls" and n % 3 == 0:
        return ManualRequest(**keyed, points=n + 1, username="u", reason="r")
    return CashbackRequest(**keyed, amount=n + 1)

with with_waits(Gameball(timeouts=TIMEOUTS, retries=RETRIES), WAITS) as client:
    try:
        client.bulk.run(
            map(row, range({rows})),
            journal="journal.db",
            via="{via}",
            concurrency=16,
            patience=1.5,
            lookup_time=LOOKUP_TIME,
        )
    except BulkStoppedError as error:
        print(error, flush=True)
        sys.exit(3)
"""
"""A run in a process of its own; with its journal in the folder it goes on where the last one ended."""
STOPPED: Final = 3


def bulk_calls(seed: int, scale: float = 1.0) -> Result:
    """A bulk run by single calls, killed and resumed."""
    return _killed("calls", seed, round(ROWS * scale))


def bulk_batches(seed: int, scale: float = 1.0) -> Result:
    """A bulk run by batches, killed and resumed."""
    return _killed("batches", seed, round(ROWS * scale))


def _killed(via: str, seed: int, rows: int) -> Result:
    result = Result(f"bulk by {via}", seed)
    dice = Dice(seed).of("kills")
    # Fewer faults than for single calls: outages stop a whole run.
    with (
        Server(Dice(seed, rate=0.15)) as server,
        TemporaryDirectory() as folder,
        ForkServer("gameball.bulk.resource", "tests.stress.timing", strict=False) as interpreters,
    ):
        settings = {
            "GAMEBALL_API_KEY": KEYS[0],
            "GAMEBALL_SECRET_KEY": KEYS[1],
            "GAMEBALL_BASE_URL": server.base_url,
        }
        source = PROGRAM.format(players=rows // 3, rows=rows, seed=seed, via=via)
        for start in range(2 * RESTARTS):
            if start == RESTARTS:
                server.dice = Dice(seed)
            aim = server.requests + dice.randrange(1, rows // 2 if via == "calls" else 8)
            with interpreters.program(source, Path(folder), settings) as program:
                while program.running():
                    if result.kills < KILLS and server.requests >= aim:
                        program.kill()
                        result.kills += 1
                        break
                    time.sleep(0.002)
                code, printed, complaints = program.end(60.0)
            if code == 0:
                break
            if code > 0 and code != STOPPED:
                result.violations.append(f"ended with {code}: {printed} {complaints[-500:]}")
                break
        else:
            result.violations.append("never ended")
        time.sleep(LATEST_EFFECT + LONGEST_LAG)
        result.note(server)
        with closing(sqlite3.connect(Path(folder) / "journal.db")) as journal:
            for key, status in journal.execute("select transaction_id, status from rows"):
                result.check(server, key, status)
    if result.outcomes.total() != rows:
        result.violations.append(f"rows: {result.outcomes.total()} of {rows} are in the journal")
    if left := result.outcomes["pending"] + result.outcomes["sending"]:
        result.violations.append(f"{left} rows have no end")
    return result


SCENARIOS: Final[dict[str, Callable[[int, float], Result]]] = {
    "awaited": awaited,
    "plain": plain,
    "bulk-calls": bulk_calls,
    "bulk-batches": bulk_batches,
}

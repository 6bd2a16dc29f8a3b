"""A run on a cluster whose workers are killed at random, around a server that keeps no ids apart.

`python -m tests.bulk.cluster.kills --rows 20000 --kills 10` does by hand what a test does on a small scale.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from gameball import BulkReport, CashbackRequest, ManualRequest, RateLimit
from tests.stress.faults import Dice, Fate
from tests.stress.server import Server
from tests.stress.timing import LATEST_EFFECT

KEYS: Final = {"GAMEBALL_API_KEY": "api-key-of-the-tests", "GAMEBALL_SECRET_KEY": "secret-key-of-the-tests"}
LIMIT: Final = RateLimit((150, 1.0), (500, 4.0))


@dataclass(frozen=True)
class Seen:
    """A request that came to the server."""

    at: float
    key: str
    writes: bool
    refused: bool = False
    """Whether the API said of this write that it had no effect."""


class WatchedServer(Server):
    """The server of the stress, with a list of what came to it."""

    def __init__(self, dice: Dice) -> None:
        super().__init__(dice)
        self.seen: list[Seen] = []

    def _decide(self, method: str, target: str, body: dict[str, Any]) -> tuple[Fate, Any]:
        at = time.monotonic()
        fate, answer = super()._decide(method, target, body)
        fate = _passing(fate)
        key = body["transactionId"] if method == "POST" else parse_qs(urlsplit(target).query)["transactionId"][0]
        self.seen.append(Seen(at, key, method == "POST", fate.shape == "refusal"))
        return fate, answer


def _passing(fate: Fate) -> Fate:
    """The fate, without what rightly ends a row or the whole run: refusals of the API, a redirect, a gateway's 403."""
    match fate.shape:
        case "html":
            return replace(fate, status=502)
        case "redirect":
            return replace(fate, shape="close")
        case "refusal" if fate.status != HTTPStatus.TOO_MANY_REQUESTS:
            return replace(fate, status=422, body={"code": 2001, "message": "one at a time"})
        case _:
            return fate


@dataclass
class Outcome:
    """What came of it."""

    rows: int
    report: BulkReport
    seconds: float
    killed: int
    seen: Sequence[Seen]
    applied: Counter[str] = field(default_factory=Counter[str])

    def violations(self, limit: RateLimit | None) -> Iterator[str]:
        """What breaks a promise."""
        for number in range(self.rows):
            if (times := self.applied[f"t{number}"]) != 1:
                yield f"t{number} took effect {times} times"
        if (self.report.rows, self.report.applied + self.report.already_applied) != (self.rows, self.rows):
            yield f"the report says {self.report}"
        yield from self._blind_resends()
        for most, seconds in limit.windows if limit is not None else ():
            if (found := self.most_within(seconds)) > most:
                yield f"{found} requests in {seconds} s"

    def _blind_resends(self) -> Iterator[str]:
        unsettled: dict[str, bool] = {}
        """Of each transaction that was sent: whether it may be sent again."""
        for seen in self.seen:
            if not seen.writes:
                unsettled[seen.key] = True
                continue
            if not unsettled.get(seen.key, True):
                yield f"{seen.key} was sent blindly again"
            unsettled[seen.key] = seen.refused

    def most_within(self, seconds: float) -> int:
        """The most requests in any window of this length."""
        times, first, most = [seen.at for seen in self.seen], 0, 0
        for last, at in enumerate(times):
            while times[first] <= at - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    @property
    def resent(self) -> int:
        """How many rows were sent more than once."""
        return sum(times > 1 for times in Counter(seen.key for seen in self.seen if seen.writes).values())


def row(number: int, players: int) -> CashbackRequest | ManualRequest:
    """One of many, of two kinds."""
    keyed: dict[str, Any] = {"player_unique_id": f"p{number % players}", "transaction_id": f"t{number}"}
    if number % 3:
        return CashbackRequest(**keyed, amount=10 + number)
    return ManualRequest(**keyed, points=10 + number, username="u", reason="r")


def run_and_kill(
    *, rows: int, kills: int, workers: int = 3, faults: float = 0.05, limit: RateLimit | None = LIMIT, seed: int = 7
) -> Outcome:
    """Run them, and kill workers, each with its folder, at random moments in between."""
    distributed = import_module("distributed")
    from gameball.bulk.cluster import run_on_cluster  # noqa: PLC0415 (an extra)

    with (
        WatchedServer(Dice(seed, rate=faults)) as server,
        patch.dict(os.environ, {**KEYS, "GAMEBALL_BASE_URL": server.base_url}),
        TemporaryDirectory() as directory,
        import_module("dask").config.set({"distributed.deploy.lost_worker_timeout": "1 day"}),  # killed, they come back
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        killer = _Killer(server, cluster, rows=rows, kills=kills, dice=random.Random(seed))  # noqa: S311 (repeatable)
        began = time.monotonic()
        with killer:
            report = run_on_cluster(
                client,
                (row(number, rows // 4) for number in range(rows)),
                directory=directory,
                concurrency=16,
                rate_limit=limit,
            )
        outcome = Outcome(rows, report, time.monotonic() - began, killer.killed, server.seen)
        time.sleep(LATEST_EFFECT)
        for number in range(rows):
            outcome.applied[f"t{number}"] = len(server.ledger.of(f"t{number}"))
    return outcome


class _Killer:
    """A thread that ends workers by SIGKILL, each at a random request, and removes their folders."""

    def __init__(self, server: WatchedServer, cluster: Any, *, rows: int, kills: int, dice: random.Random) -> None:
        self.killed = 0
        self._server = server
        self._cluster = cluster
        self._aims = sorted(dice.randrange(rows // 20, rows) for _ in range(kills))
        self._dice = dice
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _kill(self) -> None:
        for aim in self._aims:
            while len(self._server.seen) < aim and not self._ended.wait(0.005):
                pass
            if self._ended.is_set():
                return
            nannies = [nanny for nanny in self._cluster.workers.values() if nanny.pid is not None]
            if nannies:
                nanny = self._dice.choice(nannies)
                folder = nanny.worker_dir
                with suppress(ProcessLookupError):
                    os.kill(nanny.pid, signal.SIGKILL)
                    self.killed += 1
                if folder is not None:
                    shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Run it once; the exit code is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.bulk.cluster.kills", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--faults", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    outcome = run_and_kill(**vars(options))
    violations = list(outcome.violations(LIMIT))
    figures = {
        "rows": outcome.rows,
        "kills": outcome.killed,
        "seconds": round(outcome.seconds),
        "requests": len(outcome.seen),
        "look-ups": sum(not seen.writes for seen in outcome.seen),
        "sent again": outcome.resent,
        **{f"most in {seconds:g} s": f"{outcome.most_within(seconds)} of {most}" for most, seconds in LIMIT.windows},
        "broken": len(violations),
    }
    print("\n".join([*violations[:20], *(f"{name}: {figure}" for name, figure in figures.items())]))  # noqa: T201
    print(outcome.report)  # noqa: T201 (a command)
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main())

"""A run that is killed again and again: each row once, whatever it was doing when it died."""

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest

from gameball.sandbox import Sandbox
from gameball.sandbox.arming import CHOICES
from gameball.sandbox.faults import TooManyRequests
from gameball.sandbox.requests import KEPT
from tests.support.programs import ForkServer

ROWS: Final = 2000
PLAYERS: Final = 500
CONCURRENCY: Final = 8
KILLS: Final = 14

PROGRAM: Final = """
from gameball import CashbackRequest
from gameball.core.waits import Waits
from tests.support.waits import with_waits
# The sandbox works at once.
with with_waits(Gameball(), Waits(first_lookup=0.01, between_lookups=0.05, first_poll=0.02)) as client:
    report = client.bulk.run(
        (
            CashbackRequest(player_unique_id=f"p{n %% %(players)d}", transaction_id=f"t{n}", amount=10 + n)
            for n in range(%(rows)d)
        ),
        journal="journal.db",
        via="%(via)s",
        concurrency=%(concurrency)d,
        lookup_time=0.2,
    )
print(report.rows, report.applied + report.already_applied, report.left)
"""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(batch_polls=2) as running:
        yield running


def kill_often(sandbox: Sandbox, folder: Path, *, via: str, kills: int, step: int) -> tuple[int, str]:
    """Run it until it ends by itself; how often it was killed, and what it printed in the end."""
    dice = random.Random(11)  # noqa: S311 (to be repeatable is the point)
    source = PROGRAM % {"rows": ROWS, "players": PLAYERS, "concurrency": CONCURRENCY, "via": via}
    settings = {
        "GAMEBALL_API_KEY": sandbox.api_key,
        "GAMEBALL_SECRET_KEY": sandbox.secret_key,
        "GAMEBALL_BASE_URL": sandbox.base_url,
    }
    killed = 0
    until = time.monotonic() + 120
    with ForkServer("gameball.bulk.resource", strict=False) as server:
        while True:
            aim = len(sandbox.requests) + dice.randrange(1, step)
            with server.program(source, folder, settings) as program:
                while program.running():
                    assert time.monotonic() < until
                    if killed < kills and len(sandbox.requests) >= aim:
                        program.kill()
                        killed += 1
                        break
                    time.sleep(0.002)
                code, said, complaints = program.end()
            if code != -signal.SIGKILL:
                assert (code, complaints) == (0, "")
                return killed, said


def check_each_row_once(sandbox: Sandbox) -> None:
    applied = Counter(entry.transaction_id for entry in sandbox.ledger.transactions())
    assert set(applied.values()) == {1}
    assert set(applied) == {f"t{number}" for number in range(ROWS)}


def check_looked_up_before_resent(sandbox: Sandbox) -> int:
    """How many rows were sent again; none of them blindly."""
    times_sent = Counter[str]()
    looked_up = set[str]()
    for request in list(sandbox.requests):
        if request.operation == "transactions.list":
            looked_up.update(parse_qs(urlsplit(request.path).query)["transactionId"])
        else:
            identity = json.loads(request.body)["transactionId"]
            assert not times_sent[identity] or identity in looked_up, f"{identity} was sent blindly again"
            looked_up.discard(identity)
            times_sent[identity] += 1
    return sum(times > 1 for times in times_sent.values())


@pytest.mark.thorough
def test_a_run_killed_at_random_applies_each_row_once(sandbox: Sandbox, tmp_path: Path) -> None:
    # What is put off (429) was not applied, and may be sent again at once: every other resend is looked up first.
    sandbox.faults.random(0.05, choices=[choice for choice in CHOICES if not isinstance(choice[0], TooManyRequests)])
    killed, said = kill_often(sandbox, tmp_path, via="calls", kills=KILLS, step=2 * ROWS // KILLS)

    assert said == f"{ROWS} {ROWS} 0"
    assert killed == KILLS
    check_each_row_once(sandbox)
    assert len(sandbox.requests) < KEPT, "some are forgotten"
    assert check_looked_up_before_resent(sandbox) <= KILLS * CONCURRENCY + len(sandbox.faults.fired)


@pytest.mark.thorough
def test_batches_killed_at_random_apply_each_row_once(sandbox: Sandbox, tmp_path: Path) -> None:
    killed, said = kill_often(sandbox, tmp_path, via="batches", kills=6, step=4)

    assert said == f"{ROWS} {ROWS} 0"
    assert killed == 6
    check_each_row_once(sandbox)

"""`gameball bulk status`: a look at a run from another terminal, which changes nothing."""

import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from gameball.bulk.journal import Journal
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Status
from tests.cli.commands import COMMAND, Bulk, orders

pytestmark = pytest.mark.usefixtures("here")


def test_a_finished_run_says_what_became_of_its_rows(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(20)
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 7, "message": "no"}), transaction_id="t3")
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 3
    before = {file.name: file.read_bytes() for file in Path().iterdir()}
    assert bulk("status", "rewards.db") == 0
    assert bulk.said.startswith(
        "rewards.db: complete, 20 of 20 rows settled: 19 applied, 0 already applied, 1 rejected"
    )
    assert "last problem: row 4, rejected: 7 no (transactions.cashback, transaction_id=t3, HTTP 422)" in bulk.said
    assert {file.name: file.read_bytes() for file in Path().iterdir() if file.name in before} == before


def test_a_run_that_was_stopped_says_how_much_is_left(bulk: Bulk, sandbox: Sandbox) -> None:
    orders(20)
    sandbox.faults.arm("transactions.cashback", Status(401, {"code": 10, "message": "no"}), nth=5)
    assert bulk("run", "orders.csv", "--journal", "rewards.db", "--concurrency", "1") == 1
    assert bulk("status", "rewards.db") == 0
    assert bulk.said.startswith("rewards.db: stopped, 4 of 20 rows settled")


def test_a_run_that_somebody_works_on_names_the_process(bulk: Bulk) -> None:
    orders(3)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    with closing(Journal("rewards.db")):
        seen = subprocess.run(
            [*COMMAND, "bulk", "status", "rewards.db"], capture_output=True, text=True, check=True, timeout=60
        )
        assert seen.stdout.startswith("rewards.db: running by process ")
    assert bulk("status", "rewards.db") == 0
    assert bulk.said.startswith("rewards.db: complete, ")


def test_a_look_keeps_nobody_from_running(bulk: Bulk, sandbox: Sandbox) -> None:
    orders(3)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    for _ in range(3):
        assert bulk("status", "rewards.db") == 0
        assert bulk("resume", "rewards.db") == 0
    assert len(sandbox.requests) == 3

"""`--json`: stdout is one object of the schema in the docs, however a command ends; all else goes to stderr."""

import json
import os
import signal
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Delay, Status
from tests.cli.commands import COMMAND, Bulk, Command, orders, times, until

pytestmark = pytest.mark.usefixtures("here")

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/command-schema.json").read_text(encoding="utf-8"))


def checked(said: str) -> Any:
    """The object, which the schema describes."""
    assert len(said.splitlines()) == 1
    found = json.loads(said)
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(found)
    return found


def test_a_plan_is_one_object(bulk: Bulk) -> None:
    Path("orders.csv").write_text(
        "player_unique_id,transaction_id,amount,till,transaction_time\nada,t1,20.10,1,2999-01-01T00:00:00Z\n",
        encoding="utf-8",
    )
    assert bulk("plan", "orders.csv", "--rate", "2/1s", "--json") == 0
    plan = checked(bulk.said)["plan"]
    assert (plan["rows"], plan["operations"], plan["amounts"]) == (1, {"cashback": 1}, {"cashback": 20.10})
    assert (plan["columns_not_read"], plan["least_seconds"], plan["future"]) == (["till"], 0.5, ["t1"])
    assert len(plan["warnings"]) == 1
    assert bulk.complained.startswith("orders.csv: 1 row")
    assert bulk.object["plan"]["total_amount"] == Decimal("20.10")
    assert bulk("run", "orders.csv", "--dry-run", "--json") == 0
    assert checked(bulk.said)["plan"]["rows"] == 1


def test_a_run_its_report_and_its_status_are_one_object_each(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(20)
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 7, "message": "no"}), transaction_id="t3")
    assert bulk("run", "orders.csv", "--journal", "rewards.db", "--yes", "--json") == 3
    ran = checked(bulk.said)
    assert (ran["command"], ran["exit_code"], ran["error"], ran["resume"]) == ("run", 3, None, None)
    assert (ran["report"]["applied"], ran["report"]["rejected"]) == (19, 1)
    (problem,) = ran["problems"]
    assert (problem["row"], problem["transaction_id"], problem["code"], problem["message"]) == (4, "t3", 7, "no")
    assert "20 of 20 rows" in bulk.complained

    assert bulk("status", "rewards.db", "--json") == 0
    status = checked(bulk.said)
    assert (status["state"], status["process"], status["in_flight"], status["to_send"]) == ("complete", None, 0, 0)
    assert status["last_problem"] == problem
    assert status["base_url"] == sandbox.base_url
    assert [run["settled"] for run in status["runs"]] == [20]

    assert bulk("report", "rewards.db", "--output", "out", "--json") == 0
    report = checked(bulk.said)
    assert {**report["report"], "seconds": 0} == {**ran["report"], "seconds": 0}
    assert all(Path(file).is_file() for file in report["files"])
    assert bulk("resume", "rewards.db", "--json") == 3
    assert checked(bulk.said)["report"]["applied"] == 19


def test_ping_is_one_object_whether_the_keys_are_right_or_not(ping: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ping("--json") == 0
    checked(ping.said)
    monkeypatch.setenv("GAMEBALL_API_KEY", "another-key")
    assert ping("--json") == 1
    assert checked(ping.said)["error"]["code"] == 10


@pytest.mark.parametrize(
    ("arguments", "field", "rule"),
    [
        (("run", "orders.csv"), "--yes", "is needed with --json, which asks no question"),
        (("plan", "orders.csv", "--rate", "30"), "--rate", "takes requests and seconds, as in 30/1s, not '30'"),
        (("plan", "orders.csv", "--encoding", "x"), "--encoding", "takes a name such as utf-8"),
        (("plan", "absent.csv"), "file", "absent.csv: No such file or directory"),
        (("plan", "bad.csv"), "file", "bad.csv: 1 bad row"),
        (("resume", "absent.db"), "journal", "there is no journal at absent.db"),
        (("status", "orders.csv"), "journal", "journal orders.csv is no journal"),
        (("report", "absent.db"), "journal", "there is no journal at absent.db"),
        (("run", "orders.csv", "--concurrency", "0"), "--concurrency", "Invalid value"),
        (("run", "orders.csv", "--sped", "3"), "--sped", "Unknown option"),
        (("status",), "--journal", "requires an argument"),
    ],
)
def test_what_is_refused_is_one_object_that_names_the_field_and_the_rule(
    sandbox: Sandbox, bulk: Bulk, arguments: tuple[str, ...], field: str, rule: str
) -> None:
    orders(3)
    Path("bad.csv").write_text("player_unique_id,transaction_id,amount\nada,t1,ten\n", encoding="utf-8")
    assert bulk(*arguments, "--json") == 2
    error = checked(bulk.said)["error"]
    assert error["field"] == field
    assert rule in error["rule"]
    assert len(sandbox.requests) == 0


def test_bad_rows_are_listed_one_by_one(bulk: Bulk) -> None:
    Path("bad.csv").write_text("player_unique_id,transaction_id,Amount\nada,t1,ten\n", encoding="utf-8")
    assert bulk("plan", "bad.csv", "--map", "Amount=amount", "--json") == 2
    (row,) = checked(bulk.said)["error"]["rows"]
    assert row == {
        "line": 2,
        "column": "Amount",
        "field": "amount",
        "rule": "must be a number such as 99.98, not 'ten'",
    }


def test_a_run_that_is_stopped_says_why_and_how_to_go_on(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    orders(5)
    monkeypatch.setenv("GAMEBALL_SECRET_KEY", "not-the-secret-key")
    assert bulk("run", "orders.csv", "--journal", "rewards.db", "--yes", "--json") == 1
    stopped = checked(bulk.said)
    assert (stopped["error"]["kind"], stopped["error"]["code"]) == ("AuthenticationError", 10)
    assert stopped["resume"] == "gameball bulk resume rewards.db"
    assert stopped["report"]["left"] == 5


def test_a_run_that_goes_and_is_interrupted_is_one_object_too(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(300)
    sandbox.faults.arm("transactions.cashback", Delay(0.3), effect="after", times=300)
    with subprocess.Popen(
        [*COMMAND, "bulk", "run", "orders.csv", "--journal", "rewards.db", "--yes", "--json", "--concurrency=20"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until(sandbox, 20)
        assert bulk("status", "rewards.db", "--json") == 0
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=60)
    assert process.returncode == 130
    interrupted = checked(said)
    assert interrupted["error"]["message"] == "interrupted"
    assert interrupted["report"]["applied"] == len(times(sandbox))
    assert "interrupted; the journal is saved" in complained
    live = checked(bulk.said)
    assert (live["state"], live["process"]) == ("running", process.pid)
    assert live["in_flight"] >= 20


def test_nothing_in_it_is_a_command_to_a_terminal(bulk: Bulk) -> None:
    name = os.fsdecode(b"\xff\x9b.csv")
    assert bulk("plan", name, "--json") == 2
    assert bulk.said.isascii()
    assert bulk.said.rstrip("\n").isprintable()
    checked(bulk.said)

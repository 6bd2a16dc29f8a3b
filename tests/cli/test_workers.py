"""`gameball bulk` with `--cluster` and `--workers`: the same run, from the workers of a Dask cluster."""

import csv
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from attrs import evolve

distributed = pytest.importorskip("distributed", reason="needs the extra dask")

from gameball.bulk.cluster.manifest import Submission
from gameball.bulk.cluster.report import ClusterReader
from gameball.bulk.cluster.results import Progress
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Delay, Status
from tests.bulk.cluster.waits import shorten
from tests.cli.commands import Bulk, orders, running, times, until
from tests.cli.test_json import checked
from tests.test_readme import PAGES, blocks, commands, execute, without_times

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster with two workers in this process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(autouse=True)
def quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


# --- from the beginning to the end


def test_a_run_on_a_cluster_is_planned_sent_and_reported_as_any_other(
    address: str, sandbox: Sandbox, bulk: Bulk
) -> None:
    orders(60)
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 7, "message": "no"}), transaction_id="t3")
    assert bulk("run", "orders.csv", "--cluster", address, "--directory", "rewards", "--rate", "500/1s") == 3
    assert bulk.said.splitlines()[:2] == [
        "orders.csv: 60 rows (60 cashback), amounts of 1,860.00 in all",
        "  at most 500 requests in 1 s: takes 0:00:00 at least",
    ]
    assert "60 of 60 rows: 59 applied, 0 already applied, 1 rejected, 0 to review" in bulk.said
    assert bulk.said.endswith("to write all of them to files: gameball bulk report rewards\n")
    assert set(times(sandbox).values()) == {1}
    assert len(sandbox.requests) == 60

    assert bulk("run", "orders.csv", "--cluster", address, "--directory", "rewards") == 3
    assert bulk.said.startswith("directory rewards: 60 of 60 rows are done already\n")
    assert bulk("resume", "rewards", "--cluster", address) == 3
    assert len(sandbox.requests) == 60


def test_its_report_has_the_rows_as_they_stand_in_their_file(address: str, sandbox: Sandbox, bulk: Bulk) -> None:
    lines = [f"p{number},t{number},{number}.50,till {number}" for number in range(1, 9)]
    Path("orders.csv").write_text("\n".join(["player_unique_id,transaction_id,amount,till", *lines, ""]), "utf-8")
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 7, "message": "no"}), transaction_id="t3")
    assert bulk("run", "orders.csv", "--cluster", address, "--directory", "rewards") == 3
    assert bulk("report", "rewards/", "--output", "out", "--json") == 0
    report = checked(bulk.said)
    assert (report["journal"], report["report"]["applied"], report["report"]["rejected"]) == ("rewards", 7, 1)
    with Path("out/failed.csv").open(encoding="utf-8", newline="") as file:
        (failed,) = csv.DictReader(file)
    assert {name: failed[name] for name in ("transaction_id", "amount", "till", "transaction_time", "row", "code")} == {
        "transaction_id": "t3",
        "amount": "3.50",
        "till": "till 3",
        "transaction_time": "",
        "row": "3",
        "code": "7",
    }
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert '<td>cashback<td>applied<td class="number">7<td class="number">36.50' in page
    assert '<td>cashback<td>rejected<td class="number">1<td class="number">3.50' in page

    Path("orders.csv").unlink()
    assert bulk("report", "rewards", "--output", "out") == 0
    with Path("out/failed.csv").open(encoding="utf-8", newline="") as file:
        (failed,) = csv.DictReader(file)
    assert failed["transaction_id"] == "t3"
    assert "till" not in failed


def test_with_json_a_run_its_status_and_its_end_are_one_object_each(address: str, sandbox: Sandbox, bulk: Bulk) -> None:
    orders(40, players=4)
    sandbox.faults.arm("transactions.cashback", Status(401, {"code": 2, "message": "no"}), nth=10, times=1000)
    options = ("--cluster", address, "--concurrency", "2")
    assert bulk("run", "orders.csv", "--directory", "rewards", *options, "--yes", "--json") == 1
    ran = checked(bulk.said)
    assert ran["resume"] == f"gameball bulk resume rewards {' '.join(options)}"
    assert (ran["error"]["kind"], ran["report"]["applied"]) == ("AuthenticationError", 9)
    assert bulk("status", "rewards", "--json") == 0
    status = checked(bulk.said)
    assert (status["state"], status["process"], status["base_url"]) == ("stopped", None, sandbox.base_url)
    assert status["in_flight"] + status["to_send"] == 31
    assert [run["settled"] for run in status["runs"]] == [9]

    assert bulk("report", "rewards", "--output", "out") == 0
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert '<td>cashback<td>applied<td class="number">9<' in page
    assert '<td>cashback<td>pending<td class="number">' in page

    sandbox.faults.clear()
    assert bulk("resume", "rewards", *options, "--json") == 0
    assert checked(bulk.said)["report"]["applied"] == 40
    assert set(times(sandbox).values()) == {1}


def test_a_url_names_a_directory_too(address: str, sandbox: Sandbox, bulk: Bulk) -> None:
    orders(5)
    assert bulk("run", "orders.csv", "--cluster", address, "--directory", "memory://rewards") == 0
    for command in (["resume", "memory://rewards", "--cluster", address], ["status", "memory://rewards"]):
        assert bulk(*command) == 0
        assert "5 applied" in bulk.said
    assert len(sandbox.requests) == 5


def test_a_run_by_batches_is_resumed_by_batches(address: str, sandbox: Sandbox, bulk: Bulk) -> None:
    orders(20)
    where = ("--cluster", address)
    assert bulk("run", "orders.csv", *where, "--directory", "rewards", "--via", "batches") == 0
    assert {request.operation for request in sandbox.requests} == {"batches.start", "batches.get"}
    assert bulk("report", "rewards", "--output", "out") == 0
    assert "via batches" in Path("out/report.html").read_text(encoding="utf-8")


# --- status


def test_a_run_that_goes_on_says_how_fast(address: str, sandbox: Sandbox, bulk: Bulk) -> None:
    orders(6)
    assert bulk("run", "orders.csv", "--cluster", address, "--directory", "rewards") == 0
    directory = SharedDirectory("rewards")
    submission = Submission.read(directory)
    assert submission is not None
    assert submission.settled == 0
    going_on(directory, submission, seconds=2.0)
    assert bulk("status", "rewards") == 0
    first, _, _, rate = bulk.said.splitlines()
    assert first.startswith("rewards: running, 6 of 6 rows settled")
    assert rate.endswith("/s, 0:00:00 left")
    going_on(directory, submission, seconds=100.0)
    assert bulk("status", "rewards") == 0
    assert bulk.said.startswith("rewards: complete, ")
    assert "/s" not in bulk.said
    assert len(sandbox.requests) == 6


def going_on(directory: SharedDirectory, submission: Submission, *, seconds: float) -> None:
    """Have the run look as if its workers were at work, and wrote something for the last time so long ago."""
    heard = time.time() - seconds
    evolve(submission, state="running", began=heard - 5.0).write(directory)
    for shard in range(8):
        progress = Progress.read(directory, shard)
        if progress is not None:
            evolve(progress, at=heard).write(directory, shard)


# --- what does not fit together


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--workers", "2"], "--workers needs --journal DIRECTORY, which keeps the run"),
        (["--cluster", "tcp://127.0.0.1:1"], "--cluster needs --directory, which keeps the run: a path or URL"),
        (
            ["--workers", "2", "--cluster", "tcp://127.0.0.1:1", "--journal", "new"],
            "--workers cannot be given with --cluster",
        ),
        (["--workers", "2", "--directory", "new"], "--directory goes with --cluster ADDRESS"),
        (["--directory", "new"], "--directory goes with --cluster ADDRESS"),
        (
            ["--cluster", "tcp://127.0.0.1:1", "--journal", "new"],
            "--journal is for runs of this machine; with --cluster, --directory keeps the run",
        ),
        (
            ["--workers", "2", "--journal", "orders.csv"],
            "--journal must be a directory for a run of several workers, and orders.csv is a file",
        ),
        (
            ["--cluster", "tcp://127.0.0.1:1", "--directory", "."],
            "--directory must be a new or an empty directory, and . holds other files",
        ),
        (["--journal", "."], "--journal must be a file, and . is a directory: such a run needs --workers N"),
        (["--journal", "memory://r"], "--journal must be a file, and memory://r is a directory"),
        (
            ["--workers", "2", "--journal", "new", "--patience", "5"],
            "--patience is 300 s in a run of several workers",
        ),
        (
            ["--workers", "2", "--journal", "new", "--via", "batches", "--operation", "manual"],
            "--via batches takes cashback and redeem only",
        ),
        (["--cluster", "tcp://127.0.0.1:1", "--directory", "new"], "--cluster tcp://127.0.0.1:1 cannot be reached: "),
        (["--cluster", "nonsense://x", "--directory", "new"], "--cluster nonsense://x cannot be reached: "),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_sentence_before_anything_is_sent(
    sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch, options: list[str], sentence: str
) -> None:
    monkeypatch.setattr("gameball.cli.cluster.CONNECTS", 0.2)
    orders(3)
    assert bulk("run", "orders.csv", *options) == 2
    assert bulk.said == ""
    assert bulk.complained.startswith(sentence)
    assert len(bulk.complained.splitlines()) == 1
    assert not Path("new").exists()
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize("count", ["0", "-1", "257", "two"])
def test_a_number_of_workers_that_cannot_be_is_refused(bulk: Bulk, count: str) -> None:
    orders(3)
    assert bulk("run", "orders.csv", "--workers", count, "--journal", "new") == 2
    assert "--workers" in bulk.complained


def test_a_run_is_resumed_as_what_it_is(address: str, bulk: Bulk) -> None:
    orders(3)
    assert bulk("run", "orders.csv", "--cluster", address, "--directory", "rewards") == 0
    assert bulk("resume", "rewards") == 2
    assert bulk.complained == ("--workers N (or --cluster ADDRESS) is needed: rewards is the directory of such a run\n")
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    assert bulk("resume", "rewards.db", "--workers", "2") == 2
    assert bulk.complained == "--workers goes on with a run in a directory, and rewards.db is none\n"
    assert bulk("resume", "rewards", "--cluster", address, "--patience", "5") == 2
    assert bulk.complained == "--patience is 300 s in a run of several workers\n"
    assert bulk("resume", "rewards", "--cluster", address, "--new-key") == 2
    assert bulk.complained.startswith("--new-key goes with a journal: ")
    Path("empty").mkdir()
    for command in ("status", "report"):
        assert bulk(command, "empty") == 2
        assert bulk.complained == f"there is no run in {Path('empty').absolute()}\n"


def test_a_run_of_other_keys_is_refused_before_the_question(
    address: str, sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders(3)
    assert bulk("run", "orders.csv", "--cluster", address, "--directory", "rewards") == 0
    monkeypatch.setenv("GAMEBALL_API_KEY", "another-key")
    assert bulk("run", "orders.csv", "--cluster", address, "--directory", "rewards") == 2
    assert bulk.said == ""
    assert bulk.complained.endswith("belongs to another account: its API key is not this command's\n")
    monkeypatch.delenv("GAMEBALL_API_KEY")
    assert bulk("run", "orders.csv", "--cluster", address, "--directory", "rewards") == 2
    assert bulk.complained.startswith("no keys: ")
    assert len(sandbox.requests) == 3


def test_a_cluster_without_workers_says_that_rows_wait(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    orders(3)
    monkeypatch.setattr("gameball.cli.bulk.agreed", lambda _: False)
    with distributed.LocalCluster(
        n_workers=0, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0"
    ) as cluster:
        assert bulk("run", "orders.csv", "--cluster", cluster.scheduler_address, "--directory", "new") == 1
    assert bulk.said.startswith(f"{cluster.scheduler_address} has no workers yet: the rows wait for them\n")


def test_without_the_extra_one_sentence_names_it(sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    orders(3)
    Path("rewards").mkdir()
    for module in [name for name in sys.modules if name.startswith(("gameball.bulk.cluster", "gameball.cli.cluster"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    needed = "needs its extra: pip install 'gameball[dask]'\n"
    assert bulk("run", "orders.csv", "--workers", "2", "--journal", "new") == 2
    assert bulk.complained == f"--workers {needed}"
    assert bulk("run", "orders.csv", "--cluster", "tcp://127.0.0.1:1", "--directory", "new") == 2
    assert bulk.complained == f"--cluster {needed}"
    assert bulk("status", "rewards") == 2
    assert bulk.complained == f"--journal {needed}"
    assert len(sandbox.requests) == 0


# --- with processes


@pytest.mark.thorough
def test_an_interrupt_at_the_terminal_lets_the_workers_of_this_machine_end_what_is_in_flight(
    sandbox: Sandbox, bulk: Bulk
) -> None:
    """Ctrl-C goes to all processes below the terminal, workers as well."""
    orders(400)
    sandbox.faults.arm("transactions.cashback", Delay(0.2), effect="after", times=400)
    with running(
        "run", "orders.csv", "--workers", "2", "--journal", "rewards/", "--concurrency", "4", group=True
    ) as process:
        until(sandbox, 20)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.endswith(
        "interrupted; the journal is saved\ngo on with: gameball bulk resume rewards --workers 2 --concurrency 4\n"
    )
    assert "Traceback" not in said
    with ClusterReader("rewards") as reader:
        assert (reader.report.settled, reader.in_doubt) == (len(sandbox.ledger.transactions()), 0)

    sandbox.faults.clear()
    assert bulk("resume", "rewards", "--workers", "2") == 0
    assert "400 of 400 rows: 400 applied" in bulk.said
    assert sorted(times(sandbox).values()) == [1] * 400
    assert len(sandbox.requests) == 400


@pytest.mark.thorough
def test_a_second_interrupt_ends_it_at_once_and_rows_in_flight_are_looked_up(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(60)
    sandbox.faults.arm("transactions.cashback", Delay(20.0), effect="before", times=60)
    with running("run", "orders.csv", "--workers", "2", "--journal", "rewards", group=True) as process:
        until(sandbox, 4)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout is not None
        while not process.stdout.readline().startswith("stopping: "):
            pass
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() < began + 9, "it waited for what was in flight"
    assert "Traceback" not in said
    assert "go on with: gameball bulk resume rewards --workers 2" in said
    sandbox.faults.clear()
    assert bulk("resume", "rewards", "--workers", "1") == 0
    assert sorted(times(sandbox).values()) == [1] * 60


@pytest.mark.thorough
def test_the_page_about_it_prints_what_it_says(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    """`docs/cluster.md`, but for the time that it takes."""
    monkeypatch.setattr("gameball.cli.display.INTERVAL", 1000.0)
    page = PAGES["docs/cluster.md"]
    (console,), (code,), (expected,) = (blocks(page, language) for language in ("console", "python", "text"))
    Path("orders.csv").write_text(blocks(page, "csv")[0], encoding="utf-8")
    printed = ""
    for _, _, *arguments in commands(page):
        assert bulk(*arguments) == 0
        printed += f"$ gameball bulk {' '.join(arguments)}\n{bulk.said}"
    assert without_times(printed) == without_times(console)
    with redirect_stdout(StringIO()) as shown:
        execute(code, page, {"__name__": "__main__"})
    assert shown.getvalue() == expected

"""`gameball bulk`: its output, its requests, its files and its exit codes."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gameball import BulkReport, Gameball, cli
from gameball.bulk.journal_file import Journal
from gameball.cli import display
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Delay, Status

COMMAND = (sys.executable, "-c", "import sys; from gameball.cli import main; sys.exit(main())")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(batch_polls=1) as running:
        yield running


@pytest.fixture(autouse=True)
def here(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, and the keys of the sandbox."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAMEBALL_API_KEY", sandbox.api_key)
    monkeypatch.setenv("GAMEBALL_SECRET_KEY", sandbox.secret_key)
    monkeypatch.setenv("GAMEBALL_BASE_URL", sandbox.base_url)
    return tmp_path


class Bulk:
    """Runs the command in this process and returns its exit code; `said` and `complained` are what it printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.said = self.complained = ""

    def __call__(self, *arguments: str) -> int:
        self._monkeypatch.setattr(sys, "argv", ["gameball", "bulk", *arguments])
        try:
            code = cli.main()
        except SystemExit as left:
            code = int(left.code or 0)
        self.said, self.complained = self._capsys.readouterr()
        return code


@pytest.fixture
def bulk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bulk:
    return Bulk(monkeypatch, capsys)


def orders(count: int, name: str = "orders.csv", *, players: int = 1000) -> Path:
    path = Path(name)
    lines = [f"p{n % players},t{n},{n + 1}.50" for n in range(count)]
    path.write_text("\n".join(["player_unique_id,transaction_id,amount", *lines]), encoding="utf-8")
    return path


def times(sandbox: Sandbox) -> Counter[str | None]:
    """Each transaction id in the ledger, counted."""
    return Counter(entry.transaction_id for entry in sandbox.ledger.transactions())


# --- a run, from the plan to the report


def test_a_plan_says_what_a_run_would_do_and_needs_no_keys(
    sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("orders.csv").write_text(
        "shop,order_no,playerUniqueId,amount,transactionTime\n"
        "x,t1,ada,10,2019-09-19T16:14:09Z\n"
        "x,t2,ada,20.50,2019-09-19T16:14:09Z\n"
        "x,t3,ada,30,2999-09-19T16:14:09Z\n",
        encoding="utf-8",
    )
    monkeypatch.delenv("GAMEBALL_API_KEY")
    arguments = ("orders.csv", "--map", "order_no=transaction_id", "--rate", "1/30s", "--rate=5/1s")
    assert bulk("plan", *arguments) == 0
    plan = bulk.said
    assert plan.splitlines() == [
        "orders.csv: 3 rows (3 cashback), amounts of 60.50 in all",
        "  at most 1 request in 30 s, 5 requests in 1 s: takes 0:01:30 at least",
        "  columns that are not read: shop",
        "  warning: 1 row repeats a player and time; the API accepts each once: t2",
        "  warning: 1 row has a time in the future: t3",
        "  take care: 2 warnings",
    ]
    assert bulk("run", *arguments, "--dry-run") == 0
    assert bulk.said == plan
    assert len(sandbox.requests) == 0


def test_a_run_with_a_journal_sends_each_row_once_and_its_report_says_so(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(300)
    assert bulk("run", "orders.csv", "--journal", "rewards.db", "--concurrency", "8") == 0
    assert "300 of 300 rows: 300 applied, 0 already applied, 0 rejected, 0 to review" in bulk.said
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    assert "journal rewards.db: 300 of 300 rows are done already" in bulk.said
    assert set(times(sandbox).values()) == {1}
    assert len(sandbox.requests) == 300

    assert bulk("report", "--journal", "rewards.db", "--output", "reports/today") == 0
    report = json.loads(Path("reports/today/report.json").read_text(encoding="utf-8"))
    assert report["points"] == sum(entry.points for entry in sandbox.ledger.transactions())
    assert {name: report[name] for name in ("rows", "applied", "rejected", "needs_review", "left", "sent")} == {
        **dict.fromkeys(("rows", "applied", "sent"), 300),
        **dict.fromkeys(("rejected", "needs_review", "left"), 0),
    }


def test_what_was_rejected_is_reported_and_can_be_run_again(sandbox: Sandbox, bulk: Bulk) -> None:
    Path("spent.csv").write_text(
        "player_unique_id,transaction_id,redeemed_amount\nada,r1,1\ngrace,r2,2\n", encoding="utf-8"
    )
    with Gameball() as client:
        reward = client.transactions.manual
        reward(player_unique_id="ada", transaction_id="m1", username="ops", reason="Hello", points=500)
        reward(player_unique_id="grace", transaction_id="m2", username="ops", reason="Hello", points=1)

        assert bulk("run", "spent.csv", "--operation", "redeem", "--journal", "spent.db") == 3
        assert "row 2, rejected: 309 " in bulk.said
        assert bulk("report", "--journal", "spent.db") == 0
        assert "failed.csv: 1 row\nneeds_review.csv: 0 rows\nreport.json: 2 rows, 1 applied" in bulk.said

        reward(player_unique_id="grace", transaction_id="m3", username="ops", reason="Sorry", points=500)
    assert bulk("run", "failed.csv") == 0
    assert "failed.csv: 1 row (1 redeem)" in bulk.said
    assert times(sandbox)["r2"] == 1


def test_a_run_without_a_journal_names_its_first_problems(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(9)
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 7, "message": "no"}), times=7)
    assert bulk("run", "orders.csv") == 3
    assert "no journal: a run that ends early cannot be resumed" in bulk.said
    assert len(re.findall(r"^  row \d, rejected: 7 no ", bulk.said, re.MULTILINE)) == 5
    assert "  and 2 more" in bulk.said
    assert "gameball bulk report" not in bulk.said


def test_via_batches_rows_go_through_batches(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(30)
    assert bulk("run", "orders.csv", "--via", "batches") == 0
    assert set(times(sandbox).values()) == {1}
    assert "transactions.cashback" not in {request.operation for request in sandbox.requests}


# --- what is refused


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "absent.csv"), "absent.csv: No such file or directory"),
        (("plan", "empty.csv"), "empty.csv: is empty"),
        (("run", "bad.csv"), "bad.csv: 1 bad row\n  line 2: amount must be a number such as 99.98, not 'ten'"),
        (("run", "orders.csv", "--operation", "sale"), "sale"),
        (("run", "orders.csv", "--operation", "refund"), "orders.csv: lacks the column original_transaction_id"),
        (("run", "orders.csv", "--concurrency", "0"), "--concurrency"),
        (("run", "orders.csv", "--rate", "30"), "--rate takes requests and seconds, as in 30/1s, not '30'"),
        (("run", "orders.csv", "--rate", "0/1s"), "--rate takes at least 1 request and more than 0 seconds"),
        (("run", "orders.csv", "--rate", "30/0s"), "--rate takes at least 1 request and more than 0 seconds"),
        (("run", "orders.csv", "--map", "x"), "--map takes each column once, as in order_no=transaction_id, not 'x'"),
        (("plan", "orders.csv", "--map", "a=email", "--map", "a=mobile"), "--map takes each column once"),
        (
            ("plan", "orders.csv", "--map", "a=amont"),
            "column a cannot be mapped to amont: the fields of a cashback are",
        ),
        (("run", "manual.jsonl", "--via", "batches"), "--via batches takes cashback and redeem only"),
        (("run", "orders.csv", "--journal", "orders.csv"), "journal orders.csv is no journal"),
        (("run", "orders.csv", "--journal", "absent/rewards.db"), "absent/rewards.db cannot be used: No such file"),
        (("run", "otp.csv", "--operation", "redeem", "--journal", "otp.db"), "rows[0].otp is a one-time password"),
        (("resume", "--journal", "absent.db"), "there is no journal at absent.db"),
        (("report", "--journal", "absent.db"), "there is no journal at absent.db"),
        (("resume",), "--journal"),
    ],
)
def test_wrong_usage_and_bad_input_end_with_2_and_a_sentence(
    sandbox: Sandbox, bulk: Bulk, arguments: tuple[str, ...], sentence: str
) -> None:
    orders(3)
    Path("empty.csv").touch()
    Path("bad.csv").write_text("player_unique_id,transaction_id,amount\nada,t1,ten\n", encoding="utf-8")
    Path("otp.csv").write_text("player_unique_id,transaction_id,redeemed_amount,otp\na,t,1,123\n", encoding="utf-8")
    Path("manual.jsonl").write_text(
        '{"operation":"manual","player_unique_id":"a","transaction_id":"t","username":"u","reason":"r","points":1}',
        encoding="utf-8",
    )
    assert bulk(*arguments) == 2
    assert sentence in bulk.said + bulk.complained
    assert len(sandbox.requests) == 0


def test_missing_keys_are_named_before_anything_is_sent(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAMEBALL_SECRET_KEY")
    orders(1)
    assert bulk("run", "orders.csv") == 2
    assert "no secret_key" in bulk.complained


def test_a_journal_serves_its_own_account_and_its_own_rows_only(
    sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders(3)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    orders(4)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 2
    assert "the input has changed since" in bulk.complained
    monkeypatch.setenv("GAMEBALL_API_KEY", "another-accounts-key")
    assert bulk("resume", "--journal", "rewards.db") == 2
    assert "belongs to another account" in bulk.complained
    assert len(sandbox.requests) == 3


def test_a_journal_that_is_damaged_or_in_use_is_refused(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(300)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    sandbox.requests.clear()
    with closing(Journal("rewards.db")):
        for command in (("resume", "--journal", "rewards.db"), ("run", "orders.csv", "--journal", "rewards.db")):
            taken = subprocess.run(
                [*COMMAND, "bulk", *command], capture_output=True, text=True, timeout=60, check=False
            )
            assert taken.returncode == 2
            assert "is in use by another process" in taken.stderr
    journal = Path("rewards.db").read_bytes()
    Path("rewards.db").write_bytes(journal[:4096] + b"\xff" * 4096 + journal[8192:])
    assert bulk("resume", "--journal", "rewards.db") == 2
    assert "is damaged" in bulk.complained
    assert len(sandbox.requests) == 0


def test_a_report_that_cannot_be_written_is_a_sentence(bulk: Bulk) -> None:
    orders(1)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    assert bulk("report", "--journal", "rewards.db", "--output", "orders.csv/reports") == 2
    assert bulk.complained == "orders.csv/reports: Not a directory\n"


# --- what ends early


def test_refused_keys_stop_a_run_that_can_be_resumed(
    sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders(50)
    monkeypatch.setenv("GAMEBALL_SECRET_KEY", "not-the-secret-key")
    assert bulk("run", "orders.csv", "--journal", "my rewards.db", "--rate=500/1s", "--concurrency=3") == 1
    assert "stopped with 0 of 50 rows settled" in bulk.complained
    (again,) = re.findall(r"^go on with: gameball bulk (.*)$", bulk.said, re.MULTILINE)
    assert again == "resume 'my rewards.db' --concurrency 3 --rate=500/1s"

    monkeypatch.setenv("GAMEBALL_SECRET_KEY", sandbox.secret_key)
    assert bulk(*shlex.split(again)) == 0
    assert sorted(times(sandbox).values()) == [1] * 50


def running(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, "bulk", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )


def until(sandbox: Sandbox, requests: int) -> None:
    """Wait until so many requests have come, or long enough."""
    pause = threading.Event()
    for _ in range(3000):
        if len(sandbox.requests) >= requests:
            return
        pause.wait(0.02)
    pytest.fail("the requests did not come")


def test_the_first_interrupt_lets_what_is_in_flight_end_and_says_how_to_go_on(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(300)
    sandbox.faults.arm("transactions.cashback", Delay(0.3), effect="after", times=300)
    with running("run", "orders.csv", "--journal", "rewards.db", "--concurrency", "20") as process:
        until(sandbox, 50)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; the journal is saved" in said
    assert "Traceback" not in said
    (settled,) = re.findall(r"^(\d+) of 300 rows: ", said, re.MULTILINE)
    assert int(settled) == len(times(sandbox)) == len(sandbox.requests)

    (again,) = re.findall(r"^go on with: gameball bulk (.*)$", said, re.MULTILINE)
    assert bulk(*shlex.split(again)) == 0
    assert "300 of 300 rows: 300 applied" in bulk.said
    assert set(times(sandbox).values()) == {1}


def test_the_second_interrupt_ends_a_run_at_once_and_each_row_is_sent_once(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(60)
    sandbox.faults.arm("transactions.cashback", Delay(8), effect="after", times=20)
    with running("run", "orders.csv", "--journal", "rewards.db", "--concurrency", "20") as process:
        until(sandbox, 20)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        next(line for line in process.stdout if "Ctrl-C once more" in line)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "0 of 60 rows: 0 applied" in said  # whatever was in flight would have ended after 8 seconds
    assert "go on with: gameball bulk resume rewards.db" in said
    assert "Traceback" not in said

    assert bulk("resume", "--journal", "rewards.db") == 0
    assert sorted(times(sandbox).values()) == [1] * 60


def test_without_a_journal_an_interrupted_run_says_that_it_cannot_be_resumed(sandbox: Sandbox) -> None:
    orders(300)
    sandbox.faults.arm("transactions.cashback", Delay(0.3), effect="after", times=300)
    with running("run", "orders.csv", "--concurrency", "20") as process:
        until(sandbox, 20)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.endswith("interrupted; without a journal the rest cannot be resumed\n")


# --- pipes and terminals


def test_rows_come_through_a_pipe(sandbox: Sandbox) -> None:
    rows = "".join(f'{{"playerUniqueId": "p{n}", "transactionId": "t{n}", "amount": 5}}\n' for n in range(20))
    done = subprocess.run(
        [*COMMAND, "bulk", "run", "-"], input=rows, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "standard input: 20 rows (20 cashback)" in done.stdout
    assert len(times(sandbox)) == 20


def on_a_terminal(*arguments: str, answer: str) -> tuple[int, str]:
    """The exit code of a command at a terminal where somebody types this answer, and what it showed."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [*COMMAND, "bulk", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        os.write(ours, answer.encode())
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # its end of the terminal was closed
            pass
        os.close(ours)
        return process.wait(60), shown.decode()


def test_a_terminal_asks_and_shows_progress(sandbox: Sandbox) -> None:
    orders(30)
    code, shown = on_a_terminal("run", "orders.csv", "--journal", "rewards.db", answer="y\n")
    assert code == 0
    assert "Send 30 rows? [y/N]" in shown
    assert "━━━━━" in shown
    assert "30 applied, 0 already applied, 0 rejected, 0 to review, 0 slow-downs" in shown
    assert len(times(sandbox)) == 30


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x04"])
def test_nothing_is_sent_when_the_answer_is_not_yes(sandbox: Sandbox, answer: str) -> None:
    orders(30)
    code, shown = on_a_terminal("run", "orders.csv", answer=answer)
    assert code == 1
    assert "nothing was sent" in shown
    assert len(sandbox.requests) == 0


def test_with_yes_a_terminal_does_not_ask(sandbox: Sandbox) -> None:
    orders(30)
    code, shown = on_a_terminal("run", "orders.csv", "--yes", answer="n\n")
    assert code == 0
    assert "[y/N]" not in shown
    assert len(times(sandbox)) == 30


def test_off_a_terminal_a_line_comes_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = 100.0
    monkeypatch.setattr(display, "monotonic", lambda: clock)
    stop = threading.Event()
    with display.Display(1000, stop) as shown:
        for second in range(12):
            clock = 100.0 + second
            shown.show(BulkReport(rows=20 + second * 20, applied=20 + second * 20, pauses=2))
        stop.set()
        shown.show(BulkReport(rows=500, applied=500))
        shown.show(BulkReport(rows=500, applied=500))
    assert capsys.readouterr().out.splitlines() == [
        "120 of 1,000 rows, 20/s, 0:00:44 left: 120 applied, 0 already applied, 0 rejected, 0 to review, 2 slow-downs",
        "220 of 1,000 rows, 20/s, 0:00:39 left: 220 applied, 0 already applied, 0 rejected, 0 to review, 2 slow-downs",
        "stopping: what is in flight may take ten seconds to end; Ctrl-C once more stops at once",
    ]

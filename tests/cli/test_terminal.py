"""`gameball bulk` at a terminal, in a pipe, interrupted, and with outputs that fail."""

import io
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from gameball import BulkReport
from gameball.cli import display
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Delay, Status
from tests.cli.commands import COMMAND, Bulk, on_a_terminal, orders, running, times, until

pytestmark = [pytest.mark.many_cases, pytest.mark.usefixtures("here")]


# --- interrupts


def test_the_first_interrupt_lets_what_is_in_flight_end_and_says_how_to_go_on(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(300)
    sandbox.faults.arm("transactions.cashback", Delay(0.3), effect="after", times=60)
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


@pytest.mark.thorough
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


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_from_elsewhere_ends_a_run_like_an_interrupt(
    sandbox: Sandbox, bulk: Bulk, number: signal.Signals
) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("the tests run under nohup, and so would the program")
    orders(300)
    sandbox.faults.arm("transactions.cashback", Delay(0.3), effect="after", times=60)
    with running("run", "orders.csv", "--journal", "rewards.db", "--concurrency", "20") as process:
        until(sandbox, 20)
        process.send_signal(number)
        if number == signal.SIGHUP:  # a shell sends another one
            process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; the journal is saved\ngo on with: gameball bulk resume rewards.db" in said
    assert "Traceback" not in said
    assert len(times(sandbox)) == len(sandbox.requests) < 300

    assert bulk("resume", "rewards.db") == 0
    assert sorted(times(sandbox).values()) == [1] * 300


@pytest.mark.thorough
def test_under_nohup_a_run_outlives_its_terminal(sandbox: Sandbox) -> None:
    orders(40)
    sandbox.faults.arm("transactions.cashback", Delay(0.3), effect="after", times=20)
    with running("run", "orders.csv", "--concurrency=20", under="nohup") as process:
        until(sandbox, 20)
        process.send_signal(signal.SIGHUP)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "40 of 40 rows: 40 applied" in said


def test_a_signal_before_the_run_ends_the_command_and_leaves_signals_as_they_were(
    sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders(3)
    before = signal.getsignal(signal.SIGTERM)

    def terminated(_: str) -> bool:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("it goes on")

    monkeypatch.setattr("gameball.cli.bulk.agreed", terminated)
    assert bulk("run", "orders.csv") == 130
    assert bulk.complained == "interrupted\n"
    assert len(sandbox.requests) == 0
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.thorough
def test_without_a_journal_an_interrupted_run_says_that_it_cannot_be_resumed(sandbox: Sandbox) -> None:
    orders(300)
    sandbox.faults.arm("transactions.cashback", Delay(0.3), effect="after", times=60)
    with running("run", "orders.csv", "--concurrency", "20") as process:
        until(sandbox, 20)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.endswith("interrupted; without a journal the rest cannot be resumed\n")


# --- pipes and terminals


@pytest.mark.thorough
def test_rows_come_through_a_pipe(sandbox: Sandbox) -> None:
    rows = "".join(f'{{"playerUniqueId": "p{n}", "transactionId": "t{n}", "amount": 5}}\n' for n in range(20))
    done = subprocess.run(
        [*COMMAND, "bulk", "run", "-"], input=rows, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "standard input: 20 rows (20 cashback)" in done.stdout
    assert len(times(sandbox)) == 20


def test_a_terminal_asks_and_shows_progress(sandbox: Sandbox) -> None:
    orders(30)
    code, shown = on_a_terminal("run", "orders.csv", "--journal", "rewards.db", answer="y\n")
    assert code == 0
    assert "Send 30 rows? [y/N]" in shown
    assert "━━━━━" in shown
    assert "30 applied, 0 already applied, 0 rejected, 0 to review, 0 slow-downs" in shown
    assert " 30 of 30 rows in 0:00:0" in shown
    assert len(times(sandbox)) == 30


@pytest.mark.parametrize("answer", ["\n", "\x04"])
def test_nothing_is_sent_when_the_answer_is_not_yes(sandbox: Sandbox, answer: str) -> None:
    orders(30)
    code, shown = on_a_terminal("run", "orders.csv", answer=answer)
    assert code == 1
    assert "nothing was sent" in shown
    assert len(sandbox.requests) == 0


@pytest.mark.thorough
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


# --- a question, wherever it can be asked


def with_a_terminal(*arguments: str, answer: str, terminal_for_stderr: bool) -> tuple[int, str, str]:
    """The exit code of a command that is typed at a terminal and whose stdout goes elsewhere; and both outputs."""
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    with Path("log").open("w+", encoding="utf-8") as log:
        done = subprocess.run(
            [*COMMAND, "bulk", *arguments],
            stdin=theirs,
            stdout=log,
            stderr=theirs if terminal_for_stderr else log,
            timeout=60,
            check=False,
        )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    return done.returncode, shown, Path("log").read_text(encoding="utf-8")


@pytest.mark.parametrize(("answer", "sent", "terminal_for_stderr"), [("y\n", 3, False), ("n\n", 0, True)])
def test_with_its_output_in_a_file_a_run_still_asks_at_the_terminal(
    sandbox: Sandbox, answer: str, sent: int, *, terminal_for_stderr: bool
) -> None:
    orders(3)
    code, shown, log = with_a_terminal("run", "orders.csv", answer=answer, terminal_for_stderr=terminal_for_stderr)
    assert code == (0 if sent else 1)
    assert "Send 3 rows? [y/N]" in shown
    assert "[y/N]" not in log
    assert len(times(sandbox)) == sent


def at_the_question(arguments: tuple[str, ...], while_asked: Callable[[], object]) -> tuple[int, str]:
    """Somebody says yes, after something else has happened."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, "bulk", *arguments], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(ours, 4096)
        while_asked()
        os.write(ours, b"y\n")
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # its end of the terminal was closed
            pass
        os.close(ours)
        return process.wait(60), shown.decode()


def grow() -> None:
    with Path("orders.csv").open("a", encoding="utf-8") as file:
        file.write("\np1,t900,300000\np2,t901,300000\n")


def edit() -> None:
    text = Path("orders.csv").read_text(encoding="utf-8")
    Path("other.csv").write_text(text.replace("p1,t1,2.50", "p1,t1,9.50"), encoding="utf-8")
    Path("other.csv").replace("orders.csv")


@pytest.mark.thorough
@pytest.mark.parametrize(("change", "journal"), [(grow, ()), (edit, ("--journal", "rewards.db"))])
def test_a_file_that_changes_while_the_question_stands_is_not_sent(
    sandbox: Sandbox, bulk: Bulk, change: Callable[[], object], journal: tuple[str, ...]
) -> None:
    orders(10)
    code, shown = at_the_question(("run", "orders.csv", *journal), change)
    assert code == 2
    assert "orders.csv: has changed since it was checked" in shown
    assert len(sandbox.requests) == 0
    assert bulk("run", "orders.csv", *journal) == 0


# --- outputs that fail


class Failing(io.StringIO):
    """An output that takes so many lines, and then fails."""

    def __init__(self, lines: int, error: Exception) -> None:
        super().__init__()
        self._left = lines
        self._error = error

    def write(self, text: str) -> int:
        if not self._left:
            raise self._error
        self._left -= 1
        return super().write(text)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BrokenPipeError(32, "Broken pipe"), "Broken pipe"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (ValueError("I/O operation on closed file"), "it is closed"),
    ],
)
def test_a_run_goes_on_when_its_output_fails_and_reports_on_stderr(
    sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    orders(5)
    monkeypatch.setattr(sys, "stdout", Failing(2, error))
    assert bulk("run", "orders.csv") == 0
    assert sorted(times(sandbox).values()) == [1] * 5
    assert f"the output cannot be written to ({reason})" in bulk.complained
    assert "4 points" in bulk.complained


def test_a_run_without_any_output_ends_as_any_other(
    sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders(5)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert bulk("run", "orders.csv") == 0
    assert len(times(sandbox)) == 5
    sys.stderr.close()  # which is nowhere now


@pytest.mark.thorough
@pytest.mark.parametrize("output", ["a full disk", "nothing", "a pipe without a reader"])
def test_a_program_whose_output_fails_sends_all_rows_and_says_so(sandbox: Sandbox, output: str) -> None:
    orders(5)
    with ExitStack() as closing:
        reading, writing = os.pipe()
        os.close(reading)
        pipe = closing.enter_context(os.fdopen(writing, "wb", buffering=0))
        full = closing.enter_context(Path("/dev/full").open("wb", buffering=0))
        done = subprocess.run(
            [*COMMAND, "bulk", "run", "orders.csv"],
            stdout=full if output == "a full disk" else pipe,
            stderr=subprocess.PIPE,
            preexec_fn=(lambda: os.close(1)) if output == "nothing" else None,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0
    assert "5 of 5 rows: 5 applied" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert len(times(sandbox)) == 5


@pytest.mark.thorough
def test_a_terminal_that_is_closed_stops_the_display_not_the_run(sandbox: Sandbox) -> None:
    orders(60)
    sandbox.faults.arm("transactions.cashback", Delay(0.3), effect="after", times=60)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "bulk", "run", "orders.csv", "--yes", "--concurrency=10"],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm"},
    ) as process:
        os.close(theirs)
        until(sandbox, 10)
        os.close(ours)
        _, complained = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"the output cannot be written to (Input/output error)" in complained
    assert b"60 of 60 rows: 60 applied" in complained
    assert sorted(times(sandbox).values()) == [1] * 60


# --- what others wrote


def test_nothing_in_a_file_or_an_answer_reaches_a_terminal_as_a_command(sandbox: Sandbox, bulk: Bulk) -> None:
    Path("orders.csv").write_text(
        "player_unique_id,transaction_id,amount,\x1b[31mnote\x1b]0;owned\x07,transaction_time\n"
        '"p\x1b[2J","a\x1b[2J\n0 of 3 rows",3,x,2030-01-01T00:00:00Z\n'
        '"p\x1b[2J","b\r\x9b31m",3,x,2030-01-01T00:00:00Z\n',
        encoding="utf-8",
        newline="",
    )
    no = Status(422, {"code": 7, "message": "no\x1b]0;owned\x07\nrow 2, applied"})
    sandbox.faults.arm("transactions.cashback", no, times=2)
    assert bulk("plan", "orders.csv") == 0
    shown = bulk.said
    assert bulk("run", "orders.csv", "--journal", "re\x1b[2J.db") == 3
    shown += bulk.said + bulk.complained
    assert bulk("report", "re\x1b[2J.db", "--output", "reports") == 0
    shown += bulk.said
    Path("orders.csv").write_text('player_unique_id,transaction_id,amount\np,"\x1b[2J",x\n', encoding="utf-8")
    assert bulk("plan", "orders.csv") == 2
    shown += bulk.complained
    assert shown.replace("\n", "").isprintable()
    assert not re.search("^(0 of 3|row 2, app)", shown, re.MULTILINE)
    for file in Path("reports").iterdir():
        assert file.read_text(encoding="utf-8").replace("\n", "").isprintable()

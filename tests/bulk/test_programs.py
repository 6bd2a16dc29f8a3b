"""Programs with a run in them, and how they end: sources that block or fork, and Ctrl-C."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Delay, Status
from tests.support.programs import ForkServer

FOREVER: Final = """
import queue
from gameball import BulkStoppedError, CashbackRequest

def rows(count):
    for n in range(count):
        yield CashbackRequest(player_unique_id=f"p{n}", transaction_id=f"t{n}", amount=5)
    queue.Queue().get()  # waits for more work
"""

AWAITED: Final = (
    FOREVER
    + """
async def main():
    async with AsyncGameball() as client:
        try:
            async with asyncio.timeout(%(seconds)s):
                await client.bulk.%(call)s
        except (BulkStoppedError, TimeoutError) as error:
            print(type(error).__name__)

asyncio.run(main())
print("the end")
"""
)

FORKS: Final = """
from gameball import CashbackRequest

def rows():
    for n in range(10):
        yield CashbackRequest(player_unique_id=f"p{n}", transaction_id=f"t{n}", amount=5)
    pid = os.fork()
    if pid == 0:
        %(end)s
    elif os.waitpid(pid, 0):
        print("the child has ended")

print("applied", %(run)s.applied)
"""
PLAIN: Final = "Gameball().bulk.run(rows())"
IN_A_THREAD: Final = "asyncio.run(AsyncGameball().bulk.run(rows()))"


@pytest.fixture(scope="module")
def programs() -> Iterator[ForkServer]:
    with ForkServer("gameball.bulk.resource", strict=False) as server:
        yield server


Run = Callable[[str], tuple[int, str]]


def settings_of(sandbox: Sandbox) -> dict[str, str]:
    return {
        "GAMEBALL_API_KEY": sandbox.api_key,
        "GAMEBALL_SECRET_KEY": sandbox.secret_key,
        "GAMEBALL_BASE_URL": sandbox.base_url,
    }


@pytest.fixture
def run(programs: ForkServer, local_sandbox: Sandbox, tmp_path: Path) -> Run:
    """Run a program with the sandbox's settings; its exit code, and what it printed."""

    def run(source: str) -> tuple[int, str]:
        with programs.program(source, tmp_path, settings_of(local_sandbox)) as program:
            code, printed, _ = program.end(20)
            return code, printed

    return run


@pytest.fixture
def local_sandbox() -> Iterator[Sandbox]:
    """A sandbox in a thread of its own."""
    with Sandbox() as running:
        yield running


def test_a_source_that_blocks_keeps_no_program_alive_whose_run_was_stopped(run: Run, local_sandbox: Sandbox) -> None:
    local_sandbox.faults.arm("transactions.cashback", Status(401, {"code": 1001, "message": "no"}), times=999)
    code, printed = run(AWAITED % {"call": "run(rows(300))", "seconds": 20})

    assert (code, printed) == (0, "BulkStoppedError\nthe end")


@pytest.mark.parametrize("call", ["run(rows(1))", "run(rows(0), journal='j.db')", "plan(rows(300))"])
def test_a_source_that_blocks_keeps_no_program_alive_that_has_stopped_waiting(run: Run, call: str) -> None:
    code, printed = run(AWAITED % {"call": call, "seconds": 0.3})

    assert (code, printed) == (0, "TimeoutError\nthe end")


@pytest.mark.thorough
@pytest.mark.parametrize("call", [PLAIN, IN_A_THREAD], ids=["plain", "awaited"])
@pytest.mark.parametrize("end", ["sys.exit()", "os._exit(0)", "raise LookupError", "pass", "return"])
def test_a_child_that_a_source_forks_ends_and_its_parent_goes_on(run: Run, call: str, end: str) -> None:
    code, printed = run(FORKS % {"run": call, "end": end})

    assert code == 0
    assert printed.splitlines()[-2:] == ["the child has ended", "applied 10"]


# --- Ctrl-C

INTERRUPTED: Final = """
from gameball import CashbackRequest

rows = [CashbackRequest(player_unique_id=f"p{n}", transaction_id=f"t{n}", amount=5) for n in range(100)]
try:
    %(run)s
except KeyboardInterrupt as error:
    report = error.report
    print(report.applied, report.needs_review, report.settled == report.applied + report.needs_review)
    print(error.__notes__[0])
"""


@pytest.mark.parametrize(
    "run", ["Gameball().bulk.run(rows, concurrency=8)", "list(Gameball().bulk.stream(rows, concurrency=8))"]
)
def test_ctrl_c_in_a_run_without_a_journal_carries_the_report_so_far(
    programs: ForkServer, local_sandbox: Sandbox, tmp_path: Path, run: str
) -> None:
    local_sandbox.faults.arm("transactions.cashback", Delay(30.0), effect="before", nth=50, times=999)
    with programs.program(INTERRUPTED % {"run": run}, tmp_path, settings_of(local_sandbox)) as program:
        while len(local_sandbox.requests) < 57:
            assert program.running()
            time.sleep(0.01)
        program.interrupt()
        code, printed, _ = program.end(20)

    assert code == 0
    assert printed.splitlines() == [
        "49 8 True",
        "the bulk run was cancelled with 57 of 100 rows settled: without a journal it cannot be resumed",
    ]

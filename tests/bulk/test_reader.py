"""Rows from a thread: handed on as they come, none left behind, and no program kept from its end."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gameball import CashbackRequest
from gameball.bulk.reader import Reader, reader_of
from gameball.core.methods import Async
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Status
from tests.support.bulk_api import pay, pays
from tests.support.programs import ForkServer


async def test_an_end_of_reading_that_finds_all_rows_taken_is_not_the_end_of_the_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread has handed a row on, and is about to pause: the row is taken before the thread gets there."""
    taken = threading.Event()

    def late() -> float:
        taken.wait(5)
        time.sleep(0.05)
        return 1e9

    clock: list[Callable[[], float]] = [lambda: 0.0, late]
    monkeypatch.setattr("gameball.bulk.reader.monotonic", lambda: clock.pop(0)() if clock else 0.0)
    rows = reader_of(pays(2), Async, (CashbackRequest,))
    first = await rows.read()
    taken.set()
    second = await rows.read()
    end = await rows.read()
    await rows.close()

    assert [[row.transaction_id for row in chunk] for chunk in (first, second, end)] == [["t0"], ["t1"], []]


async def read_all(rows: Reader) -> int:
    count = 0
    while chunk := await rows.read():
        count += len(chunk)
    return count


async def test_all_rows_come_in_order_however_long_the_thread_takes() -> None:
    rows = reader_of(pays(5000), Async, (CashbackRequest,))
    assert await read_all(rows) == 5000
    await rows.close()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, LookupError])
async def test_whatever_a_source_raises_comes_after_the_rows_before_it(error: type[BaseException]) -> None:
    def source() -> Iterator[CashbackRequest]:
        yield pay(0)
        raise error

    rows = reader_of(source(), Async, (CashbackRequest,))
    assert len(await rows.read()) == 1
    with pytest.raises(error):
        await rows.read()
    await rows.close()


async def test_a_read_that_is_cancelled_may_end_later() -> None:
    """The thread comes back to a future that nobody waits for."""
    goes_on = threading.Event()

    def source() -> Iterator[CashbackRequest]:
        goes_on.wait(5)
        yield pay(0)

    rows = reader_of(source(), Async, (CashbackRequest,))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rows.read(), 0.02)
    goes_on.set()
    assert len(await rows.read()) == 1
    await rows.close()


# --- programs and their end

FOREVER = """
import queue
from gameball import BulkStoppedError, CashbackRequest

def rows(count):
    for n in range(count):
        yield CashbackRequest(player_unique_id=f"p{n}", transaction_id=f"t{n}", amount=5)
    queue.Queue().get()  # waits for more work
"""

AWAITED = (
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

FORKS = """
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
PLAIN = "Gameball().bulk.run(rows())"
IN_A_THREAD = "asyncio.run(AsyncGameball().bulk.run(rows()))"


@pytest.fixture(scope="module")
def programs() -> Iterator[ForkServer]:
    with ForkServer("gameball.bulk.resource", strict=False) as server:
        yield server


Run = Callable[[str], tuple[int, str]]


@pytest.fixture
def run(programs: ForkServer, local_sandbox: Sandbox, tmp_path: Path) -> Run:
    """Run a program with the sandbox's settings; its exit code, and what it printed."""
    settings = {
        "GAMEBALL_API_KEY": local_sandbox.api_key,
        "GAMEBALL_SECRET_KEY": local_sandbox.secret_key,
        "GAMEBALL_BASE_URL": local_sandbox.base_url,
    }

    def run(source: str) -> tuple[int, str]:
        with programs.program(source, tmp_path, settings) as program:
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


@pytest.mark.parametrize("call", [PLAIN, IN_A_THREAD], ids=["plain", "awaited"])
@pytest.mark.parametrize("end", ["sys.exit()", "os._exit(0)", "raise LookupError", "pass", "return"])
def test_a_child_that_a_source_forks_ends_and_its_parent_goes_on(run: Run, call: str, end: str) -> None:
    code, printed = run(FORKS % {"run": call, "end": end})

    assert code == 0
    assert printed.splitlines()[-2:] == ["the child has ended", "applied 10"]

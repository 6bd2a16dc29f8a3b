"""Forked and spawned children, and the end of the interpreter: real programs, every warning an error."""

import time
from collections.abc import Callable

import pytest

from tests.support.programs import AFRESH, Program
from tests.support.server import Server

pytestmark = pytest.mark.many_cases

Start = Callable[[str, str], Program]

PROMPTLY = 3.0
"""Seconds for an interpreter to end, on a busy machine. The SDK itself waits at most two for its sessions."""

CHILDREN = """
def child_of(function, *, ending=sys.exit):
    pid = os.fork()
    if pid == 0:
        function()
        ending(0)
    return pid

def ended_well(pid):
    until = time.monotonic() + 8
    while time.monotonic() < until:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False
"""


# --- fork


def test_after_a_fork_parent_and_child_call_and_the_parent_keeps_its_connection(server: Server, start: Start) -> None:
    program = start(
        CHILDREN
        + """
client = Gameball()
cashback(client, "before")
pid = child_of(lambda: (cashback(client, "child 1"), cashback(client, "child 2")))
cashback(client, "parent, beside the child")
assert ended_well(pid)
cashback(client, "parent, after the child")
""",
        server.base_url,
    )

    assert program.end() == (0, "", "")
    made = {seen.body.split(b'"transactionId":"')[1].split(b'"')[0]: seen.connection for seen in server.requests}
    assert made[b"before"] == made[b"parent, beside the child"] == made[b"parent, after the child"] == 1
    assert made[b"child 1"] == made[b"child 2"] == 2
    assert len(server.requests) == 5


def test_a_child_that_never_calls_leaves_the_parent_alone_when_it_ends(server: Server, start: Start) -> None:
    program = start(
        CHILDREN
        + """
client = Gameball()
cashback(client, "t1")
assert ended_well(child_of(lambda: None))
cashback(client, "t2")
""",
        server.base_url,
    )

    assert program.end() == (0, "", "")
    assert [seen.connection for seen in server.requests] == [1, 1]


def test_a_child_may_close_the_client_it_came_with(server: Server, start: Start) -> None:
    program = start(
        CHILDREN
        + """
with Gameball() as client:
    cashback(client, "t1")
    assert ended_well(child_of(client.close))
    assert ended_well(child_of(lambda: (cashback(client, "t2"), client.close())))
    cashback(client, "t3")
""",
        server.base_url,
    )

    assert program.end() == (0, "", "")
    assert [seen.connection for seen in server.requests] == [1, 2, 1]


def test_a_child_that_collects_its_garbage_leaves_the_parents_connection_alone(server: Server, start: Start) -> None:
    program = start(
        CHILDREN
        + """
import gc
client = Gameball()
cashback(client, "t1")

def drop():
    global client
    del client
    gc.collect()

assert ended_well(child_of(drop))
cashback(client, "t2")
""",
        server.base_url,
    )

    assert program.end() == (0, "", "")
    assert [seen.connection for seen in server.requests] == [1, 1]


def test_asyncio_run_before_and_after_a_fork(server: Server, start: Start) -> None:
    program = start(
        CHILDREN
        + """
client = AsyncGameball()
run = lambda name: asyncio.run(cashback(client, name))
run("before")
pid = child_of(lambda: (run("child 1"), run("child 2")))
run("parent 1")
assert ended_well(pid)
run("parent 2")
""",
        server.base_url,
    )

    assert program.end() == (0, "", "")
    assert len(server.requests) == 5


def test_a_fork_beside_a_living_loop_leaves_that_loops_connection_alone(server: Server, start: Start) -> None:
    program = start(
        CHILDREN
        + """
client = AsyncGameball()
with asyncio.Runner() as runner:
    runner.run(cashback(client, "t1"))
    assert ended_well(child_of(lambda: None, ending=os._exit))
    assert ended_well(child_of(lambda: asyncio.run(cashback(client, "t2")), ending=os._exit))
    runner.run(cashback(client, "t3"))
""",
        server.base_url,
    )

    assert program.end() == (0, "", "")
    assert [seen.connection for seen in server.requests] == [1, 2, 1]


def test_a_first_call_imports_nothing_for_a_fork_in_the_midst_of_an_import_leaves_its_lock_held(
    server: Server, start: Start
) -> None:
    program = start(
        AFRESH
        + """
client = Gameball()
before = set(sys.modules)
cashback(client, "t1")
print(*sorted(set(sys.modules) - before))
""",
        server.base_url,
    )

    assert program.end() == (0, "", "")


def test_a_fork_while_other_threads_are_calling(server: Server, start: Start) -> None:
    program = start(
        CHILDREN
        + """
client = Gameball()
cashback(client, "before")
stop = threading.Event()

def keep_calling(name):
    n = 0
    while not stop.is_set():
        n += 1
        cashback(client, f"{name}-{n}")

threads = [threading.Thread(target=keep_calling, args=(name,)) for name in "abcd"]
for thread in threads:
    thread.start()
try:
    children = []
    for n in range(6):
        children.append(child_of(lambda: [cashback(client, f"child {n}-{m}") for m in range(3)], ending=os._exit))
        time.sleep(0.01)
    assert all([ended_well(pid) for pid in children])

    # And from a thread that is not the main one.
    found = []
    thread = threading.Thread(target=lambda: found.append(child_of(lambda: cashback(client, "x"), ending=os._exit)))
    thread.start()
    thread.join()
    assert ended_well(found[0])
finally:
    stop.set()
for thread in threads:
    thread.join()
print("all done")
""",
        server.base_url,
    )

    assert program.end(20) == (0, "all done", "")
    assert sum(b"child" in seen.body for seen in server.requests) == 18


@pytest.mark.thorough
def test_many_children_and_their_children(server: Server, start: Start) -> None:
    program = start(
        CHILDREN
        + """
client = Gameball()
cashback(client, "t0")

def with_a_child(n):
    cashback(client, f"child {n}")
    assert ended_well(child_of(lambda: cashback(client, f"grandchild {n}")))
    cashback(client, f"child {n} again")

for n in range(2):
    children = [child_of(lambda: with_a_child(n * 2 + m)) for m in range(2)]
    cashback(client, f"t{n}")
    assert all([ended_well(pid) for pid in children])
print("all done")
""",
        server.base_url,
    )

    assert program.end(20) == (0, "all done", "")
    assert len(server.requests) == 1 + 2 + 4 * 3
    assert sum(seen.connection == 1 for seen in server.requests) == 3


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(server: Server, start: Start, method: str) -> None:
    program = start(
        f"""
import multiprocessing
client = Gameball()

def work(name):
    cashback(client, name)
    asyncio.run(cashback(AsyncGameball(), name + " awaited"))

if __name__ == "__main__":
    cashback(client, "before")
    context = multiprocessing.get_context("{method}")
    workers = [context.Process(target=work, args=(name,)) for name in ("one", "two")]
    for worker in workers:
        worker.start()
    cashback(client, "beside")
    for worker in workers:
        worker.join(15)
    print([worker.exitcode for worker in workers])
    cashback(client, "after")
""",
        server.base_url,
    )

    assert program.end(20) == (0, "[0, 0]", "")
    assert len(server.requests) == 7
    assert sum(seen.connection == 1 for seen in server.requests) == 3


def test_multiprocessing_fork_from_inside_a_running_loop(server: Server, start: Start) -> None:
    program = start(
        """
import multiprocessing
client, plain = AsyncGameball(), Gameball()

def work():
    asyncio.run(cashback(client, "child, awaited"))
    cashback(plain, "child, plainly")

async def main():
    await cashback(client, "t1")
    worker = multiprocessing.get_context("fork").Process(target=work)
    worker.start()
    await asyncio.to_thread(worker.join, 8)
    print(worker.exitcode)
    await cashback(client, "t2")

asyncio.run(main())
""",
        server.base_url,
    )

    assert program.end() == (0, "0", "")
    assert [seen.connection for seen in server.requests] == [1, 2, 3, 1]


# --- the interpreter's end


ENDINGS = {
    "nothing called": "client = Gameball(); assert threading.active_count() == 1",
    "plain": "client = Gameball(); cashback(client, 't1')",
    "plain, many": "clients = [Gameball() for _ in range(5)]; [cashback(client, 't1') for client in clients]",
    "plain, forgotten": "cashback(Gameball(), 't1'); import gc; gc.collect()",
    "plain, an iterator left early": "client = Gameball(); rows = client.transactions.iterate(); next(rows, None)",
    "plain, in a finished thread": """
thread = threading.Thread(target=lambda: cashback(Gameball(), "t1"))
thread.start()
""",
    "plain, closed": "with Gameball() as client: cashback(client, 't1')",
    "awaited": "client = AsyncGameball(); asyncio.run(cashback(client, 't1'))",
    "awaited, forgotten": "asyncio.run(cashback(AsyncGameball(), 't1')); import gc; gc.collect()",
    "awaited, twice": "client = AsyncGameball(); [asyncio.run(cashback(client, 't1')) for _ in range(2)]",
    "awaited, an iterator left early": """
async def main():
    async for row in AsyncGameball().transactions.iterate():
        break
asyncio.run(main())
""",
    "both": "a, b = AsyncGameball(), Gameball(); cashback(b, 't1'); asyncio.run(cashback(a, 't2'))",
    "sys.exit": "client = Gameball(); cashback(client, 't1'); sys.exit(0)",
}


@pytest.mark.thorough
@pytest.mark.parametrize("source", ENDINGS.values(), ids=ENDINGS)
def test_an_unclosed_client_lets_the_interpreter_end_well_and_without_a_word(
    server: Server, start: Start, source: str
) -> None:
    row = {"gameballTransactionId": 1, "transactionId": "t", "type": "Payment", "direction": "+", "playerUniqueId": "p"}
    row |= {"points": 1, "amount": 1, "transactionTime": "2024-01-01T00:00:00Z", "status": "Active"}
    page = {"transactions": [row], "count": 1, "total": 9}
    server.script(server.answer({**page, "rewardedPoints": 20, "playerUniqueId": "p", "gameballTransactionId": 1}))
    program = start(source if source != ENDINGS["plain"] else AFRESH + source, server.base_url)

    assert program.end() == (0, "", "")


@pytest.mark.parametrize("calls_before", [0, 1])
@pytest.mark.parametrize("threads", [1, 3])
def test_calls_in_flight_in_daemon_threads_do_not_keep_the_interpreter(
    server: Server, start: Start, calls_before: int, threads: int
) -> None:
    server.script(*[server.answer()] * calls_before, "hang")
    source = """
client = Gameball()
for n in range({calls_before}):
    cashback(client, "before")
for n in range({threads}):
    threading.Thread(target=cashback, args=(client, f"t{{n}}"), daemon=True).start()
print(input())
"""
    program = start(source.format(calls_before=calls_before, threads=threads), server.base_url)
    server.wait(lambda: len(server.requests) == calls_before + threads, 10)
    began = time.monotonic()
    program.stdin.write("now\n")
    program.stdin.close()

    assert program.end() == (0, "now", "")
    assert time.monotonic() - began < PROMPTLY
    server.wait(lambda: server.gone == server.connections)


DAEMONS = {
    "plain": "cashback(Gameball(), 't1')",
    "awaited": "asyncio.run(cashback(AsyncGameball(), 't1'))",
}


@pytest.mark.parametrize("call", DAEMONS.values(), ids=DAEMONS)
def test_a_write_that_the_end_of_the_interpreter_cuts_off_is_warned_of_once(
    server: Server, start: Start, call: str
) -> None:
    server.script("hang")
    source = f"""
logging.basicConfig(level="WARNING", format="%(name)s %(levelname)s %(message)s", stream=sys.stdout)
threading.Thread(target=lambda: {call}, daemon=True).start()
sys.stdin.readline()
"""
    program = start(source, server.base_url)
    server.wait(lambda: server.requests, 10)
    program.stdin.close()
    code, said, complaints = program.end()

    assert (code, complaints) == (0, "")
    (warning,) = said.strip().splitlines()
    assert warning.startswith("gameball WARNING transactions.cashback (transaction_id=t1) was given up: ")


def test_reads_and_calls_of_a_parent_process_are_not_warned_of(server: Server, start: Start) -> None:
    server.script("hang")
    source = (
        CHILDREN
        + """
logging.basicConfig(level="WARNING", stream=sys.stdout)
client = Gameball()
threading.Thread(target=client.transactions.list, daemon=True).start()
threading.Thread(target=cashback, args=(client, "t1"), daemon=True).start()
sys.stdin.readline()
print(ended_well(child_of(lambda: None)), flush=True)
"""
    )
    program = start(source, server.base_url)
    server.wait(lambda: len(server.requests) == 2, 10)
    program.stdin.close()
    code, said, complaints = program.end()

    assert (code, complaints) == (0, "")
    child, warning = said.strip().splitlines()
    assert child == "True"
    assert "transactions.cashback (transaction_id=t1) was given up" in warning


def test_a_task_in_flight_at_the_end_of_asyncio_run(server: Server, start: Start) -> None:
    server.script("hang")
    program = start(
        """
async def main():
    task = asyncio.create_task(cashback(AsyncGameball(), "t1"))
    await asyncio.to_thread(input)
asyncio.run(main())
""",
        server.base_url,
    )
    server.wait(lambda: server.requests, 10)
    began = time.monotonic()
    program.stdin.close()
    code, _, complaints = program.end()

    assert time.monotonic() - began < PROMPTLY
    assert "EOFError" in complaints
    assert "Unclosed" not in complaints
    assert code == 1


def test_a_call_made_while_the_interpreter_ends_does_not_hang(server: Server, start: Start) -> None:
    program = start(
        """
import atexit
client = Gameball()

@atexit.register
def flush():
    try:
        cashback(client, "last")
    except Exception as error:
        print(type(error).__name__)
    else:
        print("called")

cashback(client, "t1")
""",
        server.base_url,
    )

    assert program.end() == (0, "called", "")


AT_THE_END = {
    "an exit handler": "atexit.register(call)",
    "a thread that outlives the main one": "threading.Thread(target=late).start()",
    "a daemon thread": "atexit.register(time.sleep, 0.5)\nthreading.Thread(target=late, daemon=True).start()",
}


@pytest.mark.parametrize("end", AT_THE_END.values(), ids=AT_THE_END)
@pytest.mark.parametrize("used", [False, True], ids=["its first call", "used before"])
def test_a_plain_call_finds_a_host_by_its_name_while_the_interpreter_ends(
    server: Server,
    start: Start,
    end: str,
    used: bool,  # noqa: FBT001
) -> None:
    program = start(
        f"""
import atexit
client = Gameball()

def call():
    print(cashback(client, "last").rewarded_points, flush=True)

def late():
    threading.main_thread().join()
    call()

if {used}:
    call()
    client.close()
{end}
""",
        server.base_url.replace("127.0.0.1", "localhost"),
    )

    assert program.end() == (0, "20\n20" if used else "20", "")


def test_an_awaited_call_that_needs_a_host_name_while_the_interpreter_ends_says_why_it_fails(
    server: Server, start: Start
) -> None:
    program = start(
        """
import atexit
client = AsyncGameball()

@atexit.register
def flush():
    try:
        print(asyncio.run(cashback(client, "last")))
    except GameballError as error:
        print(error.outcome, error.attempts, error)
""",
        server.base_url.replace("127.0.0.1", "localhost"),
    )

    code, said, complaints = program.end()
    assert (code, complaints) == (0, "")
    assert said.startswith("not_applied 1 nothing was sent: the interpreter is shutting down")


def test_a_call_made_after_the_loop_thread_was_stopped_at_exit_ends_well(server: Server, start: Start) -> None:
    # Registered before the loop thread's own function, this runs after it.
    source = """
import atexit, sys
for name in [name for name in sys.modules if name.startswith("gameball")]:
    del sys.modules[name]
atexit.register(lambda: print(cashback(client, "last").rewarded_points))
from gameball import Gameball
client = Gameball()
cashback(client, "t1")
"""
    program = start(source, server.base_url)

    assert program.end() == (0, "20", "")


def test_a_loop_that_cannot_be_made_is_an_error_and_no_deadlock(server: Server, start: Start) -> None:
    program = start(
        """
import resource
import anyio._backends._asyncio
client = Gameball()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
# So few files that no event loop can be opened.
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, hard))
threading.excepthook = lambda _: None

def call():
    try:
        cashback(client, "t1")
    except GameballError as error:
        print(type(error).__name__, error.outcome, flush=True)

thread = threading.Thread(target=call, daemon=True)
thread.start()
thread.join(3)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(cashback(client, "t2").rewarded_points if not thread.is_alive() else "hangs", flush=True)
os._exit(0)
""",
        server.base_url,
    )

    code, said, complaints = program.end()
    assert (code, said) == (0, "ConnectionFailedError not_applied\n20")
    # asyncio itself warns of its own loop that it could not finish; of nothing else.
    assert complaints.count("Warning") == complaints.count("unclosed event loop <")

"""Calls from many tasks, threads and loops; and Ctrl-C."""

import asyncio
import signal
import socket
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from gameball import AsyncGameball, CashbackReward, ConnectionFailedError, Gameball, Operation, Retries, Timeouts
from gameball.core import loop_thread
from gameball.models.transactions import CashbackRequest
from gameball.resources import transactions
from gameball.sandbox import Sandbox
from tests.support.programs import Program
from tests.support.server import Server

MakeAwaited = Callable[..., AsyncGameball]
MakePlain = Callable[..., Gameball]
Start = Callable[[str, str], Program]

KEYS = ("sandbox-api-key", "sandbox-secret-key")


def cashback(client: Gameball, transaction_id: str) -> CashbackReward:
    return client.transactions.cashback(player_unique_id="p", transaction_id=transaction_id, amount=10)


async def acashback(client: AsyncGameball, transaction_id: str) -> CashbackReward:
    return await client.transactions.cashback(player_unique_id="p", transaction_id=transaction_id, amount=10)


# --- many at once


@pytest.mark.thorough
@pytest.mark.parametrize(("connections", "attempt"), [(100, 10.0), (5, 0.8)])
async def test_300_awaited_calls_at_once_take_turns_and_none_times_out(
    server: Server, awaited: MakeAwaited, connections: int, attempt: float
) -> None:
    server.script((0.02, server.answer()))
    # Over five connections they take longer than one exchange may: waiting for one counts against `total` only.
    timeouts = Timeouts(connect=attempt, attempt=attempt, total=30)
    client = awaited(server.base_url, connections=connections, timeouts=timeouts)

    rewards = await asyncio.gather(*(acashback(client, f"t{n}") for n in range(300)))

    assert len(rewards) == len(server.requests) == 300
    assert server.most <= connections
    assert len({seen.body for seen in server.requests}) == 300


def test_500_plain_calls_from_50_threads_are_each_rewarded_once() -> None:
    with Sandbox() as sandbox:
        client = Gameball(*KEYS, base_url=sandbox.base_url)
        with client, ThreadPoolExecutor(50) as threads:
            answers = list(threads.map(lambda n: cashback(client, f"t{n}"), range(500)))
        rows = sandbox.ledger.transactions("p")

    assert len({answer.gameball_transaction_id for answer in answers}) == 500
    assert {row.transaction_id for row in rows} == {f"t{n}" for n in range(500)}
    assert len(rows) == 500


def test_all_plain_clients_share_one_thread(server: Server, plain: MakePlain) -> None:
    cashback(plain(server.base_url), "t1")
    before = threading.active_count()
    for n in range(5):
        cashback(plain(server.base_url), f"u{n}")

    assert threading.active_count() == before
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "gameball-loop"] == [True]


def test_the_first_calls_of_many_threads_start_one_loop_thread() -> None:
    own = loop_thread.LoopThread()
    start = threading.Barrier(20)

    async def who() -> str:
        return f"{threading.get_ident()}"

    def ask(_: int) -> str:
        start.wait()
        return own.run(who)

    with ThreadPoolExecutor(20) as threads:
        assert len(set(threads.map(ask, range(20)))) == 1
    own.stop()


# --- loops


def test_one_client_serves_several_asyncio_runs_and_leaves_no_session_of_an_ended_loop(server: Server) -> None:
    client = AsyncGameball(*KEYS, base_url=server.base_url)
    for n in range(4):
        asyncio.run(acashback(client, f"t{n}"))
        server.wait(lambda: server.open == 0)  # the loop that ended has closed its connections

    assert [seen.connection for seen in server.requests] == [1, 2, 3, 4]
    assert len(client._delivery.transport._by_loop) == 1


def test_a_loop_for_each_test_works_without_closing_the_client(server: Server) -> None:
    client = AsyncGameball(*KEYS, base_url=server.base_url)
    for _ in range(3):
        with asyncio.Runner() as runner:
            runner.run(acashback(client, "t1"))
            runner.run(acashback(client, "t2"))

    assert [seen.connection for seen in server.requests] == [1, 1, 2, 2, 3, 3]


def test_the_session_of_a_loop_that_still_lives_is_left_alone(server: Server) -> None:
    client = AsyncGameball(*KEYS, base_url=server.base_url)
    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(acashback(client, "t1"))
        second.run(acashback(client, "t2"))
        second.run(client.aclose())
        first.run(acashback(client, "t3"))

    assert [seen.connection for seen in server.requests] == [1, 2, 1]


async def test_a_closed_client_opens_again_when_it_is_used_and_closing_twice_is_fine(
    server: Server, awaited: MakeAwaited
) -> None:
    client = awaited(server.base_url)
    await client.aclose()
    await acashback(client, "t1")
    await asyncio.gather(client.aclose(), client.aclose())
    await acashback(client, "t2")

    assert [seen.connection for seen in server.requests] == [1, 2]


def test_one_client_in_the_loops_of_two_threads_at_the_same_time(server: Server) -> None:
    server.script((0.01, server.answer()))
    client = AsyncGameball(*KEYS, base_url=server.base_url)

    async def calls(name: str) -> int:
        return len(await asyncio.gather(*(acashback(client, f"{name}{n}") for n in range(40))))

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda name: asyncio.run(calls(name)), "ab")) == [40, 40]
    server.wait(lambda: server.open == 0)


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hasty_threads")
def test_loops_that_come_and_go_in_many_threads_do_not_disturb_one_client(server: Server) -> None:
    client = AsyncGameball(*KEYS, base_url=server.base_url)

    def come_and_go(name: int) -> None:
        for n in range(6):
            with asyncio.Runner() as runner:
                runner.run(acashback(client, f"{name}-{n}-first"))
                runner.run(acashback(client, f"{name}-{n}-second"))

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(come_and_go, range(16)))

    assert len(server.requests) == 192
    # Both calls of a loop went over the same connection: no loop has given its session up to another's.
    assert server.connections == 96


async def test_a_plain_call_inside_a_running_loop_works(server: Server, plain: MakePlain) -> None:
    client = plain(server.base_url)

    assert cashback(client, "t1").rewarded_points == 20
    assert asyncio.get_running_loop().is_running()


def test_a_plain_call_on_the_loop_thread_itself_raises_at_once(server: Server, plain: MakePlain) -> None:
    client = plain(server.base_url)

    async def call_plainly() -> None:
        cashback(client, "t1")

    with pytest.raises(RuntimeError, match="loop thread"):
        loop_thread.run(call_plainly)
    assert server.requests == []
    assert cashback(client, "t2").rewarded_points == 20


def test_an_error_of_the_call_reaches_its_own_thread_only(server: Server, plain: MakePlain) -> None:
    server.script(server.refusal(309), server.answer())
    client = plain(server.base_url)

    with pytest.raises(Exception, match="309"):
        cashback(client, "t1")
    assert cashback(client, "t2").rewarded_points == 20


# --- Ctrl-C


INTERRUPTED = """
client = Gameball()
for turn in (1, 2):
    try:
        {call}
    except KeyboardInterrupt:
        print("interrupted", flush=True)
print(cashback(client, "t3").rewarded_points)
"""


@pytest.mark.parametrize(
    "call", ['cashback(client, f"t{turn}")', "for row in client.transactions.iterate(): pass"], ids=["call", "iterate"]
)
def test_ctrl_c_breaks_off_a_plain_call_closes_its_connection_and_leaves_the_client_usable(
    server: Server, start: Start, call: str
) -> None:
    server.script("hang", "hang", server.answer())
    program = start(INTERRUPTED.format(call=call), server.base_url)
    for turn in (1, 2):
        server.wait(lambda turn=turn: len(server.requests) == turn, 10)  # type: ignore[misc]  # a bound default
        program.interrupt()
        server.wait(lambda turn=turn: server.gone >= turn, 2)  # type: ignore[misc]  # the same
        assert program.said() == "interrupted"

    assert program.end() == (0, "20", "")
    assert len(server.requests) == 3


def test_an_unhandled_ctrl_c_ends_the_program_at_once(server: Server, start: Start) -> None:
    server.script("hang")
    program = start("cashback(Gameball(), 't1')", server.base_url)
    server.wait(lambda: server.requests, 10)
    program.interrupt()

    code, _, complaints = program.end(2)
    assert code == -signal.SIGINT
    assert "\nKeyboardInterrupt" in complaints
    assert "api-key" not in complaints
    server.wait(lambda: server.gone == 1)


def test_ctrl_c_in_asyncio_run_breaks_off_the_awaited_call(server: Server, start: Start) -> None:
    server.script("hang", server.answer())
    program = start(
        """
client = AsyncGameball()
try:
    asyncio.run(cashback(client, "t1"))
except KeyboardInterrupt:
    print(asyncio.run(cashback(client, "t2")).rewarded_points)
""",
        server.base_url,
    )
    server.wait(lambda: server.requests, 10)
    program.interrupt()

    assert program.end(5) == (0, "20", "")


def test_ctrl_c_in_the_moment_of_handing_over_does_not_let_the_call_go_on(
    server: Server, plain: MakePlain, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script("hang")
    client = plain(server.base_url, timeouts=Timeouts(attempt=2, total=2))
    loop_thread.run(nothing)
    thread = loop_thread._loop_thread
    genuine = thread._loop.call_soon_threadsafe

    def hand_over(start: Callable[[], None]) -> None:
        genuine(start)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(thread, "_loop", SimpleNamespace(call_soon_threadsafe=hand_over))
        with pytest.raises(KeyboardInterrupt):
            cashback(client, "t1")

    # Either it never began, or its connection was closed at once.
    if any(_ for _ in range(40) if not threading.Event().wait(0.01) and server.requests):
        server.wait(lambda: server.gone == 1, 0.5)


# --- cancellation


async def test_a_cancelled_call_closes_its_connection_and_leaves_no_task_and_no_slot_behind(
    server: Server, awaited: MakeAwaited
) -> None:
    server.script("hang", server.answer())
    client = awaited(server.base_url, connections=1)
    call = asyncio.create_task(acashback(client, "t1"))
    await server.wait_for(lambda: server.requests)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    await server.wait_for(lambda: server.gone == 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert (await acashback(client, "t2")).rewarded_points == 20


async def test_a_call_cancelled_while_it_waits_for_a_connection_sends_nothing(
    server: Server, awaited: MakeAwaited
) -> None:
    server.script("hang", server.answer())
    client = awaited(server.base_url, connections=1)
    first = asyncio.create_task(acashback(client, "t1"))
    await server.wait_for(lambda: server.requests)
    waiting = [asyncio.create_task(acashback(client, f"w{n}")) for n in range(20)]
    await asyncio.sleep(0.01)
    for call in (*waiting, first):
        call.cancel()
    await asyncio.gather(*waiting, first, return_exceptions=True)

    assert (await acashback(client, "t2")).rewarded_points == 20
    assert len(server.requests) == 2


async def test_a_timeout_around_a_call_ends_it_in_time(server: Server, awaited: MakeAwaited) -> None:
    server.script("hang", server.answer())
    client = awaited(server.base_url)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await acashback(client, "t1")

    await server.wait_for(lambda: server.gone == 1)
    assert (await acashback(client, "t2")).rewarded_points == 20


async def test_a_failing_sibling_in_a_task_group_cancels_the_call(server: Server, awaited: MakeAwaited) -> None:
    server.script("hang", server.refusal(309))
    client = awaited(server.base_url)
    with pytest.raises(ExceptionGroup) as failed:  # noqa: PT012 (the group is what fails)
        async with asyncio.TaskGroup() as group:
            group.create_task(acashback(client, "t1"))
            await server.wait_for(lambda: server.requests)
            group.create_task(acashback(client, "t2"))

    assert [str(error)[:3] for error in failed.value.exceptions] == ["309"]
    await server.wait_for(lambda: server.gone == 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_cancelled_wait_between_tries_ends_the_call(server: Server, awaited: MakeAwaited) -> None:
    server.script(server.answer({"code": None, "message": "slow"}, status=429, headers={"Retry-After": "30"}))
    client = awaited(server.base_url)
    call = asyncio.create_task(acashback(client, "t1"))
    await server.wait_for(lambda: server.requests)
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert len(server.requests) == 1


# --- errands


NOTED = """
client = Gameball()
try:
    cashback(client, "t1")
except KeyboardInterrupt as interrupt:
    print(interrupt.__notes__[0], flush=True)
"""


def test_ctrl_c_says_which_write_it_has_left_open(server: Server, start: Start) -> None:
    server.script("hang")
    program = start(NOTED, server.base_url)
    server.wait(lambda: server.requests, 10)
    program.interrupt()
    code, said, complaints = program.end(5)

    assert (code, complaints) == (0, "")
    assert said.startswith("transactions.cashback (transaction_id=t1) was given up")


def test_ctrl_c_in_what_the_caller_is_told_ends_the_call() -> None:
    ended = threading.Event()

    async def report() -> None:
        try:
            await loop_thread.run_in_caller_thread(interrupt)
        finally:
            ended.set()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop_thread.run(report)
    assert ended.wait(1)


async def test_awaited_the_caller_is_told_where_it_is() -> None:
    threads: list[str] = []
    await loop_thread.run_in_caller_thread(lambda: threads.append(threading.current_thread().name))

    assert threads == ["MainThread"]


def test_an_answer_from_the_caller_that_comes_too_late_is_let_go() -> None:
    """The coroutine was cancelled while the caller was still busy with its callback."""
    cancelled = threading.Event()

    async def report() -> str:
        try:
            async with asyncio.timeout(0.02):
                await loop_thread.run_in_caller_thread(partial(cancelled.wait, 1.0))
        except TimeoutError:
            cancelled.set()
        await asyncio.sleep(0.02)
        return "went on"

    assert loop_thread.run(report) == "went on"


def test_a_value_is_let_go_of_and_so_is_an_error() -> None:
    class Thing:
        """Something that can be watched."""

    async def make() -> Thing:
        return Thing()

    class Failed(Exception):  # noqa: N818 (its name does not matter)
        """An error that can be watched."""

    async def fail() -> None:
        raise Failed

    watched = weakref.ref(loop_thread.run(make))
    assert let_go(watched)
    with pytest.raises(Failed) as failed:
        loop_thread.run(fail)
    error = weakref.ref(failed.value)
    del failed
    assert let_go(error)


def let_go(watched: "weakref.ref[Any]") -> bool:
    """Whether it is gone as soon as the loop thread has nothing more to do with it, without any collection."""
    return any(watched() is None for _ in range(50) if not threading.Event().wait(0.01))


def test_a_client_brings_what_the_loop_thread_needs(start: Start, server: Server) -> None:
    source = "before = 'anyio._backends._asyncio' in sys.modules; Gameball()\n"
    program = start(source + "print(before, 'anyio._backends._asyncio' in sys.modules)", server.base_url)

    assert program.end() == (0, "False True", "")


def test_a_loop_that_cannot_be_made_means_that_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object) -> None:
        raise OSError(24, "Too many open files")

    own = loop_thread.LoopThread()
    with monkeypatch.context() as patch:
        patch.setattr(loop_thread.anyio, "run", run)  # type: ignore[attr-defined]  # the module's own import
        with pytest.raises(ConnectionFailedError, match="no event loop could be made") as failed:
            own.run(nothing)
    assert failed.value.outcome == "not_applied"
    assert own.run(nothing) is None
    own.stop()
    own.stop()


async def nothing() -> None:
    """Do nothing."""


def test_a_fork_replaces_the_loop_thread_and_keeps_the_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    before = loop_thread._loop_thread
    parents: list[loop_thread.LoopThread] = []
    monkeypatch.setattr(loop_thread, "_loop_thread", before)
    monkeypatch.setattr("gameball.core.fork._kept", parents)
    loop_thread._replace()

    assert loop_thread._loop_thread is not before
    assert parents == [before]
    loop_thread.run(nothing)
    loop_thread._stop()


def test_closing_a_generator_starts_no_thread() -> None:
    async def count() -> AsyncGenerator[int]:
        yield 1

    own = loop_thread.LoopThread()
    own.close(count())
    assert own._thread is None


async def test_what_was_given_up_before_it_began_never_begins() -> None:
    item: loop_thread._WorkItem[None] = loop_thread._WorkItem(pytest.fail)
    await item.cancel()
    await item.run()
    assert item.error is None


def test_a_call_that_the_end_of_the_program_cancels_ends_its_thread_without_a_word() -> None:
    own = loop_thread.LoopThread()
    stopping: list[threading.Thread] = []

    async def outlive_the_program() -> None:
        stopping.append(threading.Thread(target=own.stop))
        stopping[0].start()
        await asyncio.Event().wait()

    with pytest.raises(SystemExit):
        own.run(outlive_the_program)
    stopping[0].join()


def test_a_cancellation_that_is_not_the_end_of_the_program_is_not_hidden() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        loop_thread.run(cancelled)
    assert loop_thread.run(nothing) is None


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> "NameServer":
    return NameServer(monkeypatch)


class NameServer:
    """Answers the first question for a host name only when released; the loopback address, always."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self._ask = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)

    def _answer(self, *question: Any, **more: Any) -> Any:
        self.asked.set()
        assert self.may_answer.wait(5)
        return self._ask("127.0.0.1", *question[1:], **more)


async def test_a_client_that_is_closed_while_a_call_waits_for_the_host_name_does_not_end_that_call(
    server: Server, awaited: MakeAwaited, name_server: NameServer
) -> None:
    client = awaited(server.base_url.replace("127.0.0.1", "localhost"), retries=Retries(backoff=0.01))
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(client.deliver(a_cashback("t1")))
        await asyncio.to_thread(name_server.asked.wait, 5)
        await client.aclose()
        name_server.may_answer.set()

    assert (call.result().attempts, call.result().value.rewarded_points) == (2, 20)


def test_nor_does_a_plain_one(server: Server, plain: MakePlain, name_server: NameServer) -> None:
    client = plain(server.base_url.replace("127.0.0.1", "localhost"), retries=Retries(backoff=0.01))
    with ThreadPoolExecutor(1) as thread:
        call = thread.submit(client.deliver, a_cashback("t1"))
        assert name_server.asked.wait(5)
        client.close()
        name_server.may_answer.set()

    assert (call.result().attempts, call.result().value.rewarded_points) == (2, 20)


def a_cashback(transaction_id: str) -> Operation[CashbackReward]:
    return transactions.cashback(CashbackRequest(player_unique_id="p", transaction_id=transaction_id, amount=10))


async def test_a_call_that_is_cancelled_while_its_client_is_closed_is_cancelled(
    server: Server, awaited: MakeAwaited, name_server: NameServer
) -> None:
    client = awaited(server.base_url.replace("127.0.0.1", "localhost"))
    call = asyncio.create_task(acashback(client, "t1"))
    await asyncio.to_thread(name_server.asked.wait, 5)
    call.cancel()
    await client.aclose()
    name_server.may_answer.set()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert server.requests == []


async def test_a_cancellation_that_came_just_before_the_call_ends_it_too(server: Server, awaited: MakeAwaited) -> None:
    """Ctrl-C may strike while the task itself runs: then it ends the next await, which is the call's first."""
    call = asyncio.create_task(cancelled_first(awaited(server.base_url)))

    with pytest.raises(asyncio.CancelledError):
        await call
    assert server.requests == []


async def cancelled_first(client: AsyncGameball) -> CashbackReward:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return await acashback(client, "t1")


async def test_what_a_cancelled_call_still_asks_for_is_not_done() -> None:
    async def nothing() -> None: ...

    item = loop_thread._WorkItem(nothing)
    item.ask(pytest.fail)
    await item.run()
    item.wait_for_end()


def test_where_no_thread_can_be_started_any_more_a_call_runs_on_a_loop_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    async def thread() -> int:
        return threading.get_ident()

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert loop_thread.LoopThread().run(thread) == threading.get_ident()


def test_once_the_main_thread_has_ended_a_host_name_is_resolved_without_another_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve() -> list[Any]:
        return await asyncio.get_running_loop().getaddrinfo("localhost", 80, family=socket.AF_INET)

    before = loop_thread.run(resolve)
    monkeypatch.setattr(threading, "main_thread", threading.Thread)
    monkeypatch.setattr(loop_thread._Resolving, "run_in_executor", pytest.fail)
    assert loop_thread.run(resolve) == before


class OtherLoop(asyncio.SelectorEventLoop):
    """Stands for uvloop's, which not everybody has."""


@pytest.mark.parametrize(
    ("uvloop", "kind"),
    [(SimpleNamespace(Loop=OtherLoop), OtherLoop), (None, loop_thread._Loop)],
    ids=["there", "absent"],
)
def test_plain_calls_run_on_the_loop_of_uvloop_where_it_is_installed(
    uvloop: object, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", uvloop)
    monkeypatch.setattr(loop_thread, "_loop_factory", loop_thread._loop_factory.__wrapped__)
    own = loop_thread.LoopThread()
    assert isinstance(own.run(running), kind)
    own.stop()


async def running() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_no_other_loop_becomes_one_of_uvloop(start: Start, server: Server) -> None:
    pytest.importorskip("uvloop")
    program = start(
        """
from gameball.core import loop_thread

async def is_fast(): return any(kind.__module__ == "uvloop" for kind in type(asyncio.get_running_loop()).__mro__)

cashback(Gameball(), "t1")
print(loop_thread.run(is_fast), asyncio.run(is_fast()))
""",
        server.base_url,
    )
    assert program.end() == (0, "True False", "")


def test_an_awaited_call_says_that_it_works_on_asyncio_only(server: Server) -> None:
    client = AsyncGameball("key", "secret", base_url=server.base_url)
    rows = [CashbackRequest(player_unique_id="p", transaction_id="t", amount=1)]

    async def first_row() -> object:
        return await anext(client.transactions.iterate())

    calls: list[Coroutine[Any, Any, object]] = [
        client.transactions.list(),
        first_row(),
        client.bulk.run(rows),
        client.aclose(),
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match=r"^AsyncGameball works on asyncio only"):
            call.send(None)  # as any other library for event loops begins
    assert server.requests == []

"""Connections as loops, servers and proxies leave them: only clean, open ones are used, and none is left behind."""

import asyncio
import gc
import logging
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from gameball import (
    AsyncGameball,
    ConnectionFailedError,
    Gameball,
    InvalidRequestError,
    Operation,
    OutcomeUnknownError,
    RateLimit,
    Replay,
    Retries,
    Timeouts,
)
from gameball.core.operation import Signature
from gameball.core.sessions import LoopSessions, SharedTimer, Slots, TimeLimit, UsedConnections
from tests.support.server import API_KEY, SECRET_KEY, Part, Server, Step

pytestmark = pytest.mark.many_cases

KEYS = (API_KEY, SECRET_KEY)
FILES = Path("/proc/self/fd")
GET: Operation[dict[str, Any]] = Operation(name="x", method="GET", path="/x", returns=dict, replay=Replay.SAFE)
HOLD = {"holdReference": "h1", "playerUniqueId": "p", "holdPoints": 1}


@pytest.fixture
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts for a server and for its client."""
    authority = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return serving, trusting


# --- servers and proxies that close


STALE: dict[str, Part] = {
    "closed": "close",
    "reset": "reset",
    "half closed": "half-close",
    "a second answer": Server.answer({"holdReference": "another's"}),
    "half an answer": b"HTTP/1.1 200",
}


@pytest.mark.parametrize("sender", ["our session", "a session of the user"])
@pytest.mark.parametrize(
    ("secure", "end"),
    [
        pytest.param(secure, end, id=f"{name}, {'tls' if secure else 'plain'}")
        for name, end in STALE.items()
        for secure in (False, True)
        if not (secure and name == "half closed")  # TLS closes both halves
    ],
)
async def test_a_connection_that_became_stale_while_the_loop_was_busy_is_not_used(
    end: Part,
    sender: str,
    secure: bool,  # noqa: FBT001
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    serving, trusting = tls if secure else (None, None)
    served, ended = threading.Event(), threading.Event()
    stale: Step = (Server.answer(HOLD), partial(served.wait, 5), end, ended.set, "hang")
    with Server(tls=serving).script(stale, Server.answer(HOLD)) as server:
        async with AsyncExitStack() as stack:
            ours = sender == "our session"
            session = None if ours else await stack.enter_async_context(aiohttp.ClientSession())
            client = await stack.enter_async_context(
                AsyncGameball(*KEYS, base_url=server.base_url, ssl=trusting, session=session)
            )
            await client.configurations.cashback()
            served.set()
            server.wait(lambda: ended.is_set() or server.gone)  # the loop does not see what the server does
            time.sleep(0.02)  # noqa: ASYNC251 (nor what comes of it)
            page = await client.send(GET)

    assert page == HOLD
    assert [seen.connection for seen in server.requests] == [1, 2]


@pytest.mark.parametrize("end", STALE.values(), ids=STALE)
async def test_where_the_system_has_no_poll_a_stale_connection_is_found_all_the_same(
    end: Part, tls: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gameball.core.sessions._poll", None)
    await test_a_connection_that_became_stale_while_the_loop_was_busy_is_not_used(
        secure=False, end=end, sender="our session", tls=tls
    )


@pytest.mark.parametrize("delay", [0.0, 0.0005, 0.005], ids=["at once", "0.5 ms later", "5 ms later"])
async def test_holds_through_a_proxy_that_closes_after_each_response_all_give_values(delay: float) -> None:
    """A kept connection may break under a hold, which cannot be looked up: it takes one that nobody has used."""
    with Server().script((Server.answer(HOLD), delay, "close")) as server:
        async with AsyncGameball(*KEYS, base_url=server.base_url) as client:
            for _ in range(40):
                assert (await client.transactions.hold(player_unique_id="p", hold_points=1)).hold_points == 1

    assert len(server.requests) == 40


@pytest.mark.parametrize("ending", ["close", "reset"])
async def test_reads_through_a_proxy_that_closes_after_each_response_soon_keep_no_connection(ending: str) -> None:
    page = Server.answer({"transactions": [], "count": 0, "total": 0})
    with Server().script((page, 0.001, ending)) as server:  # type: ignore[arg-type]
        async with AsyncGameball(*KEYS, base_url=server.base_url) as client:
            for _ in range(40):
                assert (await client.transactions.list()).transactions == ()

    assert len(server.requests) <= 42


async def test_a_server_that_speaks_first_on_every_connection_is_not_asked_for_ever() -> None:
    with Server() as server:
        server.greeting = Server.answer()
        async with AsyncGameball(*KEYS, base_url=server.base_url, timeouts=Timeouts(total=2)) as client:
            with pytest.raises((ConnectionFailedError, OutcomeUnknownError)):
                await client.transactions.hold(player_unique_id="p", hold_points=1)
        assert server.connections <= 5


class WithoutASocket:
    """Stands in for a connection whose transport shows no socket, and for its protocol and transport."""

    should_close = False

    def __init__(self) -> None:
        self.protocol = self.transport = self

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, _: str) -> None:
        return None


def test_a_kept_connection_that_shows_no_socket_is_used_again() -> None:
    used, connection = UsedConnections(), WithoutASocket()
    assert used.accept(connection)  # type: ignore[arg-type]  # all that it asks a connection
    assert used.accept(connection)  # type: ignore[arg-type]


# --- places


def taken(count: int = 1) -> Slots:
    """Places that are all taken."""
    slots = Slots(count)
    assert all(slots.take() for _ in range(count))
    return slots


async def waiting(slots: Slots, number: int) -> list[asyncio.Task[None]]:
    """So many who wait for a place, in this order."""
    tasks = [asyncio.create_task(slots.wait()) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


async def test_a_place_that_is_given_back_goes_to_whoever_has_waited_longest() -> None:
    slots = taken()
    first, second = await waiting(slots, 2)
    slots.release()
    assert not slots.take()  # nobody passes those who wait
    await first
    assert not second.done()
    slots.release()
    await second
    slots.release()
    assert slots.take()


async def test_who_gives_up_waiting_takes_no_place() -> None:
    slots = taken()
    first, second = await waiting(slots, 2)
    first.cancel()
    slots.release()
    await second
    assert first.cancelled()


async def test_a_place_that_comes_with_a_cancellation_goes_to_the_next() -> None:
    slots = taken()
    first, second = await waiting(slots, 2)
    slots.release()
    first.cancel()
    await asyncio.wait_for(second, 1)
    assert first.cancelled()


async def test_a_wait_that_is_thrown_away_loses_no_place() -> None:
    slots = taken()
    wait = slots.wait()
    wait.send(None)
    wait.close()
    slots.release()
    assert slots.take()


# --- time limits


async def limited(limit: TimeLimit, seconds: float) -> None:
    """Something that takes longer than it may."""
    with limit:
        limit.expire_at(asyncio.get_running_loop().time() + seconds)
        await asyncio.sleep(5)


async def test_a_time_limit_cancels_what_its_block_waits_for() -> None:
    limit, task = TimeLimit(SharedTimer()), asyncio.current_task()
    with pytest.raises(TimeoutError):
        await limited(limit, 0.01)
    assert limit.expired
    assert task is not None
    assert task.cancelling() == 0


async def test_a_block_that_ends_in_time_is_left_alone() -> None:
    timer, loop = SharedTimer(), asyncio.get_running_loop()
    with TimeLimit(timer) as limit:
        limit.expire_at(loop.time() + 0.01)
    await asyncio.sleep(0.02)
    assert not limit.expired


@pytest.mark.parametrize("first", ["the limit", "the cancellation"])
async def test_a_task_that_is_cancelled_at_the_end_of_its_time_is_cancelled(first: str) -> None:
    limit = TimeLimit(SharedTimer())
    task = asyncio.create_task(limited(limit, 5))
    await asyncio.sleep(0)
    for end in (limit.expire, task.cancel)[:: 1 if first == "the limit" else -1]:
        end()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_next_limit_to_expire_sets_the_timer() -> None:
    timer, loop = SharedTimer(), asyncio.get_running_loop()

    async def last(seconds: float) -> float:
        began = loop.time()
        with pytest.raises(TimeoutError):
            await limited(TimeLimit(timer), seconds)
        return loop.time() - began

    long, short = await asyncio.gather(last(0.1), last(0.01))
    assert short < 0.1 <= long + 0.001


async def test_a_time_limit_is_for_tasks() -> None:
    loop = asyncio.get_running_loop()
    refused: asyncio.Future[object] = loop.create_future()

    def enter() -> None:
        with pytest.raises(RuntimeError, match="a time limit needs a task"), TimeLimit(SharedTimer()):
            pass
        refused.set_result(None)

    loop.call_soon(enter)
    await asyncio.wait_for(refused, 1)


# --- loops that end, and loops side by side


async def test_a_forked_child_leaves_its_parents_sessions_alone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = LoopSessions(Slots(1))
    await sessions.open({Signature.ALL: None})
    async with sessions.session(Signature.ALL, fresh=False).get(server.base_url) as response:
        await response.read()
    with monkeypatch.context() as in_child:
        in_child.setattr("os.getpid", lambda: -1)
        sessions.close_from_outside()
    await asyncio.sleep(0.02)
    assert server.open == 1
    await sessions.close()


def open_files() -> int:
    return len(list(FILES.iterdir()))


@pytest.mark.thorough
@pytest.mark.skipif(not FILES.is_dir(), reason="counts open files as Linux lists them")
@pytest.mark.parametrize("one_client", [True, False], ids=["one client", "a client each"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # asyncio's own, for a loop that was closed over open sockets
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_loops_that_are_closed_by_hand_leave_no_socket(server: Server, one_client: bool) -> None:  # noqa: FBT001
    kept = AsyncGameball(*KEYS, base_url=server.base_url)

    def job(number: int) -> None:
        client = kept if one_client else AsyncGameball(*KEYS, base_url=server.base_url)
        loop = asyncio.new_event_loop()
        call = client.transactions.cashback(player_unique_id="p", transaction_id=f"t{number}", amount=1)
        loop.run_until_complete(call)
        loop.close()

    job(0)
    gc.collect()
    before = open_files()
    for number in range(1, 20):
        job(number)
    gc.collect()
    assert open_files() - before <= 4
    # The last loop's sockets are let go of by the next one; here, that no later test is blamed for them.
    asyncio.run(kept.transactions.cashback(player_unique_id="p", transaction_id="last", amount=1))
    gc.collect()


def test_a_client_with_a_rate_limit_serves_several_loops_at_once(server: Server) -> None:
    client = AsyncGameball(*KEYS, base_url=server.base_url, rate_limit=RateLimit((1, 0.005)))
    ended: list[int] = []

    async def several(start: int) -> None:
        for number in range(start, start + 8, 2):
            calls = (
                client.transactions.cashback(player_unique_id="p", transaction_id=f"t{number + n}", amount=1)
                for n in range(2)
            )
            ended.append(len(await asyncio.gather(*calls)))

    threads = [
        threading.Thread(target=lambda n=n: asyncio.run(asyncio.wait_for(several(n * 100), 20))) for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(25)
    assert sum(ended) == 24


# --- what cannot get better


async def test_a_session_of_the_user_that_is_closed_is_named_after_one_try(server: Server) -> None:
    session = aiohttp.ClientSession()
    await session.close()
    client = AsyncGameball(*KEYS, base_url=server.base_url, session=session)
    with pytest.raises(ConnectionFailedError, match="the session that was passed is closed") as failed:
        await client.transactions.list()
    assert failed.value.attempts == 1


async def test_nothing_is_looked_up_with_a_session_of_the_user_that_was_closed_meanwhile(server: Server) -> None:
    session = aiohttp.ClientSession()
    server.script((0.1, "close"))
    client = AsyncGameball(*KEYS, base_url=server.base_url, session=session)
    call = asyncio.create_task(client.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1))
    await server.wait_for(lambda: server.requests)
    await session.close()
    with pytest.raises(OutcomeUnknownError):
        await asyncio.wait_for(call, 5)
    assert server.methods == ["POST"]


@pytest.mark.parametrize("name", ["cashback", "hold", "list"])
def test_a_session_of_another_loop_is_named_and_its_connections_are_not_touched(
    server: Server, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    arguments: dict[str, dict[str, Any]] = {
        "cashback": {"player_unique_id": "p", "transaction_id": "t", "amount": 1},
        "hold": {"player_unique_id": "p", "hold_points": 1},
        "list": {},
    }
    loop = asyncio.new_event_loop()

    async def make() -> tuple[aiohttp.ClientSession, AsyncGameball]:
        session = aiohttp.ClientSession()
        client = AsyncGameball(*KEYS, base_url=server.base_url, session=session)
        await client.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1)
        return session, client

    session, client = loop.run_until_complete(make())
    with pytest.raises(ConnectionFailedError, match="belongs to another event loop") as failed:
        asyncio.run(getattr(client.transactions, name)(**arguments[name]))
    loop.run_until_complete(session.close())
    loop.close()
    gc.collect()

    assert (failed.value.attempts, failed.value.outcome) == (1, "not_applied")
    assert len(server.requests) == 1
    assert "never retrieved" not in caplog.text


@pytest.mark.parametrize("session", ["a session", object(), 5])
def test_only_a_session_of_aiohttps_can_be_passed(session: Any) -> None:
    with pytest.raises(InvalidRequestError, match="session must be a ClientSession of aiohttp's, not"):
        AsyncGameball(*KEYS, session=session)


@contextmanager
def proxy_that_answers(*steps: Part) -> Iterator[tuple[Server, Gameball]]:
    """A proxy that answers each CONNECT so, and a client behind it."""
    with Server().script(steps) as server, ExitStack() as stack:
        address = f"http://user:hunter22@127.0.0.1:{server.port}"
        client = Gameball(*KEYS, base_url="https://api.example.invalid/a", proxy=address, retries=Retries(backoff=0.05))
        yield server, stack.enter_context(client)


def refusal(status: int) -> bytes:
    return f"HTTP/1.1 {status} No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("status", "tries"),
    [(204, 1), (302, 1), (401, 1), (403, 1), (405, 1), (407, 1), (408, 4), (425, 4), (429, 4), (502, 4), (504, 4)],
)
def test_a_proxy_that_refuses_to_connect_is_named_with_its_status(status: int, tries: int) -> None:
    with (
        proxy_that_answers(refusal(status), "close") as (proxy, client),
        pytest.raises(ConnectionFailedError, match=f"the proxy refused to connect, with HTTP {status}") as failed,
    ):
        client.transactions.list()
    assert failed.value.attempts == tries
    assert len(proxy.requests) == tries
    assert "hunter22" not in str(failed.value)


CLOSED = "the connection was closed|connection reset by peer"


@pytest.mark.parametrize(
    ("answer", "reason", "tries"),
    [
        ((b"SSH-2.0-" + API_KEY.encode() + b"\r\n\r\n",), "the proxy's answer cannot be read as HTTP", 1),
        ((b"\0\1\2\r\n\r\n",), "the proxy's answer cannot be read as HTTP", 1),
        ((b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",), "the proxy's answer cannot be read as HTTP", 1),
        ((b"HTTP/1.1 200 OK\r\n\r\n", "close"), CLOSED, 4),
        ((b"HTTP/1.1 200 OK\r\n\r\n", b"no TLS\r\n", "close"), f"{CLOSED}|no secure connection", None),
        ((b"HTTP/1.1 20", "close"), "the server closed the connection without an answer", 4),
    ],
    ids=["another protocol", "garbage", "long headers", "a tunnel that ends", "a tunnel to garbage", "half a line"],
)
def test_a_proxy_that_breaks_is_named_in_words_of_our_own(answer: tuple[Part, ...], reason: str, tries: int) -> None:
    with (
        proxy_that_answers(*answer) as (_, client),
        pytest.raises(ConnectionFailedError, match=f"^nothing was sent: ({reason})") as failed,
    ):
        client.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1)
    assert tries in (None, failed.value.attempts)
    assert failed.value.outcome == "not_applied"
    assert not any(secret in str(failed.value) for secret in (*KEYS, "hunter22"))


@pytest.mark.parametrize("said", ["hunter22", "http://user:hunter22@proxy.example"])
def test_a_bug_beneath_does_not_say_the_proxys_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, said: str
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise ValueError(said)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", fail)
    with (
        proxy_that_answers("close") as (_, client),
        caplog.at_level(logging.DEBUG, "gameball"),
        pytest.raises(ConnectionFailedError) as failed,
    ):
        client.transactions.list()
    assert failed.value.attempts == 1
    assert "ValueError in " in caplog.text
    assert "hunter22" not in caplog.text + str(failed.value)


def test_a_connection_that_ends_in_the_handshake_is_said_in_words_of_our_own(server: Server) -> None:
    server.greeting = "close"
    with (
        Gameball(*KEYS, base_url=f"https://127.0.0.1:{server.port}", retries=Retries(backoff=0.05)) as client,
        pytest.raises(ConnectionFailedError, match=r"the connection was closed|connection reset by peer") as failed,
    ):
        client.transactions.list()
    assert failed.value.attempts == 4


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + API_KEY.encode() + b"\r\n\r\n"])
async def test_an_answer_that_is_no_http_is_said_to_be_none(server: Server, answer: bytes) -> None:
    server.script((answer, "close"))
    async with AsyncGameball(*KEYS, base_url=server.base_url) as client:
        with pytest.raises(OutcomeUnknownError, match="the answer cannot be read as HTTP") as failed:
            await client.transactions.hold(player_unique_id="p", hold_points=1)
    assert API_KEY not in str(failed.value)


@pytest.mark.parametrize(
    "broken", [TypeError("missing 1 argument"), KeyError(API_KEY), AttributeError("no such thing")]
)
def test_a_bug_beneath_is_tried_once_and_found_in_the_debug_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: Exception
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise broken

    monkeypatch.setattr(aiohttp.ClientSession, "_request", fail)
    client = Gameball(*KEYS, base_url="http://127.0.0.1:9/a")
    with caplog.at_level(logging.DEBUG, "gameball"), pytest.raises(ConnectionFailedError) as failed:
        client.transactions.list()
    assert failed.value.attempts == 1
    assert type(broken).__name__ in str(failed.value)
    assert "test_sessions.py" in caplog.text
    assert API_KEY not in caplog.text


async def test_an_interpreter_that_is_shutting_down_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr("asyncio.BaseEventLoop.getaddrinfo", fail)
    client = AsyncGameball(*KEYS, base_url="https://api.example.invalid/a")
    with pytest.raises(ConnectionFailedError, match="the interpreter is shutting down") as failed:
        await client.transactions.list()
    await client.aclose()
    assert (failed.value.attempts, failed.value.outcome) == (1, "not_applied")

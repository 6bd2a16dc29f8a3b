"""One exchange on real sockets: what left, what came back, and where the keys went."""

import asyncio
import gc
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext, create_default_context
from typing import Any

import aiohttp
import pytest
import trustme
from attrs import evolve

from gameball import AsyncGameball, ConnectionFailedError, InvalidRequestError, Operation, Replay, Retries, Timeouts
from gameball.core.http import Failure, Fault, Request, Response
from gameball.core.operation import Signature
from gameball.core.transport import MOST_BYTES, Transport, _Body
from gameball.sandbox import Sandbox
from gameball.settings import Credentials, Secret
from tests.support.programs import Program
from tests.support.server import Server, Step

pytestmark = pytest.mark.many_cases

MakeAwaited = Callable[..., AsyncGameball]
Start = Callable[[str, str], Program]

KEYS = Credentials(
    api_key=Secret("the-api-key"), secret_key=Secret("the-secret-key"), partner_token=Secret("the-partner-token")
)
POST = Request(method="POST", target="/things", signature=Signature.BOTH_KEYS, body=b'{"amount":99.98}')
GET = Request(method="GET", target="/things?direction=%2B", signature=Signature.BOTH_KEYS)
DELETE = Request(method="DELETE", target="/things/1", signature=Signature.BOTH_KEYS)
EACH_METHOD = pytest.mark.parametrize("request_", [POST, GET, DELETE], ids=["POST", "GET", "DELETE"])


class Line:
    """Exchanges over one transport that is closed after the test."""

    def __init__(self) -> None:
        self._transports: list[Transport] = []

    def to(self, where: "Server | int", *, connections: int = 100, **timeouts: float) -> Callable[..., Any]:
        url = f"http://127.0.0.1:{where}/api/v3.0" if isinstance(where, int) else where.base_url
        transport = Transport(url, KEYS, Timeouts(**timeouts), connections)
        self._transports.append(transport)

        async def exchange(request: Request, *, seconds: float = 5.0) -> Response | Failure:
            return await transport.exchange(request, asyncio.get_running_loop().time() + seconds)

        return exchange

    async def close(self) -> None:
        for transport in self._transports:
            await transport.aclose()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    made = Line()
    yield made
    await made.close()


# --- what never left


@EACH_METHOD
async def test_a_refused_connection_is_unsent(line: Line, free_port: int, request_: Request) -> None:
    result = await line.to(free_port)(request_)

    assert result == Failure(fault=Fault.CONNECTION, sent=False, reason="connection refused")


@EACH_METHOD
@pytest.mark.parametrize(
    ("timeouts", "seconds"),
    [({"connect": 0.1}, 5.0), ({"attempt": 0.1}, 5.0), ({}, 0.1)],
    ids=["connect", "attempt", "total"],
)
async def test_a_connection_that_does_not_open_in_time_is_unsent_and_nothing_is_written_later(
    line: Line, black_hole: socket.socket, request_: Request, timeouts: dict[str, Any], seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    result = await line.to(black_hole.getsockname()[1], **timeouts)(request_, seconds=seconds)

    assert loop.time() - began < 1
    assert (result.sent, result.fault) == (False, Fault.TIME)
    assert received_by(black_hole) == b""


def received_by(listening: socket.socket) -> bytes:
    """All bytes that its callers have sent, once it takes their calls."""
    listening.settimeout(0.08)
    received = b""
    while True:
        try:
            connection, _ = listening.accept()
        except TimeoutError:
            return received
        with connection:
            connection.settimeout(0.02)
            with suppress(TimeoutError):
                received += connection.recv(1000)


@EACH_METHOD
async def test_a_wait_for_a_free_connection_until_the_deadline_is_unsent(
    line: Line, server: Server, request_: Request
) -> None:
    server.script("hang")
    exchange = line.to(server, connections=1)
    busy = asyncio.create_task(exchange(POST))
    await server.wait_for(lambda: server.requests)

    result = await exchange(request_, seconds=0.1)
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)

    assert (result.sent, result.fault) == (False, Fault.TIME)
    assert len(server.requests) == 1


async def test_a_server_that_never_shakes_hands_is_unsent_and_counts_as_connecting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        transport = Transport(url, KEYS, Timeouts(connect=0.1, attempt=3), 1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        result = await transport.exchange(POST, began + 5)
        await transport.aclose()

    assert isinstance(result, Failure)
    assert not result.sent
    assert loop.time() - began < 1.5


UNASKED = {
    "a success": Server.answer(),
    "a refusal": Server.refusal(309),
    "put off": Server.answer(b"", status=429),
    "an answer without its end": b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{",
    "two at once": Server.answer() * 2,
}
NOT_ASKED_FOR = Failure(
    fault=Fault.CONNECTION, sent=False, reason="the connection held an answer that nobody had asked for"
)


@EACH_METHOD
@pytest.mark.parametrize("surplus", UNASKED.values(), ids=UNASKED)
async def test_unread_bytes_on_a_kept_connection_are_no_answer_and_the_request_takes_another_connection(
    line: Line, server: Server, request_: Request, surplus: bytes
) -> None:
    server.script(server.answer(), server.answer({"a": 1}))
    exchange = line.to(server)
    await exchange(GET)
    await server.send_unsolicited(surplus)

    assert (await exchange(request_)).body == b'{"a": 1}'
    assert [seen.connection for seen in server.requests] == [1, 2]


async def test_a_session_of_the_user_does_not_read_what_nobody_asked_for_either(server: Server) -> None:
    async with aiohttp.ClientSession() as session:
        transport = Transport(server.base_url, KEYS, Timeouts(), 1, session=session)
        until = asyncio.get_running_loop().time() + 5
        await transport.exchange(GET, until)
        await server.send_unsolicited(server.answer())

        assert isinstance(await transport.exchange(GET, until), Response)
    assert [seen.connection for seen in server.requests] == [1, 2]


async def test_a_session_of_the_user_is_not_sent_on_a_new_connection_on_which_the_server_speaks_first() -> None:
    with Server() as server:
        server.greeting = Server.answer()
        async with aiohttp.ClientSession(connector=Slow()) as session:
            transport = Transport(server.base_url, KEYS, Timeouts(), 1, session=session)

            assert await transport.exchange(POST, asyncio.get_running_loop().time() + 5) == NOT_ASKED_FOR
        assert server.requests == []
        assert server.connections == 1


class Slow(aiohttp.TCPConnector):
    """Hands out a connection when its server has had the time to speak."""

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        await asyncio.sleep(0.01)
        return connection


class Stammering(aiohttp.ClientRequest):
    """Never gets to its body."""

    async def write_bytes(self, *_: object) -> None:
        await asyncio.Event().wait()


async def test_an_answer_that_is_there_before_the_body_has_begun_is_none_and_its_connection_is_closed() -> None:
    received = bytearray()
    gone = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(Server.answer())
        received.extend(await reader.read())
        writer.close()
        gone.set()

    async with (
        await asyncio.start_server(greet, "127.0.0.1", 0) as hasty,
        aiohttp.ClientSession(request_class=Stammering) as session,
    ):
        url = f"http://127.0.0.1:{hasty.sockets[0].getsockname()[1]}"
        transport = Transport(url, KEYS, Timeouts(), 1, session=session)

        assert await transport.exchange(POST, asyncio.get_running_loop().time() + 5) == NOT_ASKED_FOR
        await asyncio.wait_for(gone.wait(), 5)

    assert received == b""


async def test_an_answer_that_switches_protocols_is_a_response_and_its_connection_is_not_kept(
    line: Line, server: Server
) -> None:
    server.script((b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "hang"))
    send = line.to(server)
    for _ in range(2):
        result = await send(POST)
        assert isinstance(result, Response)
        assert result.status == 101
    assert [seen.connection for seen in server.requests] == [1, 2]


# --- what may have been applied

BROKEN: dict[str, tuple[Step, Fault]] = {
    "closed without an answer": ("close", Fault.CONNECTION),
    "reset": ("reset", Fault.CONNECTION),
    "never answered": ("hang", Fault.TIME),
    "garbage": ((b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "hang"), Fault.CONNECTION),
    "cut headers": ((b"HTTP/1.1 200 OK\r\nContent-Le", "close"), Fault.CONNECTION),
    "cut body": ((b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "close"), Fault.CONNECTION),
    "cut chunks": ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", "close"), Fault.CONNECTION),
    "reset in the body": ((b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "reset"), Fault.CONNECTION),
    "a body that never ends": ((b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "hang"), Fault.TIME),
    "a body in drips": ((b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *((b"{", 0.05) * 20)), Fault.TIME),
    "broken gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n{}{}",
        Fault.CONNECTION,
    ),
    "no number for a length": (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}", Fault.CONNECTION),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", Fault.CONNECTION),
    "headers without end": ((b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 100_000, "hang"), Fault.CONNECTION),
    "too large": ((b"HTTP/1.1 200 OK\r\n\r\n" + bytes(MOST_BYTES + 1), "hang"), Fault.SIZE),
}


@EACH_METHOD
@pytest.mark.parametrize(("step", "fault"), BROKEN.values(), ids=BROKEN)
async def test_a_request_without_a_whole_answer_may_have_been_applied_and_is_written_once(
    line: Line, server: Server, request_: Request, step: Step, fault: Fault
) -> None:
    server.script(step)
    result = await line.to(server, attempt=0.15 if fault is Fault.TIME else 5)(request_)

    assert isinstance(result, Failure)
    assert (result.sent, result.fault) == (True, fault)
    assert len(server.requests) == 1
    assert "key" not in result.reason


async def test_each_of_several_exchanges_at_once_ends_at_its_own_deadline(line: Line, server: Server) -> None:
    server.script("hang", "hang", "hang")
    exchange = line.to(server)
    ended: list[float] = []

    async def end(seconds: float) -> None:
        result = await exchange(GET, seconds=seconds)
        assert (result.sent, result.fault, result.reason) == (True, Fault.TIME, "no answer in time")
        ended.append(seconds)

    await asyncio.gather(end(0.4), end(0.2), end(0.6))

    assert ended == [0.2, 0.4, 0.6]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "POST"])
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_kept_connection_that_ends_upon_a_request_does_not_make_aiohttp_send_it_again(
    line: Line, server: Server, method: str, end: Step
) -> None:
    server.script(server.answer(), end, server.answer())
    exchange = line.to(server)
    request = evolve(GET if method in ("GET", "DELETE") else POST, method=method)
    await exchange(request)
    result = await exchange(request)

    assert isinstance(result, Failure)
    assert result.sent
    assert [seen.connection for seen in server.requests] == [1, 1]


async def test_a_connection_that_was_closed_between_two_calls_is_replaced(line: Line, server: Server) -> None:
    server.script((server.answer(), "close"), server.answer())
    exchange = line.to(server)
    await exchange(POST)
    await server.wait_for(lambda: server.gone == 1)
    await asyncio.sleep(0.01)

    assert isinstance(await exchange(POST), Response)
    assert len(server.requests) == 2


# --- answers


async def test_an_answer_of_eight_megabytes_is_read_and_one_byte_more_is_not(line: Line, server: Server) -> None:
    server.script(server.answer(bytes(MOST_BYTES)), server.answer(bytes(MOST_BYTES + 1)))
    exchange = line.to(server)

    whole = await exchange(GET)
    assert isinstance(whole, Response)
    assert len(whole.body) == MOST_BYTES
    assert await exchange(GET) == Failure(fault=Fault.SIZE, sent=True, reason="the answer is larger than 8 MiB")


def gzip_bomb(megabytes: int) -> bytes:
    """So many megabytes of zeros in a few hundred kilobytes: one compressed block, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * (megabytes - 1)


@pytest.mark.thorough
def test_a_gzip_bomb_is_given_up_before_it_fills_the_memory(server: Server, start: Start) -> None:
    server.script(server.answer(gzip_bomb(100), headers={"Content-Encoding": "gzip"}))
    program = start(
        """
import resource
client = Gameball()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
try:
    client.transactions.list()
except GameballError as error:
    print(str(error))
print(peak() - before)
""",
        server.base_url,
    )
    code, said, complaints = program.end()
    sentence, grown = said.splitlines()

    assert (code, complaints) == (0, "")
    assert "larger than 8 MiB" in sentence
    assert int(grown) < 64


CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'
PACKED = gzip.compress(b'{"a":1}')
ANSWERS: dict[str, Step] = {
    "in chunks": CHUNKED,
    "with a length": b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}',
    "until the end of the connection": (b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"a":1}', "close"),
    "in pieces": tuple(part for n in range(len(CHUNKED)) for part in (CHUNKED[n : n + 1], 0.0)),
    "in gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED,
    "after a hundred": b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}',
}


@EACH_METHOD
@pytest.mark.parametrize("step", ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_is_whole_however_it_is_framed(
    line: Line, server: Server, request_: Request, step: Step
) -> None:
    server.script(step)
    answer = await line.to(server)(request_)

    assert isinstance(answer, Response)
    assert (answer.status, answer.body) == (200, b'{"a":1}')


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_may_have_no_body(line: Line, server: Server, status: int) -> None:
    server.script(f"HTTP/1.1 {status} Empty\r\n\r\n".encode())
    exchange = line.to(server)
    answers = [await exchange(DELETE), await exchange(DELETE)]

    assert [(answer.status, answer.body) for answer in answers] == [(status, b"")] * 2


async def test_headers_of_an_answer_are_read_without_regard_to_case(line: Line, server: Server) -> None:
    server.script(server.answer(headers={"RETRY-after": "3"}))
    answer = await line.to(server)(GET)

    assert answer.headers["Retry-After"] == "3"


# --- requests


async def test_a_write_is_these_bytes_on_the_wire(line: Line, server: Server) -> None:
    await line.to(server)(POST)
    (seen,) = server.requests

    assert seen.line == "POST /api/v3.0/things HTTP/1.1"
    headers = seen.headers
    assert headers.pop("User-Agent").startswith("gameball-python/3")
    assert "gzip" in headers.pop("Accept-Encoding")
    assert headers == {
        "Host": f"127.0.0.1:{server.port}",
        "APIKey": "the-api-key",
        "SecretKey": "the-secret-key",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Content-Length": "16",
    }
    assert seen.body == b'{"amount":99.98}'


@EACH_METHOD
@pytest.mark.parametrize("headers", [{}, {"lang": "ar", "User-Agent": "mine"}, {"Host": "shop.example"}])
async def test_a_session_of_our_own_writes_what_aiohttps_usual_requests_would(
    line: Line, server: Server, request_: Request, headers: dict[str, str]
) -> None:
    request = evolve(request_, headers=headers)
    await line.to(server)(request)
    async with aiohttp.ClientSession() as session:
        usual = Transport(server.base_url, KEYS, Timeouts(), 1, session=session)
        await usual.exchange(request, asyncio.get_running_loop().time() + 5)

    ours, theirs = server.requests
    assert (ours.line, ours.headers, ours.body) == (theirs.line, theirs.headers, theirs.body)
    assert next(iter(ours.headers)) == "Host"


async def test_a_session_of_the_users_keeps_its_own_defaults(server: Server) -> None:
    async with aiohttp.ClientSession(headers={"Accept-Encoding": "identity"}, auto_decompress=False) as session:
        transport = Transport(server.base_url, KEYS, Timeouts(), 1, session=session)
        await transport.exchange(POST, asyncio.get_running_loop().time() + 5)

    assert server.requests[0].headers["Accept-Encoding"] == "identity"


async def test_a_read_has_no_body_and_keeps_its_query_as_it_was_escaped(line: Line, server: Server) -> None:
    await line.to(server)(GET)
    (seen,) = server.requests

    assert seen.line == "GET /api/v3.0/things?direction=%2B HTTP/1.1"
    assert not {"Content-Type", "Content-Length", "Transfer-Encoding"} & set(seen.headers)


async def test_an_escaped_segment_stays_escaped(line: Line, server: Server) -> None:
    await line.to(server)(evolve(DELETE, target="/hold/a%2Fb%20c%3F%25%C3%A9"))

    assert server.requests[0].line == "DELETE /api/v3.0/hold/a%2Fb%20c%3F%25%C3%A9 HTTP/1.1"


async def test_a_partners_request_is_signed_with_the_token_alone(line: Line, server: Server) -> None:
    await line.to(server)(evolve(POST, signature=Signature.PARTNER, headers={"storeId": "7"}))
    headers = server.requests[0].headers

    assert (headers["Authorization"], headers["storeId"]) == ("Bearer the-partner-token", "7")
    assert not {"APIKey", "SecretKey"} & set(headers)


async def test_one_connection_serves_one_request_after_the_other(line: Line, server: Server) -> None:
    exchange = line.to(server)
    for request in (POST, GET, DELETE, evolve(POST, signature=Signature.PARTNER)) * 3:
        await exchange(request)

    assert (len(server.requests), server.connections) == (12, 1)


async def test_a_cookie_is_not_brought_back(line: Line, server: Server) -> None:
    server.script(server.answer(headers={"Set-Cookie": "a=b; Path=/"}))
    exchange = line.to(server)
    await exchange(GET)
    await exchange(GET)

    assert "Cookie" not in server.requests[1].headers


# --- where the keys go


@EACH_METHOD
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    line: Line, server: Server, another_server: Server, request_: Request, status: int
) -> None:
    server.script(server.answer(b"", status=status, headers={"Location": f"{another_server.base_url}/things"}))
    answer = await line.to(server)(request_)

    assert answer.status == status
    assert (len(server.requests), another_server.connections) == (1, 0)


@pytest.mark.parametrize("target", ["@127.0.0.1:{port}/things", "@127.0.0.1:{port}"])
async def test_no_path_turns_the_host_into_a_user_name_for_another_host(
    server: Server, another_server: Server, awaited: MakeAwaited, target: str
) -> None:
    client = awaited(f"http://127.0.0.1:{server.port}", retries=Retries(attempts=1))
    path = target.format(port=another_server.port)
    with suppress(InvalidRequestError):
        await client.send(Operation(name="x", method="GET", path=path, returns=dict, replay=Replay.SAFE))

    assert another_server.requests == []


async def test_proxies_and_netrc_of_the_environment_are_not_used(
    line: Line, server: Server, another_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login anybody password at-all\n")
    netrc.chmod(0o600)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{another_server.port}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{another_server.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NETRC", str(netrc))

    assert isinstance(await line.to(server)(GET), Response)
    assert another_server.connections == 0
    assert "Authorization" not in server.requests[0].headers


async def test_an_unknown_authority_is_refused_at_once_and_sees_no_request(awaited: MakeAwaited) -> None:
    context = SSLContext(PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    calls: list[bool] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(bool(await reader.read(1)))
        writer.close()

    connections = 0

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            await writer.start_tls(context)
            await serve(reader, writer)
        except OSError:
            writer.close()

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as secure:
        port = secure.sockets[0].getsockname()[1]
        client = awaited(f"https://localhost:{port}", retries=Retries(backoff=0.01, cap=0.02))
        with pytest.raises(ConnectionFailedError, match="certificate") as failed:
            await client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=10)

    assert (failed.value.outcome, failed.value.attempts) == ("not_applied", 1)
    assert (connections, any(calls)) == (1, False)


async def test_https_to_a_plain_port_is_refused_at_once(awaited: MakeAwaited) -> None:
    async with Sandbox() as sandbox:
        client = awaited(sandbox.base_url.replace("http:", "https:"), retries=Retries(backoff=0.01, cap=0.02))
        with pytest.raises(ConnectionFailedError, match="no secure connection") as failed:
            await client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=10)

    assert (failed.value.outcome, failed.value.attempts) == ("not_applied", 1)


@pytest.mark.parametrize("path", ["things", "", "@127.0.0.1/things", "/things?a=b", "/things#a", ".evil.example/x"])
def test_an_operations_path_stays_below_the_base(path: str) -> None:
    with pytest.raises(InvalidRequestError, match="must start with /"):
        Operation(name="x", method="GET", path=path, returns=dict, replay=Replay.SAFE)


# --- a user's own session, a proxy, a certificate of one's own


async def test_a_session_of_the_user_is_used_and_never_closed(server: Server) -> None:
    async with aiohttp.ClientSession(headers={"X-Mine": "yes"}) as session:
        async with AsyncGameball("the-api-key", "the-secret-key", base_url=server.base_url, session=session) as client:
            await client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=10)
        assert not session.closed
        await client.transactions.cashback(player_unique_id="p", transaction_id="t2", amount=10)
        del client
        gc.collect()
        await asyncio.sleep(0.01)
        assert not session.closed

    assert [seen.connection for seen in server.requests] == [1, 1]
    assert {seen.headers["X-Mine"] for seen in server.requests} == {"yes"}


async def test_a_session_of_the_user_signs_with_our_keys(server: Server) -> None:
    async with aiohttp.ClientSession() as session:
        client = AsyncGameball("the-api-key", "the-secret-key", base_url=server.base_url, session=session)
        await client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=10)
        await client.aclose()

    assert server.requests[0].headers["APIKey"] == "the-api-key"
    assert server.requests[0].headers["SecretKey"] == "the-secret-key"


async def test_a_request_goes_through_the_proxy_that_was_given(
    server: Server, another_server: Server, awaited: MakeAwaited
) -> None:
    proxy = f"http://user:word@127.0.0.1:{another_server.port}"
    await awaited(server.base_url, proxy=proxy).transactions.cashback(
        player_unique_id="p", transaction_id="t1", amount=10
    )

    assert server.requests == []
    assert another_server.requests[0].line == f"POST {server.base_url}/integrations/transaction/cashback HTTP/1.1"


async def test_a_proxy_that_refuses_the_tunnel_has_let_nothing_through(server: Server, awaited: MakeAwaited) -> None:
    server.script(server.answer(b"", status=403), server.answer(b"", status=502))
    client = awaited(
        "https://localhost:1/api/v3.0", proxy=f"http://127.0.0.1:{server.port}", retries=Retries(attempts=2)
    )
    with pytest.raises(ConnectionFailedError) as failed:
        await client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=10)

    assert failed.value.outcome == "not_applied"
    assert {seen.line for seen in server.requests} == {"CONNECT localhost:1 HTTP/1.1"}
    assert not any(b"APIKey" in seen.head for seen in server.requests)


async def test_a_certificate_of_ones_own_authority_is_trusted_when_it_is_given(awaited: MakeAwaited) -> None:
    authority = trustme.CA()
    serving = SSLContext(PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(serving)
    trusting = create_default_context()
    authority.configure_trust(trusting)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        writer.write(Server.answer())
        await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving) as secure:
        port = secure.sockets[0].getsockname()[1]
        client = awaited(f"https://localhost:{port}", ssl=trusting)
        reward = await client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=10)
        await client.aclose()

    assert reward.rewarded_points == 20


class Pen:
    """Stands in for aiohttp's writer, and for its transport."""

    def __init__(self, *, closing: bool = False) -> None:
        self.written: list[bytes] = []
        self.transport = self
        self._closing = closing

    def is_closing(self) -> bool:
        return self._closing

    async def write(self, chunk: bytes) -> None:
        self.written.append(chunk)


async def test_a_body_notes_that_it_is_written_and_is_not_written_once_it_is_cancelled() -> None:
    body, pen = _Body(b'{"amount":99.98}'), Pen()
    assert not body.started
    await body.write(pen)  # type: ignore[arg-type]  # all that it uses of a writer
    assert body.started
    assert pen.written == [b'{"amount":99.98}']
    assert body.decode() == '{"amount":99.98}'
    assert await body.as_bytes() == b'{"amount":99.98}'
    with pytest.raises(aiohttp.ClientConnectionError):
        await body.write(pen)  # a second time
    assert pen.written == [b'{"amount":99.98}']

    late = _Body(b"{}")
    late.cancelled = True
    with pytest.raises(aiohttp.ClientConnectionError):
        await late.write(pen)
    assert not late.started


async def test_a_body_has_not_started_where_the_transport_is_closing() -> None:
    body, pen = _Body(b"{}"), Pen(closing=True)
    with pytest.raises(aiohttp.ClientConnectionError):
        await body.write(pen)  # type: ignore[arg-type]
    assert not body.started
    assert pen.written == []

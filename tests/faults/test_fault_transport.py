"""The sent signal: whatever breaks, a request that "never left" has not been received, byte for byte.

Everything that delivery decides hangs on it, so it is proved before it is trusted.
"""

import asyncio
import gzip
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from gameball.core.http import Failure, Fault, Request, Response
from gameball.core.operation import Signature
from gameball.core.transport import Transport
from gameball.settings import Credentials, Secret, Timeouts
from tests.support.server import Part, Server, Step

pytestmark = pytest.mark.many_cases

KEYS = Credentials(api_key=Secret("canary-api-key-5f1c9be2"), secret_key=Secret("canary-secret-key-a7d03e44"))
BODY = b'{"otp":"canary-otp-713905","amount":99.98}'
POST = Request(method="POST", target="/things", signature=Signature.BOTH_KEYS, body=BODY)
LARGE = Request(method="POST", target="/things", signature=Signature.BOTH_KEYS, body=b"x" * 20_000_000)
GET = Request(method="GET", target="/things", signature=Signature.BOTH_KEYS)
DELETE = Request(method="DELETE", target="/things/1", signature=Signature.BOTH_KEYS)
EACH_METHOD = pytest.mark.parametrize("request_", [POST, GET, DELETE], ids=["POST", "GET", "DELETE"])

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CUT_GZIP = gzip.compress(b'{"a": 1}' * 100)[:-20]
SPOILT_GZIP = b"\x1f\x8b\x08\x00" + b"\xff" * 60

Exchange = Callable[..., Any]


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    """One exchange over a transport of its own; the same port and settings share one."""
    made: dict[Any, Transport] = {}

    async def once(
        url: str,
        request: Request,
        *,
        seconds: float = 9.0,
        connect: float = 9.0,
        attempt: float = 9.0,
        connections: int = 9,
        **tls: Any,
    ) -> Response | Failure:
        timeouts = Timeouts(connect=connect, attempt=attempt, total=60)
        transport = made.setdefault(url, Transport(url, KEYS, timeouts, connections, **tls))
        return await transport.exchange(request, asyncio.get_running_loop().time() + seconds, timeouts)

    yield once
    for transport in made.values():
        await transport.aclose()


def unsent(result: Response | Failure) -> Failure:
    assert isinstance(result, Failure)
    assert not result.sent
    return result


# --- it never left: the server has nothing


@EACH_METHOD
async def test_nobody_listens(exchange: Exchange, free_port: int, request_: Request) -> None:
    result = unsent(await exchange(f"http://127.0.0.1:{free_port}", request_))

    assert result.fault is Fault.CONNECTION


@EACH_METHOD
async def test_the_name_does_not_resolve(
    exchange: Exchange, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)  # no test asks a name server
    result = unsent(await exchange("http://no-such-host.invalid", request_))

    assert (result.fault, result.reason) == (Fault.CONNECTION, "the host name could not be resolved")


@EACH_METHOD
async def test_a_black_hole(exchange: Exchange, black_hole: socket.socket, request_: Request) -> None:
    result = unsent(await exchange(f"http://127.0.0.1:{black_hole.getsockname()[1]}", request_, connect=0.3))

    assert (result.fault, result.reason) == (Fault.TIME, "no connection in time")


@EACH_METHOD
async def test_no_connection_is_free_until_the_deadline(exchange: Exchange, server: Server, request_: Request) -> None:
    server.script("hang")
    busy = asyncio.create_task(exchange(server.base_url, POST, connections=1, attempt=0.2))
    await server.wait_for(lambda: server.requests)
    result = unsent(await exchange(server.base_url, request_, seconds=0.05))
    await busy

    assert result.fault is Fault.TIME
    assert len(server.requests) == 1


@EACH_METHOD
async def test_a_wait_for_a_free_connection_is_no_part_of_the_attempt(
    exchange: Exchange, server: Server, request_: Request
) -> None:
    server.script((0.1, HEAD + b"Content-Length: 2\r\n\r\n{}"))
    results = await asyncio.gather(
        *(exchange(server.base_url, request_, connections=1, attempt=0.15) for _ in range(3)), return_exceptions=True
    )

    assert [type(result) for result in results] == [Response] * 3


def _certificates(kind: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What the server shows, and what the client trusts."""
    authority = trustme.CA()
    issued = {
        "unknown authority": lambda: trustme.CA().issue_cert("127.0.0.1"),
        "wrong host": lambda: authority.issue_cert("elsewhere.example"),
        "expired": lambda: authority.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC)),
        "good": lambda: authority.issue_cert("127.0.0.1"),
    }[kind]()
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(shown)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    return shown, trusted


@EACH_METHOD
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("unknown authority", "unable to get local issuer certificate"),
        ("wrong host", "IP address mismatch"),
        ("expired", "certificate has expired"),
    ],
)
async def test_a_certificate_that_does_not_hold(exchange: Exchange, request_: Request, kind: str, words: str) -> None:
    shown, trusted = _certificates(kind)
    with Server(tls=shown) as server:
        result = unsent(await exchange(server.origin, request_, tls=trusted))

        assert result.fault is Fault.TLS
        assert words in result.reason
        assert not any(server.received)


@EACH_METHOD
async def test_https_to_a_plain_port(exchange: Exchange, server: Server, request_: Request) -> None:
    server.greeting = (b"HTTP/1.1 400 Bad Request\r\n\r\n",)
    result = unsent(await exchange(f"https://127.0.0.1:{server.port}", request_))

    assert result.fault is Fault.TLS
    assert server.requests == []
    assert b"canary" not in b"".join(server.received)


@EACH_METHOD
async def test_a_proxy_that_is_not_there(exchange: Exchange, free_port: int, server: Server, request_: Request) -> None:
    unsent(await exchange(server.base_url, request_, proxy=Secret(f"http://127.0.0.1:{free_port}")))

    assert server.received == []


# --- it may have been applied: the server has it


BROKEN: dict[str, tuple[Any, ...]] = {
    "reset": ("reset",),
    "close": ("close",),
    "no answer": ("hang",),
    "half a head": (HEAD, "close"),
    "reset in the head": (HEAD[:20], "reset"),
    "mid-body": (HEAD + b"Content-Length: 100\r\n\r\n{", "close"),
    "reset mid-body": (HEAD + b"Content-Length: 100\r\n\r\n{", 0.02, "reset"),
    "stalled mid-body": (HEAD + b"Content-Length: 100\r\n\r\n{", "hang"),
    "cut chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n20\r\n{", "close"),
    "no last chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "close"),
    "a chunk without a size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n", "close"),
    "drip": (HEAD + b"Content-Length: 100\r\n\r\n", *[b"{", 0.05] * 40, "close"),
    "a dripping head": (*[b"HTTP/1.1 200 OK\r\n"[n : n + 1] if n < 17 else 0.1 for n in range(40)], "close"),
    "garbage": (b"\x16\x03\x01\x00\x02no HTTP at all\r\n\r\n", "close"),
    "garbage without a line": (b"\x00\xff" * 50, "close"),
    "a header of 100 kB": (HEAD + b"X: " + b"x" * 100_000 + b"\r\nContent-Length: 2\r\n\r\n{}", "hang"),
    "100 kB of status": (b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n", "hang"),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000, "hang"),
    "two lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "close"),
    "a negative length": (HEAD + b"Content-Length: -2\r\n\r\n{}", "close"),
    "no gzip": (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 8\r\n\r\nno gzip!", "close"),
    "spoilt gzip": (
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(SPOILT_GZIP) + SPOILT_GZIP,
        "close",
    ),
    "cut gzip with its length": (
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (len(CUT_GZIP) + 20) + CUT_GZIP,
        "close",
    ),
    "endless body": (HEAD + b"\r\n", *[b" " * 1_000_000] * 40, "hang"),
    "a hundred interim answers": (b"HTTP/1.1 100 Continue\r\n\r\n" * 100, "hang"),
    "a switch of protocols": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "hang"),
}


@EACH_METHOD
@pytest.mark.parametrize("steps", BROKEN.values(), ids=BROKEN)
async def test_whatever_breaks_after_the_whole_request_it_counts_as_sent_and_went_once(
    exchange: Exchange, server: Server, request_: Request, steps: Step
) -> None:
    server.script(steps)
    began = asyncio.get_running_loop().time()
    result = await exchange(server.base_url, request_, attempt=0.2)

    assert asyncio.get_running_loop().time() - began < 1.5
    assert isinstance(result, Failure) or result.status == 101
    assert isinstance(result, Response) or result.sent
    assert len(server.requests) == 1
    assert len(server.received) == 1


@EACH_METHOD
@pytest.mark.parametrize("greeting", [("reset",), ("close",), (b"\x00\xff\r\n\r\n", "close")], ids=str)
async def test_a_server_that_hangs_up_at_once_is_never_taken_for_unsent_with_the_request_in_hand(
    exchange: Exchange, server: Server, request_: Request, greeting: Step
) -> None:
    server.greeting = greeting
    results = [await exchange(server.base_url, request_) for _ in range(5)]
    await server.wait_for(lambda: server.gone == len(server.received))

    assert all(isinstance(result, Failure) for result in results)
    assert sum(result.sent for result in results) >= len(server.requests)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_body_that_is_still_on_its_way_counts_as_sent(exchange: Exchange, server: Server) -> None:
    server.greeting = "hang"
    result = await exchange(server.base_url, LARGE, attempt=0.2)

    assert isinstance(result, Failure)
    assert result.sent
    assert server.requests == []


async def test_a_body_of_more_than_a_megabyte_brings_no_warning_of_aiohttps(exchange: Exchange, server: Server) -> None:
    server.script((HEAD + b"Content-Length: 2\r\n\r\n{}",))
    batch = Request(method="POST", target="/batch", signature=Signature.BOTH_KEYS, body=b" " * 1_100_000)
    result = await exchange(server.base_url, batch)

    assert isinstance(result, Response)
    assert len(server.requests) == 1


@pytest.mark.parametrize("attempt", [0.00001, 0.0001, 0.0005, 0.001, 0.002, 0.005])
@EACH_METHOD
async def test_a_time_out_at_any_moment_is_unsent_only_if_nothing_arrived(
    exchange: Exchange, server: Server, request_: Request, attempt: float
) -> None:
    server.script("hang")
    for _ in range(10):
        before = len(server.requests)
        result = await exchange(server.base_url, request_, attempt=attempt)
        assert isinstance(result, Failure)
        await server.read_all()
        arrived = len(server.requests) - before
        assert arrived <= 1
        assert result.sent or not arrived


@pytest.mark.parametrize("attempt", [0.002, 0.004, 0.008, 0.02])
async def test_a_time_out_during_a_handshake_is_unsent_only_if_nothing_arrived(
    exchange: Exchange, attempt: float
) -> None:
    shown, trusted = _certificates("good")
    with Server(tls=shown) as server:
        server.script("hang")
        for _ in range(5):
            before = len(server.requests)
            result = await exchange(server.origin, POST, attempt=attempt, tls=trusted)
            assert isinstance(result, Failure)
            await asyncio.sleep(0.01)
            assert result.sent or len(server.requests) == before


async def test_a_server_that_asks_for_a_certificate_of_ours_has_seen_the_request_perhaps(exchange: Exchange) -> None:
    shown, trusted = _certificates("good")
    shown.verify_mode = ssl.CERT_REQUIRED
    with Server(tls=shown) as server:
        result = await exchange(server.origin, POST, tls=trusted)

        assert isinstance(result, Failure)
        assert result.sent or server.requests == []


@EACH_METHOD
async def test_plain_http_to_a_tls_port_counts_as_sent(exchange: Exchange, request_: Request) -> None:
    with Server(tls=_certificates("good")[0]) as server:
        result = await exchange(f"http://127.0.0.1:{server.port}", request_)

        assert isinstance(result, Failure)
        assert result.sent


# --- the keep-alive race: the server gives up a connection just as it is used again


@EACH_METHOD
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_kept_connection_that_ends_upon_the_second_request_counts_as_sent_and_is_not_resent_by_aiohttp(
    exchange: Exchange, server: Server, request_: Request, end: Part
) -> None:
    server.script((HEAD + b"Content-Length: 2\r\n\r\n{}",), end)
    first = await exchange(server.base_url, request_)
    second = await exchange(server.base_url, request_)

    assert isinstance(first, Response)
    assert isinstance(second, Failure)
    assert second.sent
    assert (len(server.received), len(server.requests)) == (1, 2)


@EACH_METHOD
@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("pause", [0.0, 0.001, 0.02])
async def test_a_kept_connection_that_ends_between_two_requests_never_doubles_one(
    exchange: Exchange, server: Server, request_: Request, end: Part, pause: float
) -> None:
    server.script((HEAD + b"Content-Length: 2\r\n\r\n{}", end))
    for number in range(8):
        before = len(server.requests)
        result = await exchange(server.base_url, request_)
        await asyncio.sleep(pause)
        arrived = len(server.requests) - before
        assert arrived <= 1, number
        if isinstance(result, Failure):
            assert result.sent or not arrived
        else:
            assert arrived == 1


# --- the caps


async def test_a_close_delimited_answer_that_was_cut_cannot_be_seen_here_and_is_left_to_the_codec(
    exchange: Exchange, server: Server
) -> None:
    server.script((HEAD + b'\r\n{"gameballTransactionId": 1', "close"))
    result = await exchange(server.base_url, POST)

    assert isinstance(result, Response)
    assert result.body == b'{"gameballTransactionId": 1'


@pytest.mark.parametrize("wrap", ["gzip", "deflate", "identity"])
async def test_more_than_eight_megabytes_end_as_too_large(exchange: Exchange, server: Server, wrap: str) -> None:
    text = b" " * (8 * 1024 * 1024 + 1)
    wraps: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}
    body = wraps[wrap](text)
    server.script((HEAD + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (wrap.encode(), len(body)) + body,))
    result = await exchange(server.base_url, POST, attempt=3)

    assert isinstance(result, Failure)
    assert (result.fault, result.sent) == (Fault.SIZE, True)


async def test_a_connection_with_an_answer_left_over_is_not_used_again(exchange: Exchange, server: Server) -> None:
    whole = HEAD + b"Content-Length: 2\r\n\r\n"
    server.script((whole + b"{}" + whole + b"[]",), (whole + b"{}",))
    first = await exchange(server.base_url, POST)
    second = await exchange(server.base_url, POST)

    assert (first.body, second.body) == (b"{}", b"{}")
    assert len(server.received) == 2

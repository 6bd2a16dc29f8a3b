"""Bytes that no well-behaved client sends: answered or hung up on, without a trace on the error output."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress

import pytest

from gameball.sandbox import Sandbox
from tests.support.sandbox_api import Api

pytestmark = pytest.mark.many_cases

HOST = "Host: 127.0.0.1"
KEYS = "APIKey: sandbox-api-key\r\nSecretKey: sandbox-secret-key"
CASHBACK = "POST /api/v3.0/integrations/transaction/cashback HTTP/1.1"
LIST = "GET /api/v3.0/integrations/transaction/list HTTP/1.1"
CHUNKED = "Transfer-Encoding: chunked"


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


MALFORMED = {
    "no HTTP": b"\x00\x01\x02\x03\r\n\r\n",
    "random bytes": bytes(range(256)) * 4,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "only newlines": b"\r\n" * 20,
    "a word": b"hello\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a version of the future": head("GET / HTTP/9.9", HOST),
    "a method of control characters": head("G\x01T / HTTP/1.1", HOST),
    "a target of no form": head("GET http://[::1 HTTP/1.1", HOST),
    "a target of escapes that are none": head(
        "GET /api/v3.0/integrations/order/%zz%ff%/transactions HTTP/1.1", HOST, KEYS
    ),
    "an absolute target": head("GET http://127.0.0.1/api/v3.0/integrations/transaction/list HTTP/1.1", HOST, KEYS),
    "CONNECT": head("CONNECT 127.0.0.1:80 HTTP/1.1", HOST),
    "OPTIONS *": head("OPTIONS * HTTP/1.1", HOST),
    "no Host": head(LIST, KEYS),
    "two Hosts": head(LIST, HOST, HOST, KEYS),
    "a Host of bytes": head(LIST, "Host: \xff\xfe", KEYS),
    "a header without a name": head(LIST, HOST, ": nothing"),
    "a header without a colon": head(LIST, HOST, "nothing"),
    "a header of control characters": head(LIST, HOST, "X: a\x00b\x07"),
    "a folded header": head(LIST, HOST, "X: a\r\n b"),
    "keys of bytes": head(LIST, HOST, "APIKey: \xff\xfe", "SecretKey: \xff"),
    "a huge header": head(LIST, HOST, "X: " + "x" * 100_000),
    "a huge target": head(f"GET /{'x' * 100_000} HTTP/1.1", HOST),
    "ten thousand headers": head(LIST, HOST, *("X: x" for _ in range(10_000))),
    "a length of words": head(CASHBACK, HOST, KEYS, "Content-Length: ten"),
    "a length below zero": head(CASHBACK, HOST, KEYS, "Content-Length: -1"),
    "two lengths": head(CASHBACK, HOST, KEYS, "Content-Length: 2", "Content-Length: 3") + b"{}}",
    "a length and chunks": head(CASHBACK, HOST, KEYS, "Content-Length: 2", CHUNKED) + b"0\r\n\r\n",
    "a body longer than its length": head(CASHBACK, HOST, KEYS, "Content-Length: 2") + b'{}"and more"',
    "a body shorter than its length": head(CASHBACK, HOST, KEYS, "Content-Length: 200") + b"{}",
    "a body that never comes": head(CASHBACK, HOST, KEYS, "Content-Length: 200"),
    "an encoding that is none": head(CASHBACK, HOST, KEYS, "Transfer-Encoding: zebra") + b"{}",
    "chunks of words": head(CASHBACK, HOST, KEYS, CHUNKED) + b"zz\r\n{}\r\n0\r\n\r\n",
    "a chunk below zero": head(CASHBACK, HOST, KEYS, CHUNKED) + b"-2\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": head(CASHBACK, HOST, KEYS, CHUNKED) + b'2\r\n{}"x"\r\n0\r\n\r\n',
    "a chunk of a huge size": head(CASHBACK, HOST, KEYS, CHUNKED) + b"f" * 100 + b"\r\n{}\r\n0\r\n\r\n",
    "chunks without an end": head(CASHBACK, HOST, KEYS, CHUNKED) + b"2\r\n{}\r\n",
    "a compression that is none": head(CASHBACK, HOST, KEYS, "Content-Encoding: gzip", "Content-Length: 2") + b"{}",
    "a compression unknown": head(CASHBACK, HOST, KEYS, "Content-Encoding: zebra", "Content-Length: 2") + b"{}",
    "an expectation unknown": head(CASHBACK, HOST, KEYS, "Expect: a miracle", "Content-Length: 2") + b"{}",
    "a charset unknown": head(
        CASHBACK, HOST, KEYS, "Content-Type: application/json; charset=zebra", "Content-Length: 2"
    )
    + b"{}",
    "no JSON": head(CASHBACK, HOST, KEYS, "Content-Length: 4") + b"\xff{},",
    "an upgrade": head(LIST, HOST, KEYS, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"),
    "a request within a request": head(CASHBACK, HOST, KEYS, "Content-Length: 0") + b"GARBAGE / HTTP/1.1\r\n\r\n\x00",
}


async def exchange(sandbox: Sandbox, sent: bytes, *, apart: bool) -> bytes:
    """What comes back for these bytes, head and body together or apart; nobody waits longer than a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    start, end, rest = sent.partition(b"\r\n\r\n")
    writer.write(start + end)
    if apart:
        await asyncio.sleep(0.01)
    writer.write(rest)
    received = b""
    with suppress(TimeoutError, ConnectionError):
        received = await asyncio.wait_for(reader.read(4096), 0.1)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return received


@pytest.fixture
def silence(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Fails the test if something is logged above debug or written to the error output."""
    caplog.set_level(logging.INFO)
    yield
    assert [record for record in caplog.get_records("call") if record.levelno > logging.DEBUG] == []
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_request_is_answered_or_hung_up_on_without_a_traceback(
    api: Api, sandbox: Sandbox, *, sent: bytes, apart: bool
) -> None:
    received = await exchange(sandbox, sent, apart=apart)

    assert b"Traceback" not in received
    assert not received.startswith(b"HTTP/1.1 5")
    assert sandbox.ledger.transactions() == []
    assert (await api.transact("cashback", amount=10)).status == 200


async def test_a_bug_of_the_sandbox_is_logged_and_answered_in_the_envelope(
    api: Api, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sandbox.ledger, "page", None)
    reply = await api.get("transaction/list")

    assert (reply.status, reply.code) == (500, 13)
    (record,) = caplog.records
    assert record.getMessage() == "GET /api/v3.0/integrations/transaction/list failed"
    assert record.exc_info

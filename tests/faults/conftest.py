"""What the fault suite shares: servers that misbehave byte by byte, a till to pay at, and a net for leaking secrets."""

import asyncio
import logging
import pickle
import socket
import struct
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from decimal import Decimal
from typing import Any, Final, Self

import pytest

from gameball import AsyncGameball, Attempt, Operation, Retries, Timeouts
from gameball.core.delivery import Delivery
from gameball.models.transactions import (
    CashbackRequest,
    CouponRequest,
    HoldRequest,
    ManualRequest,
    RedeemRequest,
    RefundRequest,
    TransactionFilter,
)
from gameball.resources import transactions
from gameball.sandbox import Sandbox

API_KEY: Final = "canary-api-key-5f1c9be2"
SECRET_KEY: Final = "canary-secret-key-a7d03e44"
PARTNER_TOKEN: Final = "canary-partner-token-c01d"
OTP: Final = "canary-otp-713905"
EMAIL: Final = "canary@example.com"
CANARIES: Final = (API_KEY, SECRET_KEY, PARTNER_TOKEN, OTP, EMAIL)

PLAYER: Final = "player123"
ORDER: Final = "order-1"
EMPTY_LIST: Final = {"transactions": [], "count": 0, "total": 0}

QUICK: Final = Retries(backoff=0.002, cap=0.004)


# --- nothing secret gets out, in any test of this folder


class Net(logging.Handler):
    """Keeps every log record, everything that a call raised and every Attempt, to look for secrets in them."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[str] = []
        self.errors: list[BaseException] = []
        self.attempts: list[Attempt] = []
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        # The arguments too: a JSON formatter writes them beside the message.
        self.said.append(f"{self.format(record)} {record.args!r} {vars(record)!r}")

    def catch(self) -> list[str]:
        """Everything in which a secret was seen."""
        texts = [*self.said]
        for error in self.errors:
            texts += _faces_of(error)
        texts += [f"{attempt!r} {attempt.reason}" for attempt in self.attempts]
        return [text for text in texts if any(canary in text for canary in CANARIES)]


def _faces_of(error: BaseException) -> Iterator[str]:
    yield f"{error!r} {error} {error.args!r} {vars(error)!r} {getattr(error, '__notes__', '')}"
    yield "".join(traceback.format_exception(error))
    with suppress(pickle.PicklingError, TypeError):
        yield repr(pickle.dumps(error))
    for behind in (error.__cause__, error.__context__):
        if behind is not None and behind is not error:
            yield from _faces_of(behind)


@pytest.fixture(autouse=True)
def net(monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    """Every test of this folder fails that lets a key, a one-time password or an e-mail address out."""
    caught = Net()

    def remembering(real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def remembered(self: Delivery, *call: Any) -> Any:
            try:
                return await real(self, *call)
            except BaseException as error:
                caught.errors.append(error)
                raise

        return remembered

    monkeypatch.setattr(Delivery, "send", remembering(Delivery.send))
    monkeypatch.setattr(Delivery, "deliver", remembering(Delivery.deliver))
    root = logging.getLogger()
    loggers = [root, *(one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger))]
    levels = {one: one.level for one in loggers}
    for one in loggers:
        one.setLevel(logging.DEBUG)
    root.addHandler(caught)
    yield caught
    root.removeHandler(caught)
    for one, level in levels.items():
        one.setLevel(level)
    leaks = caught.catch()
    caught.errors.clear()
    assert not leaks, f"secrets got out: {leaks[:3]}"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the length of a wait is not the point."""
    monkeypatch.setattr("gameball.core.retry.FIRST_LOOKUP_WAIT", 0.003)
    monkeypatch.setattr("gameball.core.retry.LOOKUP_INTERVAL", 0.01)
    monkeypatch.setattr("gameball.core.retry.CONCURRENT_WAIT", 0.002)


# --- clients


@pytest.fixture
async def make(net: Net) -> AsyncIterator[Callable[..., AsyncGameball]]:
    """Makes awaited clients with the canaries as keys, closed after the test."""
    async with AsyncExitStack() as stack:

        def client(base_url: str, **settings: Any) -> AsyncGameball:
            given = {"retries": QUICK, "timeouts": Timeouts(connect=2, attempt=2, total=5), **settings}
            made = AsyncGameball(
                API_KEY,
                SECRET_KEY,
                partner_token=PARTNER_TOKEN,
                base_url=base_url,
                observers=[net.attempts.append],
                **given,
            )
            stack.push_async_callback(made.aclose)
            return made

        yield client


def operation(kind: str, transaction_id: str = "tra_1") -> Operation[Any]:
    """One call of each kind that moves points, and of each other kind that is resent."""
    key: dict[str, Any] = {"player_unique_id": PLAYER, "transaction_id": transaction_id}
    makers: dict[str, Callable[[], Operation[Any]]] = {
        "cashback": lambda: transactions.cashback(CashbackRequest(**key, amount=50, email=EMAIL)),
        "redeem": lambda: transactions.redeem(RedeemRequest(**key, redeemed_amount=3, otp=OTP)),
        "refund": lambda: transactions.refund(
            RefundRequest(**key, original_transaction_id=ORDER, amount=Decimal(20), otp=OTP)
        ),
        "manual": lambda: transactions.manual(
            ManualRequest(**key, username="admin", reason="gift", points=7, email=EMAIL)
        ),
        "hold": lambda: transactions.hold(HoldRequest(player_unique_id=PLAYER, hold_points=5)),
        "create_coupon": lambda: transactions.create_coupon(CouponRequest(player_unique_id=PLAYER, value=2)),
        "reverse_hold": lambda: transactions.reverse_hold("123"),
        "list": lambda: transactions.transaction_page(TransactionFilter()),
        "for_order": lambda: transactions.for_order(ORDER),
    }
    return makers[kind]()


@pytest.fixture
def call_of() -> Callable[..., Operation[Any]]:
    """`operation()`, for modules that cannot import it."""
    return operation


@pytest.fixture(params=["cashback", "redeem", "refund", "manual"])
def keyed(request: pytest.FixtureRequest) -> str:
    """A write with an id of its own."""
    return str(request.param)


@pytest.fixture(params=["hold", "create_coupon"])
def unkeyed(request: pytest.FixtureRequest) -> str:
    """A write that nothing can tell from its repetition."""
    return str(request.param)


class Till:
    """A sandbox with a player who has points and an order, and a client of it."""

    def __init__(self, sandbox: Sandbox, make: Callable[..., AsyncGameball]) -> None:
        self.sandbox = sandbox
        self.make = make
        self.client = make(sandbox.base_url)
        self._before = 0

    async def together(self, kinds: Sequence[str]) -> dict[str, Any]:
        """One call of each kind side by side, each under its kind as transaction id; how each was delivered."""
        calls = (self.client.deliver(operation(kind, kind)) for kind in kinds)
        return dict(zip(kinds, await asyncio.gather(*calls), strict=True))

    async def open(self, **settings: Any) -> Self:
        """Give the player points and an order; settings are those of a new client."""
        await self.client.transactions.cashback(player_unique_id=PLAYER, transaction_id=ORDER, amount=100_000)
        self._before = len(self.sandbox.requests)
        if settings:
            self.client = self.make(self.sandbox.base_url, **settings)
        return self

    def arm(self, kind: str, *args: Any, **how: Any) -> None:
        self.sandbox.faults.arm(f"transactions.{kind}", *args, **how)

    def sent(self, kind: str) -> list[bytes]:
        """The body of every request of this kind that arrived."""
        seen = list(self.sandbox.requests)[self._before :]
        return [request.body for request in seen if request.operation == f"transactions.{kind}"]

    def rows(self, transaction_id: str = "tra_1") -> list[Any]:
        """What the ledger has under this id."""
        return self.sandbox.ledger.transactions(transaction_id=transaction_id)

    def effects(self, kind: str) -> int:
        """How many holds or coupons there are."""
        if kind == "hold":
            return len(self.sandbox.ledger.holds(PLAYER))
        return sum(row.type == "DiscountCode" for row in self.sandbox.ledger.transactions(PLAYER))

    def original(self, transaction_id: str = "tra_1") -> tuple[str, int]:
        """Id and points of the one effect that there is."""
        (row,) = self.rows(transaction_id)
        return str(row.id), row.points


def told(kind: str, value: Any, transaction_id: str = "tra_1") -> tuple[str, int]:
    """Id and points as the call's value tells them."""
    if kind == "refund":
        (row,) = [row for row in value.order_transactions if row.transaction_id == transaction_id]
        return row.gameball_transaction_id, int(row.equivalent_points)
    points = {"cashback": "rewarded_points", "redeem": "redeemed_points", "manual": "points"}
    return value.gameball_transaction_id, getattr(value, points[kind])


@pytest.fixture
def tell() -> Callable[..., tuple[str, int]]:
    """`told()`, for modules that cannot import it."""
    return told


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(api_key=API_KEY, secret_key=SECRET_KEY, partner_token=PARTNER_TOKEN) as running:
        yield running


@pytest.fixture
async def till(sandbox: Sandbox, make: Callable[..., AsyncGameball]) -> AsyncIterator[Till]:
    """A till, not yet open; fails the test when an armed fault never struck."""
    made = Till(sandbox, make)
    yield made
    unfired = [armed for armed in sandbox.faults.unfired if armed.times < 1000]
    assert not unfired, f"armed, and never struck: {unfired}"


# --- a server below HTTP

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server that keeps every byte it gets, one entry a connection, and behaves as told after each request.

    A step is bytes to write, a float to sleep, or a word: "close", "reset", "hang".
    """

    def __init__(self) -> None:
        self.received: list[bytearray] = []
        self.gone = 0
        self.port = 0
        self.greeting: tuple[Any, ...] = ()
        """Done before a byte is read."""
        self.script: list[tuple[Any, ...]] = [("close",)]
        """For each request; the last is repeated."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v3.0"

    @property
    def whole(self) -> list[bytes]:
        """The whole requests that arrived, head and body."""
        requests = []
        for stream in self.received:
            rest = bytes(stream)
            while (cut := _length_of_request(rest)) is not None:
                requests.append(rest[:cut])
                rest = rest[cut:]
        return requests

    async def start(self, tls: Any = None) -> Self:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(3):
            while not condition():
                await asyncio.sleep(0.003)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        stream = bytearray()
        self.received.append(stream)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._converse(stream, reader, writer)
        finally:
            self.gone += 1
            self._tasks.discard(task)
            writer.close()

    async def _converse(self, stream: bytearray, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._act(self.greeting, reader, writer):
            return
        start = 0
        while True:
            while (cut := _length_of_request(bytes(stream[start:]))) is None:
                data = await reader.read(65536)
                if not data:
                    return
                stream += data
            start += cut
            step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            if not await self._act(step, reader, writer):
                return

    async def _act(self, step: tuple[Any, ...], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        for part in step:
            if isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
            elif isinstance(part, float):
                await asyncio.sleep(part)
            elif part == "hang":
                await reader.read(1)
                return False
            elif part == "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
                return False
            else:
                return False
        return True


def _length_of_request(data: bytes) -> int | None:
    """How long the first whole request in it is; None where there is none."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return None
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    return len(head) + 4 + length if len(body) >= length else None


@pytest.fixture
async def start_peer() -> AsyncIterator[Callable[..., Awaitable[Peer]]]:
    """Starts peers, over TLS if given a context; they stop after the test."""
    async with AsyncExitStack() as stack:

        async def start(tls: Any = None) -> Peer:
            running = await Peer().start(tls)
            stack.push_async_callback(running.stop)
            return running

        yield start


@pytest.fixture
async def peer(start_peer: Callable[..., Awaitable[Peer]]) -> Peer:
    return await start_peer()


@pytest.fixture
async def elsewhere(start_peer: Callable[..., Awaitable[Peer]]) -> Peer:
    """Another host, which must see nothing."""
    return await start_peer()


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def black_hole() -> Iterator[int]:
    """The port of a socket whose queue is full: connecting to it neither succeeds nor fails."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)  # noqa: FBT003 (the socket's own signature)
            caller.connect_ex(full.getsockname())
        time.sleep(0.02)
        yield int(full.getsockname()[1])

"""One cashback, made with Gameball and with what users would pick instead, written as people write it by hand.

Each is opened with the server's base URL and gives the function that makes a call. A peer is imported where it is
opened, so that one that is not installed is missed by nobody else.
"""

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from unittest.mock import patch

import msgspec

from benchmarks.measure import AsyncCall, Call
from gameball import AsyncGameball, Attempt, Gameball, Timeouts
from gameball.core import loop_thread

KEYS: Final = ("api-key", "secret-key")
HEADERS: Final = {"APIKey": KEYS[0], "SecretKey": KEYS[1]}
CASHBACK: Final = "/integrations/transaction/cashback"


def order(number: int) -> Mapping[str, Any]:
    """The body of a cashback, by hand."""
    return {
        "playerUniqueId": "player123",
        "transactionId": f"order{number}",
        "amount": 99.98,
        "transactionTime": datetime.now(UTC).isoformat(),
    }


# --- awaited


@asynccontextmanager
async def gameball(address: str, connections: int, *, observed: bool = False) -> AsyncIterator[AsyncCall]:
    """The SDK as it comes: models, retries, deadlines, budget; observed, a hook on every attempt."""
    attempts: list[Attempt] = []

    def observe(attempt: Attempt) -> None:
        attempts[:] = (attempt,)

    observers = (observe,) if observed else ()
    patient = Timeouts(connect=60, attempt=60, total=120)  # under valgrind, or on a very busy machine
    async with AsyncGameball(
        *KEYS, base_url=address, connections=connections, observers=observers, timeouts=patient
    ) as client:

        async def call(number: int) -> None:
            await client.transactions.cashback(
                player_unique_id="player123", transaction_id=f"order{number}", amount=Decimal("99.98")
            )

        yield call


@asynccontextmanager
async def aiohttp(address: str, connections: int) -> AsyncIterator[AsyncCall]:
    """Only aiohttp: no model, no retry, no deadline but aiohttp's own."""
    from aiohttp import ClientSession, TCPConnector

    async with ClientSession(connector=TCPConnector(limit=connections)) as session:

        async def call(number: int) -> None:
            async with session.post(address + CASHBACK, json=order(number), headers=HEADERS) as response:
                await response.json()

        yield call


@asynccontextmanager
async def careful_aiohttp(address: str, connections: int) -> AsyncIterator[AsyncCall]:
    """What a careful team adds to aiohttp: types and exact amounts by msgspec, a total timeout, retries by tenacity."""
    from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
    from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

    encode = msgspec.json.Encoder(decimal_format="number").encode
    decode = msgspec.json.Decoder(_Reward).decode
    session = ClientSession(
        connector=TCPConnector(limit=connections),
        headers={**HEADERS, "Content-Type": "application/json"},
        timeout=ClientTimeout(total=20),
        raise_for_status=True,
    )

    tried_again = retry(
        retry=retry_if_exception_type((ClientError, TimeoutError)),
        stop=stop_after_attempt(3),
        wait=wait_exponential_jitter(0.1),
        reraise=True,
    )

    async def send(order: _Order) -> _Reward:
        async with session.post(address + CASHBACK, data=encode(order)) as response:
            return decode(await response.read())

    call = tried_again(send)
    async with session:
        yield lambda number: call(_Order("player123", f"order{number}", Decimal("99.98"), datetime.now(UTC)))


class _Order(msgspec.Struct, rename="camel"):
    player_unique_id: str
    transaction_id: str
    amount: Decimal
    transaction_time: datetime


class _Reward(msgspec.Struct, rename="camel"):
    gameball_transaction_id: int
    rewarded_points: int
    player_unique_id: str | None = None


@asynccontextmanager
async def openai(address: str) -> AsyncIterator[AsyncCall]:
    """OpenAI's SDK and its own smallest call, as it comes: typed, timed, tried again."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(api_key=KEYS[0], base_url=address) as client:

        async def call(number: int) -> None:
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": f"order{number}"}])

        yield call


@asynccontextmanager
async def stripe(address: str) -> AsyncIterator[AsyncCall]:
    """Stripe's SDK and its own smallest call, the same."""
    from stripe import StripeClient

    client = StripeClient(KEYS[0], base_addresses={"api": address}, max_network_retries=2)

    async def call(number: int) -> None:
        await client.v1.payment_intents.create_async(
            {"amount": 9998, "currency": "usd", "metadata": {"order": f"order{number}"}}
        )

    yield call


@asynccontextmanager
async def httpx(address: str, connections: int) -> AsyncIterator[AsyncCall]:
    """httpx.AsyncClient."""
    from httpx import AsyncClient, Limits

    # While others have their turn its connections are idle, for longer than it would keep them.
    limits = Limits(max_connections=connections, keepalive_expiry=60)
    async with AsyncClient(limits=limits, timeout=60) as client:

        async def call(number: int) -> None:
            (await client.post(address + CASHBACK, json=order(number), headers=HEADERS)).json()

        yield call


# --- plain


@contextmanager
def plain_gameball(address: str, *, on_uvloop: bool = False) -> Iterator[Call]:
    """The SDK's plain client; any number of threads may share it. Its loop is this one, whatever is installed."""
    with _loop_thread(uvloop() if on_uvloop else loop_thread._Loop) as enter:
        client = Gameball(*KEYS, base_url=address)

        def call(number: int) -> None:
            enter()
            client.transactions.cashback(
                player_unique_id="player123", transaction_id=f"order{number}", amount=Decimal("99.98")
            )

        yield call
        enter()
        client.close()


def uvloop() -> Callable[[], AbstractEventLoop]:
    """What makes event loops of uvloop."""
    from uvloop import Loop

    factory: Callable[[], AbstractEventLoop] = Loop
    return factory


@contextmanager
def _loop_thread(factory: Callable[[], AbstractEventLoop]) -> Iterator[Callable[[], None]]:
    """A loop thread of its own, and what makes plain calls run there."""
    usual, own = loop_thread._loop_thread, loop_thread.LoopThread()
    with patch.object(loop_thread, "_loop_factory", lambda: factory):
        own.run(_nothing)

    def enter() -> None:
        loop_thread._loop_thread = own

    yield enter
    own.stop()
    loop_thread._loop_thread = usual


async def _nothing() -> None:
    """Start the thread."""


@contextmanager
def requests(address: str) -> Iterator[Call]:
    """requests.Session."""
    from requests import Session

    with Session() as session:

        def call(number: int) -> None:
            session.post(address + CASHBACK, json=order(number), headers=HEADERS, timeout=20).json()

        yield call


@contextmanager
def plain_httpx(address: str) -> Iterator[Call]:
    """httpx.Client."""
    from httpx import Client

    with Client() as client:

        def call(number: int) -> None:
            client.post(address + CASHBACK, json=order(number), headers=HEADERS).json()

        yield call


@contextmanager
def urllib3(address: str, threads: int = 1) -> Iterator[Call]:
    """urllib3.PoolManager; any number of threads may share it."""
    from urllib3 import PoolManager

    with PoolManager(maxsize=threads) as pool:

        def call(number: int) -> None:
            pool.request("POST", address + CASHBACK, json=order(number), headers=HEADERS, timeout=20).json()

        yield call


# --- in threads


@contextmanager
def gameball_shared(address: str, threads: int, *, on_uvloop: bool = False) -> Iterator[Sequence[Call]]:
    """One plain client for all threads."""
    with plain_gameball(address, on_uvloop=on_uvloop) as call:
        yield [call] * threads


@contextmanager
def requests_each(address: str, threads: int) -> Iterator[Sequence[Call]]:
    """A session for each thread: requests promises no more."""
    with ExitStack() as stack:
        yield [stack.enter_context(requests(address)) for _ in range(threads)]


@contextmanager
def urllib3_shared(address: str, threads: int) -> Iterator[Sequence[Call]]:
    """One pool for all threads."""
    with urllib3(address, threads) as call:
        yield [call] * threads

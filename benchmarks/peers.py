"""One cashback, made with Gameball and with what users would pick instead, written as people write it by hand.

Each is opened with the server's base URL and gives the function that makes a call. A peer is imported where it is
opened, so that one that is not installed is missed by nobody else.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from benchmarks.measure import AsyncCall, Call
from gameball import AsyncGameball, Attempt, Gameball

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
    async with AsyncGameball(*KEYS, base_url=address, connections=connections, observers=observers) as client:

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
def plain_gameball(address: str) -> Iterator[Call]:
    """The SDK's plain client; any number of threads may share it."""
    with Gameball(*KEYS, base_url=address) as client:

        def call(number: int) -> None:
            client.transactions.cashback(
                player_unique_id="player123", transaction_id=f"order{number}", amount=Decimal("99.98")
            )

        yield call


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
def gameball_shared(address: str, threads: int) -> Iterator[Sequence[Call]]:
    """One plain client for all threads."""
    with plain_gameball(address) as call:
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

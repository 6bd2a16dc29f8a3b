"""The rate limit: every window holds, wherever it is laid, on the server's clock."""

import asyncio
import os
from bisect import bisect_left
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from gameball import AsyncGameball, Gameball, GameballError, RateLimit, Retries, TimedOutError, Timeouts
from gameball.core.rate_limiter import RateLimiter
from tests.support.server import Server

MakeAwaited = Callable[..., AsyncGameball]

LIMIT = RateLimit((6, 0.2), (15, 1.0))
QUICK = Retries(backoff=0.001, cap=0.002)


def check(server: Server, limit: RateLimit) -> None:
    """No window of the limit, laid from any request on, holds more than it may."""
    times = sorted(seen.at for seen in server.requests)
    for most, seconds in limit.windows:
        assert max(bisect_left(times, begin + seconds) - index for index, begin in enumerate(times)) <= most


@pytest.mark.thorough
async def test_every_window_holds_on_the_servers_clock(server: Server, awaited: MakeAwaited) -> None:
    client = awaited(server.base_url, rate_limit=LIMIT)
    await asyncio.gather(
        *(client.transactions.cashback(player_unique_id="p", transaction_id=f"t{n}", amount=1) for n in range(40))
    )

    assert len(server.requests) == 40
    check(server, LIMIT)


@pytest.mark.thorough
def test_threads_that_share_a_plain_client_share_its_limit(server: Server) -> None:
    with Gameball("key", "secret", base_url=server.base_url, rate_limit=LIMIT) as client, ThreadPoolExecutor(8) as pool:

        def pay(number: int) -> None:
            client.transactions.cashback(player_unique_id="p", transaction_id=f"t{number}", amount=1)

        assert len(list(pool.map(pay, range(24)))) == 24
    check(server, LIMIT)


async def test_resends_and_look_ups_count_too(server: Server, awaited: MakeAwaited) -> None:
    limit = RateLimit((2, 0.2))
    server.script(server.answer({}, status=503), server.answer({"transactions": [], "count": 0, "total": 0}))
    client = awaited(server.base_url, rate_limit=limit, retries=QUICK)
    with pytest.raises(GameballError):
        await client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=1)

    assert len(server.requests) >= 4
    check(server, limit)


async def test_a_request_that_is_under_way_keeps_its_place(server: Server, awaited: MakeAwaited) -> None:
    """It may reach the API at any time until its end: only then the window begins to pass."""
    server.script((0.15, server.answer()))
    client = awaited(server.base_url, rate_limit=RateLimit((1, 0.1)))
    await asyncio.gather(
        *(client.transactions.cashback(player_unique_id="p", transaction_id=f"t{n}", amount=1) for n in range(3))
    )

    first, second, third = (seen.at for seen in server.requests)
    assert second - first >= 0.25 - 0.02
    assert third - second >= 0.25 - 0.02


async def test_a_limit_that_leaves_no_place_in_time_sends_nothing(server: Server, awaited: MakeAwaited) -> None:
    client = awaited(server.base_url, rate_limit=RateLimit((1, 60)), retries=QUICK)
    await client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=1)
    with pytest.raises(TimedOutError, match="the rate limit left no place") as raised:
        await client.with_options(timeouts=Timeouts(total=0.1)).transactions.cashback(
            player_unique_id="p", transaction_id="t2", amount=1
        )

    assert raised.value.outcome == "not_applied"
    assert len(server.requests) == 1


async def test_another_limit_is_counted_apart(server: Server, awaited: MakeAwaited) -> None:
    strict = awaited(server.base_url, rate_limit=RateLimit((1, 60)))
    free = strict.with_options(rate_limit=RateLimit((2, 60)))
    for client, number in ((strict, 1), (free, 2), (free, 3)):
        await client.transactions.cashback(player_unique_id="p", transaction_id=f"t{number}", amount=1)

    assert len(server.requests) == 3


async def test_whoever_waits_first_goes_first() -> None:
    rate_limiter, order = RateLimiter(RateLimit((1, 0.02))), list[int]()

    async def go(number: int) -> None:
        await rate_limiter.acquire()
        order.append(number)
        rate_limiter.release()

    await asyncio.gather(*map(go, range(5)))
    assert order == [0, 1, 2, 3, 4]


async def test_one_that_no_longer_waits_takes_no_place() -> None:
    rate_limiter = RateLimiter(RateLimit((1, 0.05)))
    await rate_limiter.acquire()
    waiting = asyncio.create_task(rate_limiter.acquire())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    rate_limiter.release()

    async with asyncio.timeout(5):
        await rate_limiter.acquire()


async def test_one_limiter_goes_on_where_another_has_ended() -> None:
    limit = RateLimit((2, 0.2), (3, 0.6))
    first = RateLimiter(limit)
    for _ in range(2):
        await first.acquire()
        first.release()
    second = RateLimiter(limit, first.recent())
    clock = asyncio.get_running_loop().time
    began = clock()
    await second.acquire()
    assert clock() - began >= 0.15
    second.release()
    await second.acquire()
    assert clock() - began >= 0.55
    assert len(second.recent()) <= 1


async def test_a_forked_child_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    rate_limiter = RateLimiter(RateLimit((1, 60)))
    await rate_limiter.acquire()
    pid = os.getpid() + 1
    monkeypatch.setattr("os.getpid", lambda: pid)

    async with asyncio.timeout(1):
        await rate_limiter.acquire()


@pytest.mark.parametrize("closed", [False, True], ids=["stopped", "closed"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # asyncio's own, for a loop that was closed over a call
def test_a_loop_that_ends_over_a_waiting_call_keeps_no_other_loop_waiting(closed: bool) -> None:  # noqa: FBT001
    rate_limiter = RateLimiter(RateLimit((1, 0.01)))
    loop = asyncio.new_event_loop()

    async def leave_one_waiting() -> asyncio.Task[None]:
        await rate_limiter.acquire()
        waiting = asyncio.create_task(rate_limiter.acquire())
        await asyncio.sleep(0)
        return waiting

    waiting = loop.run_until_complete(leave_one_waiting())
    if closed:
        loop.close()
    rate_limiter.release()

    async def three_more() -> None:
        for _ in range(3):
            await rate_limiter.acquire()
            rate_limiter.release()

    asyncio.run(asyncio.wait_for(three_more(), 5))
    if not closed:
        loop.run_until_complete(asyncio.wait_for(waiting, 5))
        loop.close()
    else:
        waiting.get_coro().close()  # as the garbage collector does


async def test_a_place_that_the_parent_process_took_is_not_given_back_in_a_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rate_limiter = RateLimiter(RateLimit((1, 60)))
    await rate_limiter.acquire()
    monkeypatch.setattr("os.getpid", lambda: -1)
    rate_limiter.release()
    monkeypatch.undo()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rate_limiter.acquire(), 0.02)

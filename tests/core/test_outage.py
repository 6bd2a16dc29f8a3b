"""Look-ups while the API does not answer them: one of a client's calls tries, the others wait for it."""

import asyncio
from collections.abc import Callable

import pytest
from attrs import evolve

from gameball import AsyncGameball, OutcomeUnknownError, Retries, Timeouts
from gameball.core.outage import Outage, Outages
from tests.support.calls import TRANSACTIONS
from tests.support.server import Server
from tests.support.waits import SHORT

MakeAwaited = Callable[..., AsyncGameball]

BACKOFF = Retries(backoff=0.01, cap=0.08)
NOTHING = Server.answer({"transactions": [], "count": 0, "total": 0})


async def at_work(outage: Outage, entered: list[int], number: int, done: asyncio.Event) -> None:
    async with outage.look_up():
        entered.append(number)
        await done.wait()


async def test_without_an_outage_look_ups_go_side_by_side() -> None:
    outage, entered, done = Outage(), list[int](), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(at_work(outage, entered, number, done))
        await asyncio.sleep(0)
        assert entered == [0, 1, 2]
        done.set()


async def test_while_one_is_suspected_they_go_one_at_a_time_in_order_until_one_is_answered() -> None:
    outage, entered = Outage(), list[int]()
    events = [asyncio.Event() for _ in range(4)]
    outage.suspect()
    async with asyncio.TaskGroup() as tasks:
        for number, event in enumerate(events):
            tasks.create_task(at_work(outage, entered, number, event))
        await asyncio.sleep(0.01)
        assert entered == [0]
        events[0].set()
        await asyncio.sleep(0.01)
        assert entered == [0, 1]
        outage.answered()
        events[1].set()
        await asyncio.sleep(0.01)
        assert entered == [0, 1, 2, 3], "the rest go at once"
        for event in events:
            event.set()


async def test_each_failure_makes_the_next_wait_longer_up_to_the_cap() -> None:
    outage = Outage()
    clock = asyncio.get_running_loop().time
    waits = []
    for _ in range(5):
        outage.failed(0.0, BACKOFF)
        began = clock()
        async with outage.look_up():
            waits.append(clock() - began)

    for waited, due in zip(waits, [0.02, 0.04, 0.08, 0.08, 0.08], strict=True):
        assert due - 0.002 <= waited < due + 0.06
    outage.answered()
    outage.failed(0.05, BACKOFF)
    began = clock()
    async with outage.look_up():
        assert 0.048 <= clock() - began < 0.12, "small again, and never less than the shortest"


async def test_a_cancelled_look_up_makes_place_for_the_next() -> None:
    outage, entered = Outage(), list[int]()
    outage.suspect()
    first = asyncio.create_task(at_work(outage, entered, 1, asyncio.Event()))
    second = asyncio.create_task(at_work(outage, entered, 2, asyncio.Event()))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)

    assert entered == [1, 2]
    second.cancel()


def test_each_loop_has_its_own() -> None:
    outages = Outages()

    async def here() -> Outage:
        assert outages.here() is outages.here()
        return outages.here()

    assert asyncio.run(here()) is not asyncio.run(here())


@pytest.mark.parametrize("down", ["close", Server.answer({}, status=503)], ids=["closed", "503"])
async def test_thirty_writes_in_doubt_look_up_as_one(server: Server, awaited: MakeAwaited, down: object) -> None:
    """90 s of outage in small: 30 writes, waits from 0.5 s to 8 s, all a hundred times shorter."""
    server.script(down)  # type: ignore[arg-type]  # a step
    client = awaited(
        server.base_url,
        evolve(SHORT, first_lookup=0.005, between_lookups=0.02),
        retries=Retries(backoff=0.005, cap=0.08),
        timeouts=Timeouts(total=0.9),
    )
    operations = [TRANSACTIONS["cashback"].operation(transaction_id=f"t{number}") for number in range(30)]
    errors = await asyncio.gather(*map(client.send, operations), return_exceptions=True)

    assert {type(error) for error in errors} == {OutcomeUnknownError}
    assert server.methods.count("POST") == 30
    assert 2 < server.methods.count("GET") < 60

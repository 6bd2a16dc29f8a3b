"""A call can be given up at any moment: at once, with nothing sent afterwards and nothing kept."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from gameball import AsyncGameball, Retries, Timeouts
from gameball.core.waits import Waits
from gameball.sandbox import faults
from tests.support.server import Server, Step
from tests.support.till import Till, effect_of, operation

pytestmark = pytest.mark.many_cases

Make = Callable[..., AsyncGameball]
PATIENT = {"timeouts": Timeouts(connect=9, attempt=9, total=30), "retries": Retries(backoff=9.0, cap=9.0)}
HALF = b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"gameballTransactionId"'


async def given_up(task: "asyncio.Task[Any]") -> asyncio.CancelledError:
    """Cancel it; it ends at once, and as cancelled."""
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    assert time.monotonic() - began < 0.3
    return raised.value


STATES: dict[str, tuple[Any, ...]] = {
    "waiting for the answer": ("hang",),
    "in the head": (b"HTTP/1.1 200 OK\r\nContent-", "hang"),
    "in the body": (HALF, "hang"),
}


@pytest.mark.parametrize("steps", STATES.values(), ids=STATES)
@pytest.mark.parametrize("kind", ["cashback", "hold", "list"])
async def test_during_the_exchange(make: Make, server: Server, steps: Step, kind: str) -> None:
    server.script(steps)
    client = make(server.base_url, connections=1, **PATIENT)
    task = asyncio.create_task(client.send(operation(kind)))
    await server.wait_for(lambda: server.requests)
    await asyncio.sleep(0.01)
    error = await given_up(task)
    await server.wait_for(lambda: server.gone == 1)

    assert len(server.requests) == 1
    notes = " ".join(getattr(error, "__notes__", ()))
    assert ("given up" in notes) == (kind != "list")
    assert ("transaction_id=t1" in notes) == (kind == "cashback")


async def test_its_connection_is_free_again(make: Make, server: Server) -> None:
    server.script(
        ("hang",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" + b'{"transactions": [],"count":0,"total":0}',),
    )
    client = make(server.base_url, connections=1, **PATIENT)
    task = asyncio.create_task(client.send(operation("cashback")))
    await server.wait_for(lambda: server.requests)
    await given_up(task)

    async with asyncio.timeout(2):
        assert (await client.transactions.list()).total == 0


async def test_while_connecting(make: Make, black_hole: socket.socket) -> None:
    client = make(f"http://127.0.0.1:{black_hole.getsockname()[1]}", **PATIENT)
    task = asyncio.create_task(client.send(operation("cashback")))
    await asyncio.sleep(0.03)
    await given_up(task)


async def test_while_shaking_hands(make: Make, server: Server) -> None:
    server.greeting = "hang"
    client = make(f"https://127.0.0.1:{server.port}", **PATIENT)
    task = asyncio.create_task(client.send(operation("cashback")))
    await server.wait_for(lambda: server.received)
    await given_up(task)

    assert server.requests == []


async def test_while_waiting_for_a_connection(make: Make, server: Server) -> None:
    server.script("hang")
    client = make(server.base_url, connections=1, **PATIENT)
    busy = asyncio.create_task(client.send(operation("cashback")))
    await server.wait_for(lambda: server.requests)
    waiting = asyncio.create_task(client.send(operation("cashback", "tra_2")))
    await asyncio.sleep(0.01)
    await given_up(waiting)
    await given_up(busy)

    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [faults.TooManyRequests("8"), faults.Status(422, {"code": 2001})], ids=repr)
async def test_while_waiting_to_send_again(till: Till, fault: faults.Fault) -> None:
    await till.open(**PATIENT, waits=Waits(concurrent=8.0))
    till.arm("hold", fault)
    task = asyncio.create_task(till.client.send(operation("hold")))
    await _until(lambda: till.sent("hold"))
    await given_up(task)

    assert (len(till.sent("hold")), till.effects("hold")) == (1, 0)


@pytest.mark.parametrize(
    ("first", "second"), [(9.0, 9.0), (0.01, 9.0)], ids=["before the first look-up", "between two look-ups"]
)
async def test_while_waiting_to_look_it_up(till: Till, keyed: str, *, first: float, second: float) -> None:
    await till.open(**PATIENT, waits=Waits(first_lookup=first, between_lookups=second))
    till.arm(keyed, faults.Reset())
    task = asyncio.create_task(till.client.send(operation(keyed)))
    await _until(lambda: till.sent(keyed if first > 1 else "list"))
    await asyncio.sleep(0.01)
    error = await given_up(task)

    (note,) = error.__notes__
    assert note.startswith(f"transactions.{keyed} (transaction_id=t1) was given up")
    assert "look for its transaction_id" in note
    assert (len(till.sent(keyed)), till.rows()) == (1, [])


async def test_during_the_look_up(till: Till, keyed: str) -> None:
    await till.open(**PATIENT)
    till.arm(keyed, faults.Reset(), effect="after")
    till.arm("list", faults.Delay(5))
    task = asyncio.create_task(till.client.send(operation(keyed)))
    await _until(lambda: till.sent("list"))
    await given_up(task)

    assert (len(till.sent(keyed)), len(till.rows())) == (1, 1)


async def test_during_the_second_try(till: Till, keyed: str) -> None:
    await till.open(**PATIENT)
    till.arm(keyed, faults.Reset())
    till.arm(keyed, faults.Delay(5), effect="after")
    task = asyncio.create_task(till.client.send(operation(keyed)))
    await _until(lambda: len(till.sent(keyed)) == 2)
    await given_up(task)

    assert len(till.rows()) == 1


async def test_at_any_moment_whatsoever_and_asking_again_gives_the_one_result(till: Till, keyed: str) -> None:
    await till.open()
    for number in range(25):
        name = f"tra_{number}"
        call = operation(keyed, name)
        till.sandbox.faults.arm(f"transactions.{keyed}", faults.Close(), transaction_id=name, effect="after")
        try:
            async with asyncio.timeout(number * 0.0008):
                await till.client.send(call)
        except TimeoutError:
            assert len(till.rows(name)) <= 1
        value = await till.client.send(call)
        assert effect_of(keyed, value, name) == till.original(name)


async def test_a_task_that_is_cancelled_with_many_calls_under_way_leaves_nothing_open(
    make: Make, server: Server
) -> None:
    server.script("hang")
    client = make(server.base_url, **PATIENT)

    async def many() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(client.send(operation("cashback", f"tra_{number}")))

    task = asyncio.create_task(many())
    await server.wait_for(lambda: len(server.requests) == 30)
    await given_up(task)
    await server.wait_for(lambda: server.gone == 30)


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.002)

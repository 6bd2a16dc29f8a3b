"""A total outage is not amplified, and it is over for the client when it is over."""

import asyncio
import time
from collections.abc import Callable

import pytest

from gameball import AsyncGameball, GameballError, Timeouts
from gameball.core.waits import STANDARD
from gameball.sandbox import Sandbox, faults
from gameball.sandbox.routes import OPERATIONS
from tests.support.till import Till, effect_of, operation

pytestmark = pytest.mark.many_cases

Make = Callable[..., AsyncGameball]
OUTAGES: dict[str, faults.Fault] = {
    "503": faults.Status(503),
    "reset": faults.Reset(),
    "HTML 502": faults.Html(502),
    "429": faults.TooManyRequests(),
}
EACH_OUTAGE = pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)


def fail(sandbox: Sandbox, *ways: faults.Fault) -> None:
    """From now on everything fails these ways; with none, nothing does."""
    sandbox.faults.random(1.0 if ways else 0.0, operations=OPERATIONS, choices=[(way, "before") for way in ways])


@EACH_OUTAGE
@pytest.mark.parametrize("at_once", [True, False], ids=["side by side", "one after the other"])
async def test_sixty_reads_cause_fewer_than_150_requests_and_the_same_client_recovers(
    till: Till, outage: faults.Fault, *, at_once: bool
) -> None:
    await till.open()
    fail(till.sandbox, outage)
    if at_once:
        calls = (till.client.send(operation("list")) for _ in range(60))
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, GameballError) for result in results)
    else:
        for _ in range(60):
            with pytest.raises(GameballError):
                await till.client.send(operation("list"))
    requests = len(till.sent("list"))
    fail(till.sandbox)

    assert requests == 80
    for _ in range(11):
        await till.client.send(operation("list"))
    till.arm("list", outage)
    assert (await till.client.deliver(operation("list"))).attempts == 2


async def test_a_client_recovers_when_the_server_comes_back_on_its_port(make: Make) -> None:
    sandbox = Sandbox(api_key="canary-api-key-5f1c9be2", secret_key="canary-secret-key-a7d03e44")
    async with sandbox:
        client = make(sandbox.base_url)
        await client.send(operation("list"))
    await asyncio.sleep(0.02)
    for _ in range(30):
        with pytest.raises(GameballError) as raised:
            await client.send(operation("cashback"))
        assert raised.value.outcome == "not_applied"
    async with sandbox:
        assert (await client.send(operation("cashback"))).rewarded_points
        assert len(sandbox.ledger.transactions(transaction_id="t1")) == 1


@pytest.mark.thorough
@EACH_OUTAGE
async def test_writes_are_bounded_by_their_tries_and_by_the_time_for_look_ups(
    till: Till, keyed: str, outage: faults.Fault
) -> None:
    await till.open(timeouts=Timeouts(connect=0.1, attempt=0.3, total=0.3))
    fail(till.sandbox, outage)
    began = time.monotonic()
    calls = (till.client.send(operation(keyed, f"tra_{number}")) for number in range(20))
    results = await asyncio.gather(*calls, return_exceptions=True)
    took = time.monotonic() - began
    fail(till.sandbox)

    assert took < 3
    assert all(isinstance(result, GameballError) for result in results)
    put_off = isinstance(outage, faults.TooManyRequests)
    assert 0 < len(till.sent(keyed)) <= (40 if put_off else 20)  # on a busy machine, time may be up before all left
    # One call looks for all: one every 0.003 s at most, until the total.
    assert len(till.sent("list")) <= (0 if put_off else 200)
    assert [till.rows(f"tra_{number}") for number in range(20)] == [[]] * 20


@pytest.mark.thorough
async def test_with_the_real_waits_an_unreadable_list_is_asked_twice_a_second_at_most(till: Till) -> None:
    await till.open(timeouts=Timeouts(total=1.6), waits=STANDARD)
    fail(till.sandbox, faults.Status(503))
    with pytest.raises(GameballError) as raised:
        await till.client.send(operation("cashback"))

    assert raised.value.outcome == "unknown"
    assert (len(till.sent("cashback")), len(till.sent("list"))) == (1, 3)


async def test_an_empty_budget_still_settles_what_was_lost(till: Till, keyed: str) -> None:
    await till.open()
    fail(till.sandbox, faults.Status(503))
    calls = (till.client.send(operation("list")) for _ in range(30))
    await asyncio.gather(*calls, return_exceptions=True)
    fail(till.sandbox)
    till.arm(keyed, faults.Reset(), effect="after")
    delivered = await till.client.deliver(operation(keyed))

    assert effect_of(keyed, delivered.value) == till.original()
    assert (delivered.attempts, delivered.settled_by) == (1, "lookup")


async def test_an_empty_budget_resends_nothing_and_says_that_the_outcome_is_unknown(till: Till, keyed: str) -> None:
    await till.open()
    fail(till.sandbox, faults.Status(503))
    calls = (till.client.send(operation("list")) for _ in range(30))
    await asyncio.gather(*calls, return_exceptions=True)
    fail(till.sandbox)
    till.arm(keyed, faults.Reset())
    with pytest.raises(GameballError) as raised:
        await till.client.send(operation(keyed))

    assert (raised.value.outcome, raised.value.attempts) == ("unknown", 1)
    assert (len(till.sent(keyed)), till.rows()) == (1, [])


async def test_ten_successes_earn_one_resend(till: Till) -> None:
    await till.open()
    fail(till.sandbox, faults.Status(503))
    calls = (till.client.send(operation("list")) for _ in range(30))
    await asyncio.gather(*calls, return_exceptions=True)
    fail(till.sandbox)
    for _ in range(10):
        await till.client.send(operation("list"))
    till.arm("list", faults.Status(503))

    assert (await till.client.deliver(operation("list"))).attempts == 2

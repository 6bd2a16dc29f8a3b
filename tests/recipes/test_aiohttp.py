"""docs/how-to/aiohttp.md."""

import asyncio

import aiohttp
import pytest

from gameball.sandbox import Sandbox, faults
from tests.recipes.recipe import LEFT_OPEN, Recipe, becomes, reward, rewarded


async def test_an_order_asked_for_again_after_a_disconnect_is_rewarded_once(recipe: Recipe, sandbox: Sandbox) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Delay(1), effect="after")
    with recipe.serve("python shop.py") as (process, url):
        async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(0.3)) as hasty:
            with pytest.raises(TimeoutError):
                await reward(hasty, 1)
        await becomes(lambda: len(rewarded(sandbox)) == 1, "the handler goes on")
        async with aiohttp.ClientSession(url) as shop:
            assert await reward(shop, 1) == "10"
        assert "given up" not in process.output
    assert rewarded(sandbox) == {"A-1": 1}


async def test_sigterm_with_calls_in_flight_settles_each_and_leaves_nothing_open(
    recipe: Recipe, sandbox: Sandbox
) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Delay(1.5), effect="after", times=25)
    sandbox.faults.arm("transactions.cashback", faults.Close(), effect="after", times=5)
    with recipe.serve("python shop.py") as (process, url):
        async with aiohttp.ClientSession(url) as shop:
            orders = [asyncio.create_task(reward(shop, number)) for number in range(30)]
            await becomes(lambda: len(sandbox.faults.fired) == 30, "all are in flight")
            process.terminate()
            assert await asyncio.gather(*orders) == ["10"] * 30
        assert process.end() == 0
        assert not [word for word in LEFT_OPEN if word in process.output], process.output
    assert rewarded(sandbox) == {f"A-{number}": 1 for number in range(30)}


def test_the_app_s_own_test_passes(recipe: Recipe) -> None:
    recipe.test()

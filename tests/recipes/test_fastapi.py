"""docs/how-to/fastapi.md."""

import asyncio
import re

import aiohttp
import pytest

from gameball.sandbox import Sandbox, faults
from tests.recipes.recipe import LEFT_OPEN, Recipe, becomes, reward, rewarded

BOTH = pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])


@BOTH
async def test_an_order_asked_for_again_after_a_disconnect_or_a_kill_is_rewarded_once(
    server: str, recipe: Recipe, sandbox: Sandbox
) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Delay(1), effect="after", transaction_id="A-1")
    sandbox.faults.arm("transactions.cashback", faults.Delay(5), effect="after", transaction_id="A-2")
    with recipe.serve(server) as (process, url):
        async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(0.2)) as hasty:
            with pytest.raises(TimeoutError):
                await reward(hasty, 1)
        await becomes(lambda: len(rewarded(sandbox)) == 1, "the route goes on")
        async with aiohttp.ClientSession(url) as shop:
            assert await reward(shop, 1) == "10"
            cut_short = asyncio.create_task(reward(shop, 2))
            await becomes(lambda: len(rewarded(sandbox)) == 2, "another is rewarded")
            process.kill()
            assert await cut_short == ""
    with recipe.serve(server) as (_, url):
        async with aiohttp.ClientSession(url) as shop:
            assert await reward(shop, 2) == "10"
    assert rewarded(sandbox) == {"A-1": 1, "A-2": 1}


@BOTH
async def test_sigterm_with_fifty_calls_in_flight_settles_each_and_leaves_nothing_open(
    server: str, recipe: Recipe, sandbox: Sandbox
) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Delay(1.5), effect="after", times=40)
    sandbox.faults.arm("transactions.cashback", faults.Close(), effect="after", times=10)
    with recipe.serve(server) as (process, url):
        async with aiohttp.ClientSession(url) as shop:
            orders = [asyncio.create_task(reward(shop, number)) for number in range(50)]
            await becomes(lambda: len(sandbox.faults.fired) == 50, "all are in flight")
            process.terminate()
            assert await asyncio.gather(*orders) == ["10"] * 50
        process.end()
        assert not [word for word in LEFT_OPEN if word in process.output], process.output
    assert rewarded(sandbox) == {f"A-{number}": 1 for number in range(50)}


async def test_sigterm_that_cuts_fifty_calls_off_names_each_of_them(recipe: Recipe, sandbox: Sandbox) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Delay(5), effect="after", times=50)
    with recipe.serve("uvicorn", timeout_graceful_shutdown="1") as (process, url):
        async with aiohttp.ClientSession(url) as shop:
            orders = [asyncio.create_task(reward(shop, number)) for number in range(50)]
            await becomes(lambda: len(sandbox.faults.fired) == 50, "all are in flight")
            process.terminate()
            assert await asyncio.gather(*orders) == [""] * 50
        process.end()
        named = re.findall(r"\(transaction_id=(\S+)\) was given up: unless it had not left yet, it may", process.output)
        assert set(named) == {f"A-{number}" for number in range(50)}
        assert not [word for word in LEFT_OPEN if word in process.output and word != "Traceback"], process.output
    assert rewarded(sandbox) == {f"A-{number}": 1 for number in range(50)}


def test_the_app_s_own_tests_pass(recipe: Recipe) -> None:
    recipe.test()

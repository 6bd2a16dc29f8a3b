"""docs/how-to/flask.md."""

import asyncio
import os
import signal

import aiohttp

from gameball.sandbox import Sandbox, faults
from tests.recipes.recipe import LEFT_OPEN, Recipe, becomes, reward, rewarded


async def test_sigterm_with_calls_in_flight_settles_each_and_leaves_nothing_open(
    recipe: Recipe, sandbox: Sandbox
) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Delay(1.5), effect="after", times=7)
    sandbox.faults.arm("transactions.cashback", faults.Close(), effect="after")
    with recipe.serve("gunicorn") as (process, url):
        async with aiohttp.ClientSession(url) as shop:
            orders = [asyncio.create_task(reward(shop, number)) for number in range(8)]
            await becomes(lambda: len(sandbox.faults.fired) == 8, "all are in flight")
            process.terminate()
            assert await asyncio.gather(*orders) == ["10"] * 8
        assert process.end() == 0
        assert not [word for word in LEFT_OPEN if word in process.output], process.output
    assert rewarded(sandbox) == {f"A-{number}": 1 for number in range(8)}


async def test_an_order_asked_for_again_after_its_worker_was_killed_is_rewarded_once(
    recipe: Recipe, sandbox: Sandbox
) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Delay(20), effect="after")
    with recipe.serve("gunicorn") as (process, url):
        async with aiohttp.ClientSession(url) as shop:
            cut_short = asyncio.create_task(reward(shop, 1))
            await becomes(lambda: len(rewarded(sandbox)) == 1, "the order is rewarded")
            for worker in process.children:
                os.kill(worker, signal.SIGKILL)
            assert await cut_short == ""
            assert await reward(shop, 1) == "10"
    assert rewarded(sandbox) == {"A-1": 1}


async def test_the_server_for_development_rewards(recipe: Recipe, sandbox: Sandbox) -> None:
    with recipe.serve("flask") as (_, url):
        async with aiohttp.ClientSession(url) as shop:
            assert await reward(shop, 1) == "10"
    assert rewarded(sandbox) == {"A-1": 1}


def test_the_app_s_own_test_passes(recipe: Recipe) -> None:
    recipe.test()

"""docs/how-to/django.md."""

import asyncio
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import aiohttp
import pytest

from gameball import Gameball
from gameball.sandbox import Sandbox, faults
from tests.recipes.recipe import LEFT_OPEN, Recipe, becomes, free_port, rewarded


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the page's commands make of the page's files, before anything is served."""
    with Sandbox() as sandbox:
        recipe = Recipe("django", tmp_path_factory.mktemp("project"), sandbox)
        shutil.rmtree(recipe.folder / "shop")
        recipe.run("django-admin startproject")
        recipe.write()
        recipe.run("python manage.py makemigrations")
        recipe.run("python manage.py migrate")
        return recipe.folder


@pytest.fixture
def recipe(recipe: Recipe, project: Path) -> Recipe:
    shutil.copytree(project, recipe.folder, dirs_exist_ok=True)
    return recipe


async def place(shop: aiohttp.ClientSession, number: str, player: str = "ada", paid: str = "50.00") -> Any:
    """What the shop says of an order's reward; None where it says nothing."""
    with suppress(aiohttp.ClientError):
        async with shop.post(f"/orders/{number}/", data={"player": player, "paid": paid}) as answer:
            return await answer.json()
    return None


OWED = {"state": "owed", "points": None}
APPLIED = {"state": "applied", "points": "10.00"}


async def test_an_order_is_rewarded_after_its_commit_and_asked_for_again_no_second_time(
    recipe: Recipe, sandbox: Sandbox
) -> None:
    with recipe.serve("gunicorn") as (process, url):
        async with aiohttp.ClientSession(url) as shop:
            orders = [place(shop, f"A-{number}", f"player{number % 5}") for number in range(20)]
            assert await asyncio.gather(*orders) == [APPLIED] * 20
            assert await place(shop, "A-1") == APPLIED
            async with shop.get("/players/player1/") as answer:
                assert await answer.json() == {"points": 40}
        process.terminate()
        assert process.end() == 0
        assert not [word for word in LEFT_OPEN if word in process.output], process.output
    assert rewarded(sandbox) == {f"A-{number}": 1 for number in range(20)}


async def test_what_was_owed_when_the_server_was_killed_is_sent_once_by_the_command(
    recipe: Recipe, sandbox: Sandbox
) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Delay(20), effect="after", transaction_id="A-1")
    sandbox.faults.arm("transactions.cashback", faults.Delay(20), effect="before", transaction_id="A-2")
    with recipe.serve("gunicorn") as (process, url):
        async with aiohttp.ClientSession(url) as shop:
            orders = asyncio.gather(place(shop, "A-1", "ada"), place(shop, "A-2", "bob"))
            await becomes(lambda: len(sandbox.faults.fired) == 2, "both are in flight")
            process.kill()
            assert list(await orders) == [None, None]
    assert rewarded(sandbox) == {"A-1": 1}
    assert recipe.run("python manage.py send_rewards") == "1 already_applied, 1 applied\n"
    assert rewarded(sandbox) == {"A-1": 1, "A-2": 1}
    assert recipe.run("python manage.py send_rewards") == "nothing owed\n"


async def test_an_order_stands_while_the_api_is_away_and_what_it_would_refuse_is_rolled_back(
    recipe: Recipe, sandbox: Sandbox
) -> None:
    recipe.settings["GAMEBALL_BASE_URL"] = f"http://127.0.0.1:{free_port()}/api/v3.0"
    with recipe.serve("gunicorn") as (process, url):
        async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(25)) as shop:
            assert await place(shop, "A-1") == OWED
            assert await place(shop, "A-2", paid="-1") == {"error": "amount must be positive, not -1"}
            assert "error" in await place(shop, "A-2", paid="much")
        assert "ConnectionFailedError" in process.output
    recipe.settings.clear()
    assert recipe.run("python manage.py send_rewards") == "1 applied\n"
    assert rewarded(sandbox) == {"A-1": 1}


OWE = "insert into shop_reward (order_id, state, problem) values (?, 'owed', '')"


def test_an_outbox_of_three_hundred_rows_is_sent_through_faults_each_row_once(recipe: Recipe, sandbox: Sandbox) -> None:
    with closing(sqlite3.connect(recipe.folder / "shop.db")) as database, database:
        numbers = [f"A-{number}" for number in range(300)]
        database.executemany(
            "insert into shop_order (number, player, paid) values (?, ?, 50)",
            [(number, f"player{index % 60}") for index, number in enumerate(numbers)],
        )
        database.executemany(OWE, [(number,) for number in numbers if number != "A-7"])
    sandbox.faults.random(0.1, choices=[(faults.Close(), "after"), (faults.Status(503), "after")])
    assert recipe.run("python manage.py send_rewards") == "299 applied\n"
    sandbox.faults.clear()

    with Gameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url) as client:
        client.transactions.cashback(player_unique_id="another", transaction_id="A-7", amount=1)
    with closing(sqlite3.connect(recipe.folder / "shop.db")) as database, database:
        database.execute(OWE, ("A-7",))
    assert recipe.run("python manage.py send_rewards") == "1 rejected\n"
    assert rewarded(sandbox) == dict.fromkeys(numbers, 1)
    with closing(sqlite3.connect(recipe.folder / "shop.db")) as database:
        refused = database.execute("select order_id, problem from shop_reward where state = 'rejected'").fetchall()
    assert refused == [("A-7", ANY)]
    assert refused[0][1].startswith("305 ")


async def test_an_asynchronous_view_leaves_nothing_open(recipe: Recipe, sandbox: Sandbox) -> None:
    with recipe.serve("uvicorn") as (process, url):
        async with aiohttp.ClientSession(url) as shop:
            assert await place(shop, "A-1") == APPLIED
            async with shop.get("/players/ada/") as answer:
                assert await answer.json() == {"points": 10}
        process.terminate()
        process.end()
        assert not [word for word in LEFT_OPEN if word in process.output], process.output
    assert rewarded(sandbox) == {"A-1": 1}

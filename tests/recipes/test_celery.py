"""docs/how-to/celery.md."""

import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from gameball.sandbox import Sandbox, faults
from tests.recipes.recipe import Recipe, Server, rewarded, sent, until


@pytest.fixture
def recipe(recipe: Recipe, redis: str) -> Recipe:
    recipe.settings = {"REDIS_URL": redis, "VISIBILITY_TIMEOUT": "4"}
    return recipe


class Worker:
    """The page's worker, which is started anew after it was killed."""

    def __init__(self, recipe: Recipe, stack: ExitStack) -> None:
        self._recipe, self._stack = recipe, stack
        self.kills: list[str] = []
        self.start()

    def start(self) -> None:
        self._server: Server = self._stack.enter_context(self._recipe.start("celery"))

    def kill_a_process(self) -> None:
        """SIGKILL for one of the processes that run the tasks."""
        until(lambda: bool(self._server.children), "the worker has processes")
        os.kill(random.choice(self._server.children), signal.SIGKILL)  # noqa: S311 (not for secrets)
        self.kills.append("a process")

    def kill_all(self) -> None:
        """SIGKILL for the worker and its processes."""
        self._server.kill()
        self.kills.append("all")
        self.start()


@pytest.fixture
def worker(recipe: Recipe) -> Iterator[Worker]:
    with ExitStack() as stack:
        yield Worker(recipe, stack)


@pytest.mark.thorough
def test_two_hundred_tasks_whose_workers_are_killed_ten_times_reward_once_each(
    recipe: Recipe, worker: Worker, sandbox: Sandbox
) -> None:
    sandbox.faults.random(
        0.4, operations={"transactions.cashback"}, choices=[(faults.Delay(0.4), "after"), (faults.Close(), "after")]
    )
    with ThreadPoolExecutor(1) as pool:
        # What a killed worker had may lie in redis for 100 seconds before another one gets it, and so for each kill.
        shop = pool.submit(recipe.run, "python shop.py", timeout=290)
        moments = sorted(random.sample(range(1, 190), 10))
        while moments:
            until(lambda: shop.done() or len(rewarded(sandbox)) >= moments[0], "so many are rewarded", 60)
            worker.kill_all() if len(moments) in (4, 8) else worker.kill_a_process()
            moments.pop(0)
        printed = shop.result()
    assert worker.kills.count("all") == 2
    assert len(worker.kills) == 10
    assert sent(sandbox) > 201  # some were delivered twice
    assert printed == recipe.file("shop.txt")
    assert rewarded(sandbox) == {f"order-{number}": 1 for number in range(200)}


def test_a_task_that_cannot_say_what_became_of_its_call_is_tried_again_and_rewards_once(
    recipe: Recipe, sandbox: Sandbox
) -> None:
    recipe.settings["VISIBILITY_TIMEOUT"] = "600"
    sandbox.faults.arm("transactions.cashback", faults.Close(), effect="before", transaction_id="order-0", times=4)
    with recipe.start("celery"):
        printed = recipe.run("python shop.py", last="1")
    assert sent(sandbox) == 4 + 1 + 1  # all tries of the first call, the next call, and the contradiction
    assert printed == recipe.file("shop.txt").replace("2000", "10")
    assert rewarded(sandbox) == {"order-0": 1}

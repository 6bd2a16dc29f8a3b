"""docs/how-to/rq.md."""

import os
import signal

import pytest

from gameball.sandbox import Sandbox, faults
from tests.recipes.recipe import Recipe, Server, rewarded, sent, until


@pytest.fixture
def recipe(recipe: Recipe, redis: str) -> Recipe:
    recipe.settings = {"REDIS_URL": redis}
    return recipe


def kill_the_job(worker: Server) -> None:
    """SIGKILL for the child that runs the job; the scheduler, another child, came before it."""
    until(lambda: len(worker.children) > 1, "a job runs")
    os.kill(worker.children[-1], signal.SIGKILL)


def test_jobs_that_are_killed_and_tried_again_reward_once_each(recipe: Recipe, sandbox: Sandbox) -> None:
    for number in (3, 8):
        sandbox.faults.arm("transactions.cashback", faults.Delay(20), effect="after", transaction_id=f"order-{number}")
    sandbox.faults.arm("transactions.cashback", faults.Delay(20), effect="before", transaction_id="order-5")
    with recipe.start("python worker.py") as worker:
        recipe.run("python shop.py")
        for struck in (1, 2, 3):
            until(lambda: len(sandbox.faults.fired) == struck, "a job waits for its answer")  # noqa: B023 (used at once)
            kill_the_job(worker)
        until(lambda: sent(sandbox) == 15, "the three are tried again")
    assert rewarded(sandbox) == {f"order-{number}": 1 for number in range(12)}

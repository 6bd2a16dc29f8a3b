"""What editors and linters that read no types as mypy does make of both clients: jedi completes, pylint is quiet."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[2]

# --- jedi: completion in notebooks, and in many editors

jedi = pytest.importorskip("jedi")
PROJECT = jedi.Project(ROOT)

PLAIN = """
from gameball import CashbackRequest, Gameball

with Gameball() as client:
    rows = [CashbackRequest(player_unique_id="p", transaction_id="t", amount=1)]
"""
AWAITED = """
from gameball import AsyncGameball, CashbackRequest

async def main():
    async with AsyncGameball() as client:
        rows = [CashbackRequest(player_unique_id="p", transaction_id="t", amount=1)]
"""
CASHBACK = 'client.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1)'
HOLDING = 'client.transactions.holding(player_unique_id="p", hold_points=1)'


def completed(beginning: str, *lines: str) -> set[str]:
    """What jedi offers behind the last of the lines, which end the program."""
    indent = " " * (len(last := beginning.splitlines()[-1]) - len(last.lstrip()))
    source = beginning + "\n".join(indent + line for line in lines)
    return {found.name for found in jedi.Script(source, project=PROJECT).complete()}


REWARD = {"rewarded_points", "gameball_transaction_id", "to_dict"}
ROW = {"transaction_id", "points", "direction", "to_dict"}
HELD = {"hold_reference", "hold_points", "to_dict"}
RESULT = {"state", "value", "error"}
REPORT = {"applied", "rejected", "problems"}


@pytest.mark.parametrize(
    ("lines", "offered"),
    [
        (["client."], {"transactions", "batches", "bulk", "with_options"}),
        (["client.transactions."], {"cashback", "iterate", "holding"}),
        (["client.with_options().transactions."], {"cashback", "iterate", "holding"}),
        ([f"{CASHBACK}."], REWARD),
        ([f"reward = {CASHBACK}", "reward."], REWARD),
        (["client.transactions.list()."], {"transactions", "total"}),
        (["for row in client.transactions.iterate():", "    row."], ROW),
        (["first = next(client.transactions.iterate())", "first."], ROW),
        (["found = [row for row in client.transactions.iterate()]", "found[0]."], ROW),
        (["list(client.transactions.iterate())[0]."], ROW),
        ([f"with {HOLDING} as hold:", "    hold."], HELD),
        (["for result in client.bulk.stream(rows):", "    result."], RESULT),
        (["client.bulk.run(rows)."], REPORT),
        (["client.batches.get('b')."], {"status", "successful", "failed"}),
    ],
    ids=lambda value: value[-1].strip() if isinstance(value, list) else "",
)
def test_jedi_completes_what_a_plain_call_gives(lines: list[str], offered: set[str]) -> None:
    assert completed(PLAIN, *lines) >= offered


@pytest.mark.parametrize(
    ("lines", "offered"),
    [
        (["client.transactions."], {"cashback", "iterate", "holding"}),
        ([f"(await {CASHBACK})."], REWARD),
        ([f"reward = await {CASHBACK}", "reward."], REWARD),
        (["async for row in client.transactions.iterate():", "    row."], ROW),
        (["found = [row async for row in client.transactions.iterate()]", "found[0]."], ROW),
        ([f"async with {HOLDING} as hold:", "    hold."], HELD),
        (["async for result in client.bulk.stream(rows):", "    result."], RESULT),
        (["(await client.bulk.run(rows))."], REPORT),
    ],
    ids=lambda value: value[-1].strip() if isinstance(value, list) else "",
)
def test_jedi_completes_what_an_awaited_call_gives(lines: list[str], offered: set[str]) -> None:
    assert completed(AWAITED, *lines) >= offered


@pytest.mark.parametrize("beginning", [PLAIN, AWAITED], ids=["plain", "awaited"])
@pytest.mark.parametrize("name", ["cashback", "iterate", "holding"])
def test_jedi_shows_the_arguments_of_a_call_and_its_words(beginning: str, name: str) -> None:
    indent = " " * (4 if beginning is PLAIN else 8)
    script = jedi.Script(f"{beginning}{indent}client.transactions.{name}(", project=PROJECT)
    for signature in script.get_signatures():
        assert "player_unique_id" in {parameter.name for parameter in signature.params}
        assert "API page: Transactions, " in signature.docstring()


# --- pylint

USAGE = """
    import asyncio

    from gameball import AsyncGameball, CashbackRequest, Gameball, GameballError, RateLimit, Timeouts

    ROWS = [CashbackRequest(player_unique_id="p", transaction_id="t", amount=1)]

    with Gameball(timeouts=Timeouts(total=5), rate_limit=RateLimit((1, 1.0))) as client:
        try:
            REWARD = client.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1)
            print(REWARD.rewarded_points + 1)
        except GameballError as error:
            print(error.outcome, error.transaction_id)
        for row in client.transactions.iterate(player_unique_id="p"):
            print(row.points)
        FOUND = client.transactions.iterate()
        print(next(FOUND).points, list(FOUND)[0].points, [row.points for row in FOUND])
        with client.transactions.holding(player_unique_id="p", hold_points=1) as hold:
            print(hold.hold_reference)
        client.transactions.reverse_hold("ref")
        print(client.transactions.list().transactions[0].points, client.request("GET", "/x")["a"])
        for result in client.bulk.stream(ROWS):
            print(result.value)
        REPORT = client.bulk.run(ROWS, journal="run.db")
        print(REPORT.applied, [problem.error.outcome for problem in REPORT.problems])
        print(client.batches.wait(client.batches.start_cashback(ROWS)).successful)
        print(client.configurations.cashback().rules, client.with_options(headers={"A": "b"}).transactions)


    class Shop(AsyncGameball):
        \"\"\"One that keeps something of its own.\"\"\"

        async def rows(self):
            \"\"\"All of them.\"\"\"
            async for each in self.transactions.iterate():
                yield each.points
            async for each in self.bulk.stream(ROWS):
                yield each.state

        async def pay(self):
            \"\"\"Several calls.\"\"\"
            reward = await self.transactions.cashback(player_unique_id="p", transaction_id="t", amount=1)
            async with self.transactions.holding(player_unique_id="p", hold_points=1) as held:
                print(held.hold_reference, reward.rewarded_points + 1)
            async with asyncio.TaskGroup() as group:
                task = group.create_task(self.transactions.list(page=1))
            print(task.result().total, (await self.transactions.list()).transactions[0].points)
            return await asyncio.gather(self.transactions.for_order("o"), self.bulk.run(ROWS))


    asyncio.run(Shop().pay())
"""


MISTAKES = """
    from gameball import AsyncGameball, Gameball

    print(Gameball().transactions.cashbak, AsyncGameball().transactions.iterat)
"""


def test_pylint_has_nothing_to_say_of_calls_iterators_and_blocks_and_still_finds_mistakes(tmp_path: Path) -> None:
    pytest.importorskip("pylint")
    for name, source in {"usage.py": USAGE, "mistakes.py": MISTAKES}.items():
        (tmp_path / name).write_text(dedent(source))
    ended = subprocess.run(
        [sys.executable, "-m", "pylint", "--disable=C,R", "--output-format=json", "usage.py", "mistakes.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    found = [(said["path"], said["symbol"]) for said in json.loads(ended.stdout)]
    assert found == [("mistakes.py", "no-member")] * 2

"""The README's examples run as they stand, in the order of the page, against one local Gameball."""

import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient

from gameball import cli
from gameball.sandbox import Sandbox

README = Path(__file__).parent.parent.joinpath("README.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL))


def code(section: str) -> str:
    """The section's examples, which follow on one another."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL))


def run(section: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": section}
    exec(compile(code(section), f"README.md, {section}", "exec", dont_inherit=True), names)  # noqa: S102 (ours)
    return names


@pytest.fixture(scope="module")
def local_gameball() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def keys_in_the_environment(local_gameball: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEBALL_API_KEY", local_gameball.api_key)
    monkeypatch.setenv("GAMEBALL_SECRET_KEY", local_gameball.secret_key)
    monkeypatch.setenv("GAMEBALL_BASE_URL", local_gameball.base_url)


def test_the_awaited_example_prints_the_points_and_the_transaction(capsys: pytest.CaptureFixture[str]) -> None:
    run("Awaited")
    points, transaction = capsys.readouterr().out.splitlines()
    assert points == "20"
    assert transaction.endswith("PaymentReward 20")


def test_the_plain_example_redeems_what_it_held(local_gameball: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    run("Plain")
    assert capsys.readouterr().out == "200\n"
    assert local_gameball.ledger.balance("player123") == 20 + 500 - 200


async def test_the_fastapi_example_rewards_through_its_route(local_gameball: Sandbox) -> None:
    app = run("FastAPI")["app"]
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=ASGITransport(app), base_url="http://shop") as browser,
    ):
        answer = await browser.post("/orders/tra_9/reward", params={"player": "player9", "paid": "99.98"})
    assert answer.json() == {"points": "20"}
    assert local_gameball.ledger.balance("player9") == 20


def test_the_error_example_tells_a_duplicate_and_a_computed_float(capsys: pytest.CaptureFixture[str]) -> None:
    run("When something goes wrong")
    duplicate, computed = capsys.readouterr().out.splitlines()
    assert duplicate.startswith("305 ")
    assert "transaction_id=tra_1, HTTP 422" in duplicate
    assert computed.startswith("amount must have at most 15 significant digits")


def test_the_examples_of_a_hold_a_batch_and_a_partner_say_what_happened(
    local_gameball: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    run("Holding, batches, partners")
    *_, batch, partner = capsys.readouterr().out.splitlines()
    assert local_gameball.ledger.balance("player7") == 500 - 150
    assert batch == "10 rewarded, 0 failed"
    assert partner == "ClientKeys(api_key=Secret('****'), secret_key=Secret('****'), gameball_id=2) 2"


def test_the_story_of_a_file_runs_as_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its lines are those of the commands, but for the interrupt, the rate and the time."""
    monkeypatch.chdir(tmp_path)
    section = SECTIONS["From orders.csv to report.json"]
    (titles, *first_orders) = re.findall(r"^```csv\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0].splitlines()
    orders = list(map(order, range(3000)))
    assert orders[:2] == first_orders
    Path("orders.csv").write_text("\n".join([titles, *orders]), encoding="utf-8")

    told = without_times(section).splitlines()
    commands = re.findall(r"^\$ gameball (.*)$", section, re.MULTILINE)
    for command, code in zip(commands, (3, 3, 0), strict=True):
        monkeypatch.setattr(sys, "argv", ["gameball", *command.split()])
        assert cli.main() == code
        said = without_times(capsys.readouterr().out).splitlines()
        assert [line for line in said if line not in told and "/s," not in line] == []
    assert json.loads(Path("report.json").read_text(encoding="utf-8"))["applied"] == 2998


def order(number: int) -> str:
    """Every 20 seconds one, but for two that are said to have been at the same time as the player's one before."""
    seconds = 20 * (number - 700 if number in (2741, 2742) else number)
    time = datetime(2026, 3, 1, 9, tzinfo=timezone(timedelta(hours=1))) + timedelta(seconds=seconds)
    return f"A-{10001 + number},player{number % 700},{20 + number % 130}.50,{time.isoformat()},{number % 4}"


def without_times(text: str) -> str:
    return re.sub(r"\d:\d\d:\d\d,", "TIME,", text)


def test_the_story_goes_on_in_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    run("From orders.csv to report.json")
    assert capsys.readouterr().out == "20 rewarded, 0 rejected, 0 to review\n"


def test_every_call_is_in_the_table() -> None:
    table = SECTIONS["All calls"]
    for home, name in (
        ("resources.transactions", "Transactions"),
        ("resources.batches", "Batches"),
        ("resources.clients", "Clients"),
        ("resources.configurations", "Configurations"),
        ("bulk.resource", "Bulk"),
    ):
        calls = getattr(import_module(f"gameball.{home}"), name)
        for call in [call for call in vars(calls) if not call.startswith("_")]:
            assert f"{call}(" in table


@pytest.mark.parametrize("section", ["Try it", "Test it"])
def test_a_newcomer_needs_one_command(section: str) -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)
    assert len(block.splitlines()) == 1


def test_the_house_names_only_files_that_are_there() -> None:
    named = re.findall(r"`(gameball/[^`]*)`", SECTIONS["How it is built"])
    missing = [name for name in named if not Path(__file__).parent.parent.joinpath(name).exists()]
    assert named
    assert missing == []

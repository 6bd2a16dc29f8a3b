"""What a person sees of report.html: from the file system, without a network, on a desk, a phone and paper."""

import re
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from gameball import CashbackRequest, Gameball, ManualRequest, RedeemRequest
from gameball.bulk.rows import Request
from gameball.sandbox import Sandbox, faults
from tests.browser.conftest import SCREENSHOTS, keep, serious_faults, watched
from tests.cli.commands import COMMAND

HOSTILE = "<img src=x onerror=alert(1)>"
LONG = "order-of-a-shop-that-writes-the-whole-address-into-its-ids-" * 4
A4 = 794, 1123


def rows() -> Iterator[Request]:
    yield CashbackRequest(player_unique_id="ada", transaction_id=HOSTILE, amount=Decimal("1234567.89"))
    yield CashbackRequest(player_unique_id=LONG, transaction_id=LONG, amount=5)
    for n in range(120):
        yield CashbackRequest(player_unique_id=f"player-{n % 9}", transaction_id=f"order-{n}", amount=Decimal(n + 1))
    yield ManualRequest(player_unique_id="ada", transaction_id="gift", username="ops", reason="Thanks", points=50)
    yield RedeemRequest(player_unique_id="ada", transaction_id="basket", redeemed_amount=Decimal("0.10"))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with a pause, and rows that are refused, slow, or sent again."""
    folder = tmp_path_factory.mktemp("report")
    refused = faults.Status(422, {"code": 7, "message": f"unknown player {HOSTILE}"})
    with Sandbox() as sandbox, Gameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url) as client:
        for transaction in (HOSTILE, LONG, "order-7", "order-8"):
            sandbox.faults.arm("transactions.cashback", refused, transaction_id=transaction)
        sandbox.faults.arm("transactions.cashback", faults.Close(), transaction_id="order-20")
        sandbox.faults.arm("transactions.cashback", faults.Delay(0.2), transaction_id="order-30")
        sandbox.faults.arm("transactions.cashback", faults.Status(429, headers={"Retry-After": "1"}), nth=60)
        outcome = client.bulk.run(rows(), journal=folder / "rewards.db", concurrency=8)
    assert (outcome.rejected, outcome.pauses, outcome.left) == (4, 1, 0)
    subprocess.run(
        [*COMMAND, "bulk", "report", folder / "rewards.db", "--output", folder], check=True, stdout=subprocess.DEVNULL
    )
    return folder / "report.html"


@pytest.fixture
def offline(chromium: Browser, size: tuple[int, int], scheme: Any) -> Iterator[Page]:
    """A page of a browser without a network, whose log must stay empty."""
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, offline=True, java_script_enabled=True
    )
    page = context.new_page()
    log = watched(page)
    yield page
    context.close()
    assert log == []


def test_it_opens_from_a_folder_and_is_seen_whole(
    offline: Page, report: Path, size: tuple[int, int], scheme: str
) -> None:
    requested: list[str] = []
    offline.on("request", lambda request: requested.append(request.url))
    offline.goto(report.as_uri())
    keep(offline, "report", scheme, str(size[0]))
    assert requested == [report.as_uri()]
    assert offline.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert cut_off(offline) == []
    assert serious_faults(offline) == []
    assert offline.locator("img, script").count() == 0
    expect(offline.get_by_role("heading", name="rejected, code 7: 4")).to_be_visible()
    expect(offline.get_by_text(HOSTILE, exact=True).first).to_be_visible()
    assert offline.locator("polyline").count() == 2
    assert offline.locator("rect").count() == 1, "the pause"


def test_slow_and_repeated_rows_say_which_they_are(page: Page, report: Path) -> None:
    page.goto(report.as_uri())
    sent_again = page.locator("h2:has-text('sent again') + table tbody tr").filter(has_text="order-20")
    expect(sent_again.locator("td")).to_have_text(
        [
            re.compile(one)
            for one in ("^23$", "^cashback$", "^player-2$", "^order-20$", "^applied$", r"^\d\.\d{3} s$", "^2 times$")
        ]
    )
    slowest = page.locator("h2:has-text('Slowest') + table tbody tr")
    expect(slowest).to_have_count(20)


def test_numbers_stand_in_columns(page: Page, report: Path) -> None:
    page.goto(report.as_uri())
    alignments = page.eval_on_selector_all(
        "td",
        "all => all.map((one) => [/^[\\d.,]+( s| times?)?$/.test(one.innerText), getComputedStyle(one).textAlign])",
    )
    assert {tuple(one) for one in alignments} == {(True, "right"), (False, "start")}


def test_on_paper_it_is_dark_on_white_whole_and_without_a_scroll_bar(chromium: Browser, report: Path) -> None:
    context = chromium.new_context(viewport={"width": A4[0], "height": A4[1]}, color_scheme="dark", offline=True)
    page = context.new_page()
    page.goto(report.as_uri())
    printed = page.pdf(format="A4", path=Path(SCREENSHOTS) / "report.pdf" if SCREENSHOTS else None)
    assert printed.startswith(b"%PDF-")
    page.emulate_media(media="print")
    keep(page, "report", "print")
    colours = page.evaluate(
        "(({ color, backgroundColor }) => [color, backgroundColor])(getComputedStyle(document.body))"
    )
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert page.evaluate("document.documentElement.scrollWidth") <= A4[0]
    assert cut_off(page) == []
    context.close()


def cut_off(page: Page) -> list[str]:
    """Texts of cells that reach out of the window, or over the next cell."""
    found: list[str] = page.eval_on_selector_all(
        "td, th, dd, h1, h2, h3",
        """all => all.filter((one) => getComputedStyle(one.closest("thead") || one).position !== "absolute").filter(
            (one) => one.scrollWidth > one.clientWidth + 1
            || (one.getBoundingClientRect().right > innerWidth + 1)).map((one) => one.innerText)""",
    )
    return found

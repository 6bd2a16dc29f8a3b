"""What a person sees and does in the console."""

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

from gameball import Gameball
from gameball.sandbox import Sandbox, faults
from tests.browser.conftest import PHONE, keep, serious_faults, watched

PATHS = ["", "players", "player?id=ada", "orders", "holds", "batches", "requests", "faults"]
HOSTILE = "<img src=x onerror=alert(1)>"


def fill(sandbox: Sandbox, client: Gameball) -> None:
    """A little of everything."""
    calls = client.transactions
    for number, player in enumerate(("ada", "bob", HOSTILE, "a-very-long-player-id-" * 4, "ada", "bob", "eve"), 1):
        amount = Decimal(number * 7919) / 100
        calls.cashback(player_unique_id=player, transaction_id=f"order-{number}", amount=amount)
    calls.redeem(player_unique_id="ada", transaction_id="basket-1", redeemed_amount=Decimal("0.30"))
    calls.refund(
        player_unique_id="ada", transaction_id="return-1", original_transaction_id="basket-1", amount=Decimal("0.10")
    )
    calls.manual(player_unique_id="ada", transaction_id="gift-1", username="ops", reason="Thank you", points=50)
    calls.hold(player_unique_id="ada", hold_points=20)
    batch = client.batches.start_balance(["ada", "bob"])
    client.batches.get(batch)
    client.batches.get(batch)
    sandbox.faults.arm("transactions.cashback", faults.Status(503, {"code": 13}))
    sandbox.faults.arm("transactions.hold", faults.Delay(2), nth=3, times=2, transaction_id="order-9")
    assert pay(sandbox, "order-8") == 503


def pay(sandbox: Sandbox, order: str, player: str = "ada") -> int:
    """One bare call, never repeated; its status."""
    body = {
        "playerUniqueId": player,
        "transactionId": order,
        "amount": 100,
        "transactionTime": datetime.now(UTC).isoformat(),
    }
    request = urllib.request.Request(  # noqa: S310 - always our own http
        f"{sandbox.base_url}/integrations/transaction/cashback",
        json.dumps(body).encode(),
        {"APIKey": sandbox.api_key, "SecretKey": sandbox.secret_key, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - the same
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def open_page(page: Page, sandbox: Sandbox, path: str = "") -> None:
    """Open a page, and wait until it follows what happens."""
    page.goto(sandbox.console_url + path)
    expect(page.locator("#link")).to_have_text("live")
    page.evaluate("window.notReloaded = true")


def assert_not_reloaded(page: Page) -> None:
    assert page.evaluate("window.notReloaded") is True


def test_a_reward_appears_without_reloading(
    chromium: Browser, sandbox: Sandbox, client: Gameball, size: tuple[int, int]
) -> None:
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    log = watched(page)
    open_page(page, sandbox)
    expect(page.get_by_text("Nothing was booked yet.")).to_be_visible()

    client.transactions.cashback(player_unique_id="ada", transaction_id="order-1", amount=100)

    row = page.locator("#latest tbody tr").filter(has_text="order-1")
    expect(row).to_contain_text("+20")
    expect(page.locator("#figures .main dd")).to_have_text("20")
    assert_not_reloaded(page)
    assert log == []
    context.close()


def test_a_fault_armed_by_its_button_strikes_the_next_call_and_shows_as_struck(page: Page, sandbox: Sandbox) -> None:
    open_page(page, sandbox, "faults")
    page.locator("#fail-next").click()
    row = page.locator("#armed tbody tr")
    expect(row).to_contain_text("0 of 1")
    expect(page.locator("#said")).to_have_text("Done.")

    assert pay(sandbox, "order-1") == 503

    expect(row).to_contain_text("struck")
    expect(row).to_contain_text("1 of 1")
    expect(page.locator("#struck tbody tr")).to_contain_text("transactions.cashback")
    assert_not_reloaded(page)
    assert pay(sandbox, "order-1") == 200
    page.locator("#clear-faults").click()
    expect(page.get_by_text("Nothing is armed.")).to_be_visible()


def test_any_fault_is_armed_by_the_form(page: Page, sandbox: Sandbox) -> None:
    open_page(page, sandbox, "faults")
    page.get_by_label("Operation").select_option("transactions.hold")
    page.locator("#fault").select_option("drip")
    page.get_by_label("Effect").select_option("after")
    page.get_by_label("Transaction id").fill("order-<7>")
    page.get_by_label("Times").fill("3")
    page.locator("[data-fault=drip]").get_by_label("size").fill("2")
    page.locator("#arm").click()
    expect(page.locator("#armed tbody tr")).to_contain_text("order-<7>")
    [armed] = sandbox.faults.armed
    assert (armed.operation, armed.fault, armed.effect) == ("transactions.hold", faults.Drip(size=2), "after")
    assert (armed.transaction_id, armed.nth, armed.times) == ("order-<7>", 1, 3)

    page.locator("#fault").select_option("status")
    page.locator("[data-fault=status]").get_by_label("status").fill("500")
    page.locator("[data-fault=status]").get_by_label("headers").fill("{")
    page.locator("#arm").click()
    expect(page.locator("#said")).to_have_text("headers must be JSON")
    page.locator("[data-fault=status]").get_by_label("headers").fill('{"X-A": "b"}')
    page.locator("#arm").click()
    expect(page.locator("#armed tbody tr")).to_have_count(2)
    assert sandbox.faults.armed[1].fault == faults.Status(500, headers={"X-A": "b"})


def test_the_clocks_button_expires_a_hold(
    page: Page, context: BrowserContext, sandbox: Sandbox, client: Gameball
) -> None:
    client.transactions.manual(player_unique_id="ada", transaction_id="g", username="u", reason="r", points=50)
    client.transactions.hold(player_unique_id="ada", hold_points=20)
    open_page(page, sandbox, "holds")
    row = page.locator("#list tbody tr")
    expect(row).to_contain_text("live")
    left = row.locator("[data-until]")
    first = left.inner_text()
    expect(left).not_to_have_text(first)  # it counts down

    clock = context.new_page()
    open_page(clock, sandbox, "faults")
    before = sandbox.clock.now()
    clock.locator("#ten-minutes").click()
    expect(clock.locator("#said")).to_have_text("Done.")
    clock.close()

    page.bring_to_front()
    expect(row).to_contain_text("expired")
    assert_not_reloaded(page)
    assert sandbox.clock.now() - before >= timedelta(minutes=10)
    assert sandbox.ledger.available("ada") == 50


def test_start_afresh_is_two_steps_away(page: Page, sandbox: Sandbox) -> None:
    assert pay(sandbox, "order-1") == 200
    open_page(page, sandbox, "faults")
    expect(page.locator("#reset")).not_to_be_visible()
    page.get_by_text("Empty the ledger").click()
    page.locator("#reset").click()
    expect(page.locator("#said")).to_have_text("Done.")
    assert sandbox.ledger.transactions() == []


def test_a_name_with_markup_in_it_stays_text(page: Page, sandbox: Sandbox, client: Gameball) -> None:
    dialogs: list[str] = []

    def note(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    open_page(page, sandbox, "players")
    client.transactions.manual(player_unique_id=HOSTILE, transaction_id=HOSTILE, username="u", reason="r", points=5)
    link = page.get_by_role("link", name=HOSTILE)
    expect(link).to_be_visible()
    link.click()
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    open_page(page, sandbox, "requests")
    page.locator("summary").first.click()
    expect(page.locator("pre").first).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0
    assert dialogs == []


def test_what_is_open_and_focused_stays_so_while_more_arrives(page: Page, sandbox: Sandbox) -> None:
    assert pay(sandbox, "order-1") == 200
    open_page(page, sandbox, "requests")
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("rewardedPoints")).to_be_visible()

    assert pay(sandbox, "order-2") == 200

    expect(page.locator("details")).to_have_count(2)
    expect(page.locator("#request-1")).to_have_attribute("open", "")
    expect(page.locator("#request-1 summary")).to_be_focused()
    assert_not_reloaded(page)


def test_the_keyboard_reaches_what_the_mouse_does(page: Page, sandbox: Sandbox) -> None:
    open_page(page, sandbox, "faults")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(page.locator("#ten-minutes")).to_be_focused()
    before = sandbox.clock.now()
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text("Done.")
    assert sandbox.clock.now() - before >= timedelta(minutes=10)


def test_every_page_is_seen_whole_and_has_no_serious_fault(
    chromium: Browser, sandbox: Sandbox, client: Gameball, size: tuple[int, int], scheme: Any
) -> None:
    fill(sandbox, client)
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page = context.new_page()
    log = watched(page)
    for path in PATHS:
        open_page(page, sandbox, path)
        if path == "requests":
            page.locator("summary").first.click()
        keep(page, path.partition("?")[0] or "overview", scheme, str(size[0]))
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
        assert serious_faults(page) == [], path
    assert log == []
    context.close()


def test_pages_are_readable_without_script(chromium: Browser, sandbox: Sandbox, client: Gameball) -> None:
    fill(sandbox, client)
    context = chromium.new_context(java_script_enabled=False, viewport={"width": PHONE[0], "height": PHONE[1]})
    page = context.new_page()
    page.goto(sandbox.console_url)
    expect(page.locator("#latest")).to_contain_text("basket-1")
    expect(page.locator("#link")).not_to_have_text("live")
    page.goto(sandbox.console_url + "faults")
    expect(page.locator("#fail-next")).to_be_disabled()
    expect(page.locator("#armed")).to_contain_text("1 of 1")
    context.close()


def test_a_page_says_when_the_sandbox_is_gone(context: BrowserContext) -> None:
    page = context.new_page()
    with Sandbox() as sandbox:
        open_page(page, sandbox)
    expect(page.locator("#link")).to_have_text("not live")


@pytest.mark.parametrize("path", PATHS)
def test_a_list_of_another_account_stays_in_it(page: Page, sandbox: Sandbox, path: str) -> None:
    with Gameball(partner_token=sandbox.partner_token, base_url=sandbox.base_url) as partner:
        keys = partner.clients.create(
            name="n", email="e", mobile="m", store_name="Shop", domain="d", country="c", currency="USD", time_zone="UTC"
        )
    with Gameball(keys.api_key, keys.secret_key, base_url=sandbox.base_url) as theirs:
        theirs.transactions.cashback(player_unique_id="zoe", transaction_id="order-1", amount=100)
    open_page(page, sandbox, path)
    page.get_by_role("navigation", name="Accounts").get_by_role("link", name="Shop").click()
    page.get_by_role("navigation", name="Pages", exact=True).get_by_role("link", name="Players").click()
    expect(page.get_by_role("link", name="zoe")).to_be_visible()

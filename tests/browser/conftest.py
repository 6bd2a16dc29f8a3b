"""A browser, a sandbox, and a page whose log is watched."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from gameball import Gameball
from gameball.sandbox import Sandbox

CHROMIUM: Final = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name that leads here although it is not this machine's: what a rebound name does.
    "--host-resolver-rules=MAP rebound.example 127.0.0.1",
]
DESKTOP: Final = 1280, 900
PHONE: Final = 380, 800
SCREENSHOTS: Final = os.environ.get("SCREENSHOTS")
"""A folder that keeps what the pages looked like."""
AXE: Final = Path(os.environ.get("AXE_CORE", "node_modules/axe-core/axe.min.js"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    width, height = request.param
    return int(width), int(height)


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A context of a desktop's size, in the light."""
    with_log = chromium.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    yield with_log
    with_log.close()


@pytest.fixture
def page(context: BrowserContext, sandbox: Sandbox) -> Iterator[Page]:  # noqa: ARG001 - closed before the sandbox is
    """A page that must end without an error in the browser's log."""
    opened = context.new_page()
    log = watched(opened)
    yield opened
    opened.close()
    assert log == []


def watched(page: Page) -> list[str]:
    """The errors and warnings that the page will have written to the browser's log."""
    log: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            log.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: log.append(str(error)))
    return log


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Gameball]:
    with Gameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url) as connected:
        yield connected


def serious_faults(page: Page) -> list[Any]:
    """What axe-core finds on the page that keeps somebody from using it."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    return [
        (one["id"], [node["target"] for node in one["nodes"]])
        for one in page.evaluate("axe.run()")["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


def keep(page: Page, *name: str) -> None:
    """Keep what the page looks like, if there is a folder for it."""
    if SCREENSHOTS:
        file = re.sub(r"\W+", "-", "-".join(filter(None, name))).strip("-")
        page.screenshot(path=Path(SCREENSHOTS) / f"{file}.png", full_page=True)

"""The pictures of the docs, made from the real thing: commands at a terminal, the console, a report.

    .venv/bin/python -m tests.browser.pictures docs/images

It needs what the tests of this folder need, and replaces the pictures in the folder.
"""

import codecs
import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.text import Text

from gameball import Gameball
from gameball.sandbox import Sandbox, faults
from tests.browser.conftest import CHROMIUM, DESKTOP, FLAGS, PHONE
from tests.cli.commands import COMMAND
from tests.support.screen import Screen

COLUMNS: Final = 100
ORDERS: Final = 3000
MAPPED: Final = ("--map", "order_no=transaction_id", "--map", "paid_at=transaction_time")
RUN: Final = ("bulk", "run", "orders.csv", *MAPPED, "--journal", "rewards.db", "--rate", "300/1s", "--yes")

Moment = Callable[[Screen], bool]


def main(folder: Path) -> None:
    """Make all of them."""
    with TemporaryDirectory() as here, sync_playwright() as playwright, Sandbox(batch_polls=1) as sandbox:
        os.chdir(here)
        os.environ.update(
            GAMEBALL_API_KEY=sandbox.api_key,
            GAMEBALL_SECRET_KEY=sandbox.secret_key,
            GAMEBALL_BASE_URL=sandbox.base_url,
            COLUMNS=str(COLUMNS),
            TERM="xterm-256color",
        )
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        of_commands(folder, sandbox)
        of_the_report(folder, browser)
        of_the_console(folder, browser, sandbox)
        browser.close()


# --- commands


def of_commands(folder: Path, sandbox: Sandbox) -> None:
    """What commands print, and a run as it goes."""
    Path("orders.csv").write_text("\n".join([*orders(), ""]), encoding="utf-8")
    refused = faults.Status(422, {"code": 7, "message": "player is blocked"})
    for number in (10_250, 10_900, 11_100):
        sandbox.faults.arm("transactions.cashback", refused, transaction_id=f"A-{number}")
    sandbox.faults.arm("transactions.cashback", faults.Status(503), effect="after", nth=700, times=3)
    sandbox.faults.arm("transactions.cashback", faults.Status(429, headers={"Retry-After": "2"}), nth=1500)
    for name, command in (("demo", ("demo",)), ("ping", ("ping",)), ("plan", ("bulk", "plan", "orders.csv", *MAPPED))):
        _, shown = typed(*command)
        draw(folder / f"{name}.svg", command, shown)
    while_it_waits, at_its_end = typed(*RUN, at=lambda screen: "everything waits" in screen.shown)
    draw(folder / "run.svg", RUN, while_it_waits)
    draw(folder / "run-end.svg", RUN, at_its_end)


def orders() -> Iterator[str]:
    """A day of a shop; two orders claim the time of an earlier one of their player."""
    yield "order_no,player_unique_id,amount,paid_at,till"
    began = datetime(2026, 3, 1, 8, tzinfo=UTC)
    for n in range(ORDERS):
        time = began + timedelta(seconds=20 * (n - 700 if n in (741, 742) else n))
        yield f"A-{10_001 + n},player{n % 700},{20 + n % 130}.50,{time.isoformat()},{n % 4}"


def typed(*arguments: str, at: Moment | None = None) -> tuple[list[str], list[str]]:
    """What a command has on a terminal at some moment, and at its end."""
    ours, theirs = pty.openpty()
    screen, decoder, then = Screen(), codecs.getincrementaldecoder("utf-8")(), list[str]()
    with subprocess.Popen([*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        for chunk in chunks(ours):
            screen.write(decoder.decode(chunk))
            if at is not None and not then and at(screen):
                then = list(screen.lines)
    os.close(ours)
    if process.returncode not in (0, 3) or (at is not None and not then):
        raise RuntimeError(f"{arguments} ended with {process.returncode}: {screen.shown}")
    return then, screen.lines


def chunks(terminal: int) -> Iterator[bytes]:
    """What comes from a terminal until its other end is closed."""
    try:
        while chunk := os.read(terminal, 4096):
            yield chunk
    except OSError:
        return


def draw(file: Path, command: tuple[str, ...], lines: list[str]) -> None:
    """Draw a terminal that refers to nothing elsewhere."""
    terminal = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
    terminal.print(Text(f"$ gameball {' '.join(command)}", style="bold"))
    terminal.print(Text("\n").join(map(Text.from_ansi, "\n".join(lines).rstrip().split("\n"))))
    drawn = terminal.export_svg(title="", unique_id=file.stem)
    file.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL), encoding="utf-8")


# --- pages


def of_the_report(folder: Path, browser: Browser) -> None:
    """The report of the run, on a desk and on a phone."""
    subprocess.run([*COMMAND, "bulk", "report", "rewards.db"], check=True, stdout=subprocess.DEVNULL)
    address = Path("report.html").absolute().as_uri()
    photograph(browser, address, folder / "report.png", size=(DESKTOP[0], 1180))
    photograph(browser, address, folder / "report-phone.png", size=PHONE, scheme="dark")


def of_the_console(folder: Path, browser: Browser, sandbox: Sandbox) -> None:
    """A few calls after a fresh start, in the console."""
    sandbox.reset()
    with Gameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url) as client:
        calls = client.transactions
        for number, player in enumerate(("ada", "bob", "cyd", "ada", "bob", "eve", "ada"), 1):
            amount = Decimal(number * 7919) / 100
            calls.cashback(player_unique_id=player, transaction_id=f"order-{number}", amount=amount)
        calls.redeem(player_unique_id="ada", transaction_id="basket-1", redeemed_amount=Decimal("0.30"))
        calls.refund(
            player_unique_id="ada", transaction_id="return-1", original_transaction_id="order-4", amount=Decimal(100)
        )
        calls.manual(player_unique_id="ada", transaction_id="gift-1", username="ops", reason="Thank you", points=50)
        sandbox.faults.arm("transactions.cashback", faults.Close(), effect="after")
        sandbox.faults.arm("transactions.hold", faults.Delay(2), nth=3, times=2, transaction_id="order-9")
        calls.cashback(player_unique_id="bob", transaction_id="order-8", amount=120)
        with calls.holding(player_unique_id="ada", hold_points=20):
            photograph(browser, sandbox.console_url, folder / "console-overview.png")
            photograph(browser, sandbox.console_url, folder / "console-phone.png", size=PHONE, scheme="dark")
            photograph(browser, f"{sandbox.console_url}player?id=ada", folder / "console-player.png")
            photograph(browser, f"{sandbox.console_url}faults", folder / "console-faults.png", scheme="dark")


def photograph(
    browser: Browser,
    address: str,
    file: Path,
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: Literal["light", "dark"] = "light",
) -> None:
    """Keep what a window of this size shows of a page."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page.goto(address)
    page.screenshot(path=file)
    page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())

"""`gameball demo`: points rewarded, held, redeemed and refunded against a local Gameball, and the proof of it."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table

from gameball.bulk.report import BulkReport
from gameball.bulk.rows import Request
from gameball.cli.input_file import BadRowsError
from gameball.cli.rows_file import RowsFile
from gameball.client import AsyncGameball, Gameball
from gameball.errors import printable
from gameball.models.transactions import CashbackRequest, CashbackReward
from gameball.sandbox import Sandbox
from gameball.sandbox.__main__ import stop_signals
from gameball.settings import Timeouts

GENERATED: Final = 2000
PLAYERS: Final = 300
SHOWN_PROBLEMS: Final = 5
PATIENCE: Final = Timeouts(attempt=5.0, total=60.0)
"""Short waits: a local server either answers within five seconds or never."""
FAULTY: Final = 0.1
SEED: Final = 7

CODE: Final = """\
async with AsyncGameball(api_key, secret_key) as client:
    await client.transactions.cashback(
        player_unique_id="ada", transaction_id="order-1", amount=99.98
    )

calls = Gameball(api_key, secret_key).transactions
calls.cashback(
    player_unique_id="ada", transaction_id="order-2", amount=Decimal("250.00")
)
hold = calls.hold(player_unique_id="ada", amount=Decimal("0.30"))
calls.redeem(
    player_unique_id="ada", transaction_id="basket-1",
    hold_reference=hold.hold_reference,
)
calls.refund(
    player_unique_id="ada", transaction_id="return-1",
    original_transaction_id="order-2", amount=50,
)
"""


def demo(
    orders: Path | None = None,
    /,
    *,
    chaos: Annotated[bool, Parameter(negative=())] = False,
    keep: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Reward, hold, redeem and refund against a local Gameball, and prove it from the ledger.

    Parameters
    ----------
    orders
        A CSV file with the columns player_unique_id, transaction_id and amount; 2,000 made-up orders without it.
    chaos
        Let every tenth call fail, before or after its effect, and prove that each order is rewarded once all the same.
    keep
        Stay until Ctrl-C, with all of it to look at in a browser.
    """
    return run(orders, Console(), chaos=chaos, keep=keep)


def run(orders: Path | None, console: Console, *, chaos: bool = False, keep: bool = False) -> int:
    """Show everything once; 0 when the ledger proves it, 1 when it does not, 2 when the file cannot be used.

    With `chaos` the orders go through a network that fails for every tenth call, before or after the effect. With
    `keep` the sandbox stays, and its console's address is printed, until Ctrl-C or SIGTERM.
    """
    try:
        requests = generated_orders() if orders is None else orders_of(orders)
    except BadRowsError as error:
        for line in str(error).splitlines():
            console.print(printable(line), style="red", markup=False)
        return 2
    with Sandbox() as sandbox:
        console.print(f"A local Gameball listens at {sandbox.base_url}.\n")
        show_single_calls(sandbox, console)
    # The orders meet an empty ledger, so that their ids and players are their own.
    with Sandbox() as sandbox:
        if chaos:
            sandbox.faults.random(rate=FAULTY, seed=SEED)
        report = reward_all(sandbox, requests, console)
        if chaos:
            console.print(f"{len(sandbox.faults.fired):,} calls failed on purpose, before or after their effect.")
        code = prove(sandbox, requests, report, console)
        if keep:
            with stop_signals() as stop:
                console.print(f"\nLook at it in a browser: {sandbox.console_url} (Ctrl-C ends it)", soft_wrap=True)
                stop.wait()
        return code


def orders_of(path: Path) -> list[Request]:
    """The rows of a file."""
    with RowsFile(path) as rows:
        return list(rows)


def generated_orders() -> list[Request]:
    """Made-up orders, the same in every run."""
    dice = random.Random(SEED)  # noqa: S311 (nothing secret depends on it)
    return [
        CashbackRequest(
            player_unique_id=f"player-{dice.randrange(PLAYERS)}",
            transaction_id=f"order-{number}",
            amount=Decimal(dice.randrange(100, 50_000)) / 100,
        )
        for number in range(1, GENERATED + 1)
    ]


def show_single_calls(sandbox: Sandbox, console: Console) -> None:
    """Run what CODE shows."""

    async def awaited() -> CashbackReward:
        async with AsyncGameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url) as client:
            return await client.transactions.cashback(player_unique_id="ada", transaction_id="order-1", amount=99.98)

    with Gameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url) as client:
        calls = client.transactions
        first = asyncio.run(awaited())
        console.print(f"awaited   99.98 paid, {first.rewarded_points} points rewarded")
        second = calls.cashback(player_unique_id="ada", transaction_id="order-2", amount=Decimal("250.00"))
        console.print(f"plain    250.00 paid, {second.rewarded_points} points rewarded")
        hold = calls.hold(player_unique_id="ada", amount=Decimal("0.30"))
        console.print(f"held       0.30 of money's worth, {hold.hold_points} points")
        paid = calls.redeem(player_unique_id="ada", transaction_id="basket-1", hold_reference=hold.hold_reference)
        console.print(f"redeemed   what was held, {paid.redeemed_points} points")
        calls.refund(player_unique_id="ada", transaction_id="return-1", original_transaction_id="order-2", amount=50)
        (taken,) = calls.list(transaction_id="return-1").transactions
        console.print(f"refunded  50.00 of the second order, {taken.points} points taken back")
        console.print(f"balance        {sandbox.ledger.balance('ada')} points\n")
    console.print(Syntax(CODE, "python", background_color="default"))


def reward_all(sandbox: Sandbox, requests: Sequence[Request], console: Console) -> BulkReport:
    """Reward every order, in one run."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Gameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url, timeouts=PATIENCE) as client,
        Progress(*columns, console=console) as progress,
    ):
        bar = progress.add_task("rewarding orders", total=len(requests))
        return client.bulk.run(requests, on_progress=lambda report: progress.update(bar, completed=report.settled))


def prove(sandbox: Sandbox, requests: Sequence[Request], report: BulkReport, console: Console) -> int:
    """Compare the requests and the report with the ledger; 0 when they agree, 1 when they do not."""
    entries = sandbox.ledger.transactions()
    times = Counter(entry.transaction_id for entry in entries)
    booked = sum(entry.points for entry in entries)
    once = sum(times[request.transaction_id] == 1 for request in requests)
    table = Table("The ledger says", "", box=None, show_header=False)
    table.add_row("rows in", f"{len(requests):,}")
    table.add_row("rows rewarded", f"{report.applied:,}")
    table.add_row("in the ledger exactly once", f"{once:,}")
    table.add_row("points booked", f"{booked:,}")
    table.add_row("points answered", f"{report.points:,}")
    console.print(table)
    for problem in report.problems[:SHOWN_PROBLEMS]:
        console.print(str(problem.error), style="red", markup=False)
    proved = once == report.applied == len(requests) == len(entries) and booked == report.points
    console.print("Proved: every order was rewarded exactly once." if proved else "NOT proved.", style="bold")
    return 0 if proved else 1

"""The `gameball` command."""

import sys
from io import TextIOWrapper
from pathlib import Path

from gameball.sandbox.__main__ import main as run_sandbox
from gameball.version import __version__

USAGE = 2
INTERRUPTED = 130


def main() -> int:
    """Run the command line; see `gameball --help`. The sandbox needs no extra, the rest needs `cli`."""
    if sys.argv[1:2] == ["sandbox"]:
        return run_sandbox(sys.argv[2:])
    try:
        from cyclopts import App, CycloptsError  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError:
        print("gameball: this command needs its extra: pip install 'gameball[cli]'", file=sys.stderr)
        return USAGE
    from gameball.cli.bulk import app as bulk  # noqa: PLC0415 (needs the extra)

    app = App(
        name="gameball", help="The command line of the Gameball SDK.", version=__version__, result_action="return_value"
    )
    app.command(bulk)
    app.command(_demo, name="demo")
    app.command(_sandbox, name="sandbox")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what files and the API call things must not end a run
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(app(sys.argv[1:], exit_on_error=False) or 0)
    except CycloptsError:
        return USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _demo(orders: Path | None = None, /, *, chaos: bool = False) -> int:
    """Reward, hold, redeem and refund against a local Gameball, and prove it from the ledger.

    Parameters
    ----------
    orders
        A CSV file with the columns player_unique_id, transaction_id and amount; 2,000 made-up orders without it.
    chaos
        Let every tenth call fail, before or after its effect, and prove that each order is rewarded once all the same.
    """
    from rich.console import Console  # noqa: PLC0415 (an extra)

    from gameball.cli.demo import run  # noqa: PLC0415 (needs the extra)

    return run(orders, Console(), chaos=chaos)


def _sandbox() -> int:
    """Serve a local Gameball until Ctrl-C; see `gameball sandbox --help`."""
    return run_sandbox([])

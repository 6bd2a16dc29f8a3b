"""The `gameball` command: one app, whose commands are `bulk`, `ping`, `demo` and `sandbox`."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gameball.cli.exit_codes import Exit
from gameball.version import __version__

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError

COMMANDS: Final = {
    "bulk": ("app", "Send the rows of a file: planned first, kept in a journal, resumed after anything, reported."),
    "ping": ("ping", "Find out whether the API answers, takes your keys, and what they are good for. Changes nothing."),
    "demo": ("demo", "Reward, hold, redeem and refund against a local Gameball, and prove it from the ledger."),
    "sandbox": ("sandbox", "Serve a local stand-in for Gameball's loyalty API v3.0, until Ctrl-C or SIGTERM."),
}
"""Each command is loaded when it is run: what it is in the module of its name, and what it does."""


def make_app() -> "App":
    """Make the app with all its commands; the pages of the docs are made from it too."""
    from cyclopts import App  # noqa: PLC0415 (an extra)

    app = App(
        name="gameball",
        help="The command line of the Gameball SDK.",
        version=__version__,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for name, (function, summary) in COMMANDS.items():
        app.command(f"gameball.cli.{name}:{function}", name=name, help=summary)
    app.register_install_completion_command(help="Set up completion by Tab in your shell: bash, zsh or fish.")  # pyright: ignore[reportUnknownMemberType] (its **kwargs)
    return app


def main() -> int:
    """Run the command line and return its exit code; see `gameball --help`. It needs the extra `cli`."""
    try:
        from cyclopts import CycloptsError  # noqa: PLC0415 (an extra)

        app = make_app()
    except ModuleNotFoundError:
        print("gameball: this command needs its extra: pip install 'gameball[cli]'", file=sys.stderr)
        return Exit.USAGE
    _prepare_streams()
    try:
        return int(app(sys.argv[1:], exit_on_error=False) or 0)
    except CycloptsError as error:
        if "--json" in sys.argv:
            _refuse_in_json(error)
        return Exit.USAGE
    except OSError as error:  # of the output, such as a full disk
        print(f"gameball: {error.strerror}", file=sys.stderr)
        return Exit.FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return Exit.INTERRUPTED


def _prepare_streams() -> None:
    if sys.stderr is None:  # closed by whoever started this
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (until the program ends)
    if sys.stdout is None:
        sys.stdout = sys.stderr
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names in files and API messages may hold what it cannot encode
            stream.reconfigure(errors="backslashreplace")


def _refuse_in_json(error: "CycloptsError") -> None:
    from gameball.cli.output import say, to_json  # noqa: PLC0415 (it needs the extra)
    from gameball.cli.problems import usage_object  # noqa: PLC0415

    error.verbose = False
    token = getattr(error, "token", None)
    named = error.argument.name if error.argument is not None else token.keyword if token is not None else None
    say(to_json(usage_object(str(error), named)))

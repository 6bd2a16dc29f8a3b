"""The `gameball` command: one app, whose commands are `bulk`, `demo` and `sandbox`."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path


def main() -> int:
    """Run the command line and return its exit code; see `gameball --help`. It needs the extra `cli`."""
    try:
        from cyclopts import App, CycloptsError  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError:
        print("gameball: this command needs its extra: pip install 'gameball[cli]'", file=sys.stderr)
        return 2
    # These need the extra.
    from gameball.cli.bulk import Exit, app as bulk  # noqa: PLC0415
    from gameball.cli.demo import demo  # noqa: PLC0415
    from gameball.cli.sandbox import sandbox  # noqa: PLC0415
    from gameball.version import __version__  # noqa: PLC0415

    app = App(
        name="gameball",
        help="The command line of the Gameball SDK.",
        version=__version__,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for command in (bulk, demo, sandbox):
        app.command(command)
    if sys.stderr is None:  # closed by whoever started this
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (until the program ends)
    if sys.stdout is None:
        sys.stdout = sys.stderr
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names in files and API messages may hold what it cannot encode
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(app(sys.argv[1:], exit_on_error=False) or 0)
    except CycloptsError:
        return Exit.USAGE
    except OSError as error:  # of the output, such as a full disk
        print(f"gameball: {error.strerror}", file=sys.stderr)
        return Exit.FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return Exit.INTERRUPTED

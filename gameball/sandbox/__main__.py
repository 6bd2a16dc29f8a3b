"""`python -m gameball.sandbox`: serve until Ctrl-C or SIGTERM."""

import argparse
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gameball.sandbox.sandbox import Sandbox

__all__ = ["Options", "main", "serve", "stop_signals"]

_CANNOT_START = 2


def _option(meaning: str, *, default: Any) -> Any:
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the sandbox can be started with; `gameball sandbox` takes the same."""

    port: int = _option("The port to listen on; 0 takes any free one.", default=8765)
    host: str = _option("The address to listen on.", default="127.0.0.1")
    allow_remote: bool = _option("Permit a host that other machines can reach.", default=False)
    db: str = _option("The file that keeps the ledger; in memory without one.", default=":memory:")
    quirks: bool = _option("Answer with the contradictions of the API's own pages.", default=False)
    no_control: bool = _option("Leave out the control API and the console below /_sandbox/.", default=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `serve`."""
    parser = argparse.ArgumentParser(
        prog="python -m gameball.sandbox",
        description="A local stand-in for Gameball's loyalty API v3.0.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for option in fields(Options):
        kind: dict[str, Any] = {"action": "store_true"} if option.type is bool else {"type": option.type}
        parser.add_argument(
            f"--{option.name.replace('_', '-')}", default=option.default, help=option.metadata["help"], **kind
        )
    return serve(Options(**vars(parser.parse_args(argv))))


def serve(options: Options) -> int:
    """Serve until a signal; the exit code is 0 then, and 2 if the sandbox cannot start."""
    if not 0 <= options.port <= 65535:  # noqa: PLR2004 - the range of TCP
        return _give_up("a port is a number from 0 to 65535.")
    with stop_signals() as stop, ExitStack() as running:
        try:
            sandbox = running.enter_context(_sandbox(options))
        except ValueError as reason:
            return _give_up(f"{reason}.".replace("allow_remote=True", "--allow-remote"))
        except OSError as reason:
            return _give_up(f"cannot listen on {options.host}:{options.port}: {_plainly(reason)}.")
        except sqlite3.Error as reason:
            return _give_up(f"cannot use {options.db} as a ledger: {reason}.")
        sys.stdout.write(_welcome(sandbox))
        sys.stdout.flush()
        stop.wait()
    return 0


def _sandbox(options: Options) -> Sandbox:
    settings = asdict(options)
    return Sandbox(control=not settings.pop("no_control"), **settings)


@contextmanager
def stop_signals() -> Generator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, from before the start until after the end."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _welcome(sandbox: Sandbox) -> str:
    console = f"\nIn a browser: {sandbox.console_url}\n" if sandbox.control else ""
    return f"""Gameball sandbox at {sandbox.base_url}; Ctrl-C stops it.

export GAMEBALL_BASE_URL={sandbox.base_url}
export GAMEBALL_API_KEY={sandbox.api_key}
export GAMEBALL_SECRET_KEY={sandbox.secret_key}
export GAMEBALL_PARTNER_TOKEN={sandbox.partner_token}
{console}"""


def _plainly(reason: OSError) -> str:
    # Each version of Python words an address in use differently; a name's failure has no errno above 0.
    return os.strerror(reason.errno) if reason.errno and reason.errno > 0 else str(reason.strerror)


def _give_up(sentence: str) -> int:
    sys.stderr.write(f"gameball sandbox: {sentence}\n")
    return _CANNOT_START


if __name__ == "__main__":
    sys.exit(main())

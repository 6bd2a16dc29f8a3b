"""`python -m gameball.sandbox`: serve until Ctrl-C or SIGTERM."""

import argparse
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager

from gameball.sandbox.sandbox import Sandbox

__all__ = ["main"]

_CANNOT_START = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 after a signal, 2 if the sandbox cannot start."""
    options = _parser().parse_args(argv)
    with _stop_signals() as stop, ExitStack() as running:
        try:
            sandbox = running.enter_context(Sandbox(**vars(options)))
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gameball sandbox", description="A local stand-in for Gameball's loyalty API v3.0."
    )
    parser.add_argument("--port", type=_port, default=8765, help="0 takes any free port (default: 8765)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--allow-remote", action="store_true", help="permit a host that other machines can reach")
    parser.add_argument("--db", default=":memory:", help="a file that keeps the ledger (default: in memory)")
    parser.add_argument("--quirks", action="store_true", help="answer with the contradictions of the API's own pages")
    return parser


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65535:  # noqa: PLR2004 - the range of TCP
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return port


@contextmanager
def _stop_signals() -> Generator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, from before the start until after the end."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _welcome(sandbox: Sandbox) -> str:
    return f"""Gameball sandbox at {sandbox.base_url}; Ctrl-C stops it.

export GAMEBALL_BASE_URL={sandbox.base_url}
export GAMEBALL_API_KEY={sandbox.api_key}
export GAMEBALL_SECRET_KEY={sandbox.secret_key}
export GAMEBALL_PARTNER_TOKEN={sandbox.partner_token}
"""


def _plainly(reason: OSError) -> str:
    # Each version of Python words an address in use differently; a name's failure has no errno above 0.
    return os.strerror(reason.errno) if reason.errno and reason.errno > 0 else str(reason.strerror)


def _give_up(sentence: str) -> int:
    sys.stderr.write(f"gameball sandbox: {sentence}\n")
    return _CANNOT_START


if __name__ == "__main__":
    sys.exit(main())

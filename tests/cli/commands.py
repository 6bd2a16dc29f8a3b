"""The command run in this process or in one of its own, on files of made-up orders."""

import json
import os
import pty
import subprocess
import sys
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gameball import cli
from gameball.sandbox import Sandbox

COMMAND = (sys.executable, "-c", "import sys; from gameball.cli import main; sys.exit(main())")


class Command:
    """Runs a command in this process and returns its exit code; `said` and `complained` are what it printed."""

    name = "ping"

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.said = self.complained = ""

    def __call__(self, *arguments: str) -> int:
        self._monkeypatch.setattr(sys, "argv", ["gameball", self.name, *arguments])
        try:
            code = cli.main()
        except SystemExit as left:
            code = int(left.code or 0)
        self.said, self.complained = self._capsys.readouterr()
        return code

    @property
    def object(self) -> Any:
        """The one JSON object that it printed."""
        return json.loads(self.said, parse_float=Decimal)


class Bulk(Command):
    """Runs `gameball bulk`."""

    name = "bulk"


def orders(count: int, name: str = "orders.csv", *, players: int = 1000) -> Path:
    path = Path(name)
    lines = [f"p{n % players},t{n},{n + 1}.50" for n in range(count)]
    path.write_text("\n".join(["player_unique_id,transaction_id,amount", *lines]), encoding="utf-8")
    return path


def times(sandbox: Sandbox) -> Counter[str | None]:
    """Each transaction id in the ledger, counted."""
    return Counter(entry.transaction_id for entry in sandbox.ledger.transactions())


def running(*arguments: str, under: str | None = None, group: bool = False) -> "subprocess.Popen[str]":
    """The command in a process of its own, or under another one; as a group of processes, as below a terminal."""
    return subprocess.Popen(
        [*([under] if under else ()), *COMMAND, "bulk", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
        start_new_session=group,
    )


def until(sandbox: Sandbox, requests: int) -> None:
    """Wait until so many requests have come, or long enough."""
    pause = threading.Event()
    for _ in range(3000):
        if len(sandbox.requests) >= requests:
            return
        pause.wait(0.02)
    pytest.fail("the requests did not come")


def on_a_terminal(*arguments: str, answer: str) -> tuple[int, str]:
    """The exit code of a command at a terminal where somebody types this answer, and what it showed."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [*COMMAND, "bulk", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        os.write(ours, answer.encode())
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # its end of the terminal was closed
            pass
        os.close(ours)
        return process.wait(60), shown.decode()

"""A page's programs as a user copies them: written to a folder, started as processes, driven over loopback."""

import asyncio
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from gameball.sandbox import Sandbox
from tests.support import pages

LEFT_OPEN: Final = ("Unclosed", "ResourceWarning", "was never awaited", "never retrieved", "Traceback")
"""What Python says of what a program has not closed, awaited or handled."""


class Server:
    """A process that a page's command has started, the leader of a group of its own."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.command = command
        self._log = folder / f"{time.monotonic_ns()}.log"
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                shlex.split(command),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def children(self) -> list[int]:
        """The process ids of its children, oldest first: a prefork server's workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(child) for child in children.read_text(encoding="ascii").split()] if self.running else []

    def terminate(self) -> None:
        """Send the SIGTERM of a deployment to the leader alone."""
        self._process.terminate()

    def end(self, seconds: float = 40.0) -> int:
        """Its exit code, once it has ended by itself."""
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End it and all of its children, without a word."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(5)

    def stop(self) -> None:
        """SIGTERM, and after a while SIGKILL for all that is left of its group."""
        if self.running:
            self.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.end(10)
        self.kill()


@dataclass
class Recipe:
    """A page of docs/how-to/, its files in a folder, and a sandbox in the place of the API."""

    name: str
    folder: Path
    sandbox: Sandbox
    settings: dict[str, str] = field(default_factory=dict)
    """Further variables of the environment in which its commands run."""

    def __post_init__(self) -> None:
        self._text = (pages.HOW_TO / f"{self.name}.md").read_text(encoding="utf-8")
        self.write()

    def write(self) -> None:
        """Put the page's files into the folder."""
        for name, content in pages.files(self._text).items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(content, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "GAMEBALL_"))}
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONWARNINGS": "always::ResourceWarning",
            "PYTHONUNBUFFERED": "1",
            "GAMEBALL_API_KEY": self.sandbox.api_key,
            "GAMEBALL_SECRET_KEY": self.sandbox.secret_key,
            "GAMEBALL_BASE_URL": self.sandbox.base_url,
            **self.settings,
        }

    def command(self, beginning: str) -> str:
        """The one command of the page that begins so."""
        (command,) = [line for line in pages.commands(self._text) if line.startswith(beginning)]
        return command

    def file(self, name: str) -> str:
        """A file of the page."""
        return (self.folder / name).read_text(encoding="utf-8")

    def run(self, beginning: str, *, last: str | None = None, timeout: float = 100) -> str:
        """What a command of the page, or one with another last word, prints; it must succeed."""
        command = self.command(beginning)
        return self._run(command if last is None else f"{command.rpartition(' ')[0]} {last}", self.environment, timeout)

    def test(self) -> None:
        """Run the page's own tests, without keys: they must pass, and leave nothing open."""
        printed = self._run(
            self.command("pytest"), {**self.environment, "GAMEBALL_API_KEY": "", "GAMEBALL_SECRET_KEY": ""}
        )
        assert " passed" in printed
        assert not [word for word in LEFT_OPEN if word in printed], printed

    def _run(self, command: str, environment: Mapping[str, str], timeout: float = 100) -> str:
        ended = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    @contextmanager
    def start(self, beginning: str, *, port: str = "8000", **options: str) -> Iterator[Server]:
        """Start a command of the page, on another port and with other values of its options, and stop it at last."""
        command = self.command(beginning).replace("8000", port)
        for name, value in options.items():
            command, count = re.subn(rf"(--{name.replace('_', '-')}) \S+", rf"\1 {value}", command)
            assert count == 1, f"{command} has no option {name}"
        server = Server(command, self.folder, self.environment)
        try:
            yield server
        finally:
            server.stop()

    @contextmanager
    def serve(self, beginning: str, **options: str) -> Iterator[tuple[Server, str]]:
        """Start a command of the page that serves on port 8000, on a free one; give it and its URL once it listens."""
        port = free_port()
        with self.start(beginning, port=str(port), **options) as server:
            until(lambda: not server.running or listens(port), f"{server.command} listens")
            assert server.running, server.output
            yield server, f"http://127.0.0.1:{port}"


async def reward(shop: aiohttp.ClientSession, number: int) -> str:
    """Ask a web shop to reward an order; the points, or "" where it says nothing, or that it does not know."""
    with suppress(aiohttp.ClientError):
        async with shop.post(f"/orders/A-{number}/reward?player=p{number}&paid=50.00") as answer:
            return str((await answer.json())["points"]) if answer.status == 200 else ""
    return ""


def rewarded(sandbox: Sandbox) -> Counter[str]:
    """How often each transaction id is in the ledger."""
    return Counter(entry.transaction_id for entry in sandbox.ledger.transactions())


def sent(sandbox: Sandbox) -> int:
    """How many requests for a reward have arrived."""
    return sum(request.operation == "transactions.cashback" for request in sandbox.requests)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


def until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


async def becomes(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """The same, while other tasks go on."""
    await asyncio.to_thread(until, condition, what, seconds)

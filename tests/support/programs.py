"""Scripts run as programs of their own: for what ends with an interpreter, forks or dies."""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final, Self

ROOT: Final = Path(__file__).parents[2]

PREAMBLE: Final = """\
import asyncio, logging, os, signal, sys, threading, time
from gameball import AsyncGameball, Gameball, GameballError, Timeouts
# -X dev has asyncio complain of every callback that took 0.1 s: on a busy machine that means nothing.
logging.getLogger("asyncio").setLevel(logging.ERROR)

def cashback(client, transaction_id):
    return client.transactions.cashback(player_unique_id="p", transaction_id=transaction_id, amount=10)

"""

AFRESH: Final = """\
if len(sys.argv) == 1:
    os.execv(sys.executable, [sys.executable, "-X", "dev", "-W", "error", __file__, "afresh"])
"""
"""Before a script: run it in an interpreter that has loaded nothing yet."""

LIBRARY: Final = ("gameball.core.delivery", "gameball.core.loop_thread", "gameball.core.transport")

_FORK_SERVER: Final = """\
import importlib, json, os, socket, sys
for _module in sys.argv[2:]:
    importlib.import_module(_module)
_control = socket.socket(fileno=int(sys.argv[1]))
while _message := socket.recv_fds(_control, 10_000, 3):
    if not _message[0]:
        _control.close()
        sys.exit()
    _pid = os.fork()
    if not _pid:
        break
    for _fd in _message[1]:
        os.close(_fd)
    _control.send(b"%d." % _pid)
    _control.send(b"%d." % os.waitstatus_to_exitcode(os.waitpid(_pid, 0)[1]))
_control.close()
os.setsid()
for _n, _fd in enumerate(_message[1]):
    os.dup2(_fd, _n)
    os.close(_fd)
sys.stdin = open(0, closefd=False)
sys.stdout, sys.stderr = (open(_n, "w", buffering=1, closefd=False) for _n in (1, 2))
_folder, _settings = json.loads(_message[0])
os.chdir(_folder)
os.environ.update(_settings)
__file__ = os.path.join(_folder, "script.py")
sys.argv = [__file__]
with open(__file__) as _script:
    _code = compile(_script.read(), __file__, "exec")
exec(_code)
"""


@dataclass(frozen=True)
class Program:
    """A script in an interpreter of its own."""

    pid: int
    stdin: IO[str]
    stdout: IO[str]
    complaints: Path
    ended: Callable[[float], int]
    running: Callable[[], bool]

    def said(self) -> str:
        """The next line that it prints."""
        return self.stdout.readline().strip()

    def interrupt(self) -> None:
        os.kill(self.pid, signal.SIGINT)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def end(self, seconds: float = 10.0) -> tuple[int, str, str]:
        """Exit code, what it printed, what it complained."""
        code = self.ended(seconds)
        return code, self.stdout.read().strip(), self.complaints.read_text()


class ForkServer:
    """An interpreter that has loaded the package, and forks itself for each program: loading takes most of its time.

    It has neither a thread nor a loop, and a program in it ends as any interpreter does. In a strict one asyncio is in
    debug mode, and every warning is an error. It `loads` further modules.
    """

    def __init__(self, *loads: str, strict: bool = True) -> None:
        self._control, theirs = socket.socketpair()
        # From 3.12 on os.fork() warns in a process with threads: to be forked with threads is what is tested.
        strictly = ("-X", "dev", "-W", "error", "-W", "ignore:This process (pid:DeprecationWarning")
        options = strictly if strict else ()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "GAMEBALL_"))}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *options, "-c", _FORK_SERVER, str(theirs.fileno()), *LIBRARY, *loads],
                env={**environment, "PYTHONPATH": str(ROOT)},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()
        self._process.wait(30)

    @contextmanager
    def program(self, source: str, folder: Path, settings: Mapping[str, str]) -> Iterator[Program]:
        (folder / "script.py").write_text(PREAMBLE + source)
        complaints = folder / "stderr"
        stdin, our_stdin = os.pipe()
        our_stdout, stdout = os.pipe()
        with os.fdopen(our_stdin, "w") as writing, os.fdopen(our_stdout) as reading:
            with complaints.open("w") as stderr:
                message = json.dumps([str(folder), dict(settings)]).encode()
                socket.send_fds(self._control, [message], [stdin, stdout, stderr.fileno()])
            os.close(stdin)
            os.close(stdout)
            pid = self._number(10.0)
            codes: list[int] = []

            def ended(seconds: float) -> int:
                codes.append(self._number(seconds))
                return codes[0]

            def running() -> bool:
                return not codes and not select.select([self._control], [], [], 0)[0]

            try:
                yield Program(pid, writing, reading, complaints, ended, running)
            finally:
                # Its own group, so that children which it left behind end with it.
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                if not codes:
                    self._number(5.0)
                with suppress(OSError):
                    writing.close()

    def _number(self, seconds: float) -> int:
        self._control.settimeout(seconds)
        said = b""
        while not said.endswith(b"."):
            part = self._control.recv(1)
            assert part, "the fork server has died"
            said += part
        return int(said[:-1])


# --- the command


def gameball(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, here and with the settings of this environment."""
    source = f"os.chdir({str(Path.cwd())!r}); sys.argv = {['gameball', *arguments]}\n{_COMMAND}"
    settings = {name: value for name, value in os.environ.items() if name.startswith("GAMEBALL_")}
    with TemporaryDirectory() as folder, _commands().program(source, Path(folder), settings) as program:
        program.stdin.write(stdin)
        program.stdin.close()
        shown = program.stdout.read()
        code = program.ended(60.0)
        return subprocess.CompletedProcess(arguments, code, shown, program.complaints.read_text())


_COMMAND: Final = "from gameball.cli import main; sys.exit(main())"


@cache
def _commands() -> ForkServer:
    server = ForkServer("gameball.cli.bulk", "gameball.cli.demo", "gameball.cli.sandbox", strict=False)
    atexit.register(server.__exit__)
    return server

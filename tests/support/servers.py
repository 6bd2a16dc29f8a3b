"""Servers that do as a script says, and scripts run as programs: for everything that fails, waits, forks or dies."""

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Literal, Self

ROOT: Final = Path(__file__).parents[2]
API_KEY: Final = "api-key-of-the-tests"
SECRET_KEY: Final = "secret-key-of-the-tests"
REWARD: Final = {"playerUniqueId": "p", "gameballTransactionId": 17178, "rewardedPoints": 20}

Part = bytes | float | Literal["close", "reset", "hang"]
Step = Part | tuple[Part, ...]
"""What a server does with one request: write bytes, wait some seconds, close, reset, or hang until the client goes."""


@dataclass(frozen=True)
class Seen:
    """A request as it came: the number of its connection, from 1, and its bytes."""

    connection: int
    head: bytes
    body: bytes
    at: float = field(default_factory=time.monotonic, compare=False)

    @property
    def method(self) -> str:
        return self.line.partition(" ")[0]

    @property
    def line(self) -> str:
        return self.head.partition(b"\r\n")[0].decode()

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode().split("\r\n")[1:]
        pairs = [line.split(": ", 1) for line in lines if line]
        assert len({name.casefold() for name, _ in pairs}) == len(pairs), "a header came twice"
        return dict(pairs)


class Server:
    """Answers each request with the next step of its script; the last step is repeated for ever.

    It has a thread and a loop of its own, so that tests may block.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Seen] = []
        self.connections = 0
        self.open = 0
        self.most = 0
        self.gone = 0
        """Connections that the client closed while it was due an answer, or that ended in any other way."""
        self._script: list[Step] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._socket = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v3.0"

    def script(self, *steps: Step) -> Self:
        self._script = list(steps)
        return self

    @staticmethod
    def answer(content: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
        """A whole answer: bytes as they are, anything else as JSON; the reward of a cashback if nothing is given."""
        body = content if isinstance(content, bytes) else json.dumps(REWARD if content is None else content).encode()
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    @staticmethod
    def refusal(code: int, *, status: int = 422, headers: Mapping[str, str] | None = None) -> bytes:
        return Server.answer({"code": code, "message": "no"}, status=status, headers=headers)

    @property
    def methods(self) -> list[str]:
        return [seen.method for seen in self.requests]

    async def blurt(self, data: bytes) -> None:
        """Write what nobody asked for to every open connection, and let the running loop read it."""
        written = threading.Event()

        def write() -> None:
            for writer in self._writers:
                writer.write(data)
            written.set()

        self._loop.call_soon_threadsafe(write)
        assert await asyncio.to_thread(written.wait, 5.0)
        await asyncio.sleep(0.01)

    def wait(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Wait until something has been seen here."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"never came to be; seen: {self.requests}, gone: {self.gone}"
            time.sleep(0.005)

    async def wait_for(self, condition: Callable[[], object]) -> None:
        await asyncio.to_thread(self.wait, condition)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._main.cancel)
        self._thread.join()

    def _live(self) -> None:
        self._main = self._loop.create_task(self._serve())
        try:
            self._loop.run_until_complete(self._main)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.run_until_complete(self._clear_up())
            self._loop.close()
            self._socket.close()  # where the end came before the server

    @staticmethod
    async def _clear_up() -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        for _ in range(10):
            await asyncio.sleep(0)

    async def _serve(self) -> None:
        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # A cancelled task would be complained of by asyncio itself.
            with suppress(asyncio.CancelledError):
                await self._converse(reader, writer)

        server = await asyncio.start_server(meet, sock=self._socket)
        try:
            await asyncio.Event().wait()
        finally:
            # A server that is closed while it takes a connection forgets that connection's socket: so first take no
            # more, and let asyncio finish what it has begun.
            self._loop.remove_reader(self._socket)
            for _ in range(10):
                await asyncio.sleep(0)
            server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most = max(self.most, self.open)
        number = self.connections
        self._writers.add(writer)
        try:
            while await self._exchange(number, reader, writer):
                pass
        except (asyncio.IncompleteReadError, OSError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            self.open -= 1
            self.gone += 1
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
        self.requests.append(Seen(number, head, body))
        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        for part in step if isinstance(step, tuple) else (step,):
            if part == "close":
                return False
            if part == "reset":
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
            if part == "hang":
                assert not await reader.read(1), "a second request on a busy connection"
                return False
            if isinstance(part, float):
                await asyncio.sleep(part)
            elif isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
        return True


# --- programs

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

_NURSERY: Final = """\
import json, os, socket, sys
import gameball.core.delivery, gameball.core.loop_thread, gameball.core.transport
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
    """A script in an interpreter that turns every warning into an error and tells of everything left open."""

    pid: int
    stdin: IO[str]
    stdout: IO[str]
    complaints: Path
    ended: Callable[[float], int]

    def said(self) -> str:
        """The next line that it prints."""
        return self.stdout.readline().strip()

    def interrupt(self) -> None:
        os.kill(self.pid, signal.SIGINT)

    def end(self, seconds: float = 10.0) -> tuple[int, str, str]:
        """Exit code, what it printed, what it complained."""
        code = self.ended(seconds)
        return code, self.stdout.read().strip(), self.complaints.read_text()


class Nursery:
    """An interpreter that has loaded the package, and forks itself for each program: loading takes most of its time.

    It has neither a thread nor a loop, and a program in it ends as any interpreter does.
    """

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        # From 3.12 on os.fork() warns in a process with threads: to be forked with threads is what is tested.
        options = ("-X", "dev", "-W", "error", "-W", "ignore:This process (pid:DeprecationWarning")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "GAMEBALL_"))}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *options, "-c", _NURSERY, str(theirs.fileno())],
                env={**environment, "PYTHONPATH": str(ROOT)},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()
        self._process.wait(5)

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
            pid = self._told(10.0)
            codes: list[int] = []

            def ended(seconds: float) -> int:
                codes.append(self._told(seconds))
                return codes[0]

            try:
                yield Program(pid, writing, reading, complaints, ended)
            finally:
                # Its own group, so that children which it left behind end with it.
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                if not codes:
                    self._told(5.0)
                with suppress(OSError):
                    writing.close()

    def _told(self, seconds: float) -> int:
        self._control.settimeout(seconds)
        said = b""
        while not said.endswith(b"."):
            part = self._control.recv(1)
            assert part, "the nursery has died"
            said += part
        return int(said[:-1])

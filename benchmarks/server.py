"""A small, fast server in a process of its own: in C where a compiler is there, else in Python.

Both take the same arguments (see server.c), answer from memory, and can hold every answer back for a while without
answering fewer at a time.
"""

import asyncio
import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.answers import ROUTES

HEAD: Final = "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n"
SOURCE: Final = Path(__file__).with_name("server.c")
IN_PYTHON: Final = [sys.executable, "-m", "benchmarks.server"]

CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""What this process may run on: the first is for the client, the last for the server."""


@contextlib.contextmanager
def serving(*, latency: float = 0.0) -> Iterator[str]:
    """Start a server whose answers are `latency` seconds under way; gives its base URL."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        command = [*program(), str(latency * 1000), *_written(Path(folder))]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            pin(process.pid, CORES[-1:])
            try:
                yield f"http://127.0.0.1:{int(process.stdout.readline())}/api/v3.0"
            finally:
                process.stdin.close()


def pin(process: int, cores: list[int]) -> None:
    """Keep a process (0: this one) on these cores, where there are two at least and the system lets us."""
    if len(CORES) > 1:
        os.sched_setaffinity(process, cores)


@cache
def program() -> list[str]:
    """The command that starts the server; built at first use."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is not None:
        folder = tempfile.mkdtemp(prefix="benchmarks-")
        atexit.register(shutil.rmtree, folder)
        binary = Path(folder, "server")
        command = [compiler, "-O2", "-o", str(binary), str(SOURCE)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return [str(binary)]
    return IN_PYTHON


def _written(folder: Path) -> Iterator[str]:
    for number, (route, body) in enumerate(ROUTES.items()):
        file = folder / str(number)
        file.write_bytes(HEAD.format(len(body)).encode() + body)
        yield from (route, str(file))


class _Answering(asyncio.Protocol):
    """One connection."""

    def __init__(self, send: Callable[[asyncio.Transport, bytes], object], answers: Mapping[bytes, bytes]) -> None:
        self._send = send
        self._answers = answers
        self._in = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._in += data
        while (end := self._in.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._in[:end])
            _, _, length = head.lower().partition(b"\r\ncontent-length:")
            size = end + 4 + int(length.split(b"\r\n")[0] or 0)
            if len(self._in) < size:
                return
            del self._in[:size]
            line = head[: head.index(b"\r\n")]
            self._send(self._transport, next(answer for route, answer in self._answers.items() if route in line))


async def _serve(latency: float, answers: Mapping[bytes, bytes]) -> None:
    loop = asyncio.get_running_loop()

    def send(transport: asyncio.Transport, answer: bytes) -> None:
        if latency:
            loop.call_later(latency, transport.write, answer)
        else:
            transport.write(answer)

    server = await loop.create_server(lambda: _Answering(send, answers), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    _, milliseconds, *pairs = sys.argv
    asyncio.run(
        _serve(
            float(milliseconds) / 1000,
            {route.encode(): Path(file).read_bytes() for route, file in zip(pairs[::2], pairs[1::2], strict=True)},
        )
    )

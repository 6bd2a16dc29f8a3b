"""A server that follows a script, byte by byte, on a real socket: for everything that concerns failure and time."""

import asyncio
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

API_KEY: Final = "api-key-of-the-tests"
SECRET_KEY: Final = "secret-key-of-the-tests"
REWARD: Final = {"playerUniqueId": "p", "gameballTransactionId": 17178, "rewardedPoints": 20}

Part = bytes | float | Callable[[], object] | Literal["close", "half-close", "reset", "hang"]
Step = Part | tuple[Part, ...]
"""What the server does with a request: write bytes, wait some seconds, call a function (in a thread), close, close its
own half, reset, or hang until the client goes."""


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

    def __init__(self, port: int = 0, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Seen] = []
        """Each whole request, in the order in which they came."""
        self.received: list[bytearray] = []
        """Every byte that came, whole requests or not: one entry a connection."""
        self.greeting: Step = ()
        """Done on each connection before a byte of it is read."""
        self.open = 0
        self.most = 0
        self.gone = 0
        """Connections that have ended, whoever ended them."""
        self._script: list[Step] = [self.answer()]
        self._tls = tls
        self._writers: set[asyncio.StreamWriter] = set()
        self._socket = socket.create_server(("127.0.0.1", port), backlog=512)
        # What is written must be on its way at once; asyncio sees to it only for sockets that name their protocol.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live)

    @property
    def origin(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/api/v3.0"

    @property
    def connections(self) -> int:
        return len(self.received)

    @property
    def only(self) -> Seen:
        """The one request that came."""
        (seen,) = self.requests
        return seen

    @property
    def methods(self) -> list[str]:
        return [seen.method for seen in self.requests]

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

    async def send_unsolicited(self, data: bytes) -> None:
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

    async def read_all(self) -> None:
        """Wait until all is read that clients had sent before, who have left since. Counts as a connection itself."""
        mark = b"%d connections" % self.connections
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(mark)
        writer.close()
        await self.wait_for(lambda: mark in self.received and not self.open)

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

        server = await asyncio.start_server(meet, sock=self._socket, ssl=self._tls)
        try:
            await asyncio.Event().wait()
        finally:
            # A server that is closed while it takes a connection forgets that connection's socket: so first take no
            # more, and let asyncio finish what it has started.
            self._loop.remove_reader(self._socket)
            for _ in range(10):
                await asyncio.sleep(0)
            server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = bytearray()
        self.received.append(stream)
        number = len(self.received)
        self.open += 1
        self.most = max(self.most, self.open)
        self._writers.add(writer)
        try:
            more = await self._take(self.greeting, reader, writer)
            start = 0
            while more and (length := await self._request(stream, start, reader)) is not None:
                head, _, body = bytes(stream[start : start + length]).partition(b"\r\n\r\n")
                self.requests.append(Seen(number, head + b"\r\n\r\n", body))
                start += length
                step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                more = await self._take(step, reader, writer)
        except OSError:
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            self.open -= 1
            self.gone += 1
            self._writers.discard(writer)
            writer.close()

    @staticmethod
    async def _request(stream: bytearray, start: int, reader: asyncio.StreamReader) -> int | None:
        """Read one whole request, which begins at `start`; its length, or None where the client has gone before."""
        while (length := _length_of_request(stream, start)) is None:
            data = await reader.read(65536)
            if not data:
                return None
            stream += data
        return length

    @staticmethod
    async def _take(step: Step, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Do as one step says; whether the connection goes on."""
        for part in step if isinstance(step, tuple) else (step,):
            if part == "close":
                return False
            if part == "reset":
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
            if part == "hang":
                await reader.read(1)
                return False
            if part == "half-close":
                writer.write_eof()
            elif isinstance(part, float):
                await asyncio.sleep(part)
            elif callable(part):
                await asyncio.to_thread(part)
            elif isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
        return True


def _length_of_request(stream: bytearray, start: int) -> int | None:
    """How long the request is that begins at `start`; None while it is not whole."""
    end = stream.find(b"\r\n\r\n", start)
    if end < 0:
        return None
    lengths = [line for line in stream[start:end].lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = end + 4 - start + (int(lengths[0].partition(b":")[2]) if lengths else 0)
    return length if len(stream) - start >= length else None

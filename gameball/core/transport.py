"""The only module that opens a socket: one request out, one answer or failure back, nothing decided.

aiohttp's exceptions cannot tell "never sent" from "maybe applied", and they carry our keys. So what they say stays
here: whether the request left is read from its body, which notes when aiohttp begins to write it.
"""

import asyncio
import ctypes
import os
import platform
import ssl
import weakref
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload
from attrs import define, field
from yarl import URL

from gameball.core.operation import Signature
from gameball.core.wire import Answer, Failure, Fault, Request
from gameball.settings import Credentials, Timeouts
from gameball.version import __version__

MOST_BYTES: Final = 8 * 1024 * 1024
"""The longest answer that is read, after decompression. A page of 200 transactions has about 100 kB."""

USER_AGENT: Final = f"gameball-python/{__version__} python/{platform.python_version()} aiohttp/{aiohttp.__version__}"


class Transport:
    """Exchanges requests for answers, with one aiohttp session for each event loop and process.

    Made outside any loop; opens at the first exchange.
    """

    def __init__(self, base_url: str, credentials: Credentials, timeouts: Timeouts, connections: int) -> None:
        self._base_url = base_url
        self._credentials = credentials
        self._timeouts = timeouts
        self._connections = connections
        self._rooms: dict[asyncio.AbstractEventLoop, _Room] = {}
        weakref.finalize(self, _close_soon, self._rooms).atexit = False

    async def exchange(self, request: Request, deadline: float) -> Answer | Failure:
        """Try the request once, until `deadline` on the loop's clock.

        Whatever aiohttp raises ends as a Failure; only a cancellation comes through.
        """
        room = await self._enter()
        body = None if request.body is None else _Body(request.body)
        timer = asyncio.timeout_at(deadline)
        try:
            async with timer, room.slots:
                # Waiting for a free connection counts against the whole call only.
                timer.reschedule(min(deadline, asyncio.get_running_loop().time() + self._timeouts.attempt))
                return await self._converse(room, request, body)
        except Exception as error:  # noqa: BLE001 (whatever breaks once a byte has left must end as "maybe applied")
            fault, reason = _explain(error, expired=timer.expired())
            never_left = _before_sending(error) if body is None else not body.begun
        finally:
            if body is not None:
                body.withdraw()
        # Past the except block, so that no exception of aiohttp's is in the context of ours.
        return Failure(fault=fault, sent=not never_left, reason=reason)

    async def aclose(self) -> None:
        """Close the running loop's session. Those of other loops close when their loop ends."""
        room = self._rooms.pop(asyncio.get_running_loop(), None)
        if room is not None:
            await room.close()

    @property
    def opened(self) -> bool:
        """Whether there is a session to close."""
        return bool(self._rooms)

    async def _converse(self, room: "_Room", request: Request, body: "_Body | None") -> Answer | Failure:
        response = await room.sessions[request.signature].request(
            request.method,
            URL(self._base_url + request.target, encoded=True),
            data=body,
            headers=request.headers or None,
            allow_redirects=False,
            middlewares=(_once(),),
        )
        try:
            chunks: list[bytes] = []
            size = 0
            while not response.content.at_eof():
                chunk = await response.content.readany()
                size += len(chunk)
                if size > MOST_BYTES:
                    return Failure(fault=Fault.SIZE, sent=True, reason="the answer is larger than 8 MiB")
                chunks.append(chunk)
            return Answer(status=response.status, headers=response.headers, body=b"".join(chunks))
        finally:
            if response.content.at_eof():
                response.release()
            else:
                response.close()

    async def _enter(self) -> "_Room":
        loop = asyncio.get_running_loop()
        room = self._rooms.get(loop)
        if room is None:
            for ended in [other for other in list(self._rooms) if other.is_closed()]:
                self._rooms.pop(ended, None)
            room = self._rooms[loop] = self._open_room()
            await anext(room.keeper)
        return room

    def _open_room(self) -> "_Room":
        connector = aiohttp.TCPConnector(limit=0)
        sessions = {
            signature: aiohttp.ClientSession(
                connector=connector,
                connector_owner=False,
                headers={**self._signing(signature), "Accept": "application/json", "User-Agent": USER_AGENT},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._timeouts.connect),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
            for signature in Signature
        }
        return _Room(connector=connector, sessions=sessions, slots=asyncio.Semaphore(self._connections))

    def _signing(self, signature: Signature) -> Mapping[str, str]:
        keys = self._credentials
        if signature is Signature.PARTNER:
            given = {"Authorization": keys.partner_token}
        else:
            given = {"APIKey": keys.api_key, "SecretKey": keys.secret_key}
        scheme = "Bearer " if signature is Signature.PARTNER else ""
        return {name: scheme + secret.reveal() for name, secret in given.items() if secret is not None}


@define(eq=False)
class _Room:
    """What the exchanges of one loop share."""

    connector: aiohttp.TCPConnector
    sessions: Mapping[Signature, aiohttp.ClientSession]
    slots: asyncio.Semaphore
    process: int = field(factory=os.getpid)
    keeper: AsyncGenerator[None] = field(init=False)
    closing: asyncio.Task[None] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.keeper = self._keep()

    async def _keep(self) -> AsyncGenerator[None]:
        """Close the sessions when the loop ends.

        A started generator is closed by `asyncio.run` inside its own loop, the only place where an aiohttp
        session can be closed in good order.
        """
        _open.add(self)
        try:
            yield
        finally:
            _open.discard(self)
            for session in self.sessions.values():
                await session.close()
            await self.connector.close()

    def close_soon(self) -> None:
        self.closing = asyncio.get_running_loop().create_task(self.close())

    async def close(self) -> None:
        await self.keeper.aclose()


_open: set[_Room] = set()
"""Sessions live until they are closed or their loop ends, even when their client is forgotten before."""


def _close_soon(rooms: Mapping[asyncio.AbstractEventLoop, _Room]) -> None:
    """Have a forgotten client's sessions closed by their own loops; waits for nothing."""
    for loop, room in rooms.items():
        if room.process == os.getpid() and not loop.is_closed():
            with suppress(RuntimeError):  # the loop has ended in between
                loop.call_soon_threadsafe(room.close_soon)


def _leave_to_the_parent() -> None:
    """Keep a parent process's sessions alive for good, in a forked child.

    Their sockets and selector are shared with the parent. Were they finalised here, even at exit, the parent's
    own connections would be taken off its selector.
    """
    global _open  # noqa: PLW0603 (one per process)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_open))
    _open = set()


os.register_at_fork(after_in_child=_leave_to_the_parent)


class _Body(BytesPayload):
    """A request's body that notes when aiohttp begins to write it.

    A request whose body was never begun cannot have been applied. Withdrawn, it refuses to be written later by a
    writer that outlives the exchange.
    """

    def __init__(self, value: bytes) -> None:
        super().__init__(value, content_type="application/json")
        self.begun = False
        self._withdrawn = False

    def withdraw(self) -> None:
        self._withdrawn = True

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if self._withdrawn:
            raise aiohttp.ClientConnectionError("withdrawn before it was sent")
        self.begun = True
        await super().write_with_length(writer, content_length)


def _once() -> aiohttp.ClientMiddlewareType:
    """Keep aiohttp from trying an idempotent request again by itself: one exchange is one try."""
    tried = False

    async def pass_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        nonlocal tried
        if tried:
            raise aiohttp.ClientConnectionError("the connection was lost")
        tried = True
        return await handler(request)

    return pass_once


_REASONS: Final[tuple[tuple[type[Exception], Fault, str], ...]] = (
    (aiohttp.ClientConnectorDNSError, Fault.CONNECTION, "the host name could not be resolved"),
    (TimeoutError, Fault.TIME, "no connection in time"),
    (aiohttp.ServerDisconnectedError, Fault.CONNECTION, "the server closed the connection without an answer"),
    (aiohttp.ClientPayloadError, Fault.CONNECTION, "the answer was cut short"),
)


def _explain(error: Exception, *, expired: bool) -> tuple[Fault, str]:
    """The kind of failure and a reason, from an exception whose own text may hold keys."""
    if expired:
        return Fault.TIME, "no answer in time"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
        reason = getattr(cause, "verify_message", None) or getattr(cause, "reason", None)
        return Fault.TLS, f"no secure connection: {reason or 'the handshake failed'}"
    for kind, fault, reason in _REASONS:
        if isinstance(error, kind):
            return fault, reason
    if isinstance(error, OSError) and error.errno:
        return Fault.CONNECTION, os.strerror(error.errno).lower()
    return Fault.CONNECTION, f"the exchange broke ({type(error).__name__})"


def _before_sending(error: Exception) -> bool:
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)

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
from functools import lru_cache
from typing import Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from aiohttp.payload import Payload
from attrs import define, field
from yarl import URL

from gameball.core import fork
from gameball.core.http import Failure, Fault, Request, Response
from gameball.core.operation import Signature
from gameball.settings import Credentials, Secret, Timeouts
from gameball.version import __version__

MOST_BYTES: Final = 8 * 1024 * 1024
"""The longest answer that is read, after decompression. A page of 200 transactions has about 100 kB."""

USER_AGENT: Final = f"gameball-python/{__version__} python/{platform.python_version()} aiohttp/{aiohttp.__version__}"


class Transport:
    """Exchanges requests for answers, with one aiohttp session for each event loop and process.

    Made outside any loop; opens at the first exchange.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        timeouts: Timeouts,
        connections: int,
        *,
        session: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._base_url = base_url
        self._timeouts = timeouts
        self._connections = connections
        self._user_session = session
        self._proxy = proxy
        # aiohttp hands a session's own headers to a proxy in the clear, before any tunnel is up: there, and to a
        # lent session, the keys go with each request instead.
        self._signs_sessions = session is None and proxy is None
        self._tls: ssl.SSLContext | bool = tls or True
        self._headers = {signature: _headers(signature, credentials) for signature in Signature}
        self._sessions: dict[asyncio.AbstractEventLoop, _LoopSessions] = {}
        weakref.finalize(self, _close_soon, self._sessions).atexit = False

    async def exchange(self, request: Request, deadline: float, timeouts: Timeouts | None = None) -> Response | Failure:
        """Try the request once, until `deadline` on the loop's clock.

        Whatever aiohttp raises ends as a Failure; only a cancellation of the running task comes through.
        """
        timeouts = timeouts or self._timeouts
        sessions = self._sessions.get(asyncio.get_running_loop()) or await self._enter()
        tracker = _SendTracker(request)
        timer = asyncio.timeout(None)
        try:
            async with timer:
                sessions.timer.set(timer, deadline)
                await sessions.slots.acquire()
                try:
                    # Waiting for a free connection counts against the whole call only.
                    sessions.timer.set(timer, min(deadline, asyncio.get_running_loop().time() + timeouts.attempt))
                    return await self._converse(sessions, request, tracker, _client_timeout(timeouts.connect))
                finally:
                    sessions.slots.release()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody gave this call up: aiohttp ends so what still waits for a host name when its session is closed.
            fault, reason = Fault.CONNECTION, "the session was closed"
        except Exception as error:  # noqa: BLE001 (whatever breaks once a byte has left must end as "maybe applied")
            fault, reason = _explain(error, expired=timer.expired())
        finally:
            sessions.timer.clear(timer)
            tracker.close()
        # Past the except block, so that no exception of aiohttp's is in the context of ours.
        return Failure(fault=fault, sent=tracker.started, reason=reason)

    async def aclose(self) -> None:
        """Close the running loop's session. Those of other loops close when their loop ends."""
        sessions = self._sessions.pop(asyncio.get_running_loop(), None)
        if sessions is not None:
            await sessions.close()

    @property
    def opened(self) -> bool:
        """Whether there is a session to close."""
        return bool(self._sessions)

    async def _converse(
        self, sessions: "_LoopSessions", request: Request, tracker: "_SendTracker", timeout: aiohttp.ClientTimeout
    ) -> Response | Failure:
        response = await sessions.sessions[request.signature].request(
            request.method,
            URL(self._base_url + request.target, encoded=True),
            data=tracker.body,
            headers=self._beside_the_sessions(request),
            allow_redirects=False,
            raise_for_status=False,
            timeout=timeout,
            proxy=self._proxy,
            ssl=self._tls,
            middlewares=(tracker,),
        )
        try:
            if tracker.answered_early:
                response.close()
                raise _UnaskedAnswerError
            chunks: list[bytes] = []
            size = 0
            while not response.content.at_eof():
                chunk = await response.content.readany()
                size += len(chunk)
                if size > MOST_BYTES:
                    return Failure(fault=Fault.SIZE, sent=True, reason="the answer is larger than 8 MiB")
                chunks.append(chunk)
            return Response(status=response.status, headers=response.headers, body=b"".join(chunks))
        finally:
            if response.content.at_eof():
                response.release()
            else:
                response.close()

    def _beside_the_sessions(self, request: Request) -> Mapping[str, str] | None:
        """The headers that the session does not send by itself."""
        if self._signs_sessions:
            return request.headers or None
        return {**self._headers[request.signature], **request.headers}

    async def _enter(self) -> "_LoopSessions":
        for ended in [other for other in list(self._sessions) if other.is_closed()]:
            self._sessions.pop(ended, None)
        sessions = self._sessions[asyncio.get_running_loop()] = self._open_sessions()
        await anext(sessions.closer)
        return sessions

    def _open_sessions(self) -> "_LoopSessions":
        slots = asyncio.Semaphore(self._connections)
        if self._user_session is not None:
            return _LoopSessions(connector=None, sessions=dict.fromkeys(Signature, self._user_session), slots=slots)
        connector = aiohttp.TCPConnector(limit=0)
        sessions = {
            signature: aiohttp.ClientSession(
                connector=connector,
                connector_owner=False,
                headers=headers if self._signs_sessions else None,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
            for signature, headers in self._headers.items()
        }
        return _LoopSessions(connector=connector, sessions=sessions, slots=slots)


class _SharedTimer:
    """The one timer of a loop's exchanges, set for the next of them to expire: one for each makes all calls dearer."""

    def __init__(self) -> None:
        self._due: dict[asyncio.Timeout, float] = {}
        self._next: asyncio.TimerHandle | None = None

    def set(self, timeout: asyncio.Timeout, when: float) -> None:
        """Have an entered timeout expire at this time of the loop's clock, if it is not cleared before."""
        self._due[timeout] = when
        if self._next is None or when < self._next.when():
            self._ring_at(when)

    def clear(self, timeout: asyncio.Timeout) -> None:
        """The exchange has ended."""
        self._due.pop(timeout, None)

    def _ring_at(self, when: float) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = asyncio.get_running_loop().call_at(when, self._ring)

    def _ring(self) -> None:
        now = asyncio.get_running_loop().time()
        for timeout in [timeout for timeout, when in self._due.items() if when <= now]:
            self.clear(timeout)
            timeout.reschedule(now)
        self._next = None
        if self._due:
            self._ring_at(min(self._due.values()))


@define(eq=False)
class _LoopSessions:
    """What the exchanges of one loop share."""

    connector: aiohttp.TCPConnector | None
    """None where the session is lent: it is not ours to close."""
    sessions: Mapping[Signature, aiohttp.ClientSession]
    slots: asyncio.Semaphore
    timer: _SharedTimer = field(factory=_SharedTimer, init=False)
    process: int = field(factory=os.getpid)
    closer: AsyncGenerator[None] = field(init=False)
    closing: asyncio.Task[None] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.closer = self._keep()

    async def _keep(self) -> AsyncGenerator[None]:
        """Close the sessions when the loop ends.

        A started generator is closed by `asyncio.run` inside its own loop, the only place where an aiohttp
        session can be closed in good order.
        """
        _open.add(self)
        try:
            yield
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the sessions. Twice is fine, and so is at the same time as the loop ends."""
        _open.discard(self)
        if self.connector is not None:
            for session in self.sessions.values():
                await session.close()
            await self.connector.close()

    def close_soon(self) -> None:
        """The same, some time later, on the running loop."""
        self.closing = asyncio.get_running_loop().create_task(self.close())


_open: set[_LoopSessions] = set()
"""Sessions live until they are closed or their loop ends, even when their client is forgotten before."""


def _close_soon(by_loop: Mapping[asyncio.AbstractEventLoop, _LoopSessions]) -> None:
    """Have a forgotten client's sessions closed by their own loops; waits for nothing."""
    for loop, sessions in by_loop.items():
        if sessions.process == os.getpid() and not loop.is_closed():
            with suppress(RuntimeError):  # the loop has ended in between
                loop.call_soon_threadsafe(sessions.close_soon)


def _leave_to_the_parent() -> None:
    """Keep a parent process's sessions alive for good, in a forked child.

    Their sockets and selector are shared with the parent. Were they finalised here, even at exit, the parent's
    own connections would be taken off its selector.
    """
    global _open  # noqa: PLW0603 (one per process)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_open))
    _open = set()


fork.in_child(_leave_to_the_parent)


def _headers(signature: Signature, keys: Credentials) -> Mapping[str, str]:
    """The headers that sign, and those that every request has."""
    signing: dict[str, Secret | None] = {}
    if signature is not Signature.PARTNER:
        signing = {"APIKey": keys.api_key, "SecretKey": keys.secret_key}
    headers = {name: secret.reveal() for name, secret in signing.items() if secret is not None}
    if signature in (Signature.PARTNER, Signature.ALL) and keys.partner_token is not None:
        headers["Authorization"] = f"Bearer {keys.partner_token.reveal()}"
    return {**headers, "Accept": "application/json", "User-Agent": USER_AGENT}


@lru_cache
def _client_timeout(connect: float) -> aiohttp.ClientTimeout:
    # The rest is ours: aiohttp's own total would count the wait for a free connection as well.
    return aiohttp.ClientTimeout(total=None, sock_connect=connect)


class _SendTracker:
    """One request's way through aiohttp, as a middleware: whether it began to leave, and that it leaves only once.

    A request with a body has started when aiohttp begins to write the body: one whose body was never started cannot
    have been applied. A request without a body has started when aiohttp has made its response object.

    It leaves only on a connection on which nothing lies: aiohttp would read that as the answer to it.
    """

    def __init__(self, request: Request) -> None:
        self.body = None if request.body is None else _Body(request.body)
        self._request: aiohttp.ClientRequest | None = None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self._request is not None:
            # aiohttp repeats idempotent requests by itself when a connection breaks; here one exchange is one try.
            raise aiohttp.ServerDisconnectedError
        self._request = request
        send = request.send

        async def send_on_silence(conn: Connection) -> aiohttp.ClientResponse:
            if conn.protocol is None or conn.protocol.should_close:
                raise _UnaskedAnswerError
            return await send(conn)

        request.send = send_on_silence  # type: ignore[method-assign]  # for this request alone, before it is written
        try:
            return await handler(request)
        finally:
            del request.send  # it would keep the request alive until the next garbage collection

    @property
    def started(self) -> bool:
        if self.body is not None:
            return self.body.started
        return self._request is not None and self._request.response is not None

    @property
    def answered_early(self) -> bool:
        """Whether an answer is there before the request has started to leave."""
        return self._request is not None and not self.started

    def close(self) -> None:
        if self.body is not None:
            self.body.cancelled = True


class _UnaskedAnswerError(aiohttp.ClientConnectionError):
    """Something lies on a connection before anything was asked: none of it is an answer to what is asked next."""


class _Body(Payload):
    """A JSON body that notes when aiohttp begins to write it.

    Withdrawn, it refuses to be written later by a writer that outlives the exchange.
    """

    _value: bytes

    def __init__(self, value: bytes) -> None:
        super().__init__(value, content_type="application/json")
        self.started = False
        self.cancelled = False

    @property
    def size(self) -> int:
        return len(self._value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if self.cancelled:
            raise aiohttp.ClientConnectionError("cancelled before it was sent")
        self.started = True
        await writer.write(self._value[:content_length])


_REASONS: Final[tuple[tuple[type[Exception], Fault, str], ...]] = (
    (aiohttp.ClientConnectorDNSError, Fault.CONNECTION, "the host name could not be resolved"),
    (TimeoutError, Fault.TIME, "no connection in time"),
    (_UnaskedAnswerError, Fault.CONNECTION, "the connection held an answer that nobody had asked for"),
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

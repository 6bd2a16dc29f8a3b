"""The only module that exchanges bytes: one request out, one response or failure back, nothing decided.

aiohttp's exceptions do not say whether bytes were sent, and hold our keys. So what they say stays
here: whether the request left is read from its body, which notes when aiohttp begins to write it.
"""

import asyncio
import logging
import os
import platform
import ssl
import sys
import traceback
import weakref
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from aiohttp.payload import Payload
from multidict import CIMultiDict
from yarl import URL

from gameball.core.http import Failure, Fault, Request, Response
from gameball.core.loop_thread import running_loop
from gameball.core.operation import Signature
from gameball.core.sessions import (
    LoopSessions,
    Slots,
    TimeLimit,
    UncleanConnectionError,
    UnusableSessionError,
    UsedConnections,
)
from gameball.errors import printable
from gameball.models.shared import refuse
from gameball.settings import Credentials, Secret, Timeouts
from gameball.version import __version__

MOST_BYTES: Final = 8 * 1024 * 1024
"""The longest response that is read, after decompression. A page of 200 transactions has about 100 kB."""

USER_AGENT: Final = f"gameball-python/{__version__} python/{platform.python_version()} aiohttp/{aiohttp.__version__}"

logger: Final = logging.getLogger("gameball")


class Transport:
    """Exchanges requests for responses, with one aiohttp session for each event loop and process.

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
        proxy: Secret | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if not isinstance(session, aiohttp.ClientSession | None):
            raise refuse("session", f"must be a ClientSession of aiohttp's, not {type(session).__name__}")
        self.base_url = base_url
        self._credentials = credentials
        self._timeouts = timeouts
        self._connections = connections
        self._user_session = session
        self.proxy = proxy
        # aiohttp hands a session's own headers to a proxy in the clear, before any tunnel is up: there, and to a
        # user's session, the keys go with each request instead.
        self._signs_sessions = session is None and proxy is None
        self._options: Mapping[str, Any] = {"allow_redirects": False, "raise_for_status": False, "ssl": tls or True}
        self._by_loop: dict[asyncio.AbstractEventLoop, LoopSessions] = {}
        weakref.finalize(self, _close_from_outside, self._by_loop).atexit = False

    async def exchange(self, request: Request, deadline: float, timeouts: Timeouts | None = None) -> Response | Failure:
        """Try the request once, until `deadline` on the loop's clock.

        Whatever aiohttp raises ends as a Failure; only a cancellation of the running task comes through.
        """
        timeouts = timeouts or self._timeouts
        loop = asyncio.get_running_loop()
        sessions = self._by_loop.get(loop) or await self._open()
        body = None if request.body is None else _Body(request.body)
        if body is not None and self._user_session is None and request.method in _NOT_REPEATED:
            tracker: _Body | _SendTracker = body
            options = self._options
        else:
            tracker = _SendTracker(body, guard=None if self._user_session is None else sessions.used)
            options = {**self._options, "middlewares": (tracker,)}
        limit, slots = TimeLimit(sessions.timer), sessions.slots
        try:
            with limit:
                if not slots.take():
                    limit.expire_at(deadline)
                    await slots.wait()
                try:
                    # The wait for a free connection counts against the whole call only.
                    limit.expire_at(min(deadline, loop.time() + timeouts.attempt))
                    response = await sessions.session(request.signature, fresh=request.fresh).request(
                        request.method,
                        _url(self.base_url, request.target),
                        data=body,
                        headers=(request.headers or None) if self._signs_sessions else self._signed(request),
                        timeout=_client_timeout(timeouts.connect),
                        proxy=None if self.proxy is None else self.proxy.reveal(),
                        **options,
                    )
                    if tracker.answered_early:
                        response.close()
                        raise UncleanConnectionError
                    # Most come whole, with the head: then aiohttp has let go of the connection already.
                    read = response.content.read_nowait() if response.closed else await _read(response)
                    if len(read) > MOST_BYTES:
                        return Failure(fault=Fault.SIZE, sent=True, reason="the answer is larger than 8 MiB")
                    return Response(response.status, response.headers, read)
                finally:
                    slots.release()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            cancelled = error.args if task is None or task.cancelling() else None
            # Nobody cancelled this call: aiohttp ends so what still waits for a host name when its session is closed.
            fault, reason = Fault.CONNECTION, "the session was closed"
        except Exception as error:  # noqa: BLE001 (whatever breaks once a byte has left must end as "maybe applied")
            cancelled = None
            if isinstance(error, ConnectionError | aiohttp.ServerDisconnectedError) and tracker.started:
                sessions.used.distrust()
            fault, reason = self._explain(error, expired=limit.expired, sent=tracker.started)
        finally:
            if body is not None:
                body.cancelled = True
        # Past the except block, so that neither an exception of aiohttp's nor its frames, which hold keys, are in ours.
        if cancelled is not None:
            raise asyncio.CancelledError(*cancelled)
        return Failure(fault=fault, sent=tracker.started, reason=reason)

    async def aclose(self) -> None:
        """Close the running loop's session. Those of other loops close when their loop ends."""
        sessions = self._by_loop.pop(running_loop(), None)
        if sessions is not None:
            await sessions.close()

    @property
    def opened(self) -> bool:
        """Whether there is a session to close."""
        return bool(self._by_loop)

    def _signed(self, request: Request) -> Mapping[str, str]:
        """All headers of a request whose session does not sign by itself."""
        return {**_headers(request.signature, self._credentials), **request.headers}

    async def _open(self) -> LoopSessions:
        for ended in [other for other in list(self._by_loop) if other.is_closed()]:
            if (left := self._by_loop.pop(ended, None)) is not None:
                left.let_go()
        sessions = self._by_loop[asyncio.get_running_loop()] = LoopSessions(
            Slots(self._connections), self._user_session
        )
        if self._user_session is None:
            await sessions.open(
                {
                    signature: _headers(signature, self._credentials) if self._signs_sessions else None
                    for signature in Signature
                }
            )
        return sessions

    def _explain(self, error: Exception, *, expired: bool, sent: bool) -> tuple[Fault, str]:
        """The kind of failure and a reason in fixed words, from an exception whose own text may hold keys."""
        if expired:
            return Fault.TIME, "no answer in time"
        if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
            cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
            reason = getattr(cause, "verify_message", None) or getattr(cause, "reason", None)
            return Fault.TLS, f"no secure connection: {reason or 'the handshake failed'}"
        if isinstance(error, aiohttp.ClientResponseError) and not sent:
            return _explain_proxy(error)
        for kind, fault, reason in _REASONS:
            if isinstance(error, kind):
                return fault, reason
        if isinstance(error, OSError | aiohttp.ClientConnectionError):
            number = error.errno if isinstance(error, OSError) else None
            return Fault.CONNECTION, os.strerror(number).lower() if number else "the connection was closed"
        return Fault.UNUSABLE, self._explain_unusable(error)

    def _explain_unusable(self, error: Exception) -> str:
        """What is wrong where no network is to blame; the debug log has its type, its place and its own words."""
        if isinstance(error, UnusableSessionError):
            return str(error)
        place = traceback.extract_tb(error.__traceback__)[-1]
        words = self._credentials.redact(str(error))
        if self.proxy is not None and "@" in self.proxy.reveal():
            words = "(not shown: the proxy's password may be in it)"
        logger.debug("%s in %s:%s: %s", type(error).__name__, place.filename, place.lineno, printable(words))
        if sys.is_finalizing() or (isinstance(error, RuntimeError) and "shutdown" in str(error)):
            return "the interpreter is shutting down: no host name can be resolved any more"
        return f"the exchange broke ({type(error).__name__}; the debug log says where)"


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """What comes of a body, until it ends or is too large; its connection is not used again if more is to come."""
    content = response.content
    chunks: list[bytes] = []
    size = 0
    try:
        while not content.at_eof() and size <= MOST_BYTES:
            chunks.append(await content.readany())
            size += len(chunks[-1])
        return b"".join(chunks)
    finally:
        if not content.at_eof():
            response.close()
        elif not response.closed:
            response.release()


def _close_from_outside(by_loop: Mapping[asyncio.AbstractEventLoop, LoopSessions]) -> None:
    """Have a forgotten client's sessions closed by their own loops; waits for nothing."""
    for sessions in list(by_loop.values()):
        sessions.close_from_outside()


def _headers(signature: Signature, keys: Credentials) -> Mapping[str, str]:
    """The headers that sign, and those that every request has."""
    signing: dict[str, Secret | None] = {}
    if signature is not Signature.PARTNER:
        signing = {"APIKey": keys.api_key, "SecretKey": keys.secret_key}
    headers = {name: secret.reveal() for name, secret in signing.items() if secret is not None}
    if signature in (Signature.PARTNER, Signature.ALL) and keys.partner_token is not None:
        headers["Authorization"] = f"Bearer {keys.partner_token.reveal()}"
    return {**headers, "Accept": "application/json", "User-Agent": USER_AGENT}


def _explain_proxy(error: aiohttp.ClientResponseError) -> tuple[Fault, str]:
    """What is wrong with the only answer that comes before a request is sent: a proxy's, which was to open a tunnel."""
    if not isinstance(error, aiohttp.ClientHttpProxyError):
        return Fault.UNUSABLE, "the proxy's answer cannot be read as HTTP"
    passing = error.status in _PASSING or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    fault = Fault.CONNECTION if passing else Fault.UNUSABLE
    return fault, f"the proxy refused to connect, with HTTP {error.status}"


@lru_cache
def _url(base_url: str, target: str) -> URL:
    return URL(base_url + target, encoded=True)


@lru_cache
def _client_timeout(connect: float) -> aiohttp.ClientTimeout:
    # The rest is ours: aiohttp's own total would count the wait for a free connection as well.
    return aiohttp.ClientTimeout(total=None, sock_connect=connect)


_NOT_REPEATED: Final = frozenset({"POST", "PATCH"})
"""Methods that aiohttp sends once, as they are not idempotent."""


_JSON_HEADERS: Final = CIMultiDict({"Content-Type": "application/json"})


class _Body(Payload):
    """A JSON body that notes when aiohttp begins to write it: before that, nothing of its request can be applied.

    It is written once, and only to an open transport. Cancelled, it refuses to be written later by a writer that
    outlives the exchange.
    """

    started = False
    cancelled = False
    _asked_for = False
    """Whether aiohttp has made a request of it, for which it asks for the size."""

    def __init__(self, value: bytes) -> None:
        # Not aiohttp's own, which would make headers for each body: all have the same.
        self._value: bytes = value

    @property
    def headers(self) -> CIMultiDict[str]:
        return _JSON_HEADERS

    @property
    def size(self) -> int:
        self._asked_for = True
        return len(self._value)

    @property
    def answered_early(self) -> bool:
        """Whether a response is there before the request, which is on its way, has started to leave.

        Never where something stands in for aiohttp and makes no request of its own, such as aioresponses.
        """
        return self._asked_for and not self.started

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 (aiohttp's own)
        return self._value

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if self.cancelled or self.started:
            raise aiohttp.ClientConnectionError("cancelled before it was sent, or sent before")
        transport = getattr(writer, "transport", None)
        if transport is None or transport.is_closing():
            raise aiohttp.ClientConnectionResetError
        self.started = True
        await writer.write(self._value[:content_length])


class _SendTracker:
    """Goes along as a middleware where a body alone does not show whether its request has started.

    Without a body, a request has started when aiohttp has made its response object. An idempotent request is kept from
    being repeated by aiohttp, and one in a user's session goes out on a clean connection only.
    """

    def __init__(self, body: _Body | None, *, guard: UsedConnections | None) -> None:
        """Begin.

        Args:
            body: The request's.
            guard: Accepts connections of a user's session, whose connector is not ours.
        """
        self._body = body
        self._guard = guard
        self._request: aiohttp.ClientRequest | None = None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self._request is not None:
            # aiohttp repeats idempotent requests by itself when a connection breaks; here one exchange is one try.
            raise aiohttp.ServerDisconnectedError
        self._request = request
        if self._guard is None:
            return await handler(request)
        accept, send = self._guard.accept, request.send

        async def send_on_clean(conn: Connection) -> aiohttp.ClientResponse:
            if not accept(conn):
                raise _StaleConnectionError
            return await send(conn)

        request.send = send_on_clean  # type: ignore[method-assign]  # for this request alone, before it is written
        try:
            while True:
                with suppress(_StaleConnectionError):
                    return await handler(request)
        finally:
            del request.send  # it would keep the request alive until the next garbage collection

    @property
    def started(self) -> bool:
        if self._body is not None:
            return self._body.started
        return self._request is not None and self._request.response is not None

    @property
    def answered_early(self) -> bool:
        """The same as of a body."""
        if self._body is not None:
            return self._body.answered_early
        return self._request is not None and not self.started


class _StaleConnectionError(Exception):
    """A connection of a user's session is discarded, before anything was written: the next one is taken."""


_REASONS: Final[tuple[tuple[type[Exception], Fault, str], ...]] = (
    (aiohttp.ClientConnectorDNSError, Fault.CONNECTION, "the host name could not be resolved"),
    (TimeoutError, Fault.TIME, "no connection in time"),
    (UncleanConnectionError, Fault.CONNECTION, "the connection held an answer that nobody had asked for"),
    (aiohttp.ServerDisconnectedError, Fault.CONNECTION, "the server closed the connection without an answer"),
    (aiohttp.ClientPayloadError, Fault.CONNECTION, "the answer was cut short"),
    (aiohttp.ClientResponseError, Fault.CONNECTION, "the answer cannot be read as HTTP"),
)

_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Refusals by which a proxy asks to be tried again, beside its own failures."""

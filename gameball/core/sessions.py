"""One aiohttp session per loop and process, and the connector that hands out only clean connections."""

import asyncio
import os
import select
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from attrs import define, field
from multidict import CIMultiDict

from gameball.core import fork
from gameball.core.operation import Signature

if TYPE_CHECKING:
    from aiohttp.tracing import Trace


class UncleanConnectionError(aiohttp.ClientConnectionError):
    """Unread bytes are on a connection: they would pass for the response to the next request."""


class UnusableSessionError(Exception):
    """The user's session cannot send here; says why."""


DISTRUST: Final = 30.0
"""Seconds for which no connection is kept after one broke that had been: its server may close after each response."""


class UsedConnections:
    """The connections on which requests were sent, as long as they live."""

    def __init__(self) -> None:
        self._used: WeakKeyDictionary[ResponseHandler, Callable[[], object]] = WeakKeyDictionary()
        """With what tells whether there is anything to read."""
        self._distrusted_until = 0.0

    def distrust(self) -> None:
        """Accept none of them for a while: one has just broken."""
        self._distrusted_until = monotonic() + DISTRUST

    def accept(self, connection: Connection) -> bool:
        """Whether a request may be sent on a connection: a new one, or a kept one that is clean and quiet.

        Raises:
            UncleanConnectionError: It is new, and yet not clean: so may the next one be. It has been closed.
        """
        protocol = connection.protocol
        if protocol is not None and (readable := self._used.get(protocol)) is not None:
            # aiohttp knows it open; its socket has nothing to read: no bytes and no end, says the system. New ones are
            # not asked: over TLS, tickets of the session may wait to be read.
            if self._distrusted_until and monotonic() < self._distrusted_until:
                return False
            return not (protocol.should_close or readable())
        if protocol is None or protocol.should_close:
            connection.close()
            raise UncleanConnectionError
        transport = connection.transport
        self._used[protocol] = _readable(None if transport is None else transport.get_extra_info("socket"))
        return True


_poll: Final = getattr(select, "poll", None)
"""None on Windows."""


def _readable(socket: Any) -> Callable[[], object]:
    """What tells whether a socket has anything to read; never of none."""
    if socket is None:
        return bool
    descriptor = socket.fileno()
    if _poll is None:
        return lambda: select.select([descriptor], [], [], 0)[0]
    poll = _poll()
    poll.register(descriptor, select.POLLIN)
    return partial(poll.poll, 0)


class CleanConnector(aiohttp.TCPConnector):
    """Hands out only clean, open connections.

    A kept connection may have been closed by the other side, or hold bytes that nobody asked for, without the loop
    having noticed: it is discarded and another taken, which costs the request nothing.
    """

    def __init__(self, used: UsedConnections, *, force_close: bool) -> None:
        super().__init__(limit=0, force_close=force_close)  # pyright: ignore[reportUnknownMemberType]  # aiohttp's own
        self._used = used

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list["Trace"], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """A connection that was just opened, or a kept one that is clean and quiet."""
        while True:
            connection = await super().connect(req, traces, timeout)
            if self._used.accept(connection):
                return connection
            connection.close()


class _Request(aiohttp.ClientRequest):
    """A request that takes its session's headers over as they stand; they include aiohttp's defaults.

    aiohttp would add each by itself, and then look for its defaults.
    """

    def update_headers(self, headers: Any) -> None:
        """Take the headers over, below the host's; one that gives the host is left to aiohttp."""
        if hdrs.HOST in headers:
            super().update_headers(headers)
            return
        self.headers = CIMultiDict({hdrs.HOST: self.url.host_port_subcomponent or ""})
        self.headers.extend(headers)

    def update_auto_headers(self, skip_auto_headers: Any) -> None:
        """Add none."""


def _with_defaults(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Headers of a session, with aiohttp's defaults for those that are not among them."""
    defaults = aiohttp.ClientRequest.DEFAULT_HEADERS
    return {**headers, **{name: value for name, value in defaults.items() if name not in headers}}


class TimeLimit:
    """A time limit for a block, to the rules of `asyncio.timeout`, kept by the loop's shared timer.

    It is set from within the block, and cancels the task when its time is over.
    """

    __slots__ = ("_cancelling", "_task", "_timer", "expired")

    def __init__(self, timer: "SharedTimer") -> None:
        self._timer = timer
        self.expired = False

    def __enter__(self) -> Self:
        task = asyncio.current_task(self._timer.loop)
        if task is None:
            raise RuntimeError("a time limit needs a task")
        self._task, self._cancelling = task, task.cancelling()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._timer.due.pop(self, None)
        if self.expired and self._task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def expire_at(self, when: float) -> None:
        """Let it be over at this time of the loop's clock."""
        timer = self._timer
        timer.due[self] = when
        if when < timer.next_at:
            timer.wake_at(when)

    def expire(self) -> None:
        """Cancel the task: the time is over."""
        self.expired = True
        self._task.cancel()


class SharedTimer:
    """The one timer of a loop's exchanges, set for the next of them to expire: one for each makes all calls dearer.

    Attributes:
        loop: The loop, kept because asking asyncio for it is a system call on Python 3.11.
        due: The time limits that are running, and when each is over.
        next_at: When the timer looks after them next.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.due: dict[TimeLimit, float] = {}
        self.next_at = inf
        self._next: asyncio.TimerHandle | None = None

    def wake_at(self, when: float) -> None:
        """Look then which limits are over."""
        if self._next is not None:
            self._next.cancel()
        self._next, self.next_at = self.loop.call_at(when, self._wake), when

    def _wake(self) -> None:
        now = self.loop.time()
        for limit in [limit for limit, when in self.due.items() if when <= now]:
            del self.due[limit]
            limit.expire()
        self._next, self.next_at = None, inf
        if self.due:
            self.wake_at(min(self.due.values()))


class Slots:
    """Places for so many exchanges at once; who finds none waits for one, and is served in the order of asking."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take a free place, if there is one."""
        if self._free == 0:
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Wait for a place and take it."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            if not turn.done():
                self._waiting.remove(turn)  # it was thrown away, and nobody is there to take a place
            elif not turn.cancelled():
                self.release()  # the place came with the cancellation
            raise

    def release(self) -> None:
        """Give a place back: to whoever has waited longest, if anybody waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


@define(eq=False)
class LoopSessions:
    """What the exchanges of one loop share."""

    slots: Slots
    user_session: aiohttp.ClientSession | None = None
    """Sends instead of ours; it is not ours to close."""
    timer: SharedTimer = field(factory=SharedTimer, init=False)
    used: UsedConnections = field(factory=UsedConnections, init=False)
    loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop, init=False)
    _connectors: Mapping[bool, CleanConnector] = field(factory=dict[bool, CleanConnector], init=False)
    _sessions: Mapping[tuple[Signature, bool], aiohttp.ClientSession] = field(
        factory=dict[tuple[Signature, bool], aiohttp.ClientSession], init=False
    )
    _process: int = field(factory=os.getpid, init=False)
    _closer: AsyncGenerator[None] | None = field(default=None, init=False)
    _closing: asyncio.Task[None] | None = field(default=None, init=False)

    async def open(self, headers: Mapping[Signature, Mapping[str, str] | None]) -> None:
        """Open sessions of our own; each sends the headers of its signature with every request."""
        for ended in [other for other in list(_open) if other.loop.is_closed()]:  # other threads change it
            ended.let_go()
        self._connectors = {fresh: CleanConnector(self.used, force_close=fresh) for fresh in (False, True)}
        self._sessions = {
            (signature, fresh): aiohttp.ClientSession(
                connector=connector,
                connector_owner=False,
                request_class=_Request,
                headers=_with_defaults(own or {}),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
            for fresh, connector in self._connectors.items()
            for signature, own in headers.items()
        }
        self._closer = self._close_with_the_loop()
        await anext(self._closer)

    def session(self, signature: Signature, *, fresh: bool) -> aiohttp.ClientSession:
        """The session that signs so; `fresh`: on a connection that no request has used before.

        Raises:
            UnusableSessionError: It is the user's, and cannot send here. aiohttp finds out by itself, but late: on
                another loop a kept connection has been written to by then.
        """
        session = self.user_session
        if session is None:
            return self._sessions[signature, fresh]
        if session.closed:
            raise UnusableSessionError("the session that was passed is closed")
        if getattr(session, "_loop", self.loop) is not self.loop:  # the public name of it is deprecated
            raise UnusableSessionError("the session that was passed belongs to another event loop")
        return session

    async def _close_with_the_loop(self) -> AsyncGenerator[None]:
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
        for session in self._sessions.values():
            await session.close()
        for connector in self._connectors.values():
            await connector.close()

    def close_from_outside(self) -> None:
        """Have the sessions closed by their own loop, some time later; those of a loop that is closed are let go."""
        if self._process != os.getpid():
            return
        with suppress(RuntimeError):  # the loop has been closed in between
            if not self.loop.is_closed():
                self.loop.call_soon_threadsafe(self._close_soon)
                return
        self.let_go()

    def let_go(self) -> None:
        """Forget what belongs to a loop that was closed without ending its generators, as far as it can be closed."""
        _open.discard(self)
        for session in self._sessions.values():
            session.detach()
        for connector in self._connectors.values():
            with suppress(StopIteration):  # there is nothing to wait for without a loop
                next(connector.close().__await__())

    def _close_soon(self) -> None:
        self._closing = self.loop.create_task(self.close())


_open: set[LoopSessions] = set()
"""Sessions live until they are closed or their loop ends, even when their client is forgotten before."""


def _leave_to_the_parent() -> None:
    global _open  # noqa: PLW0603 (one per process)
    fork.keep(_open)
    _open = set()


fork.in_child(_leave_to_the_parent)

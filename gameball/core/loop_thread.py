"""The loop thread: where the calls of all plain clients of a process run.

One daemon thread, started at first use and stopped at exit; a forked child starts its own.
"""

import asyncio
import atexit
import importlib
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import cache, partial
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, ParamSpec, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from gameball.core import fork
from gameball.errors import ConnectionFailedError

P = ParamSpec("P")
T = TypeVar("T")

SHUTDOWN_TIMEOUT: Final = 2.0
"""Seconds that the interpreter's exit waits for sessions to close."""


class _Resolving(asyncio.AbstractEventLoop):
    """Resolves host names in threads of Python's, and after the main thread has ended, when none starts, right here.

    Threads and exit handlers may call even then. libuv's own threads are no choice: a forked child that never used
    them dies of them as it ends.
    """

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        resolve = partial(socket.getaddrinfo, host, port, **options)
        return await self.run_in_executor(None, resolve) if threading.main_thread().is_alive() else resolve()


class _Loop(_Resolving, asyncio.SelectorEventLoop):
    """asyncio's event loop, whose waits end although a test has stopped the time (freezegun, time-machine)."""

    if sys.platform != "win32":

        def time(self) -> float:
            return time.clock_gettime(time.CLOCK_MONOTONIC)


@cache
def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The event loop of uvloop, where that is installed, else asyncio's; a program's other loops stay as they are."""
    try:
        fast: Any = importlib.import_module("uvloop").Loop
    except ImportError:
        return _Loop
    return type("_FastLoop", (_Resolving, fast), {})


class _WorkItem(Generic[T]):
    """A coroutine function on its way to the loop thread, and what it asks of the thread that waits for it."""

    def __init__(self, function: Callable[[], Awaitable[T]]) -> None:
        self._function = function
        self._task: asyncio.Task[Any] | None = None
        self._given_up = False
        self._requests: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._value: T
        self.error: BaseException | None = None

    def start(self) -> None:
        """On the loop thread: begin."""
        self._task = asyncio.get_running_loop().create_task(self.run())

    async def run(self) -> None:
        """On the loop thread: run the coroutine, and keep how it ends."""
        _work_item.set(self)
        try:
            if not self._given_up:
                self._value = await self._function()
        except BaseException as error:  # noqa: BLE001 (it goes on in the thread that waits)
            self.error = error
        finally:
            # Whatever was opened on the way keeps its context, and so this item: let go of what is in it.
            del self._function
            self._requests.put(None)

    async def cancel(self) -> None:
        """On the loop thread: end the coroutine, or see to it that it never begins."""
        self._given_up = True
        if self._task is not None:
            self._task.cancel()

    def ask(self, request: Callable[[], None]) -> None:
        """On the loop thread: have something done by the thread that waits."""
        self._requests.put(request)

    def wait(self) -> T:
        """In the waiting thread: do what the coroutine asks for until it has ended, and give its value.

        Raises:
            RuntimeError: In a child that was forked there: nobody would ever ask or answer it.
        """
        process = os.getpid()
        while (request := self._requests.get()) is not None:
            request()
            if os.getpid() != process:
                raise RuntimeError("forked in the midst of a call, which goes on in the parent process alone")
        if self.error is not None:
            raise self.error
        value = self._value
        del self._value  # for the same reason
        return value

    def wait_for_end(self) -> None:
        """In the waiting thread: wait until a coroutine that was cancelled has ended, for a moment."""
        with suppress(Empty):
            while self._requests.get(timeout=SHUTDOWN_TIMEOUT) is not None:
                pass


def running_loop() -> asyncio.AbstractEventLoop:
    """The event loop of an awaited call.

    Raises:
        RuntimeError: There is none of asyncio's: the call is awaited under trio, say.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    if loop is None:
        raise RuntimeError(
            "AsyncGameball works on asyncio only, and no asyncio event loop runs here; Gameball needs none"
        )
    return loop


_work_item: "ContextVar[_WorkItem[Any]]" = ContextVar("_work_item")


async def run_in_caller_thread(function: Callable[[], T]) -> T:
    """Call a user's function in the thread that waits for the running plain call; here, when it is awaited.

    Database connections and the like belong to the thread of whoever calls.
    """
    item = _work_item.get(None)
    if item is None:
        return function()
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def resolve(set_end: Callable[[Any], None], end: Any) -> None:
        if not done.done():
            set_end(end)

    def request() -> None:
        try:
            value = function()
        except Exception as error:  # noqa: BLE001 (it goes on where the function was asked for)
            loop.call_soon_threadsafe(resolve, done.set_exception, error)
        else:
            loop.call_soon_threadsafe(resolve, done.set_result, value)

    item.ask(request)
    return await done


class LoopThread:
    """A thread with an event loop in it, and the way in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._thread: threading.Thread | None = None
        self._portal: BlockingPortal | None = None
        self._loop: asyncio.AbstractEventLoop
        self._closing: asyncio.Task[None] | None = None

    def run(self, function: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine function on the loop and wait for its result.

        When the wait is broken off (Ctrl-C), the coroutine is cancelled first: what the caller gave up must not
        go on.

        Raises:
            RuntimeError: Called from the loop thread itself, which would wait for itself for ever.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "a plain call was made on the SDK's own loop thread (from an observer, say), where it would wait"
                " for itself; use AsyncGameball there, or another thread"
            )
        running = self._enter()
        if running is None:
            return anyio.run(function, backend_options={"loop_factory": _loop_factory()})
        item = _WorkItem(function)
        try:
            # BlockingPortal.call() would wait until the task is made: one more switch between threads.
            self._loop.call_soon_threadsafe(item.start)
            return item.wait()
        except BaseException as error:
            if os.getpid() != self._process:
                raise  # in a child that the caller's own function has forked, nothing of the loop is there
            if error is not item.error:
                with suppress(RuntimeError):  # the loop thread has ended, and the coroutine with it
                    running.start_task_soon(item.cancel)
                    item.wait_for_end()
                # What the coroutine had to say of its end: notes, and a bulk run's report.
                vars(error).update(vars(item.error) if item.error is not None else {})
            elif isinstance(error, asyncio.CancelledError) and running is not self._portal:
                # The program ends, and took the loop with it: so does this thread, without a word.
                raise SystemExit from error
            raise
        finally:
            item.error = None  # an error that knows its own traceback would never be let go of

    def close(self, generator: AsyncGenerator[Any, None]) -> None:
        """Close an async generator; see the function of this name."""
        if threading.current_thread() is self._thread:  # the garbage collector may come by anywhere
            self._closing = asyncio.get_running_loop().create_task(_close(generator))
        elif self._thread is not None and self._thread.is_alive():
            self.run(generator.aclose)

    def stop(self) -> None:
        """Cancel what is left, close the sessions, end the thread; waits for a moment, not for ever."""
        with self._lock:
            thread, running = self._thread, self._portal
            self._thread = self._portal = None
        if thread is not None and running is not None and thread.is_alive():
            running.start_task_soon(running.stop, True)  # noqa: FBT003 (anyio's positional flag: cancel what remains)
            thread.join(SHUTDOWN_TIMEOUT)

    def _enter(self) -> BlockingPortal | None:
        """The way in, through a new thread if need be; None where no thread can be started any more."""
        running, thread = self._portal, self._thread
        if running is not None and thread is not None and thread.is_alive():
            return running
        with self._lock:
            if self._portal is None or self._thread is None or not self._thread.is_alive():
                self._start()
            return self._portal

    def _start(self) -> None:
        prepare()
        self._thread = self._portal = None
        started: SimpleQueue[BaseException | None] = SimpleQueue()
        thread = threading.Thread(target=self._live, args=(started,), name="gameball-loop", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down: the call runs on a loop of its own, right here
            return
        self._thread = thread
        problem = started.get()
        if problem is not None:
            raise ConnectionFailedError(f"nothing was sent: no event loop could be made ({problem})") from problem

    def _live(self, started: "SimpleQueue[BaseException | None]") -> None:
        try:
            anyio.run(self._keep_open, started, backend_options={"loop_factory": _loop_factory()})
        except BaseException as error:  # noqa: BLE001 (whoever waits for the start must hear of it)
            started.put(error)

    async def _keep_open(self, started: "SimpleQueue[BaseException | None]") -> None:
        self._loop = asyncio.get_running_loop()
        async with BlockingPortal() as self._portal:
            started.put(None)
            await self._portal.sleep_until_stopped()


async def _close(generator: AsyncGenerator[Any, None]) -> None:
    await generator.aclose()


_loop_thread = LoopThread()


def prepare() -> None:
    """Import what the loop thread needs, before there is one: a fork in the midst of an import keeps its lock held."""
    importlib.import_module("anyio._backends._asyncio")
    _loop_factory()


def run(function: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function on this process's loop thread; see LoopThread.run().

    It takes no arguments, which would stand in this frame of every traceback: an OTP would show there.
    """
    return _loop_thread.run(function)


def close(generator: AsyncGenerator[Any, None]) -> None:
    """Close an async generator that this thread leaves. Never starts a thread, never waits for itself."""
    _loop_thread.close(generator)


def _replace() -> None:
    # The thread did not come along into the child, and its lock may have been held. The old object is kept:
    # finalising a loop whose selector is shared with the parent would disturb the parent.
    global _loop_thread  # noqa: PLW0603 (one per process, replaced whole)
    fork.keep(_loop_thread)
    _loop_thread = LoopThread()


def _stop() -> None:
    _loop_thread.stop()


fork.in_child(_replace)
atexit.register(_stop)

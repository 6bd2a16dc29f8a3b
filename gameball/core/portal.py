"""The loop thread: where the calls of all plain clients of a process run.

One daemon thread, started at first use and stopped at exit; a forked child starts its own.
"""

import asyncio
import atexit
import importlib
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Final, Generic, ParamSpec, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

P = ParamSpec("P")
T = TypeVar("T")

FAREWELL: Final = 2.0
"""Seconds that the interpreter's exit waits for sessions to close."""


class _Errand(Generic[T]):
    """A coroutine function on its way to the loop thread."""

    def __init__(self, function: Callable[[], Awaitable[T]]) -> None:
        self._function = function
        self.given_up = False
        self.ended = threading.Event()

    async def run(self) -> T:
        try:
            if self.given_up:
                raise asyncio.CancelledError
            return await self._function()
        finally:
            self.ended.set()


class LoopThread:
    """A thread with an event loop in it, and the way in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._portal: BlockingPortal | None = None

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
        errand = _Errand(function)
        future = self._enter().start_task_soon(errand.run)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                errand.given_up = True
                future.cancel()
                errand.ended.wait(FAREWELL)
            raise

    def stop(self) -> None:
        """Cancel what is left, close the sessions, end the thread; waits for a moment, not for ever."""
        with self._lock:
            thread, portal = self._thread, self._portal
            self._thread = self._portal = None
        if thread is not None and portal is not None and thread.is_alive():
            portal.start_task_soon(portal.stop, True)  # noqa: FBT003 (anyio's positional flag: cancel what remains)
            thread.join(FAREWELL)

    def _enter(self) -> BlockingPortal:
        portal, thread = self._portal, self._thread
        if portal is not None and thread is not None and thread.is_alive():
            return portal
        with self._lock:
            if self._portal is None or self._thread is None or not self._thread.is_alive():
                self._start()
            assert self._portal is not None  # noqa: S101 (for the type checkers: _start() has set it)
            return self._portal

    def _start(self) -> None:
        # Imported here rather than by the new thread: a fork in the midst of an import leaves its lock held.
        importlib.import_module("anyio._backends._asyncio")
        ready = threading.Event()
        self._thread = threading.Thread(target=self._live, args=(ready,), name="gameball-loop", daemon=True)
        self._thread.start()
        ready.wait()

    def _live(self, ready: threading.Event) -> None:
        anyio.run(self._keep_open, ready)

    async def _keep_open(self, ready: threading.Event) -> None:
        async with BlockingPortal() as self._portal:
            ready.set()
            await self._portal.sleep_until_stopped()


_loop_thread = LoopThread()


def run(function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a coroutine function on this process's loop thread; see LoopThread.run()."""
    return _loop_thread.run(lambda: function(*args, **kwargs))


def _replace() -> None:
    # The thread did not come along into the child, and its lock may have been held. The old object is kept:
    # finalising a loop whose selector is shared with the parent would disturb the parent.
    global _loop_thread  # noqa: PLW0603 (one per process, replaced whole)
    _parents.append(_loop_thread)
    _loop_thread = LoopThread()


_parents: list[LoopThread] = []


def _stop() -> None:
    _loop_thread.stop()


os.register_at_fork(after_in_child=_replace)
atexit.register(_stop)

"""Where rows come from: read in chunks, by the thread that they belong to, never more than are needed."""

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from itertools import islice
from queue import SimpleQueue
from time import monotonic
from typing import Any, Final, Protocol, TypeAlias

from gameball.bulk.rows import Request, check_row
from gameball.core import loop_thread
from gameball.core.methods import Async, Sync
from gameball.models.shared import KeyedRequest, refuse

Rows: TypeAlias = Iterable[KeyedRequest] | AsyncIterable[KeyedRequest]
"""Of the four kinds, which type checkers join to what they have in common."""

CHUNK: Final = 256
"""Rows that are read at once, where nobody asks for more."""

PROMPT: Final = 0.02
"""Seconds after which what has been read is handed on: a row should not wait for a slow source's next one."""


class Reader(Protocol):
    """Rows, read forward once."""

    blocking: bool
    """Whether reading keeps the caller from anything else."""

    async def read(self, most: int = CHUNK) -> list[Request]:
        """The next rows, at least one and about `most`; none at the end."""
        ...

    async def close(self) -> None:
        """Read no further."""
        ...


def reader_of(rows: Rows, mode: type[Async] | type[Sync], kinds: Sequence[type[Request]]) -> Reader:
    """The way to read these rows for a client of this mode.

    Raises:
        InvalidRequestError: They are no rows; of a list that lies there, every row is checked.
    """
    if isinstance(rows, AsyncIterable):
        return _AsyncReader(rows, kinds)
    if isinstance(rows, str | bytes) or not isinstance(rows, Iterable):
        raise refuse("rows", f"must be an iterable or an async iterable of requests, not {type(rows).__name__}")
    if isinstance(rows, list | tuple):
        for index, row in enumerate(rows):
            check_row(index, row, kinds)
        return _ListReader(rows, kinds)
    return _CallerThreadReader(rows, kinds) if mode is Sync else _ThreadReader(rows, kinds)


class _ChunkReader:
    """Reads an iterator, some rows at a time."""

    def __init__(self, rows: Iterable[Any], kinds: Sequence[type[Request]]) -> None:
        self.rows: deque[Request] = deque()
        """What has been read and not been taken."""
        self.ended = False
        self.on_row: Callable[[], object] | None = None
        self._source = rows
        self._kinds = kinds
        self._iterator: Iterator[Any] | None = None
        self._index = 0
        self._failure: Exception | None = None

    def advance(self, most: int) -> None:
        """Read at least one row, or the end; called in the thread that the rows belong to."""
        until, before, kinds, keep = monotonic() + PROMPT, self._index, self._kinds, self.rows.append
        try:
            if self._iterator is None:
                self._iterator = iter(self._source)
            for row in islice(self._iterator, most):
                check_row(self._index, row, kinds)
                self._index += 1
                keep(row)
                if self.on_row is not None:
                    self.on_row()
                if monotonic() > until:
                    return
        except Exception as error:  # noqa: BLE001 (the caller's own, whatever it is: it goes on with `take()`)
            self._failure = error
            self.ended = True
        else:
            self.ended = self._index == before

    def take(self) -> list[Request]:
        """What has been read, or at the end nothing; an error comes after the rows before it."""
        take = self.rows.popleft
        rows = [take() for _ in range(len(self.rows))]
        if not rows and self._failure is not None:
            raise self._failure
        return rows


class _ListReader:
    """A list or a tuple: there is nothing to wait for."""

    blocking = False

    def __init__(self, rows: Iterable[Any], kinds: Sequence[type[Request]]) -> None:
        self._reader = _ChunkReader(rows, kinds)

    async def read(self, most: int = CHUNK) -> list[Request]:
        self._reader.advance(most)
        return self._reader.take()

    async def close(self) -> None:
        pass


class _CallerThreadReader:
    """Whatever a plain caller passes is read in the caller's own thread: a database cursor may be bound to it."""

    blocking = True

    def __init__(self, rows: Iterable[Any], kinds: Sequence[type[Request]]) -> None:
        self._reader = _ChunkReader(rows, kinds)

    async def read(self, most: int = CHUNK) -> list[Request]:
        await loop_thread.run_in_caller_thread(partial(self._reader.advance, most))
        return self._reader.take()

    async def close(self) -> None:
        pass


class _RowsThread:
    """A thread for rows that may block for ever. A daemon, unlike a pool's: it must not keep the interpreter alive."""

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Callable[[], None], asyncio.Future[None]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, function: Callable[[], None]) -> asyncio.Future[None]:
        """Call it there; the future is of the running loop."""
        if self._thread is None:
            context = copy_context()  # the rows see the caller's context variables: the span they are read in, say
            self._thread = threading.Thread(target=context.run, args=[self._live], name="gameball-rows", daemon=True)
            self._thread.start()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._work.put((function, future))
        return future

    def end(self) -> None:
        """Let the thread end with what it is at."""
        self._work.put(None)

    def _live(self) -> None:
        process = os.getpid()
        while (work := self._work.get()) is not None:
            function, future = work
            error: BaseException | None = None
            try:
                function()
            except BaseException as raised:  # noqa: BLE001 (the caller's own, whatever it is)
                error = raised
            if os.getpid() != process:  # a child that the rows have forked: its only thread is this one
                return
            with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
                future.get_loop().call_soon_threadsafe(_resolve, future, error)


def _resolve(future: asyncio.Future[None], error: BaseException | None) -> None:
    if not future.done():
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


class _ThreadReader:
    """What may block must not block the loop: it gets one thread, always the same one."""

    blocking = False

    def __init__(self, rows: Iterable[Any], kinds: Sequence[type[Request]]) -> None:
        self._reader = _ChunkReader(rows, kinds)
        self._thread = _RowsThread()
        self._loop = asyncio.get_running_loop()
        self._reading: asyncio.Future[None] | None = None
        self._news = asyncio.Event()

    async def read(self, most: int = CHUNK) -> list[Request]:
        while not self._reader.rows and not self._reader.ended:
            if self._reading is not None and self._reading.done():
                self._reading.result()  # a source may also raise what ends programs
                self._reading = None
            if self._reading is None:
                self._reading = self._thread.run(partial(self._reader.advance, most))
                self._reading.add_done_callback(lambda _: self._news.set())
            self._news.clear()
            self._reader.on_row = self._came  # before looking for rows: none can come unnoticed
            if not self._reader.rows and not self._reading.done():
                await self._news.wait()
        if self._reading is not None and not self._reading.done():
            await asyncio.wait([self._reading], timeout=PROMPT)
        return self._reader.take()

    async def close(self) -> None:
        self._thread.end()

    def _came(self) -> None:
        self._reader.on_row = None
        self._loop.call_soon_threadsafe(self._news.set)


class _AsyncReader:
    """An async iterable is walked by one task from its beginning to its end, as its own context may ask for."""

    blocking = False

    def __init__(self, rows: AsyncIterable[Any], kinds: Sequence[type[Request]]) -> None:
        self._rows = rows
        self._kinds = kinds
        self._walk: asyncio.Task[None] | None = None
        self._chunk: list[Request] = []
        self._most = CHUNK
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    async def read(self, most: int = CHUNK) -> list[Request]:
        self._most = most
        if self._walk is None:
            self._walk = asyncio.create_task(self._walk_through())
            self._walk.add_done_callback(lambda _: self._changed.set())
        while not self._chunk and not self._walk.done():
            self._changed.clear()
            await self._changed.wait()
        if not self._chunk:
            self._walk.result()  # what ended it early goes on here
        chunk, self._chunk = self._chunk, []
        self._room.set()
        return chunk

    async def close(self) -> None:
        if self._walk is not None:
            self._walk.cancel()
            await asyncio.gather(self._walk, return_exceptions=True)

    async def _walk_through(self) -> None:
        index = 0
        rows: AsyncIterator[Any] = aiter(self._rows)
        try:
            async for row in rows:
                check_row(index, row, self._kinds)
                index += 1
                self._chunk.append(row)
                self._changed.set()
                while len(self._chunk) >= self._most:
                    self._room.clear()
                    await self._room.wait()
        finally:
            if close := getattr(rows, "aclose", None):
                await close()

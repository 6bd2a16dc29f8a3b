"""The Dask cluster, through a plain `distributed.Client` or an awaited one."""

import asyncio
import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from gameball.bulk.cluster.worker import run_shard
from gameball.core.methods import Async, Sync
from gameball.errors import GameballError
from gameball.models.shared import refuse

RESULT: Final = 5.0
"""Seconds that the result of a task that has ended may take to come."""


class TaskFailedError(Exception):
    """A task has ended without a result: its worker is gone, or it failed, and the message says how."""


class Scheduler:
    """Hands tasks to the cluster. A task is a shard's number and the directory, and its result an error or None."""

    def __init__(self, client: Any) -> None:
        """Take a client.

        Raises:
            InvalidRequestError: It is none.
        """
        if not callable(getattr(client, "submit", None)) or not hasattr(client, "asynchronous"):
            raise refuse("cluster", f"must be a distributed.Client, not {type(client).__name__}")
        self._client = client
        self.mode: type[Async | Sync] = Async if client.asynchronous else Sync

    async def workers(self) -> int:
        """How many there are; none where nobody answers."""
        with suppress(Exception):
            return len(await self._call(self._client.nthreads))
        return 0

    def submit(self, directory: str, shard: int, key: str) -> Any:
        """Have a shard worked on; the future of its task."""
        return self._client.submit(run_shard, directory, shard, key=key, pure=False)

    async def result(self, future: Any) -> GameballError | None:
        """What a task that is done says: the error that stopped its shard early, or None.

        Raises:
            TaskFailedError: It has no result.
            TimeoutError: Its result is gone with its worker, and is being made again.
        """
        if future.status == "finished":
            result: GameballError | None = await self._call(future.result, RESULT)
            return result
        reason = f"its task was {future.status}"
        if future.status == "error":
            error = await self._call(future.exception, RESULT)
            reason = f"{type(error).__name__}: {error}"
        raise TaskFailedError(reason)

    async def cancel(self, futures: Iterable[Any]) -> None:
        """Give tasks up; those that run go on until they look at the directory."""
        with suppress(Exception):  # the cluster may be gone
            await self._call(self._client.cancel, list(futures))

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        if self.mode is Sync:
            return await asyncio.to_thread(function, *args)
        value = function(*args)
        return await value if inspect.isawaitable(value) else value

"""The batches page: up to 1000 cashbacks, redemptions or balances in one request, worked on by the API.

First the pure builders, one for each endpoint; then the class whose methods hand what they build to the client.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

from attrs import evolve

from gameball.core.methods import Mode, endpoint
from gameball.core.operation import Operation, Replay, path
from gameball.core.polling import NoProgressError, NotInTimeError, poll
from gameball.core.timestamps import stamps
from gameball.errors import (
    BatchTimeoutError,
    ConcurrentRequestError,
    ConnectionFailedError,
    GameballError,
    RateLimitedError,
    ServerError,
    TimedOutError,
    UnexpectedAnswerError,
)
from gameball.models.batches import BATCH_ROWS, Batch, BatchId
from gameball.models.shared import KeyedRequest, check_text, refuse
from gameball.models.transactions import CashbackRequest, RedeemRequest
from gameball.resources.resource import Resource

MISSED: Final = (
    ConcurrentRequestError,
    ConnectionFailedError,
    RateLimitedError,
    ServerError,
    TimedOutError,
    UnexpectedAnswerError,
)
"""How a poll can fail that says nothing about the batch."""

# --- builders


def start_cashback(rows: Iterable[CashbackRequest]) -> Operation[BatchId]:
    """POST /integrations/batch, operation cashback."""
    return _start("cashback", _keyed_rows(rows, CashbackRequest))


def start_redeem(rows: Iterable[RedeemRequest]) -> Operation[BatchId]:
    """POST /integrations/batch, operation redeem."""
    return _start("redeem", _keyed_rows(rows, RedeemRequest))


def start_balance(player_unique_ids: Iterable[str]) -> Operation[BatchId]:
    """POST /integrations/batch, operation balance."""
    players = _entries("player_unique_ids", player_unique_ids)
    for number, player in enumerate(players):
        check_text(f"player_unique_ids[{number}]", player)
    return _start("balance", {"playerUniqueIds": list(players)})


def get(batch_id: str) -> Operation[Batch]:
    """GET /integrations/batch/{batchId}."""
    return Operation(
        name="batches.get",
        method="GET",
        path=path("/integrations/batch/{batch_id}", batch_id=batch_id),
        returns=Batch,
        replay=Replay.SAFE,
    )


def stop(batch_id: str) -> Operation[None]:
    """DELETE /integrations/batch/{batchId}."""
    return Operation(
        name="batches.stop",
        method="DELETE",
        path=path("/integrations/batch/{batch_id}", batch_id=batch_id),
        returns=type(None),
        replay=Replay.SAFE,
        not_found_means_done=True,
        check="stopping it again is safe",
    )


def _start(operation: str, body: Any) -> Operation[BatchId]:
    return Operation(
        name="batches.start",
        method="POST",
        path="/integrations/batch",
        body={"method": "POST", "operation": operation, "params": {}, "body": body},
        returns=BatchId,
        replay=Replay.NEVER,
        check="look for the rows' effects (transactions.list for their ids) before starting another",
    )


def _keyed_rows(rows: Iterable[Any], kind: type[KeyedRequest]) -> list[KeyedRequest]:
    found = _entries("rows", rows)
    first: dict[str, int] = {}
    for number, row in enumerate(found):
        if not isinstance(row, kind):
            raise refuse(f"rows[{number}]", f"must be a {kind.__name__}, not {type(row).__name__}")
        before = first.setdefault(row.transaction_id, number)
        if before != number:
            raise refuse(f"rows[{number}].transaction_id", f"is the same as in rows[{before}]; it is taken only once")
    return [row if row.transaction_time else row.at(time) for row, time in zip(found, stamps(len(found)), strict=True)]


def _entries(name: str, given: Iterable[Any]) -> list[Any]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise refuse(name, f"must be several, not one {type(given).__name__}")
    entries = list(islice(given, BATCH_ROWS + 1))
    if not 1 <= len(entries) <= BATCH_ROWS:
        raise refuse(name, f"must be 1 to {BATCH_ROWS} entries, not {'more' if entries else 0}")
    return entries


# --- the methods


class Batches(Resource[Mode]):
    """Hand many rows over at once, and follow what becomes of them.

    API page: Batches (for GURU accounts). A batch has no id of yours: when the answer to its start does not come, it is
    never started again by itself, and raises OutcomeUnknownError.
    """

    @endpoint
    async def start_cashback(self, rows: Iterable[CashbackRequest]) -> str:
        """Start rewarding many payments, and give the batch's id.

        API page: Batches, POST Start Batch Operation.

        Args:
            rows: 1 to 1000, each with a transaction id of its own.

        Raises:
            OutcomeUnknownError: It may have been started, and no answer says so.
        """
        return await self._send(start_cashback(rows))

    @endpoint
    async def start_redeem(self, rows: Iterable[RedeemRequest]) -> str:
        """Start redeeming for many players, and give the batch's id.

        API page: Batches, POST Start Batch Operation.

        Args:
            rows: 1 to 1000, each with a transaction id of its own.

        Raises:
            OutcomeUnknownError: It may have been started, and no answer says so.
        """
        return await self._send(start_redeem(rows))

    @endpoint
    async def start_balance(self, player_unique_ids: Iterable[str]) -> str:
        """Start asking for many players' balances, and give the batch's id.

        API page: Batches, POST Start Batch Operation.

        Args:
            player_unique_ids: 1 to 1000.

        Raises:
            OutcomeUnknownError: It may have been started, and no answer says so.
        """
        return await self._send(start_balance(player_unique_ids))

    @endpoint
    async def get(self, batch_id: str) -> Batch:
        """Read how far a batch is, and what became of its rows so far.

        API page: Batches, GET Get Batch Operation.

        Args:
            batch_id: What its start gave.

        Raises:
            NotFoundError: There is no such batch.
        """
        return evolve(await self._send(get(batch_id)), batch_id=batch_id)

    @endpoint
    async def stop(self, batch_id: str) -> None:
        """Stop a batch: rows not worked on yet never will be.

        API page: Batches, DELETE Stop Batch Operation.

        Args:
            batch_id: What its start gave.

        Raises:
            NotFoundError: There is no such batch.
        """
        await self._send(stop(batch_id))

    @endpoint
    async def wait(
        self, batch_id: str, *, timeout: float | None = None, on_progress: Callable[[Batch], object] | None = None
    ) -> Batch:
        """Wait until a batch is finished, stopped or failed, asking at growing intervals (0.5 s to 10 s).

        API page: Batches, GET Get Batch Operation. To wait only reads: when it ends early (the timeout, a
        cancellation, Ctrl-C) the batch goes on, and can be waited for again.

        Args:
            batch_id: What its start gave.
            timeout: Seconds to wait altogether; without it, as long as the batch makes progress.
            on_progress: Called with each state that is read, in the caller's own thread.

        Raises:
            BatchTimeoutError: The timeout ran out, or nothing changed for ten minutes; the batch goes on.
            NotFoundError: There is no such batch.
        """
        if timeout is not None and (not isinstance(timeout, int | float) or not timeout > 0):
            raise refuse("timeout", f"must be a positive number of seconds, not {timeout!r}")
        operation = get(batch_id)

        async def read() -> Batch:
            return evolve(await self._send(operation), batch_id=batch_id)

        try:
            return await poll(
                read,
                done=lambda batch: batch.status.terminal,
                missed=MISSED,
                waits=self._waits,
                timeout=timeout,
                on_value=on_progress,
            )
        except NotInTimeError:
            reason = f"was not done after {timeout} s"
        except NoProgressError as stalled:
            reason = f'has had no progress for {self._waits.no_progress:g} s (its status is "{stalled.value.status}")'
        except GameballError:
            raise
        except BaseException as error:
            error.add_note(f"batch {batch_id} goes on at the API; batches.stop() would end it")
            raise
        raise BatchTimeoutError(f"batch {batch_id} {reason}; it goes on at the API", operation="batches.wait")

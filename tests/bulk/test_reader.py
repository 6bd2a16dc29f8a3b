"""Rows from a thread: handed on as they come, and none left behind."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from gameball import CashbackRequest
from gameball.bulk.reader import CHUNK, Reader, reader_of
from gameball.core.methods import Async
from tests.support.bulk_api import pay, pays


async def test_an_end_of_reading_that_finds_all_rows_taken_is_not_the_end_of_the_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread has handed a row on, and is about to pause: the row is taken before the thread gets there."""
    taken = threading.Event()

    def late() -> float:
        taken.wait(5)
        time.sleep(0.05)
        return 1e9

    clock: list[Callable[[], float]] = [lambda: 0.0, late]
    monkeypatch.setattr("gameball.bulk.reader.monotonic", lambda: clock.pop(0)() if clock else 0.0)
    rows = reader_of(pays(2), Async, (CashbackRequest,))
    first = await rows.read()
    taken.set()
    second = await rows.read()
    end = await rows.read()
    await rows.close()

    assert [[row.transaction_id for row in chunk] for chunk in (first, second, end)] == [["t0"], ["t1"], []]


async def test_as_many_rows_are_read_as_are_asked_for() -> None:
    rows = reader_of(list(pays(1000)), Async, (CashbackRequest,))
    assert [len(await rows.read(700)), len(await rows.read()), len(await rows.read(700))] == [700, CHUNK, 44]
    await rows.close()


async def test_an_async_source_is_walked_no_further_than_is_asked_for() -> None:
    walked = 0

    async def source() -> AsyncIterator[CashbackRequest]:
        nonlocal walked
        for row in pays(10_000):
            walked += 1
            yield row

    rows = reader_of(source(), Async, (CashbackRequest,))
    counts = [(len(await rows.read(most)), walked) for most in (300, 400)]
    await rows.close()

    assert counts == [(300, 300), (400, 700)]


async def read_all(rows: Reader) -> int:
    count = 0
    while chunk := await rows.read():
        count += len(chunk)
    return count


async def test_all_rows_come_in_order_however_long_the_thread_takes() -> None:
    rows = reader_of(pays(5000), Async, (CashbackRequest,))
    assert await read_all(rows) == 5000
    await rows.close()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, LookupError])
async def test_whatever_a_source_raises_comes_after_the_rows_before_it(error: type[BaseException]) -> None:
    def source() -> Iterator[CashbackRequest]:
        yield pay(0)
        raise error

    rows = reader_of(source(), Async, (CashbackRequest,))
    assert len(await rows.read()) == 1
    with pytest.raises(error):
        await rows.read()
    await rows.close()


async def test_a_read_that_is_cancelled_may_end_later() -> None:
    """The thread comes back to a future that nobody waits for."""
    goes_on = threading.Event()

    def source() -> Iterator[CashbackRequest]:
        goes_on.wait(5)
        yield pay(0)

    rows = reader_of(source(), Async, (CashbackRequest,))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rows.read(), 0.02)
    goes_on.set()
    assert len(await rows.read()) == 1
    await rows.close()

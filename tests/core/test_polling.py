"""Reading again and again until it is done: when it reads, what it reports, and how it ends."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

import pytest

from gameball.core import loop_thread, polling
from gameball.core.polling import MOST_MISSED, NoProgressError, NotInTimeError, poll
from gameball.core.waits import STANDARD, Waits


class MissedError(Exception):
    """A poll that says nothing."""


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between two polls, which take no time."""
    waits: list[float] = []
    genuine = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await genuine(0)

    monkeypatch.setattr(polling.asyncio, "sleep", sleep)  # type: ignore[attr-defined]  # the module's own import
    return waits


def reads(values: Iterable[Any]) -> Callable[[], Any]:
    left = iter(values)

    async def read() -> Any:
        value = next(left)
        if isinstance(value, Exception):
            raise value
        return value

    return read


async def until(values: Iterable[Any], **options: Any) -> Any:
    settings: dict[str, Any] = {
        "done": lambda value: value == "end",
        "missed": (MissedError,),
        "waits": STANDARD,
    }
    return await poll(reads(values), **settings | options)


async def test_what_is_done_at_once_is_not_waited_for(slept: list[float]) -> None:
    assert await until(["end"]) == "end"
    assert slept == []


async def test_the_waits_grow_from_half_a_second_to_ten(slept: list[float]) -> None:
    assert await until([1, 2, 3, 4, 5, 6, 7, "end"]) == "end"
    assert slept == [0.5, 1, 2, 4, 8, 10, 10]


async def test_everything_that_is_read_is_reported_in_its_order(slept: list[float]) -> None:
    seen: list[Any] = []
    await until([1, 2, "end"], on_value=seen.append)

    assert seen == [1, 2, "end"]
    assert len(slept) == 2


async def test_missed_polls_are_survived_unless_they_are_too_many_in_a_row(slept: list[float]) -> None:
    few = [MissedError()] * (MOST_MISSED - 1)
    seen: list[Any] = []

    assert await until([*few, 1, *few, "end"], on_value=seen.append) == "end"
    assert seen == [1, "end"]
    assert len(slept) == 2 * MOST_MISSED - 1
    with pytest.raises(MissedError):
        await until([1, *[MissedError()] * MOST_MISSED])


async def test_any_other_error_ends_it_at_once(slept: list[float]) -> None:
    with pytest.raises(LookupError):
        await until([LookupError()])
    assert slept == []


async def test_it_ends_in_time() -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(NotInTimeError):
        await until(range(9), timeout=0.05)
    assert asyncio.get_running_loop().time() - began < 0.4


@pytest.mark.parametrize("same", [1, "cancelled", None], ids=["a number", "a word", "nothing"])
async def test_it_ends_when_nothing_changes_for_too_long(same: Any) -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(NoProgressError) as stalled:
        await until(repeat(same), waits=Waits(no_progress=0.1))

    assert stalled.value.value == same
    assert asyncio.get_running_loop().time() - began < 5


async def test_whatever_changes_is_progress(monkeypatch: pytest.MonkeyPatch, slept: list[float]) -> None:
    now = 0.0
    values = iter([1, 1, 2, 2, 3, 3, 1, 1, "end"])

    async def read() -> Any:
        nonlocal now
        now += 10
        return next(values)

    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    assert await poll(read, done=lambda value: value == "end", missed=(), waits=Waits(no_progress=15)) == "end"
    assert len(slept) == 8


async def test_a_timeout_of_the_read_is_not_taken_for_its_own(slept: list[float]) -> None:
    with pytest.raises(TimeoutError):
        await until([TimeoutError()])
    assert slept == []


async def test_an_error_in_on_value_ends_it(slept: list[float]) -> None:
    def fail(_: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await until([1, 2], on_value=fail)
    assert slept == []


@pytest.mark.usefixtures("slept")
def test_a_plain_caller_gets_values_in_its_own_thread() -> None:
    seen: list[tuple[Any, str]] = []
    thread = threading.Thread(
        target=lambda: loop_thread.run(
            lambda: until([1, "end"], on_value=lambda value: seen.append((value, threading.current_thread().name)))
        ),
        name="the caller's",
    )
    thread.start()
    thread.join()

    assert seen == [(1, "the caller's"), ("end", "the caller's")]


@pytest.mark.usefixtures("slept")
def test_an_error_in_on_value_comes_through_a_plain_call_too() -> None:
    def fail(_: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        loop_thread.run(lambda: until([1, 2], on_value=fail))

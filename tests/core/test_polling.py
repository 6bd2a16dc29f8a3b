"""Asking again and again until it is done: when it asks, what it tells, and how it ends."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from gameball.core import loop_thread, polling
from gameball.core.polling import LOST_POLLS, poll


class LostError(Exception):
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
        "timeout": 5,
        "tell": None,
        "missed": (LostError,),
    }
    return await poll(reads(values), **settings | options)


async def test_what_is_done_at_once_is_not_waited_for(slept: list[float]) -> None:
    assert await until(["end"]) == "end"
    assert slept == []


async def test_the_waits_grow_from_half_a_second_to_ten(slept: list[float]) -> None:
    assert await until([1, 2, 3, 4, 5, 6, 7, "end"]) == "end"
    assert slept == [0.5, 1, 2, 4, 8, 10, 10]


async def test_everything_that_is_read_is_told_in_its_order(slept: list[float]) -> None:
    seen: list[Any] = []
    await until([1, 2, "end"], tell=seen.append)

    assert seen == [1, 2, "end"]
    assert len(slept) == 2


async def test_lost_polls_are_survived_unless_they_are_too_many_in_a_row(slept: list[float]) -> None:
    few = [LostError()] * (LOST_POLLS - 1)
    seen: list[Any] = []

    assert await until([*few, 1, *few, "end"], tell=seen.append) == "end"
    assert seen == [1, "end"]
    assert len(slept) == 2 * LOST_POLLS - 1
    with pytest.raises(LostError):
        await until([1, *[LostError()] * LOST_POLLS])


async def test_any_other_error_ends_it_at_once(slept: list[float]) -> None:
    with pytest.raises(LookupError):
        await until([LookupError()])
    assert slept == []


async def test_it_ends_in_time() -> None:
    began = asyncio.get_running_loop().time()
    assert await until([1] * 9, timeout=0.05) is None
    assert asyncio.get_running_loop().time() - began < 0.4


async def test_a_timeout_of_the_read_itself_is_not_taken_for_its_own(slept: list[float]) -> None:
    with pytest.raises(TimeoutError):
        await until([TimeoutError()])
    assert slept == []


async def test_an_error_of_the_one_who_is_told_ends_it(slept: list[float]) -> None:
    def fail(_: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await until([1, 2], tell=fail)
    assert slept == []


@pytest.mark.usefixtures("slept")
def test_waited_for_plainly_it_tells_in_the_callers_thread() -> None:
    told: list[tuple[Any, str]] = []
    thread = threading.Thread(
        target=lambda: loop_thread.run(
            until, [1, "end"], tell=lambda value: told.append((value, threading.current_thread().name))
        ),
        name="the caller's",
    )
    thread.start()
    thread.join()

    assert told == [(1, "the caller's"), ("end", "the caller's")]


@pytest.mark.usefixtures("slept")
def test_an_error_of_the_one_who_is_told_comes_through_plainly_too() -> None:
    def fail(_: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        loop_thread.run(until, [1, 2], tell=fail)

"""Contenders side by side: in turns, for several rounds, so that what disturbs one disturbs them all."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack, contextmanager
from statistics import median
from typing import Final, TypeAlias

from attrs import field, frozen

Work: TypeAlias = Callable[[int], object]
"""Does that many units of work, one unit being a call, a row, a page."""

Call: TypeAlias = Callable[[int], object]
"""Makes one call, given its number."""

AsyncCall: TypeAlias = Callable[[int], Awaitable[object]]
"""The same, awaited."""


@frozen
class Effort:
    """How long to measure.

    Attributes:
        rounds: How many times each contender has its turn.
        seconds: How long a turn is to take.
        quick: Whether to see that all works rather than to get good figures.
    """

    rounds: int
    seconds: float
    quick: bool = False

    def of(self, full: int, quick: int) -> int:
        """A size that does not follow from the time it is to take."""
        return quick if self.quick else full


FULL: Final = Effort(rounds=9, seconds=0.5)
QUICK: Final = Effort(rounds=3, seconds=0.08, quick=True)


@frozen
class Contender:
    """One way to do the work. Opening it gives the work; a peer that is not installed raises ModuleNotFoundError."""

    name: str
    open: Callable[[], AbstractContextManager[Work]]


@frozen
class Turn:
    """Seconds for one unit of work: of this process on a core, all threads together, and on the clock."""

    cpu: float
    wall: float


@frozen
class Measured:
    """A contender's turns, in the order of the rounds."""

    name: str
    turns: Sequence[Turn] = field(repr=False)

    @property
    def cpu(self) -> float:
        """Median over the rounds."""
        return median(turn.cpu for turn in self.turns)

    @property
    def wall(self) -> float:
        """Median over the rounds."""
        return median(turn.wall for turn in self.turns)

    @property
    def spread(self) -> float:
        """From the least to the most CPU of a turn, as a share of the median."""
        return (max(turn.cpu for turn in self.turns) - min(turn.cpu for turn in self.turns)) / (self.cpu or 1)

    def cpu_against(self, other: "Measured") -> float:
        """How many times the other's CPU this one takes: the median of the rounds' ratios."""
        return median(a.cpu / b.cpu for a, b in zip(self.turns, other.turns, strict=True))

    def wall_against(self, other: "Measured") -> float:
        """The same for the clock."""
        return median(a.wall / b.wall for a, b in zip(self.turns, other.turns, strict=True))


@frozen
class Comparison:
    """What was measured, and who was not there to be measured."""

    measured: Sequence[Measured]
    absent: Sequence[str]
    """Names of packages that are not installed."""

    def __getitem__(self, name: str) -> Measured:
        return next(one for one in self.measured if one.name == name)

    def __contains__(self, name: str) -> bool:
        return any(one.name == name for one in self.measured)


def side_by_side(
    contenders: Sequence[Contender], effort: Effort, *, step: int = 1, most: int | None = None
) -> Comparison:
    """Measure the contenders in turns.

    Args:
        contenders: The first is the one that the others are compared with.
        effort: How long.
        step: A turn is a multiple of so many units of work.
        most: Units of work in a turn, however fast.
    """
    works: dict[str, Work] = {}
    absent: list[str] = []
    with ExitStack() as stack:
        for contender in contenders:
            try:
                works[contender.name] = stack.enter_context(contender.open())
            except ModuleNotFoundError as error:
                absent.append(str(error.name))
        counts = {name: _filling(work, effort.seconds, step, most) for name, work in works.items()}
        turns: dict[str, list[Turn]] = {name: [] for name in works}
        for _ in range(effort.rounds):
            for name, work in works.items():
                turns[name].append(turn(work, counts[name]))
    return Comparison([Measured(name, taken) for name, taken in turns.items()], absent)


def turn(work: Work, count: int) -> Turn:
    """Do that many units of work, and tell what one took."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work(count)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Turn(cpu / count, wall / count)


def _filling(work: Work, seconds: float, step: int, most: int | None) -> int:
    """How many units of work fill a turn. What is opened or loaded at first use is so before the first turn."""
    work(step)
    count = step
    while (spent := turn(work, count).wall * count) < seconds / 5 and (most is None or count < most):
        count *= 2
    count = step * max(1, round(count / step * seconds / spent))
    return count if most is None else min(most, count)


# --- calls as work


def awaited(
    open_call: Callable[[], AbstractAsyncContextManager[AsyncCall]], concurrency: int
) -> Callable[[], AbstractContextManager[Work]]:
    """Calls on a loop of their own, that many at a time: workers that pull from one iterator."""

    async def work(call: AsyncCall, count: int) -> None:
        numbers = iter(range(count))

        async def pull() -> None:
            for number in numbers:
                await call(number)

        await asyncio.gather(*(pull() for _ in range(concurrency)))

    @contextmanager
    def opened() -> Iterator[Work]:
        with asyncio.Runner() as runner:
            stack = AsyncExitStack()
            call = runner.run(stack.enter_async_context(open_call()))
            try:
                yield lambda count: runner.run(work(call, count))
            finally:
                runner.run(stack.aclose())

    return opened


def one_by_one(
    open_call: Callable[[], AbstractContextManager[Call]],
) -> Callable[[], AbstractContextManager[Work]]:
    """Calls one after the other."""

    @contextmanager
    def opened() -> Iterator[Work]:
        with open_call() as call:

            def work(count: int) -> None:
                for number in range(count):
                    call(number)

            yield work

    return opened


def in_threads(
    open_calls: Callable[[], AbstractContextManager[Sequence[Call]]],
) -> Callable[[], AbstractContextManager[Work]]:
    """Calls in threads, each of which has one of the given ways to make them."""

    @contextmanager
    def opened() -> Iterator[Work]:
        with open_calls() as calls, ThreadPoolExecutor(len(calls)) as pool:

            def work(count: int) -> None:
                numbers = iter(range(count))

                def pull(call: Call) -> None:
                    for number in numbers:
                        call(number)

                for _ in pool.map(pull, calls):
                    pass

            yield work

    return opened


def repeated(function: Callable[[], object]) -> Callable[[], AbstractContextManager[Work]]:
    """A function of nothing, again and again."""

    def work(_: int) -> object:
        return function()

    @contextmanager
    def nothing_to_open() -> Iterator[Call]:
        yield work

    return one_by_one(nothing_to_open)

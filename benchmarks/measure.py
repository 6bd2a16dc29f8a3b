"""Contenders side by side: in turns, for several rounds, so that what disturbs one disturbs them all."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from statistics import quantiles
from typing import Any, Final, Self, TypeAlias

from attrs import field, frozen

Work: TypeAlias = Callable[[int], object]
"""Does that many units of work, one unit being a call, a row, a page."""

AsyncWork: TypeAlias = Callable[[int], Coroutine[Any, Any, object]]
"""The same, awaited."""

Call: TypeAlias = Callable[[int], object]
"""Makes one call, given its number."""

AsyncCall: TypeAlias = Callable[[int], Awaitable[object]]
"""The same, awaited."""

Opened: TypeAlias = Callable[[], AbstractContextManager[Work]]
"""Opens what the work needs, and gives the work."""

FindFactory: TypeAlias = Callable[[], Callable[[], asyncio.AbstractEventLoop]]
"""Gives what makes event loops; where that is not installed, it raises ModuleNotFoundError."""


@frozen
class Effort:
    """How long to measure.

    Attributes:
        rounds: How many times each contender has its turn.
        seconds: How long a turn is to take.
        quick: Whether to see that all works rather than to get good figures.
        million: Whether a million rows are wanted, which take minutes.
    """

    rounds: int
    seconds: float
    quick: bool = False
    million: bool = False

    def of(self, full: int, quick: int) -> int:
        """A size that does not follow from the time it is to take."""
        return quick if self.quick else full


FULL: Final = Effort(rounds=11, seconds=0.2)
QUICK: Final = Effort(rounds=2, seconds=0.05, quick=True)


@frozen
class Contender:
    """One way to do the work. Where a peer is not installed, opening it raises ModuleNotFoundError."""

    name: str
    open: Opened


@frozen
class Figure:
    """What several rounds agree on: their median, and the quartiles on both sides of it."""

    middle: float
    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float]) -> Self:
        """Of these values."""
        low, middle, high = quantiles(values, method="inclusive") if len(values) > 1 else [*values] * 3
        return cls(middle, low, high)

    @property
    def spread(self) -> float:
        """From quartile to quartile, as a share of the median."""
        return (self.high - self.low) / self.middle if self.middle else 0.0


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
    def cpu(self) -> Figure:
        """Seconds for one unit of work, on a core."""
        return Figure.over([turn.cpu for turn in self.turns])

    @property
    def wall(self) -> Figure:
        """Seconds for one unit of work, on the clock."""
        return Figure.over([turn.wall for turn in self.turns])

    def cpu_against(self, other: "Measured") -> Figure:
        """How many times the other's CPU this one takes, round by round."""
        return Figure.over([a.cpu / b.cpu for a, b in zip(self.turns, other.turns, strict=True)])

    def wall_against(self, other: "Measured") -> Figure:
        """The same for the clock."""
        return Figure.over([a.wall / b.wall for a, b in zip(self.turns, other.turns, strict=True)])


@frozen
class Comparison:
    """What was measured, and who was not there to be measured."""

    measured: Sequence[Measured]
    absent: Sequence[str]
    """Names of packages that are not installed."""

    def get(self, name: str) -> Measured | None:
        """The contender of that name, unless it is absent."""
        return next((one for one in self.measured if one.name == name), None)


def side_by_side(contenders: Sequence[Contender], effort: Effort, *, step: int = 1, count: int = 0) -> Comparison:
    """Measure the contenders in turns.

    Args:
        contenders: The first is the one that the others are compared with.
        effort: How many rounds, and how long a turn.
        step: A turn is a multiple of so many units of work.
        count: Units of work in every turn, where it is not to be as many as fill it.
    """
    works: dict[str, Work] = {}
    absent: list[str] = []
    with ExitStack() as stack:
        for contender in contenders:
            try:
                works[contender.name] = stack.enter_context(contender.open())
            except ModuleNotFoundError as error:
                absent.append(str(error.name))
        for work in works.values():  # what is opened or loaded at first use is so before the first turn
            work(step)
        counts = {name: count or _filling(work, effort.seconds, step) for name, work in works.items()}
        turns: dict[str, list[Turn]] = {name: [] for name in works}
        order = list(works)
        for _ in range(effort.rounds):
            for name in order:
                turns[name].append(turn(works[name], counts[name]))
            order.reverse()  # else the same ones would always find the processor's caches full of threads
    return Comparison([Measured(name, taken) for name, taken in turns.items()], absent)


def turn(work: Work, count: int) -> Turn:
    """Do that many units of work, and measure what one took."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work(count)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Turn(cpu / count, wall / count)


def _filling(work: Work, seconds: float, step: int) -> int:
    """How many units of work fill a turn."""
    count = step
    while (spent := turn(work, count).wall * count) < seconds / 5:
        count *= 2
    return step * max(1, round(count / step * seconds / spent))


# --- ways to do the work


def on_a_loop(
    open_work: Callable[[], AbstractAsyncContextManager[AsyncWork]], find: FindFactory | None = None
) -> Opened:
    """Work that is awaited, on a loop of its own: asyncio's, or what is found when it is opened."""

    @contextmanager
    def opened() -> Iterator[Work]:
        with asyncio.Runner(loop_factory=find and find()) as runner:
            stack = AsyncExitStack()
            work = runner.run(stack.enter_async_context(open_work()))
            try:
                yield lambda count: runner.run(work(count))
            finally:
                runner.run(stack.aclose())

    return opened


def awaited(
    open_call: Callable[[], AbstractAsyncContextManager[AsyncCall]], concurrency: int, find: FindFactory | None = None
) -> Opened:
    """Calls that are awaited, that many at a time: workers that pull from one iterator."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncWork]:
        async with open_call() as call:

            async def work(count: int) -> None:
                numbers = iter(range(count))

                async def pull() -> None:
                    for number in numbers:
                        await call(number)

                await asyncio.gather(*(pull() for _ in range(concurrency)))

            yield work

    return on_a_loop(opened, find)


def one_by_one(open_call: Callable[[], AbstractContextManager[Call]]) -> Opened:
    """Calls one after the other."""

    @contextmanager
    def opened() -> Iterator[Work]:
        with open_call() as call:

            def work(count: int) -> None:
                for number in range(count):
                    call(number)

            yield work

    return opened


def in_threads(open_calls: Callable[[], AbstractContextManager[Sequence[Call]]]) -> Opened:
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


def repeated(function: Callable[[], object]) -> Opened:
    """A function of nothing, again and again."""

    def work(count: int) -> None:
        for _ in range(count):
            function()

    return lambda: nullcontext(work)

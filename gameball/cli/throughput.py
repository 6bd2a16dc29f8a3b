"""How fast a run goes: rows settled in a second, lately, and a sparkline of the last minute."""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from attrs import define, field, frozen
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from gameball.settings import RateLimit

SHOWN: Final = 60
"""Seconds, or bars of a sparkline."""

RECENT: Final = 10.0
"""Seconds over which rows are counted for the rate."""

BARS: Final = "▁▂▃▄▅▆▇█"
ASCII_BARS: Final = "_.:-=+*#"
"""The same for a terminal that shows nothing else."""


@frozen
class _Mark:
    seconds: float
    settled: int


@define
class Throughput:
    """What is known of a run's speed, from how far it was at some moments."""

    _marks: deque[_Mark] = field(factory=lambda: deque[_Mark](maxlen=SHOWN + 1))
    """A second apart at least."""
    _now: _Mark | None = None

    def note(self, seconds: float, settled: int) -> None:
        """Take into account that so many rows had ended at this time."""
        self._now = _Mark(seconds, settled)
        if not self._marks or seconds - self._marks[-1].seconds >= 1:
            self._marks.append(self._now)

    @property
    def rate(self) -> float | None:
        """Rows that ended in a second, over the last ten of them; None before any time has passed."""
        if (now := self._now) is None or now == self._marks[0]:
            return None
        first = next((one for one in reversed(self._marks) if one.seconds <= now.seconds - RECENT), self._marks[0])
        return _rate(first, now)

    @property
    def rates(self) -> list[float]:
        """Rows that ended in a second, second by second."""
        return [_rate(before, after) for before, after in pairwise(self._marks)]


def _rate(before: _Mark, after: _Mark) -> float:
    seconds = after.seconds - before.seconds
    return (after.settled - before.settled) / seconds if seconds > 0 else 0.0


def least_seconds(limit: RateLimit | None, requests: float) -> float:
    """The least time that so many requests take."""
    return max(requests / most * seconds for most, seconds in limit.windows) if limit is not None else 0.0


@frozen
class Sparkline:
    """Numbers as bars of one line, of the last ones, as many as fit."""

    values: Sequence[float]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render it."""
        bars = ASCII_BARS if options.ascii_only else BARS
        values = self.values[-options.max_width :]
        most = max(values, default=0.0)
        scale = (len(bars) - 1) / most if most else 0.0
        yield Text("".join(bars[round(value * scale)] for value in values), style="cyan", end="")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Measure it."""
        return Measurement(1, max(1, min(len(self.values), options.max_width)))

"""How many requests arrive: their number, and how many a second."""

from collections import deque
from decimal import Decimal

from gameball.sandbox.clock import steady

_SPAN = 10
"""Seconds that a rate is taken over."""


class Traffic:
    """Counts requests by the second in which they arrive, of real time: the sandbox's own clock jumps."""

    def __init__(self) -> None:
        self._total = 0
        self._seconds: deque[tuple[int, int]] = deque(maxlen=_SPAN + 1)

    @property
    def total(self) -> int:
        """Requests since the start, or since the last reset."""
        return self._total

    @property
    def per_second(self) -> Decimal:
        """The mean of the last ten seconds, to one digit."""
        first = int(steady()) - _SPAN
        recent = sum(count for second, count in list(self._seconds) if second > first)
        return round(Decimal(recent) / _SPAN, 1)

    def count(self) -> int:
        """Count one request; its number, from 1."""
        self._total += 1
        second = int(steady())
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1] = second, self._seconds[-1][1] + 1
        else:
            self._seconds.append((second, 1))
        return self._total

    def forget(self) -> None:
        """Count from 1 again."""
        self._total = 0
        self._seconds.clear()

"""The sandbox's own time, and how a moment is kept as text."""

import sqlite3
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

_END = datetime(9001, 1, 1, tzinfo=UTC)
_TOO_FAR = "must not go beyond the year 9000, with which the clock ends"


if sys.platform == "linux":

    def steady() -> float:
        """Seconds that only go forwards, whatever a test has done to Python's clocks (freezegun, time-machine)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

elif sys.platform == "win32":
    steady = time.monotonic
else:

    def steady() -> float:
        """Seconds that only go forwards, whatever a test has done to Python's clocks (freezegun, time-machine)."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)


class Clock:
    """Real time plus whatever it has been advanced by: ten minutes pass at once.

    It is the sandbox's own: a test that freezes the time of its program leaves it running.
    """

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._start = _real_time()
        self._started = steady()

    def now(self) -> datetime:
        """The present moment in the sandbox, aware, in UTC."""
        return self._start + timedelta(seconds=steady() - self._started) + self._ahead

    @property
    def ahead(self) -> timedelta:
        """How far it is ahead of real time."""
        return self._ahead

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
        """Let that much time pass, and say what time it is then.

        Raises:
            ValueError: for a step backwards, or beyond the year 9000.
        """
        try:
            return self._pass(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))
        except OverflowError:
            raise ValueError(_TOO_FAR) from None

    def set(self, moment: datetime) -> datetime:
        """Let time pass until that moment, and go on from it.

        Raises:
            ValueError: for a moment without a time zone, in the past, or beyond the year 9000.
        """
        if moment.tzinfo is None:
            raise ValueError("must be timezone-aware, like datetime(2030, 1, 1, tzinfo=UTC)")
        return self._pass(moment - self.now())

    def reset(self) -> None:
        """Go back to real time. Only an emptied ledger bears that: see `Sandbox.reset`."""
        self._ahead = timedelta()

    def _pass(self, step: timedelta) -> datetime:
        if step < timedelta():
            raise ValueError("must not go back: time only passes forwards")
        moment = self.now() + step
        if moment >= _END:
            raise ValueError(_TOO_FAR)
        self._ahead += step
        return moment


def stored(moment: datetime) -> str:
    """A moment as UTC text of one fixed width, so that text sorts as time does."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def loaded(text: str) -> datetime:
    """The moment that `stored` wrote."""
    return datetime.fromisoformat(text)


def _real_time() -> datetime:
    # No test's patch of Python's clocks reaches sqlite, which reads the system's.
    with closing(sqlite3.connect(":memory:")) as sql:
        return loaded(sql.execute("select strftime('%Y-%m-%dT%H:%M:%fZ', 'now')").fetchone()[0])

"""The sandbox's own time, and how a moment is kept as text."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Real time plus whatever it has been advanced by: ten minutes pass at once."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        """The present moment in the sandbox, aware, in UTC."""
        return datetime.now(UTC) + self._ahead

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
        """Let that much time pass, and say what time it is then.

        Raises:
            ValueError: for a step backwards.
        """
        step = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if step < timedelta():
            raise ValueError("time only passes forwards: advance() takes no negative step")
        moment = self.now() + step
        self._ahead += step
        return moment


def stored(moment: datetime) -> str:
    """A moment as UTC text of one fixed width, so that text sorts as time does."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def loaded(text: str) -> datetime:
    """The moment that `stored` wrote."""
    return datetime.fromisoformat(text)

"""What asks a command to end: Ctrl-C, SIGTERM, and SIGHUP of a terminal that is closed."""

import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Self


class Interrupts(AbstractContextManager["Interrupts"]):
    """The handler of these signals: in a run the first one sets an event, a second one ends the run at once.

    Outside a run one of them ends the command.
    """

    def __init__(self) -> None:
        self._stop: threading.Event | None = None
        self._before = {number: signal.getsignal(number) for number in self._numbers()}

    @staticmethod
    def _numbers() -> Iterator[signal.Signals]:
        yield signal.SIGINT
        yield signal.SIGTERM
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
            yield signal.SIGHUP

    def __enter__(self) -> Self:
        for number in self._before:
            signal.signal(number, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def stopping(self) -> Generator[threading.Event]:
        """While a run goes: the event that the first interrupt sets."""
        self._stop = threading.Event()
        try:
            yield self._stop
        finally:
            self._stop = None

    def _interrupted(self, number: int, _: FrameType | None) -> None:
        if self._stop is None or (self._stop.is_set() and number != getattr(signal, "SIGHUP", None)):
            raise KeyboardInterrupt
        self._stop.set()  # a shell may send a second SIGHUP after the terminal's own

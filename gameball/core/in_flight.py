"""Calls on their way, and the warning of those that are cut off."""

import atexit
import logging
from typing import Final, Protocol

from gameball.core import fork

logger: Final = logging.getLogger("gameball")


class Interruptible(Protocol):
    """A call that may be cut off at any time."""

    def interruption(self) -> str | None:
        """What to warn of, were the call cut off now; None where it cannot have changed anything."""


_calls: Final[set[Interruptible]] = set()


def enter(call: Interruptible) -> None:
    """Count a call as one on its way."""
    _calls.add(call)


def leave(call: Interruptible) -> None:
    """Count it no more."""
    _calls.discard(call)


def cut_off(call: Interruptible) -> str | None:
    """Log a warning of a call that is cut off, unless that was done when the interpreter ended; give its words."""
    words = call.interruption()
    if words is not None and call in _calls:
        leave(call)
        logger.warning("%s", words)
    return words


def _cut_off_all() -> None:
    # A daemon thread stands still when the interpreter ends: nothing is cancelled there, so nothing else would warn.
    for call in list(_calls):
        cut_off(call)


fork.in_child(_calls.clear)
atexit.register(_cut_off_all)

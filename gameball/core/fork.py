"""What a forked child must renew, and what it must leave alone: threads do not come along, sockets are shared."""

import os
from collections.abc import Callable
from typing import Final

_kept: Final[list[object]] = []


def in_child(renew: Callable[[], None]) -> None:
    """Have this called in every child that is forked from now on; nothing to do where there is no fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)


def keep(parents: object) -> None:
    """Keep an object of the parent process alive in a child for good.

    Its sockets and selector are shared with the parent: were it finalised here, the parent's own connections would be
    taken off its selector.
    """
    _kept.append(parents)

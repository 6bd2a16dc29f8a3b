"""What must be renewed in a forked child: threads do not come along, and locks may have been held."""

import os
from collections.abc import Callable


def in_child(renew: Callable[[], None]) -> None:
    """Have this called in every child that is forked from now on; nothing to do where there is no fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)

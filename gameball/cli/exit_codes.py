"""The exit codes of the command."""

from enum import IntEnum


class Exit(IntEnum):
    """What a command ends with."""

    APPLIED = 0
    FAILED = 1
    USAGE = 2
    PROBLEMS = 3
    """Some rows were rejected, or need a review."""
    INTERRUPTED = 130

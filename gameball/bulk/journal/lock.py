"""Who may write to a journal: one process at a time, kept so by the operating system.

The lock lies on a file of its own, `rewards.db.lock` beside `rewards.db`. A lock on the database itself would be
dropped by the first descriptor of it that anybody in the process closes. The file is never removed: whoever waits for
a removed file and whoever makes the next one would both hold "the" lock.
"""

import os
import sys
from pathlib import Path
from time import sleep
from typing import Final

from gameball.bulk.journal.schema import explained
from gameball.core import fork
from gameball.errors import JournalError

GLANCE: Final = 0.05
"""Seconds after which a lock is tried again: `holder_of()` takes it for a moment to see whether it is free."""

NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0)

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        # Far behind what is written there: a locked byte cannot be read by others.
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

    _look = _take

    def _give_back(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        # Not fcntl(): its locks belong to a process, so two runs in one process would share it.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _look(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def _give_back(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class JournalLock:
    """A journal's lock, held from construction until `release()` or the end of the process."""

    def __init__(self, journal: Path, file: Path) -> None:
        """Take it.

        Args:
            journal: What the user calls the journal.
            file: Its absolute path.

        Raises:
            JournalError: Another run holds it, or its file cannot be made.
        """
        path = file.with_name(f"{file.name}.lock")
        with explained(journal):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINKS, 0o600)
        try:
            try:
                _take(self._descriptor)
            except OSError:
                sleep(GLANCE)
                _take(self._descriptor)
        except OSError:
            holder = _holder(self._descriptor)
            os.close(self._descriptor)
            raise JournalError(f"journal {journal} is in use by {_named(holder)}") from None
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())
        _held.add(self)

    def release(self) -> None:
        """Let another run have it. Twice is fine."""
        if self in _held:
            _held.discard(self)
            # By itself: a child that was forked this moment still has the open file to which the lock belongs.
            _give_back(self._descriptor)
            os.close(self._descriptor)

    def leave_to_the_parent(self) -> None:
        """In a forked child: close the file that it shares with its parent, and keep the lock for the parent."""
        _held.discard(self)
        os.close(self._descriptor)


def holder_of(file: Path) -> str | None:
    """Which process holds a journal's lock, "" where that is not known; None if nobody does. Nothing is written."""
    try:
        descriptor = os.open(file.with_name(f"{file.name}.lock"), os.O_RDONLY | NO_LINKS)
    except OSError:  # nobody has ever run it, or not where we can see it
        return None
    try:
        _look(descriptor)
        _give_back(descriptor)
    except OSError:
        holder = _holder(descriptor)
        return holder if holder.isdecimal() else ""
    else:
        return None
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    return os.read(descriptor, 20).decode(errors="replace").strip()


def _named(holder: str) -> str:
    return f"process {holder}" if holder.isdecimal() else "another process"


_held: set[JournalLock] = set()


def _let_go_in_a_child() -> None:
    for lock in list(_held):
        lock.leave_to_the_parent()


fork.in_child(_let_go_in_a_child)

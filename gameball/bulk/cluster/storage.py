"""The directory that the submitter and all workers share: a path, or a URL that fsspec knows.

Every file in it has one writer at a time and is replaced whole, so a reader sees the old one or the new one. Where a
storage cannot promise that (sftp, say), a file may be seen cut short: then it does not parse, and whoever reads it
assumes the worst.
"""

import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import mkstemp
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from gameball.errors import JournalError
from gameball.models.shared import check_text, refuse

T = TypeVar("T")

_fsspec: Final[Any] = import_module("fsspec.core")


class SharedDirectory:
    """Small files by name, below one place."""

    def __init__(self, place: str | os.PathLike[str]) -> None:
        """Find the storage; nothing is read or written.

        Raises:
            InvalidRequestError: It is neither a path nor a URL that can be used here.
        """
        text = os.fspath(place) if isinstance(place, os.PathLike) else place
        check_text("directory", text)
        if "://" in text and urlsplit(text).password is not None:
            raise refuse("directory", "must not hold a password: it is shown to the cluster; configure fsspec instead")
        try:
            self._files, self._root = _fsspec.url_to_fs(text)
        except (ImportError, ValueError) as error:
            raise refuse("directory", f"cannot be used: {error}") from None
        self._local = "file" in self._files.protocol
        self.address: str = self._root if self._local else text
        """What names it in every process."""

    def __str__(self) -> str:
        return self.address

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None where there is none.

        Raises:
            JournalError: The storage cannot be used.
        """
        try:
            found: bytes = self._files.cat_file(f"{self._root}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as error:
            raise self._unusable(error) from error
        return found

    def read_as(self, name: str, kind: type[T]) -> T | None:
        """A file's JSON as a value of this class; None where there is none, or none that parses.

        Raises:
            JournalError: The storage cannot be used.
        """
        found = self.read(name)
        if found is not None:
            with suppress(msgspec.MsgspecError):
                return msgspec.json.decode(found, type=kind)
        return None

    def write(self, name: str, content: bytes) -> None:
        """Replace a file, or make it, with its folder; on a file system only its owner can read it.

        Raises:
            JournalError: The storage cannot be used.
        """
        try:
            if self._local:
                _replace(Path(self._root), name, content)
            else:
                self._files.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
                self._files.pipe_file(f"{self._root}/{name}", content)
        except Exception as error:
            raise self._unusable(error) from error

    def write_json(self, name: str, value: object) -> None:
        """Replace a file by a value as JSON.

        Raises:
            JournalError: The storage cannot be used.
        """
        self.write(name, msgspec.json.encode(value))

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder, in order; none where there is no such folder.

        Raises:
            JournalError: The storage cannot be used.
        """
        path = f"{self._root}/{folder}"
        try:
            self._files.invalidate_cache(path)
            found: list[str] = self._files.ls(path, detail=False)
        except FileNotFoundError:
            return []
        except Exception as error:
            raise self._unusable(error) from error
        return sorted(one.rstrip("/").rpartition("/")[2] for one in found)

    def _unusable(self, error: Exception) -> JournalError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        return JournalError(f"directory {self} cannot be used: {reason}")


def _replace(root: Path, name: str, content: bytes) -> None:
    """Write a file beside, and put it in the place of the old one once it is on the disk."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = root / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, beside = mkstemp(dir=path.parent, prefix=".")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 (it is open)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(beside).unlink()
        raise

"""The bytes of a file of rows, and the text that they are: compression, encoding, and whether they have changed.

A file is read more than once: to check it, and to send it. What was checked is what is sent: a later pass compares the
file's size, time and contents with those of the first one.
"""

import codecs
import gzip
import io
import os
import shutil
import sqlite3
import sys
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import BinaryIO, Final

from gameball.errors import printable

BLOCK: Final = 2**20
"""Bytes that are compared at a time."""

HEAD: Final = 2**16
"""Bytes from which the encoding and the format are recognised."""

GZIP: Final = b"\x1f\x8b"

OTHERS: Final = {
    b"PK\x03\x04": "is a zip archive or an Excel workbook: save it as CSV",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook: save it as CSV",
    b"%PDF": "is a PDF: export the rows as CSV",
    GZIP: "is compressed twice",
    b"SQLite format 3\0": "is a database, perhaps a journal: gameball bulk resume {}",
    b"BZh": "is compressed by bzip2: of compressed files gzip is read",
    b"\xfd7zXZ": "is compressed by xz: of compressed files gzip is read",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd: of compressed files gzip is read",
}
"""Files that hold no text, by their first bytes."""


class BadRowsError(ValueError):
    """The file cannot be used: what is wrong with it, or its first 20 bad rows, one a line, and how many more.

    Attributes:
        rows: The same rows, each with its `line`, `column`, `field` and `rule`.
    """

    def __init__(self, message: str, rows: Sequence[Mapping[str, object]] = ()) -> None:
        super().__init__(message)
        self.rows = rows


@contextmanager
def temporary_files() -> Generator[None]:
    """Name a private temporary file of sqlite's that fails.

    Raises:
        BadRowsError: It has failed.
    """
    try:
        yield
    except sqlite3.Error as error:
        sentence = f"a private temporary file cannot be used: {error}; TMPDIR names the folder for such files"
        raise BadRowsError(sentence) from None


class InputFile:
    """A file, or standard input, that can be read in several passes.

    Attributes:
        name: The file's name, without its folder.
        suffix: The ending of its name, in lower case and without that of a compression.
        compressed: Whether it is read through gzip.
        head: The beginning of its text, in bytes.
        encoding: Of its text: given, or recognised.
    """

    def __init__(self, path: str | os.PathLike[str], encoding: str | None) -> None:
        """Open it.

        Raises:
            BadRowsError: It cannot be opened, it is no text, or there is no such encoding.
        """
        standard_input = os.fspath(path) == "-"
        self.name = "standard input" if standard_input else printable(Path(path).name)
        self._path = None if standard_input else Path(path)
        self._digests: list[bytes] | None = None
        """Of each block, once a pass has read all of them."""
        self._state: tuple[int, ...] = ()
        with self._named():
            self._file = self._standard_input() if self._path is None else self._opened(self._path)
        try:
            with self.reading():
                self._file.seek(0)
                head = self._file.read(HEAD)
                self.compressed = head.startswith(GZIP)
                self.head = zlib.decompressobj(wbits=31).decompress(head, HEAD) if self.compressed else head
            self._check_is_text()
            self.suffix = Path(self.name.lower().removesuffix(".gz")).suffix
            self.encoding = _encoding_of(self.head) if encoding is None else _known(encoding)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def text(self) -> io.TextIOWrapper:
        """Begin a pass. In a UTF-8 file, bytes that are no text become surrogates; in others they are an error.

        Raises:
            BadRowsError: The file has changed since the first pass.
        """
        if self._digests is not None:
            self._check_unchanged()
        raw: BinaryIO = io.BufferedReader(_Pass(self._blocks()), BLOCK)
        stream = gzip.GzipFile(fileobj=raw) if self.compressed else raw
        errors = "surrogateescape" if self.encoding.startswith("utf-8") else "strict"
        return io.TextIOWrapper(stream, encoding=self.encoding, errors=errors, newline="")

    @contextmanager
    def reading(self) -> Generator[None]:
        """Name the file in whatever goes wrong while its text is read."""
        with self._named():
            try:
                yield
            except UnicodeError as error:
                raise BadRowsError(f"{self.name}: is not {self.encoding} text: {error}") from None
            except EOFError:
                raise BadRowsError(f"{self.name}: is cut short: its gzip data has no end") from None
            except (zlib.error, gzip.BadGzipFile) as error:
                raise BadRowsError(f"{self.name}: its gzip data is damaged: {error}") from None

    def _check_is_text(self) -> None:
        for start, sentence in OTHERS.items():
            if self.head.startswith(start):
                raise BadRowsError(f"{self.name}: {sentence.format(self.name)}")

    @contextmanager
    def _named(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise BadRowsError(f"{self._path or self.name}: {error.strerror}") from None

    def _standard_input(self) -> BinaryIO:
        if sys.stdin is None:
            raise BadRowsError(f"{self.name}: is closed")
        return self._copied(sys.stdin.buffer)

    def _opened(self, path: Path) -> BinaryIO:
        file = path.open("rb")
        if file.seekable():
            return file
        self._path = None
        with file:
            return self._copied(file)

    def _copied(self, source: BinaryIO) -> BinaryIO:
        """A private copy of what can be read only once."""
        try:
            with ExitStack() as on_failure:
                file = on_failure.enter_context(TemporaryFile())
                shutil.copyfileobj(source, file)
                on_failure.pop_all()
        except OSError as error:
            sentence = f"cannot be copied to a temporary file in {gettempdir()}: {error.strerror}"
            raise BadRowsError(f"{self.name}: {sentence}") from None
        return file

    def _blocks(self) -> Iterator[bytes]:
        """The file, block by block: those of the first pass are remembered, those of later ones compared."""
        known, digests = self._digests, list[bytes]()
        if known is None:
            self._state = self._stat(self._file.fileno())
        for number in count():
            self._file.seek(number * BLOCK)
            block = self._file.read(BLOCK)
            digest = blake2b(block, digest_size=16).digest()
            if known is None:
                digests.append(digest)
            elif digest != known[min(number, len(known) - 1)]:
                raise self._changed()
            if not block:
                self._digests = known or digests
                return
            yield block

    def _check_unchanged(self) -> None:
        if self._path is None:
            return  # a private copy
        try:
            same = self._stat(self._path) == self._stat(self._file.fileno()) == self._state
        except OSError:
            same = False
        if not same:
            raise self._changed()
        for _ in self._blocks():
            pass

    def _stat(self, file: int | Path) -> tuple[int, ...]:
        found = os.stat(file)  # noqa: PTH116 (an open file has no path)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def _changed(self) -> BadRowsError:
        return BadRowsError(f"{self.name}: has changed since it was checked: check it again, and agree again")


class _Pass(io.RawIOBase):
    """Blocks as a stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the buffer of a BufferedReader
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)


def _known(encoding: str) -> str:
    try:
        " ".encode(encoding)
    except (LookupError, UnicodeError):
        raise BadRowsError(f"--encoding takes a name such as utf-8, utf-16 or cp1252, not {encoding!r}") from None
    return codecs.lookup(encoding).name


def _encoding_of(head: bytes) -> str:
    """By the mark at the beginning; without one, by the zero bytes of UTF-16, which no other text has."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding, high_bytes in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
        if high_bytes.count(0) * 2 > len(high_bytes):
            return encoding
    return "utf-8"

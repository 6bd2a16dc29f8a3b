"""The bytes of a file of rows, and the text or table that they are: compression, encoding, and whether they changed.

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
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import BinaryIO, Final
from zipfile import BadZipFile, ZipFile

from gameball.errors import printable

SIZE: Final = 2
"""Where in the state of a file its size stands."""

BLOCK: Final = 2**20
"""Bytes that are compared at a time."""

HEAD: Final = 2**16
"""Bytes from which the encoding and the format are recognised."""

GZIP: Final = b"\x1f\x8b"

ZIP: Final = b"PK\x03\x04"
PARQUET: Final = b"PAR1"

OTHERS: Final = {
    ZIP: "is a zip archive, or a workbook that is not of Excel: save it as .xlsx or CSV",
    PARQUET: "is a compressed Parquet file: decompress it",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook of the old kind, or one with a password: save it as .xlsx or CSV",
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
        holds: "text", or a table: "parquet" or "workbook".
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
            self.holds = self._recognised()
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

    def table(self) -> BinaryIO:
        """Begin a pass of what is read from anywhere in the file, not from its beginning to its end.

        Raises:
            BadRowsError: The file has changed since the first pass.
        """
        if self._digests is None:
            for _ in self._blocks():
                pass
        else:
            self._check_unchanged()
        return io.BufferedReader(_Anywhere(self._block, self._stat(self._file.fileno())[SIZE]), BLOCK)

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

    def _recognised(self) -> str:
        """What it holds."""
        if not self.compressed:
            if self.head.startswith(PARQUET):
                return "parquet"
            if self.head.startswith(ZIP) and self._is_workbook():
                return "workbook"
        for start, sentence in OTHERS.items():
            if self.head.startswith(start):
                raise BadRowsError(f"{self.name}: {sentence.format(self.name)}")
        return "text"

    def _is_workbook(self) -> bool:
        try:
            with ZipFile(self._file) as archive:
                return "xl/workbook.xml" in archive.namelist()
        except BadZipFile:
            raise BadRowsError(f"{self.name}: is cut short, or damaged: its zip archive has no end") from None

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
            block = self._block(number)
            if known is None:
                digests.append(_digest(block))
            if not block:
                self._digests = known or digests
                return
            yield block

    def _block(self, number: int) -> bytes:
        """One block, empty at the end; it is what it was when all had been read."""
        self._file.seek(number * BLOCK)
        block = self._file.read(BLOCK)
        known = self._digests
        if known is not None and _digest(block) != known[min(number, len(known) - 1)]:
            raise self._changed()
        return block

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


class _Anywhere(io.RawIOBase):
    """Blocks as a stream that is read from anywhere."""

    def __init__(self, block: Callable[[int], bytes], size: int) -> None:
        self._block = block
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the buffer of a BufferedReader
        number, start = divmod(self._position, BLOCK)
        taken = self._block(number)[start : start + len(buffer)]
        buffer[: len(taken)] = taken
        self._position += len(taken)
        return len(taken)


def _digest(block: bytes) -> bytes:
    return blake2b(block, digest_size=16).digest()


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

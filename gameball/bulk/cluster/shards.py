"""The rows of a run, parted by player: all of a player are in one shard, in order, with their transaction times."""

from contextlib import suppress
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.journal import JournalReader
from gameball.bulk.journal.contents import kind_named
from gameball.bulk.journal.load import StoredRow
from gameball.core import converter
from gameball.core.timestamps import stamped
from gameball.errors import JournalError

_to_lines: Final = msgspec.json.Encoder().encode_lines
_from_lines: Final = msgspec.json.Decoder(tuple[int, str, str, str, msgspec.Raw]).decode_lines


def shard_of(player: str, shards: int) -> int:
    """The shard of a player's rows, the same wherever it is asked for."""
    return int.from_bytes(blake2b(player.encode(), digest_size=8).digest()) % shards


def write_shards(directory: SharedDirectory, journal: Path, shards: int) -> tuple[int, ...]:
    """Part the rows of a journal, none of which was ever sent; how many each shard has.

    A row without a transaction time gets one: sent again, wherever that is, it is the same bytes.

    Raises:
        JournalError: One of both cannot be used.
    """
    sizes: list[int] = []

    def shard_of_row(row: StoredRow) -> int:
        return shard_of(row[3], shards)

    with JournalReader(journal) as recorded:
        for shard, rows in groupby(recorded.parted(lambda player: shard_of(player, shards)), key=shard_of_row):
            lines = [(*row[:4], msgspec.Raw(_timed(row))) for row in rows]
            sizes += [0] * (shard - len(sizes))
            sizes.append(len(lines))
            directory.write(_name(shard), _to_lines(lines))
    return (*sizes, *[0] * (shards - len(sizes)))


def read_shard(directory: SharedDirectory, shard: int, rows: int) -> list[StoredRow]:
    """The rows of a shard, which are so many.

    Raises:
        JournalError: They are not there as they were written.
    """
    written = directory.read(_name(shard)) if rows else b""
    found: list[StoredRow] = []
    with suppress(msgspec.MsgspecError):
        for number, kind, transaction_id, player, request in _from_lines(written or b""):
            found.append((number, kind, transaction_id, player, bytes(request).decode()))
    if len(found) != rows:
        raise JournalError(f"directory {directory} is damaged: {_name(shard)} is not as it was written")
    return found


def _timed(row: StoredRow) -> bytes:
    request = converter.load(row[4].encode(), kind_named[row[1]])
    return row[4].encode() if request.transaction_time is not None else converter.write(stamped(request))


def _name(shard: int) -> str:
    return f"shards/{shard:05}.jsonl"

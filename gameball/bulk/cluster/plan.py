"""From rows to shards: checked as for a journal, parted, and written to the shared directory before one is sent."""

import asyncio
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gameball.bulk.cluster.manifest import MANIFEST, Manifest
from gameball.bulk.cluster.shards import write_shards
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.journal import Account
from gameball.bulk.journal.queue import JournalQueue
from gameball.bulk.reader import Reader
from gameball.errors import JournalError

ROWS: Final = 2000
"""Rows of a shard, about: what has to be looked up when its worker is gone."""

ROUNDS: Final = 4
"""The least number of shards for each that is worked on at a time: so all are busy until the end."""


async def plan(
    directory: SharedDirectory, reader: Reader, account: Account, via: str, *, shards: int | None, at_once: int
) -> Manifest:
    """Write the plan of a run, or find that it is there already.

    Raises:
        InvalidRequestError: A row breaks a rule.
        JournalError: The directory cannot be used, or has a run of other rows.
    """
    with TemporaryDirectory(prefix="gameball-") as folder:
        journal = Path(folder) / "rows.db"
        try:
            queue = await JournalQueue.open(journal, reader, account, via)
        finally:
            await reader.close()
        await queue.close()
        rows, fingerprint = queue.report.rows, queue.contents.input
        manifest = await asyncio.to_thread(Manifest.read, directory)
        if manifest is None:
            if await asyncio.to_thread(directory.names, "leases"):  # its results would count as those of these rows
                raise JournalError(f"directory {directory} has what is left of another run: name another one")
            count = min(rows, shards if shards is not None else _shards(rows, at_once))
            sizes = await asyncio.to_thread(write_shards, directory, journal, count)
            manifest = Manifest.plan(account, fingerprint, sizes)
            await asyncio.to_thread(directory.write_json, MANIFEST, manifest)
        elif manifest.fingerprint != fingerprint.hex():
            raise JournalError(f"the run in {directory} was made of other rows: the input has changed since")
    return manifest


def _shards(rows: int, at_once: int) -> int:
    return at_once * max(ROUNDS, math.ceil(rows / (ROWS * at_once)))

"""Runs as they lie in their directory before anybody has worked on them."""

import asyncio
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from attrs import evolve

from gameball import settings
from gameball.bulk.cluster.manifest import Manifest, Submission
from gameball.bulk.cluster.plan import plan
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.journal import Account
from gameball.bulk.reader import reader_of
from gameball.bulk.rows import KINDS
from gameball.core.methods import Async
from gameball.models.shared import KeyedRequest


def planned(directory: Path, rows: Iterable[KeyedRequest], *, shards: int = 1, **particulars: Any) -> SharedDirectory:
    """A run of these rows, with a first submission."""
    shared = SharedDirectory(directory)
    keys = settings.credentials(None, None, None)
    account = Account(api_key=keys.api_key, base_url=settings.base_url(None, allow_http=False))

    async def make() -> Manifest:
        return await plan(shared, reader_of(rows, Async, tuple(KINDS)), account, "calls", shards=shards, at_once=1)

    asyncio.run(make())
    submit(shared, **particulars)
    return shared


def submit(
    directory: SharedDirectory,
    *,
    at_once: int = 1,
    windows: tuple[tuple[int, float], ...] | None = None,
    via: Literal["calls", "batches"] = "calls",
) -> Submission:
    """Begin another submission."""
    before = Submission.read(directory)
    submission = Submission(
        number=before.number + 1 if before is not None else 1,
        token=secrets.token_hex(4),
        at_once=at_once,
        windows=windows,
        concurrency=8,
        via=via,
        seconds=0.0,
    )
    submission.write(directory)
    return submission


def ask_to_stop(directory: SharedDirectory) -> None:
    """Do as a submitter does whose run is stopped."""
    submission = Submission.read(directory)
    assert submission is not None
    evolve(submission, state="stopping").write(directory)

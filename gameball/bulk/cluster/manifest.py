"""What a run on a cluster consists of, and how it is worked on now: two small files in the shared directory."""

import secrets
from typing import Final, Literal, Self

from attrs import frozen

from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.journal import Account
from gameball.errors import JournalError
from gameball.settings import RateLimit

VERSION: Final = 1
"""Raised with every change that older versions could not read."""

MANIFEST: Final = "manifest.json"
SUBMISSION: Final = "submission.json"


@frozen(kw_only=True)
class Manifest:
    """What was planned; it never changes.

    Attributes:
        version: Of the directory's layout.
        fingerprint: Of the rows; the same as a journal's.
        salt, account, base_url: Whose rows they are, and where they go; see `Account`.
        shards: How many rows each shard has.
    """

    version: int = VERSION
    fingerprint: str
    salt: str
    account: str
    base_url: str
    shards: tuple[int, ...]

    @classmethod
    def plan(cls, account: Account, fingerprint: bytes, shards: tuple[int, ...]) -> Self:
        """The manifest of a new run."""
        salt = secrets.token_bytes(16)
        return cls(
            fingerprint=fingerprint.hex(),
            salt=salt.hex(),
            account=account.hashed(salt).hex(),
            base_url=account.base_url,
            shards=shards,
        )

    @classmethod
    def read(cls, directory: SharedDirectory) -> Self | None:
        """The manifest there; None where there is none.

        Raises:
            JournalError: It cannot be read, or is one of a newer version.
        """
        if directory.read(MANIFEST) is None:
            return None
        manifest = directory.read_as(MANIFEST, cls)
        if manifest is None:
            raise JournalError(f"directory {directory} is damaged: its {MANIFEST} cannot be read")
        if manifest.version > VERSION:
            raise JournalError(f"directory {directory} was written by a newer version of gameball: upgrade gameball")
        return manifest

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(self.shards)

    def check(self, account: Account, directory: SharedDirectory, whose: str) -> None:
        """Refuse another account, or another address.

        Args:
            account: The one to compare.
            directory: Where the manifest is.
            whose: Who has it, in words.

        Raises:
            JournalError: The run belongs to another one.
        """
        if account.hashed(bytes.fromhex(self.salt)).hex() != self.account:
            raise JournalError(f"the run in {directory} belongs to another account: its API key is not {whose}'s")
        if account.base_url != self.base_url:
            raise JournalError(f"the run in {directory} belongs to {self.base_url}, and {whose} has {account.base_url}")


@frozen(kw_only=True)
class Submission:
    """How the shards are worked on, from one call of `run_on_cluster` or `resume_on_cluster` to its end.

    Attributes:
        number: How many there were, with this one.
        token: Keeps two of them apart that begin at the same time.
        state: "stopping" asks the workers to let what is in flight end; "ended" says that none of them is at work.
        at_once: How many shards are worked on at a time.
        windows: The rate limit of all of them together.
        concurrency: The most rows in flight, of each.
        via: "calls" or "batches".
        seconds: How long all submissions took.
        began: When this one did, in seconds since 1970.
        settled: How many rows had ended by then.
    """

    number: int
    token: str
    state: Literal["running", "stopping", "ended"] = "running"
    at_once: int
    windows: tuple[tuple[int, float], ...] | None
    concurrency: int
    via: Literal["calls", "batches"]
    seconds: float
    began: float = 0.0
    settled: int = 0

    @classmethod
    def read(cls, directory: SharedDirectory) -> Self | None:
        """The latest one.

        Raises:
            JournalError: It cannot be read.
        """
        return directory.read_as(SUBMISSION, cls)

    def write(self, directory: SharedDirectory) -> None:
        """Make it the latest one.

        Raises:
            JournalError: It cannot be written.
        """
        directory.write_json(SUBMISSION, self)

    @property
    def identity(self) -> tuple[int, str]:
        """What no other submission of the run has."""
        return self.number, self.token

    def share(self, number: int) -> RateLimit | None:
        """The part of the rate limit that a shard has: with those of the others at the same time, exactly all of it."""
        if self.windows is None:
            return None
        lane = number % self.at_once
        return RateLimit(
            *((most // self.at_once + (lane < most % self.at_once), seconds) for most, seconds in self.windows)
        )

"""The options of `gameball bulk` for runs whose rows several processes send, and how they fit together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

from attrs import frozen
from cyclopts import Parameter, Token
from cyclopts.validators import Number

from gameball.cli.kept import Kept, is_directory, load
from gameball.cli.options import DEFAULT_PATIENCE
from gameball.models.shared import refuse

MOST_WORKERS: Final = 256

MANIFEST: Final = "manifest.json"
SHARDS: Final = "shards"
"""What the directory of a run has: from its planning on the shards, and once it is planned the manifest."""


def _kept(_: object, tokens: Sequence[Token]) -> Kept:
    text = tokens[0].value
    return text if "://" in text else Path(text)


KeptOption = Annotated[Path | str, Parameter(name="--journal", converter=_kept)]
NewJournal = Annotated[Path | str | None, Parameter(name="--journal", converter=_kept)]
Directory = Annotated[Path | str | None, Parameter(name="--directory", converter=_kept)]


@Parameter(name="*")
@frozen(kw_only=True)
class Workers:
    """Who sends the rows, where it is not this process.

    Attributes:
        workers: Send from so many processes of this machine; the journal is a directory then.
        cluster: Send from the workers of a Dask cluster: the address of its scheduler, as in tcp://host:8786.
    """

    workers: Annotated[int | None, Parameter(validator=Number(gte=1, lte=MOST_WORKERS))] = None
    cluster: str | None = None

    @property
    def option(self) -> str | None:
        """The option that was given; None where this process sends the rows.

        Raises:
            InvalidRequestError: Both were given.
        """
        if self.workers is not None and self.cluster is not None:
            raise refuse("--workers", "cannot be given with --cluster, which has workers of its own")
        return "--workers" if self.workers is not None else "--cluster" if self.cluster is not None else None

    def again(self) -> list[str]:
        """The options to go on with."""
        return [] if self.option is None else [self.option, str(self.workers or self.cluster)]

    def place(self, journal: Kept | None, directory: Kept | None, patience: float) -> Kept | None:
        """Where a run of these rows is kept, from the options that say so.

        Raises:
            InvalidRequestError: They do not fit together, or it cannot be kept there.
        """
        if self.option == "--cluster":
            if journal is not None:
                raise refuse("--journal", "is for runs of this machine; with --cluster, --directory keeps the run")
            if directory is None:
                raise refuse(
                    "--cluster", "needs --directory, which keeps the run: a path or URL that all workers reach"
                )
            self._check(patience)
            return _free(directory, "--directory")
        if directory is not None:
            raise refuse("--directory", "goes with --cluster ADDRESS; without it, --journal keeps the run")
        if self.option == "--workers":
            if journal is None:
                raise refuse("--workers", "needs --journal DIRECTORY, which keeps the run")
            self._check(patience)
            return _free(journal, "--journal")
        if journal is not None and is_directory(journal):
            raise refuse("--journal", f"must be a file, and {journal} is a directory: such a run needs --workers N")
        return journal

    def check_resumes(self, kept: Kept, patience: float, *, new_key: bool) -> None:
        """Refuse to go on with a run of the other kind.

        Raises:
            InvalidRequestError: It is one.
        """
        if is_directory(kept) and self.option is None:
            raise refuse("--workers", f"N (or --cluster ADDRESS) is needed: {kept} is the directory of such a run")
        if not is_directory(kept) and self.option is not None:
            raise refuse(self.option, f"goes on with a run in a directory, and {kept} is none")
        if self.option is not None and new_key:
            raise refuse(
                "--new-key", "goes with a journal: a run of several workers ends with the key that it began with"
            )
        self._check(patience)

    def _check(self, patience: float) -> None:
        if self.option is not None:
            if patience != DEFAULT_PATIENCE:
                raise refuse("--patience", f"is {DEFAULT_PATIENCE:g} s in a run of several workers")
            load("gameball.bulk.cluster", self.option)


THIS_PROCESS: Final = Workers()


def _free(directory: Kept, option: str) -> Kept:
    """The same, if it is new, or empty, or the directory of a run."""
    if isinstance(directory, Path):
        if directory.exists() and not directory.is_dir():
            raise refuse(option, f"must be a directory for a run of several workers, and {directory} is a file")
        if directory.is_dir() and not (directory / MANIFEST).exists():
            names = {file.name for file in directory.iterdir() if not file.name.startswith(".")}
            if names - {SHARDS}:
                raise refuse(option, f"must be a new or an empty directory, and {directory} holds other files")
    return directory

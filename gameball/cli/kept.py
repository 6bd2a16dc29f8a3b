"""Where a run of `gameball bulk` is kept: in a journal, or, if workers of a cluster send its rows, in a directory.

What such a directory needs, the extra `dask`, is loaded where there is one.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gameball.bulk.journal import JournalReader
from gameball.models.shared import refuse

if TYPE_CHECKING:
    from gameball.bulk.cluster.report import ClusterReader

Kept: TypeAlias = Path | str
"""A journal's path, or a directory as a path or a URL."""


def is_directory(kept: Kept) -> bool:
    """Whether it is the directory of a run on a cluster, not a journal."""
    return isinstance(kept, str) or kept.is_dir()


def reader_of(kept: Kept) -> "JournalReader | ClusterReader":
    """Open a run to read what became of its rows.

    Raises:
        InvalidRequestError: It is a directory, and the extra is not installed.
        JournalError: There is none, or it cannot be read.
    """
    if not is_directory(kept):
        return JournalReader(kept)
    reader: ClusterReader = load("gameball.bulk.cluster.report", "--journal").ClusterReader(kept)
    return reader


def load(module: str, option: str) -> Any:
    """A module that needs the extra.

    Raises:
        InvalidRequestError: It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise refuse(option, "needs its extra: pip install 'gameball[dask]'") from None

"""The file that a run's rows came from, noted beside its journal: a report shows the rows as they stand there."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from attrs import asdict, evolve, frozen

from gameball.bulk.rows import Request, RowResult
from gameball.cli.failed_rows import private_file
from gameball.cli.input_file import BadRowsError
from gameball.cli.kept import Kept, is_directory, load
from gameball.cli.rows_file import RowsFile
from gameball.errors import GameballError, InvalidRequestError

IN_DIRECTORY: Final = "origin.json"
"""The note's name in the directory of a run on a cluster."""


@frozen(kw_only=True)
class Origin:
    """A file of rows, and how it was read; see `RowsFile`."""

    path: str
    operation: str
    columns: Mapping[str, str]
    delimiter: str | None
    encoding: str | None
    sheet: str | None = None

    def open(self) -> RowsFile:
        """Open the file.

        Raises:
            BadRowsError: It cannot be opened.
        """
        return RowsFile(
            self.path,
            operation=self.operation,
            columns=self.columns,
            delimiter=self.delimiter,
            encoding=self.encoding,
            sheet=self.sheet,
        )


def note(kept: Kept, origin: Origin) -> None:
    """Note where a run's rows came from, if that is a file that can be read again."""
    path = Path(origin.path).absolute()
    if not path.is_file():
        return
    text = json.dumps(asdict(evolve(origin, path=str(path))))
    with suppress(OSError, GameballError):
        if is_directory(kept):
            _shared(kept).write(IN_DIRECTORY, text.encode())
        else:
            with private_file(_beside(Path(kept))) as file:
                file.write(text)


def noted(kept: Kept) -> Origin | None:
    """Where a run's rows came from, if that was noted."""
    try:
        text = (_shared(kept).read(IN_DIRECTORY) or b"") if is_directory(kept) else _beside(Path(kept)).read_bytes()
        return Origin(**json.loads(text))
    except (OSError, GameballError, ValueError, TypeError):
        return None


def with_others(origin: Origin | None, results: Iterable[RowResult]) -> Iterator[tuple[RowResult, Mapping[str, str]]]:
    """Rows of a run in their order, each as it stands in its file, with the columns there that no field reads.

    A row that is not there any more, or another one now, has none.
    """
    with ExitStack() as closing:
        records: Iterator[tuple[int, Callable[[], tuple[Request, dict[str, str]]]]] = iter(())
        if origin is not None:
            with suppress(BadRowsError):
                records = enumerate(closing.enter_context(origin.open()).records())
        for result in results:
            others: Mapping[str, str] = {}
            with suppress(BadRowsError, InvalidRequestError):
                read = next((read for index, read in records if index == result.index), None)
                if read is not None:
                    request, beside = read()
                    if request in (result.request, evolve(result.request, transaction_time=None)):
                        result, others = evolve(result, request=request), beside  # noqa: PLW2901 (without our time)
            yield result, others


def _shared(directory: Kept) -> Any:
    return load("gameball.bulk.cluster.storage", "--journal").SharedDirectory(directory)


def _beside(journal: Path) -> Path:
    return journal.with_name(f"{journal.name}.origin")

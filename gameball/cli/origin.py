"""The file that a journal's rows came from, noted beside the journal: a report shows the rows as they stand there."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from attrs import asdict, evolve, frozen

from gameball.bulk.rows import Request, RowResult
from gameball.cli.failed_rows import private_file
from gameball.cli.input_file import BadRowsError
from gameball.cli.rows_file import RowsFile
from gameball.errors import InvalidRequestError


@frozen(kw_only=True)
class Origin:
    """A file of rows, and how it was read; see `RowsFile`."""

    path: str
    operation: str
    columns: Mapping[str, str]
    delimiter: str | None
    encoding: str | None

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
        )


def note(journal: Path, origin: Origin) -> None:
    """Note where a journal's rows came from, if that is a file that can be read again."""
    path = Path(origin.path).absolute()
    if path.is_file():
        with suppress(OSError), private_file(_beside(journal)) as file:
            json.dump(asdict(evolve(origin, path=str(path))), file)


def noted(journal: Path) -> Origin | None:
    """Where a journal's rows came from, if that was noted."""
    try:
        return Origin(**json.loads(_beside(journal).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def with_others(origin: Origin | None, results: Iterable[RowResult]) -> Iterator[tuple[RowResult, Mapping[str, str]]]:
    """Rows of a journal in their order, each with the columns of its file that no field reads.

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
                    others = beside if request == result.request else {}
            yield result, others


def _beside(journal: Path) -> Path:
    return journal.with_name(f"{journal.name}.origin")

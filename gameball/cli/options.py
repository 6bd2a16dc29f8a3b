"""The options of `gameball bulk`: how a file is read, how fast rows are sent, whose journal it is."""

import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final, Literal

from attrs import frozen
from cyclopts import Parameter
from cyclopts.validators import Number

from gameball.bulk.batch_sender import START
from gameball.bulk.columns import OPERATIONS
from gameball.bulk.journal import Account, Journal
from gameball.bulk.report import BulkReport
from gameball.cli.origin import Origin
from gameball.client import Gameball
from gameball.errors import InvalidRequestError
from gameball.models.shared import refuse
from gameball.settings import RateLimit, base_url, credentials

DEFAULT_CONCURRENCY: Final = 64
DEFAULT_PATIENCE: Final = 300.0

File = Annotated[Path, Parameter(allow_leading_hyphen=True)]  # "-" is one
Concurrency = Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))]
Rates = Annotated[list[str] | None, Parameter(name="--rate", negative=())]
Patience = Annotated[float, Parameter(validator=Number(gte=0))]
Flag = Annotated[bool, Parameter(negative=())]
AsJson = Annotated[bool, Parameter(name="--json", negative=())]


@Parameter(name="*")
@frozen(kw_only=True)
class Form:
    """How a file is to be read.

    Attributes:
        operation: What each row does; a column `operation` in the file says so row by row.
        columns: A column of the file and its field, for example order_no=transaction_id; repeatable.
        delimiter: The character between cells, or tab; recognised by the titles.
        encoding: The text's encoding, for example cp1252; UTF-8 and UTF-16 are recognised.
        sheet: The sheet of a workbook; the first one that is not hidden by default.
    """

    operation: Literal["cashback", "redeem", "refund", "manual"] = "cashback"
    columns: Annotated[list[str] | None, Parameter(name="--map", negative=())] = None
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None


PLAIN: Final = Form()


def origin_of(file: Path, form: Form) -> Origin:
    """Say where rows come from.

    Raises:
        InvalidRequestError: `--map` names a column twice, or is no pair.
    """
    renamed: dict[str, str] = {}
    for text in form.columns or ():
        theirs, is_there, ours = text.rpartition("=")
        if not is_there or not theirs or theirs in renamed:
            raise refuse("--map", f"takes each column once, as in order_no=transaction_id, not {text!r}")
        renamed[theirs] = ours
    delimiter = "\t" if form.delimiter in ("tab", "\\t") else form.delimiter
    return Origin(
        path=str(file),
        operation=form.operation,
        columns=renamed,
        delimiter=delimiter,
        encoding=form.encoding,
        sheet=form.sheet,
    )


def limit_of(rates: Sequence[str] | None) -> RateLimit | None:
    """The rate limit that the options ask for.

    Raises:
        InvalidRequestError: One of them is none.
    """
    windows: list[tuple[int, float]] = []
    for text in rates or ():
        parts = re.fullmatch(r"(\d+)/(\d+(?:\.\d+)?)s", text, re.ASCII)
        if parts is None:
            raise refuse("--rate", f"takes requests and seconds, as in 30/1s, not {text!r}")
        windows.append((int(parts[1]), float(parts[2])))
    try:
        return RateLimit(*windows) if windows else None
    except InvalidRequestError:
        raise refuse("--rate", "takes at least 1 request and more than 0 seconds, as in 30/1s") from None


def client_of(limit: RateLimit | None, concurrency: int) -> Gameball:
    """Make a client with the keys of the environment.

    Raises:
        CredentialsError: One of them is missing.
    """
    credentials(None, None, None).require("api_key", "secret_key")
    return Gameball(rate_limit=limit, connections=concurrency)


def journal_report(journal: Path) -> BulkReport:
    """The report of a journal so far; one that these keys and this address do not fit is refused."""
    keys = credentials(None, None, None)
    with closing(Journal(journal)) as opened:
        if opened.contents is None:  # it never got its rows
            return BulkReport()
        opened.check(Account(api_key=keys.api_key, base_url=base_url(None, allow_http=False)))
        return opened.report


def check_batches(operations: Iterable[str]) -> None:
    """Refuse operations that do not go by batches."""
    if not {OPERATIONS[operation] for operation in operations} <= set(START):
        raise refuse("--via", "batches takes cashback and redeem only")


def options_again(concurrency: int, rates: Sequence[str] | None, patience: float) -> list[str]:
    """Options to go on with, which must not ask more of the API than this run."""
    options = [] if concurrency == DEFAULT_CONCURRENCY else ["--concurrency", str(concurrency)]
    options += [f"--rate={rate}" for rate in rates or ()]
    return options if patience == DEFAULT_PATIENCE else [*options, "--patience", f"{patience:g}"]

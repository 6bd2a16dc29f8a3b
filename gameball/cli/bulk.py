"""`gameball bulk`: the rows of a file planned, sent, resumed and reported."""

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from attrs import frozen
from cyclopts import App, Parameter
from cyclopts.validators import Number

from gameball.bulk.batch_sender import START
from gameball.bulk.journal import Account, Journal, JournalReader
from gameball.bulk.report import BulkPlan, BulkReport, Planner, SeenIds
from gameball.bulk.resource import Via
from gameball.bulk.rows import RowState
from gameball.cli.columns import OPERATIONS
from gameball.cli.display import Display, agreed, command, count, counted, show_end, show_plan, states
from gameball.cli.exit_codes import Exit
from gameball.cli.failed_rows import private_file, write_rows
from gameball.cli.input_file import temporary_files
from gameball.cli.interrupts import Interrupts
from gameball.cli.origin import Origin, note, noted, with_others
from gameball.cli.output import FIRST_HELP, complain, output_of, say
from gameball.cli.rows_file import RowsFile
from gameball.client import Gameball
from gameball.errors import BulkStoppedError, InvalidRequestError, JournalError
from gameball.models.shared import refuse
from gameball.settings import RateLimit, base_url, credentials

DEFAULT_CONCURRENCY: Final = 64
DEFAULT_PATIENCE: Final = 300.0

app = App(
    name="bulk",
    help_epilogue="Keys come from GAMEBALL_API_KEY and GAMEBALL_SECRET_KEY. Exit codes: 0 all applied, 3 some rejected"
    " or to review, 130 interrupted, 2 usage and bad input, 1 the rest.",
)

File = Annotated[Path, Parameter(allow_leading_hyphen=True)]  # "-" is one
JournalFile = Annotated[Path, Parameter(name="--journal")]
Concurrency = Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))]
Rates = Annotated[list[str] | None, Parameter(name="--rate", negative=())]
Patience = Annotated[float, Parameter(validator=Number(gte=0))]


@Parameter(name="*")
@frozen(kw_only=True)
class Form:
    """How a file is to be read.

    Attributes:
        operation: What each row does; a column `operation` in the file says so row by row.
        columns: A column of the file and its field, for example order_no=transaction_id; repeatable.
        delimiter: The character between cells, or tab; recognised by the titles.
        encoding: The text's encoding, for example cp1252; UTF-8 and UTF-16 are recognised.
    """

    operation: Literal["cashback", "redeem", "refund", "manual"] = "cashback"
    columns: Annotated[list[str] | None, Parameter(name="--map", negative=())] = None
    delimiter: str | None = None
    encoding: str | None = None


PLAIN: Final = Form()


@app.command
def plan(file: File, /, *, form: Form = PLAIN, rates: Rates = None) -> int:
    """Check a file, and show what a run of it would do. Nothing is sent, and no keys are needed.

    Parameters
    ----------
    file
        CSV, or JSON Lines (.jsonl, .ndjson), also gzipped; "-" is standard input.
    rates
        Rate limit, for example 30/1s; repeatable.
    """
    with output_of("plan", as_json=False), _origin(file, form).open() as rows:
        limit = _limit(rates)
        show_plan(rows, _planned(rows, limit), limit)
        return Exit.APPLIED


@app.command
def run(
    file: File,
    /,
    *,
    form: Form = PLAIN,
    journal: Path | None = None,
    via: Via = "calls",
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    rates: Rates = None,
    patience: Patience = DEFAULT_PATIENCE,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    yes: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Send the rows of a file, each once. The whole file is checked first; at a terminal you are asked.

    Ctrl-C lets what is in flight end, for ten seconds at most; a second one stops at once. Either way a run with a
    journal can be resumed.

    Parameters
    ----------
    file
        CSV, or JSON Lines (.jsonl, .ndjson), also gzipped; "-" is standard input.
    journal
        A file that records the run, for resuming and for the report.
    via
        "calls" sends each row by a call of its own, "batches" up to 1000 at a time (cashback and redeem only).
    concurrency
        The most rows in flight.
    rates
        Rate limit, for example 30/1s; repeatable.
    patience
        Seconds that an outage may last before the run is stopped.
    dry_run
        Show the plan only.
    yes
        Send without asking.
    """
    with output_of("run", as_json=False) as given, (origin := _origin(file, form)).open() as rows:
        limit = _limit(rates)
        if via == "batches":
            _check_batches([form.operation])
        if dry_run:
            show_plan(rows, _planned(rows, limit), limit)
            return Exit.APPLIED
        with _client(limit, concurrency) as client:
            if journal is not None and journal.exists():
                before = _checked(journal)
                say(f"journal {journal}: {before.settled:,} of {before.rows:,} rows are done already")
            elif journal is not None and not journal.absolute().parent.is_dir():
                raise JournalError(f"journal {journal} cannot be used: No such file or directory")
            expected = _planned(rows, limit)
            if via == "batches":
                _check_batches(rows.operations)
            show_plan(rows, expected, limit)
            if journal is None:
                say("no journal: a run that ends early cannot be resumed (--journal FILE)")
            if not (yes or agreed(f"Send {count(expected.rows, 'row')}? [y/N] ")):
                say("nothing was sent")
                return Exit.FAILED
            return _run_to_the_end(
                lambda show, stop: client.bulk.run(
                    rows,
                    journal=journal,
                    via=via,
                    concurrency=concurrency,
                    patience=patience,
                    on_progress=show,
                    stop=stop,
                ),
                given.interrupts,
                rows=expected.rows,
                journal=journal,
                origin=origin,
                again=_again(concurrency, rates, patience),
            )


@app.command
def resume(
    journal: JournalFile,
    *,
    via: Via | None = None,
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    rates: Rates = None,
    patience: Patience = DEFAULT_PATIENCE,
) -> int:
    """Go on with a run: finished rows are skipped, rows that were in flight are looked up first.

    Parameters
    ----------
    journal
        The file that recorded the run.
    via
        "calls" or "batches"; as in the run before by default.
    concurrency
        The most rows in flight.
    rates
        Rate limit, for example 30/1s; repeatable.
    patience
        Seconds that an outage may last before the run is stopped.
    """
    with output_of("resume", as_json=False) as given, _client(_limit(rates), concurrency) as client:
        return _run_to_the_end(
            lambda show, stop: client.bulk.resume(
                journal, via=via, concurrency=concurrency, patience=patience, on_progress=show, stop=stop
            ),
            given.interrupts,
            rows=0,
            journal=journal,
            again=_again(concurrency, rates, patience),
        )


@app.command
def report(journal: JournalFile, *, output: Path = Path()) -> int:
    """Write the outcome of a run: report.json, failed.csv and needs_review.csv. No keys are needed.

    The two CSV files hold the rows that were rejected, and those whose outcome is unknown: every column of the file
    that they came from, and why. `gameball bulk run` reads them as they are.

    Parameters
    ----------
    journal
        The file that recorded the run.
    output
        The folder to write to; created if needed, and files of these names in it are replaced.
    """
    with output_of("report", as_json=False), JournalReader(journal) as recorded:
        outcome = recorded.contents.report
        origin = noted(journal)
        output.mkdir(parents=True, exist_ok=True)
        for name, state in (("failed.csv", RowState.REJECTED), ("needs_review.csv", RowState.NEEDS_REVIEW)):
            written = write_rows(output / name, lambda: with_others(origin, recorded.problems(state)))  # noqa: B023
            say(f"{output / name}: {count(written, 'row')}")
        with private_file(output / "report.json") as file:
            file.write(_as_json(outcome))
        say(f"{output / 'report.json'}: {count(outcome.rows, 'row')}, {states(outcome)}, {outcome.left:,} left")
        return Exit.APPLIED


def _as_json(report: BulkReport) -> str:
    figures = (
        *("rows", "applied", "already_applied", "rejected", "needs_review", "left"),
        *("points", "seconds", "sent", "looked_up", "pauses"),
    )
    written = msgspec.json.Encoder(decimal_format="number").encode({name: getattr(report, name) for name in figures})
    return msgspec.json.format(written, indent=2).decode() + "\n"


# --- options


def _origin(file: Path, form: Form) -> Origin:
    renamed: dict[str, str] = {}
    for text in form.columns or ():
        theirs, is_there, ours = text.rpartition("=")
        if not is_there or not theirs or theirs in renamed:
            raise refuse("--map", f"takes each column once, as in order_no=transaction_id, not {text!r}")
        renamed[theirs] = ours
    delimiter = "\t" if form.delimiter in ("tab", "\\t") else form.delimiter
    return Origin(
        path=str(file), operation=form.operation, columns=renamed, delimiter=delimiter, encoding=form.encoding
    )


def _limit(rates: Sequence[str] | None) -> RateLimit | None:
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


def _client(limit: RateLimit | None, concurrency: int) -> Gameball:
    credentials(None, None, None).require("api_key", "secret_key")
    return Gameball(rate_limit=limit, connections=concurrency)


def _checked(journal: Path) -> BulkReport:
    """The report of a journal so far; one that these keys and this address do not fit is refused."""
    keys = credentials(None, None, None)
    with closing(Journal(journal)) as opened:
        if opened.contents is None:  # it never got its rows
            return BulkReport()
        opened.check(Account(api_key=keys.api_key, base_url=base_url(None, allow_http=False)))
        return opened.report


def _check_batches(operations: Iterable[str]) -> None:
    if not {OPERATIONS[operation] for operation in operations} <= set(START):
        raise refuse("--via", "batches takes cashback and redeem only")


def _again(concurrency: int, rates: Sequence[str] | None, patience: float) -> list[str]:
    """Options to go on with, which must not ask more of the API than this run."""
    options = [] if concurrency == DEFAULT_CONCURRENCY else ["--concurrency", str(concurrency)]
    options += [f"--rate={rate}" for rate in rates or ()]
    return options if patience == DEFAULT_PATIENCE else [*options, "--patience", f"{patience:g}"]


# --- a run


def _planned(rows: RowsFile, limit: RateLimit | None) -> BulkPlan:
    with temporary_files(), SeenIds() as seen:
        planner = Planner(seen)
        planner.add(counted(rows, rows.name))
        return planner.plan(limit)


def _run_to_the_end(
    send: Callable[[Callable[[BulkReport], object], threading.Event], BulkReport],
    interrupts: Interrupts,
    *,
    rows: int,
    journal: Path | None,
    again: Sequence[str],
    origin: Origin | None = None,
) -> int:
    """Run until the end, or until Ctrl-C; show the report, and how to go on."""
    stopped: BulkStoppedError | None = None
    is_noted = False

    def show(report: BulkReport) -> None:
        nonlocal is_noted
        if not is_noted and journal is not None and origin is not None:
            note(journal, origin)  # not before: until now the journal may have been another run's
        is_noted = True
        display.show(report)

    with interrupts.stopping() as stop, Display(rows, stop) as display:
        try:
            outcome = send(show, stop)
        except KeyboardInterrupt:
            outcome = display.latest
        except BulkStoppedError as error:
            stopped, outcome = error, error.report
            show(outcome)
    show_end(outcome, rows, journal)
    if stopped is None and outcome.settled >= max(outcome.rows, rows):
        return Exit.PROBLEMS if outcome.rejected or outcome.needs_review else Exit.APPLIED
    if stopped is not None:
        complain(str(stopped))
        complain(FIRST_HELP)
    elif journal is None:
        complain("interrupted; without a journal the rest cannot be resumed")
    else:
        complain("interrupted; the journal is saved")
    if journal is not None:
        say(f"go on with: {command('resume', journal, *again)}")
    return Exit.INTERRUPTED if stopped is None else Exit.FAILED

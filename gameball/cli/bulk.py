"""`gameball bulk`: the rows of a file planned, sent, resumed and reported."""

import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number

from gameball.bulk.batch_sender import START
from gameball.bulk.distinct import Seen
from gameball.bulk.journal_file import problems, summary
from gameball.bulk.plan import Planner
from gameball.bulk.resource import Via
from gameball.bulk.rows import KINDS, BulkPlan, BulkReport, RowState
from gameball.cli.display import Display, count, err, out, say, show_end, show_plan, states
from gameball.cli.rows_file import BadRowsError, RowsFile, write_rows
from gameball.client import Gameball
from gameball.errors import BulkStoppedError, CredentialsError, GameballError, InvalidRequestError, JournalError
from gameball.models.shared import refuse
from gameball.settings import RateLimit


class Exit(IntEnum):
    """What a command ends with."""

    APPLIED = 0
    FAILED = 1
    USAGE = 2
    PROBLEMS = 3
    """Some rows were rejected, or need a review."""
    INTERRUPTED = 130


DEFAULT_CONCURRENCY: Final = 64

app = App(
    name="bulk",
    help="Send the rows of a file: planned first, kept in a journal, resumed after anything, and reported.\n\n"
    "Keys come from GAMEBALL_API_KEY and GAMEBALL_SECRET_KEY. Exit codes: 0 all applied, 3 some rejected or to"
    " review, 130 interrupted, 2 usage and bad input, 1 the rest.",
)

File = Annotated[Path, Parameter(allow_leading_hyphen=True)]  # "-" is one
Operation = Literal["cashback", "redeem", "refund", "manual"]
Concurrency = Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))]
Rates = Annotated[list[str] | None, Parameter(name="--rate", negative=())]
Columns = Annotated[list[str] | None, Parameter(name="--map", negative=())]


@app.command
def plan(file: File, /, *, operation: Operation = "cashback", rates: Rates = None, columns: Columns = None) -> int:
    """Check a file, and show what a run of it would do. Nothing is sent, and no keys are needed.

    Parameters
    ----------
    file
        CSV, or JSON Lines (.jsonl, .ndjson); "-" is standard input.
    operation
        What each row does; a column `operation` in the file says so row by row.
    rates
        Rate limit, for example 30/1s; repeatable.
    columns
        A column of the file and its field, for example order_no=transaction_id; repeatable.
    """
    with _errors_as_exit_codes(), _opened(file, operation, columns) as rows:
        limit = _limit(rates)
        show_plan(rows, _planned(rows, limit), limit)
        return Exit.APPLIED


@app.command
def run(
    file: File,
    /,
    *,
    operation: Operation = "cashback",
    journal: Path | None = None,
    via: Via = "calls",
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    rates: Rates = None,
    columns: Columns = None,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    yes: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Send the rows of a file, each once. The whole file is checked first; on a terminal you are asked.

    Ctrl-C lets what is in flight end, for ten seconds at most; a second one stops at once. Either way a run with a
    journal can be resumed.

    Parameters
    ----------
    file
        CSV, or JSON Lines (.jsonl, .ndjson); "-" is standard input.
    operation
        What each row does; a column `operation` in the file says so row by row.
    journal
        A file that records the run, for resuming and for the report.
    via
        "calls" sends each row by a call of its own, "batches" up to 1000 at a time (cashback and redeem only).
    concurrency
        The most rows in flight.
    rates
        Rate limit, for example 30/1s; repeatable.
    columns
        A column of the file and its field, for example order_no=transaction_id; repeatable.
    dry_run
        Show the plan only.
    yes
        Send without asking.
    """
    with _errors_as_exit_codes(), _opened(file, operation, columns) as rows:
        limit = _limit(rates)
        if journal is not None and journal.exists():
            before = summary(journal)
            say(f"journal {journal}: {before.settled:,} of {before.rows:,} rows are done already")
        plan = _planned(rows, limit)
        if via == "batches" and not set(rows.operations) <= {KINDS[kind] for kind in START}:
            raise refuse("--via", "batches takes cashback and redeem only")
        show_plan(rows, plan, limit)
        if dry_run:
            return Exit.APPLIED
        if journal is None:
            say("no journal: a run that ends early cannot be resumed (--journal FILE)")
        with Gameball(rate_limit=limit, connections=concurrency) as client:
            asks = not yes and sys.stdin.isatty() and sys.stdout.isatty()
            if asks and not _agreed(f"Send {count(plan.rows, 'row')}? [y/N] "):
                say("nothing was sent")
                return Exit.FAILED
            return _run_to_the_end(
                lambda show, stop: client.bulk.run(
                    rows, journal=journal, via=via, concurrency=concurrency, on_progress=show, stop=stop
                ),
                rows=plan.rows,
                journal=journal,
                again=_again(journal, concurrency, rates),
            )


@app.command
def resume(
    *, journal: Path, via: Via | None = None, concurrency: Concurrency = DEFAULT_CONCURRENCY, rates: Rates = None
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
    """
    with _errors_as_exit_codes(), Gameball(rate_limit=_limit(rates), connections=concurrency) as client:
        return _run_to_the_end(
            lambda show, stop: client.bulk.resume(
                journal, via=via, concurrency=concurrency, on_progress=show, stop=stop
            ),
            rows=0,
            journal=journal,
            again=_again(journal, concurrency, rates),
        )


@app.command
def report(*, journal: Path, output: Path = Path()) -> int:
    """Write the outcome of a run: report.json, failed.csv and needs_review.csv. No keys are needed.

    The two CSV files hold the rows that were rejected, and those whose outcome is unknown: every field, and why.
    `gameball bulk run` reads them as they are.

    Parameters
    ----------
    journal
        The file that recorded the run.
    output
        The folder to write to; created if needed, and files of these names in it are replaced.
    """
    with _errors_as_exit_codes():
        outcome = summary(journal)
        output.mkdir(parents=True, exist_ok=True)
        for name, state in (("failed.csv", RowState.REJECTED), ("needs_review.csv", RowState.NEEDS_REVIEW)):
            operations = sorted({KINDS[type(problem.request)] for problem in problems(journal, state)})
            written = write_rows(output / name, problems(journal, state), operations)
            say(f"{output / name}: {count(written, 'row')}")
        (output / "report.json").write_bytes(_as_json(outcome))
        say(f"{output / 'report.json'}: {count(outcome.rows, 'row')}, {states(outcome)}, {outcome.left:,} left")
        return Exit.APPLIED


def _as_json(report: BulkReport) -> bytes:
    figures = (
        *("rows", "applied", "already_applied", "rejected", "needs_review", "left"),
        *("points", "seconds", "sent", "looked_up", "pauses"),
    )
    written = msgspec.json.Encoder(decimal_format="number").encode({name: getattr(report, name) for name in figures})
    return msgspec.json.format(written, indent=2) + b"\n"


# --- options


def _opened(file: Path, operation: str, columns: Sequence[str] | None) -> RowsFile:
    renamed: dict[str, str] = {}
    for text in columns or ():
        theirs, is_there, ours = text.rpartition("=")
        if not is_there or not theirs or theirs in renamed:
            raise refuse("--map", f"takes each column once, as in order_no=transaction_id, not {text!r}")
        renamed[theirs] = ours
    return RowsFile(file, operation=operation, columns=renamed)


def _limit(rates: Sequence[str] | None) -> RateLimit | None:
    windows: list[tuple[int, float]] = []
    for text in rates or ():
        parts = re.fullmatch(r"(\d+)/(\d+(?:\.\d+)?)s", text, re.ASCII)
        if parts is None:
            raise refuse("--rate", f"takes requests and seconds, as in 30/1s, not {text!r}")
        windows.append((int(parts[1]), float(parts[2])))
    return RateLimit(*windows) if windows else None


def _again(journal: Path | None, concurrency: int, rates: Sequence[str] | None) -> str | None:
    """The command to go on with, which must not be faster than this one."""
    if journal is None:
        return None
    slower = [] if concurrency == DEFAULT_CONCURRENCY else ["--concurrency", str(concurrency)]
    slower += [f"--rate={rate}" for rate in rates or ()]
    return shlex.join(["gameball", "bulk", "resume", "--journal", str(journal), *slower])


def _agreed(question: str) -> bool:
    try:
        return input(question).strip().casefold() in ("y", "yes")
    except EOFError:
        return False


# --- a run


def _planned(rows: RowsFile, limit: RateLimit | None) -> BulkPlan:
    with out.status(f"reading {rows.name}") if sys.stdout.isatty() else nullcontext(), Seen() as seen:
        planner = Planner(seen)
        planner.add(rows)
        return planner.plan(limit)


def _run_to_the_end(
    send: Callable[[Callable[[BulkReport], object], threading.Event], BulkReport],
    *,
    rows: int,
    journal: Path | None,
    again: str | None,
) -> int:
    """Run until the end, or until Ctrl-C; show the report, and how to go on."""
    stopped: BulkStoppedError | None = None
    with _interruptible() as stop, Display(rows, stop) as display:
        try:
            outcome = send(display.show, stop)
        except KeyboardInterrupt:
            outcome = display.latest
        except BulkStoppedError as error:
            stopped, outcome = error, error.report
    show_end(outcome, rows, journal)
    if stopped is None and outcome.settled >= max(outcome.rows, rows):
        return Exit.PROBLEMS if outcome.rejected or outcome.needs_review else Exit.APPLIED
    if stopped is not None:
        say(str(stopped), err)
    elif journal is None:
        say("interrupted; without a journal the rest cannot be resumed", err)
    else:
        say("interrupted; the journal is saved", err)
    if again is not None:
        say(f"go on with: {again}")
    return Exit.INTERRUPTED if stopped is None else Exit.FAILED


@contextmanager
def _interruptible() -> Generator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one is what it always is."""
    stop = threading.Event()

    def interrupted(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _errors_as_exit_codes() -> Generator[None]:
    """Print an error as a sentence, and exit with its code."""
    try:
        yield
    except (BadRowsError, CredentialsError, InvalidRequestError, JournalError) as error:
        code, sentence = Exit.USAGE, str(error)
    except GameballError as error:
        code, sentence = Exit.FAILED, str(error)
    except OSError as error:
        code, sentence = Exit.USAGE, f"{error.filename}: {error.strerror}"
    else:
        return
    say(sentence, err)
    raise SystemExit(code)

"""`gameball bulk`: the rows of a file planned, sent, resumed and reported."""

import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import IntEnum
from pathlib import Path
from time import monotonic
from typing import Annotated, Final, Literal, Self

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from gameball.bulk.batch_sender import START
from gameball.bulk.distinct import Seen
from gameball.bulk.journal_file import problems, summary
from gameball.bulk.plan import Planner
from gameball.bulk.resource import Via
from gameball.bulk.rows import KEPT, KINDS, BulkPlan, BulkReport, RowResult, RowState
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


AT_A_TIME: Final = 64
"""Rows, when nothing else is asked for."""

NAMED: Final = 5
"""Rows of a kind that are named; the rest is counted."""

EVERY: Final = 5.0
"""Seconds between two lines, where there is no terminal."""

app = App(
    name="bulk",
    help="Send the rows of a file: planned first, kept in a journal, resumed after anything, and reported.\n\n"
    "Keys come from GAMEBALL_API_KEY and GAMEBALL_SECRET_KEY. Exit codes: 0 all applied, 3 some rejected or to"
    " review, 130 interrupted, 2 usage and bad input, 1 the rest.",
)
out = Console(highlight=False, markup=False, emoji=False)
err = Console(highlight=False, markup=False, emoji=False, stderr=True)

File = Annotated[Path, Parameter(allow_leading_hyphen=True)]  # "-" is one
Operation = Literal["cashback", "redeem", "refund", "manual"]
Concurrency = Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))]
Rates = Annotated[list[str] | None, Parameter(name="--rate", negative=())]
Columns = Annotated[list[str] | None, Parameter(name="--map", negative=())]


@app.command
def plan(file: File, /, *, operation: Operation = "cashback", rates: Rates = None, columns: Columns = None) -> int:
    """Check a file, and tell what a run of it would do. Nothing is sent, and no keys are needed.

    Parameters
    ----------
    file
        CSV, or JSON Lines (.jsonl, .ndjson); "-" is standard input.
    operation
        What the rows ask for; a column `operation` in the file says it row by row.
    rates
        At most so many requests in so many seconds, as in 30/1s; may be given several times.
    columns
        A column of the file and the field it stands for, as in order_no=transaction_id; may be given several times.
    """
    with _told(), _opened(file, operation, columns) as rows:
        limit = _limit(rates)
        _tell_plan(rows, _planned(rows, limit), limit)
        return Exit.APPLIED


@app.command
def run(
    file: File,
    /,
    *,
    operation: Operation = "cashback",
    journal: Path | None = None,
    via: Via = "calls",
    concurrency: Concurrency = AT_A_TIME,
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
        What the rows ask for; a column `operation` in the file says it row by row.
    journal
        A file to keep, for resuming and for the report.
    via
        "calls" sends each row by a call of its own, "batches" up to 1000 at a time (cashback and redeem only).
    concurrency
        The most rows at a time.
    rates
        At most so many requests in so many seconds, as in 30/1s; may be given several times.
    columns
        A column of the file and the field it stands for, as in order_no=transaction_id; may be given several times.
    dry_run
        Only tell what it would do.
    yes
        Do not ask.
    """
    with _told(), _opened(file, operation, columns) as rows:
        limit = _limit(rates)
        if journal is not None and journal.exists():
            before = summary(journal)
            _say(f"journal {journal}: {before.settled:,} of {before.rows:,} rows are settled already")
        told = _planned(rows, limit)
        if via == "batches" and not set(rows.operations) <= {KINDS[kind] for kind in START}:
            raise refuse("--via", "batches takes cashback and redeem only")
        _tell_plan(rows, told, limit)
        if dry_run:
            return Exit.APPLIED
        if journal is None:
            _say("no journal: when this run ends early it cannot be resumed (--journal FILE)")
        with Gameball(rate_limit=limit, connections=concurrency) as client:
            asks = not yes and sys.stdin.isatty() and sys.stdout.isatty()
            if asks and not _agreed(f"Send {_count(told.rows, 'row')}? [y/N] "):
                _say("nothing was sent")
                return Exit.FAILED
            return _carry_out(
                lambda show, stop: client.bulk.run(
                    rows, journal=journal, via=via, concurrency=concurrency, on_progress=show, stop=stop
                ),
                rows=told.rows,
                journal=journal,
                again=_again(journal, concurrency, rates),
            )


@app.command
def resume(*, journal: Path, via: Via | None = None, concurrency: Concurrency = AT_A_TIME, rates: Rates = None) -> int:
    """Go on with a run: what is settled is skipped, what was in flight is looked up first.

    Parameters
    ----------
    journal
        The file that the run kept.
    via
        "calls" or "batches"; without it, as in the run before.
    concurrency
        The most rows at a time.
    rates
        At most so many requests in so many seconds, as in 30/1s; may be given several times.
    """
    with _told(), Gameball(rate_limit=_limit(rates), connections=concurrency) as client:
        return _carry_out(
            lambda show, stop: client.bulk.resume(
                journal, via=via, concurrency=concurrency, on_progress=show, stop=stop
            ),
            rows=0,
            journal=journal,
            again=_again(journal, concurrency, rates),
        )


@app.command
def report(*, journal: Path, output: Path = Path()) -> int:
    """Write what became of a run: report.json, failed.csv and needs_review.csv. No keys are needed.

    The two files hold the rows that were rejected, and those that may have been applied: every field, and why.
    `gameball bulk run` reads them as they are.

    Parameters
    ----------
    journal
        The file that the run kept.
    output
        The folder to write them to; made if it is not there, and files of these names in it are replaced.
    """
    with _told():
        told = summary(journal)
        output.mkdir(parents=True, exist_ok=True)
        for name, state in (("failed.csv", RowState.REJECTED), ("needs_review.csv", RowState.NEEDS_REVIEW)):
            operations = sorted({KINDS[type(problem.request)] for problem in problems(journal, state)})
            count = write_rows(output / name, problems(journal, state), operations)
            _say(f"{output / name}: {_count(count, 'row')}")
        (output / "report.json").write_bytes(_as_json(told))
        _say(f"{output / 'report.json'}: {_count(told.rows, 'row')}, {_states(told)}, {told.left:,} left")
        return Exit.APPLIED


def _as_json(told: BulkReport) -> bytes:
    figures = (
        *("rows", "applied", "already_applied", "rejected", "needs_review", "left"),
        *("points", "seconds", "sent", "looked_up", "pauses"),
    )
    written = msgspec.json.Encoder(decimal_format="number").encode({name: getattr(told, name) for name in figures})
    return msgspec.json.format(written, indent=2) + b"\n"


# --- what was asked for


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
    """The command to go on with, which must not ask more of the API than this one."""
    if journal is None:
        return None
    slower = [] if concurrency == AT_A_TIME else ["--concurrency", str(concurrency)]
    slower += [f"--rate={rate}" for rate in rates or ()]
    return shlex.join(["gameball", "bulk", "resume", "--journal", str(journal), *slower])


def _agreed(question: str) -> bool:
    try:
        return input(question).strip().casefold() in ("y", "yes")
    except EOFError:
        return False


# --- what a run would do


def _planned(rows: RowsFile, limit: RateLimit | None) -> BulkPlan:
    with out.status(f"reading {rows.name}") if sys.stdout.isatty() else nullcontext(), Seen() as seen:
        planner = Planner(seen)
        planner.add(rows)
        return planner.plan(limit)


def _tell_plan(rows: RowsFile, told: BulkPlan, limit: RateLimit | None) -> None:
    kinds = ", ".join(f"{count:,} {name}" for name, count in sorted(rows.operations.items()))
    _say(f"{rows.name}: {_count(told.rows, 'row')} ({kinds}), amounts of {told.total_amount:,f} in all")
    if limit is not None and told.seconds is not None:
        windows = ", ".join(f"{_count(most, 'request')} in {seconds:g} s" for most, seconds in limit.windows)
        _say(f"  at most {windows}: takes {_span(told.seconds)} at least")
    if rows.passed_over:
        _say(f"  columns that are not read: {', '.join(rows.passed_over)}")
    for ids, what in (
        (told.clashes, "with the player and the time of an earlier one, which the API takes once"),
        (told.future, "with a time that lies ahead"),
    ):
        if ids:
            least = "at least " if len(ids) == KEPT else ""
            more = ", ..." if len(ids) > NAMED else ""
            _say(f"  take care: {least}{_count(len(ids), 'row')} {what}: {', '.join(ids[:NAMED])}{more}")


# --- a run, and its end


def _carry_out(
    send: Callable[[Callable[[BulkReport], object], threading.Event], BulkReport],
    *,
    rows: int,
    journal: Path | None,
    again: str | None,
) -> int:
    """Run until the end, or until Ctrl-C; tell what became of it, and how to go on."""
    stopped: BulkStoppedError | None = None
    with _interruptible() as stop, Display(rows, stop) as display:
        try:
            told = send(display.show, stop)
        except KeyboardInterrupt:
            told = display.latest
        except BulkStoppedError as error:
            stopped, told = error, error.report
    _tell_end(told, rows, journal)
    if stopped is None and told.settled >= max(told.rows, rows):
        return Exit.PROBLEMS if told.rejected or told.needs_review else Exit.APPLIED
    if stopped is not None:
        _say(str(stopped), err)
    elif journal is None:
        _say("interrupted; without a journal the rest cannot be resumed", err)
    else:
        _say("interrupted; what was settled is saved", err)
    if again is not None:
        _say(f"go on with: {again}")
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


class Display(AbstractContextManager["Display"]):
    """A run as it goes: two lines that change on a terminal, a new one every few seconds elsewhere."""

    def __init__(self, rows: int, stop: threading.Event) -> None:
        self.latest = BulkReport()
        self._rows = rows
        self._stop = stop
        self._began: tuple[float, int] | None = None
        self._due = 0.0
        self._stopping = False
        live = sys.stdout.isatty() and not out.is_dumb_terminal
        self._live = Live(console=out, auto_refresh=False, transient=True) if live else None

    def show(self, report: BulkReport) -> None:
        """Tell how far it is."""
        self.latest = report
        now = monotonic()
        if self._began is None:
            self._began = now, report.settled
            self._due = now + EVERY
        if self._live is not None:
            bar = Table.grid(padding=(0, 1))
            bar.add_row(
                ProgressBar(max(self._rows, report.rows), report.settled, width=40), self._progress(report, now)
            )
            self._live.update(Group(bar, f"{_states(report)}, {report.pauses:,} slow-downs"), refresh=True)
        elif now >= self._due:
            self._due = now + EVERY
            _say(f"{self._progress(report, now)}: {_states(report)}, {report.pauses:,} slow-downs")
        if self._stop.is_set() and not self._stopping:
            self._stopping = True
            _say("stopping: what is in flight may take ten seconds to end; Ctrl-C once more stops at once")

    def _progress(self, report: BulkReport, now: float) -> str:
        began, before = self._began or (now, 0)
        rows = max(self._rows, report.rows)
        rate = (report.settled - before) / (now - began) if now > began else 0
        left = f", {rate:,.0f}/s, {_span((rows - report.settled) / rate)} left" if rate else ""
        return f"{report.settled:,} of {rows:,} rows{left}"

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()


def _tell_end(told: BulkReport, rows: int, journal: Path | None) -> None:
    """The report in a few lines."""
    _say(f"{told.settled:,} of {max(rows, told.rows):,} rows: {_states(told)}")
    _say(
        f"{told.points:,} points, {_span(told.seconds)}, {told.sent:,} requests, {told.looked_up:,} look-ups,"
        f" {told.pauses:,} slow-downs"
    )
    for problem in told.problems[:NAMED]:
        _say(f"  {_problem(problem)}")
    if (more := len(told.problems) + told.problems_left_out - NAMED) > 0:
        _say(f"  and {more:,} more")
    if told.problems and journal is not None:
        _say(f"all of them, to be read again: {shlex.join(['gameball', 'bulk', 'report', '--journal', str(journal)])}")


def _problem(result: RowResult) -> str:
    return f"row {result.index + 1}, {result.state.replace('_', ' ')}: {result.error}"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _states(told: BulkReport) -> str:
    return (
        f"{told.applied:,} applied, {told.already_applied:,} already applied, {told.rejected:,} rejected,"
        f" {told.needs_review:,} to review"
    )


def _span(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


# --- what is said


def _say(text: str, to: Console = out) -> None:
    to.print(text, soft_wrap=True)


@contextmanager
def _told() -> Generator[None]:
    """Tell of what went wrong in a sentence, and end with the code for it."""
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
    _say(sentence, err)
    raise SystemExit(code)

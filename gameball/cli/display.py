"""What `gameball bulk` shows: the plan of a run, the run as it goes, and how it ended."""

import os
import shlex
import sys
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import monotonic
from typing import Final, Self, TextIO, TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gameball.bulk.report import KEPT, BulkPlan, BulkReport
from gameball.cli.output import go_on_without_stdout, say
from gameball.cli.rows_file import RowsFile
from gameball.errors import printable
from gameball.models.shared import Points
from gameball.settings import RateLimit

T = TypeVar("T")

NAMED: Final = 5
"""Rows of a kind that are named; the others are counted."""

INTERVAL: Final = 5.0
"""Seconds between two lines of progress, where there is no terminal."""

ROWS_READ: Final = 20_000
"""Rows between two looks at how far the check of a file is."""


# --- before a run


def counted(rows: Iterable[T], name: str) -> Iterator[T]:
    """The same rows; a terminal shows how many have been read."""
    with Foot() as foot:
        for number, row in enumerate(rows):
            if number % ROWS_READ == 0:
                foot.show(Text(printable(f"reading {name}: {number:,} rows")))
            yield row


def show_plan(rows: RowsFile, plan: BulkPlan, limit: RateLimit | None) -> None:
    """What a run would do, and what in its rows looks wrong."""
    operations = ", ".join(f"{number:,} {name}" for name, number in sorted(rows.operations.items()))
    say(f"{rows.name}: {count(plan.rows, 'row')} ({operations}), {_amounts(rows, plan)}")
    if rows.form:
        say(f"  read as: {', '.join(rows.form)}")
    if limit is not None and plan.seconds is not None:
        windows = ", ".join(f"{count(most, 'request')} in {seconds:g} s" for most, seconds in limit.windows)
        say(f"  at most {windows}: takes {span(plan.seconds)} at least")
    if rows.passed_over:
        say(f"  columns that are not read: {', '.join(map(printable, rows.passed_over))}")
    warnings = warnings_of(rows, plan)
    for warning in warnings:
        say(f"  warning: {warning}")
    if warnings:
        say(f"  take care: {count(len(warnings), 'warning')}")


def warnings_of(rows: RowsFile, plan: BulkPlan) -> list[str]:
    """What is allowed and looks wrong, in sentences."""
    return [
        *_about(plan.clashes, ("repeats", "repeat"), "a player and time; the API accepts each once"),
        *_about(plan.future, ("has", "have"), "a time in the future"),
        *rows.doubts,
    ]


def _amounts(rows: RowsFile, plan: BulkPlan) -> str:
    if len(rows.amounts) == 1:
        sums = f"{plan.total_amount:,f} in all"
    else:
        sums = ", ".join(f"{amount:,f} ({operation})" for operation, amount in sorted(rows.amounts.items()) if amount)
    points = f"{count(rows.points, 'point')} by hand" if rows.points else ""
    amounts = f"amounts of {sums}" if plan.total_amount or not points else ""
    return ", ".join(filter(None, (amounts, points)))


def _about(ids: tuple[str, ...], verb: tuple[str, str], what: str) -> list[str]:
    if not ids:
        return []
    least = "at least " if len(ids) == KEPT else ""
    more = ", ..." if len(ids) > NAMED else ""
    return [f"{least}{count(len(ids), 'row')} {verb[len(ids) > 1]} {what}: {', '.join(ids[:NAMED])}{more}"]


# --- while it goes


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich would end the program here."""
        raise BrokenPipeError


class Foot(AbstractContextManager["Foot"]):
    """Lines at the foot of a terminal, that change and go; nothing where there is no terminal, or no more."""

    def __init__(self) -> None:
        console = _Console(highlight=False, markup=False, emoji=False)
        there = is_terminal(sys.stdout) and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False, transient=True) if there else None

    @property
    def there(self) -> bool:
        """Whether it can be seen."""
        return self._live is not None

    def show(self, *lines: RenderableType) -> None:
        """Show these lines instead of the last ones."""
        with self._while_there() as live:
            if live is not None:
                live.update(Group(*lines), refresh=True)

    def __enter__(self) -> Self:
        with self._while_there() as live:
            if live is not None:
                live.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._while_there() as live:
            if live is not None:
                live.stop()

    @contextmanager
    def _while_there(self) -> Generator[Live | None]:
        try:
            yield self._live
        except (OSError, ValueError) as error:
            self._live = None
            go_on_without_stdout(error)


class Display(AbstractContextManager["Display"]):
    """A run as it goes: two lines that change on a terminal, a new one every few seconds elsewhere.

    Attributes:
        latest: The last report that was shown.
    """

    def __init__(self, rows: int, stop: threading.Event) -> None:
        self.latest = BulkReport()
        self._rows = rows
        self._stop = stop
        self._began: tuple[float, int] | None = None
        self._due = 0.0
        self._stopping = False
        self._reasons: set[str] = set()
        self._foot = Foot()
        self._stream = sys.stdout

    def show(self, report: BulkReport) -> None:
        """Show how far the run is."""
        self.latest = report
        now = monotonic()
        if self._began is None:
            self._began = now, report.settled
            self._due = now + INTERVAL
        if report.slowed_by is not None and (reason := str(report.slowed_by)) not in self._reasons:
            self._reasons.add(reason)
            say(f"slowing down: {reason}")
        if self._foot.there:
            bar = Table.grid(padding=(0, 1))
            bar.add_row(
                ProgressBar(max(self._rows, report.rows), report.settled, width=40), self._progress(report, now)
            )
            self._foot.show(bar, Text(f"{states(report)}, {count(report.pauses, 'slow-down')}"))
        elif now >= self._due and sys.stdout is self._stream:
            self._due = now + INTERVAL
            say(f"{self._progress(report, now)}: {states(report)}, {count(report.pauses, 'slow-down')}")
        if self._stop.is_set() and not self._stopping:
            self._stopping = True
            say("stopping: what is in flight may take ten seconds to end; Ctrl-C once more stops at once")

    def _progress(self, report: BulkReport, now: float) -> str:
        began, before = self._began or (now, 0)
        rows = max(self._rows, report.rows)
        rate = (report.settled - before) / (now - began) if now > began else 0
        left = f", {rate:,.0f}/s, {span((rows - report.settled) / rate)} left" if rate else ""
        return f"{report.settled:,} of {rows:,} rows{left}"

    def __enter__(self) -> Self:
        self._foot.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._foot.__exit__()


# --- at its end


def show_end(report: BulkReport, rows: int, journal: Path | None) -> None:
    """The report in a few lines; `rows` is how many there were to send."""
    say(f"{report.settled:,} of {max(rows, report.rows):,} rows: {states(report)}")
    say(
        f"{count(report.points, 'point')}, {span(report.seconds)}, {count(report.sent, 'request')},"
        f" {count(report.looked_up, 'look-up')}, {count(report.pauses, 'slow-down')}"
    )
    for problem in report.problems[:NAMED]:
        say(f"  row {problem.index + 1}, {problem.state.replace('_', ' ')}: {problem.error}")
    if (more := len(report.problems) + report.problems_left_out - NAMED) > 0:
        say(f"  and {more:,} more")
    if report.problems and journal is not None:
        say(f"to write all of them to files: {command('report', journal)}")


def command(name: str, journal: Path, *options: str) -> str:
    """A command on a journal, as it is typed in a shell."""
    path = str(journal)
    return shlex.join(["gameball", "bulk", name, f"./{path}" if path.startswith("-") else path, *options])


# --- a question


def agreed(question: str) -> bool:
    """Whether the one at the terminal says yes; always, where stdin is no terminal."""
    if not is_terminal(sys.stdin):
        return True
    with _terminal() as terminal:
        terminal.write(printable(question))
        terminal.flush()
        answer = sys.stdin.readline()
        if not answer:  # Ctrl-D
            terminal.write("\n")
    return answer.strip().casefold() in ("y", "yes")


def _terminal() -> AbstractContextManager[TextIO]:
    """Where to ask: where the output goes, or else where the answer is typed."""
    for stream in (sys.stdout, sys.stderr):
        if is_terminal(stream):
            return nullcontext(stream)
    name = os.ttyname(sys.stdin.fileno()) if hasattr(os, "ttyname") else "CONOUT$"  # as Windows calls it
    return Path(name).open("w", encoding="utf-8")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is there, open, and a terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


# --- words


def count(number: Points, what: str) -> str:
    """A number of things, as in "1 row" and "2 rows"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def states(report: BulkReport) -> str:
    """How many rows ended in which state."""
    return (
        f"{report.applied:,} applied, {report.already_applied:,} already applied, {report.rejected:,} rejected,"
        f" {report.needs_review:,} to review"
    )


def span(seconds: float) -> str:
    """A time span, as in 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"

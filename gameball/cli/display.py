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
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from gameball.bulk.report import KEPT, BulkPlan, BulkReport
from gameball.bulk.rows import RowResult
from gameball.cli.output import go_on_without_stdout, say
from gameball.cli.rows_file import RowsFile
from gameball.cli.throughput import Sparkline, Throughput, least_seconds
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
    def __init__(self) -> None:
        super().__init__(highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Rich would end the program here."""
        raise BrokenPipeError

    @property
    def there(self) -> bool:
        """Whether it is a terminal on which lines can be changed."""
        return is_terminal(sys.stdout) and not self.is_dumb_terminal


class Foot(AbstractContextManager["Foot"]):
    """Lines at the foot of a terminal, that change and go; nothing where there is no terminal, or no more."""

    def __init__(self) -> None:
        console = _Console()
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.there else None

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
    """A run as it goes: lines that change on a terminal, a new one every few seconds elsewhere.

    Attributes:
        latest: The last report that was shown.
    """

    def __init__(self, rows: int, stop: threading.Event, limit: RateLimit | None = None) -> None:
        self.latest = BulkReport()
        self._rows = rows
        self._stop = stop
        self._limit = limit
        self._first: BulkReport | None = None
        self._throughput = Throughput()
        self._due = 0.0
        self._stopping = False
        self._reasons: set[str] = set()
        self._foot = Foot()
        self._stream = sys.stdout

    def show(self, report: BulkReport) -> None:
        """Show how far the run is."""
        self.latest = report
        now = monotonic()
        self._throughput.note(now, report.settled)
        if self._first is None:
            self._first = report
            self._due = now + INTERVAL
        if report.slowed_by is not None and (reason := str(report.slowed_by)) not in self._reasons:
            self._reasons.add(reason)
            say(f"slowing down: {reason}")
        if self._foot.there:
            self._foot.show(*self._lines(report))
        elif now >= self._due and sys.stdout is self._stream:
            self._due = now + INTERVAL
            reduced = _reduced(report)
            say(f"{self._progress(report)}: {_counts(report)}{f', {reduced}' if reduced else ''}")
        if self._stop.is_set() and not self._stopping:
            self._stopping = True
            say("stopping: what is in flight may take ten seconds to end; Ctrl-C once more stops at once")

    def _lines(self, report: BulkReport) -> Iterator[RenderableType]:
        bar = Table.grid(Column(max_width=40), Column(no_wrap=True), padding=(0, 1))
        done = ProgressBar(max(self._rows, report.rows), report.settled, complete_style="cyan", finished_style="green")
        bar.add_row(done, self._progress(report))
        yield bar
        if most := max(rates := self._throughput.rates, default=0):
            bars = Table.grid(Column(max_width=40), Column(no_wrap=True), padding=(0, 1))
            bars.add_row(Sparkline(rates), f"rows a second, {most:,.0f} at most")
            yield bars
        yield Text(_counts(report))
        if reduced := _reduced(report):
            because = "" if report.slowed_by is None else f": {report.slowed_by}"
            yield _one_line(f"{reduced}{because}", "yellow")
        if report.problems:
            more = f" (and {report.problems_left_out:,} more)" if report.problems_left_out else ""
            yield _one_line(f"last problem{more}: {_problem(report.problems[-1])}", "red")

    def _progress(self, report: BulkReport) -> str:
        rows = max(self._rows, report.rows)
        progress = f"{report.settled:,} of {rows:,} rows"
        if not (rate := self._throughput.rate):
            return progress
        return f"{progress}, {rate:,.0f}/s, {span(max((rows - report.settled) / rate, self._least(report, rows)))} left"

    def _least(self, report: BulkReport, rows: int) -> float:
        """The least time that the rate limit allows, with as many requests for each row as until now."""
        first = self._first or report
        requests = report.sent + report.looked_up - first.sent - first.looked_up
        settled = max(report.settled - first.settled, 1)
        return least_seconds(self._limit, (rows - report.settled) * requests / settled)

    def __enter__(self) -> Self:
        self._foot.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._foot.__exit__()


def _reduced(report: BulkReport) -> str:
    """How much may be in flight while trouble keeps that low."""
    match report.limit:
        case None:
            return ""
        case 0:
            return "everything waits"
        case limit:
            return f"at most {limit:,} in flight"


def _one_line(text: str, style: str) -> Text:
    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")


# --- at its end


def show_end(report: BulkReport, rows: int, journal: Path | str | None) -> None:
    """The report in a few lines, in a panel on a terminal; `rows` is how many there were to send."""
    if not _showed_panel(report, rows):
        say(f"{report.settled:,} of {max(rows, report.rows):,} rows: {states(report)}")
        say(
            f"{count(report.points, 'point')}, {span(report.seconds)}, {count(report.sent, 'request')},"
            f" {count(report.looked_up, 'look-up')}, {count(report.pauses, 'slow-down')}"
        )
        for line in _problems(report):
            say(f"  {line}")
    if report.problems and journal is not None:
        say(f"to write all of them to files: {command('report', journal)}")


def _showed_panel(report: BulkReport, rows: int) -> bool:
    console = _Console()
    if not console.there:
        return False
    figures = Table.grid(Column(), Column(justify="right"), Column(), Column(justify="right"), padding=(0, 1))
    for one, other in (
        (("applied", report.applied), ("points", report.points)),
        (("already applied", report.already_applied), ("requests", report.sent)),
        (("rejected", report.rejected), ("look-ups", report.looked_up)),
        (("to review", report.needs_review), ("slow-downs", report.pauses)),
    ):
        figures.add_row(one[0], f"{one[1]:,}", f"   {other[0]}", f"{other[1]:,}")
    problems = [Text(printable(line), style="red") for line in _problems(report)]
    rate = f", {report.settled / report.seconds:,.0f} a second" if report.seconds else ""
    panel = Panel(
        Group(figures, *([Text(""), *problems] if problems else [])),
        title=Text(f"{report.settled:,} of {max(rows, report.rows):,} rows in {span(report.seconds)}{rate}"),
        title_align="left",
        border_style="yellow" if problems or report.left else "green",
        expand=False,
    )
    try:
        console.print(panel)
    except (OSError, ValueError) as error:
        go_on_without_stdout(error)
        return False
    return True


def _problems(report: BulkReport) -> Iterator[str]:
    """The first few problems, and how many more there are."""
    yield from map(_problem, report.problems[:NAMED])
    if (more := len(report.problems) + report.problems_left_out - NAMED) > 0:
        yield f"and {more:,} more"


def _problem(problem: RowResult) -> str:
    return f"row {problem.index + 1}, {problem.state.replace('_', ' ')}: {problem.error}"


def command(name: str, journal: Path | str, *options: str) -> str:
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


def _counts(report: BulkReport) -> str:
    return f"{states(report)}, {count(report.pauses, 'slow-down')}"


def span(seconds: float) -> str:
    """A time span, as in 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"

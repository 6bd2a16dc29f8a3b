"""What `gameball bulk` shows: the plan of a run, the run as it goes, and how it ended."""

import shlex
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from gameball.bulk.rows import KEPT, BulkPlan, BulkReport
from gameball.cli.rows_file import RowsFile
from gameball.settings import RateLimit

out: Final = Console(highlight=False, markup=False, emoji=False)
err: Final = Console(highlight=False, markup=False, emoji=False, stderr=True)

NAMED: Final = 5
"""Rows of a kind that are named; the others are counted."""

INTERVAL: Final = 5.0
"""Seconds between two lines of progress, where there is no terminal."""


def say(text: str, to: Console = out) -> None:
    """Print lines as they are."""
    to.print(text, soft_wrap=True)


# --- before a run


def show_plan(rows: RowsFile, plan: BulkPlan, limit: RateLimit | None) -> None:
    """What a run would do, and what in its rows looks wrong."""
    operations = ", ".join(f"{number:,} {name}" for name, number in sorted(rows.operations.items()))
    say(f"{rows.name}: {count(plan.rows, 'row')} ({operations}), amounts of {plan.total_amount:,f} in all")
    if limit is not None and plan.seconds is not None:
        windows = ", ".join(f"{count(most, 'request')} in {seconds:g} s" for most, seconds in limit.windows)
        say(f"  at most {windows}: takes {span(plan.seconds)} at least")
    if rows.passed_over:
        say(f"  columns that are not read: {', '.join(rows.passed_over)}")
    _warn(plan.clashes, ("repeats", "repeat"), "a player and time; the API accepts each once")
    _warn(plan.future, ("has", "have"), "a time in the future")


def _warn(ids: tuple[str, ...], verb: tuple[str, str], what: str) -> None:
    if ids:
        least = "at least " if len(ids) == KEPT else ""
        more = ", ..." if len(ids) > NAMED else ""
        rows = f"{least}{count(len(ids), 'row')} {verb[len(ids) > 1]}"
        say(f"  warning: {rows} {what}: {', '.join(ids[:NAMED])}{more}")


# --- while it goes


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
        live = sys.stdout.isatty() and not out.is_dumb_terminal
        self._live = Live(console=out, auto_refresh=False, transient=True) if live else None

    def show(self, report: BulkReport) -> None:
        """Show how far the run is."""
        self.latest = report
        now = monotonic()
        if self._began is None:
            self._began = now, report.settled
            self._due = now + INTERVAL
        if self._live is not None:
            bar = Table.grid(padding=(0, 1))
            bar.add_row(
                ProgressBar(max(self._rows, report.rows), report.settled, width=40), self._progress(report, now)
            )
            self._live.update(Group(bar, f"{states(report)}, {report.pauses:,} slow-downs"), refresh=True)
        elif now >= self._due:
            self._due = now + INTERVAL
            say(f"{self._progress(report, now)}: {states(report)}, {report.pauses:,} slow-downs")
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
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()


# --- at its end


def show_end(report: BulkReport, rows: int, journal: Path | None) -> None:
    """The report in a few lines; `rows` is how many there were to send."""
    say(f"{report.settled:,} of {max(rows, report.rows):,} rows: {states(report)}")
    say(
        f"{report.points:,} points, {span(report.seconds)}, {report.sent:,} requests, {report.looked_up:,} look-ups,"
        f" {report.pauses:,} slow-downs"
    )
    for problem in report.problems[:NAMED]:
        say(f"  row {problem.index + 1}, {problem.state.replace('_', ' ')}: {problem.error}")
    if (more := len(report.problems) + report.problems_left_out - NAMED) > 0:
        say(f"  and {more:,} more")
    if report.problems and journal is not None:
        say(f"to write all of them to files: {shlex.join(['gameball', 'bulk', 'report', '--journal', str(journal)])}")


# --- words


def count(number: int, what: str) -> str:
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

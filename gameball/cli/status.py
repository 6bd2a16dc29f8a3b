"""`gameball bulk status`: how far a run is, read from what keeps it by whoever does not run it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any

from attrs import frozen

from gameball.bulk.journal import JournalReader
from gameball.bulk.journal.history import Sample
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import RowResult
from gameball.cli.display import count, span, states
from gameball.cli.kept import Kept
from gameball.cli.objects import problem_object, report_object
from gameball.cli.output import say
from gameball.cli.throughput import Throughput
from gameball.models.model import instant

if TYPE_CHECKING:
    from gameball.bulk.cluster.report import ClusterReader


@frozen(kw_only=True)
class Status:
    """How far a run is.

    Attributes:
        running: Whether somebody is at work on it.
        process: The one that is, where that is known.
        base_url: Where its rows go.
        report: What became of them.
        in_flight: Rows that are on their way, or were when a run broke off.
        rows_per_second: How many were settled in a second, lately.
        slowed_by: Why it waited the last time.
        last_problem: The last row that was rejected or needs a review.
        runs: See `runs_of()`.
    """

    running: bool
    process: str | None
    base_url: str
    report: BulkReport
    in_flight: int
    rows_per_second: float | None
    slowed_by: str | None
    last_problem: RowResult | None
    runs: Sequence[Mapping[str, Any]]


def show_status(recorded: "JournalReader | ClusterReader", kept: Kept) -> dict[str, Any]:
    """Show how far a run is; what `--json` says of it."""
    status = _of_journal(recorded) if isinstance(recorded, JournalReader) else _of_directory(recorded)
    report, problem, rate = status.report, status.last_problem, status.rows_per_second
    waiting = report.left - status.in_flight
    state = "running" if status.running else "complete" if not report.left else "stopped"
    who = f" by process {status.process}" if status.process else ""
    say(f"{kept}: {state}{who}, {report.settled:,} of {count(report.rows, 'row')} settled: {states(report)}")
    say(f"  {count(status.in_flight, 'row')} {'in flight' if status.running else 'in doubt'}, {waiting:,} to send")
    say(
        f"  {span(report.seconds)}, {count(report.sent, 'request')}, {count(report.looked_up, 'look-up')},"
        f" {count(report.pauses, 'slow-down')}"
    )
    if rate:
        say(f"  {rate:,.0f}/s, {span(report.left / rate)} left")
    if status.running and status.slowed_by:
        say(f"  slowed down the last time by: {status.slowed_by}")
    if problem is not None:
        say(f"  last problem: row {problem.index + 1}, {problem.state.replace('_', ' ')}: {problem.error}")
    return {
        "journal": str(kept),
        "base_url": status.base_url,
        "state": state,
        "process": int(status.process) if status.process else None,
        "at": _utc(time()),
        "report": report_object(report),
        "in_flight": status.in_flight,
        "to_send": waiting,
        "rows_per_second": rate,
        "slowed_by": status.slowed_by,
        "last_problem": None if problem is None else problem_object(problem),
        "runs": status.runs,
    }


def _of_journal(recorded: JournalReader) -> Status:
    contents, samples, holder = recorded.contents, recorded.samples, recorded.holder
    last = samples[-1] if samples else None
    problem = recorded.problem(last.problem) if last is not None and last.problem is not None else None
    return Status(
        running=holder is not None,
        process=holder,
        base_url=contents.base_url,
        report=contents.report,
        in_flight=contents.sending,
        rows_per_second=_rate(samples) if holder is not None else None,
        slowed_by=last.slowed_by if last is not None else None,
        last_problem=problem or _last_of(contents.report),
        runs=runs_of(samples),
    )


def _of_directory(reader: "ClusterReader") -> Status:
    report, submission = reader.report, reader.submission
    rate, runs = None, list[Mapping[str, Any]]()
    if submission is not None:
        seconds = reader.heard - submission.began
        if reader.is_running:
            report.seconds += seconds
            rate = (report.settled - submission.settled) / seconds if seconds > 0 else None
        began, heard = _utc(submission.began), _utc(reader.heard)
        runs.append({"run": submission.number, "began": began, "last_seen": heard, "settled": report.settled})
    return Status(
        running=reader.is_running,
        process=None,
        base_url=reader.base_url,
        report=report,
        in_flight=reader.in_doubt,
        rows_per_second=rate,
        slowed_by=reader.slowed_by,
        last_problem=_last_of(report),
        runs=runs,
    )


def _last_of(report: BulkReport) -> RowResult | None:
    return report.problems[-1] if report.problems else None


def _rate(samples: Sequence[Sample]) -> float | None:
    """Rows that were settled in a second, lately; None where that is not known."""
    throughput = Throughput()
    for sample in samples:
        if sample.run == samples[-1].run:
            throughput.note(sample.seconds, sample.settled)
    return throughput.rate


def runs_of(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """When each run began, and when it was last seen."""
    ends = {one.run: one for one in samples}
    begins = {one.run: one for one in reversed(samples)}
    return [
        {"run": run, "began": _utc(first.time), "last_seen": _utc(ends[run].time), "settled": ends[run].settled}
        for run, first in sorted(begins.items())
    ]


def _utc(moment: float) -> str:
    return instant(datetime.fromtimestamp(round(moment, 3), UTC))

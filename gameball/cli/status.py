"""`gameball bulk status`: how far a run is, read from its journal by whoever does not run it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

from gameball.bulk.journal import JournalReader
from gameball.bulk.journal.history import Sample
from gameball.cli.display import count, span, states
from gameball.cli.objects import problem_object, report_object
from gameball.cli.output import say
from gameball.cli.throughput import Throughput
from gameball.models.model import instant


def show_status(recorded: JournalReader, journal: Path) -> dict[str, Any]:
    """Show how far a journal's run is; what `--json` says of it."""
    contents, samples = recorded.contents, recorded.samples
    report, holder = contents.report, recorded.holder
    waiting = report.left - contents.sending
    state = "running" if holder is not None else "complete" if not report.left else "stopped"
    rate = _rate(samples) if holder is not None else None
    last = samples[-1] if samples else None
    problem = recorded.problem(last.problem) if last is not None and last.problem is not None else None
    problem = problem or (report.problems[-1] if report.problems else None)
    who = f" by process {holder}" if holder else ""
    say(f"{journal}: {state}{who}, {report.settled:,} of {count(report.rows, 'row')} settled: {states(report)}")
    say(f"  {count(contents.sending, 'row')} {'in flight' if holder is not None else 'in doubt'}, {waiting:,} to send")
    say(
        f"  {span(report.seconds)}, {count(report.sent, 'request')}, {count(report.looked_up, 'look-up')},"
        f" {count(report.pauses, 'slow-down')}"
    )
    if rate:
        say(f"  {rate:,.0f}/s, {span(report.left / rate)} left")
    if holder is not None and last is not None and last.slowed_by:
        say(f"  slowed down the last time by: {last.slowed_by}")
    if problem is not None:
        say(f"  last problem: row {problem.index + 1}, {problem.state.replace('_', ' ')}: {problem.error}")
    return {
        "journal": str(journal),
        "base_url": contents.base_url,
        "state": state,
        "process": int(holder) if holder else None,
        "at": _utc(time()),
        "report": report_object(report),
        "in_flight": contents.sending,
        "to_send": waiting,
        "rows_per_second": rate,
        "slowed_by": last.slowed_by if last is not None else None,
        "last_problem": None if problem is None else problem_object(problem),
        "runs": runs_of(samples),
    }


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

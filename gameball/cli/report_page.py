"""The report of a run as one page that needs neither a network nor a script: report.html."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import escape

from gameball.bulk.journal import JournalReader
from gameball.bulk.journal.history import Sample
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import RowResult
from gameball.cli.display import count, span, states
from gameball.cli.failed_rows import private_file
from gameball.cli.kept import Kept
from gameball.cli.status import runs_of
from gameball.errors import printable

if TYPE_CHECKING:
    from gameball.bulk.cluster.report import ClusterReader

NAMED: Final = 100
"""Rows of a group that are listed."""

GROUPS: Final = 50
RUNS: Final = 100
SHOWN: Final = 20
"""Slowest rows, and rows that were sent again."""

PLOTTED: Final = 2000
"""Moments in a plot; of more runs than that, not each has one."""

LONGEST: Final = 200
"""Characters of a text that are shown."""

MOST_BYTES: Final = 1_400_000
"""Of the problems that are listed."""

MARKUP: Final = 120
"""Bytes of such a row beside its texts."""


@define
class Group:
    """Problems with the same code."""

    title: str
    count: int = 0
    rows: list[tuple[Any, ...]] = field(factory=list[tuple[Any, ...]])


def write_page(path: Path, recorded: "JournalReader | ClusterReader", kept: Kept) -> None:
    """Write the page, readable to its owner alone.

    Raises:
        JournalError: The journal cannot be read.
        OSError: The page cannot be written.
    """
    contents, samples, outliers = recorded.contents, recorded.samples, recorded.outliers
    report = contents.report
    environment = Environment(
        loader=PackageLoader("gameball.cli"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("report.html").stream(
        journal=printable(str(kept)),
        base_url=contents.base_url,
        via=contents.via,
        report=report,
        summary=f"{count(report.rows, 'row')}: {states(report)}",
        figures=_figures(report),
        span=span,
        count=count,
        words=_words,
        moment=_moment,
        sums=contents.sums,
        runs=runs_of(samples)[-RUNS:],
        plot=_plot(samples[:: len(samples) // PLOTTED + 1]),
        slowest=sorted(outliers, key=lambda row: -row.seconds)[:SHOWN],
        retried=sorted((row for row in outliers if row.attempts > 1), key=lambda row: -row.attempts)[:SHOWN],
        shown=_shown,
        groups=_groups(recorded),
    )
    with private_file(path) as file:
        page.enable_buffering(50)
        file.writelines(page)


def _figures(report: BulkReport) -> list[tuple[str, str]]:
    """What stands at the top."""
    numbers = {
        "rows": report.rows,
        "applied": report.applied,
        "already applied": report.already_applied,
        "rejected": report.rejected,
        "to review": report.needs_review,
        "left": report.left,
        "points": report.points,
        "requests": report.sent,
        "look-ups": report.looked_up,
        "pauses": report.pauses,
    }
    times = {"paused": span(report.paused), "took": span(report.seconds)}
    return [*((name, f"{number:,}") for name, number in numbers.items()), *times.items()]


def _groups(recorded: "JournalReader | ClusterReader") -> list[Group]:
    groups: dict[str, Group] = {}
    left = MOST_BYTES
    for problem in recorded.all_problems():
        title = _title(problem)
        if title not in groups and len(groups) >= GROUPS:
            title = "others"
        group = groups.setdefault(title, Group(title))
        group.count += 1
        if len(group.rows) < NAMED and left > 0:
            request, error = problem.request, problem.error
            texts = (request.player_unique_id, request.transaction_id, error.message if error is not None else "")
            row = tuple(map(_shown, texts))
            left -= MARKUP + sum(len(escape(text).encode()) for text in row)
            group.rows.append((problem.index + 1, *row))
    return sorted(groups.values(), key=lambda group: -group.count)


def _shown(text: str) -> str:
    return printable(text)[:LONGEST]


def _title(problem: RowResult) -> str:
    code = getattr(problem.error, "code", None)
    kind = f"code {code}" if code is not None else type(problem.error).__name__
    return f"{_words(problem.state)}, {kind}"


def _words(state: str) -> str:
    return state.replace("_", " ")


def _moment(time: str) -> str:
    return time[: len("2026-01-31T12:00:00")].replace("T", " ")


def _plot(samples: Sequence[Sample]) -> dict[str, Any] | None:
    """Points in a box of 1000 by 100."""
    if not samples or samples[-1].seconds <= 0 or not samples[-1].settled:
        return None
    wide, high = samples[-1].seconds, samples[-1].settled
    pairs = list(pairwise(samples))
    rates = [
        (after.settled - before.settled) / (after.seconds - before.seconds) if after.seconds > before.seconds else 0.0
        for before, after in pairs
    ]
    most = max(rates, default=0.0)

    def x(seconds: float) -> float:
        return round(1000 * min(max(seconds, 0), wide) / wide, 1)

    steps = [(x(end.seconds), 100 - 98 * rate / most) for (_, end), rate in zip(pairs, rates, strict=True) if most]
    return {
        "settled": " ".join(f"{x(one.seconds)},{100 - 98 * one.settled / high:.1f}" for one in samples),
        "rate": " ".join(f"{at},{y:.1f}" for at, y in steps),
        "most": most,
        "pauses": _joined((x(start), x(end)) for start, end in map(_pause, pairs) if end > start),
        "resumed": sorted({x(after.seconds) for before, after in pairs if after.run != before.run}),
    }


def _pause(pair: tuple[Sample, Sample]) -> tuple[float, float]:
    """When everything waited between two moments; a pause that begins in between goes on at the second one."""
    before, after = pair
    paused = after.paused - before.paused
    if after.pauses > before.pauses:
        return after.seconds - paused, after.seconds
    return before.seconds, before.seconds + paused


def _joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The start and width of each span; those that nearly touch are one."""
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        goes_on = joined and start <= joined[-1][1] + 1
        joined.append((joined.pop()[0] if goes_on else start, end))
    return [(start, round(end - start, 1)) for start, end in joined]

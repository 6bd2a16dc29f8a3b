"""What a scenario found, on the terminal or as JSON."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from benchmarks.measure import Comparison, Figure

Cell: TypeAlias = str | float | int


def limit(until_3_12: float, since_3_13: float) -> float:
    """The limit of a target that a newer Python moves: it makes requests cheaper, and asyncio's Python code dearer."""
    return since_3_13 if sys.version_info >= (3, 13) else until_3_12


@attrs.frozen
class Target:
    """A figure that was asked for."""

    what: str
    measured: Figure | float
    sense: Literal["at most", "at least"]
    limit: float
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Reported, and nothing more: a slow or busy machine is no failure."""
        measured = self.measured.middle if isinstance(self.measured, Figure) else self.measured
        return measured <= self.limit if self.sense == "at most" else measured >= self.limit


@attrs.frozen
class Table:
    """Rows of figures, the targets they answer to, and words about them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = ()


def compared(
    title: str, comparison: Comparison, unit: str, *, targets: Iterable[Target] = (), notes: Sequence[str] = ()
) -> Table:
    """A table of contenders: what a unit of work costs each, and what share of that it costs the first."""
    first = comparison.measured[0]
    return Table(
        title,
        ("", f"CPU us/{unit}", "spread", f"wall us/{unit}", f"{unit}s/s", "CPU ratio", "wall ratio"),
        [
            (
                one.name,
                round(one.cpu.middle * 1e6, 2),
                f"{one.cpu.spread:.0%}",
                round(one.wall.middle * 1e6, 2),
                round(1 / one.wall.middle),
                round(first.cpu_against(one).middle, 3),
                round(first.wall_against(one).middle, 3),
            )
            for one in comparison.measured
        ],
        [*targets],
        [*notes, *(f"{package} is not installed: left out" for package in comparison.absent)],
    )


def summary(tables: Iterable[Table]) -> Table:
    """All targets together."""
    rows = [
        (f"{table.title.partition(':')[0]}: {target.what}", _measured(target), _limit(target), _verdict(target))
        for table in tables
        for target in table.targets
    ]
    return Table("All targets", ("", "measured", "target", ""), rows)


def text(table: Table) -> str:
    """For a terminal, and for a Markdown file alike."""
    cells = [[*table.columns], *([_cell(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.columns))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    aligned = (
        "| "
        + " | ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        + " |"
        for row in (cells[0], rule, *cells[1:])
    )
    return "\n".join([f"### {table.title}", "", *aligned, "", *map(_target, table.targets), *_notes(table)])


def plain(table: Table) -> Mapping[str, Any]:
    """The same for JSON."""
    targets = [{**attrs.asdict(target), "met": target.met} for target in table.targets]
    return {
        "title": table.title,
        "rows": [dict(zip(("name", *table.columns[1:]), row, strict=True)) for row in table.rows],
        "targets": targets,
        "notes": [*table.notes],
    }


def _cell(cell: Cell) -> str:
    return cell if isinstance(cell, str) else f"{cell:,}"


def _target(target: Target) -> str:
    return f"- {target.what}: {_measured(target)}, {_limit(target)}: {_verdict(target)}"


def _limit(target: Target) -> str:
    return f"{target.sense} {_with_unit(target.limit, target.unit)}"


def _verdict(target: Target) -> str:
    return "met" if target.met else "NOT met"


def _measured(target: Target) -> str:
    if not isinstance(target.measured, Figure):
        return _with_unit(target.measured, target.unit)
    middle, low, high = (_with_unit(value, target.unit) for value in attrs.astuple(target.measured))
    return f"{middle} ({low} to {high})"


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.0%}" if unit == "%" else f"{value:.2f}{unit}" if unit == "x" else f"{round(value, 1):g} {unit}"


def _notes(table: Table) -> Iterable[str]:
    return (f"- {note}" for note in table.notes)

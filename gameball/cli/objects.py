"""What `--json` says of plans, runs and rows: plain values, as docs/command-schema.json describes them."""

from typing import Any, Final

from gameball.bulk.report import BulkPlan, BulkReport
from gameball.bulk.rows import KINDS, RowResult
from gameball.cli.display import warnings_of
from gameball.cli.rows_file import RowsFile
from gameball.settings import RateLimit

FIGURES: Final = (
    *("rows", "applied", "already_applied", "rejected", "needs_review", "left"),
    *("points", "seconds", "sent", "looked_up", "pauses", "paused"),
)
"""What a report says in numbers."""


def plan_object(rows: RowsFile, plan: BulkPlan, limit: RateLimit | None) -> dict[str, Any]:
    """What a run would do; amounts by operation."""
    return {
        "file": rows.name,
        "rows": plan.rows,
        "operations": dict(sorted(rows.operations.items())),
        "amounts": dict(sorted(rows.amounts.items())),
        "total_amount": plan.total_amount,
        "points": rows.points,
        "read_as": rows.form,
        "columns_not_read": rows.passed_over,
        "rate_limit": [{"requests": most, "seconds": seconds} for most, seconds in limit.windows] if limit else [],
        "least_seconds": plan.seconds,
        "clashes": plan.clashes,
        "future": plan.future,
        "left_out": plan.left_out,
        "warnings": warnings_of(rows, plan),
    }


def report_object(report: BulkReport) -> dict[str, Any]:
    """The figures of a report."""
    return {name: getattr(report, name) for name in FIGURES}


def problem_object(problem: RowResult) -> dict[str, Any]:
    """A row that was rejected or needs a review; `row` is its place in the input, from 1."""
    error = problem.error
    return {
        "row": problem.index + 1,
        "state": problem.state,
        "operation": KINDS[type(problem.request)],
        "player_unique_id": problem.request.player_unique_id,
        "transaction_id": problem.request.transaction_id,
        "code": getattr(error, "code", None),
        "message": error.message if error is not None else "",
    }

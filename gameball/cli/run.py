"""A run of `gameball bulk`, from its plan to its end, whatever that is."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gameball.bulk.report import BulkPlan, BulkReport, Planner, SeenIds
from gameball.cli.display import Display, command, counted, show_end, show_plan
from gameball.cli.exit_codes import Exit
from gameball.cli.input_file import temporary_files
from gameball.cli.objects import plan_object, problem_object, report_object
from gameball.cli.options import journal_report
from gameball.cli.origin import Origin, note
from gameball.cli.output import FIRST_HELP, Output, complain, say
from gameball.cli.problems import error_object
from gameball.cli.rows_file import RowsFile
from gameball.errors import BulkStoppedError, JournalError
from gameball.settings import RateLimit


def planned(rows: RowsFile, limit: RateLimit | None) -> BulkPlan:
    """The plan of a run, by a pass over all rows."""
    with temporary_files(), SeenIds() as seen:
        planner = Planner(seen)
        planner.add(counted(rows, rows.name))
        return planner.plan(limit)


def show_plan_only(given: Output, rows: RowsFile, limit: RateLimit | None) -> Exit:
    """Show what a run would do."""
    plan = planned(rows, limit)
    show_plan(rows, plan, limit)
    return given.end(Exit.APPLIED, plan=plan_object(rows, plan, limit))


def show_before(journal: Path) -> None:
    """Show how far the runs on a journal have come; what these keys and this address do not fit is refused.

    Raises:
        JournalError: It cannot be used.
    """
    if journal.exists():
        before = journal_report(journal)
        say(f"journal {journal}: {before.settled:,} of {before.rows:,} rows are done already")
    elif not journal.absolute().parent.is_dir():
        raise JournalError(f"journal {journal} cannot be used: No such file or directory")


def run_to_the_end(
    given: Output,
    send: Callable[[Callable[[BulkReport], object], threading.Event], BulkReport],
    *,
    rows: int,
    journal: Path | None,
    again: Sequence[str],
    limit: RateLimit | None,
    origin: Origin | None = None,
    plan: Mapping[str, Any] | None = None,
) -> Exit:
    """Run until the end, or until Ctrl-C; show the report, and how to go on."""
    stopped: BulkStoppedError | None = None
    is_noted = False

    def show(report: BulkReport) -> None:
        nonlocal is_noted
        if not is_noted and journal is not None and origin is not None:
            note(journal, origin)  # not before: until now the journal may have been another run's
        is_noted = True
        display.show(report)

    with given.interrupts.stopping() as stop, Display(rows, stop, limit) as display:
        try:
            outcome = send(show, stop)
        except KeyboardInterrupt:
            outcome = display.latest
        except BulkStoppedError as error:
            stopped, outcome = error, error.report
            show(outcome)
    show_end(outcome, rows, journal)
    results = {
        "journal": None if journal is None else str(journal),
        "plan": plan,
        "report": report_object(outcome),
        "problems": [problem_object(problem) for problem in outcome.problems],
        "problems_left_out": outcome.problems_left_out,
        "resume": None,
    }
    if stopped is None and outcome.settled >= max(outcome.rows, rows):
        return given.end(Exit.PROBLEMS if outcome.rejected or outcome.needs_review else Exit.APPLIED, **results)
    ending: BaseException = stopped or KeyboardInterrupt()
    if stopped is not None:
        complain(str(stopped))
        complain(FIRST_HELP)
    elif journal is None:
        complain("interrupted; without a journal the rest cannot be resumed")
    else:
        complain("interrupted; the journal is saved")
    if journal is not None:
        results["resume"] = command("resume", journal, *again)
        say(f"go on with: {results['resume']}")
    return given.end(Exit.INTERRUPTED if stopped is None else Exit.FAILED, **{**results, "error": error_object(ending)})

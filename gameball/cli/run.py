"""A run of `gameball bulk`, from its plan to its end, whatever that is."""

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from gameball.bulk.report import BulkPlan, BulkReport, Planner, SeenIds
from gameball.bulk.start import Via
from gameball.cli.display import Display, command, counted, show_end, show_plan
from gameball.cli.exit_codes import Exit
from gameball.cli.input_file import temporary_files
from gameball.cli.kept import Kept, load
from gameball.cli.objects import plan_object, problem_object, report_object
from gameball.cli.options import client_of, journal_report
from gameball.cli.origin import Origin, note
from gameball.cli.output import FIRST_HELP, Output, complain, say
from gameball.cli.problems import error_object
from gameball.cli.rows_file import RowsFile
from gameball.cli.workers import Workers
from gameball.client import Gameball
from gameball.errors import BulkStoppedError, JournalError
from gameball.settings import RateLimit


def planned(rows: RowsFile, limit: RateLimit | None) -> BulkPlan:
    """The plan of a run, by a pass over all rows."""
    with temporary_files(), SeenIds() as seen:
        planner = Planner(seen, distinct=True)
        planner.add(counted(rows, rows.name))
        return planner.plan(limit)


def show_plan_only(given: Output, rows: RowsFile, limit: RateLimit | None) -> Exit:
    """Show what a run would do."""
    plan = planned(rows, limit)
    show_plan(rows, plan, limit)
    return given.end(Exit.APPLIED, plan=plan_object(rows, plan, limit))


# --- who sends the rows


class Sender(Protocol):
    """Sends the rows of a run, or those of an earlier one that are left; `show` is called with the report so far."""

    def show_before(self) -> None:
        """Show how far earlier runs have come in the place that keeps this one.

        Raises:
            JournalError: It cannot be used, or belongs to other keys or another address.
        """
        ...

    def run(self, rows: RowsFile, show: Callable[[BulkReport], object], stop: threading.Event) -> BulkReport:
        """Send them, until the end or until the event is set."""
        ...

    def resume(self, show: Callable[[BulkReport], object], stop: threading.Event) -> BulkReport:
        """Send what is left of an earlier run."""
        ...


@frozen(kw_only=True)
class ThisProcess:
    """This process does; see `Sender`."""

    client: Gameball
    journal: Path | None
    via: Via | None
    new_key: bool
    concurrency: int
    patience: float

    def show_before(self) -> None:
        """See `Sender`."""
        if self.journal is None:
            return
        if self.journal.exists():
            before = journal_report(self.journal)
            say(f"journal {self.journal}: {before.settled:,} of {before.rows:,} rows are done already")
        elif not self.journal.absolute().parent.is_dir():
            raise JournalError(f"journal {self.journal} cannot be used: No such file or directory")

    def run(self, rows: RowsFile, show: Callable[[BulkReport], object], stop: threading.Event) -> BulkReport:
        """See `Sender`."""
        return self.client.bulk.run(
            rows,
            journal=self.journal,
            via=self.via or "calls",
            concurrency=self.concurrency,
            patience=self.patience,
            on_progress=show,
            stop=stop,
        )

    def resume(self, show: Callable[[BulkReport], object], stop: threading.Event) -> BulkReport:
        """See `Sender`."""
        assert self.journal is not None  # noqa: S101 (for the type checkers: there is one to resume)
        return self.client.bulk.resume(
            self.journal,
            via=self.via,
            new_key=self.new_key,
            concurrency=self.concurrency,
            patience=self.patience,
            on_progress=show,
            stop=stop,
        )


@contextmanager
def sender_of(
    workers: Workers,
    kept: Kept | None,
    limit: RateLimit | None,
    *,
    via: Via | None,
    concurrency: int,
    patience: float,
    new_key: bool = False,
) -> Generator[Sender]:
    """Find out who is to send the rows.

    Raises:
        InvalidRequestError: The cluster cannot be reached.
        CredentialsError: One of the keys is missing.
    """
    if workers.option is not None:
        on_cluster = load("gameball.cli.cluster", workers.option).on_cluster
        with on_cluster(workers, kept, limit, via=via, concurrency=concurrency) as sender:
            yield sender
    else:
        with client_of(limit, concurrency) as client:
            yield ThisProcess(
                client=client,
                journal=None if kept is None else Path(kept),
                via=via,
                new_key=new_key,
                concurrency=concurrency,
                patience=patience,
            )


# --- the run


def run_to_the_end(
    given: Output,
    send: Callable[[Callable[[BulkReport], object], threading.Event], BulkReport],
    *,
    rows: int,
    journal: Kept | None,
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

"""`gameball bulk`: the rows of a file planned, sent, resumed and reported."""

import webbrowser
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from gameball.bulk.rows import RowState
from gameball.bulk.start import Via
from gameball.cli.display import agreed, count, show_plan, states
from gameball.cli.exit_codes import Exit
from gameball.cli.failed_rows import private_file, write_rows
from gameball.cli.kept import reader_of
from gameball.cli.objects import plan_object, report_object
from gameball.cli.options import (
    DEFAULT_CONCURRENCY,
    DEFAULT_PATIENCE,
    PLAIN,
    AsJson,
    Concurrency,
    File,
    Flag,
    Form,
    Patience,
    Rates,
    check_batches,
    limit_of,
    options_again,
    origin_of,
)
from gameball.cli.origin import noted, with_others
from gameball.cli.output import output_of, say, to_json
from gameball.cli.report_page import write_page
from gameball.cli.run import planned, run_to_the_end, sender_of, show_plan_only
from gameball.cli.status import show_status
from gameball.cli.workers import THIS_PROCESS, Directory, KeptOption, NewJournal, Workers
from gameball.models.shared import refuse

app = App(
    name="bulk",
    help_epilogue="Keys come from GAMEBALL_API_KEY and GAMEBALL_SECRET_KEY. Exit codes: 0 all applied, 3 some rejected"
    " or to review, 130 interrupted, 2 usage and bad input, 1 the rest.",
)


@app.command
def plan(file: File, /, *, form: Form = PLAIN, rates: Rates = None, as_json: AsJson = False) -> int:
    """Check a file, and show what a run of it would do. Nothing is sent, and no keys are needed.

    Parameters
    ----------
    file
        CSV, or JSON Lines (.jsonl, .ndjson), also gzipped; Parquet; Excel (.xlsx). "-" is standard input.
    rates
        Rate limit, for example 30/1s; repeatable.
    as_json
        Print one JSON object on stdout, and all else on stderr.
    """
    with output_of("plan", as_json=as_json) as given, origin_of(file, form).open() as rows:
        return show_plan_only(given, rows, limit_of(rates))


@app.command
def run(
    file: File,
    /,
    *,
    form: Form = PLAIN,
    journal: NewJournal = None,
    via: Via = "calls",
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    rates: Rates = None,
    patience: Patience = DEFAULT_PATIENCE,
    workers: Workers = THIS_PROCESS,
    directory: Directory = None,
    dry_run: Flag = False,
    yes: Flag = False,
    as_json: AsJson = False,
) -> int:
    """Send the rows of a file, each once. The whole file is checked first; at a terminal you are asked.

    Ctrl-C lets what is in flight end, for ten seconds at most; a second one stops at once. Either way a run with a
    journal can be resumed.

    Parameters
    ----------
    file
        CSV, or JSON Lines (.jsonl, .ndjson), also gzipped; Parquet; Excel (.xlsx). "-" is standard input.
    journal
        A file that records the run, for resuming and for the report; with --workers, a directory.
    via
        "calls" sends each row by a call of its own, "batches" up to 1000 at a time (cashback and redeem only).
    concurrency
        The most rows in flight; with workers, of each.
    rates
        Rate limit, for example 30/1s; repeatable.
    patience
        Seconds that an outage may last before the run is stopped.
    directory
        With --cluster, a path or URL that all workers reach. It keeps the run: its rows, what became of them, no key.
    dry_run
        Show the plan only.
    yes
        Send without asking.
    as_json
        Print one JSON object on stdout, and all else on stderr; needs --yes.
    """
    with output_of("run", as_json=as_json) as given:
        if as_json and not (yes or dry_run):
            raise refuse("--yes", "is needed with --json, which asks no question")
        kept = workers.place(journal, directory, patience)
        with (origin := origin_of(file, form)).open() as rows:
            limit = limit_of(rates)
            if via == "batches":
                check_batches([form.operation])
            if dry_run:
                return show_plan_only(given, rows, limit)
            with sender_of(workers, kept, limit, via=via, concurrency=concurrency, patience=patience) as sender:
                sender.show_before()
                expected = planned(rows, limit)
                if via == "batches":
                    check_batches(rows.operations)
                show_plan(rows, expected, limit)
                if kept is None:
                    say("no journal: a run that ends early cannot be resumed (--journal FILE)")
                if not (yes or agreed(f"Send {count(expected.rows, 'row')}? [y/N] ")):
                    say("nothing was sent")
                    return Exit.FAILED
                return run_to_the_end(
                    given,
                    partial(sender.run, rows),
                    rows=expected.rows,
                    journal=kept,
                    limit=limit,
                    origin=origin,
                    again=[*workers.again(), *options_again(concurrency, rates, patience)],
                    plan=plan_object(rows, expected, limit),
                )


@app.command
def resume(
    journal: KeptOption,
    *,
    via: Via | None = None,
    new_key: Flag = False,
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    rates: Rates = None,
    patience: Patience = DEFAULT_PATIENCE,
    workers: Workers = THIS_PROCESS,
    as_json: AsJson = False,
) -> int:
    """Go on with a run: finished rows are skipped, rows that were in flight are looked up first.

    Parameters
    ----------
    journal
        The file that recorded the run, or its directory.
    via
        "calls" or "batches"; as in the run before by default.
    new_key
        The API key may be another one of the same account; one applied row is looked up first, to see that it is.
    concurrency
        The most rows in flight; with workers, of each.
    rates
        Rate limit, for example 30/1s; repeatable.
    patience
        Seconds that an outage may last before the run is stopped.
    as_json
        Print one JSON object on stdout, and all else on stderr.
    """
    with output_of("resume", as_json=as_json) as given:
        workers.check_resumes(journal, patience, new_key=new_key)
        limit = limit_of(rates)
        with sender_of(
            workers, journal, limit, via=via, new_key=new_key, concurrency=concurrency, patience=patience
        ) as sender:
            return run_to_the_end(
                given,
                sender.resume,
                rows=0,
                journal=journal,
                limit=limit,
                again=[*workers.again(), *options_again(concurrency, rates, patience)],
            )


@app.command
def status(journal: KeptOption, *, as_json: AsJson = False) -> int:
    """Show how far a run is, also while it goes in another terminal. No keys are needed, and nothing is changed.

    Parameters
    ----------
    journal
        The file that records the run, or its directory.
    as_json
        Print one JSON object on stdout, and all else on stderr.
    """
    with output_of("status", as_json=as_json) as given, reader_of(journal) as recorded:
        return given.end(Exit.APPLIED, **show_status(recorded, journal))


@app.command
def report(
    journal: KeptOption,
    *,
    output: Path = Path(),
    show: Annotated[bool, Parameter(name="--open", negative=())] = False,
    as_json: AsJson = False,
) -> int:
    """Write the outcome of a run: report.html, report.json, failed.csv, needs_review.csv. No keys are needed.

    The two CSV files hold the rows that were rejected, and those whose outcome is unknown: every column of the file
    that they came from, and why. `gameball bulk run` reads them as they are.

    Parameters
    ----------
    journal
        The file that recorded the run, or its directory.
    output
        The folder to write to; created if needed, and files of these names in it are replaced.
    show
        Open report.html in a browser.
    as_json
        Print one JSON object on stdout, and all else on stderr.
    """
    with output_of("report", as_json=as_json) as given, reader_of(journal) as recorded:
        outcome = recorded.contents.report
        origin = noted(journal)
        output.mkdir(parents=True, exist_ok=True)
        for name, state in (("failed.csv", RowState.REJECTED), ("needs_review.csv", RowState.NEEDS_REVIEW)):
            written = write_rows(output / name, lambda: with_others(origin, recorded.problems(state)))  # noqa: B023
            say(f"{output / name}: {count(written, 'row')}")
        write_page(output / "report.html", recorded, journal)
        with private_file(output / "report.json") as file:
            file.write(msgspec.json.format(to_json(report_object(outcome)), indent=2) + "\n")
        say(f"{output / 'report.json'}: {count(outcome.rows, 'row')}, {states(outcome)}, {outcome.left:,} left")
        if show:
            webbrowser.open((output / "report.html").absolute().as_uri())
        return given.end(
            Exit.APPLIED,
            journal=str(journal),
            files=[str(output / name) for name in ("report.html", "report.json", "failed.csv", "needs_review.csv")],
            report=report_object(outcome),
        )

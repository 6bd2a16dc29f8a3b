"""What a run looks like on a terminal, wide and narrow, and in a pipe."""

import io
import sys
import threading
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path

import pytest

from gameball import BulkReport, CashbackRequest, RateLimit, RowResult, State
from gameball.cli import display
from gameball.errors import RateLimitedError, ServerError
from tests.support.screen import Screen

STATES = "applied, 0 already applied, 0 rejected, 0 to review"


class Terminal(io.TextIOWrapper):
    """An output that says of itself to be a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")

    def isatty(self) -> bool:
        return True

    def written(self) -> str:
        self.seek(0)
        return self.read()


Show = Callable[..., list[str]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Shows reports, a second apart, on a terminal: the lines at its foot after the last one."""

    def show(
        reports: Iterable[BulkReport], *, columns: int = 100, limit: RateLimit | None = None, encoding: str = "utf-8"
    ) -> list[str]:
        terminal, screen = Terminal(encoding), Screen()
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setattr(display, "monotonic", count().__next__)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))
        with display.Display(1000, threading.Event(), limit) as on_terminal:
            for report in reports:
                on_terminal.show(report)
            screen.write(terminal.written())
        return screen.shown.splitlines()

    return show


def problem(text: str, index: int = 41) -> RowResult:
    request = CashbackRequest(player_unique_id="ada", transaction_id="order-42", amount=5)
    return RowResult(index=index, request=request, state=State.REJECTED, error=ServerError(text, code=7, status=422))


def steady(seconds: int, rows: int = 20, **others: object) -> list[BulkReport]:
    return [BulkReport(rows=1000, applied=n * rows, sent=n * rows, **others) for n in range(seconds)]  # type: ignore[arg-type]


# --- while it goes


def test_a_calm_run_is_three_lines(shown: Show) -> None:
    rising = [BulkReport(rows=1000, applied=n * n) for n in range(9)]
    bar, sparkline, states = shown(rising)
    assert bar.endswith(" 64 of 1,000 rows, 8/s, 0:01:57 left")
    assert "━━" in bar
    assert sparkline == "▁▂▃▄▅▆▇█ rows a second, 15 at most"
    assert states == f"64 {STATES}, 0 slow-downs"


def test_what_keeps_a_run_slow_is_named_and_the_last_problem(shown: Show) -> None:
    slow = RateLimitedError("too many requests", status=429)
    problems = [problem("no", 40), problem("unknown player")]
    reports = steady(5, limit=8, slowed_by=slow, problems=problems, pauses=1)
    *_, states, reduced, last = shown(reports)
    assert states == f"80 {STATES}, 1 slow-down"
    assert reduced == "at most 8 in flight: too many requests (HTTP 429)"
    assert last == "last problem: row 42, rejected: 7 unknown player (HTTP 422)"


@pytest.mark.parametrize(
    ("slowed_by", "line"),
    [
        (ServerError("the API fails", status=503), "everything waits: the API fails (HTTP 503)"),
        (None, "everything waits"),
    ],
)
def test_a_run_in_which_everything_waits_says_so(shown: Show, slowed_by: ServerError | None, line: str) -> None:
    assert shown(steady(3, limit=0, slowed_by=slowed_by))[-1] == line


def test_of_more_problems_than_are_kept_the_others_are_counted(shown: Show) -> None:
    assert shown(steady(3, problems=[problem("no")], problems_left_out=1234))[-1].startswith(
        "last problem (and 1,234 more): row 42, rejected"
    )


@pytest.mark.parametrize(
    ("limit", "left"),
    [
        (None, "0:00:46"),
        (RateLimit((30, 1.0)), "0:00:46"),  # which this run does not reach
        (RateLimit((100, 1.0), (100, 60.0)), "0:09:12"),  # 920 rows, after a burst that cannot go on
    ],
)
def test_the_time_left_counts_the_rate_limit(shown: Show, limit: RateLimit | None, left: str) -> None:
    assert shown(steady(5), limit=limit)[0].endswith(f" 80 of 1,000 rows, 20/s, {left} left")


def test_the_time_left_counts_requests_not_rows(shown: Show) -> None:
    """A batch takes a few of them for many rows; a row that was looked up takes two."""
    limit = RateLimit((10, 1.0))
    batches = [BulkReport(rows=1000, applied=n * 100, sent=n) for n in range(3)]
    assert shown(batches, limit=limit)[0].endswith("100/s, 0:00:08 left")
    looked_up = [BulkReport(rows=1000, applied=n * 100, sent=n * 100, looked_up=n * 100) for n in range(3)]
    assert shown(looked_up, limit=limit)[0].endswith("100/s, 0:02:40 left")


def test_what_others_wrote_changes_nothing_on_a_terminal(shown: Show) -> None:
    reports = steady(
        2, limit=4, slowed_by=ServerError("\x1b[2J\nno"), problems=[problem("[red]\x1b]0;owned\x07\n\u202e")]
    )
    *_, reduced, last = shown(reports, columns=200)
    assert reduced == r"at most 4 in flight: \x1b[2J\nno"
    assert last == r"last problem: row 42, rejected: 7 [red]\x1b]0;owned\x07\n\u202e (HTTP 422)"


def test_a_narrow_terminal_has_room_for_all_of_it(shown: Show) -> None:
    slow = ServerError("the API fails and says so at some length, as APIs do", status=503)
    reports = steady(70, rows=14, limit=8, slowed_by=slow, problems=[problem("a player that nobody knows " * 3)])
    lines = shown(reports, columns=60)
    assert max(map(len, lines)) <= 60
    first = next(place for place, line in enumerate(lines) if "rows," in line)
    bar, sparkline, states, *more, reduced, last = lines[first:]
    assert " ".join(lines[:first]) == f"slowing down: {slow}"
    assert bar.endswith(" 966 of 1,000 rows, 14/s, 0:00:02 left")
    assert sparkline == f"{'█' * 34} rows a second, 14 at most"
    assert " ".join([states, *more]) == f"966 {STATES}, 0 slow-downs"
    assert reduced == f"at most 8 in flight: {slow}"[:59] + "…"
    assert last.startswith("last problem: row 42, rejected: 7 a player")


def test_a_terminal_without_colour_or_unicode_shows_the_same(shown: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    bar, sparkline, states = shown([BulkReport(rows=1000, applied=n * n) for n in range(9)], encoding="ascii")
    assert bar.endswith(" 64 of 1,000 rows, 8/s, 0:01:57 left")
    assert sparkline == "_.:-=+*# rows a second, 15 at most"
    assert states == f"64 {STATES}, 0 slow-downs"


def test_a_pipe_gets_plain_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(display, "monotonic", count().__next__)
    slow = ServerError("the API fails", status=503)
    with display.Display(1000, threading.Event()) as in_pipe:
        for report in [*steady(6), *steady(11, limit=0, slowed_by=slow)[6:]]:
            in_pipe.show(report)
    assert capsys.readouterr().out.splitlines() == [
        f"100 of 1,000 rows, 20/s, 0:00:45 left: 100 {STATES}, 0 slow-downs",
        "slowing down: the API fails (HTTP 503)",
        f"200 of 1,000 rows, 20/s, 0:00:40 left: 200 {STATES}, 0 slow-downs, everything waits",
    ]


# --- at its end


def ended(monkeypatch: pytest.MonkeyPatch, report: BulkReport, columns: int = 100) -> list[str]:
    terminal, screen = Terminal(), Screen()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    display.show_end(report, 0, Path("rewards.db"))
    screen.write(terminal.written())
    return screen.shown.splitlines()


def test_a_run_without_problems_ends_in_a_small_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    report = BulkReport(rows=3000, applied=2990, already_applied=10, points=51167, seconds=4.0, sent=3002, looked_up=12)
    assert ended(monkeypatch, report) == [
        "╭─ 3,000 of 3,000 rows in 0:00:04, 750 a second ─╮",
        "│ applied         2,990    points     51,167     │",
        "│ already applied    10    requests    3,002     │",
        "│ rejected            0    look-ups       12     │",
        "│ to review           0    slow-downs      0     │",
        "╰────────────────────────────────────────────────╯",
    ]


@pytest.mark.parametrize("columns", [60, 100])
def test_the_problems_of_a_run_are_in_its_panel_and_the_command_that_writes_them_below(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    problems = [problem(f"unknown player {n} \x1b[2J", n) for n in range(7)]
    lines = ended(
        monkeypatch, BulkReport(rows=8, applied=1, rejected=7, problems=problems, problems_left_out=10), columns
    )
    assert max(map(len, lines[:-1])) <= columns
    text = " ".join(line.strip("│ ") for line in lines)
    assert r"row 5, rejected: 7 unknown player 4 \x1b[2J (HTTP 422) and 12 more" in text
    assert lines[-1] == "to write all of them to files: gameball bulk report rewards.db"

"""report.html: one private page without script or network, in which every text from outside stays text."""

import os
import re
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from gameball.bulk.journal.history import Sample
from gameball.cli.report_page import _plot
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Close, Status
from tests.cli.commands import COMMAND, Bulk, orders

pytestmark = pytest.mark.usefixtures("here")


def test_a_report_is_a_page_too(sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("orders.csv").write_text(
        "player_unique_id,transaction_id,amount\n<b>ada</b>,<script>1</script>,10.25\ngrace,t2,20\nalan,t3,1\n", "utf-8"
    )
    sandbox.faults.arm(
        "transactions.cashback",
        Status(422, {"code": 7, "message": "<img src=x>"}),
        transaction_id="<script>1</script>",
    )
    sandbox.faults.arm("transactions.cashback", Close(), transaction_id="t3")
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 3
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert bulk("report", "rewards.db", "--open") == 0
    page = Path("report.html").read_text(encoding="utf-8")
    assert opened == [Path("report.html").absolute().as_uri()]
    assert stat.S_IMODE(Path("report.html").stat().st_mode) == 0o600
    assert not re.search(r"<script|<img|<b>|https?://(?!127)[^ <]|url\(", page)
    assert "&lt;script&gt;1&lt;/script&gt;" in page
    for part in (
        sandbox.base_url,
        "rejected, code 7: 1",
        "10.25",
        "Rows that were sent again",
        "<polyline",
        "failed.csv",
    ):
        assert part in page


def test_many_problems_stay_few_on_the_page(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(130)
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 7, "message": "<" * 500}), times=130)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 3
    assert bulk("report", "rewards.db") == 0
    page = Path("report.html").read_text(encoding="utf-8")
    assert "rejected, code 7: 130" in page
    assert page.count("&lt;" * 200) == 100
    assert len(page) < 2_000_000


@pytest.mark.thorough
def test_slow_rows_and_rows_that_were_sent_again_are_named(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(30)
    sandbox.faults.arm("transactions.cashback", Close(), transaction_id="t7")
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 7, "message": "no"}), transaction_id="t8")
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 3
    assert bulk("report", "rewards.db") == 0
    page = Path("report.html").read_text(encoding="utf-8")
    slowest, again = (page.partition(title)[2].partition("</table>")[0] for title in ("Slowest", "sent again"))
    assert len(re.findall("<tr>", slowest)) == 1 + 20
    [row] = re.findall("<tr>(<td.*)</tr>", again)
    cells = re.sub("<td[^>]*>", "|", row).replace("<bdi>", "").replace("</bdi>", "")
    assert re.fullmatch(r"\|8\|cashback\|p7\|t7\|applied\|\d+\.\d{3} s\|2 times", cells)


def at(seconds: float, pauses: int, paused: float, run: int = 1) -> Sample:
    return Sample(run, seconds, seconds, int(seconds * 10), 0, 0, pauses, paused, None, None)


def test_a_pause_stands_in_the_plot_where_it_was_and_in_one_piece() -> None:
    samples = [at(0, 0, 0), at(40, 0, 0), at(50, 1, 1), at(60, 1, 11), at(65, 1, 16), at(80, 1, 16), at(100, 2, 20)]
    plot = _plot(samples)
    assert plot is not None
    assert plot["pauses"] == [(490.0, 160.0), (960.0, 40.0)]
    assert plot["resumed"] == []
    resumed = _plot([*samples, at(100, 2, 20, run=2), at(200, 2, 20, run=2)])
    assert resumed is not None
    assert resumed["resumed"] == [500.0]


# --- however many rows there are

MORE_ROWS = """
    CREATE TEMP TABLE ended AS SELECT * FROM rows;
    INSERT INTO requests
    WITH RECURSIVE counted(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM counted WHERE n < {last})
    SELECT n, kind, printf('%s-%d', transaction_id, n), printf('<%d>', n),
        json_set(request, '$.transactionId', printf('%s-%d', transaction_id, n))
    FROM counted JOIN ended ON number = n % 10;
    INSERT INTO commits (states)
    SELECT json_group_array(json_array(n.number, status, NULL, NULL, points, NULL,
        CASE WHEN error IS NULL THEN NULL
            ELSE json_set(error, '$[1].code', n.number % 90, '$[1].message', '{message}') || '' END))
    FROM requests AS n JOIN ended ON ended.number = n.number % 10 WHERE n.number >= 10 GROUP BY n.number / 300;
"""


def grown(journal: Path, rows: int) -> Path:
    """A copy of a journal of ten rows, grown to so many, with as many moments and slow rows as one keeps."""
    path = journal.with_name(f"{rows}.db")
    with closing(sqlite3.connect(journal)) as source, closing(sqlite3.connect(path)) as database:
        source.backup(database)
        database.executescript(MORE_ROWS.format(last=rows - 1, message="<" * 500))
        (last,) = database.execute("SELECT max(time) FROM samples").fetchone()
        moments = ((last + n, n, n * rows // 4000, n, n / 3) for n in range(1, 4000))
        database.executemany("INSERT INTO samples VALUES (1, ?, ?, ?, 0, 0, ?, ?, NULL, NULL)", moments)
        slow = [(n, n, 3) for n in range(10, min(rows, 210))]
        database.executemany("INSERT OR REPLACE INTO outliers VALUES (?, ?, ?)", slow)
        database.commit()
    return path


def peak(journal: Path) -> int:
    """The bytes of memory that writing the report of a journal takes."""
    process = subprocess.Popen([*COMMAND, "bulk", "report", journal], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss * 1024


@pytest.mark.thorough
def test_the_report_of_many_rows_is_a_small_page_written_in_little_memory(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(10)
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 7, "message": "no"}), times=8)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 3
    few = peak(grown(Path("rewards.db"), 10_000))
    many = peak(grown(Path("rewards.db"), 100_000))
    assert many - few < 8 * 2**20
    assert Path("report.html").stat().st_size < 2_000_000
    assert "80,000" in Path("report.html").read_text(encoding="utf-8")

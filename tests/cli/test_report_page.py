"""report.html: one private page without script or network, in which every text from outside stays text."""

import re
import stat
from pathlib import Path

import pytest

from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Close, Status
from tests.cli.commands import Bulk, orders

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

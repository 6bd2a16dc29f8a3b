"""`gameball bulk`: its output, its requests, its files and its exit codes."""

import csv
import json
import re
import shlex
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from gameball import Gameball
from gameball.bulk.journal import Journal
from gameball.cli.rows_file import RowsFile
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Status, TooManyRequests
from tests.cli.commands import COMMAND, Bulk, orders, times

pytestmark = pytest.mark.usefixtures("here")


# --- a run, from the plan to the report


def test_a_plan_says_what_a_run_would_do_and_needs_no_keys(
    sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("orders.csv").write_text(
        "shop,order_no,playerUniqueId,amount,transactionTime\n"
        "x,t1,ada,10,2019-09-19T16:14:09Z\n"
        "x,t2,ada,20.50,2019-09-19T16:14:09Z\n"
        "x,t3,ada,30,2999-09-19T16:14:09Z\n",
        encoding="utf-8",
    )
    monkeypatch.delenv("GAMEBALL_API_KEY")
    arguments = ("orders.csv", "--map", "order_no=transaction_id", "--rate", "1/30s", "--rate=5/1s")
    assert bulk("plan", *arguments) == 0
    plan = bulk.said
    assert plan.splitlines() == [
        "orders.csv: 3 rows (3 cashback), amounts of 60.50 in all",
        "  at most 1 request in 30 s, 5 requests in 1 s: takes 0:01:30 at least",
        "  columns that are not read: shop",
        "  warning: 1 row repeats a player and time; the API accepts each once: t2",
        "  warning: 1 row has a time in the future: t3",
        "  take care: 2 warnings",
    ]
    assert bulk("run", *arguments, "--dry-run") == 0
    assert bulk.said == plan
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (["cashback,a,1,5.50,,", "cashback,b,2,1,,"], "2 rows (2 cashback), amounts of 6.50 in all"),
        (
            ["cashback,a,1,5.50,,", "refund,a,2,2,1,", "cashback,b,3,1,,"],
            "3 rows (2 cashback, 1 refund), amounts of 6.50 (cashback), 2 (refund)",
        ),
        (["manual,a,1,,,-20", "manual,b,2,,,5"], "2 rows (2 manual), -15 points by hand"),
        (["manual,a,1,7,,", "manual,b,2,,,1"], "2 rows (2 manual), amounts of 7 in all, 1 point by hand"),
        (
            ["manual,a,1,,,1000", "cashback,b,2,3,,"],
            "2 rows (1 cashback, 1 manual), amounts of 3 (cashback), 1,000 points by hand",
        ),
        (["refund,a,2,,1,"], "1 row (1 refund), amounts of 0 in all"),
    ],
)
def test_a_plan_adds_up_each_operation(bulk: Bulk, rows: list[str], line: str) -> None:
    titles = "operation,player_unique_id,transaction_id,amount,original_transaction_id,points,username,reason"
    Path("orders.csv").write_text(
        "".join(f"{row}\n" for row in [titles, *(f"{row},ops,Hello" for row in rows)]), "utf-8"
    )
    assert bulk("plan", "orders.csv") == 0
    assert bulk.said.splitlines()[0] == f"orders.csv: {line}"


def test_a_run_with_a_journal_sends_each_row_once_and_its_report_says_so(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(300)
    assert bulk("run", "orders.csv", "--journal", "rewards.db", "--concurrency", "8") == 0
    assert "300 of 300 rows: 300 applied, 0 already applied, 0 rejected, 0 to review" in bulk.said
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    assert "journal rewards.db: 300 of 300 rows are done already" in bulk.said
    assert set(times(sandbox).values()) == {1}
    assert len(sandbox.requests) == 300

    assert bulk("report", "--journal", "rewards.db", "--output", "reports/today") == 0
    report = json.loads(Path("reports/today/report.json").read_text(encoding="utf-8"))
    assert report["points"] == sum(entry.points for entry in sandbox.ledger.transactions())
    assert {name: report[name] for name in ("rows", "applied", "rejected", "needs_review", "left", "sent")} == {
        **dict.fromkeys(("rows", "applied", "sent"), 300),
        **dict.fromkeys(("rejected", "needs_review", "left"), 0),
    }


def test_what_was_rejected_is_reported_and_can_be_run_again(sandbox: Sandbox, bulk: Bulk) -> None:
    Path("spent.csv").write_text(
        "player_unique_id,transaction_id,redeemed_amount\nada,r1,1\ngrace,r2,2\n", encoding="utf-8"
    )
    with Gameball() as client:
        reward = client.transactions.manual
        reward(player_unique_id="ada", transaction_id="m1", username="ops", reason="Hello", points=500)
        reward(player_unique_id="grace", transaction_id="m2", username="ops", reason="Hello", points=1)

        assert bulk("run", "spent.csv", "--operation", "redeem", "--journal", "spent.db") == 3
        assert "row 2, rejected: 309 " in bulk.said
        assert bulk("report", "--journal", "spent.db") == 0
        assert "failed.csv: 1 row\nneeds_review.csv: 0 rows\nreport.json: 2 rows, 1 applied" in bulk.said

        reward(player_unique_id="grace", transaction_id="m3", username="ops", reason="Sorry", points=500)
    assert bulk("run", "failed.csv") == 0
    assert "failed.csv: 1 row (1 redeem)" in bulk.said
    assert times(sandbox)["r2"] == 1


def test_the_reason_of_a_slow_down_is_said_once(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(9)
    sandbox.faults.arm("transactions.cashback", TooManyRequests())
    assert bulk("run", "orders.csv", "--concurrency", "1") == 0
    (line,) = re.findall(r"^slowing down: (.*)$", bulk.said, re.MULTILINE)
    assert line.startswith("too many requests")
    assert re.search(r"points, .* [1-9] slow-downs?$", bulk.said, re.MULTILINE)


@pytest.fixture
def refusing(sandbox: Sandbox) -> Sandbox:
    """A sandbox that refuses everything."""
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 7, "message": "no"}), times=1000)
    return sandbox


def failed() -> list[dict[str, str]]:
    with Path("failed.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("refusing")
def test_a_report_keeps_all_columns_of_the_file(bulk: Bulk) -> None:
    Path("orders.csv").write_text(
        "shop;order_no;player_unique_id;amount;code;note\n"
        'North;t1;ada;10;SPRING;"two\nlines; =1+1"\n'
        "South;t2;grace;20;;=cmd|x\n"
        ";t3;alan;30;;\n",
        encoding="utf-8",
    )
    arguments = ("--map", "order_no=transaction_id", "--journal", "rewards.db")
    assert bulk("run", "orders.csv", *arguments) == 3
    assert bulk("report", "rewards.db") == 0
    rows = failed()
    assert [(row["transaction_id"], row["shop"], row["row"], row["message"]) for row in rows] == [
        *(("t1", "North", "1", "no"), ("t2", "South", "2", "no"), ("t3", "", "3", "no"))
    ]
    assert rows[1]["note"] == "'=cmd|x"
    titles = Path("failed.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert titles[-6:] == ["shop", "code", "note", "row", "code", "message"]
    assert "order_no" not in titles

    # Put right and run again, the rows that fail once more have the same columns.
    assert bulk("run", "failed.csv", "--journal", "again.db") == 3
    first = Path("failed.csv").read_text(encoding="utf-8")
    assert bulk("report", "again.db") == 0
    assert Path("failed.csv").read_text(encoding="utf-8") == first


@pytest.mark.usefixtures("refusing")
def test_a_report_of_json_lines_keeps_all_their_keys(bulk: Bulk) -> None:
    rows = [
        {
            "player_unique_id": "a",
            "transaction_id": "t1",
            "amount": 1,
            "shelf": {"row": 7, "t": [1]},
            "ok": True,
        },
        {"player_unique_id": "b", "transaction_id": "t2", "amount": 2, "merchant": {"name": "Shop", "floor": 2}},
    ]
    Path("orders.jsonl").write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert bulk("run", "orders.jsonl", "--journal", "rewards.db") == 3
    assert bulk("report", "rewards.db") == 0
    first, second = failed()
    assert (json.loads(first["shelf"]), first["ok"]) == ({"row": 7, "t": [1]}, "true")
    assert (second["merchant.name"], second["merchant.floor"], second["shelf"]) == ("Shop", "2", "")


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize("gone", ["the file", "a row", "its titles", "all but its name"])
def test_a_report_never_takes_columns_from_another_row(bulk: Bulk, gone: str) -> None:
    text = "shop,player_unique_id,transaction_id,amount\nNorth,ada,t1,10\nSouth,grace,t2,20\n"
    Path("orders.csv").write_text(text, encoding="utf-8")
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 3
    if gone == "the file":
        Path("orders.csv").unlink()
    elif gone == "a row":
        Path("orders.csv").write_text(text.replace("North,ada,t1,10\n", ""), encoding="utf-8")
    elif gone == "its titles":
        Path("orders.csv").write_text(text.replace("amount", "sum"), encoding="utf-8")
    else:
        Path("orders.csv").write_bytes(b"PK\x03\x04")
    assert bulk("report", "rewards.db") == 0
    assert [(row["transaction_id"], row.get("shop", "")) for row in failed()] == [("t1", ""), ("t2", "")]


def test_a_run_without_a_journal_names_its_first_problems(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(9)
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 7, "message": "no"}), times=7)
    assert bulk("run", "orders.csv") == 3
    assert "no journal: a run that ends early cannot be resumed" in bulk.said
    assert len(re.findall(r"^  row \d, rejected: 7 no ", bulk.said, re.MULTILINE)) == 5
    assert "  and 2 more" in bulk.said
    assert "gameball bulk report" not in bulk.said


def test_via_batches_rows_go_through_batches(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(30)
    assert bulk("run", "orders.csv", "--via", "batches") == 0
    assert set(times(sandbox).values()) == {1}
    assert "transactions.cashback" not in {request.operation for request in sandbox.requests}


# --- what is refused


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "absent.csv"), "absent.csv: No such file or directory"),
        (("plan", "empty.csv"), "empty.csv: is empty"),
        (("run", "bad.csv"), "bad.csv: 1 bad row\n  line 2: amount must be a number such as 99.98, not 'ten'"),
        (("run", "orders.csv", "--operation", "sale"), "sale"),
        (("run", "orders.csv", "--operation", "refund"), "orders.csv: lacks the column original_transaction_id"),
        (("run", "orders.csv", "--concurrency", "0"), "--concurrency"),
        (("run", "orders.csv", "--rate", "30"), "--rate takes requests and seconds, as in 30/1s, not '30'"),
        (("run", "orders.csv", "--rate", "0/1s"), "--rate takes at least 1 request and more than 0 seconds"),
        (("run", "orders.csv", "--rate", "30/0s"), "--rate takes at least 1 request and more than 0 seconds"),
        (("run", "orders.csv", "--map", "x"), "--map takes each column once, as in order_no=transaction_id, not 'x'"),
        (("plan", "orders.csv", "--map", "a=email", "--map", "a=mobile"), "--map takes each column once"),
        (
            ("plan", "orders.csv", "--map", "a=amont"),
            "column a cannot be mapped to amont: the fields of a cashback are",
        ),
        (("run", "manual.jsonl", "--via", "batches"), "--via batches takes cashback and redeem only"),
        (("run", "orders.csv", "--journal", "orders.csv"), "journal orders.csv is no journal"),
        (("run", "orders.csv", "--journal", "absent/rewards.db"), "absent/rewards.db cannot be used: No such file"),
        (("run", "otp.csv", "--operation", "redeem", "--journal", "otp.db"), "rows[0].otp is a one-time password"),
        (("resume", "--journal", "absent.db"), "there is no journal at absent.db"),
        (("report", "--journal", "absent.db"), "there is no journal at absent.db"),
        (("resume",), "--journal"),
    ],
)
def test_wrong_usage_and_bad_input_end_with_2_and_a_sentence(
    sandbox: Sandbox, bulk: Bulk, arguments: tuple[str, ...], sentence: str
) -> None:
    orders(3)
    Path("empty.csv").touch()
    Path("bad.csv").write_text("player_unique_id,transaction_id,amount\nada,t1,ten\n", encoding="utf-8")
    Path("otp.csv").write_text("player_unique_id,transaction_id,redeemed_amount,otp\na,t,1,123\n", encoding="utf-8")
    Path("manual.jsonl").write_text(
        '{"operation":"manual","player_unique_id":"a","transaction_id":"t","username":"u","reason":"r","points":1}',
        encoding="utf-8",
    )
    assert bulk(*arguments) == 2
    assert sentence in bulk.said + bulk.complained
    assert len(sandbox.requests) == 0


def test_missing_keys_are_named_before_anything_is_sent(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAMEBALL_SECRET_KEY")
    orders(1)
    assert bulk("run", "orders.csv") == 2
    assert "no secret_key" in bulk.complained


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the rows of a file takes too long for whatever can be said before."""

    def read(_: RowsFile) -> None:
        raise AssertionError("the file is read")

    monkeypatch.setattr(RowsFile, "__iter__", read)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(
    ("variables", "arguments", "sentence"),
    [
        ({"GAMEBALL_API_KEY": ""}, (), "no keys: pass api_key"),
        ({"GAMEBALL_SECRET_KEY": ""}, (), "no secret_key"),
        ({"GAMEBALL_API_KEY": "two words"}, (), "api_key must be printable ASCII"),
        ({"GAMEBALL_BASE_URL": "http://gameball.example"}, (), "base_url must be https"),
        ({"GAMEBALL_BASE_URL": "gameball.example/api"}, (), "base_url must start with https://"),
        ({}, ("--via", "batches", "--operation", "refund"), "--via batches takes cashback and redeem only"),
        ({}, ("--rate", "0/1s"), "--rate takes"),
        ({}, ("--journal", "orders.csv"), "journal orders.csv is no journal"),
        ({}, ("--journal", "absent/rewards.db"), "journal absent/rewards.db cannot be used: No such file"),
    ],
)
def test_whatever_can_be_checked_before_the_file_is_read_is(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], arguments: tuple[str, ...], sentence: str
) -> None:
    orders(1)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert bulk("run", "orders.csv", *arguments) == 2
    assert sentence in bulk.complained


def test_the_owner_of_a_journal_is_checked_before_the_file_is_read(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    orders(3)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    monkeypatch.setenv("GAMEBALL_API_KEY", "another-accounts-key")
    request.getfixturevalue("unread")
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 2
    assert "belongs to another account" in bulk.complained


def test_a_journal_that_never_got_its_rows_gets_them_now(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(3)
    Path("rewards.db").touch()
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    assert "journal rewards.db: 0 of 0 rows are done already" in bulk.said
    assert len(times(sandbox)) == 3


def test_a_journal_serves_its_own_account_and_its_own_rows_only(
    sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders(3)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    orders(4)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 2
    assert "the input has changed since" in bulk.complained
    monkeypatch.setenv("GAMEBALL_API_KEY", "another-accounts-key")
    assert bulk("resume", "--journal", "rewards.db") == 2
    assert "belongs to another account" in bulk.complained
    assert len(sandbox.requests) == 3


def test_a_run_whose_key_was_rotated_goes_on_with_the_new_one(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    orders(6)
    with Sandbox(db=tmp_path / "ledger.db") as before:
        monkeypatch.setenv("GAMEBALL_BASE_URL", before.base_url)
        before.faults.arm("transactions.cashback", Status(401, {"code": 10, "message": "rotated"}), nth=3, times=9)
        assert bulk("run", "orders.csv", "--journal", "rewards.db", "--concurrency", "1") == 1
    with Sandbox(db=tmp_path / "ledger.db", port=before.port, api_key="rotated-key") as sandbox:
        monkeypatch.setenv("GAMEBALL_API_KEY", "rotated-key")
        assert bulk("run", "orders.csv", "--journal", "rewards.db") == 2
        assert "--new-key" in bulk.complained
        assert bulk("resume", "rewards.db", "--new-key") == 0
        assert "6 of 6 rows: 6 applied" in bulk.said
        assert len(sandbox.ledger.transactions()) == 6
        assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0


def test_a_journal_that_is_damaged_or_in_use_is_refused(sandbox: Sandbox, bulk: Bulk) -> None:
    orders(300)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    sandbox.requests.clear()
    with closing(Journal("rewards.db")):
        for command in (("resume", "--journal", "rewards.db"), ("run", "orders.csv", "--journal", "rewards.db")):
            taken = subprocess.run(
                [*COMMAND, "bulk", *command], capture_output=True, text=True, timeout=60, check=False
            )
            assert taken.returncode == 2
            assert "is in use by process" in taken.stderr
    journal = Path("rewards.db").read_bytes()
    Path("rewards.db").write_bytes(journal[:4096] + b"\xff" * 4096 + journal[8192:])
    assert bulk("resume", "--journal", "rewards.db") == 2
    assert "is damaged" in bulk.complained
    assert len(sandbox.requests) == 0


def test_a_report_that_cannot_be_written_is_a_sentence(bulk: Bulk) -> None:
    orders(1)
    assert bulk("run", "orders.csv", "--journal", "rewards.db") == 0
    assert bulk("report", "--journal", "rewards.db", "--output", "orders.csv/reports") == 2
    assert bulk.complained == "orders.csv/reports: Not a directory\n"


# --- what ends early


def test_refused_keys_stop_a_run_that_can_be_resumed(
    sandbox: Sandbox, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders(50)
    monkeypatch.setenv("GAMEBALL_SECRET_KEY", "not-the-secret-key")
    assert bulk("run", "orders.csv", "--journal", "my rewards.db", "--rate=500/1s", "--concurrency=3") == 1
    assert "stopped with 0 of 50 rows settled" in bulk.complained
    assert "to find out what is wrong: gameball ping\n" in bulk.complained
    (again,) = re.findall(r"^go on with: gameball bulk (.*)$", bulk.said, re.MULTILINE)
    assert again == "resume 'my rewards.db' --concurrency 3 --rate=500/1s"

    monkeypatch.setenv("GAMEBALL_SECRET_KEY", sandbox.secret_key)
    assert bulk(*shlex.split(again)) == 0
    assert sorted(times(sandbox).values()) == [1] * 50

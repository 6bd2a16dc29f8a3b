"""What became of a journal's rows, as an Arrow table."""

import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from gameball import AsyncGameball, CashbackRequest, JournalError, ManualRequest, RedeemRequest
from gameball.bulk.table import results_table

pa = pytest.importorskip("pyarrow")

TIME = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
async def journal(client: AsyncGameball, tmp_path: Path) -> Path:
    """Of a run of four rows, one of which needs a review."""
    path = tmp_path / "rewards.journal"
    await client.transactions.cashback(player_unique_id="bob", transaction_id="t0", amount=1, transaction_time=TIME)
    rows = [
        CashbackRequest(player_unique_id="ada", transaction_id="t1", amount=99.98, transaction_time=TIME),
        CashbackRequest(player_unique_id="bob", transaction_id="t2", amount=5, transaction_time=TIME),
        ManualRequest(player_unique_id="cyd", transaction_id="t3", username="ops", reason="sorry", points=-7),
        RedeemRequest(player_unique_id="ada", transaction_id="t4", redeemed_amount=0.125),
    ]
    await client.transactions.manual(player_unique_id="cyd", transaction_id="m", username="o", reason="r", points=10)
    await client.bulk.run(rows, journal=path)
    return path


def test_each_row_has_its_place_its_values_and_its_outcome(journal: Path) -> None:
    table = results_table(journal)
    first, second, third, fourth = table.to_pylist()
    assert {name: first[name] for name in ("row", "operation", "player_unique_id", "transaction_id", "status")} == {
        "row": 1,
        "operation": "cashback",
        "player_unique_id": "ada",
        "transaction_id": "t1",
        "status": "applied",
    }
    assert (first["amount"], first["transaction_time"], first["points"]) == (Decimal("99.98"), TIME, 20)
    assert first["gameball_transaction_id"]
    assert (first["error"], first["code"], first["message"]) == (None, None, None)
    assert (second["status"], second["points"], second["error"]) == ("needs_review", None, "TransactionTimeTakenError")
    assert second["code"] == 304
    assert second["message"]
    assert (third["operation"], third["amount"], third["points"]) == ("manual", None, -7)
    assert third["transaction_time"] > TIME
    assert fourth["amount"] == Decimal("0.125")


def test_numbers_and_times_have_types_of_their_own(journal: Path) -> None:
    schema = results_table(journal).schema
    assert schema.field("amount").type == pa.decimal128(38, 3)
    assert schema.field("points").type == pa.int64()
    assert schema.field("transaction_time").type == pa.timestamp("us", "UTC")


def test_points_that_are_not_whole_stay_exact(journal: Path) -> None:
    with sqlite3.connect(journal) as database:
        database.execute("""INSERT INTO commits (states) VALUES ('[[0,"applied",null,null,"1.25",null,null]]')""")
    database.close()
    assert results_table(journal).column("points").to_pylist() == [Decimal("1.25"), None, Decimal(-7), Decimal(13)]


def test_rows_that_were_not_sent_are_pending(journal: Path) -> None:
    with sqlite3.connect(journal) as database:
        database.execute("""INSERT INTO commits (states) VALUES ('[[2,"pending",null,null,null,null,null]]')""")
    database.close()
    row = results_table(journal).to_pylist()[2]
    assert (row["status"], row["transaction_time"], row["points"]) == ("pending", None, None)


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal at"):
        results_table(tmp_path / "none.journal")

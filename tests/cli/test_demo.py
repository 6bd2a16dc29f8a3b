import io
from pathlib import Path

import pytest
from rich.console import Console

from gameball import BulkReport
from gameball.cli import demo
from gameball.sandbox import Sandbox


def paper() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=100), text


@pytest.mark.thorough
def test_the_demo_proves_that_its_own_orders_were_each_rewarded_once() -> None:
    console, text = paper()
    assert demo.run(None, console) == 0
    said = text.getvalue()
    assert "awaited   99.98 paid, 20 points rewarded" in said
    assert "held       0.30 of money's worth, 30 points" in said
    assert "refunded  50.00 of the second order, 10 points taken back" in said
    assert "in the ledger exactly once  2,000" in said
    assert "Proved: every order was rewarded exactly once." in said
    assert 'hold = calls.hold(player_unique_id="ada", amount=Decimal("0.30"))' in said


def test_the_demo_rewards_the_orders_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("playerUniqueId,transactionId,amount\nada,o1,99.98\ngrace,o2,50\n", encoding="utf-8")
    console, text = paper()
    assert demo.run(path, console) == 0
    assert "points booked               30" in text.getvalue()


@pytest.mark.thorough
def test_the_demo_proves_the_same_while_every_tenth_call_fails(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    rows = [f"player-{number % 20},order-{number},{number + 1}.50" for number in range(200)]
    path.write_text("\n".join(["player_unique_id,transaction_id,amount", *rows]), encoding="utf-8")
    console, text = paper()
    assert demo.run(path, console, chaos=True) == 0
    assert "calls failed on purpose" in text.getvalue()
    assert "Proved" in text.getvalue()


def test_a_bad_file_ends_the_demo_before_anything_is_shown(tmp_path: Path) -> None:
    console, text = paper()
    assert demo.run(tmp_path / "absent.csv", console) == 2
    assert text.getvalue().count("\n") <= 2
    assert "No such file" in text.getvalue()


@pytest.mark.thorough
def test_an_order_that_the_api_refuses_is_no_proof(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    same = "2019-09-19T16:14:09Z"
    path.write_text(
        f"playerUniqueId,transactionId,amount,transactionTime\nada,o1,5,{same}\nada,o2,5,{same}\n", encoding="utf-8"
    )
    console, text = paper()
    assert demo.run(path, console) == 1
    assert "304 " in text.getvalue()
    assert "NOT proved" in text.getvalue()


def test_points_that_the_ledger_does_not_hold_are_no_proof() -> None:
    console, text = paper()
    request = demo.generated_orders()[0]
    with Sandbox() as sandbox:
        assert demo.prove(sandbox, [request], BulkReport(rows=1, applied=1, points=7), console) == 1
        assert demo.prove(sandbox, [], BulkReport(points=7), console) == 1
    assert text.getvalue().count("NOT proved") == 2


def test_the_generated_orders_are_the_same_every_time() -> None:
    assert demo.generated_orders() == demo.generated_orders()
    assert len({order.transaction_id for order in demo.generated_orders()}) == 2000

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from gameball.orders import BadOrdersError, read_orders


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "orders.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_orders_are_read_with_amounts_as_written(tmp_path: Path) -> None:
    path = written(tmp_path, "player_unique_id,transaction_id,amount\nada,o1,99.98\ngrace,o2,1E+2\n")
    first, second = read_orders(path)
    assert (first.player_unique_id, first.transaction_id, str(first.amount)) == ("ada", "o1", "99.98")
    assert str(second.amount) == "100"


def test_the_apis_own_column_names_a_byte_order_mark_and_columns_of_others_are_fine(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "\ufeffshop,playerUniqueId,transactionId,amount,transactionTime,email\r\n"
        "x,ada,o1,5,2019-09-19T18:14:09.895+02:00,\r\n\r\n",
    )
    (order,) = read_orders(path)
    assert order.transaction_time == datetime(2019, 9, 19, 16, 14, 9, 895000, UTC)
    assert order.email is None
    assert order.amount == Decimal(5)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "orders.csv: lacks the column player_unique_id"),
        ("player_unique_id,transaction_id\n", "lacks the column amount"),
        ("player_unique_id,transaction_id,amount,amount\n", "has twice the column amount"),
        ("player_unique_id,transaction_id,amount\n", "has no orders"),
        ("player_unique_id,transaction_id,amount\nada,o1,ten\n", "line 2: amount must be a number such as 99.98"),
        ("player_unique_id,transaction_id,amount\nada,o1,-1\n", "line 2: amount must be positive"),
        ("player_unique_id,transaction_id,amount\nada,o1\n", "line 2: amount is empty"),
        ("player_unique_id,transaction_id,amount\n ,o1,1\n", "line 2: player_unique_id is empty"),
        (
            "player_unique_id,transaction_id,amount\nada,o1,1\ngrace,o1,2\n",
            "line 3: transaction_id o1 stands on line 2",
        ),
        (
            "player_unique_id,transaction_id,amount,transaction_time\nada,o1,1,noon\n",
            "line 2: transaction_time must be",
        ),
        (
            "player_unique_id,transaction_id,amount,transaction_time\nada,o1,1,2019-09-19T16:14:09\n",
            "line 2: transaction_time must tell its time zone",
        ),
        ('player_unique_id,transaction_id,amount\nada,"o1,1\n', "is not CSV"),
        (b"player_unique_id,transaction_id,amount\n\xff\xfe,o1,1\n", "is not UTF-8 text"),
    ],
)
def test_a_bad_file_is_refused_with_its_place_and_the_rule(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    with pytest.raises(BadOrdersError) as refused:
        read_orders(written(tmp_path, text))
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(BadOrdersError, match=r"absent\.csv: No such file"):
        read_orders(tmp_path / "absent.csv")

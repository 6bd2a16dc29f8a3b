"""What is allowed in a file of rows and looks wrong."""

from pathlib import Path

import pytest

from gameball.cli.rows_file import RowsFile

HEADER = "player_unique_id,transaction_id,amount"


def doubts(folder: Path, text: str, name: str = "orders.csv", operation: str = "cashback") -> list[str]:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    with RowsFile(path, operation=operation) as rows:
        list(rows)
        return rows.doubts


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        *(("2.01005E+11", "scientific notation"), ("1,23457E+12", "scientific notation"), ("2e+11", "scientific")),
        *(("-1.5e-7", "scientific"), ("17850.0", "ending in .0"), ("42.00", "ending in .0")),
        *((value, "error of a spreadsheet") for value in ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!")),
        *((value, "error of a spreadsheet") for value in ("#NV", "#BEZUG!", "#n/a", "#######")),
        *((value, "stands for an empty cell") for value in ("NULL", "null", "nan", "NaN", "None", "N/A", "<NA>")),
        *((value, "stands for an empty cell") for value in ("NaT", "nil", "undefined", "(null)", r"\N")),
        *(('="00123"', "begins with ="), ("=A1", "begins with ="), ("'+31612345678", "begins with '"), ("'", "with '")),
        *(("ada\u200b", "invisible"), ("\ufeffada", "invisible"), ("a\u00a0b", "invisible"), ("a\tb", "invisible")),
        *(("a\x1b[2Jb", "invisible"), ("soft\u00adhyphen", "invisible"), ("\u202eada", "invisible")),
    ],
)
def test_an_id_that_a_spreadsheet_or_an_export_has_changed_is_named(folder: Path, value: str, kind: str) -> None:
    cell = f'"{value.replace(chr(34), 2 * chr(34))}"'
    for row in (f"{cell},t1,10", f"ada,{cell},10"):
        (doubt,) = doubts(folder, f"{HEADER}\n{row}\n")
        assert doubt.startswith("1 cell has a value ")
        assert kind in doubt
        assert "line 2, " in doubt
        assert doubt.isprintable()


@pytest.mark.parametrize(
    "value",
    [
        *("ada", "player123", "A-10001", "#1001", "#A-17", "7e", "e7", "12.50", "1.0.0", "10", "00123", "+31612345678"),
        *("nancy", "O'Brien", "null-island", "日本", "josé", "a=b", "a b", "0"),
    ],
)
def test_an_ordinary_id_is_no_doubt(folder: Path, value: str) -> None:
    assert doubts(folder, f"{HEADER}\n{value},t{value},10\n") == []


def test_cells_of_a_kind_are_counted_and_the_first_five_named(folder: Path) -> None:
    rows = "".join(f"{n}.0,t{n},10\n" for n in range(7))
    (doubt,) = doubts(folder, f"{HEADER}\n{rows}")
    assert doubt == (
        "7 cells have a value ending in .0, as a column of numbers is exported: "
        "line 2, player_unique_id 0.0; line 3, player_unique_id 1.0; line 4, player_unique_id 2.0; "
        "line 5, player_unique_id 3.0; line 6, player_unique_id 4.0; ..."
    )


def test_emails_and_mobiles_are_looked_at_and_not_repeated(folder: Path) -> None:
    (doubt,) = doubts(folder, f"{HEADER},mobile\nada,t1,10,3.16123E+10\n")
    assert "line 2, mobile" in doubt
    assert "3.16" not in doubt


def test_what_no_field_reads_and_one_time_passwords_are_not_looked_at(folder: Path) -> None:
    text = "player_unique_id,transaction_id,redeemed_amount,otp,note\nada,t1,10,1234.0,#N/A\n"
    assert doubts(folder, text, operation="redeem") == []


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (["p1,q1,10", "p2,q2,11", "Total,2 orders,21"], True),
        (["p1,q1,10", "p2,q2,11.50", "TOTAL:,x,21.5"], True),
        (["p1,q1,10", "p2,q2,11", "Gesamt,x,21"], True),
        (["p1,q1,10", "p2,q2,11", "p3,Sum,21"], True),
        ([*(f"p{n},q{n},1.10" for n in range(10)), "x,y,11.00"], True),
        (["p1,q1,1", "p2,q2,2", "p3,q3,3"], False),
        (["p1,q1,10", "Total,1 order,10"], True),
        (["p1,q1,10", "p2,q2,11", "Totaal,x,21"], True),
        (["p1,q1,10", "p2,q2,11", "合计,x,21"], True),
        (["p1,q1,10", "p2,q2,10"], False),
        (["p1,q1,10", "p2,q2,11", "Total,2 orders,22"], False),
        (["p1,q1,10", "p2,q2,11", "Total,2 orders,21", "p3,q3,5"], False),
    ],
)
def test_a_last_row_that_is_the_sum_of_all_others_is_named(folder: Path, rows: list[str], *, named: bool) -> None:
    found = doubts(folder, "\n".join([HEADER, *rows, ""]))
    assert found == ([f"the last row (line {len(rows) + 1}) is the sum of all others: is it a total?"] if named else [])


def test_a_total_is_recognised_by_a_column_that_is_not_read(folder: Path) -> None:
    rows = ["a,p1,q1,10", "b,p2,q2,11", "Grand total,x,y,21"]
    assert len(doubts(folder, "\n".join([f"order,{HEADER}", *rows, ""]))) == 1


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("orders.csv", f"{HEADER}\np1,w1,10\np2,w2,12", True),
        ("orders.csv", f"{HEADER}\np1,w1,10\np2,w2,12\n", False),
        ("orders.csv", f"{HEADER}\r\np1,w1,10\r\n", False),
        ("orders.csv", f"{HEADER}\rp1,w1,10\r", False),
        ("orders.jsonl", '{"player_unique_id":"a","transaction_id":"t","amount":1}', False),
    ],
)
def test_a_last_line_without_an_end_is_named_where_it_may_have_been_longer(
    folder: Path, name: str, text: str, *, named: bool
) -> None:
    assert doubts(folder, text, name) == (["the last line has no end: was the file cut short?"] if named else [])


def test_a_time_of_another_century_is_named(folder: Path) -> None:
    text = (
        f"{HEADER},transaction_time\np1,t1,1,1970-01-01T00:00:00Z\np2,t2,1,0026-03-01T09:00:00Z\n"
        "p3,t3,1,2000-01-01T00:00:00Z\n"
    )
    (doubt,) = doubts(folder, text)
    assert doubt == (
        "2 cells have a transaction time before 2000: line 2, 1970-01-01T00:00:00+00:00;"
        " line 3, 0026-03-01T09:00:00+00:00"
    )

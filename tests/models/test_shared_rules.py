"""The rules for values: what is taken, what is refused, and with which words."""

import copy
import math
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Context, Decimal, FloatOperation, Inexact, InvalidOperation, Rounded, localcontext
from typing import Any, cast

import attrs
import pytest
from hypothesis import given, strategies as st

from gameball.errors import GameballError, InvalidRequestError
from gameball.models.shared import (
    Branch,
    Merchant,
    OpenEnum,
    Points,
    add,
    add_points,
    aware_or_date,
    check_header,
    decimal,
    magnitude,
    utc,
    utc_or_date,
    written,
)
from gameball.models.transactions import (
    CashbackRequest,
    CouponType,
    Direction,
    ManualRequest,
    TransactionFilter,
    TransactionStatus,
    TransactionType,
)


def paid(amount: Any) -> Decimal:
    return CashbackRequest(player_unique_id="p", transaction_id="t", amount=amount).amount


def at(time: Any) -> datetime | None:
    return CashbackRequest(player_unique_id="p", transaction_id="t", amount=1, transaction_time=time).transaction_time


# --- the caller's own arithmetic

OTHER_CONTEXTS = [
    pytest.param(Context(prec=3, traps=[]), id="three digits"),
    pytest.param(Context(prec=3, traps=[Inexact]), id="three digits, trapping inexact"),
    pytest.param(Context(prec=1, traps=[Rounded, FloatOperation, InvalidOperation]), id="one digit, trapping rounded"),
    pytest.param(Context(capitals=0, traps=[]), id="small exponents"),
    pytest.param(Context(Emax=2, Emin=-2, clamp=1, traps=[]), id="a narrow range"),
]


@pytest.mark.parametrize("context", OTHER_CONTEXTS)
def test_amounts_do_not_follow_the_callers_decimal_context(context: Context) -> None:
    with localcontext(context):
        amounts = [paid(12345.67), paid(Decimal("12345.67")), paid(Decimal("1E+2")), paid(Decimal("0.00000001"))]
        sums = [add(Decimal("12345.67"), Decimal("0.01")), add(10**20, Decimal("0.5")), add(7, 8)]
        sizes = [magnitude(Decimal("-12345.67")), magnitude(-(10**20)), magnitude(Decimal("1E-7"))]
        texts = [written(Decimal("1E+400")), written(Decimal("12345.67"))]
        with pytest.raises(InvalidRequestError, match="15 significant digits"):
            paid(Decimal("1234567890.1234567"))

    assert amounts == [Decimal("12345.67"), Decimal("12345.67"), 100, Decimal("0.00000001")]
    assert str(amounts[2]) == "100"
    assert sums == [Decimal("12345.68"), Decimal("100000000000000000000.5"), 15]
    assert sizes == [Decimal("12345.67"), 10**20, Decimal("1E-7")]
    assert texts == ["1E+400", "12345.67"]


@pytest.mark.parametrize(
    ("left", "right", "times", "total"),
    [
        (10**30, 1, 1, 10**30 + 1),
        (5, -2, 3, -1),
        (1, Decimal("0.1"), 3, Decimal("1.3")),
        (Decimal("12345678901234567890.5"), 1, 2, Decimal("12345678901234567892.5")),
    ],
)
def test_points_add_up_exactly_and_stay_whole(left: Points, right: Points, times: int, total: Points) -> None:
    with localcontext(Context(prec=3, traps=[Inexact])):
        added = add_points(left, right, times)
    assert (added, type(added)) == (total, type(total))


def test_a_sum_of_many_amounts_is_exact() -> None:
    total: Points = 0
    for _ in range(1000):
        total = add(total, Decimal("999999999999999.999999999999999"))

    assert total == Decimal("999999999999999999.999999999999")


# --- other libraries' scalars


class Count:
    """An integer of another library, as numpy's are."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        return self._value


class Flag:
    """numpy's bool: it has the method and refuses to be an index."""

    def __index__(self) -> int:
        raise TypeError("not an integer")


class NotATime(datetime):
    """pandas' NaT: a datetime that is not equal to itself and refuses to be used as one."""

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def utcoffset(self) -> Any:
        raise ValueError("NaTType does not support utcoffset")


def test_an_integer_of_another_library_is_an_int() -> None:
    manual = ManualRequest(
        player_unique_id="p", transaction_id="t", username="u", reason="r", points=cast("int", Count(-5))
    )

    assert paid(Count(7)) == 7
    assert type(manual.points) is int
    assert manual.points == -5


@pytest.mark.parametrize("value", [Flag(), object(), "5", [5], True])
def test_what_is_no_number_is_refused_with_its_class(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^amount must be .*, not {type(value).__name__}$"):
        paid(value)
    with pytest.raises(InvalidRequestError, match=rf"^points must be .*, not {type(value).__name__}$"):
        ManualRequest(player_unique_id="p", transaction_id="t", username="u", reason="r", points=value)


def test_what_is_not_a_time_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequestError, match=r"^transaction_time must be a time, not NaT"):
        at(NotATime(2026, 1, 1))
    with pytest.raises(InvalidRequestError, match=r"^from_date must be a time, not NaT"):
        TransactionFilter(from_date=NotATime(2026, 1, 1))


# --- money


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (99.98, "99.98"),
        (Decimal("99.98"), "99.98"),
        (Decimal("99.90"), "99.90"),
        (Decimal("1E+2"), "100"),
        (Decimal("1E+14"), "100000000000000"),
        (5, "5"),
        (0.1, "0.1"),
        (1e-7, "1E-7"),
        (999_999_999_999_999, "999999999999999"),
        (Decimal("0.000000000000001"), "1E-15"),
    ],
)
def test_an_amount_is_the_decimal_that_was_written_down(given: object, kept: str) -> None:
    assert str(paid(given)) == kept


@pytest.mark.parametrize("zero", [0, 0.0, -0.0, Decimal(0), Decimal("0E-999999"), Decimal("0E+999999")])
def test_zero_is_refused(zero: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"^amount must be positive") as refusal:
        paid(zero)

    assert refusal.value.field == "amount"
    assert refusal.value.outcome == "not_applied"
    assert isinstance(refusal.value, ValueError)
    assert isinstance(refusal.value, GameballError)


@pytest.mark.parametrize(
    "negative", [-1, -0.01, Decimal("-99.98"), Decimal("-1E+999999"), pytest.param(-(10**5000), id="huge")]
)
def test_negatives_are_refused_in_a_short_sentence(negative: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"^amount must be positive") as refusal:
        paid(negative)

    assert len(str(refusal.value)) < 100


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-Infinity")]
)
def test_what_is_not_finite_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"^amount must be a finite number"):
        paid(value)


@pytest.mark.parametrize(
    "value",
    [
        0.1 + 0.2,
        1 / 3,
        Decimal("1234567890.123456"),
        Decimal("0.1111111111111111"),
        Decimal("1E+15"),
        Decimal("1E+999999999"),
        Decimal("1E-999999999"),
        Decimal("1E-16"),
        10**15,
        pytest.param(10**5000, id="huge"),
        1e300,
        5e-324,
    ],
)
def test_more_than_fifteen_digits_are_refused_and_the_sentence_says_what_to_do(value: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"^amount must have at most 15 significant digits.* round it first"):
        paid(value)


@pytest.mark.parametrize("value", [True, False, "99.98", None, b"1", [1], 1j])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"^amount must be a Decimal, int or float, not "):
        paid(value)


def test_the_callers_decimal_context_changes_nothing() -> None:
    with localcontext() as context:
        context.prec = 2

        assert paid(Decimal("12345.6789")) == Decimal("12345.6789")
        assert paid(12345.6789) == Decimal("12345.6789")


@given(st.decimals(min_value="0.01", max_value="9999999999.99", places=2))
def test_a_price_is_kept_to_the_digit_as_decimal_and_as_float(price: Decimal) -> None:
    assert paid(price) == price
    assert str(paid(price)) == str(price)
    assert paid(float(price)) == price


@given(st.one_of(st.floats(), st.decimals(), st.integers(), st.text(), st.booleans(), st.none()))
def test_any_value_is_a_positive_amount_or_refused(value: object) -> None:
    try:
        amount = paid(value)
    except InvalidRequestError:
        pass  # by which rule, the tests above show
    else:
        assert amount > 0
        assert amount == (Decimal(repr(value)) if isinstance(value, float) else value)


def test_the_converter_leaves_what_it_does_not_understand() -> None:
    assert decimal("12") == "12"  # type: ignore[arg-type]
    true: Any = True
    assert decimal(true) is true


# --- times


def test_a_time_is_told_in_utc() -> None:
    cairo = timezone(timedelta(hours=2))

    kept = at(datetime(2019, 9, 19, 18, 14, 9, 895000, cairo))

    assert kept == datetime(2019, 9, 19, 16, 14, 9, 895000, UTC)
    assert kept is not None
    assert kept.tzinfo is UTC


def test_a_naive_time_is_refused_and_the_sentence_says_how_to_fix_it() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"^transaction_time must be timezone-aware: .*timezone\.utc"
    ) as raised:
        at(datetime(2019, 9, 19, 16, 14, 9))  # noqa: DTZ001 (that is the point)

    assert raised.value.field == "transaction_time"
    assert "replace(tzinfo=" in str(raised.value)


@pytest.mark.parametrize("value", ["2019-09-19T16:14:09Z", 1568909649, date(2019, 9, 19), True])
def test_what_is_no_datetime_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"^transaction_time must be a datetime, not "):
        at(value)


@pytest.mark.parametrize(
    "edge",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_a_time_outside_the_calendar_is_refused(edge: datetime) -> None:
    with pytest.raises(InvalidRequestError, match=r"^transaction_time must lie within the calendar"):
        at(edge)


def test_dates_and_times_pass_where_both_are_taken() -> None:
    day = date(2024, 2, 29)
    time = datetime(2024, 2, 29, 1, tzinfo=timezone(timedelta(hours=2)))

    assert utc_or_date(day) is day
    assert utc_or_date(time) == time
    assert utc("never") == "never"  # type: ignore[arg-type]


def test_a_date_is_checked_only_for_being_one() -> None:
    attribute = attrs.fields(CashbackRequest).transaction_time

    aware_or_date(None, attribute, date(2024, 2, 29))
    with pytest.raises(InvalidRequestError, match=r"^transaction_time must be a date or a datetime, not str"):
        aware_or_date(None, attribute, "2024-02-29")


# --- texts


@pytest.mark.parametrize("field", ["player_unique_id", "transaction_id", "email", "mobile"])
@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("", "must not be empty"),
        (" \t\n", "must not be empty"),
        ("\ud800", "must be valid Unicode"),
        ("ab\udfffcd", "must be valid Unicode"),
        (5, "must be a str, not int"),
        (b"p", "must be a str, not bytes"),
        (True, "must be a str, not bool"),
        (["p"], "must be a str, not list"),
    ],
)
def test_a_text_is_a_text_with_something_in_it(field: str, value: object, rule: str) -> None:
    fields: dict[str, Any] = {"player_unique_id": "p", "transaction_id": "t", "amount": 1, field: value}

    with pytest.raises(InvalidRequestError, match=f"^{field} {rule}") as refusal:
        CashbackRequest(**fields)
    assert refusal.value.field == field


@pytest.mark.parametrize("field", ["player_unique_id", "transaction_id"])
def test_an_id_cannot_be_none(field: str) -> None:
    fields: dict[str, Any] = {"player_unique_id": "p", "transaction_id": "t", "amount": 1, field: None}

    with pytest.raises(InvalidRequestError, match=f"^{field} must be a str, not NoneType"):
        CashbackRequest(**fields)


@pytest.mark.parametrize("value", ["日本", "😀", " kept as given ", "A", "a\x00b"])
def test_a_text_is_kept_as_it_is(value: str) -> None:
    assert CashbackRequest(player_unique_id=value, transaction_id="t", amount=1).player_unique_id == value


def test_what_identifies_a_person_is_not_printed() -> None:
    request = CashbackRequest(player_unique_id="p", transaction_id="t", amount=1, email="a@b.example", mobile="+2012")

    assert "a@b.example" not in repr(request)
    assert "+2012" not in repr(request)


# --- enumerations that stay open


@pytest.mark.parametrize("kind", [TransactionType, TransactionStatus, Direction, CouponType])
def test_every_member_equals_its_string_in_any_case_and_spacing(kind: type[OpenEnum]) -> None:
    for member in kind:
        assert member == member.value
        assert kind(member.value.upper()) is member
        assert kind(f" {' '.join(member.value.lower())} ") is member


@pytest.mark.parametrize("kind", [TransactionType, TransactionStatus, Direction, CouponType])
def test_an_unknown_word_is_kept_and_equals_its_string(kind: type[OpenEnum]) -> None:
    word = kind("Double Bonus")

    assert isinstance(word, kind)
    assert word == "Double Bonus"
    assert word.value == word.name == str(word) == f"{word}" == "Double Bonus"
    assert word == kind("Double Bonus")
    assert hash(word) == hash("Double Bonus")
    assert word not in list(kind)
    assert "Double Bonus" in repr(word)


@pytest.mark.parametrize("word", ["Double Bonus", "Active", "9"])
def test_words_known_or_not_survive_pickling_and_copying(word: str) -> None:
    status = TransactionStatus(word)

    for twin in (pickle.loads(pickle.dumps(status)), copy.copy(status), copy.deepcopy(status)):  # noqa: S301 (ours)
        assert twin == status
        assert isinstance(twin, TransactionStatus)


@pytest.mark.parametrize("value", [None, 1.5, True, b"+", ["+"]])
def test_what_is_no_word_is_no_member(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid Direction"):
        Direction(value)


# --- merchants


def test_a_merchant_has_an_id_or_a_name_and_perhaps_a_branch() -> None:
    merchant = Merchant(unique_id="m1", branch=Branch(name="Zamalek"))

    assert merchant.branch == Branch(name="Zamalek")
    assert Merchant(name="Shop").unique_id is None


def test_a_merchant_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"^unique_id or name is required for a merchant"):
        Merchant(branch=Branch(name="b"))
    with pytest.raises(InvalidRequestError, match=r"^unique_id or name is required for a branch"):
        Branch()


@pytest.mark.parametrize("branch", ["b", {"name": "b"}, 5])
def test_a_branch_is_a_branch(branch: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^branch must be a Branch, not "):
        Merchant(name="m", branch=branch)


# --- what travels in a header


@pytest.mark.parametrize("value", ["store-1", "a b", "!~"])
def test_printable_ascii_travels_in_a_header(value: str) -> None:
    check_header("store_id", value)


@pytest.mark.parametrize("value", ["a\r\nAPIKey: x", "a\n", "\x00", "\x7f", "tab\tbed", "ü", "", "  ", 5, None, b"x"])
def test_nothing_else_does(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^store_id must ") as refusal:
        check_header("store_id", value)
    assert refusal.value.field == "store_id"

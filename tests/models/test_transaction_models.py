"""The requests of the transactions page and their rules."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from gameball.errors import InvalidRequestError
from gameball.models import transactions
from gameball.models.shared import Merchant
from gameball.models.transactions import (
    CashbackRequest,
    Coupon,
    CouponCode,
    CouponRequest,
    HoldRequest,
    LineItem,
    ManualRequest,
    RedeemRequest,
    RefundRequest,
    Transaction,
    TransactionFilter,
    TransactionStatus,
)

NAIVE = datetime(2024, 1, 1)  # noqa: DTZ001 (that is the point)

# A request of each kind that breaks no rule.
SOUND: dict[type[Any], dict[str, Any]] = {
    CashbackRequest: {"player_unique_id": "p", "transaction_id": "t", "amount": 1},
    RedeemRequest: {"player_unique_id": "p", "transaction_id": "t", "redeemed_amount": 1},
    RefundRequest: {"player_unique_id": "p", "transaction_id": "t", "original_transaction_id": "o", "amount": 1},
    HoldRequest: {"player_unique_id": "p", "amount": 1},
    ManualRequest: {"player_unique_id": "p", "transaction_id": "t", "username": "u", "reason": "r", "amount": 1},
    CouponRequest: {"player_unique_id": "p", "value": 1},
    LineItem: {"product_id": "x", "quantity": 1},
}


def made(kind: type[Any], **changes: Any) -> Any:
    return kind(**{**SOUND[kind], **changes})


@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_request_is_a_value(kind: type[Any]) -> None:
    assert made(kind) == made(kind)
    assert hash(made(kind)) == hash(made(kind))


@pytest.mark.parametrize("kind", [kind for kind in vars(transactions).values() if attrs.has(kind)])
def test_every_model_is_frozen_slotted_and_keyword_only(kind: type[Any]) -> None:
    assert all(a.kw_only for a in attrs.fields(kind))
    assert "__dict__" not in {name for base in kind.__mro__ for name in getattr(base, "__slots__", ())}
    assert all("__slots__" in vars(base) for base in kind.__mro__[:-1])
    blank: Any = object.__new__(kind)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        blank.anything = 1


# --- money in every field that carries it

MONEY = [
    (CashbackRequest, "amount"),
    (RedeemRequest, "redeemed_amount"),
    (RefundRequest, "amount"),
    (HoldRequest, "amount"),
    (HoldRequest, "hold_points"),
    (ManualRequest, "amount"),
    (CouponRequest, "value"),
    (LineItem, "quantity"),
]


@pytest.mark.parametrize(("kind", "field"), MONEY)
@pytest.mark.parametrize(
    "value", [0, -1, float("nan"), float("inf"), 0.1 + 0.2, True, "1", Decimal("1E+400"), Decimal("0.1234567890123456")]
)
def test_every_field_of_money_keeps_the_rules(kind: type[Any], field: str, value: object) -> None:
    alone = {"amount": None} if field == "hold_points" else {}

    with pytest.raises(InvalidRequestError, match=f"^{field} must ") as refusal:
        made(kind, **{**alone, field: value})
    assert refusal.value.field == field


# --- texts and times in every field that carries them

TEXTS = [
    (kind, a.name)
    for kind in (*SOUND, TransactionFilter)
    for a in attrs.fields(kind)
    if "str" in str(a.type) and a.name != "direction"
]


@pytest.mark.parametrize(("kind", "field"), TEXTS)
@pytest.mark.parametrize("value", ["", "  ", "\udcff", 7, False])
def test_every_field_of_text_keeps_the_rules(kind: type[Any], field: str, value: object) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{field} must ") as refusal:
        kind(**{**SOUND.get(kind, {}), field: value})
    assert refusal.value.field == field


@pytest.mark.parametrize("kind", [CashbackRequest, RedeemRequest, RefundRequest, HoldRequest, ManualRequest])
def test_every_transaction_time_tells_its_zone(kind: type[Any]) -> None:
    with pytest.raises(InvalidRequestError, match=r"^transaction_time must be timezone-aware"):
        made(kind, transaction_time=NAIVE)

    assert made(kind, transaction_time=NAIVE.replace(tzinfo=UTC)).transaction_time.tzinfo is UTC


@pytest.mark.parametrize("kind", [RedeemRequest, RefundRequest])
def test_a_one_time_password_is_not_printed(kind: type[Any]) -> None:
    assert "7391" not in repr(made(kind, otp="7391"))


def test_a_coupons_code_is_not_printed() -> None:
    assert "50OFF" not in repr(Coupon(code=CouponCode("50OFF")))
    assert "50OFF" not in repr(Transaction(gameball_transaction_id="1", coupon_code="50OFF"))


@pytest.mark.parametrize("kind", [CashbackRequest, RedeemRequest])
def test_a_merchant_is_a_merchant(kind: type[Any]) -> None:
    assert made(kind, merchant=Merchant(name="m")).merchant.name == "m"
    with pytest.raises(InvalidRequestError, match=r"^merchant must be a Merchant, not dict"):
        made(kind, merchant={"name": "m"})


# --- fields that exclude each other


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (RedeemRequest, {"redeemed_amount": 1}, {"hold_reference": "h"}),
        (HoldRequest, {"amount": 1}, {"hold_points": 100}),
        (ManualRequest, {"points": -5}, {"amount": 1}),
    ],
)
def test_exactly_one_of_two_is_given(kind: type[Any], one: dict[str, Any], other: dict[str, Any]) -> None:
    (first,), (second,) = one, other
    neither = {first: None, second: None}

    assert getattr(made(kind, **{**neither, **one}), second) is None
    assert getattr(made(kind, **{**neither, **other}), first) is None
    with pytest.raises(InvalidRequestError, match="is required") as none_given:
        made(kind, **neither)
    with pytest.raises(InvalidRequestError, match="are exclusive: give only one") as both_given:
        made(kind, **one, **{k: v for k, v in other.items() if k not in one})
    assert {none_given.value.field, both_given.value.field} <= {f"{first} or {second}", f"{second} or {first}"}


def test_a_coupon_needs_a_rule_or_a_value_or_both() -> None:
    assert CouponRequest(player_unique_id="p", rule_id=1, value=5).value == 5
    assert CouponRequest(player_unique_id="p", rule_id=1).value is None
    with pytest.raises(InvalidRequestError, match=r"^rule_id or value is required"):
        CouponRequest(player_unique_id="p")


@pytest.mark.parametrize("rule_id", [0, -1, True, 1.0, "1", Decimal(1)])
def test_a_rule_is_named_by_a_whole_number_from_one(rule_id: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^rule_id must be "):
        CouponRequest(player_unique_id="p", rule_id=rule_id)


# --- points by hand


@pytest.mark.parametrize("points", [1, -1, 10**15 - 1, 1 - 10**15])
def test_points_are_signed(points: int) -> None:
    assert made(ManualRequest, amount=None, points=points).points == points


@pytest.mark.parametrize(
    ("points", "rule"),
    [
        (0, "must not be zero"),
        (True, "must be a whole number, not bool"),
        (1.0, "must be a whole number, not float"),
        (Decimal(5), "must be a whole number, not Decimal"),
        ("5", "must be a whole number, not str"),
        (10**15, "must be from "),
        pytest.param(-(10**5000), "must be from ", id="huge"),
    ],
)
def test_points_are_whole_and_not_zero(points: Any, rule: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^points {rule}"):
        made(ManualRequest, amount=None, points=points)


# --- line items


def test_line_items_are_kept_as_a_tuple() -> None:
    item = LineItem(product_id="p_01", quantity=1)

    assert made(RefundRequest, line_items=[item]).line_items == (item,)
    assert made(RefundRequest).line_items == ()


@pytest.mark.parametrize("items", [[{"productId": "p"}], ["p"], "p", [None]])
def test_a_line_item_is_a_line_item(items: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^line_items must be a LineItem"):
        made(RefundRequest, line_items=items)


@pytest.mark.parametrize("items", [None, 5, LineItem(product_id="p")])
def test_line_items_that_are_no_sequence_are_refused(items: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^line_items must be "):
        made(RefundRequest, line_items=items)


# --- filters


@pytest.mark.parametrize(("field", "value"), [("page", 1), ("page", 10**6), ("limit", 1), ("limit", 200)])
def test_pages_and_limits_within_bounds_are_taken(field: str, value: int) -> None:
    assert getattr(TransactionFilter(**{field: value}), field) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("page", 0),
        ("page", -1),
        ("page", True),
        ("page", 1.0),
        ("page", "1"),
        ("limit", 0),
        ("limit", 201),
        ("limit", True),
        ("limit", "50"),
    ],
)
def test_pages_and_limits_beyond_bounds_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{field} must be ") as refusal:
        TransactionFilter(**{field: value})
    assert refusal.value.field == field


@pytest.mark.parametrize("direction", ["+", "-"])
def test_a_direction_is_a_sign(direction: str) -> None:
    assert TransactionFilter(direction=direction).direction == direction


@pytest.mark.parametrize("direction", ["", "plus", "+-", 1, ["+"], True])
def test_any_other_direction_is_refused(direction: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^direction must be '\+' or '-'"):
        TransactionFilter(direction=direction)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (1, TransactionStatus.ACTIVE),
        (2, TransactionStatus.PENDING),
        (3, TransactionStatus.BLOCKED),
        (4, TransactionStatus.EXPIRED),
    ],
)
def test_a_status_is_known_by_word_and_by_number_both_ways(number: int, status: TransactionStatus) -> None:
    for spelling in (number, str(number), status, status.value, status.value.upper()):
        assert TransactionFilter(status=spelling).status is status
    assert TransactionStatus(str(number)) is status
    assert status.number == number


def test_an_unknown_status_has_no_number() -> None:
    assert TransactionStatus("Frozen").number is None


@pytest.mark.parametrize(
    "status",
    [
        0,
        5,
        -1,
        "",
        "Frozen",
        True,
        1.5,
        b"Active",
        [1],
        pytest.param("1" * 5000, id="long"),
        pytest.param(10**5000, id="huge"),
    ],
)
def test_a_status_that_the_list_does_not_know_is_refused(status: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^status must be Active, Pending, Blocked or Expired"):
        TransactionFilter(status=status)


@pytest.mark.parametrize("number", [1, 2, 1.0, True])
def test_a_bare_number_is_no_word_for_a_status(number: Any) -> None:
    with pytest.raises(ValueError, match=f"{number} is not a valid TransactionStatus"):
        TransactionStatus(number)


@pytest.mark.parametrize("text", ["0", "5", "01", " 1", "1.0", "-1"])
def test_text_that_is_no_number_from_1_to_4_is_an_unknown_word(text: str) -> None:
    assert TransactionStatus(text) == text
    assert TransactionStatus(text).number is None


@pytest.mark.parametrize("field", ["from_date", "to_date"])
def test_a_filters_days_and_times_keep_the_rules(field: str) -> None:
    fields: dict[str, Any] = {field: date(2024, 2, 29)}
    assert getattr(TransactionFilter(**fields), field) == date(2024, 2, 29)
    assert getattr(TransactionFilter(**{**fields, field: NAIVE.replace(tzinfo=UTC)}), field).tzinfo is UTC
    with pytest.raises(InvalidRequestError, match=f"^{field} must be timezone-aware"):
        TransactionFilter(**{**fields, field: NAIVE})
    with pytest.raises(InvalidRequestError, match=f"^{field} must be a date or a datetime"):
        TransactionFilter(**{**fields, field: "2024-02-29"})

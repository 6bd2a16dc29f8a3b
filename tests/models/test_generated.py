"""The generated `__init__` of requests takes and refuses what attrs' own does, field by field."""

import inspect
from datetime import UTC, datetime, timedelta, timezone
from decimal import Context, Decimal, localcontext
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from gameball import UNSET, CashbackRequest, InvalidRequestError, Merchant, RedeemRequest
from gameball.models.clients import ClientRequest, ClientUpdate
from gameball.models.generated import copier, maker
from gameball.models.shared import Branch, KeyedRequest, Number, PlayerRequest
from gameball.models.transactions import (
    CouponRequest,
    HoldRequest,
    LineItem,
    ManualRequest,
    RefundRequest,
    TransactionFilter,
)

KEYED = {"player_unique_id": "p", "transaction_id": "t"}
SOUND: dict[type[Any], dict[str, Any]] = {
    PlayerRequest: {"player_unique_id": "p"},
    KeyedRequest: KEYED,
    Branch: {"name": "b"},
    Merchant: {"name": "m"},
    CashbackRequest: {**KEYED, "amount": 1},
    RedeemRequest: {**KEYED, "redeemed_amount": 1},
    LineItem: {},
    RefundRequest: {**KEYED, "original_transaction_id": "o"},
    HoldRequest: {"player_unique_id": "p", "amount": 1},
    ManualRequest: {**KEYED, "username": "u", "reason": "r", "points": 1},
    CouponRequest: {"player_unique_id": "p", "value": 1},
    TransactionFilter: {},
    ClientRequest: {a.name: "x" for a in attrs.fields(ClientRequest) if a.default is attrs.NOTHING},
    ClientUpdate: {"name": "x"},
}
"""A request of each kind that breaks no rule."""


class Text(str):
    __slots__ = ()


TIMES = st.datetimes(timezones=st.none() | st.sampled_from([UTC, timezone(timedelta(0)), timezone(timedelta(hours=9))]))
VALUES = st.one_of(
    st.none(),
    st.just(UNSET),
    st.booleans(),
    st.text(st.characters(), max_size=3),
    st.text(" \t\n\x1f\x85\u2003a", max_size=3),
    st.builds(Text, st.text(max_size=3)),
    st.integers(),
    st.integers(-2, 5),
    st.sampled_from([10**15 - 1, 10**15, 1 - 10**15, -(10**15), 2**31 - 1, 2**31, 2**63 - 1, 2**63]),
    st.floats(),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.decimals(places=2, min_value=-1, max_value=10**15),
    st.sampled_from(
        [Decimal("-0"), Decimal("0.00"), Decimal("1E+3"), Decimal("1e-7"), Decimal("sNaN"), Decimal(10) / 3]
    ),
    TIMES,
    st.sampled_from([datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))]),
    st.dates(),
    st.just(Merchant(name="shop")),
    st.just(Branch(name="shop")),
    st.lists(st.just(LineItem(product_id="p")) | st.none(), max_size=2),
    st.sampled_from(["+", "-", "Active", "1", "4"]),
)


def made(init: Any, kind: type[Any], values: dict[str, Any]) -> object:
    """The fields with their classes; or the sentence, and the field that it names."""
    value = object.__new__(kind)
    try:
        init(value, **values)
    except InvalidRequestError as error:
        return str(error), error.field
    return [(type(held := getattr(value, a.name)), str(held)) for a in attrs.fields(kind)]


@pytest.mark.parametrize("kind", SOUND)
@given(data=st.data())
def test_any_values_are_taken_or_refused_as_the_rules_of_the_fields_say(kind: type[Any], data: st.DataObject) -> None:
    names = st.sets(st.sampled_from([a.name for a in attrs.fields(kind)]), min_size=1, max_size=3)
    values = {**SOUND[kind], **{name: data.draw(VALUES, name) for name in sorted(data.draw(names))}}
    assert made(kind.__init__, kind, values) == made(kind.__init__.__wrapped__, kind, values)


@pytest.mark.parametrize("kind", [kind for kind, values in SOUND.items() if "player_unique_id" in values])
def test_a_maker_makes_what_the_class_makes_and_refuses_the_same(kind: type[Any]) -> None:
    make = maker(kind)
    assert make(**SOUND[kind]) == kind(**SOUND[kind])
    with pytest.raises(InvalidRequestError, match=r"^player_unique_id must not be empty$"):
        make(**{**SOUND[kind], "player_unique_id": " "})


@pytest.mark.parametrize("kind", SOUND)
def test_what_is_left_out_needs_no_check_for_every_default_keeps_its_field_s_rule(kind: type[Any]) -> None:
    for a in attrs.fields(kind):
        if a.default is not attrs.NOTHING:
            kept = a.default if a.converter is None else a.converter(a.default)
            assert kept is a.default or kept == a.default
            if a.validator is not None:
                a.validator(None, a, kept)


def test_sound_values_are_kept_as_the_objects_that_they_are() -> None:
    values: dict[str, Any] = {
        "player_unique_id": "player123",
        "transaction_time": datetime.now(UTC),
        "transaction_id": "order1",
        "amount": Decimal("99.98"),
        "merchant": Merchant(name="shop"),
    }
    request = CashbackRequest(**values)
    assert all(getattr(request, name) is value for name, value in values.items())


def test_whatever_the_caller_s_decimal_context_an_amount_is_the_same() -> None:
    with localcontext(Context(prec=1, capitals=0, traps=[])):
        assert (
            CashbackRequest(player_unique_id="p", transaction_id="t", amount=Decimal("1e2")).amount.as_tuple()[2] == 0
        )
        assert str(CashbackRequest(player_unique_id="p", transaction_id="t", amount=Decimal("99.98")).amount) == "99.98"


def test_the_signature_and_its_complaints_are_those_of_attrs() -> None:
    parameters = inspect.signature(CashbackRequest).parameters
    assert list(parameters) == [a.name for a in attrs.fields(CashbackRequest)]
    assert {parameter.kind for parameter in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert parameters["amount"].annotation == Number
    with pytest.raises(
        TypeError, match=r"^CashbackRequest\.__init__\(\) missing 1 required keyword-only argument: 'amount'$"
    ):
        CashbackRequest(player_unique_id="p", transaction_id="t")  # type: ignore[call-arg]


def test_a_class_of_the_user_s_own_keeps_the_rules_too() -> None:
    @attrs.frozen(kw_only=True)
    class Tagged(CashbackRequest):
        tag: str = ""

    class Plain(RedeemRequest):
        pass

    assert Tagged(player_unique_id="p", transaction_id="t", amount=1, tag="x").amount == Decimal(1)
    assert Plain(player_unique_id="p", transaction_id="t", redeemed_amount=1).redeemed_amount == Decimal(1)
    with pytest.raises(InvalidRequestError, match="amount must be positive"):
        Tagged(player_unique_id="p", transaction_id="t", amount=-1)
    with pytest.raises(InvalidRequestError, match="exclusive"):
        Plain(player_unique_id="p", transaction_id="t", redeemed_amount=1, hold_reference="h")


def test_a_copy_differs_in_one_field_and_is_not_checked_again() -> None:
    request = CashbackRequest(player_unique_id="p", transaction_id="t", amount=1)
    copy = copier(CashbackRequest, "transaction_time")(request, "any time")
    assert type(copy) is CashbackRequest
    assert attrs.asdict(copy) == {**attrs.asdict(request), "transaction_time": "any time"}

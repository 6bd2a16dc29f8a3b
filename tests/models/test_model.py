"""Models as plain data."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Context, Decimal, FloatOperation, Inexact, localcontext
from types import UnionType
from typing import Any, Union, get_args, get_origin

import attrs
import pytest
from fastapi.encoders import jsonable_encoder

import gameball
from gameball import (
    Batch,
    BatchResponse,
    BatchRow,
    BatchStatus,
    BulkPlan,
    BulkReport,
    CashbackRequest,
    CashbackReward,
    ClientKeys,
    Coupon,
    DuplicateTransactionError,
    GameballError,
    Merchant,
    OutcomeUnknownError,
    RefundRequest,
    RowResult,
    RowState,
    Secret,
    Transaction,
    TransactionPage,
    TransactionType,
)
from gameball.models.model import Model
from gameball.models.shared import Branch, OpenEnum
from gameball.models.transactions import CouponCode, LineItem

TIME = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)

NOT_MODELS = {"Attempt", "Call", "Delivered", "Operation", "RateLimit", "Retries", "Timeouts"}
"""The settings of a client, and what observers see of a call."""

PUBLIC: dict[str, type[Any]] = {
    name: kind
    for name in vars(gameball)["__all__"]
    if isinstance(kind := getattr(gameball, name), type) and attrs.has(kind) and name not in NOT_MODELS
}


def full(kind: Any) -> Any:
    """A value of this kind in which every field holds something."""
    if get_origin(kind) in (Union, UnionType):
        return full(next(part for part in get_args(kind) if part is not type(None)))
    if get_origin(kind) in (tuple, list):
        return get_origin(kind)([full(get_args(kind)[0])] * 2)
    if attrs.has(kind):
        value = object.__new__(kind)
        for field in attrs.fields(attrs.resolve_types(kind)):
            object.__setattr__(value, field.name, full(field.type))
        return value
    if issubclass(kind, OpenEnum | RowState):
        return next(iter(kind))
    return _SIMPLE[kind]


_SIMPLE: dict[Any, Any] = {
    str: "text",
    int: 7,
    bool: True,
    float: 1.5,
    Decimal: Decimal("99.98"),
    datetime: TIME,
    CouponCode: CouponCode("SPRING"),
    Secret: Secret("a secret key of nobody"),
    GameballError: OutcomeUnknownError("no answer came", code=13),
}


def keys_and_leaves(data: Any) -> Iterator[Any]:
    match data:
        case dict():
            for key, value in data.items():
                yield key
                yield from keys_and_leaves(value)
        case list():
            for value in data:
                yield from keys_and_leaves(value)
        case _:
            yield data


def test_the_public_models_are_many() -> None:
    assert len(PUBLIC) > 45


@pytest.mark.parametrize("kind", PUBLIC.values(), ids=PUBLIC)
def test_every_public_model_becomes_a_dict_of_all_its_fields(kind: type[Any]) -> None:
    value = full(kind)
    names = [field.name for field in attrs.fields(kind)]

    assert issubclass(kind, Model)
    assert list(value.to_dict()) == list(value.to_dict(json=True)) == names
    assert None not in value.to_dict().values()


@pytest.mark.parametrize("kind", PUBLIC.values(), ids=PUBLIC)
def test_every_public_model_survives_json(kind: type[Any]) -> None:
    plain = full(kind).to_dict(json=True)

    assert json.loads(json.dumps(plain)) == plain
    assert {type(part) for part in keys_and_leaves(plain)} <= {str, int, float, bool}


@pytest.mark.parametrize("kind", PUBLIC.values(), ids=PUBLIC)
def test_a_web_framework_takes_every_public_model_in_either_form(kind: type[Any]) -> None:
    json.dumps(jsonable_encoder(full(kind).to_dict()))
    assert jsonable_encoder(full(kind).to_dict(json=True)) == full(kind).to_dict(json=True)


@pytest.mark.parametrize("kind", PUBLIC.values(), ids=PUBLIC)
def test_a_model_has_no_room_for_other_attributes(kind: type[Any]) -> None:
    assert not hasattr(full(kind), "__dict__")


# --- values as they are


REQUEST = CashbackRequest(
    player_unique_id="player1",
    transaction_id="t1",
    amount=Decimal("99.98"),
    transaction_time=TIME,
    merchant=Merchant(unique_id="m1", branch=Branch(name="north")),
)


def test_amounts_times_and_enumerations_are_kept() -> None:
    transaction = Transaction(
        gameball_transaction_id="g1", type=TransactionType.PAYMENT, amount=Decimal("99.980"), transaction_time=TIME
    )
    plain = transaction.to_dict()

    assert (str(plain["amount"]), plain["transaction_time"], plain["type"]) == ("99.980", TIME, "Payment")
    assert plain["transaction_time"].tzinfo is UTC
    assert plain["type"] is TransactionType.PAYMENT


def test_what_was_not_given_is_none() -> None:
    assert CashbackReward(gameball_transaction_id="g1", rewarded_points=20).to_dict() == {
        "gameball_transaction_id": "g1",
        "rewarded_points": 20,
        "player_unique_id": None,
    }


def test_nested_values_are_dicts_and_tuples_lists() -> None:
    assert REQUEST.to_dict()["merchant"] == {
        "unique_id": "m1",
        "name": None,
        "branch": {"unique_id": None, "name": "north"},
    }
    items = (LineItem(product_id="p1", quantity=2), LineItem(product_id="p2"))
    refund = RefundRequest(
        player_unique_id="player1", transaction_id="r1", original_transaction_id="t1", line_items=items
    )
    assert refund.to_dict(json=True)["line_items"] == [
        {"product_id": "p1", "quantity": 2},
        {"product_id": "p2", "quantity": None},
    ]


def test_a_request_can_be_made_anew_from_its_dict() -> None:
    flat = attrs.evolve(REQUEST, merchant=None)
    assert CashbackRequest(**flat.to_dict()) == flat


def test_a_page_holds_its_rows() -> None:
    page = TransactionPage(transactions=(Transaction(gameball_transaction_id="g1"),), total=1)
    plain = page.to_dict()
    assert (plain["transactions"][0]["gameball_transaction_id"], plain["count"], plain["total"]) == ("g1", None, 1)


def test_a_batch_holds_what_became_of_its_rows() -> None:
    batch = Batch(status=BatchStatus.FINISHED, response=BatchResponse(failed=(BatchRow(message="no such player"),)))
    plain = batch.to_dict(json=True)
    assert (plain["status"], type(plain["status"])) == ("finished", str)
    assert plain["response"]["successful"] == []
    assert plain["response"]["failed"][0]["message"] == "no such player"


@pytest.mark.parametrize("as_json", [False, True])
def test_keys_are_masked(*, as_json: bool) -> None:
    keys = ClientKeys(api_key=Secret("the new api key"), secret_key=Secret("the new secret key"))
    assert keys.to_dict(json=as_json) == {"api_key": "****", "secret_key": "****", "gameball_id": None}


# --- as JSON


@pytest.mark.parametrize(
    ("amount", "number"),
    [
        ("99.98", 99.98),
        ("99.980", 99.98),
        ("0.1", 0.1),
        ("-0.5", -0.5),
        ("1E-7", 1e-07),
        ("123456789012.345", 123456789012.345),
        ("20", 20),
        ("20.00", 20),
        ("-0", 0),
        ("1E+3", 1000),
        ("12345678901234567890", 12345678901234567890),
        # Where a float would change the digits:
        ("12345678901234567890.5", "12345678901234567890.5"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("1E+400", "1E+400"),
        ("1E-400", "1E-400"),
        ("NaN", "NaN"),
        ("sNaN", "sNaN"),
        ("-Infinity", "-Infinity"),
    ],
)
def test_an_amount_is_a_number_of_the_same_digits(amount: str, number: float | str) -> None:
    plain = Transaction(gameball_transaction_id="g1", amount=Decimal(amount)).to_dict(json=True)["amount"]
    assert (plain, type(plain)) == (number, type(number))


@pytest.mark.parametrize("amount", ["99.98", "123456789012345", "12345678901234567890.5", "7.00"])
def test_an_amount_does_not_follow_the_decimal_context_of_the_caller(amount: str) -> None:
    transaction = Transaction(gameball_transaction_id="g1", amount=Decimal(amount))
    expected = transaction.to_dict(json=True)
    with localcontext(Context(prec=2, traps=[Inexact, FloatOperation])):
        assert transaction.to_dict(json=True) == expected


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (TIME, "2026-03-01T09:30:00.000Z"),
        (TIME.replace(microsecond=250_000), "2026-03-01T09:30:00.250Z"),
        (TIME.replace(microsecond=1), "2026-03-01T09:30:00.000001Z"),
        (TIME.astimezone(timezone(timedelta(hours=3))), "2026-03-01T09:30:00.000Z"),
        (TIME.astimezone(timezone(timedelta(hours=-3, minutes=-30))), "2026-03-01T09:30:00.000Z"),
        (TIME.replace(tzinfo=None), "2026-03-01T09:30:00"),  # made by hand: nobody knows its zone
    ],
)
def test_a_time_is_text_in_utc(time: datetime, text: str) -> None:
    assert Transaction(gameball_transaction_id="g1", transaction_time=time).to_dict(json=True)["transaction_time"] == (
        text
    )


def test_words_of_an_enumeration_are_text_unknown_ones_too() -> None:
    for word in ("Payment", "a word of next year"):
        plain = Transaction(gameball_transaction_id="g1", type=TransactionType(word)).to_dict(json=True)
        assert (plain["type"], type(plain["type"])) == (word, str)


def test_text_of_a_class_of_its_own_is_plain_text() -> None:
    class Marked(str):
        """As Django's SafeString."""

        __slots__ = ()

        def __str__(self) -> str:
            return "<marked>"

    plain = Coupon(code=CouponCode("SPRING"), url=Marked("https://shop.example")).to_dict(json=True)
    assert [(part, type(part)) for part in (plain["code"], plain["url"])] == [
        ("SPRING", str),
        ("https://shop.example", str),
    ]


# --- rows and reports of a bulk run


def rejected(message: str = "already exists") -> RowResult:
    error = DuplicateTransactionError(message, status=422, code=305, operation="transactions.cashback")
    return RowResult(index=0, request=REQUEST, state=RowState.REJECTED, error=error)


@pytest.mark.parametrize("as_json", [False, True])
def test_an_error_is_its_type_message_code_and_outcome(*, as_json: bool) -> None:
    assert rejected().to_dict(json=as_json)["error"] == {
        "type": "DuplicateTransactionError",
        "message": "already exists",
        "code": 305,
        "outcome": "not_applied",
    }


def test_an_error_without_a_code_has_none() -> None:
    result = RowResult(index=0, request=REQUEST, state=RowState.NEEDS_REVIEW, error=GameballError("cut off"))
    assert result.to_dict()["error"]["code"] is None


def test_an_error_forges_no_line() -> None:
    assert rejected("no\n2026-03-01 rewarded \x1b[2J\u202e").to_dict()["error"]["message"] == (
        r"no\n2026-03-01 rewarded \x1b[2J\u202e"
    )


def test_a_result_has_its_request_and_its_value() -> None:
    value = CashbackReward(gameball_transaction_id="g1", rewarded_points=20)
    plain = RowResult(index=4, request=REQUEST, state=RowState.APPLIED, value=value).to_dict(json=True)

    assert (plain["index"], plain["state"], plain["error"]) == (4, "applied", None)
    assert plain["request"]["amount"] == 99.98
    assert plain["value"]["rewarded_points"] == 20


def test_a_report_holds_its_figures_and_its_problems() -> None:
    report = BulkReport(rows=2, applied=1, rejected=1, points=20, problems=[rejected()])
    plain = report.to_dict(json=True)

    assert (plain["rows"], plain["points"], plain["slowed_by"]) == (2, 20, None)
    assert plain["problems"] == [rejected().to_dict(json=True)]


def test_a_plan_counts_money_as_a_number() -> None:
    plan = BulkPlan(rows=3, total_amount=Decimal("299.94"), duplicates=("t1",), seconds=0.1)
    assert json.loads(json.dumps(plan.to_dict(json=True))) == {
        "rows": 3,
        "total_amount": 299.94,
        "duplicates": ["t1"],
        "clashes": [],
        "future": [],
        "left_out": 0,
        "seconds": 0.1,
    }


# --- where plain data goes


def test_a_log_record_takes_a_dict(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("shop").info("rewarded", extra={"reward": REQUEST.to_dict(json=True)})
    assert json.loads(json.dumps(vars(caplog.records[0])["reward"]))["transaction_id"] == "t1"


def test_a_data_frame_takes_a_list_of_them() -> None:
    pandas = pytest.importorskip("pandas")
    rows = [
        Transaction(gameball_transaction_id=f"g{number}", points=number, transaction_time=TIME) for number in range(3)
    ]
    frame = pandas.DataFrame([row.to_dict() for row in rows])
    assert list(frame["points"]) == [0, 1, 2]
    assert str(frame["transaction_time"].dtype).startswith("datetime64")
    nested = pandas.json_normalize([rejected().to_dict()])
    assert list(nested["request.amount"]) == [Decimal("99.98")]

"""What goes out to the byte, and what is made of whatever comes back."""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import unquote

import attrs
import pytest
from hypothesis import given, strategies as st

from gameball.core import converter
from gameball.core.codec import decode, encode, request_id
from gameball.core.converter import load, parse
from gameball.core.http import Response
from gameball.core.operation import Operation, Replay
from gameball.core.scalars import UnreadableError, time_text
from gameball.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    DuplicateTransactionError,
    HoldNotFoundError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    UnexpectedAnswerError,
)
from gameball.models.batches import Batch, BatchId, BatchResponse, BatchRow, BatchStatus
from gameball.models.clients import UNSET, ClientKeys, ClientRequest, ClientStatus, ClientUpdate, PartnerClient
from gameball.models.configurations import (
    CashbackConfiguration,
    CashbackRule,
    Challenge,
    ChallengeConfiguration,
    Configuration,
    RedemptionConfiguration,
    Visibility,
)
from gameball.models.shared import Branch, Merchant, Points
from gameball.models.transactions import (
    CashbackRequest,
    CashbackReward,
    Coupon,
    CouponCode,
    CouponRequest,
    CouponType,
    Direction,
    Hold,
    HoldRequest,
    LineItem,
    ManualRequest,
    ManualTransaction,
    OrderTransaction,
    OrderTransactions,
    RedeemRequest,
    Redemption,
    RefundRequest,
    Transaction,
    TransactionFilter,
    TransactionPage,
    TransactionStatus,
    TransactionType,
)
from gameball.resources import batches, transactions
from gameball.settings import Secret

T1 = datetime(2019, 9, 19, 16, 14, 9, 895000, UTC)

CASHBACK = transactions.cashback(
    CashbackRequest(player_unique_id="player123", transaction_id="tra_1", amount=1, transaction_time=T1)
)
REDEEM = transactions.redeem(
    RedeemRequest(player_unique_id="player456", transaction_id="t", redeemed_amount=1, transaction_time=T1)
)
REFUND = transactions.refund(
    RefundRequest(player_unique_id="p", transaction_id="t", original_transaction_id="o", transaction_time=T1)
)
MANUAL = transactions.manual(
    ManualRequest(
        player_unique_id="player123",
        transaction_id="tra_123456789",
        username="u",
        reason="r",
        points=1,
        transaction_time=T1,
    )
)
HOLD = transactions.hold(HoldRequest(player_unique_id="player456", amount=1, transaction_time=T1))
COUPON = transactions.create_coupon(CouponRequest(player_unique_id="p", rule_id=1))
REVERSE = transactions.reverse_hold("h")
LIST = transactions.transaction_page(TransactionFilter())
ORDER = transactions.for_order("o")

ALL: tuple[Operation[Any], ...] = (CASHBACK, REDEEM, REFUND, MANUAL, HOLD, COUPON, REVERSE, LIST, ORDER)
VALUED = tuple(operation for operation in ALL if operation is not REVERSE)


def named(operation: object) -> str | None:
    return operation.name if isinstance(operation, Operation) else None


def answer(body: bytes | str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status=status, headers=headers or {}, body=body.encode() if isinstance(body, str) else body)


def row(fields: str) -> Transaction:
    """A row of the list with these further fields, as JSON."""
    page = decode(LIST, answer(f'{{"transactions":[{{"gameballTransactionId":1,{fields}}}]}}'))
    return page.transactions[0]


# --- out: the pages' own samples, byte for byte


def body_of(operation: Operation[Any]) -> str:
    body = encode(operation).body
    assert body is not None
    return body.decode()


def sent(operation: Operation[Any]) -> Any:
    return json.loads(body_of(operation), parse_float=Decimal)


def test_the_sample_of_cashback_goes_out_as_the_page_shows_it() -> None:
    request = CashbackRequest(
        player_unique_id="player123", transaction_id="tra_123456789", amount=99.98, transaction_time=T1
    )

    out = encode(transactions.cashback(request))

    assert (out.method, out.target) == ("POST", "/integrations/transaction/cashback")
    assert sent(transactions.cashback(request)) == {
        "playerUniqueId": "player123",
        "amount": Decimal("99.98"),
        "transactionId": "tra_123456789",
        "transactionTime": "2019-09-19T16:14:09.895Z",
    }


def test_the_sample_of_a_redemption_by_hold_goes_out_without_nulls() -> None:
    request = RedeemRequest(
        player_unique_id="player456",
        transaction_id="tra_123456789",
        transaction_time=T1,
        hold_reference="2342452352435234",
        otp="7391",
    )

    assert sent(transactions.redeem(request)) == {
        "playerUniqueId": "player456",
        "transactionId": "tra_123456789",
        "transactionTime": "2019-09-19T16:14:09.895Z",
        "holdReference": "2342452352435234",
        "otp": "7391",
    }


def test_the_sample_of_a_refund_names_its_original_as_the_api_does() -> None:
    request = RefundRequest(
        player_unique_id="player456",
        transaction_id="1234567890",
        original_transaction_id="234567891",
        transaction_time=T1,
        line_items=[LineItem(product_id="p_01", quantity=1), LineItem()],
    )

    assert sent(transactions.refund(request)) == {
        "playerUniqueId": "player456",
        "transactionId": "1234567890",
        "reverseTransactionId": "234567891",
        "transactionTime": "2019-09-19T16:14:09.895Z",
        "lineItems": [{"productId": "p_01", "quantity": 1}, {}],
    }


def test_the_samples_of_hold_manual_and_coupon() -> None:
    assert sent(transactions.hold(HoldRequest(player_unique_id="player456", amount=98.89, transaction_time=T1))) == {
        "playerUniqueId": "player456",
        "amount": Decimal("98.89"),
        "transactionTime": "2019-09-19T16:14:09.895Z",
    }
    assert sent(MANUAL) == {
        "playerUniqueId": "player123",
        "transactionId": "tra_123456789",
        "transactionTime": "2019-09-19T16:14:09.895Z",
        "username": "u",
        "reason": "r",
        "points": 1,
    }
    assert sent(
        transactions.create_coupon(CouponRequest(player_unique_id="player", value=17000000, rule_id=191269))
    ) == {"value": 17000000, "playerUniqueId": "player", "ruleId": 191269}


def test_everything_that_can_be_given_goes_out_in_the_apis_spelling() -> None:
    request = CashbackRequest(
        player_unique_id="p",
        transaction_id="t",
        amount=1,
        transaction_time=T1,
        email="a@b.example",
        mobile="+20100",
        merchant=Merchant(unique_id="m", name="Shop", branch=Branch(unique_id="b")),
    )

    out = sent(transactions.cashback(request))
    assert out["merchant"] == {"uniqueId": "m", "name": "Shop", "branch": {"uniqueId": "b"}}
    assert (out["email"], out["mobile"]) == ("a@b.example", "+20100")


def test_a_read_and_a_reversal_carry_no_body() -> None:
    assert [encode(operation).body for operation in (LIST, ORDER, REVERSE)] == [None, None, None]
    assert encode(REVERSE).method == "DELETE"
    assert encode(REVERSE).target == "/integrations/transaction/hold/h"
    assert encode(LIST).target == "/integrations/transaction/list"


@pytest.mark.parametrize("operation", ALL, ids=named)
def test_sent_again_it_is_the_same_bytes(operation: Operation[Any]) -> None:
    assert encode(operation) == encode(operation)


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (99.98, "99.98"),
        (Decimal("99.98"), "99.98"),
        (Decimal("99.90"), "99.90"),
        (Decimal("1E+2"), "100"),
        (Decimal("1E-7"), "0.0000001"),
        (1e-7, "0.0000001"),
        (Decimal("1.50E+3"), "1500"),
        (Decimal("0.000000000000001"), "0.000000000000001"),
        (Decimal(999999999999999), "999999999999999"),
        (10.0, "10.0"),
        (10, "10"),
    ],
)
def test_an_amount_goes_out_as_exactly_the_decimal_given(amount: Decimal | float, written: str) -> None:
    operation = transactions.create_coupon(CouponRequest(player_unique_id="p", value=amount))

    assert body_of(operation) == f'{{"playerUniqueId":"p","value":{written}}}'


@given(st.decimals(min_value=0, max_value=999_999_999, allow_nan=False, places=6).filter(bool))
def test_no_amount_is_ever_written_with_an_exponent_or_rounded(amount: Decimal) -> None:
    written = body_of(transactions.create_coupon(CouponRequest(player_unique_id="p", value=amount)))

    assert written == f'{{"playerUniqueId":"p","value":{amount:f}}}'


@pytest.mark.parametrize("points", [-5, 10**15 - 1])
def test_points_go_out_as_they_are(points: int) -> None:
    request = ManualRequest(player_unique_id="p", transaction_id="t", username="u", reason="r", points=points)

    assert f'"points":{points}' in body_of(transactions.manual(request))


@pytest.mark.parametrize("size", [2**64, 10**30, 10**400], ids=["2**64", "10**30", "10**400"])
def test_a_huge_rule_id_goes_out_whole_or_is_refused(size: int) -> None:
    try:
        body = body_of(transactions.create_coupon(CouponRequest(player_unique_id="p", rule_id=size)))
    except InvalidRequestError:
        pass
    else:
        assert body == f'{{"playerUniqueId":"p","ruleId":{size}}}'


def test_a_page_number_too_long_to_be_written_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"^page "):
        encode(transactions.transaction_page(TransactionFilter(page=10**5000)))


@pytest.mark.parametrize(
    ("time", "written"),
    [
        (datetime(2019, 9, 19, 16, 14, 9, 895000, UTC), "2019-09-19T16:14:09.895Z"),
        (datetime(2019, 9, 19, 16, 14, 9, 895001, UTC), "2019-09-19T16:14:09.895001Z"),
        (datetime(2019, 9, 19, 16, 14, 9, 0, UTC), "2019-09-19T16:14:09.000Z"),
        (datetime(2019, 9, 19, 18, 14, 9, 5000, timezone(timedelta(hours=2))), "2019-09-19T16:14:09.005Z"),
        (datetime(2019, 9, 19, 21, 44, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2019-09-19T16:14:00.000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_goes_out_in_utc_with_z(time: datetime, written: str) -> None:
    assert time_text(time) == written
    assert sent(transactions.hold(HoldRequest(player_unique_id="p", amount=1, transaction_time=time)))[
        "transactionTime"
    ] == (written)


@pytest.mark.parametrize(
    ("filters", "query"),
    [
        ({"direction": "+"}, "direction=%2B"),
        ({"direction": Direction.ADDITION}, "direction=%2B"),
        ({"direction": "-"}, "direction=-"),
        ({"status": "Active"}, "status=1"),
        ({"status": "pending"}, "status=2"),
        ({"status": 3}, "status=3"),
        ({"status": TransactionStatus.EXPIRED}, "status=4"),
        ({"from_date": date(2024, 2, 29)}, "from=2024-02-29"),
        ({"to_date": datetime(2024, 2, 29, 1, tzinfo=UTC)}, "to=2024-02-29T01%3A00%3A00.000Z"),
        ({"to_date": datetime(2024, 2, 29, 1, tzinfo=timezone(timedelta(hours=2)))}, "to=2024-02-28T23%3A00%3A00.000Z"),
        ({"page": 2, "limit": 200}, "page=2&limit=200"),
        ({"transaction_id": "a+b &c=ü/?#%"}, "transactionId=a%2Bb%20%26c%3D%C3%BC%2F%3F%23%25"),
        ({"player_unique_id": "p"}, "playerUniqueId=p"),
    ],
)
def test_filters_become_an_escaped_query(filters: dict[str, Any], query: str) -> None:
    assert encode(transactions.transaction_page(TransactionFilter(**filters))).target == (
        f"/integrations/transaction/list?{query}"
    )


def plain(**parts: Any) -> Operation[None]:
    return Operation(name="x", method="GET", path="/x", returns=type(None), replay=Replay.SAFE, **parts)


def test_a_plain_mapping_is_a_query_too_and_none_is_left_out() -> None:
    query = {"a b": "c d", "yes": True, "no": False, "n": None, "d": Decimal("1E-7"), "i": 5}

    assert encode(plain(query=query)).target == "/x?a%20b=c%20d&yes=true&no=false&d=0.0000001&i=5"
    assert encode(plain(query={"n": None})).target == "/x"
    assert encode(plain(query={})).target == "/x"
    unknown = TransactionStatus("Frozen")
    assert encode(plain(query={"s": unknown})).target == "/x?s=Frozen"


def test_plain_json_is_a_body_too() -> None:
    body = {"kept": None, "list": [Decimal("1E+2"), Decimal("1E-7")], "at": T1, "b": Branch(name="n")}

    assert encode(plain(body=body)).body == (
        b'{"kept":null,"list":[100,0.0000001],"at":"2019-09-19T16:14:09.895Z","b":{"name":"n"}}'
    )


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_id_arrives_as_it_was_given(value: str) -> None:
    body = sent(transactions.create_coupon(CouponRequest(player_unique_id=value, rule_id=1)))
    target = encode(transactions.transaction_page(TransactionFilter(transaction_id=value))).target

    assert body["playerUniqueId"] == value
    assert unquote(target.partition("?transactionId=")[2]) == value


# --- in: the pages' own samples

MINUTES = datetime(2018, 1, 10, 17, 12, 26, 895000, UTC)

ORDER_SAMPLE = """
{
    "orderTransactions": [
        {
            "transactionDate": "2021-10-19T21:46:24",
            "gameballTransactionId": 384081,
            "transactionType": "Payment",
            "amount": 70.0,
            "equivalentPoints":7.0,
            "transactionId": "111131212"
        },
        {
            "transactionDate": "2018-01-10T17:12:26.895",
            "gameballTransactionId": 384090,
            "transactionType": "PartialRefund",
            "amount": 10.0,
            "equivalentPoints":1.0,
            "transactionId": "1111201801"
        }
    ]%s
}
"""
ORDER_ROWS = (
    OrderTransaction(
        transaction_date=datetime(2021, 10, 19, 21, 46, 24, tzinfo=UTC),
        gameball_transaction_id="384081",
        transaction_type=TransactionType.PAYMENT,
        amount=Decimal("70.0"),
        equivalent_points=7,
        transaction_id="111131212",
    ),
    OrderTransaction(
        transaction_date=MINUTES,
        gameball_transaction_id="384090",
        transaction_type=TransactionType.PARTIAL_REFUND,
        amount=Decimal("10.0"),
        equivalent_points=1,
        transaction_id="1111201801",
    ),
)

LIST_SAMPLE = """
{
    "transactions":[
       {
          "transactionId":"trx123",
          "gameballTransactionId":"gbtrx123",
          "transactionTime":"2019-09-21T16:53:28.190Z",
          "type":"Cash Back",
          "direction":"+",
          "playerUniqueId":"1234",
          "points":500,
          "amount":10,
          "status":"Active",
          "merchantName":"merchant",
          "branchName":"branch",
          "expiryDate": "2019-10-21T16:53:28.190Z",
          "pointsBalanceBefore": 1000,
          "pointsBalanceAfter": 1500
       },
       {
        "transactionId": "trx1234",
        "gameballTrasnactionId": "gbtrx1234",
        "type": "DiscountCode",
        "direction": "-",
        "playerUniqueId": "1234",
        "points": 1700,
        "amount": 17.0,
        "transactionTime": "2022-09-28T11:58:34.579234",
        "status": "Active",
        "couponCode": "50OFF",
        "isCouponUsed": false,
        "couponType": "fixed_rate_discount",
        "merchantName": "merchant",
        "branchName": "branch",
        "expiryDate": "2022-10-28T11:58:34.579234",
        "pointsBalanceBefore": 1000,
        "pointsBalanceAfter": 2700
    }
    ],
    "count":50,
    "total":344
 }
"""
LIST_VALUE = TransactionPage(
    transactions=(
        Transaction(
            transaction_id="trx123",
            gameball_transaction_id="gbtrx123",
            transaction_time=datetime(2019, 9, 21, 16, 53, 28, 190000, UTC),
            type=TransactionType.CASH_BACK,
            direction=Direction.ADDITION,
            player_unique_id="1234",
            points=500,
            amount=Decimal(10),
            status=TransactionStatus.ACTIVE,
            merchant_name="merchant",
            branch_name="branch",
            expiry_date=datetime(2019, 10, 21, 16, 53, 28, 190000, UTC),
            points_balance_before=1000,
            points_balance_after=1500,
        ),
        Transaction(
            transaction_id="trx1234",
            gameball_transaction_id="gbtrx1234",
            type=TransactionType.DISCOUNT_CODE,
            direction=Direction.DEDUCTION,
            player_unique_id="1234",
            points=1700,
            amount=Decimal("17.0"),
            transaction_time=datetime(2022, 9, 28, 11, 58, 34, 579234, UTC),
            status=TransactionStatus.ACTIVE,
            coupon_code="50OFF",
            is_coupon_used=False,
            coupon_type=CouponType.FIXED_RATE_DISCOUNT,
            merchant_name="merchant",
            branch_name="branch",
            expiry_date=datetime(2022, 10, 28, 11, 58, 34, 579234, UTC),
            points_balance_before=1000,
            points_balance_after=2700,
        ),
    ),
    count=50,
    total=344,
)


SAMPLES: list[tuple[Operation[Any], str, Any]] = [
    (
        CASHBACK,
        '{"playerUniqueId": "player123", "gameballTransactionId": 17178, "rewardedPoints": 20}',
        CashbackReward(player_unique_id="player123", gameball_transaction_id="17178", rewarded_points=20),
    ),
    (
        REDEEM,
        '{"playerUniqueId": "player456", "gameballTransactionId": 17179, "redeemedPoints": 200}',
        Redemption(player_unique_id="player456", gameball_transaction_id="17179", redeemed_points=200),
    ),
    (REFUND, ORDER_SAMPLE % "", OrderTransactions(order_transactions=ORDER_ROWS)),
    (
        HOLD,
        '{"playerUniqueId":"player456", "amount":98.89, "holdPoints":9889, "holdReference":"ref_12343ds"}',
        Hold(player_unique_id="player456", amount=Decimal("98.89"), hold_points=9889, hold_reference="ref_12343ds"),
    ),
    (REVERSE, "{}", None),
    (
        MANUAL,
        (
            '{"playerUniqueId": "player123", "gameballTransactionId": 17178, "amount": 99.98, '
            '"transactionId": "tra_123456789", "transactionTime": "2019-09-19T16:14:09.895Z", "points":999}'
        ),
        ManualTransaction(
            player_unique_id="player123",
            gameball_transaction_id="17178",
            amount=Decimal("99.98"),
            transaction_id="tra_123456789",
            transaction_time=T1,
            points=999,
        ),
    ),
    (LIST, LIST_SAMPLE, LIST_VALUE),
    (
        ORDER,
        ORDER_SAMPLE % ', "total": 3, "count": 3',
        OrderTransactions(order_transactions=ORDER_ROWS, total=3, count=3),
    ),
    (
        COUPON,
        (
            '{"code": "freesundae1", "url": "https://www.mcdonalds.eg/sundae", '
            '"startDate": "2021-12-13T18:18:45.775Z", "expiryDate": "2022-12-13T18:18:45.775Z"}'
        ),
        Coupon(
            code=CouponCode("freesundae1"),
            url="https://www.mcdonalds.eg/sundae",
            start_date=datetime(2021, 12, 13, 18, 18, 45, 775000, UTC),
            expiry_date=datetime(2022, 12, 13, 18, 18, 45, 775000, UTC),
        ),
    ),
]


@pytest.mark.parametrize(("operation", "sample", "value"), SAMPLES, ids=named)
@pytest.mark.parametrize("status", [200, 201, 202])
def test_the_pages_own_sample_is_read_whole(operation: Operation[Any], sample: str, value: Any, status: int) -> None:
    assert decode(operation, answer(sample, status)) == value


def in_case(change: Callable[[str], str], data: Any) -> Any:
    if isinstance(data, dict):
        return {change(key): in_case(change, value) for key, value in data.items()}
    return [in_case(change, item) for item in data] if isinstance(data, list) else data


@pytest.mark.parametrize(("operation", "sample", "value"), SAMPLES, ids=named)
@pytest.mark.parametrize("change", [str.upper, str.lower, lambda key: key[0].upper() + key[1:]])
def test_keys_are_known_in_any_case(
    operation: Operation[Any], sample: str, value: Any, change: Callable[[str], str]
) -> None:
    assert decode(operation, answer(json.dumps(in_case(change, json.loads(sample))))) == value


@pytest.mark.parametrize(("operation", "sample", "value"), SAMPLES, ids=named)
def test_fields_that_nobody_told_of_are_ignored(operation: Operation[Any], sample: str, value: Any) -> None:
    extended = {"news": [{"a": {}}], "code": 1, **json.loads(sample), "zz": None}

    assert decode(operation, answer(json.dumps(extended))) == value


@pytest.mark.parametrize(("operation", "sample", "value"), SAMPLES, ids=named)
def test_a_byte_order_mark_does_no_harm(operation: Operation[Any], sample: str, value: Any) -> None:
    assert decode(operation, answer(b"\xef\xbb\xbf" + sample.encode())) == value


# --- in: the contradictions, one by one


def reward(given: str) -> CashbackReward:
    return decode(CASHBACK, answer(given))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("17178", "17178"),
        ('"17178"', "17178"),
        ('"gbtrx123"', "gbtrx123"),
        ("17178.0", "17178"),
        ("1.7178e4", "17178"),
        ("9007199254740993", "9007199254740993"),
        ("9007199254740993.0", "9007199254740993"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("0", "0"),
    ],
)
@pytest.mark.parametrize("key", ["gameballTransactionId", "gameballTrasnactionId", "GAMEBALLTRASNACTIONID"])
def test_an_id_is_text_however_it_is_written(key: str, written: str, read: str) -> None:
    assert reward(f'{{"{key}":{written},"rewardedPoints":1}}').gameball_transaction_id == read


@pytest.mark.parametrize("empty", ["null", '""'])
def test_of_two_spellings_of_the_id_the_one_with_a_value_counts(empty: str) -> None:
    both = f'{{"gameballTransactionId":{empty},"gameballTrasnactionId":"x","rewardedPoints":1}}'

    assert reward(both).gameball_transaction_id == "x"


@pytest.mark.parametrize(
    ("written", "read"),
    [('"ref_1"', "ref_1"), ("2342452352435234", "2342452352435234"), ('"9245fe4a-d402"', "9245fe4a-d402")],
)
def test_a_hold_reference_is_text_however_it_is_written(written: str, read: str) -> None:
    assert decode(HOLD, answer(f'{{"holdReference":{written}}}')) == Hold(hold_reference=read)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *(
            (f"2012-12-30{t}16:50:11{z}", datetime(2012, 12, 30, 16, 50, 11, tzinfo=UTC))
            for t in "T "
            for z in ("", "Z")
        ),
        *(
            (f"2012-12-30{t}16:50:11.{'1234567'[:n]}{z}", datetime(2012, 12, 30, 16, 50, 11, micro, UTC))
            for n, micro in enumerate((100000, 120000, 123000, 123400, 123450, 123456, 123456), start=1)
            for t in "T "
            for z in ("", "Z", "+00:00")
        ),
        ("2012-12-30T18:50:11+02:00", datetime(2012, 12, 30, 16, 50, 11, tzinfo=UTC)),
        ("2012-12-30", datetime(2012, 12, 30, tzinfo=UTC)),
        (" 2012-12-30T16:50:11Z ", datetime(2012, 12, 30, 16, 50, 11, tzinfo=UTC)),
        ("0001-01-01T00:00:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.9999999", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_any_spelling_and_is_in_utc(written: str, read: datetime) -> None:
    time = row(f'"transactionTime":"{written}"').transaction_time

    assert time == read
    assert time is not None
    assert time.tzinfo is UTC


@pytest.mark.parametrize(
    "written", ['"yesterday"', '"2012-13-30T16:50:11"', "1356886211", "true", "{}", '"0001-01-01T00:00:00+02:00"']
)
def test_what_is_no_time_is_told_by_its_field(written: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="transactions transactionTime is not a time"):
        row(f'"transactionTime":{written}')


@pytest.mark.parametrize("empty", ["null", '""'])
def test_an_optional_field_without_a_value_is_none(empty: str) -> None:
    fields = ("transactionTime", "points", "amount", "isCouponUsed", "type", "status", "direction", "couponType")

    found = row(",".join(f'"{field}":{empty}' for field in fields))

    assert found == Transaction(gameball_transaction_id="1")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("20", 20),
        ("20.0", 20),
        ('"20"', 20),
        ('"20.0"', 20),
        ('" 20 "', 20),
        ("2e1", 20),
        ('"+20"', 20),
        ("-20", -20),
        ("0", 0),
        ("20.5", Decimal("20.5")),
        ('"20.5"', Decimal("20.5")),
        ("123456789012345678901", 123456789012345678901),
    ],
)
def test_points_are_whole_in_any_spelling_and_a_fraction_is_kept(written: str, read: int | Decimal) -> None:
    points = reward(f'{{"gameballTransactionId":1,"rewardedPoints":{written}}}').rewarded_points

    assert points == read
    assert type(points) is type(read)


@pytest.mark.parametrize(
    ("written", "read"),
    [("99.98", "99.98"), ('"99.98"', "99.98"), ("10", "10"), ("17.0", "17.0"), ("1e-7", "1E-7"), ('"99.90"', "99.90")],
)
def test_money_is_an_exact_decimal(written: str, read: str) -> None:
    amount = row(f'"amount":{written}').amount

    assert isinstance(amount, Decimal)
    assert str(amount) == read


@pytest.mark.parametrize(("written", "read"), [("50", 50), ('"50"', 50), ("50.0", 50)])
def test_a_count_is_whole_in_any_spelling(written: str, read: int) -> None:
    page = decode(LIST, answer(f'{{"transactions":[],"count":{written},"total":{written}}}'))

    assert (page.count, page.total) == (read, read)
    assert type(page.count) is int


@pytest.mark.parametrize("written", ["5.7", "true", '"many"', "[]", "{}", '"5.7"'])
def test_what_is_no_count_is_no_answer(written: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="count is not a "):
        decode(LIST, answer(f'{{"transactions":[],"count":{written}}}'))


@pytest.mark.parametrize(("written", "read"), [("true", True), ("false", False), ('"true"', True), ('"False"', False)])
def test_a_truth_is_read_as_word_or_as_itself(written: str, *, read: bool) -> None:
    assert row(f'"isCouponUsed":{written}').is_coupon_used is read


@pytest.mark.parametrize("written", ["1", "0", '"yes"', "[]", "1.0"])
def test_what_is_no_truth_is_no_answer(written: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="isCouponUsed is neither true nor false"):
        row(f'"isCouponUsed":{written}')


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("rewardedPoints", '{"gameballTransactionId":1,"rewardedPoints":true}'),
        ("gameballTransactionId", '{"gameballTransactionId":true,"rewardedPoints":1}'),
        ("playerUniqueId", '{"gameballTransactionId":1,"rewardedPoints":1,"playerUniqueId":false}'),
    ],
)
def test_true_is_never_read_as_one(field: str, body: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match=f"{field} is not a "):
        reward(body)


@pytest.mark.parametrize("field", ["amount", "points"])
@pytest.mark.parametrize(
    "written",
    ["true", '"NaN"', '"Infinity"', '"1_000"', '"٣"', '"0x10"', '"1,5"', '"1e999"', "1e41", "[]", "{}", '"a"'],
)
def test_what_is_no_number_is_no_answer(field: str, written: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match=f"transactions {field} is not a number"):
        row(f'"{field}":{written}')


@pytest.mark.parametrize("written", ["{}", "[]", '["x"]', "true"])
def test_what_is_no_text_is_no_answer(written: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="gameballTransactionId is not a string"):
        reward(f'{{"gameballTransactionId":{written},"rewardedPoints":1}}')


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"Active"', TransactionStatus.ACTIVE),
        ('"ACTIVE"', TransactionStatus.ACTIVE),
        ('"active "', TransactionStatus.ACTIVE),
        ('"1"', TransactionStatus.ACTIVE),
        ("2", TransactionStatus.PENDING),
        ("3.0", TransactionStatus.BLOCKED),
        ("4", TransactionStatus.EXPIRED),
    ],
)
def test_a_status_is_read_as_word_or_number(written: str, read: TransactionStatus) -> None:
    assert row(f'"status":{written}').status is read


@pytest.mark.parametrize("written", ["Frozen", "9", pytest.param("1" * 4000, id="long")])
@pytest.mark.parametrize(
    ("key", "field"),
    [("status", "status"), ("type", "type"), ("couponType", "coupon_type"), ("direction", "direction")],
)
def test_an_unknown_word_is_kept_and_equals_its_string(key: str, field: str, written: str) -> None:
    word = getattr(row(f'"{key}":"{written}"'), field)

    assert word == written
    assert str(word) == written


def test_not_even_a_number_too_long_for_python_breaks_the_status() -> None:
    assert row(f'"status":"{"1" * 5000}"').status == "1" * 5000


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Cash Back", TransactionType.CASH_BACK),
        ("CashBack", TransactionType.CASH_BACK),
        ("PaymentReward", TransactionType.PAYMENT_REWARD),
        ("payment", TransactionType.PAYMENT),
        ("Partial Refund", TransactionType.PARTIAL_REFUND),
    ],
)
def test_the_kinds_that_the_pages_spell_in_two_ways_are_known(written: str, read: TransactionType) -> None:
    assert row(f'"type":"{written}"').type is read


@pytest.mark.parametrize("written", ["true", "{}", "[]"])
def test_what_is_no_word_is_no_answer(written: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="transactions type is not a string"):
        row(f'"type":{written}')


# --- in: what is no answer of the API


@pytest.mark.parametrize(
    ("operation", "key"),
    [
        (CASHBACK, "gameballTransactionId"),
        (CASHBACK, "rewardedPoints"),
        (REDEEM, "gameballTransactionId"),
        (REDEEM, "redeemedPoints"),
        (REFUND, "orderTransactions"),
        (MANUAL, "gameballTransactionId"),
        (HOLD, "holdReference"),
        (COUPON, "code"),
        (LIST, "transactions"),
        (ORDER, "orderTransactions"),
    ],
    ids=named,
)
@pytest.mark.parametrize("emptiness", [None, "", ...])
def test_what_lacks_its_essence_is_no_answer(operation: Operation[Any], key: str, emptiness: Any) -> None:
    sample = next(json.loads(sample) for known, sample, _ in SAMPLES if known is operation)
    sample.pop(key)
    body = sample if emptiness is ... else {**sample, key: emptiness}

    with pytest.raises(UnexpectedAnswerError, match=f"{key} is missing") as raised:
        decode(operation, answer(json.dumps(body)))
    assert raised.value.status == 200


@pytest.mark.parametrize("operation", VALUED, ids=named)
def test_answers_have_no_rules_for_their_slots_are_filled_without_asking(operation: Operation[Any]) -> None:
    value = next(value for known, _, value in SAMPLES if known is operation)
    for kind in {type(part) for part in parts(value) if attrs.has(type(part))}:
        assert not hasattr(kind, "__attrs_post_init__")
        assert not any(a.validator or hasattr(a.default, "factory") for a in attrs.fields(kind))


def parts(value: Any) -> Iterator[Any]:
    yield value
    inner = [getattr(value, a.name) for a in attrs.fields(type(value))] if attrs.has(type(value)) else value
    if isinstance(inner, list | tuple):
        for part in inner:
            yield from parts(part)


def test_a_row_without_its_id_is_no_answer() -> None:
    with pytest.raises(UnexpectedAnswerError, match="transactions gameballTransactionId is missing"):
        decode(LIST, answer('{"transactions":[{"points":1}]}'))


@pytest.mark.parametrize("operation", VALUED, ids=named)
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not JSON, or cut short"),
        (b"  ", "not JSON, or cut short"),
        (b"<!DOCTYPE html><title>Bad gateway</title>", "not JSON, or cut short"),
        (b'{"playerUniqueId": "pl', "not JSON, or cut short"),
        (b'{"a": 1} {"b": 2}', "not JSON, or cut short"),
        (b'{"a": NaN}', "not JSON, or cut short"),
        (b'{"a": "\xff"}', "not JSON, or cut short"),
        (b'{"a": "\\ud800"}', "not JSON, or cut short"),
        (b"\xff\xfe{\x00}\x00", "not JSON, or cut short"),
        (b'{"a": 1e99999999999999999999}', "not JSON, or cut short"),
        (b"[" * 100_000, "JSON nested too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "JSON nested too deeply"),
        (b"[]", "is not an object"),
        (b"null", "is not an object"),
        (b"true", "is not an object"),
        (b"5", "is not an object"),
        (b'"text"', "is not an object"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_not_the_apis_is_told_without_what_it_held(
    operation: Operation[Any], body: bytes, problem: str
) -> None:
    with pytest.raises(UnexpectedAnswerError) as raised:
        decode(operation, answer(body, headers={"X-Request-Id": "r1"}))

    assert str(raised.value) == f"the answer could not be read: {problem} (HTTP 200, request_id=r1)"
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@pytest.mark.parametrize("rows", ["{}", '"x"', "5", "true"])
def test_rows_that_are_no_list_are_no_answer(rows: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="transactions is not a list"):
        decode(LIST, answer(f'{{"transactions":{rows}}}'))


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"OK", b'{"message":"Success"}', b"\xef\xbb\xbf{}"])
@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_reversal_is_done_whatever_a_success_says(body: bytes, status: int) -> None:
    decode(REVERSE, answer(body, status))


@pytest.mark.parametrize("body", [b"<html>", b" \n<!DOCTYPE html>", b"\xef\xbb\xbf<html>", b"\xef\xbb\xbf\n <html>"])
def test_but_a_page_of_a_proxy_does_not_say_that_it_is_done(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match="a page of HTML"):
        decode(REVERSE, answer(body))


@pytest.mark.parametrize("operation", ALL, ids=named)
@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308])
def test_a_redirect_is_never_an_answer(operation: Operation[Any], status: int) -> None:
    with pytest.raises(UnexpectedAnswerError, match="a redirect, which is never followed; check base_url") as raised:
        decode(operation, answer("{}", status, {"Location": "https://elsewhere.example"}))
    assert raised.value.status == status


# --- in: the answer to another request


@pytest.mark.parametrize("other", ["player1", "PLAYER456", " player456", "player456 ", 456, "\u200bplayer456"])
@pytest.mark.parametrize(("operation", "sample"), [(REDEEM, SAMPLES[1][1]), (HOLD, SAMPLES[3][1])], ids=named)
def test_an_answer_about_another_player_is_not_the_answer(operation: Operation[Any], sample: str, other: Any) -> None:
    with pytest.raises(UnexpectedAnswerError, match="about another player") as refused:
        decode(operation, answer(json.dumps({**json.loads(sample), "playerUniqueId": other})))
    assert str(other) not in str(refused.value)


@pytest.mark.parametrize("channel", [{"email": "a@b.example"}, {"mobile": "+20123"}])
def test_but_with_merged_channels_it_may_be(channel: dict[str, Any]) -> None:
    request = RedeemRequest(player_unique_id="p", transaction_id="t", redeemed_amount=1, **channel)

    assert decode(transactions.redeem(request), answer(SAMPLES[1][1])).player_unique_id == "player456"


def test_an_answer_about_another_transaction_is_not_the_answer() -> None:
    with pytest.raises(UnexpectedAnswerError, match="about another transaction"):
        decode(MANUAL, answer(json.dumps({**json.loads(SAMPLES[5][1]), "transactionId": "TRA_123456789"})))


# --- in: a success that says otherwise


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (307, HoldNotFoundError),
        ("307", HoldNotFoundError),
        (10, PermissionDeniedError),
        (13, ServerError),
        (305, DuplicateTransactionError),
        (311, BadRequestError),
    ],
)
@pytest.mark.parametrize("operation", [REVERSE, batches.stop("b")], ids=named)
def test_a_success_without_a_value_that_carries_an_errors_code_is_that_error(
    operation: Operation[Any], code: Any, kind: type[APIError]
) -> None:
    with pytest.raises(APIError) as refused:
        decode(operation, answer(json.dumps({"Code": code, "message": "no"})))
    assert type(refused.value) is kind
    assert (refused.value.code, refused.value.status) == (int(code), 200)


@pytest.mark.parametrize(
    "body", ['{"code": null}', '{"code": 0}', '{"code": 1}', '{"code": 200, "message": "OK"}', "[]"]
)
def test_any_other_code_of_a_success_is_none(body: str) -> None:
    decode(REVERSE, answer(body))


@pytest.mark.parametrize("body", ['{"success": false}', '{"Success": false, "data": {}}'])
def test_a_success_that_says_it_is_none_is_no_answer(body: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="did not succeed"):
        decode(REVERSE, answer(body))


# --- in: who refuses


@pytest.mark.parametrize(
    "body", [b"{}", b" { } ", b"\xef\xbb\xbf{}", b'{"code": 305}', b'{"CODE": "7", "message": "x"}']
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 451])
def test_a_refusal_in_the_apis_form_is_the_apis(status: int, body: bytes) -> None:
    with pytest.raises(APIError) as refused:
        decode(CASHBACK, answer(body, status))
    assert refused.value.from_api


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"[{}]", b"no", b'"no"', b"null", b'{"message": "x"}', b'{"code": "X"}', b'{"code":null}'],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 410, 422, 451])
def test_any_other_refusal_is_a_strangers(status: int, body: bytes) -> None:
    with pytest.raises(APIError) as refused:
        decode(CASHBACK, answer(body, status))
    assert not refused.value.from_api


# --- in: null where a list belongs


@pytest.mark.parametrize(
    "body",
    [
        '{"transactions": null}',
        '{"Transactions": null, "count": 0}',
        '{"transactions": null, "count": 0, "total": 0}',
        '{"count": 0, "total": 0}',
        '{"total": 0}',
    ],
)
def test_no_transactions_are_an_empty_page(body: str) -> None:
    assert decode(LIST, answer(body)).transactions == ()


@pytest.mark.parametrize("body", ["{}", '{"transactions": null, "total": 3}', '{"count": 1}', '{"message": "x"}'])
def test_but_not_where_there_are_some_or_nobody_says_so(body: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="transactions is missing"):
        decode(LIST, answer(body))


@pytest.mark.parametrize(
    "body", ['{"transactions": null, "count": 0, "total": 0}', '{"count": 0}', '{"transactions": ""}']
)
@pytest.mark.parametrize("operation", [CASHBACK, REDEEM, REFUND, MANUAL], ids=named)
def test_nor_as_evidence_of_a_look_up(operation: Operation[Any], body: str) -> None:
    assert operation.reconciliation is not None
    with pytest.raises(UnexpectedAnswerError):
        decode(operation.reconciliation.lookup(), answer(body))


@pytest.mark.parametrize("own", [123, 1.5, True, [], {}])
def test_an_id_that_came_back_as_a_number_is_no_evidence(own: Any) -> None:
    assert CASHBACK.reconciliation is not None
    with pytest.raises(UnexpectedAnswerError):
        decode(
            CASHBACK.reconciliation.lookup(),
            answer(json.dumps({"transactions": [{"gameballTransactionId": 1, "transactionId": own}], "count": 1})),
        )


# --- out: values of a query


@pytest.mark.parametrize(
    ("value", "query"),
    [
        (["a", "b"], "?q=a&q=b"),
        (("a", 1, True), "?q=a&q=1&q=true"),
        ([], ""),
        (time(7, 30), "?q=07%3A30%3A00"),
        (0.1, "?q=0.1"),
    ],
)
def test_lists_repeat_in_a_query(value: Any, query: str) -> None:
    assert encode(unknown(query={"q": value})).target == f"/x{query}"


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [
        Secret("top"),
        {"a": 1},
        {"a"},
        b"abc",
        Colour.RED,
        pytest.param(object(), id="an object"),
        math.nan,
        math.inf,
        Decimal("NaN"),
        [None],
        [["a"]],
    ],
    ids=repr,
)
def test_what_has_no_spelling_in_a_query_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^query\['q'\] must be text, .*, not \w+$"):
        encode(unknown(query={"q": value}))


# --- in: refusals


@pytest.mark.parametrize("operation", ALL, ids=named)
def test_a_refusal_tells_its_status_code_and_message(operation: Operation[Any]) -> None:
    with pytest.raises(DuplicateTransactionError) as raised:
        decode(operation, answer('{"code":305,"message":"Transaction id exists"}', 422))

    error = raised.value
    assert (error.status, error.code, error.message, error.request_id) == (422, 305, "Transaction id exists", None)


@pytest.mark.parametrize("code", ['"305"', "305.0", '"305.0"', "9004", '" 9004 "'])
@pytest.mark.parametrize("key", ["code", "Code", "CODE"])
def test_a_code_is_read_in_any_spelling(key: str, code: str) -> None:
    with pytest.raises(DuplicateTransactionError):
        decode(CASHBACK, answer(f'{{"{key}":{code}}}', 400))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"{}", AuthenticationError),
        (401, b"", AuthenticationError),
        (404, b"[]", NotFoundError),
        (400, b"null", BadRequestError),
        (422, b"<html>", BadRequestError),
        (422, b'{"code":true}', BadRequestError),
        (422, b'{"code":"x","message":5}', BadRequestError),
        (422, b'{"code":305.5}', BadRequestError),
        (422, b'{"code":{}}', BadRequestError),
        (422, b'{"code":1e999999999}', BadRequestError),
        (422, b'{"code":1e-999999999}', BadRequestError),
        (400, b"[" * 100_000, BadRequestError),
        (502, b"<html>Bad gateway", ServerError),
        (599, b"\xff", ServerError),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_refusal_needs_no_body_that_makes_sense(status: int, body: bytes, kind: type[APIError]) -> None:
    with pytest.raises(APIError) as raised:
        decode(CASHBACK, answer(body, status))

    assert type(raised.value) is kind
    assert raised.value.code is None
    assert raised.value.message == f"HTTP {status} without a reason"


def test_what_the_api_says_becomes_one_printable_line() -> None:
    message = "first\r\nsecond\t\x1b[31mred\x00 xxx"

    with pytest.raises(BadRequestError) as raised:
        decode(CASHBACK, answer(json.dumps({"message": message}), 400))

    assert raised.value.message == "first second [31mred xxx"


def test_the_requests_name_is_taken_from_the_body_or_a_header() -> None:
    for body, headers, name in (
        ('{"requestId":"from-body"}', {"X-Request-Id": "from-header"}, "from-body"),
        ("{}", {"X-Request-Id": "from-header"}, "from-header"),
        ("{}", {"Request-Id": "other-header"}, "other-header"),
        ('{"requestId":5}', {}, None),
    ):
        with pytest.raises(BadRequestError) as raised:
            decode(CASHBACK, answer(body, 400, headers))
        assert raised.value.request_id == name
    assert request_id(answer("")) is None


# --- numbers that would eat memory or time

HUGE = ["1e999999999", "-1e999999999", "1e-999999999", "0e999999999", "0e-999999999", '"1e999999999"', "1" * 100_000]
EXHAUST = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
from gameball.core import converter
from gameball.core.scalars import UnreadableError, time_text
from gameball.models import transactions as t
import attrs
literal = sys.stdin.read()
for kind in (t.CashbackReward, t.Redemption, t.Hold, t.ManualTransaction, t.Transaction, t.OrderTransaction, t.Coupon):
    sound = {converter.spelling(a.name): "1" for a in attrs.fields(kind) if a.default is attrs.NOTHING}
    for a in attrs.fields(kind):
        fields = {**sound, converter.spelling(a.name): literal}
        body = "{" + ",".join(f'"{k}":{v}' for k, v in fields.items()) + "}"
        try:
            value = converter.load(body.encode(), kind)
            repr(value)
            assert len(converter.write(value)) < 200_000
        except UnreadableError:
            pass
for key in ("count", "total"):
    try:
        converter.load(('{"transactions":[],"%s":%s}' % (key, literal)).encode(), t.TransactionPage)
    except UnreadableError:
        pass
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no way to bound memory here")
@pytest.mark.parametrize("literal", HUGE, ids=lambda literal: literal[:16])
def test_no_number_eats_memory_or_time_in_any_field(literal: str) -> None:
    """In a process of its own, with bounds: the failure would be to never come back."""
    run = subprocess.run(
        [sys.executable, "-c", EXHAUST], input=literal, capture_output=True, text=True, check=False, timeout=20
    )

    assert run.stdout == "done\n", run.stderr[-2000:]


# --- anything at all

WORDS = st.sampled_from(["", "Active", "1", "true", "2019-09-19T16:14:09.895Z", "NaN", "1e5", "305", "9" * 5000])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(), WORDS
)
KEYS = sorted({key for _, sample, _ in SAMPLES for key in json.loads(sample)} | {"code", "message", "requestId"})
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=6),
    max_leaves=12,
)
STATUSES = st.sampled_from([200, 201, 204, 302, 400, 401, 422, 429, 500])


def model_or_error(operation: Operation[Any], body: bytes, status: int) -> None:
    try:
        value = decode(operation, answer(body, status))
    except (APIError, UnexpectedAnswerError) as error:
        lines = str(error).splitlines()
    else:
        assert isinstance(value, operation.returns)
        return
    assert len(lines) == 1


@given(st.sampled_from(ALL), ANY_JSON, STATUSES)
def test_any_json_gives_a_model_or_one_of_our_errors(operation: Operation[Any], value: Any, status: int) -> None:
    model_or_error(operation, json.dumps(value).encode(), status)


@given(st.sampled_from(VALUED), st.data())
def test_any_json_in_place_of_any_field_gives_a_model_or_one_of_our_errors(
    operation: Operation[Any], data: st.DataObject
) -> None:
    sample = next(json.loads(sample) for known, sample, _ in SAMPLES if known is operation)
    rows = next((rows for rows in sample.values() if isinstance(rows, list)), None)
    place = data.draw(st.sampled_from([sample, rows[0]])) if rows else sample
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(ANY_JSON)

    model_or_error(operation, json.dumps(sample).encode(), 200)


@given(st.sampled_from(ALL), st.binary(), STATUSES)
def test_any_bytes_give_a_model_or_one_of_our_errors(operation: Operation[Any], body: bytes, status: int) -> None:
    model_or_error(operation, body, status)


@given(st.sampled_from(SAMPLES), st.data())
def test_a_cut_answer_is_never_taken_for_a_whole_one(
    sample: tuple[Operation[Any], str, Any], data: st.DataObject
) -> None:
    operation, text, _ = sample
    if operation is REVERSE:
        return
    cut = text.strip()[: data.draw(st.integers(0, len(text.strip()) - 1))]

    with pytest.raises(UnexpectedAnswerError):
        decode(operation, answer(cut))


# --- there and back again

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
TIMES = st.datetimes(timezones=st.just(UTC))
POINTS = st.one_of(st.integers(-(2**63), 2**64), st.decimals(-(10**9), 10**9, places=3))
MONEY = st.decimals(-(10**20), 10**20, allow_nan=False) | st.sampled_from([Decimal("1E+2"), Decimal("1E-30")])
PAID = st.decimals(min_value="0.01", max_value=10**9, places=2)
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: IDS,
    int: st.integers(0, 2**40),
    bool: st.booleans(),
    Decimal: MONEY,
    datetime: TIMES,
    Points: POINTS,
    TransactionType: st.sampled_from(TransactionType) | IDS.map(TransactionType),
    TransactionStatus: st.sampled_from(TransactionStatus) | st.text("abcß", min_size=1).map(TransactionStatus),
    CouponCode: IDS.map(CouponCode),
    Secret: IDS.map(Secret),
    Direction: st.sampled_from(Direction) | IDS.map(Direction),
    BatchStatus: st.sampled_from(BatchStatus) | IDS.map(BatchStatus),
    ClientStatus: st.sampled_from(ClientStatus) | IDS.map(ClientStatus),
    CouponType: st.sampled_from(CouponType) | IDS.map(CouponType),
}


def some(kind: type[Any], **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of a model, each field by its type."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for a in attrs.fields(kind):
        strategy = known[a.name] if a.name in known else BY_TYPE[converter._without_none(a.type)]
        fields[a.name] = strategy if a.default is attrs.NOTHING else st.none() | strategy
    return st.builds(kind, **fields)


MODELS: dict[str, st.SearchStrategy[Any]] = {
    "CashbackReward": some(CashbackReward),
    "Redemption": some(Redemption),
    "Hold": some(Hold),
    "ManualTransaction": some(ManualTransaction),
    "Coupon": some(Coupon),
    "TransactionPage": some(TransactionPage, transactions=st.lists(some(Transaction), max_size=3).map(tuple)),
    "OrderTransactions": some(
        OrderTransactions, order_transactions=st.lists(some(OrderTransaction), max_size=3).map(tuple)
    ),
    "Merchant": st.builds(Merchant, name=IDS, branch=st.none() | st.builds(Branch, unique_id=IDS)),
    "CashbackRequest": st.builds(
        CashbackRequest, player_unique_id=IDS, transaction_id=IDS, amount=PAID, transaction_time=st.none() | TIMES
    ),
    "RefundRequest": st.builds(
        RefundRequest,
        player_unique_id=IDS,
        transaction_id=IDS,
        original_transaction_id=IDS,
        amount=st.none() | PAID,
        line_items=st.lists(st.builds(LineItem, product_id=IDS, quantity=PAID), max_size=3),
    ),
    "ManualRequest": st.builds(
        ManualRequest,
        player_unique_id=IDS,
        transaction_id=IDS,
        username=IDS,
        reason=IDS,
        points=st.integers(1 - 10**15, 10**15 - 1).filter(bool),
    ),
}


@pytest.mark.parametrize("name", MODELS)
@given(data=st.data())
def test_a_model_survives_the_way_out_and_back(name: str, data: st.DataObject) -> None:
    value = data.draw(MODELS[name])

    written = converter.write(value)

    assert load(written, type(value)) == value


def test_an_empty_page_survives_the_way_out_and_back() -> None:
    for empty in (TransactionPage(transactions=(), count=0, total=0), OrderTransactions(order_transactions=())):
        assert load(converter.write(empty), type(empty)) == empty


@given(some(PartnerClient), some(BatchRow), BY_TYPE[BatchStatus], st.integers(0, 10**6) | st.none())
def test_a_client_and_a_batch_survive_it_too(
    client: PartnerClient, row: BatchRow, status: BatchStatus, count: int | None
) -> None:
    batch = Batch(status=status, total_count=count, response=BatchResponse(successful=(row, row), failed=(row,)))

    assert load(converter.write(client), PartnerClient) == client
    assert load(converter.write(batch), Batch) == batch


# --- a coupon's code

OTP_SENT = '{"code":1,"message":"One time password was sent"}'


@pytest.mark.parametrize("code", ["1", "1.0", "0", "true", "{}", "[]", "-7", "1e3"])
def test_an_answers_own_code_is_never_a_coupon(code: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="code is not a string") as raised:
        decode(COUPON, answer(f'{{"code":{code},"message":"One time password was sent"}}'))
    assert raised.value.status == 200


def test_not_even_where_the_case_drifts() -> None:
    with pytest.raises(UnexpectedAnswerError, match="code is not a string"):
        decode(COUPON, answer(OTP_SENT.replace("code", "Code")))


@pytest.mark.parametrize("code", ["1", "50OFF", " x "])
def test_a_code_of_digits_in_a_string_is_a_coupon(code: str) -> None:
    coupon = decode(COUPON, answer(json.dumps({"code": code})))

    assert (coupon.code, type(coupon.code)) == (code, CouponCode)


@pytest.mark.parametrize("operation", [CASHBACK, REDEEM, REFUND, MANUAL, HOLD, LIST, ORDER], ids=named)
def test_nor_does_it_pass_for_anything_else(operation: Operation[Any]) -> None:
    with pytest.raises(UnexpectedAnswerError, match="is missing"):
        decode(operation, answer(OTP_SENT))


# --- answers that are one value


@pytest.mark.parametrize(
    "written",
    [
        *(
            '{"batchId":"213"}',
            '{"batchId":213}',
            '{"jobId":213}',
            '{"jobId":"213"}',
            "213",
            '"213"',
            "213.0",
            '" 213 "',
        ),
        *('{"BatchID":213}', '{"JOBID":213}', '{"batchId":null,"jobId":213}', '{"batchId":213,"jobId":5,"code":0}'),
        '{"news":1,"batchId":213}',
    ],
)
def test_a_batchs_id_is_text_in_whatever_it_comes(written: str) -> None:
    read = load(written.encode(), BatchId)

    assert read == "213"
    assert isinstance(read, str)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("{}", "batchId is missing"),
        ('{"id":213}', "batchId is missing"),
        ('{"code":1,"message":"x"}', "batchId is missing"),
        ('{"batchId":null}', "batchId is missing"),
        ('{"batchId":""}', "is empty"),
        ('{"batchId":"  "}', "is empty"),
        ('""', "is empty"),
        ('{"batchId":true}', "is not a string"),
        ('{"batchId":{"batchId":1}}', "is not a string"),
        ('{"batchId":[213]}', "is not a string"),
        ("[213]", "is not a string"),
        ("null", "is not a string"),
        ("true", "is not a string"),
        ("", "not JSON, or cut short"),
    ],
)
def test_what_is_no_batchs_id_is_no_answer(written: str, problem: str) -> None:
    with pytest.raises(UnreadableError, match=f"^{problem}$"):
        load(written.encode(), BatchId)


CHALLENGES = tuple[ChallengeConfiguration, ...]


@pytest.mark.parametrize("key", ["challengesConfig", "challenges", "Challenges", "CHALLENGESCONFIG"])
def test_challenges_come_under_either_key_alone_or_in_a_list(key: str) -> None:
    for written in (f'{{"{key}":{{"id":7}}}}', f'{{"{key}":[{{"id":7}}]}}'):
        assert load(written.encode(), CHALLENGES) == (ChallengeConfiguration(id=7),)
    two = load(f'{{"{key}":[{{"id":7}},{{"id":"8"}}],"count":2}}'.encode(), CHALLENGES)
    assert two == (ChallengeConfiguration(id=7), ChallengeConfiguration(id=8))
    for none in (f'{{"{key}":[]}}', f'{{"{key}":null}}', f'{{"{key}":null,"count":0}}'):
        assert load(none.encode(), CHALLENGES) == ()


def test_a_bare_list_of_challenges_is_read_as_well() -> None:
    assert load(b'[{"id":7}]', CHALLENGES) == (ChallengeConfiguration(id=7),)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("{}", "challengesConfig is missing"),
        ('{"challenges":5}', "is not a list"),
        ('{"challenges":"x"}', "is not a list"),
        ('{"challenges":[5]}', "is not an object"),
        ('{"challenges":[{}]}', "id is missing"),
        ('{"challenges":{}}', "id is missing"),
        ("5", "is not a list"),
        ("null", "is not a list"),
    ],
)
def test_what_is_no_challenge_is_no_answer(written: str, problem: str) -> None:
    with pytest.raises(UnreadableError, match=f"^{problem}$"):
        load(written.encode(), CHALLENGES)


# --- what the API was seen to write instead


@pytest.mark.parametrize(
    ("kind", "written", "read"),
    [
        (CashbackRule, '{"id":1,"isDefaultRule":true}', CashbackRule(id=1, is_default=True)),
        (CashbackRule, '{"id":1,"isDefault":"True"}', CashbackRule(id=1, is_default=True)),
        (PartnerClient, '{"id":1,"timezone":"Cairo"}', PartnerClient(id=1, time_zone="Cairo")),
        (PartnerClient, '{"id":1,"timeZone":"Cairo"}', PartnerClient(id=1, time_zone="Cairo")),
        (PartnerClient, '{"id":1,"status":"Trialing"}', PartnerClient(id=1, status=ClientStatus.TRIALING)),
        (BatchRow, '{"customerId":"p","error":"no"}', BatchRow(player_unique_id="p", message="no")),
        (
            BatchRow,
            '{"GameballTransactionId":5,"RedeemedPoints":"7"}',
            BatchRow(gameball_transaction_id="5", redeemed_points=7),
        ),
        (BatchRow, '{"amount":"9.50","points":"20"}', BatchRow(amount=Decimal("9.50"), points=20)),
        (Batch, '{"status":"Completed","response":null}', Batch(status=BatchStatus.FINISHED)),
        (Batch, '{"status":"queued","startedAt":null}', Batch(status=BatchStatus.PENDING)),
        (Challenge, '{"id":1,"visibility":"AlwaysVisibile"}', Challenge(id=1, visibility=Visibility.ALWAYS_VISIBLE)),
        (Challenge, '{"id":1,"visibility":"Always Visible"}', Challenge(id=1, visibility=Visibility.ALWAYS_VISIBLE)),
        (Configuration, '{"levels":null,"challenges":[]}', Configuration()),
        (RedemptionConfiguration, "{}", RedemptionConfiguration()),
        (
            CashbackConfiguration,
            '{"cashbackRules":[{"id":"1"}]}',
            CashbackConfiguration(cashback_rules=(CashbackRule(id=1),)),
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_other_spellings_are_read_in_one_way(kind: type[Any], written: str, read: Any) -> None:
    assert load(written.encode(), kind) == read


# --- secrets


def test_new_keys_are_read_as_secrets_and_show_nowhere() -> None:
    keys = load(b'{"apiKey":"canary-1","secretKey":"canary-2","gameballId":5}', ClientKeys)

    assert (keys.api_key.reveal(), keys.secret_key.reveal(), keys.gameball_id) == ("canary-1", "canary-2", 5)
    assert "canary" not in f"{keys!r} {keys} {keys.api_key} {keys.secret_key!r}"


@pytest.mark.parametrize("key", ["apiKey", "secretKey"])
@pytest.mark.parametrize("value", ["null", '""', None])
def test_keys_without_one_of_them_are_no_answer(key: str, value: str | None) -> None:
    fields = {"apiKey": '"a"', "secretKey": '"b"', key: value}
    written = ",".join(f'"{name}":{text}' for name, text in fields.items() if text is not None)

    with pytest.raises(UnreadableError, match=f"^{key} is missing$"):
        load(f"{{{written}}}".encode(), ClientKeys)


# --- leave it, or set it to null


def test_an_update_sends_what_was_given_and_null_for_none() -> None:
    update = ClientUpdate(name="Shop", plan=None, time_zone="Cairo", is_loyalty_enabled=False, subscription_id=0)

    assert converter.dump(update) == {
        "name": "Shop",
        "timeZone": "Cairo",
        "isLoyaltyEnabled": False,
        "plan": None,
        "subscriptionId": 0,
    }


def test_but_a_new_client_sends_no_nulls() -> None:
    words = ("name", "email", "mobile", "store_name", "domain", "country", "currency", "time_zone")
    fields: dict[str, Any] = dict.fromkeys(words, "x")
    request = ClientRequest(**fields, plan=None, is_loyalty_enabled=True)

    assert converter.dump(request) == {
        **dict.fromkeys(("name", "email", "mobile", "storeName", "domain", "country", "currency", "timeZone"), "x"),
        "isLoyaltyEnabled": True,
    }


def test_unset_never_travels() -> None:
    for name in (a.name for a in attrs.fields(ClientUpdate)):
        fields: dict[str, Any] = {name: None}
        assert converter.dump(ClientUpdate(**fields)) == {converter.spelling(name): None}
    assert repr(UNSET) == "UNSET"


# --- plain JSON


def unknown(body: Any = None, query: Any = None) -> Operation[Any]:
    return Operation(
        name="POST /x", method="POST", path="/x", returns=object, replay=Replay.NEVER, body=body, query=query
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("null", None),
        ("5", 5),
        ("5.50", Decimal("5.50")),
        ('"x"', "x"),
        ("[]", []),
        ('{"code":1,"a":[1.5,{"b":null}]}', {"code": 1, "a": [Decimal("1.5"), {"b": None}]}),
    ],
)
def test_plain_json_is_given_as_it_came(written: str, read: Any) -> None:
    assert decode(unknown(), answer(written)) == read


@pytest.mark.parametrize("body", ["", " ", "\r\n"])
def test_nothing_at_all_is_nothing(body: str) -> None:
    assert decode(unknown(), answer(body, 204)) is None


@pytest.mark.parametrize("body", ["<html>", "{", "[1,", "x"])
def test_what_is_not_even_json_is_no_answer(body: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="not JSON, or cut short"):
        decode(unknown(), answer(body))


def test_what_the_api_gave_can_be_handed_on_to_it() -> None:
    body = {"code": CouponCode("freesundae1"), "batch": BatchId("213"), "kind": TransactionType.CASH_BACK}

    assert sent(unknown(body)) == {"code": "freesundae1", "batch": "213", "kind": "Cash Back"}


def test_plain_json_goes_out_exactly() -> None:
    body = {"a": [Decimal("1E+2"), Decimal("1E-7"), 1.5, 10**18, None, True], "merchant": Merchant(name="x"), "at": T1}

    assert encode(unknown(body)).body == (
        b'{"a":[100,0.0000001,1.5,1000000000000000000,null,true],'
        b'"merchant":{"name":"x"},"at":"2019-09-19T16:14:09.895Z"}'
    )


def too_deep() -> list[Any]:
    inner: list[Any] = []
    for _ in range(100_000):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    "value",
    [object(), 1j, Secret("canary"), Secret, "\ud800", {1.5j: 1}, too_deep()],
    ids=["object", "complex", "secret", "class", "surrogate", "key", "deep"],
)
def test_what_json_cannot_hold_is_refused_without_being_told(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"must be plain JSON of valid text and numbers") as refusal:
        encode(unknown({"a": value}))
    assert "canary" not in str(refusal.value)
    assert refusal.value.__context__ is None


def test_nor_can_a_query_hold_half_a_character() -> None:
    with pytest.raises(InvalidRequestError, match="must be plain JSON of valid text"):
        encode(unknown(query={"q": "\ud800"}))


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_decimal_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequestError):
        encode(unknown({"a": Decimal(value)}))


@pytest.mark.parametrize("where", ["body", "query"])
def test_a_time_without_a_zone_is_refused_in_plain_json_too(where: str) -> None:
    parts: dict[str, Any] = {where: {"at": T1.replace(tzinfo=None)}}

    with pytest.raises(InvalidRequestError):
        encode(unknown(**parts))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_float_that_is_no_number_is_refused_wherever_it_hides(value: float) -> None:
    with pytest.raises(InvalidRequestError, match=r"^json must hold finite numbers only") as refusal:
        encode(unknown({"a": [{"b": value}]}))
    assert refusal.value.field == "json"


@pytest.mark.parametrize(
    ("value", "written"),
    [(True, "true"), (False, "false"), (5, "5"), (Decimal("1E+2"), "100"), ("a b+c&d", "a%20b%2Bc%26d")],
)
def test_a_plain_query_is_written_as_the_api_reads_it(value: object, written: str) -> None:
    assert encode(unknown(query={"q": value, "none": None})).target == f"/x?q={written}"


def test_the_clients_own_headers_go_along_and_the_operations_go_before_them() -> None:
    operation = attrs.evolve(unknown(), headers={"lang": "ar", "X-Mine": "operation"})

    request = encode(operation, {"X-Mine": "client", "X-Trace": "1"})

    assert request.headers == {"lang": "ar", "X-Mine": "operation", "X-Trace": "1"}
    assert encode(operation).headers == {"lang": "ar", "X-Mine": "operation"}


def test_plain_json_keeps_its_numbers_exact() -> None:
    assert parse(b'{"a": 99.98, "b": 1, "c": 0.1}') == {"a": Decimal("99.98"), "b": 1, "c": Decimal("0.1")}
    assert isinstance(parse(b"1.0"), Decimal)


def test_what_is_not_json_says_so_without_what_it_held() -> None:
    with pytest.raises(UnreadableError, match=r"^not JSON, or cut short$"):
        parse(b"secret \xff")


# --- subclasses of plain types, as frameworks hand them out


class SafeText(str):
    """Text, as Django's templates have it."""

    __slots__ = ()


class FrozenTime(datetime):
    """A time, as pendulum and freezegun have it."""


class Money(Decimal):
    """An amount."""


class Count(int):
    """A number of points."""


class Share(float):
    """A number with a fraction."""


def test_a_subclass_of_a_plain_type_is_written_as_that_type() -> None:
    row = CashbackRequest(
        player_unique_id=SafeText("p"),
        transaction_id=SafeText("t"),
        amount=Money("1.50"),
        transaction_time=FrozenTime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC),
    )
    assert encode(transactions.cashback(row)).body == (
        b'{"playerUniqueId":"p","transactionTime":"2026-01-02T03:04:05.000060Z","transactionId":"t","amount":1.50}'
    )


def test_a_subclass_of_a_plain_type_in_plain_json_is_written_as_that_type() -> None:
    given = {SafeText("a"): [Money("1.5"), Count(2), Share(2.5), SafeText("b"), FrozenTime(2026, 1, 2, tzinfo=UTC)]}
    operation = Operation(
        name="request", method="POST", path="/x", returns=dict[str, Any], replay=Replay.NEVER, body=given
    )
    assert encode(operation).body == b'{"a":[1.5,2,2.5,"b","2026-01-02T00:00:00.000Z"]}'

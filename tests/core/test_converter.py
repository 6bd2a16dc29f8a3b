"""Models as JSON, and what is made of any JSON in their place."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import NoneType
from typing import Any, get_origin

import attrs
import pytest
from hypothesis import given, strategies as st

from gameball.core import converter
from gameball.core.converter import load, parse, write
from gameball.core.scalars import UnreadableError
from gameball.errors import InvalidRequestError
from gameball.models import batches, configurations, transactions
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
from gameball.models.model import instant
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
    Redemption,
    RefundRequest,
    Transaction,
    TransactionPage,
    TransactionStatus,
    TransactionType,
)
from gameball.resources.lookup import LookupOrder, LookupPage
from gameball.settings import Secret
from tests.support.calls import CALLS, SampleCall

TIME = datetime(2019, 9, 19, 16, 14, 9, 895000, UTC)
KEYED: dict[str, Any] = {"player_unique_id": "p", "transaction_id": "t"}
CHALLENGES = tuple[ChallengeConfiguration, ...]

VALUED = {name: sample for name, sample in CALLS.items() if sample.operation().returns is not NoneType}
"""The calls that give a value."""


# --- out


def test_a_request_goes_out_in_the_spelling_of_the_api() -> None:
    request = CashbackRequest(
        **KEYED,
        amount=1,
        transaction_time=TIME,
        email="a@b.example",
        mobile="+20100",
        merchant=Merchant(unique_id="m", name="Shop", branch=Branch(unique_id="b")),
    )
    assert parse(write(request)) == {
        "playerUniqueId": "p",
        "transactionId": "t",
        "amount": 1,
        "transactionTime": "2019-09-19T16:14:09.895Z",
        "email": "a@b.example",
        "mobile": "+20100",
        "merchant": {"uniqueId": "m", "name": "Shop", "branch": {"uniqueId": "b"}},
    }


def test_a_refund_names_its_original_and_its_items_as_the_api_does() -> None:
    request = RefundRequest(
        **KEYED, original_transaction_id="o", line_items=[LineItem(product_id="p_01", quantity=1), LineItem()]
    )
    assert parse(write(request)) == {
        "playerUniqueId": "p",
        "transactionId": "t",
        "reverseTransactionId": "o",
        "lineItems": [{"productId": "p_01", "quantity": 1}, {}],
    }


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
    assert write(CouponRequest(player_unique_id="p", value=amount)).decode() == (
        f'{{"playerUniqueId":"p","value":{written}}}'
    )


@given(st.decimals(min_value=0, max_value=999_999_999, allow_nan=False, places=6).filter(bool))
def test_no_amount_is_ever_written_with_an_exponent_or_rounded(amount: Decimal) -> None:
    assert write(CouponRequest(player_unique_id="p", value=amount)).decode() == (
        f'{{"playerUniqueId":"p","value":{amount:f}}}'
    )


@pytest.mark.parametrize("points", [-5, 1, 10**15 - 1])
def test_points_go_out_as_they_are(points: int) -> None:
    request = ManualRequest(**KEYED, username="u", reason="r", points=points)
    assert f'"points":{points}' in write(request).decode()


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
    request = HoldRequest(player_unique_id="p", amount=1, transaction_time=time)
    for given_time in (request, {"transactionTime": time}):
        assert json.loads(write(given_time))["transactionTime"] == written


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from([1, 1000, 1_000_000]))
def test_a_time_of_any_precision_goes_out_as_plain_json_writes_it(time: datetime, step: int) -> None:
    time = time.replace(microsecond=time.microsecond // step * step)
    request = HoldRequest(player_unique_id="p", amount=1, transaction_time=time)
    assert json.loads(write(request))["transactionTime"] == json.loads(write({"at": time}))["at"] == instant(time)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_text_arrives_as_it_was_given(value: str) -> None:
    assert json.loads(write(CouponRequest(player_unique_id=value, rule_id=1)))["playerUniqueId"] == value


def test_an_update_sends_what_was_given_and_null_for_none() -> None:
    update = ClientUpdate(name="Shop", plan=None, time_zone="Cairo", is_loyalty_enabled=False, subscription_id=0)
    assert parse(write(update)) == {
        "name": "Shop",
        "timeZone": "Cairo",
        "isLoyaltyEnabled": False,
        "plan": None,
        "subscriptionId": 0,
    }


def test_a_new_client_sends_no_nulls() -> None:
    words = ("name", "email", "mobile", "store_name", "domain", "country", "currency", "time_zone")
    fields: dict[str, Any] = dict.fromkeys(words, "x")
    assert parse(write(ClientRequest(**fields, plan=None, is_loyalty_enabled=True))) == {
        **dict.fromkeys(("name", "email", "mobile", "storeName", "domain", "country", "currency", "timeZone"), "x"),
        "isLoyaltyEnabled": True,
    }


def test_unset_never_travels() -> None:
    for name in (field.name for field in attrs.fields(ClientUpdate)):
        fields: dict[str, Any] = {name: None}
        assert parse(write(ClientUpdate(**fields))) == {converter.spelling(name): None}
    assert repr(UNSET) == "UNSET"


# --- out: plain JSON


def test_plain_json_goes_out_exactly() -> None:
    body = {
        "a": [Decimal("1E+2"), Decimal("1E-7"), 1.5, 10**18, None, True],
        "merchant": Merchant(name="x"),
        "at": TIME,
    }
    assert write(body) == (
        b'{"a":[100,0.0000001,1.5,1000000000000000000,null,true],'
        b'"merchant":{"name":"x"},"at":"2019-09-19T16:14:09.895Z"}'
    )


def test_what_the_api_gave_can_be_handed_on_to_it() -> None:
    body = {"code": CouponCode("freesundae1"), "batch": BatchId("213"), "kind": TransactionType.CASH_BACK}
    assert json.loads(write(body)) == {"code": "freesundae1", "batch": "213", "kind": "Cash Back"}


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_number_that_is_not_finite_is_refused_wherever_it_hides(value: str) -> None:
    for number in (Decimal(value), float(value.removeprefix("s"))):
        with pytest.raises(InvalidRequestError, match=r"^json must hold finite numbers only") as refusal:
            write({"a": [{"b": number}]})
        assert refusal.value.field == "json"


def test_a_time_without_a_zone_is_refused_in_plain_json() -> None:
    with pytest.raises(InvalidRequestError, match="must hold timezone-aware times"):
        write({"at": TIME.replace(tzinfo=None)})


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
    request = CashbackRequest(
        player_unique_id=SafeText("p"),
        transaction_id=SafeText("t"),
        amount=Money("1.50"),
        transaction_time=FrozenTime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC),
    )
    assert write(request) == (
        b'{"playerUniqueId":"p","transactionTime":"2026-01-02T03:04:05.000060Z","transactionId":"t","amount":1.50}'
    )


def test_a_subclass_of_a_plain_type_in_plain_json_is_written_as_that_type() -> None:
    given_json = {
        SafeText("a"): [Money("1.5"), Count(2), Share(2.5), SafeText("b"), FrozenTime(2026, 1, 2, tzinfo=UTC)]
    }
    assert write(given_json) == b'{"a":[1.5,2,2.5,"b","2026-01-02T00:00:00.000Z"]}'


# --- in: any answer of the catalogue


def body_of(sample: SampleCall) -> bytes:
    return json.dumps(sample.answer).encode()


def respelled(change: Callable[[str], str], data: Any) -> Any:
    if isinstance(data, dict):
        return {change(key): respelled(change, value) for key, value in data.items()}
    return [respelled(change, item) for item in data] if isinstance(data, list) else data


@pytest.mark.parametrize("sample", VALUED.values(), ids=VALUED)
def test_keys_are_known_in_any_case(sample: SampleCall) -> None:
    kind = sample.operation().returns
    value = load(body_of(sample), kind)
    for change in (str.upper, str.lower, lambda key: key[0].upper() + key[1:]):
        assert load(json.dumps(respelled(change, sample.answer)).encode(), kind) == value


@pytest.mark.parametrize("sample", VALUED.values(), ids=VALUED)
def test_unknown_fields_and_a_byte_order_mark_change_nothing(sample: SampleCall) -> None:
    kind = sample.operation().returns
    value = load(body_of(sample), kind)
    if isinstance(sample.answer, dict):
        assert load(json.dumps({"news": [{"a": {}}], "code": 1, **sample.answer, "zz": None}).encode(), kind) == value
    assert load(b"\xef\xbb\xbf" + body_of(sample), kind) == value


@pytest.mark.parametrize("sample", VALUED.values(), ids=VALUED)
def test_a_cut_answer_is_never_taken_for_a_whole_one(sample: SampleCall) -> None:
    body = body_of(sample)
    for length in range(len(body)):
        with pytest.raises(UnreadableError):
            load(body[:length], sample.operation().returns)


@pytest.mark.parametrize("sample", VALUED.values(), ids=VALUED)
def test_answers_have_no_rules_for_their_slots_are_filled_without_asking(sample: SampleCall) -> None:
    value = load(body_of(sample), sample.operation().returns)
    for kind in {type(part) for part in parts(value) if attrs.has(type(part))}:
        assert not hasattr(kind, "__attrs_post_init__")
        assert not any(a.validator or hasattr(a.default, "factory") for a in attrs.fields(kind))


def parts(value: Any) -> Iterator[Any]:
    yield value
    inner = [getattr(value, a.name) for a in attrs.fields(type(value))] if attrs.has(type(value)) else value
    if isinstance(inner, list | tuple):
        for part in inner:
            yield from parts(part)


ESSENTIAL = {
    "transactions.cashback": ("gameballTransactionId", "rewardedPoints"),
    "transactions.redeem": ("gameballTransactionId", "redeemedPoints"),
    "transactions.manual": ("gameballTransactionId",),
    "transactions.hold": ("holdReference",),
    "transactions.create_coupon": ("code",),
    "batches.get": ("status",),
    "clients.create": ("apiKey", "secretKey"),
    "clients.update": ("id",),
}


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in ESSENTIAL.items() for key in keys])
@pytest.mark.parametrize("emptiness", [None, "", ...])
def test_what_lacks_its_essence_is_no_answer(name: str, key: str, emptiness: Any) -> None:
    answer = {**CALLS[name].answer, key: emptiness}
    if emptiness is ...:
        answer.pop(key)
    with pytest.raises(UnreadableError, match=f"^{key} is missing$"):
        load(json.dumps(answer).encode(), CALLS[name].operation().returns)


def test_all_that_is_missing_is_named() -> None:
    with pytest.raises(UnreadableError, match=r"^gameballTransactionId, rewardedPoints is missing$"):
        load(b"{}", CashbackReward)


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
@pytest.mark.parametrize("kind", [CashbackReward, TransactionPage, Batch])
def test_what_is_no_object_of_json_is_refused_without_what_it_held(kind: type[Any], body: bytes, problem: str) -> None:
    with pytest.raises(UnreadableError, match=f"^{problem}$") as refusal:
        load(body, kind)
    assert refusal.value.__cause__ is None


def test_plain_json_keeps_its_numbers_exact() -> None:
    assert parse(b'{"a": 99.98, "b": 1, "c": 0.1}') == {"a": Decimal("99.98"), "b": 1, "c": Decimal("0.1")}
    assert isinstance(parse(b"1.0"), Decimal)


# --- in: single values


def row(fields: str) -> Transaction:
    """A row of the list with these further fields, as JSON."""
    page = load(f'{{"transactions":[{{"gameballTransactionId":1,{fields}}}]}}'.encode(), TransactionPage)
    return page.transactions[0]


def reward(body: str) -> CashbackReward:
    return load(body.encode(), CashbackReward)


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
        ("17.5", "17.5"),
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
    [
        *(
            (f"2012-12-30{t}16:50:11{z}", datetime(2012, 12, 30, 16, 50, 11, tzinfo=UTC))
            for t in "T "
            for z in ("", "Z")
        ),
        *(
            (f"2012-12-30{t}16:50:11.{'1234567'[:n]}{z}", datetime(2012, 12, 30, 16, 50, 11, micro, UTC))
            for n, micro in enumerate((100000, 120000, 123000, 123400, 123450, 123456, 123456), start=1)
            for t, z in (("T", "Z"), (" ", ""), (" ", "+00:00"))
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
def test_what_is_no_time_is_named_by_its_field(written: str) -> None:
    with pytest.raises(UnreadableError, match=r"^transactions transactionTime is not a time$"):
        row(f'"transactionTime":{written}')


@pytest.mark.parametrize("empty", ["null", '""'])
def test_an_optional_field_without_a_value_is_none(empty: str) -> None:
    fields = ("transactionTime", "points", "amount", "isCouponUsed", "type", "status", "direction", "couponType")
    assert row(",".join(f'"{field}":{empty}' for field in fields)) == Transaction(gameball_transaction_id="1")


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
    assert (points, type(points)) == (read, type(read))


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
    page = load(f'{{"transactions":[],"count":{written},"total":{written}}}'.encode(), TransactionPage)
    assert (page.count, page.total, type(page.count)) == (read, read, int)


@pytest.mark.parametrize("written", ["5.7", "true", '"many"', "[]", "{}", '"5.7"'])
def test_what_is_no_count_is_no_answer(written: str) -> None:
    with pytest.raises(UnreadableError, match=r"^count is not a "):
        load(f'{{"transactions":[],"count":{written}}}'.encode(), TransactionPage)


@pytest.mark.parametrize(("written", "read"), [("true", True), ("false", False), ('"true"', True), ('"False"', False)])
def test_a_truth_is_read_as_word_or_as_itself(written: str, *, read: bool) -> None:
    assert row(f'"isCouponUsed":{written}').is_coupon_used is read


@pytest.mark.parametrize("written", ["1", "0", '"yes"', "[]", "1.0"])
def test_what_is_no_truth_is_no_answer(written: str) -> None:
    with pytest.raises(UnreadableError, match=r"^transactions isCouponUsed is neither true nor false$"):
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
    with pytest.raises(UnreadableError, match=f"^{field} is not a "):
        reward(body)


@pytest.mark.parametrize("field", ["amount", "points"])
@pytest.mark.parametrize(
    "written",
    ["true", '"NaN"', '"Infinity"', '"1_000"', '"٣"', '"0x10"', '"1,5"', '"1e999"', "1e41", "[]", "{}", '"a"'],
)
def test_what_is_no_number_is_no_answer(field: str, written: str) -> None:
    with pytest.raises(UnreadableError, match=f"^transactions {field} is not a number$"):
        row(f'"{field}":{written}')


@pytest.mark.parametrize("written", ["{}", "[]", '["x"]', "true"])
def test_what_is_no_text_is_no_answer(written: str) -> None:
    with pytest.raises(UnreadableError, match=r"^gameballTransactionId is not a string$"):
        reward(f'{{"gameballTransactionId":{written},"rewardedPoints":1}}')


# --- in: words


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


@pytest.mark.parametrize(
    "written", ["Frozen", "9", pytest.param("1" * 4000, id="long"), pytest.param("1" * 5000, id="too long for an int")]
)
@pytest.mark.parametrize(
    ("key", "field"),
    [("status", "status"), ("type", "type"), ("couponType", "coupon_type"), ("direction", "direction")],
)
def test_an_unknown_word_is_kept_and_equals_its_string(key: str, field: str, written: str) -> None:
    word = getattr(row(f'"{key}":"{written}"'), field)
    assert (word, str(word)) == (written, written)


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
    with pytest.raises(UnreadableError, match=r"^transactions type is not a string$"):
        row(f'"type":{written}')


# --- in: lists


def test_a_row_without_its_id_is_no_answer() -> None:
    with pytest.raises(UnreadableError, match=r"^transactions gameballTransactionId is missing$"):
        load(b'{"transactions":[{"points":1}]}', TransactionPage)


@pytest.mark.parametrize("rows", ["{}", '"x"', "5", "true"])
def test_rows_that_are_no_list_are_no_answer(rows: str) -> None:
    with pytest.raises(UnreadableError, match=r"^transactions is not a list$"):
        load(f'{{"transactions":{rows}}}'.encode(), TransactionPage)


LISTS = {
    f"{kind.__name__}.{field.name}": (kind, field)
    for module in (batches, configurations, transactions)
    for kind in vars(module).values()
    if isinstance(kind, type) and attrs.has(kind) and kind.__module__ == module.__name__
    for field in attrs.fields(attrs.resolve_types(kind))
    if get_origin(field.type) is tuple
}
"""Every list of every model."""


def test_the_lists_of_the_models_are_many() -> None:
    assert len(LISTS) > 15


@pytest.mark.parametrize(("kind", "field"), LISTS.values(), ids=LISTS)
def test_null_stands_for_an_empty_list(kind: type[Any], field: "attrs.Attribute[Any]") -> None:
    needed = [other for other in attrs.fields(kind) if other.default is attrs.NOTHING and other.name != field.name]
    key = converter.spelling(field.name)
    for name in (key, key.upper(), key[0].upper() + key[1:]):
        answer = {**{converter.spelling(other.name): "1" for other in needed}, name: None}
        assert getattr(load(json.dumps(answer).encode(), kind), field.name) == ()


@pytest.mark.parametrize(
    "counted",
    [
        *('"count": 0, "total": 0', '"count": 0', '"total": 0', '"count": "0"', '"Total": 0.0'),
        *('"count": null', '"count": ""', '"count": null, "total": 0'),
    ],
)
def test_null_beside_a_count_of_zero_stands_for_an_empty_list(counted: str) -> None:
    assert load(f'{{"transactions": null, {counted}}}'.encode(), TransactionPage).transactions == ()
    assert load(f'{{"orderTransactions": null, {counted}}}'.encode(), OrderTransactions).order_transactions == ()


@pytest.mark.parametrize(
    "counted",
    ['"total": 3', '"count": 1', '"count": 0, "total": 1', '"total": "1"', '"count": "many"', '"count": false'],
)
@pytest.mark.parametrize(("key", "kind"), [("transactions", TransactionPage), ("orderTransactions", OrderTransactions)])
def test_null_where_there_are_rows_is_no_answer(key: str, kind: type[Any], counted: str) -> None:
    with pytest.raises(UnreadableError, match=f"^{key} is missing$|^count is not a "):
        load(f'{{"{key}": null, {counted}}}'.encode(), kind)


@pytest.mark.parametrize("body", ['{"count": 0, "total": 0}', '{"total": 0}', '{"count": "0"}'])
def test_a_page_that_counts_nothing_may_leave_its_list_out(body: str) -> None:
    assert load(body.encode(), TransactionPage).transactions == ()


@pytest.mark.parametrize("body", ["{}", '{"count": 1}', '{"message": "x"}', '{"transactions": ""}'])
def test_any_other_page_without_its_list_is_no_answer(body: str) -> None:
    with pytest.raises(UnreadableError, match=r"^transactions is missing$"):
        load(body.encode(), TransactionPage)


@pytest.mark.parametrize("body", ["{}", '{"count": 0, "total": 0}', '{"orderTransactions": ""}'])
def test_an_order_never_leaves_its_list_out(body: str) -> None:
    """For it answers refunds too, which are not done because somebody counts nothing."""
    with pytest.raises(UnreadableError, match=r"^orderTransactions is missing$"):
        load(body.encode(), OrderTransactions)


@pytest.mark.parametrize("counted", ['"x": 1', '"count": 0, "total": 0'])
@pytest.mark.parametrize(
    ("key", "kind"), [("transactions", LookupPage), ("Transactions", LookupPage), ("orderTransactions", LookupOrder)]
)
def test_null_is_no_evidence_of_a_look_up(key: str, kind: type[Any], counted: str) -> None:
    for body in (f'{{"{key}": null, {counted}}}', f"{{{counted}}}"):
        with pytest.raises(UnreadableError, match=r"is missing$"):
            load(body.encode(), kind)


# --- in: answers that are one value


@pytest.mark.parametrize(
    "written",
    [
        *('{"batchId":"213"}', '{"batchId":213}', '{"jobId":213}', '{"jobId":"213"}'),
        *("213", '"213"', "213.0", '" 213 "'),
        *('{"BatchID":213}', '{"JOBID":213}', '{"batchId":null,"jobId":213}', '{"batchId":213,"jobId":5,"code":0}'),
        '{"news":1,"batchId":213}',
    ],
)
def test_the_id_of_a_batch_is_text_in_whatever_it_comes(written: str) -> None:
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
def test_what_is_no_id_of_a_batch_is_no_answer(written: str, problem: str) -> None:
    with pytest.raises(UnreadableError, match=f"^{problem}$"):
        load(written.encode(), BatchId)


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


@pytest.mark.parametrize("code", ["1", "1.0", "0", "true", "{}", "[]", "-7", "1e3"])
@pytest.mark.parametrize("key", ["code", "Code"])
def test_the_code_of_an_answer_is_never_a_coupon(key: str, code: str) -> None:
    with pytest.raises(UnreadableError, match=r"^code is not a string$"):
        load(f'{{"{key}":{code},"message":"One time password was sent"}}'.encode(), Coupon)


@pytest.mark.parametrize("code", ["1", "50OFF", " x "])
def test_a_code_of_digits_in_a_string_is_a_coupon(code: str) -> None:
    coupon = load(json.dumps({"code": code}).encode(), Coupon)
    assert (coupon.code, type(coupon.code)) == (code, CouponCode)


# --- in: what the API was seen to write instead


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
        (Hold, '{"holdReference":2342452352435234}', Hold(hold_reference="2342452352435234")),
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


# --- numbers that would eat memory or time

HUGE = ["1e999999999", "-1e999999999", "1e-999999999", "0e999999999", "0e-999999999", '"1e999999999"', "1" * 100_000]
EXHAUST = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
from gameball.core import converter
from gameball.core.scalars import UnreadableError
from gameball.models import transactions as t
import attrs

KINDS = t.CashbackReward, t.Redemption, t.Hold, t.ManualTransaction, t.Transaction, t.OrderTransaction, t.Coupon

def attempt(body, kind):
    try:
        value = converter.load(body.encode(), kind)
        repr(value)
        assert len(converter.write(value)) < 200_000
    except UnreadableError:
        pass

for literal in sys.stdin.read().splitlines():
    for kind in KINDS:
        sound = {converter.spelling(a.name): '"1"' for a in attrs.fields(kind) if a.default is attrs.NOTHING}
        for a in attrs.fields(kind):
            fields = {**sound, converter.spelling(a.name): literal}
            attempt("{" + ",".join(f'"{k}":{v}' for k, v in fields.items()) + "}", kind)
    for key in ("count", "total"):
        attempt('{"transactions":[],"%s":%s}' % (key, literal), t.TransactionPage)
    print(literal[:16], flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no way to bound memory here")
def test_no_number_eats_memory_or_time_in_any_field() -> None:
    """In a process of its own, with bounds: the failure would be to never come back."""
    run = subprocess.run(
        [sys.executable, "-c", EXHAUST],
        input="\n".join(HUGE),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert run.stdout.splitlines() == [literal[:16] for literal in HUGE], run.stderr[-2000:]


# --- there and back again

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
TIMES = st.builds(
    lambda time, step: time.replace(microsecond=time.microsecond // step * step),
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from([1, 1000, 1_000_000]),
)
POINTS = st.one_of(st.integers(-(2**63), 2**64), st.decimals(-(10**9), 10**9, places=3))
MONEY = st.decimals(-(10**20), 10**20, allow_nan=False) | st.sampled_from([Decimal("1E+2"), Decimal("1E-30")])
PAID = st.decimals(min_value="0.01", max_value=10**9, places=2)
TINY = st.integers(1, 999).map(lambda digits: Decimal(digits).scaleb(-15))
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
        CashbackRequest,
        player_unique_id=IDS,
        email=st.none() | IDS,
        mobile=st.none() | IDS,
        transaction_time=st.none() | TIMES,
        transaction_id=IDS,
        amount=PAID | TINY,
        merchant=st.none() | st.builds(Merchant, name=IDS, branch=st.none() | st.builds(Branch, unique_id=IDS)),
    ),
    "HoldRequest": st.builds(HoldRequest, player_unique_id=IDS, hold_points=PAID, transaction_time=TIMES),
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
    "PartnerClient": some(PartnerClient),
    "Batch": st.builds(
        Batch,
        status=BY_TYPE[BatchStatus],
        total_count=st.integers(0, 10**6) | st.none(),
        response=st.builds(
            BatchResponse,
            successful=st.lists(some(BatchRow), max_size=2).map(tuple),
            failed=st.lists(some(BatchRow), max_size=1).map(tuple),
        ),
    ),
}


@pytest.mark.parametrize("name", MODELS)
@given(data=st.data())
def test_a_model_survives_the_way_out_and_back(name: str, data: st.DataObject) -> None:
    value = data.draw(MODELS[name])
    assert load(write(value), type(value)) == value


def test_an_empty_page_survives_the_way_out_and_back() -> None:
    for empty in (TransactionPage(transactions=(), count=0, total=0), OrderTransactions(order_transactions=())):
        assert load(write(empty), type(empty)) == empty


# --- out, against plain json


UPDATES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from([a.name for a in attrs.fields(ClientUpdate) if "str" in str(a.type)]), st.none() | IDS, min_size=1
)
SENT: dict[str, st.SearchStrategy[Any]] = {
    **{name: model for name, model in MODELS.items() if name.endswith("Request")},
    "ClientUpdate": UPDATES.map(lambda fields: ClientUpdate(**fields)),
}


def plainly(value: Any) -> Any:
    """A value as plain JSON, field by field; a number with a fraction as text, digit by digit."""
    if attrs.has(type(value)):
        fields = ((a, getattr(value, a.name)) for a in attrs.fields(type(value)))
        return {
            converter.spelling(a.name): plainly(held)
            for a, held in fields
            if held is not UNSET and (held is not None or a.default is UNSET) and (held != () or a.default != ())
        }
    match value:
        case tuple():
            return [plainly(item) for item in value]
        case datetime():
            return instant(value)
        case Decimal():
            return text if "." in (text := format(value, "f")) else int(text)
        case str():
            return str.__str__(value)
        case _:
            return value


@pytest.mark.parametrize("name", SENT)
@given(data=st.data())
def test_a_model_goes_out_as_its_fields_would_one_by_one(name: str, data: st.DataObject) -> None:
    value = data.draw(SENT[name])
    sent = write(value)
    assert write([value]) == b"[" + sent + b"]"
    assert json.dumps(json.loads(sent, parse_float=str)) == json.dumps(plainly(value)), "the order of keys included"


def test_a_key_that_is_a_word_of_python_s_is_read_like_any_other() -> None:
    @attrs.frozen(kw_only=True)
    class Span:
        from_date: str

    assert load(b'{"from": "2026-01-01"}', Span) == Span(from_date="2026-01-01")

"""Operations as requests, and what is made of whatever comes back."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any
from urllib.parse import unquote

import attrs
import pytest
from hypothesis import given, strategies as st

from gameball.core.codec import decode, encode, private_words, request_id
from gameball.core.http import Response
from gameball.core.operation import Operation, Replay
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
from gameball.models.transactions import Direction, TransactionStatus
from gameball.settings import Secret
from tests.support.calls import CALLS, KEYED, OPERATIONS, TRANSACTIONS, SampleCall

CASHBACK = OPERATIONS["transactions.cashback"]
LIST = OPERATIONS["transactions.list"]
STOPS = {name: operation for name, operation in OPERATIONS.items() if operation.returns is NoneType}
"""The calls without a value."""


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response with these bytes, or with this JSON."""
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers or {}, body=written)


def plain(body: Any = None, query: Any = None) -> Operation[Any]:
    return Operation(
        name="POST /x", method="POST", path="/x", returns=object, replay=Replay.NEVER, body=body, query=query
    )


# --- out: the request


@pytest.mark.parametrize("sample", CALLS.values(), ids=CALLS)
def test_each_call_becomes_its_request(sample: SampleCall) -> None:
    operation = sample.operation()
    request = encode(operation)

    assert (request.method, request.target) == sample.request
    assert (request.signature, request.headers) == (operation.signature, operation.headers)
    assert request.fresh is (operation.replay is Replay.NEVER)
    if sample.body is None:
        assert request.body is None
    else:
        assert request.body is not None
        assert json.loads(request.body, object_hook=without_its_time) == sample.body
    assert encode(operation) == request


def without_its_time(value: dict[str, Any]) -> dict[str, Any]:
    value.pop("transactionTime", None)
    return value


def test_the_headers_of_the_client_go_along_and_those_of_the_operation_go_before_them() -> None:
    operation = attrs.evolve(plain(), headers={"lang": "ar", "X-Mine": "operation"})

    assert encode(operation).headers == {"lang": "ar", "X-Mine": "operation"}
    assert encode(operation, {"X-Mine": "client", "X-Trace": "1"}).headers == {
        "lang": "ar",
        "X-Mine": "operation",
        "X-Trace": "1",
    }


def test_plain_json_is_a_body_too() -> None:
    assert encode(plain({"kept": None, "list": [Decimal("1E+2")]})).body == b'{"kept":null,"list":[100]}'


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
def test_what_json_cannot_hold_is_refused_without_being_shown(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"must be plain JSON of valid text and numbers") as refusal:
        encode(plain({"a": value}))
    assert "canary" not in str(refusal.value)
    assert refusal.value.__context__ is None


def test_a_refusal_of_the_converter_keeps_its_own_words() -> None:
    with pytest.raises(InvalidRequestError, match=r"^json must hold finite numbers only"):
        encode(plain({"a": math.nan}))


# --- out: the query


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
    assert encode(TRANSACTIONS["list"].operation(**filters)).target == f"/integrations/transaction/list?{query}"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_id_in_a_query_arrives_as_it_was_given(value: str) -> None:
    target = encode(TRANSACTIONS["list"].operation(transaction_id=value)).target
    assert unquote(target.partition("?transactionId=")[2]) == value


def test_a_page_number_too_long_to_be_written_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"^page "):
        encode(TRANSACTIONS["list"].operation(page=10**5000))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a b+c&d", "?q=a%20b%2Bc%26d"),
        (True, "?q=true"),
        (False, "?q=false"),
        (5, "?q=5"),
        (0.1, "?q=0.1"),
        (Decimal("1E+2"), "?q=100"),
        (Decimal("1E-7"), "?q=0.0000001"),
        (time(7, 30), "?q=07%3A30%3A00"),
        (TransactionStatus("Frozen"), "?q=Frozen"),
        (["a", "b"], "?q=a&q=b"),
        (("a", 1, True), "?q=a&q=1&q=true"),
        ([], ""),
        (None, ""),
    ],
)
def test_a_plain_query_is_written_as_the_api_reads_it(value: object, written: str) -> None:
    assert encode(plain(query={"q": value, "none": None})).target == f"/x{written}"


def test_the_names_of_a_query_are_escaped_too() -> None:
    assert encode(plain(query={"a b": "c d"})).target == "/x?a%20b=c%20d"
    assert encode(plain(query={})).target == "/x"


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
        encode(plain(query={"q": value}))


def test_half_a_character_in_a_query_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="must be plain JSON of valid text"):
        encode(plain(query={"q": "\ud800"}))


def test_a_time_without_a_zone_in_a_query_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="must hold timezone-aware times"):
        encode(plain(query={"at": datetime(2024, 1, 1)}))  # noqa: DTZ001 (that is the point)


# --- in: a value


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("sample", CALLS.values(), ids=CALLS)
def test_any_success_gives_the_value_of_its_call(sample: SampleCall, status: int) -> None:
    operation = sample.operation()
    value = decode(operation, answer(sample.answer, status))
    assert (value is None) is (operation.returns is NoneType)
    assert value == decode(operation, answer(sample.answer))


@pytest.mark.parametrize("status", [100, 300, 301, 302, 304, 307, 308])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_redirect_is_never_an_answer(operation: Operation[Any], status: int) -> None:
    with pytest.raises(UnexpectedAnswerError, match="a redirect, which is never followed; check base_url") as raised:
        decode(operation, answer({}, status, {"Location": "https://elsewhere.example"}))
    assert raised.value.status == status


@pytest.mark.parametrize(
    ("operation", "body", "problem"),
    [
        (CASHBACK, b"<html>Bad gateway canary", "not JSON, or cut short"),
        (
            CASHBACK,
            b'{"gameballTransactionId":{"canary":1},"rewardedPoints":1}',
            "gameballTransactionId is not a string",
        ),
        (CASHBACK, b'{"code":1,"message":"canary"}', "gameballTransactionId, rewardedPoints is missing"),
        (LIST, b'{"transactions":"canary"}', "transactions is not a list"),
        (plain(), b"{canary", "not JSON, or cut short"),
    ],
)
def test_what_cannot_be_read_is_an_error_without_what_it_held(
    operation: Operation[Any], body: bytes, problem: str
) -> None:
    with pytest.raises(UnexpectedAnswerError) as raised:
        decode(operation, answer(body, headers={"X-Request-Id": "r1"}))

    assert str(raised.value) == f"the answer could not be read: {problem} (HTTP 200, request_id=r1)"
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in {*STOPS, "transactions.create_coupon"}])
def test_a_message_alone_passes_for_no_value(name: str) -> None:
    answers_by_defaults_alone = {"configurations.get", "configurations.redemption", "configurations.cashback"}
    message = {"code": 1, "message": "One time password was sent"}
    if name in answers_by_defaults_alone:
        assert decode(OPERATIONS[name], answer(message)) is not None
    else:
        with pytest.raises(UnexpectedAnswerError, match="is missing"):
            decode(OPERATIONS[name], answer(message))


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b"5", 5),
        (b"5.50", Decimal("5.50")),
        (b'"x"', "x"),
        (b"[]", []),
        (b'{"code":1,"a":[1.5,{"b":null}]}', {"code": 1, "a": [Decimal("1.5"), {"b": None}]}),
        (b"", None),
        (b" \r\n", None),
    ],
)
def test_plain_json_is_given_as_it_came(body: bytes, value: Any) -> None:
    assert decode(plain(), answer(body)) == value


# --- in: the answer to another request


@pytest.mark.parametrize("other", ["player1", "PLAYER456", " player456", "player456 ", 456, "\u200bplayer456"])
@pytest.mark.parametrize("name", ["cashback", "redeem", "hold", "manual"])
def test_an_answer_about_another_player_is_not_the_answer(name: str, other: Any) -> None:
    sample = TRANSACTIONS[name]
    with pytest.raises(UnexpectedAnswerError, match="about another player") as refused:
        decode(sample.operation(player_unique_id="player456"), answer({**sample.answer, "playerUniqueId": other}))
    assert str(other) not in str(refused.value)


@pytest.mark.parametrize("channel", [{"email": "a@b.example"}, {"mobile": "+20123"}])
def test_with_merged_channels_an_answer_may_be_about_another_player(channel: dict[str, Any]) -> None:
    sample = TRANSACTIONS["redeem"]
    value = decode(sample.operation(**channel), answer({**sample.answer, "playerUniqueId": "another"}))
    assert value.player_unique_id == "another"


@pytest.mark.parametrize("other", ["T1", " t1", "t2"])
def test_an_answer_about_another_transaction_is_not_the_answer(other: str) -> None:
    sample = TRANSACTIONS["manual"]
    with pytest.raises(UnexpectedAnswerError, match="about another transaction"):
        decode(sample.operation(), answer({**sample.answer, "transactionId": other}))


def test_an_answer_may_leave_out_whom_it_is_about() -> None:
    sample = TRANSACTIONS["manual"]
    value = decode(sample.operation(), answer({**sample.answer, "playerUniqueId": None, "transactionId": None}))
    assert value.player_unique_id is None


# --- in: a call without a value


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"OK", b'{"message":"Success"}', b"\xef\xbb\xbf{}", b"[]"])
@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("operation", STOPS.values(), ids=STOPS)
def test_a_call_without_a_value_is_done_whatever_a_success_says(
    operation: Operation[Any], body: bytes, status: int
) -> None:
    decode(operation, answer(body, status))


@pytest.mark.parametrize(
    "body", [{"code": None}, {"code": 0}, {"code": 1}, {"code": 200, "message": "OK"}, {"success": True}]
)
def test_a_code_of_a_success_is_no_error(body: Any) -> None:
    decode(OPERATIONS["transactions.reverse_hold"], answer(body))


@pytest.mark.parametrize("body", [b"<html>", b" \n<!DOCTYPE html>", b"\xef\xbb\xbf<html>", b"\xef\xbb\xbf\n <html>"])
@pytest.mark.parametrize("operation", STOPS.values(), ids=STOPS)
def test_a_page_of_a_proxy_does_not_say_that_it_is_done(operation: Operation[Any], body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match="a page of HTML"):
        decode(operation, answer(body))


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
@pytest.mark.parametrize("operation", STOPS.values(), ids=STOPS)
def test_a_success_without_a_value_that_carries_the_code_of_an_error_is_that_error(
    operation: Operation[Any], code: Any, kind: type[APIError]
) -> None:
    with pytest.raises(APIError) as refused:
        decode(operation, answer({"Code": code, "message": "no"}))
    assert type(refused.value) is kind
    assert (refused.value.code, refused.value.status) == (int(code), 200)


@pytest.mark.parametrize("body", [{"success": False}, {"Success": False, "data": {}}])
def test_a_success_that_says_it_is_none_is_no_answer(body: Any) -> None:
    with pytest.raises(UnexpectedAnswerError, match="did not succeed"):
        decode(OPERATIONS["transactions.reverse_hold"], answer(body))


# --- in: refusals


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_refusal_has_its_status_code_and_message(operation: Operation[Any]) -> None:
    with pytest.raises(DuplicateTransactionError) as raised:
        decode(operation, answer({"code": 305, "message": "Transaction id exists"}, 422))

    error = raised.value
    assert (error.status, error.code, error.message, error.request_id) == (422, 305, "Transaction id exists", None)


@pytest.mark.parametrize("code", ['"305"', "305.0", '"305.0"', "9004", '" 9004 "'])
@pytest.mark.parametrize("key", ["code", "Code", "CODE"])
def test_a_code_is_read_in_any_spelling(key: str, code: str) -> None:
    with pytest.raises(DuplicateTransactionError):
        decode(CASHBACK, answer(f'{{"{key}":{code}}}'.encode(), 400))


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


@pytest.mark.parametrize(
    "body", [b"{}", b" { } ", b"\xef\xbb\xbf{}", b'{"code": 305}', b'{"CODE": "7", "message": "x"}']
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 451])
def test_a_refusal_in_the_form_of_the_api_comes_from_the_api(status: int, body: bytes) -> None:
    with pytest.raises(APIError) as refused:
        decode(CASHBACK, answer(body, status))
    assert refused.value.from_api


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"[{}]", b"no", b'"no"', b"null", b'{"message": "x"}', b'{"code": "X"}', b'{"code":null}'],
)
@pytest.mark.parametrize("status", [400, 401, 404, 407, 422])
def test_any_other_refusal_comes_from_a_stranger(status: int, body: bytes) -> None:
    with pytest.raises(APIError) as refused:
        decode(CASHBACK, answer(body, status))
    assert not refused.value.from_api


def test_what_the_api_says_becomes_one_printable_line() -> None:
    with pytest.raises(BadRequestError) as raised:
        decode(CASHBACK, answer({"message": "first\r\nsecond\t\x1b[31mred\x00 xxx"}, 400))
    assert raised.value.message == r"first\r\nsecond\t\x1b[31mred\x00 xxx"


@pytest.mark.parametrize(
    ("body", "headers", "name"),
    [
        ({"requestId": "from-body"}, {"X-Request-Id": "from-header"}, "from-body"),
        ({}, {"X-Request-Id": "from-header"}, "from-header"),
        ({}, {"Request-Id": "other-header"}, "other-header"),
        ({"requestId": 5}, {}, None),
    ],
)
def test_the_name_of_a_request_is_taken_from_the_body_or_a_header(
    body: Any, headers: dict[str, str], name: str | None
) -> None:
    with pytest.raises(BadRequestError) as raised:
        decode(CASHBACK, answer(body, 400, headers))
    assert raised.value.request_id == name


def test_a_response_without_a_name_has_none() -> None:
    assert request_id(answer(b"")) is None


# --- in: the evidence of a look-up


@pytest.mark.parametrize("body", [{"transactions": None, "count": 0, "total": 0}, {"count": 0}, {"transactions": ""}])
@pytest.mark.parametrize("name", KEYED)
def test_a_look_up_takes_nothing_but_a_list_for_evidence(name: str, body: Any) -> None:
    reconciliation = TRANSACTIONS[name].operation().reconciliation
    assert reconciliation is not None
    with pytest.raises(UnexpectedAnswerError):
        decode(reconciliation.lookup("tra_1"), answer(body))


@pytest.mark.parametrize("own", [123, 1.5, True, [], {}])
def test_an_id_that_came_back_as_a_number_is_no_evidence(own: Any) -> None:
    assert CASHBACK.reconciliation is not None
    row = {"gameballTransactionId": 1, "transactionId": own}
    with pytest.raises(UnexpectedAnswerError):
        decode(CASHBACK.reconciliation.lookup("tra_1"), answer({"transactions": [row], "count": 1}))


def test_an_id_that_came_back_as_text_is_evidence() -> None:
    assert CASHBACK.reconciliation is not None
    page = decode(CASHBACK.reconciliation.lookup("tra_1"), answer({"transactions": [TRANSACTIONS["cashback"].listed]}))
    assert page.transactions[0].transaction_id == CASHBACK.transaction_id


# --- words that must not be seen


def test_private_words_are_known_in_each_form_in_which_they_may_be_repeated_the_longest_first() -> None:
    operation = TRANSACTIONS["redeem"].operation(email="Jon@Snow.example", mobile="+20 100", otp="7391")
    words = private_words(operation)
    assert {"Jon@Snow.example", "jon@snow.example", "Jon%40Snow.example", "+20 100", "%2B20%20100", "7391"} == {*words}
    assert words == sorted(words, key=len, reverse=True)


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"OTP": "7391"}, None),
        ({"otp": 7391}, None),
        (None, {"otp": "7391"}),
        ([{"deep": ({"otp": "7391", "amount": 5},)}], None),
        ({"otp": " 7391\n"}, None),
    ],
)
def test_private_words_are_found_anywhere_in_plain_json(body: Any, query: Any) -> None:
    assert private_words(plain(body, query)) == ["7391"]


def test_private_words_are_known_as_they_are_shown() -> None:
    assert private_words(plain({"otp": "73\n9"})) == ["73%0A9", r"73\n9"]


@pytest.mark.parametrize("body", [None, {}, {"otp": None}, {"otp": ""}, {"otp": {"x": "y"}}, {"amount": "7391"}, "otp"])
def test_a_request_without_private_fields_has_no_private_words(body: Any) -> None:
    assert private_words(plain(body)) == []

"""`request()` on both faces: endpoints that this package does not know, with plain JSON both ways."""

import logging
import traceback
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from gameball import (
    BadRequestError,
    GameballError,
    InvalidRequestError,
    OutcomeUnknownError,
    Replay,
    Retries,
    Secret,
    ServerError,
    UnexpectedAnswerError,
)
from tests.support.mock_api import Ask, MockApi
from tests.support.server import Server

TWICE = {"api_key": "api-key-12345", "secret_key": "secret-key-12345", "retries": Retries(attempts=2, backoff=0.001)}
ONCE = {**TWICE, "retries": Retries(attempts=1)}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


@pytest.mark.parametrize("method", METHODS)
async def test_every_method_reaches_its_path(call: Ask, api: MockApi, method: str) -> None:
    api.to(method).answer('{"a": 1}')
    assert await call("request", method, "/integrations/player/p1") == {"a": 1}
    (sent,) = api.sent
    assert (sent.method, sent.target, sent.body) == (method, "/integrations/player/p1", None)
    assert (sent.headers["APIKey"], sent.headers["SecretKey"]) == ("api-key-12345", "secret-key-12345")


async def test_all_keys_that_there_are_sign_it(call: Ask, api: MockApi) -> None:
    api.answer("{}")
    api.answer("{}")
    await call("request", "GET", "/x", settings={**TWICE, "partner_token": "partner-token-12345"})
    await call("request", "GET", "/x", settings={"partner_token": "partner-token-12345"})
    both, token = api.sent
    assert both.headers["Authorization"] == token.headers["Authorization"] == "Bearer partner-token-12345"
    assert both.headers["APIKey"] == "api-key-12345"
    assert not {"APIKey", "SecretKey"} & set(token.headers)


@pytest.mark.parametrize(
    ("query", "target"),
    [
        (None, "/x"),
        ({}, "/x"),
        ({"a": None}, "/x"),
        ({"a": 1, "b": "c d+e&f=ü/?"}, "/x?a=1&b=c%20d%2Be%26f%3D%C3%BC%2F%3F"),
        ({"a b": True, "c": False}, "/x?a%20b=true&c=false"),
        ({"n": Decimal("1E+2"), "f": 0.5}, "/x?n=100&f=0.5"),
        (
            {"d": date(2024, 1, 31), "t": datetime(2024, 1, 31, tzinfo=UTC)},
            "/x?d=2024-01-31&t=2024-01-31T00%3A00%3A00.000Z",
        ),
        ({"empty": ""}, "/x?empty="),
    ],
)
async def test_a_query_is_escaped_and_none_is_left_out(
    call: Ask, api: MockApi, query: dict[str, Any] | None, target: str
) -> None:
    api.answer("{}")
    await call("request", "GET", "/x", query=query)
    assert api.sent[0].target == target


@pytest.mark.parametrize(
    ("body", "written"),
    [
        ({"a": None, "b": [1, Decimal("99.980"), 0.1]}, b'{"a":null,"b":[1,99.980,0.1]}'),
        ({"small": Decimal("1E-7")}, b'{"small":0.0000001}'),
        ({}, b"{}"),
        (0, b"0"),
        (False, b"false"),
        ({"t": datetime(2024, 1, 31, tzinfo=UTC)}, b'{"t":"2024-01-31T00:00:00.000Z"}'),
        ({"u": "ü"}, '{"u":"ü"}'.encode()),
    ],
)
async def test_json_goes_out_as_it_is(call: Ask, api: MockApi, body: Any, written: bytes) -> None:
    api.to("POST").answer("{}")
    await call("request", "POST", "/x", json=body)
    assert api.sent[0].body == written


async def test_the_bytes_are_exact_on_a_real_socket(call: Ask, server: Server) -> None:
    server.script(server.answer(b"[]"))
    path = "/integrations/player/a%2Fb c/%2B+ü"
    assert await call("request", "PATCH", path, query={"q": "+"}, json={"x": 1}, base_url=server.base_url) == []
    assert server.only.line == "PATCH /api/v3.0/integrations/player/a%2Fb%20c/%2B+%C3%BC?q=%2B HTTP/1.1"
    body = server.only.body
    assert body == b'{"x":1}'
    assert server.only.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/x\r\nHost: elsewhere.test", "/a/.../b", "/%252e%252e/x", "/x "])
async def test_a_strange_path_still_stays_below_the_base(call: Ask, server: Server, path: str) -> None:
    await call("request", "GET", path, base_url=server.base_url)
    method, target, version = server.only.line.split(" ")
    assert (method, version) == ("GET", "HTTP/1.1")
    assert target.startswith("/api/v3.0/")
    assert server.only.headers["Host"] == server.base_url.split("/")[2]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("get", "/x"), "method"),
        (("OPTIONS", "/x"), "method"),
        (("GET", "https://elsewhere.test/x"), "path"),
        (("GET", "@elsewhere.test/x"), "path"),
        (("GET", "/a/%2e%2e/b"), "path"),
        (("GET", "/x?a=1"), "path"),
    ],
)
async def test_what_breaks_a_rule_is_refused_before_anything_is_sent(
    call: Ask, api: MockApi, arguments: tuple[str, str], field: str
) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{field} "):
        await call("request", *arguments)
    with pytest.raises(InvalidRequestError, match=r"^replay must be Replay.SAFE or Replay.NEVER"):
        await call("request", "POST", "/x", replay=Replay.BY_TRANSACTION_ID)
    assert api.sent == []


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


NO_JSON: dict[str, Any] = {
    "nan": {"a": float("nan")},
    "inf": {"a": [float("inf")]},
    "Decimal nan": {"a": Decimal("NaN")},
    "Decimal infinity": {"a": Decimal("Infinity")},
    "object": {"a": object()},
    "surrogate": {"a": "\ud800"},
    "surrogate key": {"\ud800": 1},
    "tuple key": {("a", "b"): 1},
    "secret": {"a": Secret("partner-token-12345")},
    "deep": nested(100_000),
}


@pytest.mark.parametrize("name", NO_JSON)
async def test_what_is_no_json_is_refused_before_anything_is_sent(call: Ask, api: MockApi, name: str) -> None:
    api.to("POST").answer("{}")
    with pytest.raises(InvalidRequestError, match=r"^(query or )?json must ") as caught:
        await call("request", "POST", "/x", json=NO_JSON[name])
    assert api.sent == []
    assert "partner-token" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("query", [{"a": "\ud800"}, {"\ud800": 1}, "a=1", 7])
async def test_what_is_no_query_is_refused_before_anything_is_sent(call: Ask, api: MockApi, query: Any) -> None:
    api.answer("{}")
    with pytest.raises(InvalidRequestError, match=r"^query "):
        await call("request", "GET", "/x", query=query)
    assert api.sent == []


# --- what comes back


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ('{"a": 99.980, "b": [0.1, null, true]}', {"a": Decimal("99.980"), "b": [Decimal("0.1"), None, True]}),
        ("[]", []),
        ("null", None),
        ("0", 0),
        ('"x"', "x"),
        ("1.0", Decimal("1.0")),
    ],
)
async def test_an_answer_is_plain_json_with_exact_decimals(call: Ask, api: MockApi, answer: str, value: Any) -> None:
    api.answer(answer)
    read = await call("request", "GET", "/x")
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", [200, 204])
async def test_a_success_without_a_body_is_none(call: Ask, api: MockApi, method: str, status: int) -> None:
    """No content is a success: a DELETE that says 204 was done, and a HEAD never has a body."""
    api.to(method).answer("", status=status)
    assert await call("request", method, "/x", settings=ONCE) is None


@pytest.mark.parametrize("body", ["<html>", '{"a": ', "\x00", "NaN"])
async def test_a_success_that_is_no_json_is_no_answer(call: Ask, api: MockApi, body: str) -> None:
    api.answer(body)
    with pytest.raises(UnexpectedAnswerError):
        await call("request", "GET", "/x", settings=ONCE)
    api.to("POST").answer(body)
    with pytest.raises(OutcomeUnknownError, match="find out at the API before sending it again"):
        await call("request", "POST", "/x", settings=ONCE)


@pytest.mark.parametrize(
    ("method", "replay", "tries", "error"),
    [
        ("GET", None, 2, ServerError),
        ("HEAD", None, 2, ServerError),
        ("POST", None, 1, OutcomeUnknownError),
        ("PUT", None, 1, OutcomeUnknownError),
        ("PATCH", None, 1, OutcomeUnknownError),
        ("DELETE", None, 1, OutcomeUnknownError),
        ("POST", Replay.SAFE, 2, OutcomeUnknownError),
        ("PUT", Replay.SAFE, 2, OutcomeUnknownError),
        ("DELETE", Replay.NEVER, 1, OutcomeUnknownError),
        ("GET", Replay.NEVER, 1, OutcomeUnknownError),
    ],
)
async def test_reads_are_repeated_and_the_rest_only_when_it_is_allowed(
    call: Ask, api: MockApi, *, method: str, replay: Replay | None, tries: int, error: type[GameballError]
) -> None:
    for _ in range(3):
        api.to(method).answer("", status=502)
    with pytest.raises(error) as caught:
        await call("request", method, "/x", json={"n": 1}, replay=replay, settings=TWICE)
    assert [sent.body for sent in api.sent] == [b'{"n":1}'] * tries
    assert caught.value.attempts == tries
    assert (caught.value.operation, caught.value.method, caught.value.path) == (f"{method} /x", method, "/x")


async def test_a_refusal_is_told_with_its_code(call: Ask, api: MockApi) -> None:
    api.to("POST").answer('{"code": 7, "message": "no such thing"}', status=422)
    with pytest.raises(BadRequestError) as caught:
        await call("request", "POST", "/x", query={"q": "private"}, json={"a": 1})
    assert str(caught.value) == "7 no such thing (POST /x, HTTP 422)"
    assert (caught.value.code, caught.value.status, caught.value.outcome) == (7, 422, "not_applied")


async def test_no_key_is_in_an_error_or_a_log(call: Ask, api: MockApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api.answer('{"code": 10, "message": "api-key-12345 and secret-key-12345 are wrong"}', status=403)
    with pytest.raises(GameballError) as caught:
        await call("request", "GET", "/x", settings=TWICE)
    assert "key-12345" not in caplog.text + str(caught.value) + repr(vars(caught.value))
    assert "****" in str(caught.value)

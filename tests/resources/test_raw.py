"""Requests to endpoints that this package does not know."""

from decimal import Decimal
from typing import Any

import pytest

from gameball.core.codec import encode
from gameball.core.operation import Operation, Replay, Signature
from gameball.errors import InvalidRequestError
from gameball.resources.raw import raw


def ask(method: str = "GET", path: str = "/x", **parts: Any) -> Operation[Any]:
    return raw(method, path, **{"query": None, "json": None, "replay": None, **parts})


@pytest.mark.parametrize(
    ("method", "replay"),
    [
        ("GET", Replay.SAFE),
        ("HEAD", Replay.SAFE),
        ("POST", Replay.NEVER),
        ("PUT", Replay.NEVER),
        ("PATCH", Replay.NEVER),
        ("DELETE", Replay.NEVER),
    ],
)
def test_only_reads_are_repeated_unless_told_otherwise(method: str, replay: Replay) -> None:
    assert ask(method).replay is replay
    for given in (Replay.SAFE, Replay.NEVER):
        assert ask(method, replay=given).replay is given


def test_it_is_named_signed_and_carried_as_given() -> None:
    operation = ask("PUT", "/integrations/player/p1", query={"a": "b c"}, json={"amount": Decimal("1.50"), "n": None})

    assert operation.name == "PUT /integrations/player/p1"
    assert (operation.signature, operation.returns) == (Signature.ALL, object)
    assert operation.check == "find out at the API before sending it again"
    request = encode(operation)
    assert (request.method, request.target) == ("PUT", "/integrations/player/p1?a=b%20c")
    assert request.body == b'{"amount":1.50,"n":null}'


def test_without_json_there_is_no_body() -> None:
    assert encode(ask("POST")).body is None


@pytest.mark.parametrize("json", [0, "", False, [], {}])
def test_but_empty_json_is_one(json: Any) -> None:
    assert encode(ask("POST", json=json)).body is not None


@pytest.mark.parametrize("method", ["get", "", "OPTIONS", "TRACE", "CONNECT", "GET /x HTTP/1.1\r\n", "GET ", None, 5])
def test_another_method_is_refused(method: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^method must be one of GET, HEAD, POST, PUT, PATCH, DELETE$"):
        ask(method)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/a/b", "/a/b"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a b", "/a%20b"),
        ("/ü", "/%C3%BC"),
        ("/a\r\nHost: x", "/a%0D%0AHost:%20x"),
        ("/@:&=+$,;!'()*~-._", "/@:&=+$,;!'()*~-._"),
        ("/..a/b../.c", "/..a/b../.c"),
        ("/", "/"),
    ],
)
def test_what_is_escaped_in_a_path_stays_so_and_the_rest_is_escaped(path: str, target: str) -> None:
    assert ask(path=path).path == target


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("", "must not be empty"),
        ("  ", "must not be empty"),
        (None, "must be"),
        (5, "must be"),
        (b"/x", "must be"),
        ("/\ud800", "must"),
        ("x", "must start with /"),
        ("https://elsewhere.example/x", "must start with /"),
        ("@elsewhere.example/x", "must start with /"),
        ("/x?a=b", "must start with / and hold neither query nor fragment: pass query="),
        ("/x#a", "must start with /"),
        ("/x\\y", "must start with /"),
        ("/..", r"must not hold \. or \.\. as a step"),
        ("/a/../b", r"must not hold \. or \.\. as a step"),
        ("/a/./b", r"must not hold \. or \.\. as a step"),
        ("/a/%2e%2e/b", r"must not hold \. or \.\. as a step"),
        ("/a%2F..%2Fb", r"must not hold \. or \.\. as a step"),
        ("/%2E", r"must not hold \. or \.\. as a step"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: Any, rule: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^path {rule}") as refusal:
        ask(path=path)
    assert refusal.value.field == "path"


def test_a_path_never_starts_with_two_slashes_which_name_a_host() -> None:
    target = encode(ask(path="//elsewhere.example/x")).target

    assert ("https://api.gameball.test/api/v3.0" + target).startswith("https://api.gameball.test/api/v3.0/")


def test_a_lone_percent_sign_is_escaped_or_refused() -> None:
    assert ask(path="/100%25").path == "/100%25"
    try:
        path = ask(path="/100%").path
    except InvalidRequestError:
        return
    assert path == "/100%25"


def test_nothing_is_looked_up_that_nobody_knows_how_to() -> None:
    with pytest.raises(InvalidRequestError, match=r"^replay must be Replay.SAFE or Replay.NEVER") as refusal:
        ask("POST", replay=Replay.BY_TRANSACTION_ID)
    assert refusal.value.field == "replay"


@pytest.mark.parametrize("replay", ["safe", True, 1])
def test_a_replay_is_a_replay(replay: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^replay "):
        ask("POST", replay=replay)

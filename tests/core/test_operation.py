"""A call as a value, and paths that say what was meant."""

from urllib.parse import unquote

import attrs
import pytest
from hypothesis import given, strategies as st

from gameball.core.operation import Absent, Different, Found, Operation, Replay, Signature, path
from gameball.errors import InvalidRequestError


def read(method: str = "GET") -> Operation[None]:
    return Operation(name="t.read", method=method, path="/x", returns=type(None), replay=Replay.SAFE, body={"otp": "9"})


def test_an_operation_is_a_value() -> None:
    assert read() == read()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        read().path = "/y"  # type: ignore[misc]


def test_an_operation_is_signed_with_both_keys_unless_told_otherwise() -> None:
    operation = read()

    assert operation.signature is Signature.BOTH_KEYS
    assert (operation.query, operation.transaction_id, operation.headers, operation.check) == (None, None, {}, "")


def test_an_operation_does_not_print_what_it_carries() -> None:
    assert "otp" not in repr(read())


@pytest.mark.parametrize("path", ["", "x", "https://elsewhere.example/x", "@elsewhere.example", "/x?a=b", "/x#y"])
def test_a_path_lies_below_the_base(path: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^path must start with / and hold neither query nor fragment$"):
        attrs.evolve(read(), path=path)


def test_an_operation_is_neither_looked_up_nor_stamped_anew_unless_told_so() -> None:
    operation = read()

    assert (operation.reconciliation, operation.restamp, operation.not_found_means_done) == (None, None, False)


def test_findings_are_values() -> None:
    assert Found(1) == Found(1) != Found(2)
    assert len({Absent(), Absent(), Different(), Different()}) == 2


def test_headers_are_not_shared_between_operations() -> None:
    assert read().headers is not read().headers


@pytest.mark.parametrize(
    ("method", "reads"), [("GET", True), ("HEAD", True), ("POST", False), ("PUT", False), ("DELETE", False)]
)
def test_only_get_and_head_read_unless_they_must_not_be_sent_twice(method: str, *, reads: bool) -> None:
    assert read(method).reads is reads
    assert not attrs.evolve(read(method), replay=Replay.NEVER).reads


# --- path


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("9245fe4a-d402", "9245fe4a-d402"),
        ("a/b", "a%2Fb"),
        ("a b+c", "a%20b%2Bc"),
        ("a?b#c&d=e", "a%3Fb%23c%26d%3De"),
        ("%2e%2e", "%252e%252e"),
        ("..a", "..a"),
        ("...", "..."),
        ("\\..\\", "%5C..%5C"),
        ("naïve/日本", "na%C3%AFve%2F%E6%97%A5%E6%9C%AC"),
        ("line\nbreak\x00", "line%0Abreak%00"),
        ("{reference}", "%7Breference%7D"),
    ],
)
def test_a_value_becomes_one_escaped_segment(value: str, segment: str) -> None:
    assert path("/hold/{reference}/x", reference=value) == f"/hold/{segment}/x"


@pytest.mark.parametrize("value", ["", "  ", ".", "..", "\ud800", None, 5, b"x", True])
def test_a_value_that_makes_no_segment_is_refused_by_name(value: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^reference must ") as refusal:
        path("/hold/{reference}", reference=value)

    assert refusal.value.field == "reference"


@given(st.text())
def test_any_text_is_one_segment_that_reads_back_or_is_refused(value: str) -> None:
    try:
        filled = path("/{value}", value=value)
    except InvalidRequestError:
        assert not value.strip() or value in (".", "..") or not value.isprintable()
    else:
        assert filled.isascii()
        assert filled.count("/") == 1
        assert not set(filled) & set("?# \n")
        assert unquote(filled[1:]) == value

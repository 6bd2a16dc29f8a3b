"""Anything at all in place of an answer, for all 18 operations; and every model out and back."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from types import NoneType
from typing import Any, get_args, get_origin

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from gameball import (
    Batch,
    BatchResponse,
    BatchRow,
    CashbackConfiguration,
    ChallengeConfiguration,
    Configuration,
    GameballError,
    Operation,
    PartnerClient,
    RedemptionConfiguration,
)
from gameball.core import converter
from gameball.core.codec import decode
from gameball.core.converter import load
from gameball.core.http import Response
from gameball.models import batches as batch_models, clients as client_models, configurations as configuration_models
from gameball.models.clients import ClientKeys, ClientRequest, ClientUpdate
from gameball.models.shared import OpenEnum, Points
from gameball.resources.raw import raw
from gameball.settings import Secret
from tests.support.calls import OPERATIONS

pytestmark = pytest.mark.many_cases

READS = [operation for operation in OPERATIONS.values() if operation.returns is not NoneType]


# --- anything at all


def fields_of(kind: Any) -> set[str]:
    """Every key that the API may use anywhere inside an answer of this kind."""
    inner = [part for part in get_args(kind) if part is not NoneType]
    if attrs.has(kind):
        own = {converter.spelling(a.name) for a in attrs.fields(attrs.resolve_types(kind))}
        return own.union(*(fields_of(a.type) for a in attrs.fields(kind)))
    return set().union(*(fields_of(part) for part in inner))


KEYS = [
    *sorted(set().union(*(fields_of(operation.returns) for operation in OPERATIONS.values()))),
    "challenges",
    "challengesConfig",
    "jobId",
    "code",
    "message",
    "requestId",
    "point",
    "isDefaultRule",
    "customerId",
    "error",
    "gameballTrasnactionId",
]
WORDS = st.sampled_from(
    [
        "",
        " ",
        "true",
        "213",
        "20.0",
        "1e5",
        "9" * 5000,
        "NaN",
        "-0",
        "finished",
        "2012-12-30 16:50:11",
        "0001-01-01",
        "2012-12-30T16:50:11.1234567Z",
        "9999-12-31T23:59:59-14:00",
        "\x00",
        "٣",
        "<html>",
    ]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(), WORDS
) | st.sampled_from([2**63, -(2**64), 10**400, 1e308])
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=5),
    max_leaves=15,
)
STATUSES = st.sampled_from([200, 200, 200, 201, 204, 100, 302, 400, 401, 404, 422, 429, 500])


def shaped(kind: Any) -> st.SearchStrategy[Any]:
    """JSON that is nearly an answer of this kind: so that what is deep inside is reached too."""
    if attrs.has(kind):
        own = {converter.spelling(a.name): shaped(a.type) for a in attrs.fields(attrs.resolve_types(kind))}
        return st.fixed_dictionaries({}, optional=own)
    if get_origin(kind) is tuple:
        return st.lists(shaped(get_args(kind)[0]), max_size=2) | SCALARS
    inner = [part for part in get_args(kind) if part is not NoneType]
    if inner and any(attrs.has(part) for part in inner):
        return st.one_of(*(shaped(part) for part in inner)) | SCALARS
    return SCALARS | ANY_JSON


def is_of(value: object, kind: Any) -> bool:
    return isinstance(value, tuple) if get_origin(kind) is tuple else isinstance(value, kind)


def value_or_error(operation: Operation[Any], body: bytes, status: int) -> None:
    try:
        value = decode(operation, Response(status=status, headers={}, body=body))
    except GameballError as error:
        lines = str(error).splitlines()
    else:
        assert is_of(value, operation.returns)
        assert 200 <= status < 300
        assert repr(value)
        return
    assert len(lines) == 1


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@settings(max_examples=25)
@given(value=ANY_JSON, status=STATUSES)
def test_any_json_gives_a_value_or_one_of_our_errors(operation: Operation[Any], value: Any, status: int) -> None:
    value_or_error(operation, json.dumps(value).encode(), status)


@pytest.mark.parametrize("operation", READS, ids=lambda operation: operation.name)
@settings(max_examples=25)
@given(data=st.data())
def test_nearly_an_answer_gives_a_value_or_one_of_our_errors(operation: Operation[Any], data: st.DataObject) -> None:
    kind = operation.returns
    value_or_error(operation, json.dumps(data.draw(shaped(kind))).encode(), 200)


@pytest.mark.parametrize(
    "operation",
    [*OPERATIONS.values(), raw("GET", "/x", query=None, json=None, replay=None)],
    ids=lambda operation: operation.name,
)
@settings(max_examples=20)
@given(body=st.binary(), status=STATUSES)
def test_any_bytes_give_a_value_or_one_of_our_errors(operation: Operation[Any], body: bytes, status: int) -> None:
    value_or_error(operation, body, status)


@given(secret=st.text(min_size=12).filter(str.strip), rest=ANY_JSON)
def test_no_key_of_a_spoilt_answer_is_in_its_error(secret: str, rest: Any) -> None:
    secret = f"key {secret.encode().hex()} key"
    operation = OPERATIONS["clients.create"]
    body = json.dumps({"apiKey": secret, "secretKey": [secret], "gameballId": rest, "message": rest}).encode()
    with pytest.raises(GameballError) as caught:
        decode(operation, Response(status=200, headers={}, body=body))
    assert secret not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


# --- out and back

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
WORD = st.text("abc ß&_", min_size=1).filter(str.strip)
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    Decimal: st.decimals(-(10**20), 10**20, allow_nan=False) | st.sampled_from([Decimal("1E+2"), Decimal("1E-30")]),
    datetime: st.datetimes(timezones=st.just(UTC)),
    Points: st.integers(-(2**63), 2**63) | st.decimals(-(10**9), 10**9, places=3),
}
COUNTED = {"subscription_id": st.integers(0, 2**63 - 1)}
"""Fields with a rule beyond their type."""


def some(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type: of a model, each field by its own type, or what it is without being given."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    if attrs.has(kind):
        return st.builds(
            kind,
            **{
                a.name: COUNTED[a.name] if a.name in COUNTED else _given_or_not(a)
                for a in attrs.fields(attrs.resolve_types(kind))
            },
        )
    if get_origin(kind) is tuple:
        return st.lists(some(get_args(kind)[0]), max_size=2).map(tuple)
    if isinstance(kind, type) and issubclass(kind, OpenEnum):
        return st.sampled_from(kind) | WORD.map(kind)
    raise AssertionError(kind)


def _given_or_not(a: "attrs.Attribute[Any]") -> st.SearchStrategy[Any]:
    strategy = some(converter._without_none(a.type))
    return strategy if a.type == converter._without_none(a.type) else st.none() | strategy


MODELS = [
    *(BatchRow, BatchResponse, Batch),
    *(ClientRequest, PartnerClient),
    *(Configuration, ChallengeConfiguration, RedemptionConfiguration, CashbackConfiguration),
]


def test_every_model_of_the_three_pages_is_among_these_or_inside_one() -> None:
    def inside(kind: Any) -> set[Any]:
        if attrs.has(kind):
            return {kind}.union(*(inside(a.type) for a in attrs.fields(attrs.resolve_types(kind))))
        return set().union(*(inside(part) for part in get_args(kind)))

    modules = (batch_models, client_models, configuration_models)
    here = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and attrs.has(value) and value.__module__ == module.__name__
    }
    reached = set().union(*(inside(model) for model in MODELS))
    # Keys are never written; what changes of a client is only ever written.
    assert here - reached == {ClientKeys, ClientUpdate}


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_a_model_survives_the_way_out_and_back(kind: type[Any], data: st.DataObject) -> None:
    value = data.draw(some(kind))
    assert load(converter.write(value), kind) == value


@given(challenges=st.lists(some(ChallengeConfiguration), max_size=2).map(tuple))
def test_challenges_survive_under_either_key(challenges: tuple[ChallengeConfiguration, ...]) -> None:
    operation = OPERATIONS["configurations.challenge"]
    for key in ("challenges", "challengesConfig"):
        body = converter.write({key: list(challenges)})
        assert decode(operation, Response(status=200, headers={}, body=body)) == challenges


@given(data=st.data())
def test_an_update_goes_out_with_what_was_given_and_nothing_else(data: st.DataObject) -> None:
    kinds = {a.name: st.none() | _text_or_count(a.name) for a in attrs.fields(ClientUpdate)}
    given_changes = data.draw(st.fixed_dictionaries({}, optional=kinds).filter(bool))
    written = json.loads(converter.write(ClientUpdate(**given_changes)))
    assert written == {converter.spelling(name): value for name, value in given_changes.items()}


def _text_or_count(name: str) -> st.SearchStrategy[Any]:
    if name == "is_loyalty_enabled":
        return st.booleans()
    return COUNTED.get(name, TEXT)


def test_keys_are_never_written() -> None:
    keys = ClientKeys(api_key=Secret("an-api-key"), secret_key=Secret("a-secret-key"))
    with pytest.raises((TypeError, ValueError)) as caught:
        converter.write(keys)
    assert "a-secret-key" not in str(caught.value)

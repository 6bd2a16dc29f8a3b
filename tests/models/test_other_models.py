"""The rules of partners' clients, and the words of batches and configurations."""

from typing import Any

import attrs
import pytest

from gameball.errors import InvalidRequestError
from gameball.models import batches, clients, configurations
from gameball.models.batches import Batch, BatchId, BatchResponse, BatchRow, BatchStatus
from gameball.models.clients import UNSET, ClientKeys, ClientRequest, ClientStatus, ClientUpdate, PartnerClient, Unset
from gameball.models.configurations import ChallengeType, RewardType, Visibility
from gameball.models.shared import OpenEnum
from gameball.settings import Secret

WORDS = ("name", "email", "mobile", "store_name", "domain", "country", "currency", "time_zone")
FURTHER = ("custom_domain", "plan", "status")
SOUND: dict[str, Any] = dict.fromkeys(WORDS, "x")

MODELS = [
    kind
    for module in (batches, clients, configurations)
    for kind in vars(module).values()
    if isinstance(kind, type) and attrs.has(kind) and kind.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", MODELS)
def test_every_other_model_is_frozen_slotted_and_keyword_only(kind: type[Any]) -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        object.__new__(kind).anything = 1
    assert "__slots__" in vars(kind)
    assert all(a.kw_only for a in attrs.fields(kind))


# --- a new client


def test_a_client_needs_eight_words_and_no_more() -> None:
    request = ClientRequest(**SOUND)

    assert [getattr(request, name) for name in WORDS] == ["x"] * 8
    assert (request.is_loyalty_enabled, request.plan, request.subscription_id) == (None, None, None)


@pytest.mark.parametrize("name", WORDS)
def test_none_of_them_can_be_left_out(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        ClientRequest(**{key: value for key, value in SOUND.items() if key != name})
    with pytest.raises(InvalidRequestError, match=f"^{name} "):
        ClientRequest(**{**SOUND, name: None})


@pytest.mark.parametrize("name", [*WORDS, *FURTHER])
@pytest.mark.parametrize("value", ["", "  ", 5, b"x", True, "\ud800", UNSET])
def test_each_is_a_text_with_something_in_it(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name} ") as refusal:
        ClientRequest(**{**SOUND, name: value})
    assert refusal.value.field == name


@pytest.mark.parametrize("kind", [ClientRequest, ClientUpdate])
@pytest.mark.parametrize("value", ["yes", 1, 0])
def test_loyalty_is_enabled_or_not(kind: type[Any], value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^is_loyalty_enabled must be a bool"):
        kind(**SOUND, is_loyalty_enabled=value)
    for truth in (True, False, None):
        assert kind(**SOUND, is_loyalty_enabled=truth).is_loyalty_enabled is truth


@pytest.mark.parametrize("kind", [ClientRequest, ClientUpdate])
@pytest.mark.parametrize("value", [-1, 2**63, 1.0, "5", True])
def test_a_subscription_is_a_whole_number(kind: type[Any], value: Any) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"^subscription_id must be (a whole number|from 0 to 9223372036854775807)"
    ):
        kind(**SOUND, subscription_id=value)
    for fine in (0, 2**63 - 1, None):
        assert kind(**SOUND, subscription_id=fine).subscription_id == fine


# --- an update


def test_an_update_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="is required: give at least one field to update"):
        ClientUpdate()
    with pytest.raises(InvalidRequestError, match="at least one field"):
        ClientUpdate(name=UNSET, plan=UNSET)


@pytest.mark.parametrize("name", [*WORDS, *FURTHER, "is_loyalty_enabled", "subscription_id"])
def test_any_one_field_is_enough_even_as_null(name: str) -> None:
    fields: dict[str, Any] = {name: None}

    update = ClientUpdate(**fields)

    assert getattr(update, name) is None
    others = [getattr(update, a.name) for a in attrs.fields(ClientUpdate) if a.name != name]
    assert others == [UNSET] * 12


@pytest.mark.parametrize("name", [*WORDS, *FURTHER])
@pytest.mark.parametrize("value", ["", "  ", 5, True])
def test_what_is_updated_keeps_the_rules(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name} "):
        ClientUpdate(**{name: value})


def test_unset_is_one_thing_and_says_its_name() -> None:
    assert repr(UNSET) == "UNSET"
    assert list(Unset) == [UNSET]


# --- what a partner gets


def test_keys_and_persons_are_not_printed() -> None:
    keys = ClientKeys(api_key=Secret("canary-1"), secret_key=Secret("canary-2"), gameball_id=5)
    client = PartnerClient(id=5, email="canary@x.example", mobile="canary", name="Shop")

    assert "canary" not in f"{keys} {client}"
    assert "Shop" in repr(client)


@pytest.mark.parametrize("word", ["active", "Trial", "TRIALING", "suspended", "uninstall"])
def test_a_clients_status_is_known_in_any_case(word: str) -> None:
    assert ClientStatus(word) in tuple(ClientStatus)
    assert ClientStatus("paused") == "paused"


# --- batches


@pytest.mark.parametrize(
    ("word", "status", "terminal"),
    [
        ("pending", BatchStatus.PENDING, False),
        ("Queued", BatchStatus.PENDING, False),
        ("inProgress", BatchStatus.IN_PROGRESS, False),
        ("In Progress", BatchStatus.IN_PROGRESS, False),
        ("processing", BatchStatus.IN_PROGRESS, False),
        ("RUNNING", BatchStatus.IN_PROGRESS, False),
        ("finished", BatchStatus.FINISHED, True),
        ("Completed", BatchStatus.FINISHED, True),
        (" completed ", BatchStatus.FINISHED, True),
        ("stopped", BatchStatus.STOPPED, True),
        ("Failed", BatchStatus.FAILED, True),
    ],
)
def test_a_batchs_status_is_known_by_all_of_its_words(word: str, status: BatchStatus, *, terminal: bool) -> None:
    assert BatchStatus(word) is status
    assert BatchStatus(word).terminal is terminal


@pytest.mark.parametrize("word", ["paused", "", "finishing", "not finished"])
def test_an_unknown_batch_status_is_kept_and_never_terminal(word: str) -> None:
    assert BatchStatus(word) == word
    assert not BatchStatus(word).terminal


@pytest.mark.parametrize("value", [None, 5, True, ["finished"]])
def test_what_is_no_word_is_no_batch_status(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid BatchStatus"):
        BatchStatus(value)


def test_a_batch_hands_on_its_rows() -> None:
    done, failed = (BatchRow(player_unique_id="p1"),), (BatchRow(player_unique_id="p2", message="no"),)
    batch = Batch(status=BatchStatus.FINISHED, response=BatchResponse(successful=done, failed=failed))

    assert (batch.successful, batch.failed) == (done, failed)
    assert (Batch(status=BatchStatus.PENDING).successful, Batch(status=BatchStatus.PENDING).failed) == ((), ())


def test_a_batchs_id_is_text() -> None:
    assert BatchId("213") == "213"
    assert not hasattr(BatchId("213"), "__dict__")


# --- configurations


@pytest.mark.parametrize(
    "word", ["AlwaysVisible", "AlwaysVisibile", "Always Visible", "always visibile", "ALWAYSVISIBLE"]
)
def test_always_visible_is_known_in_its_three_spellings(word: str) -> None:
    assert Visibility(word) is Visibility.ALWAYS_VISIBLE


def test_other_visibilities_are_known_or_kept() -> None:
    assert Visibility("not visible") is Visibility.NOT_VISIBLE
    assert Visibility("VisibleIfEarned") is Visibility.VISIBLE_IF_EARNED
    assert Visibility("SometimesVisible") == "SometimesVisible"
    number: Any = 1
    with pytest.raises(ValueError, match="1 is not a valid Visibility"):
        Visibility(number)


@pytest.mark.parametrize(
    ("kind", "word"),
    [(ChallengeType, "AmountBased"), (ChallengeType, "amount & action based"), (RewardType, "score & points")],
)
def test_words_with_blanks_and_signs_are_known_in_any_spacing(kind: type[OpenEnum], word: str) -> None:
    assert kind(word) in tuple(kind)

"""The tree of errors, the API's numbers, and how errors print and travel."""

import copy
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from gameball import errors
from gameball.codes import CODES, api_error
from gameball.errors import (
    AlreadyCancelledError,
    APIError,
    AuthenticationError,
    BadRequestError,
    BulkStoppedError,
    ConcurrentRequestError,
    ConnectionFailedError,
    CredentialsError,
    DuplicateTransactionError,
    GameballError,
    HoldNotFoundError,
    InsufficientBalanceError,
    InvalidRequestError,
    NotFoundError,
    NotReversibleError,
    OutcomeUnknownError,
    PermissionDeniedError,
    PlayerNotFoundError,
    ProgramDisabledError,
    RateLimitedError,
    ServerError,
    TimedOutError,
    TransactionNotFoundError,
    TransactionTimeTakenError,
    UnexpectedAnswerError,
    printable,
)


def family(of: type[GameballError]) -> Iterator[type[GameballError]]:
    yield of
    for child in of.__subclasses__():
        yield from family(child)


EVERY_KIND = sorted({kind for kind in family(GameballError) if kind.__module__ == errors.__name__}, key=str)


def filled(kind: type[GameballError]) -> GameballError:
    """An error with everything in it that its class can hold."""
    error = kind(
        "something happened",
        outcome="unknown",
        operation="transactions.cashback",
        method="POST",
        path="/integrations/transaction/cashback",
        attempts=3,
        transaction_id="tra_1",
        retry_after=1.5,
        request_id="req_1",
    )
    if isinstance(error, APIError):
        error.status, error.code = 422, 305
    if isinstance(error, InvalidRequestError):
        error.field = "amount"
    if isinstance(error, OutcomeUnknownError):
        error.code = 13
    if isinstance(error, UnexpectedAnswerError):
        error.status = 502
    return error


# --- the tree


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (CredentialsError, (GameballError,)),
        (InvalidRequestError, (GameballError, ValueError)),
        (ConnectionFailedError, (GameballError,)),
        (OutcomeUnknownError, (GameballError,)),
        (UnexpectedAnswerError, (GameballError,)),
        (TimedOutError, (GameballError, TimeoutError)),
        (APIError, (GameballError,)),
        *(
            (kind, (APIError,))
            for kind in (
                AuthenticationError,
                PermissionDeniedError,
                NotFoundError,
                BadRequestError,
                DuplicateTransactionError,
                TransactionTimeTakenError,
                AlreadyCancelledError,
                NotReversibleError,
                InsufficientBalanceError,
                ProgramDisabledError,
                ConcurrentRequestError,
                RateLimitedError,
                ServerError,
            )
        ),
        *((kind, (NotFoundError,)) for kind in (PlayerNotFoundError, TransactionNotFoundError, HoldNotFoundError)),
    ],
)
def test_each_error_has_its_place_in_the_tree(kind: type[GameballError], parents: tuple[type, ...]) -> None:
    assert kind.__bases__ == parents


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_only_what_is_about_an_unknown_outcome_is_unknown_by_itself(kind: type[GameballError]) -> None:
    unknown = kind.__name__ in ("OutcomeUnknownError", "BatchTimeoutError")

    assert kind("x").outcome == ("unknown" if unknown else "not_applied")


# --- printing


def test_an_error_prints_as_one_line_a_person_can_act_on() -> None:
    error = DuplicateTransactionError(
        "transaction id already exists",
        status=422,
        code=305,
        operation="transactions.cashback",
        transaction_id="tra_1",
    )

    assert str(error) == "305 transaction id already exists (transactions.cashback, transaction_id=tra_1, HTTP 422)"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (GameballError("went wrong"), "went wrong"),
        (GameballError("went wrong", operation="batches.stop"), "went wrong (batches.stop)"),
        (GameballError("went wrong", request_id="r1"), "went wrong (request_id=r1)"),
        (BadRequestError("no reason", status=400), "no reason (HTTP 400)"),
        (APIError("refused"), "refused"),
        (APIError("refused", status=400, request_id="r1"), "refused (HTTP 400, request_id=r1)"),
        (UnexpectedAnswerError("not JSON", status=502, request_id="r1"), "not JSON (HTTP 502, request_id=r1)"),
        (UnexpectedAnswerError("no answer came"), "no answer came"),
        (TimedOutError("too late", operation="transactions.list"), "too late (transactions.list)"),
    ],
)
def test_what_is_not_known_is_not_printed(error: GameballError, line: str) -> None:
    assert str(error) == line


# --- travelling


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_error_survives_pickling_whole(kind: type[GameballError], protocol: int) -> None:
    error = filled(kind)

    back = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 (our own bytes)

    assert type(back) is kind
    assert vars(back) == vars(error)
    assert back.args == error.args
    assert error.args[0] == "something happened"
    assert str(back) == str(error)
    assert repr(back) == repr(error)


@pytest.mark.parametrize("outcome", ["applied", "not_applied", "unknown"])
@pytest.mark.parametrize("kind", EVERY_KIND)
def test_args_alone_rebuild_every_error_whole(kind: type[GameballError], outcome: Any) -> None:
    error = filled(kind)
    error.outcome = outcome
    error.transaction_id = "t9"

    back = kind(*error.args)

    assert vars(back) == vars(error)
    assert (str(back), back.args) == (str(error), error.args)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_so_do_args_that_went_through_json(kind: type[GameballError]) -> None:
    error = filled(kind)
    error.outcome = "unknown"

    message, state, *objects = error.args
    back = kind(message, json.loads(json.dumps(state)), *map(repr, objects))

    assert str(back) == str(error)
    for name in ("outcome", "operation", "method", "path", "attempts", "transaction_id", "retry_after", "request_id"):
        assert getattr(back, name) == getattr(error, name)


def test_what_a_carrier_made_of_the_state_is_passed_over() -> None:
    assert GameballError("went wrong", "{'outcome': 'unknown'}").outcome == "not_applied"  # type: ignore[arg-type]


def test_args_can_be_replaced_as_of_any_exception() -> None:
    error = APIError("went wrong", status=400)
    error.args = ("in the shop: went wrong", *error.args[1:])
    stopped = BulkStoppedError("stopped", report="report")
    stopped.args = ()

    assert (str(error), error.status) == ("in the shop: went wrong (HTTP 400)", 400)
    assert (str(stopped), stopped.report) == ("", None)


@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_every_error_can_be_copied(kind: type[GameballError], copied: type) -> None:
    error = filled(kind)

    twin = copied(error)

    assert type(twin) is kind
    assert twin.args == error.args
    twin.attempts = 99
    assert str(twin) == str(error)
    assert error.attempts == 3


def test_notes_travel_along() -> None:
    error = filled(ServerError)
    error.add_note("while closing the day")

    assert pickle.loads(pickle.dumps(error)).__notes__ == ["while closing the day"]  # noqa: S301 (our own bytes)


# --- the code table

BY_CODE = [
    ((3,), NotFoundError),
    ((4, 3000), BadRequestError),
    ((5, 3001), BadRequestError),
    ((7, 3003), BadRequestError),
    ((10, 16, 8000), PermissionDeniedError),
    ((11, 1000, 1001, 1002), AuthenticationError),
    ((12, 14, 15, 17, 151), BadRequestError),
    ((13, 4500, 5003), ServerError),
    ((50, 51, 6000, 6001), ProgramDisabledError),
    ((101, 7000), PlayerNotFoundError),
    ((152,), NotFoundError),
    ((301, 9000), NotReversibleError),
    ((302, 9001), AlreadyCancelledError),
    ((303, 9002), TransactionNotFoundError),
    ((304, 9003), TransactionTimeTakenError),
    ((305, 9004), DuplicateTransactionError),
    ((306, 9005), TransactionNotFoundError),
    ((307, 9006), HoldNotFoundError),
    ((308, 9007), BadRequestError),
    ((309, 9008), InsufficientBalanceError),
    ((2001,), ConcurrentRequestError),
]
EVERY_NUMBER = [(number, kind) for numbers, kind in BY_CODE for number in numbers]


@pytest.mark.parametrize(("code", "kind"), EVERY_NUMBER)
@pytest.mark.parametrize("status", [400, 402, 422])
def test_a_refusal_is_told_by_its_code(code: int, kind: type[APIError], status: int) -> None:
    error = api_error(status, code, "said so")

    assert type(error) is kind
    assert (error.status, error.code, error.message, error.outcome) == (status, code, "said so", "not_applied")


def test_the_table_holds_no_number_beyond_those_told_here() -> None:
    numbers = [number for code in CODES for number in (code.v3, code.v4) if number is not None]

    assert sorted(numbers) == sorted(number for number, _ in EVERY_NUMBER)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, BadRequestError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (408, ServerError),
        (418, BadRequestError),
        (425, ServerError),
        (429, RateLimitedError),
        (499, ServerError),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
    ],
)
@pytest.mark.parametrize("code", [None, 0, 1, 999999])
def test_without_a_known_code_the_status_tells(status: int, kind: type[APIError], code: int | None) -> None:
    assert type(api_error(status, code, None)) is kind


@pytest.mark.parametrize("status", [408, 425, 429, 499, 500, 502, 503])
@pytest.mark.parametrize("code", [10, 101, 305, 2001, 9004])
def test_a_failing_server_and_a_rate_limit_keep_their_class_whatever_the_code(status: int, code: int) -> None:
    error = api_error(status, code, None)

    assert type(error) is (RateLimitedError if status == 429 else ServerError)
    assert error.code == code


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, 10, AuthenticationError),
        (401, 16, AuthenticationError),
        (401, 11, AuthenticationError),
        (403, 10, PermissionDeniedError),
        (403, 11, AuthenticationError),
        (403, 50, ProgramDisabledError),
        (401, None, AuthenticationError),
        (403, None, PermissionDeniedError),
    ],
)
def test_401_is_about_who_asks_and_403_about_what_is_asked(status: int, code: int | None, kind: type[APIError]) -> None:
    assert type(api_error(status, code, None)) is kind


@pytest.mark.parametrize(
    ("code", "said", "message"),
    [
        (305, "Transaction exists", "Transaction exists"),
        (305, None, "transaction id already exists"),
        (9004, "", "transaction id already exists"),
        (None, "Nope", "Nope"),
        (None, None, "HTTP 422 without a reason"),
        (123456, None, "HTTP 422 without a reason"),
    ],
)
def test_the_message_is_the_apis_own_or_else_the_meaning_of_its_code(
    code: int | None, said: str | None, message: str
) -> None:
    assert api_error(422, code, said).message == message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ünïcode, 日本 and the \U0001f600", "Ünïcode, 日本 and the \U0001f600"),
        ("\x1b]0;owned\x07\x1b[2J", r"\x1b]0;owned\x07\x1b[2J"),
        ("two\r\nlines\tand\x0bmore\x85\u2028\u2029", r"two\r\nlines\tand\x0bmore\x85\u2028\u2029"),
        ("\x9b31m\x7f\x00", r"\x9b31m\x7f\x00"),
        ("\ufeffa\u200bb\u202ec\u2066\xa0\xad", r"\ufeffa\u200bb\u202ec\u2066\xa0\xad"),
        ("half of a pair: \ud800", r"half of a pair: \ud800"),
    ],
)
def test_printable_text_is_one_line_without_hidden_characters(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_an_error_prints_in_one_line_whatever_the_api_wrote(kind: type[GameballError]) -> None:
    error = kind("no\x1b[2J\nrow 1: applied", transaction_id="t\x1b]0;x\x07", operation="transactions.cashback")
    assert str(error).isprintable()
    assert error.message == "no\x1b[2J\nrow 1: applied"
    assert error.transaction_id == "t\x1b]0;x\x07"

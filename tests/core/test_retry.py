"""What comes next after each end of an exchange, without a loop."""

import copy
import inspect
import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeAlias

import pytest
from attrs import evolve
from hypothesis import given, strategies as st

from gameball.codes import api_error
from gameball.core.http import Failure, Fault, retry_after
from gameball.core.operation import Absent, Different, Found, Operation, Replay
from gameball.core.retry import Budget, CallState, Disposition, GiveUp, LookUp, Problem, Send, Settled, Step, classify
from gameball.core.waits import STANDARD, Waits
from gameball.errors import (
    APIError,
    ConcurrentRequestError,
    ConnectionFailedError,
    DuplicateTransactionError,
    GameballError,
    HoldNotFoundError,
    InsufficientBalanceError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    ServerError,
    TimedOutError,
    TransactionTimeTakenError,
    UnexpectedAnswerError,
)
from gameball.settings import Retries
from tests.support import calls
from tests.support.calls import OPERATIONS, TRANSACTIONS

Finding: TypeAlias = Found[Any] | Different | Absent
Event: TypeAlias = Problem | Finding

NOON = datetime(2019, 9, 19, 12, tzinfo=UTC)

CALLS: dict[str, Operation[Any]] = {name: sample.operation() for name, sample in TRANSACTIONS.items()}
CALLS["with its own time"] = TRANSACTIONS["cashback"].operation(transaction_time=NOON)
CALLS["update without advice"] = evolve(OPERATIONS["clients.update"], check="")
CALLS["get once"] = Operation(name="GET /charge", method="GET", path="/charge", returns=object, replay=Replay.NEVER)

READS = ("list", "for_order")
SAFE_WRITES = ("reverse_hold", "update without advice")
KEYED = (*calls.KEYED, "with its own time")
NEVER = calls.UNKEYED


def failure(fault: Fault, *, sent: bool) -> Failure:
    return Failure(fault=fault, sent=sent, reason="it broke")


LOST = failure(Fault.CONNECTION, sent=True)
UNSENT = failure(Fault.CONNECTION, sent=False)
UNTRUSTED = failure(Fault.TLS, sent=False)
UNUSABLE: list[Problem] = [failure(Fault.UNUSABLE, sent=sent) for sent in (False, True)]

NOT_SENT: list[Problem] = [failure(fault, sent=False) for fault in (Fault.CONNECTION, Fault.TIME)]
DEFERRED: list[Problem] = [
    RateLimitedError("slow down", status=429),
    api_error(429, 305, None),
    api_error(422, 2001, None),
]
FATAL: list[Problem] = [
    api_error(401, None, None),
    api_error(403, None, None),
    *(api_error(422, code, None) for code in (50, 51, 6000, 6001, 1000, 1001, 1002, 8000)),
]


def foreign(status: int) -> APIError:
    """A refusal that is not in the API's form: a gateway's page, say."""
    error = api_error(status, None, None)
    error.from_api = False
    return error


FOREIGN: list[Problem] = [
    *(UnexpectedAnswerError("moved", status=status) for status in (300, 301, 302, 303, 304, 307, 308, 399)),
    *(foreign(status) for status in range(400, 500) if status not in (408, 425, 429, 499)),
]
CLEAR: list[Problem] = [
    api_error(400, 7, None),
    api_error(400, None, None),
    api_error(404, None, None),
    api_error(418, None, None),
    *(api_error(422, code, None) for code in (4, 101, 301, 302, 303, 306, 307, 308, 309)),
]
DUPLICATE = [
    api_error(422, 305, None),
    api_error(422, 304, None),
    api_error(400, 9004, None),
    api_error(400, 9003, None),
]
UNKNOWN: list[Problem] = [
    *(failure(fault, sent=True) for fault in Fault if fault is not Fault.UNUSABLE),
    *(api_error(status, None, None) for status in (408, 425, 499, 500, 502, 503, 504, 599)),
    api_error(400, 13, None),
    api_error(422, 4500, None),
    api_error(500, 305, None),
    UnexpectedAnswerError("HTML", status=200),
    UnexpectedAnswerError("cut", status=None),
]


def named(value: object) -> str | None:
    if isinstance(value, Failure):
        return f"{value.fault.value} {'sent' if value.sent else 'unsent'}"
    if isinstance(value, APIError):
        return f"HTTP {value.status} {value.code or ''}"
    return f"HTTP {value.status}" if isinstance(value, UnexpectedAnswerError) else None


def for_each_problem(problems: list[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run the test with each of these in turn: as parameters they would be thousands of tests."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def each(**given: Any) -> None:
            for problem in problems:
                try:
                    test(problem=problem, **given)
                except BaseException as error:
                    error.add_note(f"with {named(problem)}: {problem!r}")
                    raise

        parameters = inspect.signature(test).parameters
        rest = [parameter for name, parameter in parameters.items() if name != "problem"]
        each.__signature__ = inspect.Signature(rest)  # type: ignore[attr-defined]  # what pytest fills in
        return each

    return decorate


class Walk:
    """The state of a call, taken through one end after another, with the clock at the end of each wait."""

    def __init__(
        self,
        call: str = "cashback",
        *,
        retries: Retries = Retries(),  # noqa: B008 (frozen)
        total: float = 60.0,
        budget: float = 20.0,
        chance: float = 1.0,
    ) -> None:
        self.now = 0.0
        self.budget = Budget(budget)
        self.state = CallState(
            operation=CALLS[call], retries=retries, deadline=total, budget=self.budget, chance=lambda: chance
        )
        self.step: Step = Send(0.0)

    def then(self, *events: Event) -> Step:
        """Say what came of the step before, each after its wait; a look-up where one was asked for."""
        for event in events:
            assert isinstance(self.step, Send | LookUp), "the call has ended"
            self.now += self.step.wait
            # An error is used once: what becomes of it must not reach another test.
            event = copy.copy(event)  # noqa: PLW2901
            if isinstance(self.step, LookUp):
                self.step = self.state.after_look_up(event, self.now)
            else:
                assert not isinstance(event, Found | Different | Absent)
                self.step = self.state.after_send(event, self.now)
        return self.step

    def ends(self, *events: Event) -> GameballError:
        step = self.then(*events)
        assert isinstance(step, GiveUp)
        return step.error


FOUND = Found("the value")


# --- the judgement on one try


@pytest.mark.parametrize(
    ("problem", "disposition"),
    [
        *((problem, Disposition.NOT_SENT) for problem in [*NOT_SENT, UNTRUSTED, UNUSABLE[0]]),
        *((problem, Disposition.DEFERRED) for problem in DEFERRED),
        *((problem, Disposition.REFUSED) for problem in [*CLEAR, *DUPLICATE]),
        *((problem, Disposition.FATAL) for problem in [*FATAL, *FOREIGN]),
        *((problem, Disposition.UNKNOWN) for problem in [*UNKNOWN, UNUSABLE[1]]),
    ],
    ids=named,
)
def test_each_end_says_one_thing_about_the_request(problem: Problem, disposition: Disposition) -> None:
    assert classify(problem) is disposition


# --- what was not applied is sent again, whatever the call


@pytest.mark.parametrize("call", CALLS)
@for_each_problem([*NOT_SENT, *DEFERRED])
def test_what_was_surely_not_applied_is_sent_again(call: str, problem: Problem) -> None:
    step = Walk(call).then(problem)

    assert isinstance(step, Send)
    assert 0 < step.wait <= 1.0
    assert not step.restamp


@for_each_problem([*NOT_SENT, *DEFERRED])
@pytest.mark.parametrize("call", CALLS)
def test_but_no_oftener_than_the_settings_say(call: str, problem: Problem) -> None:
    walk = Walk(call, retries=Retries(attempts=3))

    assert isinstance(walk.then(problem, problem), Send)
    assert isinstance(walk.then(problem), GiveUp)
    assert walk.state.sends == 3
    assert isinstance(Walk(call, retries=Retries(attempts=1)).then(problem), GiveUp)


@for_each_problem([*NOT_SENT, *DEFERRED])
@pytest.mark.parametrize("call", CALLS)
def test_nor_when_the_wait_does_not_fit_into_what_is_left(call: str, problem: Problem) -> None:
    assert isinstance(Walk(call, total=0.0).then(problem), GiveUp)
    assert isinstance(Walk(call, total=-1.0).then(problem), GiveUp)
    assert isinstance(Walk(call, total=0.2).then(problem), GiveUp)


@pytest.mark.parametrize("call", CALLS)
@for_each_problem([*NOT_SENT, *DEFERRED])
def test_nor_without_a_budget(call: str, problem: Problem) -> None:
    walk = Walk(call, budget=0.9)

    error = walk.ends(problem)

    assert error.outcome == "not_applied"
    assert walk.budget.left == 0.9


@for_each_problem([*NOT_SENT, *DEFERRED])
def test_each_resend_takes_one_from_the_budget(problem: Problem) -> None:
    walk = Walk(budget=2.0)

    assert isinstance(walk.then(problem, problem), Send)
    assert walk.budget.left == 0
    assert isinstance(walk.then(problem), GiveUp)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "before", [[], [DEFERRED[0]], [UNSENT]], ids=["first", "after 429", "after one that never left"]
)
def test_an_untrusted_certificate_is_not_tried_again(call: str, before: list[Problem]) -> None:
    error = Walk(call).ends(*before, UNTRUSTED)

    assert type(error) is ConnectionFailedError
    assert error.outcome == "not_applied"


@pytest.mark.parametrize("call", SAFE_WRITES)
def test_nor_is_it_after_a_lost_try(call: str) -> None:
    error = Walk(call).ends(LOST, UNTRUSTED)

    assert type(error) is OutcomeUnknownError


@pytest.mark.parametrize("call", [*READS, *SAFE_WRITES, *NEVER])
@for_each_problem(UNUSABLE)
def test_what_cannot_send_any_more_is_not_tried_again(call: str, problem: Failure) -> None:
    error = Walk(call).ends(problem)

    changed = problem.sent and call not in READS
    assert error.outcome == ("unknown" if changed else "not_applied")
    assert "it broke" in str(error)


@pytest.mark.parametrize("call", KEYED)
@for_each_problem(UNUSABLE)
def test_nor_does_it_look_anything_up(call: str, problem: Failure) -> None:
    assert type(Walk(call).ends(UNUSABLE[0])) is ConnectionFailedError
    assert type(Walk(call).ends(LOST, problem)) is OutcomeUnknownError
    assert Walk(call).ends(DUPLICATE[0], problem).outcome == "unknown"


@pytest.mark.parametrize("call", CALLS)
@for_each_problem(NOT_SENT)
@pytest.mark.parametrize(
    ("total", "kind"), [(0.01, ConnectionFailedError), (0.0, TimedOutError), (-1.0, TimedOutError)]
)
def test_what_never_left_ends_as_not_applied(call: str, problem: Failure, total: float, kind: type) -> None:
    error = Walk(call, total=total).ends(problem)

    assert type(error) is kind
    assert error.outcome == "not_applied"
    assert str(error) == "nothing was sent: it broke"


@pytest.mark.parametrize("call", CALLS)
@for_each_problem(DEFERRED)
def test_what_was_put_off_once_too_often_raises_what_the_api_said(call: str, problem: APIError) -> None:
    error = Walk(call).ends(problem, problem, problem, problem)

    assert type(error) is type(problem)
    assert error.outcome == "not_applied"


# --- refusals


@pytest.mark.parametrize("call", [*READS, *SAFE_WRITES, *NEVER])
@pytest.mark.parametrize(
    "before", [[], [DEFERRED[0]], [UNSENT]], ids=["first", "after 429", "after one that never left"]
)
@for_each_problem([*CLEAR, *DUPLICATE, *FATAL])
def test_a_refusal_is_raised_at_once(call: str, before: list[Problem], problem: GameballError) -> None:
    error = Walk(call).ends(*before, problem)

    assert type(error) is type(problem)
    assert str(error) == str(problem)
    assert error.outcome == "not_applied"


@pytest.mark.parametrize("call", KEYED)
@pytest.mark.parametrize(
    "before", [[], [DEFERRED[0]], [UNSENT]], ids=["first", "after 429", "after one that never left"]
)
@for_each_problem([*CLEAR, *FATAL])
def test_so_is_a_keyed_writes_unless_it_calls_it_a_duplicate(
    call: str, before: list[Problem], problem: GameballError
) -> None:
    error = Walk(call).ends(*before, problem)

    assert type(error) is type(problem)
    assert error.outcome == "not_applied"


@pytest.mark.parametrize("call", KEYED)
@for_each_problem(FATAL)
def test_a_refused_key_or_programme_ends_a_keyed_write_after_a_lost_try_as_unknown(
    call: str, problem: GameballError
) -> None:
    error = Walk(call).ends(LOST, Absent(), Absent(), problem)

    assert type(error) is type(problem)
    assert error.outcome == "unknown"


@pytest.mark.parametrize("call", SAFE_WRITES)
@for_each_problem(FATAL)
def test_and_a_safe_write_likewise(call: str, problem: GameballError) -> None:
    error = Walk(call).ends(LOST, problem)

    assert type(error) is type(problem)
    assert error.outcome == "unknown"


@pytest.mark.parametrize("call", READS)
@for_each_problem([*CLEAR, *DUPLICATE, *FATAL])
def test_but_a_read_changes_nothing_whatever_came_before(call: str, problem: GameballError) -> None:
    error = Walk(call).ends(LOST, problem)

    assert type(error) is type(problem)
    assert error.outcome == "not_applied"


@for_each_problem([*CLEAR, *DUPLICATE])
def test_a_safe_write_refused_after_a_lost_try_is_unknown_with_the_code(problem: APIError) -> None:
    error = Walk("update without advice").ends(LOST, problem)

    assert isinstance(error, OutcomeUnknownError)
    assert error.code == problem.code
    assert problem.message in error.message


GONE = [problem for problem in CLEAR if isinstance(problem, NotFoundError) and problem.code is not None]


@for_each_problem(GONE)
def test_a_hold_that_is_gone_after_a_lost_reversal_was_reversed(problem: APIError) -> None:
    assert Walk("reverse_hold").then(LOST, problem) == Settled(None, "answer")
    assert Walk("reverse_hold").then(LOST, UNSENT, problem) == Settled(None, "answer")


@for_each_problem([problem for problem in [*CLEAR, *DUPLICATE] if problem not in GONE])
def test_but_no_other_refusal_says_that_it_is_done_nor_a_404_without_a_code(
    problem: APIError,
) -> None:
    assert type(Walk("reverse_hold").ends(LOST, problem)) is OutcomeUnknownError


def test_nor_does_a_hold_that_was_never_there() -> None:
    error = Walk("reverse_hold").ends(UNSENT, HoldNotFoundError("none", status=422, code=307))

    assert type(error) is HoldNotFoundError
    assert error.outcome == "not_applied"


# --- what may have been applied: reads, safe writes, and writes without a key


@pytest.mark.parametrize("call", [*READS, *SAFE_WRITES])
@for_each_problem(UNKNOWN)
def test_what_is_safe_is_sent_again(call: str, problem: Problem) -> None:
    assert Walk(call).then(problem) == Send(1.0)


@pytest.mark.parametrize("call", NEVER)
@pytest.mark.parametrize(
    "before", [[], [DEFERRED[0]], [DEFERRED[2]], [UNSENT]], ids=["first", "429", "2001", "never left"]
)
@for_each_problem(UNKNOWN)
def test_a_write_without_a_key_is_never_sent_again(call: str, before: list[Problem], problem: Problem) -> None:
    error = Walk(call).ends(*before, problem)

    assert type(error) is OutcomeUnknownError
    reason = problem.reason if isinstance(problem, Failure) else problem.message
    assert error.message == f"outcome unknown: it may have been applied ({reason}); {CALLS[call].check}"


@for_each_problem(UNKNOWN)
def test_nor_is_a_get_that_must_not_be_sent_twice_and_it_may_have_been_applied(problem: Problem) -> None:
    error = Walk("get once").ends(problem)

    assert (type(error), error.outcome) == (OutcomeUnknownError, "unknown")


@pytest.mark.parametrize("call", READS)
@for_each_problem([problem for problem in UNKNOWN if isinstance(problem, GameballError)])
def test_a_read_raises_what_came_last(call: str, problem: GameballError) -> None:
    error = Walk(call).ends(LOST, LOST, LOST, problem)

    assert type(error) is type(problem)
    assert error.outcome == "not_applied"


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.TIME, TimedOutError),
        (Fault.CONNECTION, UnexpectedAnswerError),
        (Fault.SIZE, UnexpectedAnswerError),
        (Fault.TLS, UnexpectedAnswerError),
    ],
)
def test_a_read_without_an_answer_changed_nothing(call: str, fault: Fault, kind: type) -> None:
    error = Walk(call, total=0.0).ends(failure(fault, sent=True))

    assert type(error) is kind
    assert error.outcome == "not_applied"
    assert str(error) == "no answer came: it broke"


@pytest.mark.parametrize("call", READS)
def test_a_read_that_last_never_left_says_that(call: str) -> None:
    assert type(Walk(call).ends(LOST, LOST, LOST, UNSENT)) is ConnectionFailedError


@pytest.mark.parametrize("call", SAFE_WRITES)
@for_each_problem([*UNKNOWN, *NOT_SENT])
def test_a_safe_write_that_may_have_been_applied_ends_as_unknown(call: str, problem: Problem) -> None:
    for walk in (Walk(call, retries=Retries(attempts=2)), Walk(call, budget=1.0), Walk(call, total=1.01)):
        error = walk.ends(LOST, problem)

        assert type(error) is OutcomeUnknownError
        assert CALLS[call].check in error.message


@pytest.mark.parametrize("call", SAFE_WRITES)
@for_each_problem(DEFERRED)
def test_put_off_after_a_lost_try_it_is_unknown(call: str, problem: APIError) -> None:
    error = Walk(call, retries=Retries(attempts=2)).ends(LOST, problem)

    assert type(error) is type(problem)
    assert error.outcome == "unknown"


@pytest.mark.parametrize("call", KEYED)
@for_each_problem(DEFERRED)
def test_put_off_once_too_often_after_a_lost_try_it_is_looked_up_once_more(call: str, problem: APIError) -> None:
    walk = Walk(call, retries=Retries(attempts=2))

    assert walk.then(LOST, Absent(), Absent(), problem) == LookUp(0.5)
    assert type(walk.ends(Absent(), Absent())) is OutcomeUnknownError


def test_the_error_keeps_what_the_api_said_last() -> None:
    error = Walk("hold").ends(ServerError("went wrong", status=500, code=13, request_id="r1"))

    assert isinstance(error, OutcomeUnknownError)
    assert (error.code, error.request_id) == (13, "r1")


def test_without_advice_there_is_no_advice() -> None:
    error = Walk("update without advice", retries=Retries(attempts=1)).ends(LOST)

    assert isinstance(error, OutcomeUnknownError)
    assert error.message == "outcome unknown: it may have been applied (it broke)"
    assert (error.code, error.request_id) == (None, None)


# --- what may have been applied: writes with a key are looked up


@pytest.mark.parametrize("call", KEYED)
@for_each_problem(UNKNOWN)
def test_a_keyed_write_is_looked_up_after_half_a_second(call: str, problem: Problem) -> None:
    assert Walk(call).then(problem) == LookUp(0.5)


@for_each_problem(UNKNOWN)
def test_found_it_is_returned(problem: Problem) -> None:
    walk = Walk()

    assert walk.then(problem, FOUND) == Settled("the value", "lookup")
    assert (walk.state.sends, walk.state.look_ups) == (1, 1)
    assert walk.budget.left == 20.0


@pytest.mark.parametrize("call", KEYED)
def test_two_absences_two_seconds_apart_allow_the_same_bytes_once_more(call: str) -> None:
    walk, nothing = Walk(call), Absent()

    assert walk.then(LOST, nothing) == LookUp(2.0)
    assert walk.then(nothing) == Send(0.0, restamp=False)
    assert walk.now == 2.5
    assert walk.then(LOST) == LookUp(0.5)
    assert walk.then(nothing) == LookUp(2.0), "the absences before this try say nothing about it"
    assert walk.then(FOUND) == Settled("the value", "lookup")


def test_a_second_absence_that_comes_early_is_none() -> None:
    walk = Walk()
    walk.then(LOST, Absent())
    walk.step = LookUp(0.75)

    assert walk.then(Absent()) == LookUp(1.25)
    assert walk.then(Absent()) == Send(0.0)


UNREADABLE: list[Problem] = [*UNKNOWN, *NOT_SENT, UNTRUSTED, *DEFERRED, *CLEAR, FOREIGN[0], FOREIGN[-1], foreign(403)]


@for_each_problem(UNREADABLE)
def test_a_look_up_that_cannot_be_read_is_repeated_and_nothing_is_sent_on_it(problem: Problem) -> None:
    walk = Walk(chance=0.0)

    for _ in range(20):
        assert walk.then(LOST if not walk.state.sends else problem) == LookUp(0.5)
    assert walk.state.sends == 1


@for_each_problem(UNREADABLE)
def test_an_unreadable_look_up_between_two_absences_neither_counts_nor_spoils(problem: Problem) -> None:
    walk = Walk(chance=0.0)

    assert walk.then(LOST, problem, Absent()) == LookUp(2.0)
    assert walk.then(problem) == LookUp(0.5)
    assert walk.then(Absent()) == Send(0.0)


@for_each_problem(UNREADABLE)
def test_unreadable_until_the_time_is_up_it_is_unknown(problem: Problem) -> None:
    walk = Walk(total=30.0)
    walk.then(LOST)
    while isinstance(walk.step, LookUp):
        walk.then(problem)

    assert isinstance(walk.step, GiveUp)
    assert type(walk.step.error) is OutcomeUnknownError
    assert "(it broke)" in walk.step.error.message
    assert walk.now < 30.0
    assert walk.state.look_ups < 12, "waits grow"
    assert walk.state.sends == 1


def test_waits_between_unreadable_look_ups_grow_up_to_the_cap() -> None:
    walk = Walk(total=1000.0)
    walk.then(LOST)

    waits = []
    for _ in range(6):
        step = walk.then(LOST)
        assert isinstance(step, LookUp)
        waits.append(step.wait)

    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_and_start_small_again_after_the_next_try() -> None:
    walk = Walk(total=1000.0)
    walk.then(LOST, LOST, LOST, LOST, Absent(), Absent())

    assert walk.then(LOST, LOST) == LookUp(1.0)


def test_the_lists_own_wish_is_heard() -> None:
    busy = RateLimitedError("slow down", status=429, retry_after=7.0)

    assert Walk().then(LOST, busy) == LookUp(7.0)
    assert type(Walk(total=7.5).ends(LOST, busy)) is OutcomeUnknownError


@for_each_problem([RateLimitedError("x", status=429, retry_after=0.0), ServerError("x", status=503, retry_after=0.0)])
def test_a_list_that_asks_for_no_wait_is_not_hammered(problem: APIError) -> None:
    walk = Walk(total=30.0)
    walk.then(LOST)
    while isinstance(walk.step, LookUp) and walk.state.look_ups < 1000:
        walk.then(problem)

    assert walk.state.look_ups <= 60, "not even one every half a second"


@for_each_problem(FATAL)
def test_a_look_up_whose_key_is_refused_ends_the_call(problem: GameballError) -> None:
    error = Walk().ends(LOST, problem)

    assert type(error) is type(problem)
    assert error.outcome == "unknown"


@pytest.mark.parametrize("call", KEYED)
@for_each_problem([*CLEAR, *DUPLICATE])
def test_every_refusal_after_a_lost_try_is_looked_up(call: str, problem: APIError) -> None:
    walk = Walk(call)

    step = walk.then(LOST, Absent(), Absent(), problem)

    at_once = isinstance(problem, DuplicateTransactionError | TransactionTimeTakenError)
    assert step == LookUp(0.0 if at_once else 0.5)
    assert walk.then(FOUND) == Settled("the value", "lookup")


@pytest.mark.parametrize("call", KEYED)
@for_each_problem([*CLEAR, *DUPLICATE])
def test_refused_and_absent_twice_it_is_unknown_with_the_code_and_not_sent_again(call: str, problem: APIError) -> None:
    walk = Walk(call)

    assert walk.then(LOST, Absent(), Absent(), problem, Absent()) == LookUp(2.0)
    error = walk.ends(Absent())

    assert isinstance(error, OutcomeUnknownError)
    assert error.code == problem.code
    assert problem.message in error.message
    assert walk.state.sends == 2


@for_each_problem(UNUSABLE)
def test_refused_and_no_longer_to_be_looked_up_it_is_unknown_with_the_code(problem: Failure) -> None:
    few = InsufficientBalanceError("too few", status=422, code=309)
    error = Walk().ends(LOST, Absent(), Absent(), few, problem)

    assert isinstance(error, OutcomeUnknownError)
    assert error.code == 309


@for_each_problem([problem for problem in UNREADABLE if problem is not UNTRUSTED])
def test_refused_and_unreadable_until_the_time_is_up_it_is_unknown_with_the_code(problem: Problem) -> None:
    walk = Walk(total=20.0)
    walk.then(LOST, Absent(), Absent(), InsufficientBalanceError("too few", status=422, code=309))
    while isinstance(walk.step, LookUp):
        walk.then(problem)

    assert isinstance(walk.step, GiveUp)
    assert isinstance(walk.step.error, OutcomeUnknownError)
    assert walk.step.error.code == 309
    assert walk.state.sends == 2


@pytest.mark.parametrize("call", KEYED)
@for_each_problem(DUPLICATE)
def test_after_a_lost_try_another_transaction_under_the_id_is_told(call: str, problem: APIError) -> None:
    error = Walk(call).ends(LOST, Absent(), Absent(), problem, Different())

    assert type(error) is DuplicateTransactionError
    assert error.outcome == "unknown"


@pytest.mark.parametrize("call", KEYED)
@for_each_problem([*UNKNOWN, FOREIGN[0], foreign(403)])
def test_another_transaction_under_the_id_ends_a_call_in_doubt_and_nothing_is_resent(
    call: str, problem: Problem
) -> None:
    for events in (
        [problem, Different()],
        [problem, Absent(), Different()],
        [LOST, Absent(), Absent(), problem, Different()],
    ):
        walk = Walk(call)
        error = walk.ends(*events)

        assert (type(error), error.outcome) == (DuplicateTransactionError, "unknown")
        assert walk.state.sends == (2 if len(events) == 5 else 1)


@pytest.mark.parametrize("call", KEYED)
@for_each_problem(NOT_SENT)
def test_a_try_that_never_left_after_a_lost_one_is_looked_up_before_the_next(call: str, problem: Problem) -> None:
    walk = Walk(call)

    assert walk.then(LOST, Absent(), Absent(), problem) == LookUp(0.5)
    assert walk.then(Absent(), Absent()) == Send(0.0)


@pytest.mark.parametrize("call", KEYED)
@for_each_problem(DEFERRED)
def test_put_off_after_a_lost_try_that_was_not_found_it_is_sent_again(call: str, problem: APIError) -> None:
    assert isinstance(Walk(call).then(LOST, Absent(), Absent(), problem), Send)


@pytest.mark.parametrize("call", KEYED)
def test_what_nobody_knows_how_to_look_up_is_not_sent_blindly_again(call: str) -> None:
    blind = evolve(CALLS[call], reconciliation=None)
    state = CallState(operation=blind, retries=Retries(), deadline=90.0, budget=Budget())

    step = state.after_send(LOST, 0.0)

    assert isinstance(step, GiveUp)
    assert type(step.error) is OutcomeUnknownError


@pytest.mark.parametrize("call", KEYED)
def test_when_the_attempts_are_spent_it_is_looked_up_and_then_unknown(call: str) -> None:
    walk = Walk(call)

    lost_and_absent: list[Event] = [LOST, Absent(), Absent()]
    error = walk.ends(*lost_and_absent * 4)

    assert type(error) is OutcomeUnknownError
    assert CALLS[call].check in error.message
    assert (walk.state.sends, walk.state.look_ups) == (4, 8)
    assert walk.budget.left == 17.0


def test_without_a_budget_it_is_looked_up_and_not_sent_again() -> None:
    walk = Walk(budget=0.0)

    assert type(walk.ends(LOST, Absent(), Absent())) is OutcomeUnknownError
    assert walk.state.look_ups == 2


@pytest.mark.parametrize(
    ("total", "events"),
    [(0.0, [LOST]), (0.5, [LOST]), (2.5, [LOST, Absent()]), (0.0, [api_error(500, 13, None)])],
    ids=["late", "no time to look", "no time to look twice", "late with an answer"],
)
def test_a_look_up_that_does_not_fit_is_not_begun(total: float, events: list[Event]) -> None:
    assert type(Walk(total=total).ends(*events)) is OutcomeUnknownError


def test_nor_is_a_resend_begun_when_the_time_is_up() -> None:
    walk = Walk(total=2.6)
    walk.then(LOST, Absent())
    walk.now += 0.2

    assert type(walk.ends(Absent())) is OutcomeUnknownError


# --- duplicates at the first try


@pytest.mark.parametrize("call", KEYED)
@pytest.mark.parametrize(
    "before", [[], [DEFERRED[0]], [UNSENT]], ids=["first", "after 429", "after one that never left"]
)
@for_each_problem(DUPLICATE)
def test_a_duplicate_is_looked_up_at_once_and_returned_when_it_is_the_same(
    call: str, before: list[Problem], problem: APIError
) -> None:
    walk = Walk(call)

    assert walk.then(*before, problem) == LookUp(0.0)
    assert walk.then(FOUND) == Settled("the value", "duplicate")


@pytest.mark.parametrize("call", KEYED)
@for_each_problem(DUPLICATE)
def test_another_transaction_under_the_id_is_a_duplicate_and_nothing_was_applied(call: str, problem: APIError) -> None:
    error = Walk(call).ends(problem, Different())

    assert isinstance(error, DuplicateTransactionError)
    assert error.outcome == "not_applied"
    assert (error.status, error.code) == (problem.status, problem.code)
    assert "different transaction" in error.message


@for_each_problem(DUPLICATE)
def test_a_duplicate_that_a_second_read_tells_apart_is_another_transaction(problem: APIError) -> None:
    walk = Walk("refund")
    settled = walk.then(problem, FOUND)
    assert isinstance(settled, Settled)
    step = walk.state.after_detail(settled, Different())

    assert isinstance(step, GiveUp)
    assert isinstance(step.error, DuplicateTransactionError)
    assert (step.error.outcome, step.error.code) == ("not_applied", problem.code)


@pytest.mark.parametrize("before", [[LOST], [LOST, Absent(), Absent(), DUPLICATE[0]]], ids=["in doubt", "then refused"])
def test_a_second_read_that_lacks_a_write_in_doubt_never_makes_it_done(before: list[Event]) -> None:
    walk = Walk("refund")
    settled = walk.then(*before, FOUND)
    assert isinstance(settled, Settled)

    step = walk.state.after_detail(settled, Different())
    assert isinstance(step, GiveUp)
    assert (type(step.error), step.error.outcome) == (DuplicateTransactionError, "unknown")
    assert walk.state.after_detail(settled, Absent()) == settled
    assert walk.state.after_detail(settled, Found("more")) == Settled("more", "lookup")


@pytest.mark.parametrize("call", KEYED)
def test_a_duplicate_that_is_nowhere_is_looked_up_twice_and_is_unknown(call: str) -> None:
    walk = Walk(call)

    assert walk.then(DUPLICATE[0], Absent()) == LookUp(2.0)
    error = walk.ends(Absent())

    assert type(error) is DuplicateTransactionError
    assert error.outcome == "unknown"
    assert walk.state.sends == 1


@for_each_problem([problem for problem in UNREADABLE if problem is not UNTRUSTED])
@pytest.mark.parametrize("duplicate", DUPLICATE, ids=named)
def test_a_duplicate_that_cannot_be_looked_up_is_unknown(problem: Problem, duplicate: APIError) -> None:
    walk = Walk(total=10.0)
    walk.then(duplicate)
    while isinstance(walk.step, LookUp):
        walk.then(problem)

    assert isinstance(walk.step, GiveUp)
    assert type(walk.step.error) is type(duplicate)
    assert walk.step.error.outcome == "unknown"
    assert walk.state.sends == 1


@for_each_problem(FATAL)
def test_a_duplicate_whose_look_up_is_refused_is_not_said_to_be_not_applied(problem: GameballError) -> None:
    assert Walk().ends(DUPLICATE[0], problem).outcome == "unknown"


@for_each_problem(DUPLICATE)
def test_a_duplicate_without_time_to_look_is_unknown(problem: APIError) -> None:
    error = Walk(total=0.0).ends(problem)

    assert type(error) is type(problem)
    assert error.outcome == "unknown"


def test_a_taken_time_that_the_caller_gave_is_unknown_after_two_absences_for_a_list_may_lag() -> None:
    walk = Walk("with its own time")

    assert walk.then(DUPLICATE[1], Absent()) == LookUp(2.0)
    error = walk.ends(Absent())

    assert type(error) is TransactionTimeTakenError
    assert error.outcome == "unknown"
    assert walk.state.look_ups == 2


@pytest.mark.parametrize("call", [call for call in KEYED if call != "with its own time"])
def test_a_taken_time_that_we_gave_is_stamped_anew(call: str) -> None:
    walk = Walk(call)

    assert walk.then(DUPLICATE[1], Absent()) == LookUp(2.0)
    assert walk.then(Absent()) == Send(0.0, restamp=True)
    assert walk.budget.left == 19.0
    assert walk.then(DUPLICATE[1], Absent(), Absent()) == Send(0.0, restamp=True)


@pytest.mark.parametrize(
    ("retries", "budget"), [(Retries(attempts=1), 20.0), (Retries(), 0.0)], ids=["attempts spent", "budget empty"]
)
def test_a_taken_time_that_cannot_be_stamped_anew_was_still_refused(retries: Retries, budget: float) -> None:
    error = Walk(retries=retries, budget=budget).ends(DUPLICATE[1], Absent(), Absent())

    assert type(error) is TransactionTimeTakenError
    assert error.outcome == "not_applied"


def test_after_a_lost_try_a_taken_time_may_be_our_own_and_is_not_stamped_anew() -> None:
    walk = Walk()

    assert walk.then(LOST, Absent(), Absent(), DUPLICATE[1], Absent()) == LookUp(2.0)
    assert type(walk.ends(Absent())) is OutcomeUnknownError


def test_what_was_stamped_anew_and_lost_is_sent_again_as_it_was() -> None:
    walk = Walk()

    step = walk.then(DUPLICATE[1], Absent(), Absent(), LOST, Absent(), Absent())

    assert step == Send(0.0, restamp=False)


def test_an_unreadable_look_up_does_not_stamp_anew() -> None:
    assert Walk(chance=0.0).then(DUPLICATE[1], LOST) == LookUp(0.5)


# --- what something else than the API answered


@pytest.mark.parametrize("call", KEYED)
@for_each_problem(FOREIGN)
def test_a_keyed_write_that_a_stranger_answered_is_looked_up_and_never_sent_again(call: str, problem: Problem) -> None:
    walk = Walk(call)

    assert walk.then(problem) == LookUp(0.5)
    assert walk.then(Absent()) == LookUp(2.0)
    error = walk.ends(Absent())

    assert (type(error), error.outcome) == (type(problem), "not_applied")
    assert walk.state.sends == 1
    assert Walk(call).then(problem, Absent(), FOUND) == Settled("the value", "lookup")


@pytest.mark.parametrize("call", KEYED)
@for_each_problem(FOREIGN)
def test_after_a_try_in_doubt_it_is_unknown(call: str, problem: Problem) -> None:
    error = Walk(call).ends(LOST, Absent(), Absent(), problem, Absent(), Absent())

    assert (type(error), error.outcome) == (OutcomeUnknownError, "unknown")


@pytest.mark.parametrize("call", [*NEVER, *SAFE_WRITES, "get once"])
@for_each_problem(FOREIGN)
def test_any_other_write_that_a_stranger_answered_is_unknown_at_once(call: str, problem: GameballError) -> None:
    for before in ([], [DEFERRED[0]], [UNSENT]):
        error = Walk(call).ends(*before, problem)

        assert type(error) is OutcomeUnknownError
        assert problem.message in error.message
        assert CALLS[call].check in error.message


@pytest.mark.parametrize("call", READS)
@for_each_problem(FOREIGN)
def test_a_read_that_a_stranger_answered_raises_that(call: str, problem: GameballError) -> None:
    for before in ([], [LOST]):
        error = Walk(call).ends(*before, problem)

        assert (type(error), error.outcome) == (type(problem), "not_applied")


@for_each_problem(FOREIGN)
def test_a_stranger_that_answers_the_look_up_too_ends_the_call(problem: Problem) -> None:
    for first in (FOREIGN[0], foreign(403)):
        walk = Walk()
        error = walk.ends(first, problem)

        assert (type(error), error.outcome) == (UnexpectedAnswerError, "unknown")
        assert "what answers at base_url is not the API" in error.message
        assert CALLS["cashback"].check in error.message
        assert walk.state.look_ups == 1


@for_each_problem([FOREIGN[0], foreign(403)])
def test_a_stranger_without_time_to_look_is_unknown(problem: Problem) -> None:
    assert type(Walk(total=0.0).ends(problem)) is OutcomeUnknownError


def test_a_strangers_word_for_a_duplicate_is_none() -> None:
    error = DuplicateTransactionError("no", status=409, from_api=False)

    assert Walk().then(error) == LookUp(0.5)
    assert Walk().ends(error, Absent(), Absent()).outcome == "not_applied"
    assert Walk().ends(error, Different()).outcome == "unknown"


# --- how long to wait


@pytest.mark.parametrize(("tries", "most"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (18, 8.0)])
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_waits_grow_with_full_jitter_up_to_the_cap(tries: int, most: float, chance: float) -> None:
    walk = Walk(retries=Retries(attempts=100), total=10**6, chance=chance)

    assert walk.then(*[UNSENT] * tries) == Send(chance * most)


@pytest.mark.parametrize("sends", [1023, 1024, 100_000])
def test_the_thousandth_try_waits_like_the_tenth(sends: int) -> None:
    walk = Walk(retries=Retries(attempts=10**6))
    walk.state.sends = sends

    assert walk.then(UNSENT) == Send(8.0)


@pytest.mark.parametrize("kind", [RateLimitedError, ConcurrentRequestError])
@pytest.mark.parametrize("call", CALLS)
def test_the_apis_own_wish_goes_before_ours(kind: type[APIError], call: str) -> None:
    assert Walk(call).then(kind("later", retry_after=12.5)) == Send(12.5)


def test_a_failing_servers_wish_is_heard_for_what_is_safe() -> None:
    assert Walk("list").then(ServerError("down", status=503, retry_after=3.0)) == Send(3.0)


@pytest.mark.parametrize("call", CALLS)
def test_a_wish_that_does_not_fit_is_told_at_once(call: str) -> None:
    asked = RateLimitedError("slow down", status=429, retry_after=60.0)

    error = Walk(call, total=60.0).ends(asked)

    assert type(error) is RateLimitedError
    assert (error.outcome, error.retry_after) == ("not_applied", 60.0)
    assert Walk(call, total=60.1).then(asked) == Send(60.0)


def test_a_concurrent_request_is_given_a_short_while() -> None:
    busy = api_error(422, 2001, None)

    for call in CALLS:
        walk = Walk(call)
        assert [walk.then(busy) for _ in range(3)] == [Send(0.25), Send(0.5), Send(0.75)]


def test_the_waits_are_as_promised() -> None:
    assert Waits(first_lookup=0.5, between_lookups=2.0, concurrent=0.25) == STANDARD


# --- the budget


def test_a_budget_is_twenty_resends() -> None:
    budget = Budget()

    assert [budget.take() for _ in range(21)] == [True] * 20 + [False]
    assert budget.left == 0


def test_a_resend_that_succeeds_gives_its_own_back_and_any_other_success_a_tenth() -> None:
    budget = Budget(5.0)

    budget.earn(resent=True)
    assert budget.left == 6.0
    budget.earn(resent=False)
    assert budget.left == pytest.approx(6.1)


def test_ten_successes_make_a_resend() -> None:
    budget = Budget(0.0)
    for _ in range(9):
        budget.earn(resent=False)
    assert not budget.take()
    budget.earn(resent=False)
    budget.earn(resent=False)
    assert budget.take()


def test_a_budget_never_grows_beyond_its_beginning() -> None:
    budget = Budget()
    budget.earn(resent=True)
    budget.earn(resent=False)

    assert budget.left == 20.0


# --- any sequence of ends

ASKED = [RateLimitedError("x", status=429, retry_after=wait) for wait in (0.0, 1.0, 45.0)]
PROBLEMS: st.SearchStrategy[Any] = st.sampled_from(
    [*NOT_SENT, UNTRUSTED, *UNUSABLE, *DEFERRED, *ASKED, *FATAL, *CLEAR, *DUPLICATE, *UNKNOWN, FOREIGN[0], foreign(403)]
)
NOTHING: st.SearchStrategy[Event] = st.sampled_from([Absent(), Absent(), Absent(), Different()])
FINDINGS: st.SearchStrategy[Event] = st.one_of(NOTHING, NOTHING, PROBLEMS, st.just(FOUND))
SECONDS = st.floats(0.0, 5.0)


@given(call=st.sampled_from(list(CALLS)), data=st.data())
def test_no_course_sends_what_must_not_be_sent(call: str, data: st.DataObject) -> None:
    operation, attempts, total = CALLS[call], data.draw(st.integers(1, 6)), data.draw(st.floats(0.0, 60.0))
    budget, chance = data.draw(st.floats(0.0, 20.0)), data.draw(st.floats(0.0, 1.0))
    retries = Retries(attempts=attempts)
    purse = Budget(budget)
    state = CallState(operation=operation, retries=retries, deadline=total, budget=purse, chance=lambda: chance)
    now, sends, open_try = 0.0, 0, False
    absences: list[float] = []
    step: Step = Send(0.0)
    for _ in range(200):
        if isinstance(step, Send):
            sends += 1
            assert sends <= attempts
            if open_try:
                assert operation.replay is not Replay.NEVER
                assert not step.restamp, "what may have been applied is sent again only as it was"
                if operation.replay is Replay.BY_TRANSACTION_ID:
                    assert max(absences) - min(absences) > STANDARD.between_lookups - 1e-6
            assert operation.restamp is not None or not step.restamp
            now += step.wait + data.draw(SECONDS)
            problem = copy.copy(data.draw(PROBLEMS))
            step = state.after_send(problem, now)
            if classify(problem) is Disposition.UNKNOWN:
                open_try, absences = True, []
        elif isinstance(step, LookUp):
            assert operation.reconciliation is not None
            now += step.wait + data.draw(SECONDS)
            finding = copy.copy(data.draw(FINDINGS))
            step = state.after_look_up(finding, now)
            if isinstance(finding, Absent | Different):
                absences.append(now)
        else:
            break
        if isinstance(step, Send | LookUp):
            assert math.isfinite(step.wait)
            assert step.wait >= 0
            assert now + step.wait < total, "no step is started that ends too late"
        assert 0 <= purse.left <= budget
        assert state.sends == sends
    else:
        pytest.fail("the call does not end")
    if isinstance(step, GiveUp):
        definite = step.error.outcome == "not_applied"
        assert not (definite and open_try and not operation.reads), "a try in doubt is never called not applied"
        assert type(step.error) is not OutcomeUnknownError or step.error.outcome == "unknown"


# --- Retry-After

NOW = datetime(2015, 10, 21, 7, 27, 30, tzinfo=UTC)
LATER_DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": LATER_DATE}, 30.0),
        ({"Retry-After": LATER_DATE, "Date": "Wed, 21 Oct 2015 07:27:50 GMT"}, 10.0),
        ({"Retry-After": LATER_DATE, "Date": "Wed, 21 Oct 2015 09:27:50 +0200"}, 10.0),
        ({"Retry-After": LATER_DATE, "Date": "Wed, 21 Oct 2015 07:27:50 -0000"}, 10.0),
        ({"Retry-After": LATER_DATE, "Date": "Wed, 21 Oct 2015 08:00:00 GMT"}, 0.0),
        ({"Retry-After": LATER_DATE, "Date": "garbage"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:26:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
        ({"Retry-After": "Wed, 21 Oct 99999 07:28:00 GMT"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "-inf"}, 0.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "1e999"}, None),
        ({"Date": LATER_DATE}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


HEADER = st.one_of(st.text(), st.from_regex(r"(\w{3}, )?\d{1,6} \w{3,9} \d{1,6} [\d:]{1,12} ?[-+]?\w{0,12}"))


@given(HEADER, HEADER)
def test_no_header_whatsoever_breaks_the_reading(wish: str, date: str) -> None:
    seconds = retry_after({"Retry-After": wish, "Date": date}, NOW)

    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))

"""Looking up: duplicates in every position, a list that lags, a list that fails."""

import asyncio
import time
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

import pytest
from attrs import evolve

from gameball import (
    APIError,
    AuthenticationError,
    DuplicateTransactionError,
    GameballError,
    OutcomeUnknownError,
    Retries,
    Timeouts,
    TransactionTimeTakenError,
)
from gameball.core.waits import STANDARD
from gameball.sandbox import faults
from tests.support.till import SHORT, Till, effect_of, operation

pytestmark = pytest.mark.many_cases

KEYED = ("cashback", "redeem", "refund", "manual")

LAGGING = faults.Status(200, {"transactions": [], "count": 0, "total": 0})
HURRY = Timeouts(connect=0.2, attempt=0.1, total=0.2)


def refusal(code: int) -> faults.Status:
    return faults.Status(422, {"code": code, "message": "refused"})


DUPLICATES = pytest.mark.parametrize("code", [304, 305, 9003, 9004])
FAILURES: list[faults.Fault] = [
    faults.Status(500),
    faults.Status(503),
    faults.Status(404),
    faults.Status(400, {"code": 7}),
    faults.Html(),
    faults.Reset(),
    faults.Close(),
    faults.CutBody(),
    faults.CutBody(with_length=False),
    faults.EmptyBody(),
    faults.Delay(0.3),
    faults.TooManyRequests(),
    faults.Garbage(),
    faults.Status(200, {"transactions": "none"}),
    faults.Status(200, {}),
]
REDIRECT = faults.Redirect(code=307)


# --- a list that lags


@pytest.mark.parametrize("lag", [1, 2, 3])
async def test_a_list_that_lags_behind_costs_no_second_effect(till: Till, keyed: str, lag: int) -> None:
    await till.open()
    till.arm("list", LAGGING, times=lag)
    till.arm(keyed, faults.Reset(), effect="after")
    delivered = await till.client.deliver(operation(keyed))

    assert effect_of(keyed, delivered.value) == till.original()
    assert delivered.settled_by == "lookup"
    assert len(set(till.sent(keyed))) == 1
    assert len(till.sent(keyed)) == (1 if lag < 2 else 2)


async def test_a_list_that_lags_for_ever_ends_as_unknown_with_the_last_refusal(till: Till, keyed: str) -> None:
    await till.open()
    till.arm("list", LAGGING, times=10_000)
    till.arm(keyed, faults.Reset(), effect="after")
    with pytest.raises(OutcomeUnknownError) as raised:
        await till.client.send(operation(keyed))

    assert raised.value.code in (304, 305)
    assert raised.value.transaction_id == "t1"
    assert len(till.rows()) == 1


@pytest.mark.thorough
async def test_two_look_ups_really_lie_half_a_second_and_two_seconds_apart(till: Till) -> None:
    await till.open(timeouts=Timeouts(total=20), waits=STANDARD)
    till.arm("cashback", faults.Reset())
    began = time.monotonic()
    await till.client.send(operation("cashback"))

    assert 2.5 <= time.monotonic() - began < 3.5
    first, look, again, second = [request.time for request in list(till.sandbox.requests)[-4:]]
    assert (look - first).total_seconds() >= 0.49
    assert (again - look).total_seconds() >= 1.99
    assert second >= again


# --- a list that fails


@pytest.mark.parametrize(("failure", "keyed"), list(zip(FAILURES, cycle(KEYED), strict=False)), ids=repr)
async def test_a_list_that_cannot_be_read_for_a_while_is_asked_again_and_nothing_is_sent_on_it(
    till: Till, keyed: str, failure: faults.Fault
) -> None:
    await till.open(timeouts=Timeouts(attempt=0.1, total=5))
    till.arm(keyed, faults.Close(), effect="after")
    till.arm("list", failure, times=2)
    delivered = await till.client.deliver(operation(keyed))

    assert effect_of(keyed, delivered.value) == till.original()
    assert len(till.sent(keyed)) == 1


@pytest.mark.parametrize(
    ("failure", "effect"), list(zip([*FAILURES, REDIRECT], cycle(["before", "after"]), strict=False)), ids=repr
)
async def test_a_list_that_never_can_be_read_ends_as_unknown_within_the_total_and_nothing_is_resent(
    till: Till, failure: faults.Fault, effect: str
) -> None:
    await till.open(timeouts=HURRY)
    till.arm("cashback", faults.Close(), effect=effect)
    till.arm("list", failure, times=10_000)
    began = time.monotonic()
    with pytest.raises(GameballError) as raised:
        await till.client.send(operation("cashback"))

    assert time.monotonic() - began < HURRY.total + 0.3
    assert raised.value.outcome == "unknown"
    assert "transaction_id=t1" in str(raised.value)
    assert len(till.sent("cashback")) == 1
    if failure != REDIRECT:
        assert type(raised.value) is OutcomeUnknownError


async def test_without_a_list_each_kind_ends_as_unknown_and_is_sent_once(till: Till, keyed: str) -> None:
    await till.open(timeouts=HURRY)
    till.arm(keyed, faults.Reset(), effect="after")
    till.arm("list", faults.Status(503), times=10_000)
    with pytest.raises(OutcomeUnknownError, match="look for its transaction_id") as raised:
        await till.client.send(operation(keyed))

    assert raised.value.transaction_id == "t1"
    assert (len(till.sent(keyed)), len(till.rows())) == (1, 1)


async def test_an_unreadable_look_up_between_two_that_find_nothing_proves_nothing(till: Till, keyed: str) -> None:
    await till.open()
    till.arm(keyed, faults.Reset())
    till.arm("list", faults.Status(500), nth=2, times=3)
    delivered = await till.client.deliver(operation(keyed))

    assert effect_of(keyed, delivered.value) == till.original()
    assert (delivered.attempts, delivered.lookups) == (2, 5)


async def test_keys_that_are_refused_in_the_look_up_end_the_call_as_unknown(till: Till, keyed: str) -> None:
    await till.open()
    till.arm(keyed, faults.Reset(), effect="after")
    till.arm("list", faults.Status(401, {"code": 1000, "message": "no"}))
    with pytest.raises(AuthenticationError) as raised:
        await till.client.send(operation(keyed))

    assert raised.value.outcome == "unknown"
    assert len(till.sent(keyed)) == 1


@pytest.mark.parametrize("failure", [faults.Status(500), faults.Reset(), faults.Html(), LAGGING], ids=repr)
async def test_a_refund_found_in_the_list_is_told_from_its_row_when_the_order_cannot_be_read(
    till: Till, failure: faults.Fault
) -> None:
    await till.open()
    till.arm("refund", faults.Reset(), effect="after")
    till.arm("for_order", failure)
    delivered = await till.client.deliver(operation("refund"))

    assert effect_of("refund", delivered.value) == till.original()
    assert len(delivered.value.order_transactions) == 1
    assert (delivered.value.total, delivered.value.count) == (None, None)


# --- 304 and 305 in every position


@DUPLICATES
async def test_first_and_already_there_it_is_returned_as_a_duplicate(till: Till, keyed: str, code: int) -> None:
    await till.open()
    till.arm(keyed, refusal(code), effect="after")
    delivered = await till.client.deliver(operation(keyed))

    assert effect_of(keyed, delivered.value) == till.original()
    assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("duplicate", 1, 1)


async def test_the_same_call_a_second_time_returns_what_the_first_did(till: Till, keyed: str) -> None:
    await till.open()
    call = operation(keyed)
    first = await till.client.deliver(call)
    second = await till.client.deliver(call)
    third = await till.client.deliver(operation(keyed))

    assert (first.settled_by, second.settled_by, third.settled_by) == ("answer", "duplicate", "duplicate")
    assert {effect_of(keyed, delivered.value) for delivered in (first, second, third)} == {till.original()}


@pytest.mark.parametrize("kind", ["redeem", "refund", "manual"])
async def test_the_id_of_another_kind_is_a_duplicate_and_not_applied(till: Till, kind: str) -> None:
    await till.open()
    await till.client.send(operation("cashback"))
    with pytest.raises(DuplicateTransactionError) as raised:
        await till.client.send(operation(kind))

    assert raised.value.outcome == "not_applied"
    assert len(till.rows()) == 1


@pytest.mark.parametrize(
    "other",
    [{"amount": 51}, {"player_unique_id": "player124"}],
    ids=["amount", "player"],
)
async def test_the_same_id_with_another_content_is_a_duplicate_and_not_applied(
    till: Till, other: dict[str, Any]
) -> None:
    await till.open()
    call: dict[str, Any] = {"player_unique_id": "p", "transaction_id": "t1", "amount": 50}
    await till.client.transactions.cashback(**call)
    with pytest.raises(DuplicateTransactionError) as raised:
        await till.client.transactions.cashback(**{**call, **other})

    assert (raised.value.outcome, raised.value.code) == ("not_applied", 305)
    assert len(till.rows()) == 1


@pytest.mark.parametrize("code", [305, 9004])
@pytest.mark.parametrize("failure", [None, faults.Status(500)], ids=["absent", "unreadable"])
async def test_first_and_not_to_be_found_it_is_the_same_error_with_an_unknown_outcome(
    till: Till, keyed: str, code: int, failure: faults.Fault | None
) -> None:
    await till.open(timeouts=HURRY)
    till.arm(keyed, refusal(code))
    if failure:
        till.arm("list", failure, times=10_000)
    with pytest.raises(DuplicateTransactionError) as raised:
        await till.client.send(operation(keyed))

    assert (raised.value.outcome, raised.value.code, raised.value.transaction_id) == ("unknown", code, "t1")
    assert len(till.sent(keyed)) == 1


@pytest.mark.parametrize("code", [304, 9003])
async def test_a_time_of_ours_that_is_taken_is_stamped_anew(till: Till, keyed: str, code: int) -> None:
    await till.open()
    till.arm(keyed, refusal(code))
    delivered = await till.client.deliver(operation(keyed))

    assert effect_of(keyed, delivered.value) == till.original()
    first, second = till.sent(keyed)
    assert first != second


async def test_a_time_of_the_callers_that_is_taken_is_his_to_change_and_a_list_may_lag(till: Till) -> None:
    await till.open()
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    call: dict[str, Any] = {"player_unique_id": "p", "amount": 50, "transaction_time": noon}
    await till.client.transactions.cashback(transaction_id="t1", **call)
    with pytest.raises(TransactionTimeTakenError) as raised:
        await till.client.transactions.cashback(transaction_id="tra_2", **call)

    assert raised.value.outcome == "unknown"
    assert till.rows("tra_2") == []


async def test_what_was_stamped_anew_and_lost_is_sent_again_with_the_new_stamp(till: Till, keyed: str) -> None:
    await till.open()
    till.arm(keyed, refusal(304))
    till.arm(keyed, faults.Reset())
    delivered = await till.client.deliver(operation(keyed))

    assert effect_of(keyed, delivered.value) == till.original()
    first, second, third = till.sent(keyed)
    assert first != second == third


@DUPLICATES
async def test_after_a_lost_try_that_was_applied_it_is_found(till: Till, keyed: str, code: int) -> None:
    await till.open()
    till.arm("list", LAGGING, times=2)
    till.arm(keyed, faults.Reset(), effect="after")
    till.arm(keyed, refusal(code))
    delivered = await till.client.deliver(operation(keyed))

    assert effect_of(keyed, delivered.value) == till.original()
    assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("lookup", 2, 3)


@pytest.mark.parametrize(
    ("code", "keyed"),
    list(zip([3, 7, 101, 301, 302, 303, 304, 305, 306, 307, 308, 309, 9003, 9008], cycle(KEYED), strict=False)),
)
async def test_after_a_lost_try_any_refusal_is_looked_up_and_absent_it_is_unknown_with_its_code(
    till: Till, keyed: str, code: int
) -> None:
    await till.open()
    till.arm(keyed, faults.Reset())
    till.arm(keyed, refusal(code))
    with pytest.raises(OutcomeUnknownError) as raised:
        await till.client.send(operation(keyed))

    assert (raised.value.code, raised.value.outcome, raised.value.attempts) == (code, "unknown", 2)
    assert len(till.sent("list")) == 4


@pytest.mark.parametrize(("code", "keyed"), list(zip([302, 304, 305, 307, 309], cycle(KEYED), strict=False)))
async def test_after_a_lost_try_a_refusal_is_found_out_to_be_a_success(till: Till, keyed: str, *, code: int) -> None:
    await till.open(waits=evolve(SHORT, between_lookups=0.05))
    till.arm(keyed, faults.Status(504), effect="later", later=0.07)
    till.arm(keyed, refusal(code))
    till.arm("list", LAGGING, times=3)
    value = await till.client.send(operation(keyed))

    assert effect_of(keyed, value) == till.original()


@pytest.mark.parametrize(("code", "keyed"), list(zip([3, 7, 101, 302, 303, 307, 308, 309], cycle(KEYED), strict=False)))
async def test_a_refusal_on_the_first_try_is_not_looked_up(till: Till, keyed: str, code: int) -> None:
    await till.open()
    till.arm(keyed, refusal(code))
    with pytest.raises(APIError) as raised:
        await till.client.send(operation(keyed))

    assert (raised.value.outcome, raised.value.code, raised.value.attempts) == ("not_applied", code, 1)
    assert till.sent("list") == []


@pytest.mark.parametrize("code", [50, 51, 1000, 1001, 1002, 8000])
@pytest.mark.parametrize("in_doubt", [False, True], ids=["first", "after a in_doubt try"])
async def test_what_would_stop_every_call_is_raised_at_once(till: Till, code: int, *, in_doubt: bool) -> None:
    await till.open()
    if in_doubt:
        till.arm("cashback", faults.Reset())
    till.arm("cashback", refusal(code))
    with pytest.raises(APIError) as raised:
        await till.client.send(operation("cashback"))

    assert raised.value.code == code
    assert raised.value.outcome == ("unknown" if in_doubt else "not_applied")
    assert len(till.sent("list")) == (2 if in_doubt else 0)


async def test_many_lost_calls_side_by_side_each_find_their_own(till: Till, keyed: str) -> None:
    await till.open(retries=Retries(backoff=0.01, cap=0.02))
    till.arm(keyed, faults.Reset(), effect="after", times=15)
    ids = [f"tra_{number}" for number in range(15)]
    values = await asyncio.gather(*(till.client.send(operation(keyed, name)) for name in ids))

    for name, value in zip(ids, values, strict=True):
        assert effect_of(keyed, value, name) == till.original(name)

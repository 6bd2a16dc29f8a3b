"""Whatever is wrong with the answer: one effect, and the caller learns of it."""

import asyncio
from itertools import cycle
from typing import Any

import pytest

from gameball import APIError, OutcomeUnknownError, Retries, ServerError, Timeouts
from gameball.sandbox import faults
from tests.support.till import Struck, Till, effect_of, operation

pytestmark = pytest.mark.many_cases

KEYED = ("cashback", "redeem", "refund", "manual")

BROKEN: dict[str, faults.Fault] = {
    "reset": faults.Reset(),
    "close": faults.Close(),
    "cut body": faults.CutBody(),
    "cut before the body": faults.CutBody(0),
    "cut at its last byte": faults.CutBody(10**6),
    "cut body without a length": faults.CutBody(with_length=False),
    "cut at its last byte without a length": faults.CutBody(10**6, with_length=False),
    "no answer in time": faults.Delay(10.0),
    "drip": faults.Drip(interval=0.05),
    "garbage": faults.Garbage(),
    "garbage without a line": faults.Garbage(b"\x00\xff" * 40),
    "header of 100 kB": faults.HugeHeaders(100_000),
    "HTML 200": faults.Html(),
    "HTML 502": faults.Html(502),
    "empty 200": faults.EmptyBody(),
    "null": faults.Status(200, b"null"),
    "a list": faults.Status(200, []),
    "a number": faults.Status(200, 5),
    "an empty object": faults.Status(200, {}),
    "wrong types": faults.Status(
        200, {"gameballTransactionId": {"a": 1}, "rewardedPoints": [], "orderTransactions": 7}
    ),
    "no id": faults.Status(200, {"playerUniqueId": "p", "orderTransactions": [{}]}),
    "deep": faults.Status(200, b"[" * 100_000),
    "latin-1": faults.Status(200, b'{"playerUniqueId": "\xe9"}'),
    "corrupt gzip": faults.Status(200, b"\x1f\x8b\x08\x00" + b"\xff" * 60, {"Content-Encoding": "gzip"}),
    "an encoding nobody knows": faults.Status(200, b"?", {"Content-Encoding": "zz"}),
    "gzip bomb": faults.GzipBomb(20),
    "endless": faults.EndlessBody(12),
    "204": faults.Status(204),
    "206": faults.Status(206, b"{}"),
    "code 13": faults.Status(422, {"code": 13, "message": "something went wrong"}),
    "code 13 with 200": faults.Status(200, {"code": 13, "message": "something went wrong"}),
    "code 4500": faults.Status(400, {"code": 4500, "message": "something went wrong"}),
    **{str(status): faults.Status(status) for status in (408, 425, 499, 500, 502, 503, 504, 520, 599)},
    "500 with a code": faults.Status(500, {"code": 309, "message": "insufficient"}),
    "503 with Retry-After": faults.Status(503, headers={"Retry-After": "0"}),
}


def arm(till: Till, kind: str, fault: faults.Fault, **how: Any) -> None:
    """Have one of these strike the next call of its kind."""
    too_long = isinstance(fault, faults.Delay | faults.Drip)
    (till.arm_for_too_long if too_long else till.arm)(kind, fault, **how)


EACH_FAULT = pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)


@EACH_FAULT
async def test_after_the_effect_the_original_result_is_returned_and_nothing_is_sent_twice(
    till: Till, fault: faults.Fault
) -> None:
    await till.open()
    for kind in KEYED:
        arm(till, kind, fault, effect="after")

    for kind, delivered in (await till.together(KEYED)).items():
        assert effect_of(kind, delivered.value, kind) == till.original(kind)
        assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("lookup", 1, 1)
        assert len(till.sent(kind)) == 1


@EACH_FAULT
async def test_before_the_effect_the_same_bytes_are_sent_again_and_it_is_applied_once(
    till: Till, fault: faults.Fault
) -> None:
    await till.open()
    for kind in KEYED:
        arm(till, kind, fault)

    for kind, delivered in (await till.together(KEYED)).items():
        assert effect_of(kind, delivered.value, kind) == till.original(kind)
        assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("answer", 2, 2)
        first, second = till.sent(kind)
        assert first == second


@pytest.mark.parametrize(
    ("fault", "effect"), list(zip(BROKEN.values(), cycle(["before", "after", "after"]), strict=False)), ids=BROKEN
)
async def test_what_has_no_id_is_sent_once_and_the_error_says_what_to_check(
    till: Till, fault: faults.Fault, effect: str
) -> None:
    await till.open()
    for kind in ("hold", "create_coupon"):
        arm(till, kind, fault, effect=effect)
        with pytest.raises(OutcomeUnknownError, match="outcome unknown") as raised:
            await till.client.send(operation(kind))

        assert (raised.value.outcome, raised.value.attempts) == ("unknown", 1)
        assert raised.value.message.endswith(operation(kind).check)
        assert len(till.sent(kind)) == 1
        assert till.effects(kind) == (effect == "after")


@EACH_FAULT
async def test_reads_are_repeated(till: Till, fault: faults.Fault) -> None:
    await till.open()
    undisturbed = await till.together(("list", "for_order"))
    for kind in undisturbed:
        arm(till, kind, fault)

    for kind, delivered in (await till.together(("list", "for_order"))).items():
        assert delivered.value == undisturbed[kind].value
        assert delivered.attempts == 2


@pytest.mark.parametrize("fault", [faults.Reset(), faults.Status(500), faults.Delay(0.2)], ids=repr)
@pytest.mark.parametrize("effect", ["before", "after"])
async def test_a_reversed_hold_is_reversed_however_the_answer_was_lost(
    till: Till, fault: faults.Fault, effect: str
) -> None:
    await till.open()
    hold = await till.client.transactions.hold(player_unique_id="p", hold_points=5)
    till.arm("reverse_hold", fault, effect=effect)
    await till.client.transactions.reverse_hold(hold.hold_reference)

    assert till.sandbox.ledger.holds("p") == []


@pytest.mark.parametrize("times", [2, 3])
async def test_several_lost_answers_in_a_row_still_make_one_effect(till: Till, times: int) -> None:
    await till.open()
    for kind in KEYED:
        till.arm(kind, faults.Reset(), times=times)
        till.arm(kind, faults.Close(), effect="after")

    for kind, delivered in (await till.together(KEYED)).items():
        assert effect_of(kind, delivered.value, kind) == till.original(kind)
        assert (delivered.settled_by, delivered.attempts) == ("lookup", times + 1)
        assert len(set(till.sent(kind))) == 1


@pytest.mark.parametrize("later", [0.005, 0.02, 0.05, 0.1])
async def test_a_server_that_was_only_slow_applies_it_once(till: Till, keyed: str, later: float) -> None:
    await till.open()
    till.arm(keyed, faults.Reset(), effect="later", later=later)
    value = await till.client.send(operation(keyed))

    assert effect_of(keyed, value) == till.original()


async def test_when_every_try_is_lost_before_its_effect_the_tries_are_used_up_and_the_outcome_is_unknown(
    till: Till, keyed: str
) -> None:
    await till.open(retries=Retries(attempts=3, backoff=0.01, cap=0.02))
    till.arm(keyed, faults.Status(502), times=3)
    with pytest.raises(OutcomeUnknownError, match=r"outcome unknown: .*transaction_id=t1") as raised:
        await till.client.send(operation(keyed))

    assert (raised.value.outcome, raised.value.attempts, raised.value.transaction_id) == ("unknown", 3, "t1")
    assert (len(till.sent(keyed)), len(set(till.sent(keyed))), len(till.sent("list"))) == (3, 1, 6)
    assert till.rows() == []


@pytest.mark.parametrize("fault", [faults.Status(503), faults.Html(502)], ids=repr)
async def test_reads_end_with_the_last_error(till: Till, fault: faults.Fault) -> None:
    await till.open()
    till.arm("list", fault, times=4)
    with pytest.raises(ServerError) as raised:
        await till.client.transactions.list()

    assert raised.value.attempts == 4


# --- 429 and 2001: put off, not applied

FORMS: dict[str, tuple[str | None, str | None, float]] = {
    "seconds": ("1", None, 1.0),
    "float": ("0.05", None, 0.05),
    "white space": (" 1 ", None, 1.0),
    "zero": ("0", None, 0.0),
    "negative": ("-5", None, 0.0),
    "date": ("Sat, 21 Nov 2015 10:00:01 GMT", "Sat, 21 Nov 2015 10:00:00 GMT", 1.0),
    "RFC 850 date": ("Saturday, 21-Nov-15 10:00:01 GMT", "Sat, 21 Nov 2015 10:00:00 GMT", 1.0),
    "asctime date": ("Sat Nov 21 10:00:01 2015", "Sat, 21 Nov 2015 10:00:00 GMT", 1.0),
    "past date": ("Sat, 21 Nov 2015 09:00:00 GMT", "Sat, 21 Nov 2015 10:00:00 GMT", 0.0),
    "another zone": ("Sat, 21 Nov 2015 12:00:01 +0200", "Sat, 21 Nov 2015 10:00:00 GMT", 1.0),
    "a date and a spoilt Date": ("Sat, 21 Nov 2015 10:00:01 GMT", "yesterday", 0.0),
}
UNREADABLE = ["soon", "", "nan", "inf", "Sat, 99 Nov 2015", "1e999", "1;2", "Sat, 21 Nov 99999 10:00:00 GMT"]


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_of_retry_after_is_waited_for(
    till: Till, monkeypatch: pytest.MonkeyPatch, net: Any, form: str
) -> None:
    said, date, seconds = FORMS[form]
    await till.open(timeouts=Timeouts(total=60))
    headers = {"Retry-After": said, **({"Date": date} if date else {})}
    till.arm("cashback", faults.Status(429, headers={name: str(value) for name, value in headers.items()}))
    slept = _without_waiting(monkeypatch)
    await till.client.send(operation("cashback"))

    assert net.attempts[-2].next == "resend"
    assert net.attempts[-2].wait == pytest.approx(seconds)
    assert slept[:1] == ([pytest.approx(seconds)] if seconds else [])
    assert len(till.rows()) == 1


@pytest.mark.parametrize("said", UNREADABLE)
async def test_a_retry_after_that_cannot_be_read_is_a_backoff(till: Till, net: Any, said: str) -> None:
    await till.open()
    till.arm("cashback", faults.TooManyRequests(said))
    await till.client.send(operation("cashback"))

    assert 0 <= net.attempts[-2].wait <= 0.02
    assert len(till.rows()) == 1


def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    really = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await really(0)

    monkeypatch.setattr("gameball.core.delivery.asyncio.sleep", sleep)
    return slept


@pytest.mark.parametrize("said", ["6", "1e300", "Fri, 21 Nov 2098 10:00:00 GMT"])
@pytest.mark.parametrize("kind", ["cashback", "hold", "list"])
async def test_a_wait_beyond_the_total_is_an_error_at_once_that_tells_it(till: Till, kind: str, said: str) -> None:
    await till.open()
    till.arm(kind, faults.TooManyRequests(said))
    with pytest.raises(APIError) as raised:
        await till.client.send(operation(kind))

    assert type(raised.value).__name__ == "RateLimitedError"
    assert raised.value.retry_after is not None
    assert raised.value.retry_after >= 6
    assert (raised.value.outcome, raised.value.attempts) == ("not_applied", 1)


PUT_OFF = {
    "429": faults.TooManyRequests(),
    "429 with HTML": faults.Html(429),
    "429 with code 13": faults.Status(429, {"code": 13, "message": "?"}),
    "2001": faults.Status(422, {"code": 2001, "message": "concurrent request"}),
}


@pytest.mark.parametrize("fault", PUT_OFF.values(), ids=PUT_OFF)
@pytest.mark.parametrize("kind", ["cashback", "redeem", "refund", "manual", "hold", "create_coupon", "list"])
async def test_what_was_put_off_is_sent_again_whatever_it_is(till: Till, kind: str, fault: faults.Fault) -> None:
    await till.open()
    till.arm(kind, fault, times=2)
    delivered = await till.client.deliver(operation(kind))

    assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("answer", 3, 0)
    assert len(set(till.sent(kind))) == 1
    if kind in ("hold", "create_coupon"):
        assert till.effects(kind) == 1


@pytest.mark.parametrize(("fault", "keyed"), list(zip(PUT_OFF.values(), KEYED, strict=True)), ids=PUT_OFF)
async def test_put_off_until_the_tries_are_spent_is_not_applied(till: Till, keyed: str, fault: faults.Fault) -> None:
    await till.open()
    till.arm(keyed, fault, times=4)
    with pytest.raises(APIError) as raised:
        await till.client.send(operation(keyed))

    assert (raised.value.outcome, raised.value.attempts) == ("not_applied", 4)
    assert till.rows() == []


@pytest.mark.parametrize(("fault", "keyed"), list(zip(PUT_OFF.values(), KEYED, strict=True)), ids=PUT_OFF)
async def test_put_off_after_a_lost_try_that_was_applied_still_gives_the_original_or_says_unknown(
    till: Till, keyed: str, fault: faults.Fault
) -> None:
    await till.open()
    till.arm(keyed, faults.Reset(), effect="later", later=60)
    till.arm(keyed, Struck(fault, till.catch_up))
    value = await till.client.send(operation(keyed))

    assert effect_of(keyed, value) == till.original()

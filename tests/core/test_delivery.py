"""Whole calls against servers that fail: what is sent again, what never is, and what the error says."""

import asyncio
import logging
import pickle
import socket
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from attrs import evolve

from gameball import (
    APIError,
    AsyncGameball,
    ConcurrentRequestError,
    ConnectionFailedError,
    Gameball,
    GameballError,
    InsufficientBalanceError,
    OutcomeUnknownError,
    RateLimitedError,
    Retries,
    ServerError,
    TimedOutError,
    Timeouts,
    UnexpectedAnswerError,
    errors as all_errors,
)
from gameball.core.observers import Attempt
from gameball.models.transactions import RedeemRequest
from gameball.resources import transactions
from gameball.sandbox import Sandbox
from tests.support.calls import KEYED, TRANSACTIONS
from tests.support.server import Server, Step
from tests.support.waits import SHORT

pytestmark = pytest.mark.many_cases

MakeAwaited = Callable[..., AsyncGameball]
MakePlain = Callable[..., Gameball]
Call = Callable[[AsyncGameball], Any]

QUICK = Retries(backoff=0.01, cap=0.02)

READS: dict[str, Call] = {name: TRANSACTIONS[name] for name in ("list", "for_order")}
WRITES: dict[str, Call] = {name: call for name, call in TRANSACTIONS.items() if name not in READS}
CALLS = {**WRITES, **READS}
cashback = TRANSACTIONS["cashback"].operation
EACH_CALL = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
KINDS = ("cashback", "hold", "reverse_hold", "list")
"""One call of each kind: a write with a key, one without, one without a body, and a read."""
EACH_KIND = pytest.mark.parametrize("call", [CALLS[name] for name in KINDS], ids=KINDS)


async def failure_of(call: Call, client: AsyncGameball) -> GameballError:
    """How the call ended, which is not well; whatever it was, it is plain data without a key."""
    with pytest.raises(GameballError) as raised:
        await call(client)
    error = raised.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 (our own)
    assert "key-of-the-tests" not in f"{error!r} {error} {vars(error)}"
    assert "\n" not in str(error)
    return error


# --- what never left


@EACH_CALL
async def test_a_refused_connection_is_tried_again_and_ends_as_never_sent(
    awaited: MakeAwaited, free_port: int, call: Call
) -> None:
    error = await failure_of(call, awaited(f"http://127.0.0.1:{free_port}", retries=QUICK))

    assert type(error) is ConnectionFailedError
    assert (error.outcome, error.attempts) == ("not_applied", 4)
    assert "nothing was sent: connection refused" in str(error)


@EACH_KIND
async def test_a_server_that_comes_up_between_two_tries_is_reached(
    awaited: MakeAwaited, free_port: int, server: Server, call: Call
) -> None:
    client = awaited(f"http://127.0.0.1:{free_port}", retries=Retries(attempts=200, backoff=0.01, cap=0.02))
    running = asyncio.ensure_future(call(client))
    await asyncio.sleep(0.05)
    assert not running.done()
    with type(server)(free_port).script(server.refusal(309)) as late:
        with pytest.raises(InsufficientBalanceError) as refused:
            await running
        assert len(late.requests) == 1
    assert refused.value.attempts > 1


@EACH_KIND
@pytest.mark.parametrize(
    "timeouts",
    [Timeouts(connect=0.03, total=0.12), Timeouts(attempt=0.03, total=0.12), Timeouts(total=0.1)],
    ids=["connect", "attempt", "total"],
)
async def test_a_connection_that_never_opens_ends_within_the_total_as_never_sent(
    awaited: MakeAwaited, black_hole: socket.socket, call: Call, timeouts: Timeouts
) -> None:
    url = f"http://127.0.0.1:{black_hole.getsockname()[1]}"
    began = time.monotonic()
    error = await failure_of(
        call, awaited(url, timeouts=timeouts, retries=Retries(attempts=99, backoff=0.01, cap=0.02))
    )

    assert time.monotonic() - began < timeouts.total + 0.3
    assert isinstance(error, ConnectionFailedError | TimedOutError)
    assert error.outcome == "not_applied"
    assert "nothing was sent" in str(error)


@EACH_KIND
async def test_a_wait_for_a_free_connection_ends_with_the_total_as_never_sent(
    server: Server, awaited: MakeAwaited, call: Call
) -> None:
    server.script("hang")
    patient = awaited(server.base_url, connections=1)
    hasty = patient.with_options(timeouts=Timeouts(total=0.1), retries=QUICK)
    busy = asyncio.ensure_future(WRITES["hold"](patient))
    await server.wait_for(lambda: server.requests)
    error = await failure_of(call, hasty)
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)

    assert type(error) is TimedOutError
    assert error.outcome == "not_applied"
    assert "nothing was sent" in str(error)
    assert len(server.requests) == 1


@EACH_KIND
@pytest.mark.parametrize("surplus", [200, 422, 429])
async def test_an_answer_too_many_on_a_kept_connection_is_not_taken_for_that_of_the_next_call(
    server: Server, awaited: MakeAwaited, call: Call, surplus: int
) -> None:
    server.script(server.answer({"batchId": 1}), server.answer(_any_answer("ours")))
    client = awaited(server.base_url, retries=QUICK)
    await client.request("GET", "/something")
    await server.send_unsolicited(server.answer({**_any_answer("another's"), "code": 309}, status=surplus))

    value = await call(client)

    assert "another's" not in repr(value)
    assert [seen.connection for seen in server.requests] == [1, 2]


def _any_answer(whose: str) -> dict[str, Any]:
    """What each kind of call reads its own value from."""
    row = {"gameballTransactionId": whose, "rewardedPoints": 20, "playerUniqueId": "p"}
    return {**row, "holdReference": whose, "transactions": [row]}


# --- come back later


@EACH_KIND
async def test_a_rate_limited_call_waits_as_told_and_sends_the_same_bytes(
    server: Server, awaited: MakeAwaited, call: Call
) -> None:
    later = server.answer({}, status=429, headers={"Retry-After": "0.05"})
    server.script(later, later, server.refusal(309))
    began = time.monotonic()
    error = await failure_of(call, awaited(server.base_url, retries=QUICK))

    assert time.monotonic() - began >= 0.1
    assert (type(error), error.attempts) == (InsufficientBalanceError, 3)
    first, *others = server.requests
    assert [(seen.head, seen.body) for seen in others] == [(first.head, first.body)] * 2


async def test_a_rate_limited_write_that_gets_through_gives_its_value(server: Server, awaited: MakeAwaited) -> None:
    server.script(server.answer(b"", status=429), server.refusal(2001), server.answer())
    delivered = await awaited(server.base_url, retries=QUICK).deliver(cashback())

    assert (delivered.value.rewarded_points, delivered.attempts, delivered.status) == (20, 3, 200)
    assert delivered.settled_by == "answer"
    assert delivered.json["rewardedPoints"] == 20
    assert len({seen.body for seen in server.requests}) == 1


async def test_a_limit_that_stays_ends_as_rate_limited_after_the_attempts(server: Server, awaited: MakeAwaited) -> None:
    server.script(server.answer(b"<html>slow down</html>", status=429))
    error = await failure_of(WRITES["hold"], awaited(server.base_url, retries=QUICK))

    assert (type(error), error.outcome, error.attempts) == (RateLimitedError, "not_applied", 4)
    assert len(server.requests) == 4


@pytest.mark.parametrize("wait", ["30", "Wed, 21 Oct 2015 07:28:30 GMT", "0.9"])
async def test_a_wait_that_does_not_fit_raises_at_once_and_tells_it(
    server: Server, awaited: MakeAwaited, wait: str
) -> None:
    date = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": wait}
    server.script(server.answer({}, status=429, headers=date))
    began = time.monotonic()
    error = await failure_of(WRITES["cashback"], awaited(server.base_url, timeouts=Timeouts(total=0.8)))

    assert time.monotonic() - began < 0.6
    assert (type(error), error.outcome) == (RateLimitedError, "not_applied")
    assert error.retry_after == (0.9 if wait == "0.9" else 30)
    assert len(server.requests) == 1


@pytest.mark.parametrize("wait", ["soon", "", "-5", "nan", "inf", "1e400", "Wed, 99 Oct 2015 07:28:30 GMT"])
async def test_a_nonsensical_wait_neither_breaks_nor_stalls_the_call(
    server: Server, awaited: MakeAwaited, wait: str
) -> None:
    server.script(server.answer({}, status=429, headers={"Retry-After": wait}), server.answer())
    reward = await WRITES["cashback"](awaited(server.base_url, retries=QUICK, timeouts=Timeouts(total=2)))

    assert reward.rewarded_points == 20


@pytest.mark.parametrize("call", WRITES.values(), ids=WRITES)
async def test_a_concurrent_request_for_the_player_is_waited_out(
    server: Server, awaited: MakeAwaited, call: Call
) -> None:
    server.script(server.refusal(2001), server.refusal(309))
    error = await failure_of(call, awaited(server.base_url))

    assert (type(error), error.attempts) == (InsufficientBalanceError, 2)
    assert server.requests[0].body == server.requests[1].body


async def test_a_player_who_stays_busy_ends_as_a_concurrent_request(server: Server, awaited: MakeAwaited) -> None:
    server.script(server.refusal(2001))
    error = await failure_of(WRITES["hold"], awaited(server.base_url, retries=Retries(attempts=2)))

    assert (type(error), error.outcome, error.attempts) == (ConcurrentRequestError, "not_applied", 2)


# --- may have been applied

UNKNOWN: dict[str, tuple[Step, type[GameballError]]] = {
    **{
        str(status): (f"HTTP/1.1 {status} Oh\r\nContent-Length: 2\r\n\r\n{{}}".encode(), ServerError)
        for status in (500, 502, 503, 504, 520, 408, 425, 499)
    },
    "503 with a wait": (b"HTTP/1.1 503 Oh\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", ServerError),
    "502 in HTML": (b"HTTP/1.1 502 Oh\r\nContent-Length: 13\r\n\r\n<html></html>", ServerError),
    "500 with a refusal's code": (b'HTTP/1.1 500 Oh\r\nContent-Length: 12\r\n\r\n{"code":305}', ServerError),
    "503 with the code of a busy player": (b'HTTP/1.1 503 O\r\nContent-Length: 13\r\n\r\n{"code":2001}', ServerError),
    "code 13": (b'HTTP/1.1 422 Oh\r\nContent-Length: 11\r\n\r\n{"code":13}', ServerError),
    "code 4500": (b'HTTP/1.1 400 Oh\r\nContent-Length: 13\r\n\r\n{"code":4500}', ServerError),
    "code 5003": (b'HTTP/1.1 422 Oh\r\nContent-Length: 13\r\n\r\n{"code":5003}', ServerError),
    "200 in HTML": (b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>", UnexpectedAnswerError),
    "cut body": ((b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"p', "close"), UnexpectedAnswerError),
    "reset after the request": ("reset", UnexpectedAnswerError),
    "closed after the request": ("close", UnexpectedAnswerError),
    "garbage": ((b"NOT HTTP AT ALL\r\n\r\n", "close"), UnexpectedAnswerError),
    "no answer in time": ("hang", TimedOutError),
    "an answer that never ends": ((b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "hang"), TimedOutError),
}
UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "cut JSON without a length": b'{"playerUniqueId": "p", "game',
    "an array": b"[]",
    "null": b"null",
    "a number": b"7",
    "another shape": b'{"ok": true}',
    "a code of its own": b'{"code": 1, "message": "enter the password"}',
    "deep JSON": b'{"playerUniqueId":' + b"[" * 100_000,
    "not text": b'{"playerUniqueId": "\xff\xfe"}',
    "NUL": b"\0",
}
SOON = Timeouts(attempt=0.2, total=0.4)
ONCE = Retries(attempts=1)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        pytest.param(name, step, id=f"{name}, {how}")
        for name in WRITES
        for how, (step, _) in UNKNOWN.items()
        if name in ("hold", "reverse_hold") or how in ("500", "200 in HTML", "closed after the request", "garbage")
    ],
)
async def test_a_write_that_may_have_been_applied_is_sent_once_and_its_outcome_is_unknown(
    server: Server, awaited: MakeAwaited, name: str, step: Step
) -> None:
    server.script(step)
    error = await failure_of(
        WRITES[name], awaited(server.base_url, timeouts=SOON, retries=ONCE if name == "reverse_hold" else QUICK)
    )

    assert type(error) is OutcomeUnknownError
    assert (error.outcome, error.attempts) == ("unknown", 1)
    check_sent_once(server, name)
    assert error.operation == f"transactions.{name}"
    assert error.transaction_id == ("t1" if name in KEYED else None)
    assert "it may have been applied" in str(error)
    assert CHECK[name] in str(error)


def check_sent_once(server: Server, name: str) -> None:
    """The write itself went out once; after it only look-ups, and only of what has an id to look for."""
    write, *looks = server.methods
    assert write != "GET"
    assert set(looks) == ({"GET"} if name in KEYED else set())


CHECK = {
    **dict.fromkeys(KEYED, "look for its transaction_id with transactions.list before sending it again"),
    "hold": "check the player's balance",
    "create_coupon": "look for a DiscountCode transaction",
    "reverse_hold": "reversing it again is safe",
}


@pytest.mark.parametrize("name", ["cashback", "hold"])
@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_write_whose_answer_is_not_the_apis_has_an_unknown_outcome(
    server: Server, awaited: MakeAwaited, name: str, body: bytes
) -> None:
    server.script((b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body, "close"))
    error = await failure_of(WRITES[name], awaited(server.base_url, timeouts=SOON, retries=QUICK))

    assert (type(error), error.outcome) == (OutcomeUnknownError, "unknown")
    check_sent_once(server, name)


@pytest.mark.parametrize(("step", "kind"), UNKNOWN.values(), ids=UNKNOWN)
async def test_a_read_that_fails_says_how(
    server: Server, awaited: MakeAwaited, step: Step, kind: type[GameballError]
) -> None:
    server.script(step)
    error = await failure_of(READS["list"], awaited(server.base_url, timeouts=SOON, retries=ONCE))

    assert type(error) is kind
    assert error.outcome == "not_applied"


@pytest.mark.parametrize("call", READS.values(), ids=READS)
@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_read_whose_answer_is_not_the_apis_says_so(
    server: Server, awaited: MakeAwaited, call: Call, body: bytes
) -> None:
    server.script((b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body, "close"))
    error = await failure_of(call, awaited(server.base_url, retries=ONCE))

    assert isinstance(error, UnexpectedAnswerError)
    assert error.status == 200


async def test_an_unknown_outcome_keeps_the_apis_last_word(server: Server, awaited: MakeAwaited) -> None:
    server.script(server.refusal(13, status=500, headers={"X-Request-Id": "r-1"}))
    error = await failure_of(WRITES["hold"], awaited(server.base_url))

    assert isinstance(error, OutcomeUnknownError)
    assert (error.code, error.request_id) == (13, "r-1")


async def test_a_write_that_never_left_and_then_may_have_been_applied_is_not_sent_again(
    awaited: MakeAwaited, free_port: int, server: Server
) -> None:
    client = awaited(f"http://127.0.0.1:{free_port}", retries=Retries(attempts=200, backoff=0.01, cap=0.02))
    running = asyncio.ensure_future(failure_of(WRITES["hold"], client))
    await asyncio.sleep(0.03)
    with type(server)(free_port).script("close") as late:
        error = await running
        assert len(late.requests) == 1

    assert type(error) is OutcomeUnknownError
    assert error.attempts > 1


async def test_the_plain_face_ends_the_same_way(server: Server, plain: MakePlain) -> None:
    server.script("close")
    client = plain(server.base_url, timeouts=SOON)
    with pytest.raises(OutcomeUnknownError) as raised:
        client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=10)

    assert (raised.value.outcome, raised.value.transaction_id) == ("unknown", "t1")
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


# --- refused

REFUSALS = [
    (301, 422, "NotReversibleError"),
    (302, 422, "AlreadyCancelledError"),
    (303, 422, "TransactionNotFoundError"),
    (306, 422, "TransactionNotFoundError"),
    (307, 422, "HoldNotFoundError"),
    (309, 422, "InsufficientBalanceError"),
    (101, 404, "PlayerNotFoundError"),
    (50, 422, "ProgramDisabledError"),
    (51, 422, "ProgramDisabledError"),
    (7, 400, "BadRequestError"),
    (10, 401, "AuthenticationError"),
    (1000, 401, "AuthenticationError"),
    (8000, 403, "PermissionDeniedError"),
    (99999, 418, "BadRequestError"),
]


@pytest.mark.parametrize(("code", "status", "name"), REFUSALS)
async def test_a_refusal_raises_its_class_after_one_try(
    server: Server, awaited: MakeAwaited, code: int, status: int, name: str
) -> None:
    server.script(server.refusal(code, status=status))
    error = await failure_of(WRITES["cashback"], awaited(server.base_url, retries=QUICK))

    assert isinstance(error, APIError)
    assert type(error) is getattr(all_errors, name)
    assert (error.outcome, error.attempts, error.code, error.status) == ("not_applied", 1, code, status)
    assert (error.transaction_id, error.operation) == ("t1", "transactions.cashback")
    assert len(server.requests) == 1


STRANGE_BODIES = [
    b"",
    b"[]",
    b"<html></html>",
    b'{"code":',
    b"null",
    b'{"code":"x"}',
    b'{"message":"Forbidden"}',
    b"no",
]


@pytest.mark.parametrize("body", STRANGE_BODIES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 409, 410, 422, 451])
async def test_a_refusal_that_is_not_in_the_apis_form_is_looked_up_and_never_resent(
    server: Server, awaited: MakeAwaited, status: int, body: bytes
) -> None:
    stranger = server.answer(body, status=status)
    server.script(stranger, EMPTY_PAGE, EMPTY_PAGE)
    absent = await failure_of(WRITES["cashback"], awaited(server.base_url, retries=QUICK))
    server.script(stranger, stranger)
    both = await failure_of(WRITES["cashback"], awaited(server.base_url, retries=QUICK))
    server.script(stranger)
    hold = await failure_of(WRITES["hold"], awaited(server.base_url, retries=QUICK))

    assert isinstance(absent, APIError)
    assert (absent.outcome, absent.status, absent.from_api, absent.attempts) == ("not_applied", status, False, 1)
    assert (type(both), both.outcome) == (UnexpectedAnswerError, "unknown")
    assert "what answers at base_url is not the API" in str(both)
    assert (type(hold), hold.outcome) == (OutcomeUnknownError, "unknown")
    assert "check the player's balance" in str(hold)
    assert server.methods == ["POST", "GET", "GET", "POST", "GET", "POST"]


async def test_an_empty_object_is_a_refusal_of_the_api(server: Server, awaited: MakeAwaited) -> None:
    server.script(server.answer({}, status=404))
    error = await failure_of(WRITES["cashback"], awaited(server.base_url, retries=QUICK))

    assert type(error) is all_errors.NotFoundError
    assert (error.outcome, len(server.requests)) == ("not_applied", 1)


@EACH_KIND
@pytest.mark.parametrize("status", [301, 302, 307])
async def test_a_redirect_is_not_followed_and_proves_nothing_about_a_write(
    server: Server, another_server: Server, awaited: MakeAwaited, call: Call, status: int
) -> None:
    server.script(server.answer(b"", status=status, headers={"Location": another_server.base_url}))
    error = await failure_of(call, awaited(server.base_url, retries=QUICK))

    assert isinstance(error, UnexpectedAnswerError | OutcomeUnknownError)
    assert (error.outcome, error.attempts) == (
        "not_applied" if error.operation == "transactions.list" else "unknown",
        1,
    )
    assert another_server.connections == 0


async def test_a_key_that_the_api_repeats_is_not_shown(server: Server, awaited: MakeAwaited) -> None:
    server.script(server.answer({"code": 10, "message": "unknown key api-key-of-the-tests"}, status=401))
    error = await failure_of(WRITES["cashback"], awaited(server.base_url))

    assert "unknown key ****" in str(error)


EMAIL, MOBILE, OTP = "Jo@X.io", "+201098765432", 713_905_713_905
"""Long enough to be in no number of seconds by chance."""
PRIVATE: dict[str, Call] = {
    "in a call": lambda c: c.transactions.redeem(
        player_unique_id="p", transaction_id="t", redeemed_amount=1, email=EMAIL, mobile=MOBILE, otp=str(OTP)
    ),
    "in a batch": lambda c: c.batches.start_redeem(
        [
            RedeemRequest(
                player_unique_id="p", transaction_id="t", redeemed_amount=1, email=EMAIL, mobile=MOBILE, otp=str(OTP)
            )
        ]
    ),
    "in a body of one's own": lambda c: c.request(
        "POST", "/x", json={"rows": [{"OTP": OTP, "Email": EMAIL, "mobile": f" {MOBILE} "}]}
    ),
    "in a query": lambda c: c.request("GET", "/x", query={"otp": OTP, "email": EMAIL, "mobile": MOBILE}),
}


@pytest.mark.parametrize("call", PRIVATE.values(), ids=PRIVATE)
async def test_what_is_private_in_a_request_is_not_shown_when_the_api_repeats_it(
    server: Server, awaited: MakeAwaited, caplog: pytest.LogCaptureFixture, call: Call
) -> None:
    caplog.set_level(logging.DEBUG, "gameball")
    echo = f"no {EMAIL} jo@x.io Jo%40X.io, {MOBILE} {MOBILE.replace('+', '%2B')}, code {OTP}"
    refusal = {"code": 7, "message": echo, "requestId": echo}
    server.script(server.answer(refusal, status=422, headers={"X-Request-Id": echo}))
    attempts: list[Attempt] = []
    error = await failure_of(call, awaited(server.base_url, observers=[attempts.append]))

    assert error.message == "no **** **** ****, **** ****, code ****"
    assert [error.request_id, attempts[0].request_id] == [error.message] * 2
    seen = f"{error!r} {error.args} {vars(error)} {attempts} {caplog.text}".lower()
    assert not [word for word in ("x.io", MOBILE[1:], str(OTP)) if word in seen]


# --- the total


@EACH_KIND
async def test_a_server_that_never_answers_ends_with_the_total(
    server: Server, awaited: MakeAwaited, call: Call
) -> None:
    server.script("hang")
    began = time.monotonic()
    error = await failure_of(call, awaited(server.base_url, timeouts=Timeouts(total=0.2)))

    assert 0.15 < time.monotonic() - began < 1
    assert type(error) is (TimedOutError if call in READS.values() else OutcomeUnknownError)
    assert len(server.requests) == 1, "the whole of it went by while the first answer was waited for"


async def test_tries_that_never_leave_end_with_the_total(awaited: MakeAwaited, free_port: int) -> None:
    retries = Retries(attempts=10_000, backoff=0.02, cap=0.05)
    client = awaited(f"http://127.0.0.1:{free_port}", timeouts=Timeouts(total=0.3), retries=retries)
    began = time.monotonic()
    error = await failure_of(WRITES["cashback"], client)

    assert time.monotonic() - began < 0.6
    assert isinstance(error, ConnectionFailedError | TimedOutError)
    assert error.outcome == "not_applied"
    assert error.attempts > 2


async def test_tries_that_are_put_off_end_with_the_total(server: Server, awaited: MakeAwaited) -> None:
    server.script(server.answer({}, status=429, headers={"Retry-After": "0.2"}))
    client = awaited(server.base_url, timeouts=Timeouts(total=0.3), retries=Retries(attempts=10_000))
    began = time.monotonic()
    error = await failure_of(WRITES["cashback"], client)

    assert time.monotonic() - began < 0.6
    assert (type(error), error.outcome) == (RateLimitedError, "not_applied")


async def test_a_slow_drip_ends_with_the_total(server: Server, awaited: MakeAwaited) -> None:
    server.script((b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *((b" ", 0.02) * 100)))
    began = time.monotonic()
    error = await failure_of(READS["list"], awaited(server.base_url, timeouts=Timeouts(attempt=9, total=0.3)))

    assert time.monotonic() - began < 1
    assert type(error) is TimedOutError


async def test_a_reward_and_a_refused_hold_against_the_sandbox() -> None:
    async with Sandbox() as sandbox:
        client = AsyncGameball("sandbox-api-key", "sandbox-secret-key", base_url=sandbox.base_url)
        async with client:
            reward = await WRITES["cashback"](client)
            error = await failure_of(WRITES["hold"], client)
        rows = sandbox.ledger.transactions("p")

    assert reward.rewarded_points == 2
    assert type(error) is InsufficientBalanceError
    assert len(rows) == 1


# --- what a total outage costs


async def test_reads_in_a_total_outage_are_not_amplified_and_the_client_recovers(
    server: Server, awaited: MakeAwaited
) -> None:
    client = awaited(server.base_url, retries=QUICK)
    server.script("close")
    ends = await asyncio.gather(*(READS["list"](client) for _ in range(60)), return_exceptions=True)

    assert {type(end) for end in ends} == {UnexpectedAnswerError}
    assert 60 < len(server.requests) < 150
    exhausted = client._delivery.budget.left
    assert exhausted < 1

    server.script(server.answer({"transactions": [], "count": 0, "total": 0}))
    for _ in range(20):
        await READS["list"](client)
    assert client._delivery.budget.left > exhausted + 1.5
    server.script("close", server.answer({"transactions": [], "count": 0, "total": 0}))
    assert (await READS["list"](client)).total == 0


# --- with_options


async def test_a_client_with_other_options_shares_connections_and_budget_and_adds_its_headers(
    server: Server, awaited: MakeAwaited
) -> None:
    client = awaited(server.base_url)
    other = client.with_options(headers={"X-Trace": "7"}).with_options(retries=ONCE, headers={"X-More": "8"})
    await WRITES["cashback"](client)
    await WRITES["cashback"](other)

    first, second = server.requests
    assert (first.connection, second.connection) == (1, 1)
    assert other._delivery.budget is client._delivery.budget
    assert "X-Trace" not in first.headers
    assert (second.headers["X-Trace"], second.headers["X-More"]) == ("7", "8")
    assert second.headers["APIKey"] == first.headers["APIKey"]


async def test_headers_and_timeouts_of_a_client_hold_for_its_look_ups_too(server: Server, awaited: MakeAwaited) -> None:
    server.script("hang")
    client = awaited(server.base_url).with_options(headers={"X-Trace": "7"}, timeouts=SOON)
    await failure_of(WRITES["cashback"], client)

    assert len(server.requests) > 1
    assert {seen.headers["X-Trace"] for seen in server.requests} == {"7"}


# --- observers

EMPTY_PAGE = Server.answer({"transactions": [], "count": 0, "total": 0})
ROW = {"transactionId": "t1", "gameballTransactionId": 1, "playerUniqueId": "p", "direction": "+", "points": 5}
A_REFUND = Server.answer({"transactions": [{**ROW, "type": "Refund"}], "count": 1, "total": 1})
AN_ORDER = Server.answer({"orderTransactions": [{"gameballTransactionId": "1", "transactionId": "t1"}], "total": 1})


def steps_of(attempts: list[Attempt]) -> list[tuple[str, int, int | None, str]]:
    return [(seen.operation.removeprefix("transactions."), seen.number, seen.status, seen.next) for seen in attempts]


async def test_an_observer_is_told_of_every_exchange_and_of_what_comes_next(
    server: Server, awaited: MakeAwaited
) -> None:
    attempts: list[Attempt] = []
    server.script(
        server.answer({}, status=429, headers={"Retry-After": "0.01"}),
        server.answer({}, status=500, headers={"X-Request-Id": "r-2"}),
        "close",
        EMPTY_PAGE,
        EMPTY_PAGE,
        server.answer(),
    )
    await WRITES["cashback"](awaited(server.base_url, retries=QUICK, observers=[attempts.append]))

    assert steps_of(attempts) == [
        ("cashback", 1, 429, "resend"),
        ("cashback", 2, 500, "look_up"),
        ("list", 1, None, "look_up"),
        ("list", 2, 200, "look_up"),
        ("list", 3, 200, "resend"),
        ("cashback", 3, 200, "return"),
    ]
    assert (attempts[0].wait, attempts[1].request_id) == (0.01, "r-2")
    assert attempts[0].headers is not None
    assert (attempts[0].headers["Retry-After"], attempts[0].reason) == ("0.01", None)
    assert (attempts[2].headers, attempts[2].reason) == (None, "the server closed the connection without an answer")
    assert all(seen.seconds > 0 for seen in attempts)
    assert "Retry-After" not in repr(attempts[0])


async def test_an_observer_is_told_of_a_refusal(server: Server, awaited: MakeAwaited) -> None:
    attempts: list[Attempt] = []
    server.script(server.refusal(309))
    await failure_of(WRITES["hold"], awaited(server.base_url, observers=[attempts.append]))

    assert steps_of(attempts) == [("hold", 1, 422, "raise")]


async def test_an_observer_is_told_of_both_reads_that_settle_a_refund(server: Server, awaited: MakeAwaited) -> None:
    attempts: list[Attempt] = []
    server.script("close", A_REFUND, AN_ORDER)
    await WRITES["refund"](awaited(server.base_url, observers=[attempts.append]))

    assert [operation for operation, *_ in steps_of(attempts)] == ["refund", "list", "for_order"]


@pytest.mark.parametrize("face", ["awaited", "plain"])
def test_a_failing_observer_is_logged_and_loses_nothing(
    server: Server, plain: MakePlain, caplog: pytest.LogCaptureFixture, face: str
) -> None:
    after: list[Attempt] = []

    def fail(attempt: Attempt) -> None:
        raise LookupError(attempt.operation)

    server.script("close", EMPTY_PAGE, EMPTY_PAGE, server.answer())
    settings: dict[str, Any] = {"retries": QUICK, "observers": [fail, after.append]}
    if face == "plain":
        reward = plain(server.base_url, **settings).send(cashback())
    else:
        keys = ("api-key-of-the-tests", "secret-key-of-the-tests")
        reward = asyncio.run(AsyncGameball(*keys, base_url=server.base_url, **settings).send(cashback()))

    assert reward.rewarded_points == 20
    assert len(after) == 4
    failed = [record for record in caplog.records if record.name == "gameball" and record.levelno == logging.ERROR]
    assert [record.getMessage() for record in failed] == ["an observer failed"] * 4


# --- cancellation

DEFERRED = Server.answer({}, status=429, headers={"Retry-After": "30"})
STATES: dict[str, tuple[tuple["Step", ...], dict[str, float]]] = {
    "waiting for its answer": (("hang",), {}),
    "reading its answer": (((b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "hang"),), {}),
    "waiting to look it up": (("close",), {"first_lookup": 30}),
    "looking it up": (("close", "hang"), {}),
    "waiting to look again": (("close", EMPTY_PAGE), {"between_lookups": 30}),
    "sending it again": (("close", EMPTY_PAGE, EMPTY_PAGE, "hang"), {}),
    "reading its order": (("close", A_REFUND, "hang"), {}),
}


@pytest.mark.parametrize(("script", "waits"), STATES.values(), ids=STATES)
async def test_a_write_cancelled_in_any_state_says_so_and_leaves_nothing_behind(
    server: Server,
    awaited: MakeAwaited,
    script: tuple[Step, ...],
    waits: dict[str, float],
) -> None:
    server.script(*script)
    client = awaited(server.base_url, evolve(SHORT, **waits), connections=1, retries=QUICK)
    call = asyncio.ensure_future(WRITES["refund"](client))
    await server.wait_for(lambda: len(server.requests) == len(script))
    await asyncio.sleep(0.03)
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await call

    (note,) = cancelled.value.__notes__
    assert note.startswith("transactions.refund (transaction_id=t1) was given up")
    assert "transactions.list" in note
    assert asyncio.all_tasks() == {asyncio.current_task()}
    server.script(EMPTY_PAGE)
    assert (await READS["list"](client)).total == 0
    assert len(server.requests) == len(script) + 1
    await server.wait_for(lambda: server.open == 1)


@pytest.mark.parametrize(("name", "step"), [("list", "hang"), ("cashback", DEFERRED)], ids=["a read", "not applied"])
async def test_what_changed_nothing_needs_no_note(server: Server, awaited: MakeAwaited, name: str, step: Step) -> None:
    server.script(step)
    call = asyncio.ensure_future(CALLS[name](awaited(server.base_url)))
    await server.wait_for(lambda: server.requests)
    await asyncio.sleep(0.05)  # until its answer has been read, if it has one
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await call
    assert not hasattr(cancelled.value, "__notes__")


async def test_what_is_sent_regardless_is_sent_under_cancellation(server: Server, awaited: MakeAwaited) -> None:
    server.script((0.05, server.answer({})))
    client = awaited(server.base_url)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await client._delivery.send_regardless(transactions.reverse_hold("h"), 2)
    assert server.methods == ["DELETE"]


async def test_what_is_sent_regardless_ends_in_time(server: Server, awaited: MakeAwaited) -> None:
    server.script("hang")
    client = awaited(server.base_url)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await client._delivery.send_regardless(transactions.reverse_hold("h"), 0.1)
    assert time.monotonic() - began < 0.4


async def test_a_cancelled_block_reverses_its_hold(server: Server, awaited: MakeAwaited) -> None:
    server.script(server.answer({"playerUniqueId": "p", "holdReference": "h-1", "holdPoints": 5, "holdAmount": 1}))
    client = awaited(server.base_url)
    inside = asyncio.Event()

    async def check_out() -> None:
        async with client.transactions.holding(player_unique_id="p", hold_points=5):
            inside.set()
            await asyncio.Event().wait()

    block = asyncio.create_task(check_out())
    await inside.wait()
    block.cancel()
    with pytest.raises(asyncio.CancelledError):
        await block
    assert server.methods == ["POST", "DELETE"]
    assert server.requests[1].line.split()[1].endswith("/hold/h-1")

"""Whole calls whose answer did not come, or was refused as a repetition: looked up in the list, on real sockets."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from gameball import (
    AsyncGameball,
    AuthenticationError,
    CashbackReward,
    DuplicateTransactionError,
    GameballError,
    HoldNotFoundError,
    ManualTransaction,
    Operation,
    OrderTransactions,
    OutcomeUnknownError,
    Redemption,
    Replay,
    Retries,
    Timeouts,
    TransactionTimeTakenError,
)
from gameball.core.waits import STANDARD
from gameball.models.transactions import CashbackRequest
from gameball.resources import transactions
from tests.support.calls import KEYED, ORDER_LISTED, TRANSACTIONS
from tests.support.server import Server, Step

pytestmark = pytest.mark.many_cases

MakeAwaited = Callable[..., AsyncGameball]

QUICK: Final = Retries(backoff=0.01, cap=0.02)
SHORT: Final = Timeouts(total=0.2)

EACH: Final = pytest.mark.parametrize("name", KEYED)
cashback: Final = TRANSACTIONS["cashback"].operation
ROW: Final = TRANSACTIONS["cashback"].listed or {}
PAYMENT_ROW: Final = ORDER_LISTED["orderTransactions"][0]


def page(*rows: Mapping[str, Any]) -> bytes:
    return Server.answer({"transactions": list(rows), "count": len(rows), "total": len(rows)})


def found(name: str) -> tuple[bytes, ...]:
    """What the API answers when the transaction is there; of a refund the order tells the rest."""
    row = TRANSACTIONS[name].listed
    assert row is not None
    return (page(row), *((Server.answer(ORDER_LISTED),) if name == "refund" else ()))


NOTHING: Final = page()


def check_value(value: object) -> None:
    """It is what the request's own answer would have said."""
    match value:
        case CashbackReward():
            assert (value.rewarded_points, value.gameball_transaction_id) == (20, "17178")
        case Redemption():
            assert (value.redeemed_points, value.gameball_transaction_id) == (20, "17178")
        case ManualTransaction():
            assert (value.points, value.gameball_transaction_id) == (20, "17178")
        case OrderTransactions():
            assert [row.transaction_id for row in value.order_transactions] == ["t0", "t1"]
            assert value.total == 2
        case _:
            pytest.fail(f"no value of a keyed write: {value}")


async def failure_of(client: AsyncGameball, operation: Operation[Any]) -> GameballError:
    with pytest.raises(GameballError) as raised:
        await client.send(operation)
    assert raised.value.transaction_id == "t1"
    return raised.value


LOST: Final[Mapping[str, Step]] = {
    "closed": "close",
    "reset": "reset",
    "500": Server.answer({}, status=500),
    "408": Server.answer({}, status=408),
    "code 13": Server.refusal(13),
    "HTML": Server.answer(b"<html></html>"),
    "another shape": Server.answer({"ok": True}),
    "cut": (b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"p', "close"),
    "never answered": "hang",
}


# --- no answer came


@EACH
@pytest.mark.parametrize("silence", LOST.values(), ids=LOST)
async def test_a_lost_write_that_is_found_gives_what_its_answer_would_have_said(
    server: Server, awaited: MakeAwaited, name: str, silence: Step
) -> None:
    server.script(silence, *found(name))
    client = awaited(server.base_url, retries=QUICK, timeouts=Timeouts(attempt=0.4 if silence == "hang" else 10))
    delivered = await client.deliver(TRANSACTIONS[name].operation())

    check_value(delivered.value)
    assert (delivered.settled_by, delivered.attempts, delivered.lookups, delivered.status) == ("lookup", 1, 1, 200)
    assert server.methods == ["POST", *["GET"] * len(found(name))]
    assert server.requests[1].line == "GET /api/v3.0/integrations/transaction/list?transactionId=t1 HTTP/1.1"


@EACH
@pytest.mark.parametrize("silence", ["close", LOST["500"]], ids=["closed", "500"])
async def test_a_lost_write_that_is_twice_not_found_is_sent_again_byte_for_byte(
    server: Server, awaited: MakeAwaited, name: str, silence: Step
) -> None:
    server.script(silence, NOTHING, NOTHING, server.answer(TRANSACTIONS[name].answer))
    delivered = await awaited(server.base_url, retries=QUICK).deliver(TRANSACTIONS[name].operation())

    check_value(delivered.value)
    assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("answer", 2, 2)
    assert server.methods == ["POST", "GET", "GET", "POST"]
    first, _, _, second = server.requests
    assert (first.head, first.body) == (second.head, second.body)


async def test_a_write_that_was_slow_to_appear_is_not_sent_again(server: Server, awaited: MakeAwaited) -> None:
    server.script("close", NOTHING, *found("cashback"))
    delivered = await awaited(server.base_url, retries=QUICK).deliver(cashback())

    assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("lookup", 1, 2)
    assert server.methods == ["POST", "GET", "GET"]


@pytest.mark.thorough
async def test_the_waits_between_are_half_a_second_and_two(server: Server, awaited: MakeAwaited) -> None:
    server.script("close", NOTHING, NOTHING, server.answer())
    await awaited(server.base_url, STANDARD).send(cashback())
    silence, first_look, second_look, resent = (seen.at for seen in server.requests)

    assert 0.5 <= first_look - silence < 1.0
    assert 2.0 <= second_look - first_look < 2.5
    assert resent - second_look < 0.3


async def test_lost_again_it_is_looked_up_again_until_the_attempts_are_spent(
    server: Server, awaited: MakeAwaited
) -> None:
    server.script(*("close", NOTHING, NOTHING) * 3, "close", NOTHING)
    error = await failure_of(awaited(server.base_url, retries=QUICK), cashback())

    assert type(error) is OutcomeUnknownError
    assert server.methods == ["POST", "GET", "GET"] * 4
    assert len({seen.body for seen in server.requests if seen.method == "POST"}) == 1
    assert "transaction_id=t1" in str(error)


async def test_attempts_that_are_spent_with_an_absent_transaction_leave_the_outcome_unknown(
    server: Server, awaited: MakeAwaited
) -> None:
    server.script("close", NOTHING)
    error = await failure_of(awaited(server.base_url, retries=Retries(attempts=1)), cashback())

    assert (type(error), error.outcome, error.attempts) == (OutcomeUnknownError, "unknown", 1)
    assert server.methods == ["POST", "GET", "GET"]


UNREADABLE: Final[Mapping[str, Step]] = {
    "500": Server.answer({}, status=500),
    "HTML": Server.answer(b"<html></html>"),
    "closed": "close",
    "another shape": Server.answer({"rows": []}),
    "page one of many": Server.answer({"transactions": [{**ROW, "transactionId": "t2"}], "count": 1, "total": 5000}),
    "no row, but one counted": Server.answer({"transactions": [], "count": 1, "total": 1}),
    "a row without its id": Server.answer({"transactions": [{"gameballTransactionId": 1}], "count": 1, "total": 1}),
    "too many requests": Server.answer({}, status=429, headers={"Retry-After": "0.01"}),
    "busy player": Server.refusal(2001),
    "never answered": "hang",
}


@pytest.mark.parametrize("unreadable", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_list_that_cannot_be_read_is_asked_again_and_nothing_is_sent_on_it(
    server: Server, awaited: MakeAwaited, unreadable: Step
) -> None:
    server.script("close", *[unreadable] * 3, NOTHING, *found("cashback"))
    client = awaited(server.base_url, retries=QUICK, timeouts=Timeouts(attempt=0.05))
    delivered = await client.deliver(cashback())

    check_value(delivered.value)
    assert (delivered.settled_by, delivered.lookups) == ("lookup", 5)
    assert server.methods == ["POST", *["GET"] * 5]


@EACH
@pytest.mark.parametrize("down", ["close", "hang", UNREADABLE["500"]], ids=["closed", "silent", "500"])
async def test_a_list_that_stays_down_leaves_the_outcome_unknown_within_the_deadline(
    server: Server, awaited: MakeAwaited, name: str, down: Step
) -> None:
    server.script("close", down)
    began = time.monotonic()
    client = awaited(server.base_url, retries=QUICK, timeouts=Timeouts(attempt=0.05, total=0.3))
    error = await failure_of(client, TRANSACTIONS[name].operation())

    assert time.monotonic() - began < 0.3 + 0.3
    assert (type(error), error.outcome, error.attempts) == (OutcomeUnknownError, "unknown", 1)
    assert "transaction_id=t1" in str(error)
    assert server.methods.count("POST") == 1
    assert server.methods.count("GET") > 1


async def test_a_list_that_asks_for_more_patience_than_there_is_ends_the_call_at_once(
    server: Server, awaited: MakeAwaited
) -> None:
    server.script("close", server.answer({}, status=429, headers={"Retry-After": "60"}))
    began = time.monotonic()
    error = await failure_of(awaited(server.base_url, timeouts=Timeouts(total=5)), cashback())

    assert time.monotonic() - began < 1
    assert (type(error), error.outcome) == (OutcomeUnknownError, "unknown")
    assert server.methods == ["POST", "GET"]


@pytest.mark.parametrize("status", [429, 503])
async def test_a_list_that_asks_for_no_patience_at_all_is_not_hammered(
    server: Server, awaited: MakeAwaited, status: int
) -> None:
    server.script("close", server.answer({}, status=status, headers={"Retry-After": "0"}))
    await failure_of(awaited(server.base_url, timeouts=Timeouts(total=0.15)), cashback())

    # A look-up each 0.01 s, as long as the first one waits here, would be fifteen.
    assert len(server.requests) < 20


async def test_keys_that_are_refused_to_the_list_end_the_call_with_an_unknown_outcome(
    server: Server, awaited: MakeAwaited
) -> None:
    server.script("close", server.answer({}, status=401))
    error = await failure_of(awaited(server.base_url), cashback())

    assert (type(error), error.outcome, error.operation) == (AuthenticationError, "unknown", "transactions.cashback")
    assert server.methods == ["POST", "GET"]


async def test_keys_that_are_refused_to_the_repetition_leave_the_outcome_unknown(
    server: Server, awaited: MakeAwaited
) -> None:
    server.script("close", NOTHING, NOTHING, server.answer({}, status=401))
    error = await failure_of(awaited(server.base_url, retries=QUICK), cashback())

    assert (type(error), error.outcome) == (AuthenticationError, "unknown")


# --- a refusal after a try that may have been applied


@pytest.mark.parametrize("code", [7, 101, 301, 302, 303, 304, 305, 306, 307, 309])
async def test_a_refusal_after_a_lost_try_is_looked_up_and_found_it_is_the_value(
    server: Server, awaited: MakeAwaited, code: int
) -> None:
    server.script("close", NOTHING, NOTHING, server.refusal(code), *found("cashback"))
    delivered = await awaited(server.base_url, retries=QUICK).deliver(cashback())

    check_value(delivered.value)
    assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("lookup", 2, 3)


@pytest.mark.parametrize("code", [7, 101, 302, 304, 305, 307, 309])
async def test_a_refusal_after_a_lost_try_that_is_not_found_leaves_the_outcome_unknown_and_tells_its_code(
    server: Server, awaited: MakeAwaited, code: int
) -> None:
    server.script("close", NOTHING, NOTHING, server.refusal(code), NOTHING)
    error = await failure_of(awaited(server.base_url, retries=QUICK), cashback())

    assert isinstance(error, OutcomeUnknownError)
    assert (error.outcome, error.code, error.attempts) == ("unknown", code, 2)
    assert server.methods == ["POST", "GET", "GET", "POST", "GET", "GET"]


# --- 305 and 304 on the first try

OTHERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "another player": {"playerUniqueId": "q"},
    "another kind": {"type": "Redemption"},
    "another amount": {"amount": 11},
}
EACH_OTHER: Final = pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)


@EACH
@pytest.mark.parametrize("code", [304, 305])
async def test_a_duplicate_that_is_this_very_transaction_is_returned(
    server: Server, awaited: MakeAwaited, name: str, code: int
) -> None:
    server.script(server.refusal(code), *found(name))
    delivered = await awaited(server.base_url).deliver(TRANSACTIONS[name].operation())

    check_value(delivered.value)
    assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("duplicate", 1, 1)


@EACH_OTHER
@pytest.mark.parametrize("code", [304, 305])
async def test_a_duplicate_that_is_another_transaction_is_not_applied(
    server: Server, awaited: MakeAwaited, code: int, other: Mapping[str, Any]
) -> None:
    server.script(server.refusal(code), page({**ROW, **other}))
    error = await failure_of(awaited(server.base_url), cashback())

    assert isinstance(error, DuplicateTransactionError)
    assert (error.outcome, error.code, error.attempts, error.status) == ("not_applied", code, 1, 422)
    assert server.methods == ["POST", "GET"]


async def test_a_duplicate_is_looked_up_at_once(server: Server, awaited: MakeAwaited) -> None:
    server.script(server.refusal(305), *found("cashback"))
    began = time.monotonic()
    await awaited(server.base_url, STANDARD).send(cashback())

    assert time.monotonic() - began < 0.4


@pytest.mark.parametrize("other", ["T1", "t1 ", " t1", "t10", "\uff541", 1, None])
async def test_a_page_with_other_or_altered_ids_is_neither_ours_nor_absence(
    server: Server, awaited: MakeAwaited, other: str | int | None
) -> None:
    server.script("close", *[page({**ROW, "transactionId": other})] * 300)
    error = await failure_of(awaited(server.base_url, retries=QUICK, timeouts=Timeouts(total=0.2)), cashback())

    assert (type(error), error.outcome) == (OutcomeUnknownError, "unknown")
    assert server.methods.count("POST") == 1


async def test_look_ups_ask_caches_to_stand_aside(server: Server, awaited: MakeAwaited) -> None:
    server.script("close", *found("cashback"))
    await awaited(server.base_url).send(cashback())
    write, look_up = server.requests

    assert b"cache-control" not in write.head.lower()
    assert b"cache-control: no-cache" in look_up.head.lower()


@pytest.mark.parametrize("channel", [{"email": "p@example.com"}, {"mobile": "+201234"}], ids=["email", "mobile"])
async def test_a_merged_player_may_go_by_another_id(
    server: Server, awaited: MakeAwaited, channel: Mapping[str, str]
) -> None:
    server.script("close", page({**ROW, "playerUniqueId": "the one he was merged into"}))
    delivered = await awaited(server.base_url).deliver(cashback(**channel))

    assert delivered.value.player_unique_id == "the one he was merged into"
    assert delivered.settled_by == "lookup"


@pytest.mark.parametrize("list_says", [NOTHING, "close"], ids=["absent", "unreadable"])
async def test_a_duplicate_that_cannot_be_found_has_an_unknown_outcome(
    server: Server, awaited: MakeAwaited, list_says: Step
) -> None:
    server.script(server.refusal(305), list_says)
    error = await failure_of(awaited(server.base_url, retries=QUICK, timeouts=SHORT), cashback())

    assert (type(error), error.outcome, error.attempts) == (DuplicateTransactionError, "unknown", 1)
    assert server.methods.count("POST") == 1


async def test_a_duplicate_that_may_not_be_looked_up_is_not_called_unapplied(
    server: Server, awaited: MakeAwaited
) -> None:
    server.script(server.refusal(305), server.answer({}, status=403))
    error = await failure_of(awaited(server.base_url), cashback())

    assert error.outcome == "unknown"


@pytest.mark.parametrize("absences", [0, 1])
async def test_in_doubt_and_the_id_belongs_to_another_transaction_nothing_is_resent(
    server: Server, awaited: MakeAwaited, absences: int
) -> None:
    server.script("close", *[NOTHING] * absences, page({**ROW, "playerUniqueId": "q"}))
    error = await failure_of(awaited(server.base_url, retries=QUICK), cashback())

    assert isinstance(error, DuplicateTransactionError)
    assert (error.outcome, error.code, error.attempts) == ("unknown", None, 1)
    assert server.methods == ["POST", *["GET"] * (1 + absences)]


async def test_a_refund_whose_id_refunded_another_order_is_never_done(server: Server, awaited: MakeAwaited) -> None:
    its_order = Server.answer({"orderTransactions": [PAYMENT_ROW], "total": 1, "count": 1})
    before = (
        ["close"],
        ["close", NOTHING],
        ["close", NOTHING, NOTHING, server.refusal(305)],
        [server.answer({}, status=502)],
    )
    for steps in before:
        server.script(*steps, found("refund")[0], its_order)
        error = await failure_of(awaited(server.base_url, retries=QUICK), TRANSACTIONS["refund"].operation())

        assert isinstance(error, DuplicateTransactionError)
        assert error.outcome == "unknown"


@EACH
async def test_a_time_that_the_caller_gave_and_is_taken_is_the_callers_to_change(
    server: Server, awaited: MakeAwaited, name: str
) -> None:
    server.script(server.refusal(304), NOTHING, NOTHING)
    operation = TRANSACTIONS[name].operation(transaction_time=datetime(2024, 1, 1, tzinfo=UTC))
    error = await failure_of(awaited(server.base_url), operation)

    assert (type(error), error.outcome, error.attempts) == (TransactionTimeTakenError, "unknown", 1)
    assert server.methods == ["POST", "GET", "GET"]


def without_time(body: bytes) -> bytes:
    before, _, rest = body.partition(b'"transactionTime":"')
    return before + rest.partition(b'"')[2]


@EACH
async def test_a_time_of_ours_that_is_taken_is_stamped_anew_and_nothing_else_changes(
    server: Server, awaited: MakeAwaited, name: str
) -> None:
    server.script(server.refusal(304), NOTHING, NOTHING, server.answer(TRANSACTIONS[name].answer))
    delivered = await awaited(server.base_url).deliver(TRANSACTIONS[name].operation())

    check_value(delivered.value)
    assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("answer", 2, 2)
    first, _, _, second = server.requests
    assert first.body != second.body
    assert without_time(first.body) == without_time(second.body)


async def test_what_was_stamped_anew_and_lost_is_sent_again_with_its_new_time(
    server: Server, awaited: MakeAwaited
) -> None:
    server.script(server.refusal(304), NOTHING, NOTHING, "close", NOTHING, NOTHING, server.answer())
    await awaited(server.base_url, retries=QUICK).send(cashback())
    old, new, again = (seen.body for seen in server.requests if seen.method == "POST")

    assert old != new == again


async def test_times_that_are_always_taken_end_with_the_attempts(server: Server, awaited: MakeAwaited) -> None:
    server.script(*(server.refusal(304), NOTHING, NOTHING) * 4, server.answer())
    error = await failure_of(awaited(server.base_url, retries=QUICK), cashback())

    assert (type(error), error.attempts) == (TransactionTimeTakenError, 4)
    assert server.methods == ["POST", "GET", "GET"] * 4


# --- a refund's value


@pytest.mark.parametrize(
    "order", ["close", Server.answer({}, status=500), Server.answer({"orderTransactions": [PAYMENT_ROW], "total": 2})]
)
async def test_a_refund_is_settled_by_its_row_where_its_order_cannot_tell(
    server: Server, awaited: MakeAwaited, order: Step
) -> None:
    server.script("close", found("refund")[0], order)
    refunded = await awaited(server.base_url).send(TRANSACTIONS["refund"].operation())

    assert [row.transaction_id for row in refunded.order_transactions] == ["t1"]
    assert (refunded.total, refunded.count) == (None, None)
    assert server.requests[2].line == "GET /api/v3.0/integrations/order/t0/transactions HTTP/1.1"


@pytest.mark.parametrize("code", [304, 305])
async def test_a_refund_under_the_id_of_another_orders_refund_is_not_applied(
    server: Server, awaited: MakeAwaited, code: int
) -> None:
    its_order = Server.answer({"orderTransactions": [PAYMENT_ROW], "total": 1, "count": 1})
    server.script(server.refusal(code), found("refund")[0], its_order)
    error = await failure_of(awaited(server.base_url), TRANSACTIONS["refund"].operation())

    assert isinstance(error, DuplicateTransactionError)
    assert (error.outcome, error.code, error.attempts) == ("not_applied", code, 1)
    assert server.methods == ["POST", "GET", "GET"]


# --- writes that set a state


async def test_a_reversal_that_was_lost_is_sent_again_and_gone_means_done(server: Server, awaited: MakeAwaited) -> None:
    server.script("close", server.refusal(307))
    delivered = await awaited(server.base_url, retries=QUICK).deliver(transactions.reverse_hold("h"))

    assert (delivered.value, delivered.settled_by, delivered.attempts) == (None, "answer", 2)
    assert server.methods == ["DELETE", "DELETE"]


async def test_a_proxys_404_does_not_mean_that_it_is_gone(server: Server, awaited: MakeAwaited) -> None:
    server.script("close", server.answer(b"<html>nothing here</html>", status=404))
    with pytest.raises(OutcomeUnknownError):
        await awaited(server.base_url, retries=QUICK).batches.stop("7")
    assert server.methods == ["DELETE", "DELETE"]


async def test_a_get_that_must_not_be_sent_twice_has_an_unknown_outcome_when_its_answer_is_lost(
    server: Server, awaited: MakeAwaited
) -> None:
    server.script(server.answer({}, status=503))
    with pytest.raises(OutcomeUnknownError):
        await awaited(server.base_url).request("GET", "/charge", replay=Replay.NEVER)
    assert server.methods == ["GET"]


async def test_gone_at_the_first_try_is_not_done(server: Server, awaited: MakeAwaited) -> None:
    server.script(server.refusal(307))
    with pytest.raises(HoldNotFoundError):
        await awaited(server.base_url).transactions.reverse_hold("h")


# --- the retry budget


async def test_look_ups_are_made_even_when_no_resends_are_left(server: Server, awaited: MakeAwaited) -> None:
    client = awaited(server.base_url, retries=QUICK)
    client._delivery.budget.left = 0
    server.script("close", NOTHING, *found("cashback"))
    check_value(await client.send(cashback()))

    server.script("close", NOTHING)
    error = await failure_of(client, cashback())
    assert (type(error), error.outcome, error.attempts) == (OutcomeUnknownError, "unknown", 1)


async def test_writes_in_a_total_outage_are_bounded_by_attempts_and_look_ups(
    server: Server, awaited: MakeAwaited
) -> None:
    server.script("close")
    client = awaited(server.base_url, retries=QUICK, timeouts=Timeouts(total=0.3))
    operations = [
        transactions.cashback(CashbackRequest(player_unique_id=f"{n}", transaction_id=f"{n}", amount=1))
        for n in range(20)
    ]
    errors = await asyncio.gather(*map(client.send, operations), return_exceptions=True)

    assert {type(error) for error in errors} == {OutcomeUnknownError}
    assert server.methods.count("POST") == 20

"""The batches page: requests, answers, and waiting until a batch is done."""

import asyncio
import json
import logging
import pickle
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import anyio
import pytest
from attrs import evolve

from gameball import (
    AsyncGameball,
    Batch,
    BatchResponse,
    BatchRow,
    BatchStatus,
    BatchTimeoutError,
    CashbackRequest,
    Gameball,
    GameballError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RedeemRequest,
    Retries,
    ServerError,
    Timeouts,
)
from gameball.core.polling import poll
from gameball.core.waits import STANDARD
from gameball.sandbox import Sandbox, faults
from tests.resources.conftest import KEYS, QUICK_POLLS
from tests.support.mock_api import BASE, Ask, MockApi
from tests.support.server import Server
from tests.support.waits import with_waits

pytestmark = pytest.mark.many_cases

TIME = datetime(2019, 9, 19, 16, 14, 9, 895000, tzinfo=UTC)
ONE_TRY = {"api_key": "k", "secret_key": "s", "retries": Retries(attempts=1)}
SAMPLE = """{
"method":"POST",
"operation":"cashback",
"errorCount":0,
"totalCount":100,
"finishedCount":60,
"startedAt":"2012-12-30 16:50:11",
"createdAt":"2012-12-30 16:50:11",
"status":"processing",
"response":{}
}"""


def payment(number: int = 1, **more: Any) -> CashbackRequest:
    return CashbackRequest(player_unique_id=f"player{number}", transaction_id=f"tra_{number}", amount=99.98, **more)


def spending(number: int = 1, **more: Any) -> RedeemRequest:
    return RedeemRequest(player_unique_id=f"player{number}", transaction_id=f"tra_{number}", redeemed_amount=1, **more)


def state(status: str, **more: Any) -> str:
    return json.dumps({"status": status, **more})


# --- starting


@pytest.mark.parametrize(
    ("name", "rows", "body"),
    [
        (
            "start_cashback",
            [payment(1, transaction_time=TIME), payment(2, transaction_time=TIME, email="a@b.example")],
            (
                '{"method":"POST","operation":"cashback","params":{},"body":['
                '{"playerUniqueId":"player1","transactionTime":"2019-09-19T16:14:09.895Z",'
                '"transactionId":"tra_1","amount":99.98},'
                '{"playerUniqueId":"player2","email":"a@b.example","transactionTime":"2019-09-19T16:14:09.895Z",'
                '"transactionId":"tra_2","amount":99.98}]}'
            ),
        ),
        (
            "start_redeem",
            [
                spending(1, transaction_time=TIME),
                RedeemRequest(
                    player_unique_id="player2",
                    transaction_id="tra_2",
                    hold_reference="ref",
                    transaction_time=TIME,
                    otp="771",
                ),
            ],
            (
                '{"method":"POST","operation":"redeem","params":{},"body":['
                '{"playerUniqueId":"player1","transactionTime":"2019-09-19T16:14:09.895Z",'
                '"transactionId":"tra_1","redeemedAmount":1},'
                '{"playerUniqueId":"player2","transactionTime":"2019-09-19T16:14:09.895Z",'
                '"transactionId":"tra_2","holdReference":"ref","otp":"771"}]}'
            ),
        ),
        (
            "start_balance",
            ["player1", "spiel/er ü"],
            '{"method":"POST","operation":"balance","params":{},"body":{"playerUniqueIds":["player1","spiel/er ü"]}}',
        ),
    ],
)
async def test_a_start_is_posted_as_the_page_says(
    call: Ask, api: MockApi, name: str, rows: list[Any], body: str
) -> None:
    api.to("POST").answer('{"batchId": "213"}')

    assert await call(f"batches.{name}", rows) == "213"

    (sent,) = api.sent
    assert (sent.method, sent.target) == ("POST", "/integrations/batch")
    assert sent.body == body.encode()
    assert (sent.headers["APIKey"], sent.headers["SecretKey"]) == ("api-key-12345", "secret-key-12345")
    assert "Authorization" not in sent.headers


@pytest.mark.parametrize(
    "answer",
    [
        '{"batchId": "213"}',
        '{"batchId": 213}',
        '{"jobId": 213}',
        '{"jobId": "213"}',
        "213",
        '"213"',
        '{"BATCHID": "213"}',
        '{"JobID": 213}',
        '{"batchId": null, "jobId": 213}',
        '{"batchId": 213, "message": "started", "code": 0}',
        "213.0",
        '" 213 "',
    ],
)
async def test_the_batchs_id_is_text_however_it_is_written(call: Ask, api: MockApi, answer: str) -> None:
    api.to("POST").answer(answer)
    batch_id = await call("batches.start_balance", ["p"])
    assert batch_id == "213"
    assert isinstance(batch_id, str)


@pytest.mark.parametrize("answer", ["{}", "[]", "null", '""', "true", '{"batchId": ""}', '{"batchId": {}}', "<html>"])
async def test_a_start_without_an_id_may_have_been_made_and_is_not_repeated(
    call: Ask, api: MockApi, answer: str
) -> None:
    api.to("POST").answer(answer)
    with pytest.raises(OutcomeUnknownError, match="before starting another") as caught:
        await call("batches.start_cashback", [payment()])
    assert caught.value.outcome == "unknown"
    assert caught.value.operation == "batches.start"
    assert len(api.sent) == 1


async def test_a_start_whose_answer_was_lost_is_never_repeated(call: Ask, sandbox: Sandbox) -> None:
    sandbox.faults.arm("batches.start", faults.Reset(), effect="after")
    with pytest.raises(OutcomeUnknownError):
        await call("batches.start_cashback", [payment()], settings=keys(sandbox))
    assert len(sandbox.requests) == 1


async def test_rows_without_a_time_get_one_each_when_the_batch_is_built(call: Ask, api: MockApi) -> None:
    api.to("POST").answer("1")
    before = datetime.now(UTC)
    await call("batches.start_cashback", (payment(number) for number in range(50)))
    rows = json.loads(api.sent[0].body or b"")["body"]
    times = [datetime.fromisoformat(row["transactionTime"]) for row in rows]
    assert len(set(times)) == 50
    assert before <= min(times) <= max(times) <= datetime.now(UTC)


async def test_a_thousand_rows_are_taken(call: Ask, api: MockApi) -> None:
    api.to("POST").answer("1")
    await call("batches.start_cashback", [payment(number) for number in range(1000)])
    assert len(json.loads(api.sent[0].body or b"")["body"]) == 1000


@pytest.mark.parametrize(
    ("name", "rows", "field"),
    [
        ("start_cashback", [], "rows"),
        ("start_redeem", [], "rows"),
        ("start_balance", [], "player_unique_ids"),
        ("start_cashback", [payment(number) for number in range(1001)], "rows"),
        ("start_redeem", [spending(number) for number in range(1001)], "rows"),
        ("start_balance", [f"p{number}" for number in range(1001)], "player_unique_ids"),
        ("start_cashback", [payment(), spending(2)], "rows[1]"),
        ("start_redeem", [payment()], "rows[0]"),
        ("start_cashback", [{"player_unique_id": "p", "transaction_id": "t", "amount": 1}], "rows[0]"),
        ("start_cashback", [payment(1), payment(2), payment(1)], "rows[2].transaction_id"),
        ("start_redeem", [spending(1), spending(1)], "rows[1].transaction_id"),
        ("start_balance", ["p", 12], "player_unique_ids[1]"),
        ("start_balance", ["p", " "], "player_unique_ids[1]"),
        ("start_balance", ["\ud800"], "player_unique_ids[0]"),
        ("start_balance", "player1", "player_unique_ids"),
        ("start_balance", b"player1", "player_unique_ids[0]"),
        ("get", "", "batch_id"),
        ("get", "..", "batch_id"),
        ("get", 213, "batch_id"),
        ("stop", "", "batch_id"),
        ("wait", ".", "batch_id"),
    ],
)
async def test_what_breaks_a_rule_is_refused_before_anything_is_sent(
    call: Ask, api: MockApi, name: str, rows: Any, field: str
) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{re.escape(field)} ") as caught:
        await call(f"batches.{name}", rows)
    assert caught.value.field == field
    assert caught.value.outcome == "not_applied"
    assert api.sent == []


async def test_ids_that_differ_in_case_are_different_rows(call: Ask, api: MockApi) -> None:
    api.to("POST").answer("1")
    rows = [CashbackRequest(player_unique_id="p", transaction_id=name, amount=1) for name in ("a", "A")]
    assert await call("batches.start_cashback", rows) == "1"


async def test_a_rows_one_time_password_is_in_no_error(call: Ask, api: MockApi) -> None:
    """The API may repeat in its complaint what it was given."""
    api.to("POST").answer('{"code": 7, "message": "otp 771904 is wrong"}', status=422)
    with pytest.raises(GameballError) as caught:
        await call("batches.start_redeem", [spending(otp="771904")])
    assert "771904" not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


# --- reading


async def test_the_pages_sample_of_a_batch_is_read(call: Ask, api: MockApi) -> None:
    api.answer(SAMPLE)
    assert await call("batches.get", "213") == Batch(
        batch_id="213",
        method="POST",
        operation="cashback",
        error_count=0,
        total_count=100,
        finished_count=60,
        started_at=datetime(2012, 12, 30, 16, 50, 11, tzinfo=UTC),
        created_at=datetime(2012, 12, 30, 16, 50, 11, tzinfo=UTC),
        status=BatchStatus.IN_PROGRESS,
        response=BatchResponse(),
    )
    (sent,) = api.sent
    assert (sent.method, sent.target, sent.body) == ("GET", "/integrations/batch/213", None)
    assert (sent.headers["APIKey"], sent.headers["SecretKey"]) == ("api-key-12345", "secret-key-12345")


@pytest.mark.parametrize(
    ("row", "read"),
    [
        (
            {"playerUniqueId": "p", "pointsBalance": 10, "pointsValue": 0.1, "currency": "EGP", "pointsName": "Coins"},
            BatchRow(
                player_unique_id="p",
                points_balance=10,
                points_value=Decimal("0.1"),
                currency="EGP",
                points_name="Coins",
            ),
        ),
        (
            {"playerUniqueId": "p", "amount": "99.98", "points": "20", "gameballTransactionId": "384"},
            BatchRow(player_unique_id="p", amount=Decimal("99.98"), points=20, gameball_transaction_id="384"),
        ),
        (
            {"playerUniqueId": "p", "GameballTransactionId": "384", "RedeemedPoints": "200"},
            BatchRow(player_unique_id="p", gameball_transaction_id="384", redeemed_points=200),
        ),
        (
            {"playerUniqueId": "p", "transactionId": "t", "gameballTrasnactionId": 384, "points": 20.5},
            BatchRow(player_unique_id="p", transaction_id="t", gameball_transaction_id="384", points=Decimal("20.5")),
        ),
    ],
)
async def test_a_row_that_was_done_is_read_in_every_operations_shape(
    call: Ask, api: MockApi, row: dict[str, Any], read: BatchRow
) -> None:
    api.answer(state("finished", response={"successful": [row], "failed": []}))
    batch = await call("batches.get", "213")
    assert batch.successful == batch.response.successful == (read,)
    assert batch.failed == ()


@pytest.mark.parametrize("player", ["playerUniqueId", "customerId"])
@pytest.mark.parametrize("message", ["message", "error", "Message"])
async def test_a_row_that_failed_is_read_in_either_shape(call: Ask, api: MockApi, player: str, message: str) -> None:
    failed = {player: "p", message: "player not found"}
    api.answer(state("finished", errorCount=1, response={"successful": [], "failed": [failed]}))
    batch = await call("batches.get", "213")
    assert batch.failed == (BatchRow(player_unique_id="p", message="player not found"),)
    assert batch.status.terminal


@pytest.mark.parametrize("nothing", ['"response":null,"startedAt":null', '"response":{},"startedAt":""', '"x":1'])
async def test_a_batch_that_has_not_begun_has_no_rows_and_no_beginning(call: Ask, api: MockApi, nothing: str) -> None:
    api.answer(f'{{"status":"pending",{nothing}}}')
    batch = await call("batches.get", "213")
    assert (batch.started_at, batch.successful, batch.failed) == (None, (), ())


@pytest.mark.parametrize(
    ("words", "status", "terminal"),
    [
        (["pending", "queued", "Pending", "QUEUED", " queued "], BatchStatus.PENDING, False),
        (["inProgress", "processing", "running", "INPROGRESS", "Running"], BatchStatus.IN_PROGRESS, False),
        (["finished", "completed", "Completed", "FINISHED"], BatchStatus.FINISHED, True),
        (["stopped", "Stopped"], BatchStatus.STOPPED, True),
        (["failed", "FAILED"], BatchStatus.FAILED, True),
    ],
)
def test_the_words_of_a_status_are_known_in_any_case(words: list[str], status: BatchStatus, *, terminal: bool) -> None:
    assert [BatchStatus(word) for word in words] == [status] * len(words)
    assert status.terminal is terminal


@pytest.mark.parametrize("word", ["paused", "done?", "stopping", "finished_with_errors"])
def test_an_unknown_status_is_kept_and_is_no_end(word: str) -> None:
    assert BatchStatus(word) == word
    assert not BatchStatus(word).terminal
    with pytest.raises(ValueError, match="12 is not a valid BatchStatus"):
        BatchStatus(12)  # type: ignore[arg-type]


# --- stopping


@pytest.mark.parametrize("answer", ["", "{}", "null", "true", '{"message": "stopped"}'])
async def test_a_batch_is_stopped_and_any_answer_of_success_will_do(call: Ask, api: MockApi, answer: str) -> None:
    api.to("DELETE").answer(answer)
    assert await call("batches.stop", "21 3/") is None
    (sent,) = api.sent
    assert (sent.method, sent.target, sent.body) == ("DELETE", "/integrations/batch/21%203%2F", None)


async def test_a_batch_that_does_not_exist_is_not_stopped(call: Ask, api: MockApi) -> None:
    api.to("DELETE").answer('{"code": 3, "message": "not found"}', status=404)
    with pytest.raises(NotFoundError):
        await call("batches.stop", "213")


async def test_a_batch_that_is_gone_after_a_lost_stop_of_ours_is_stopped(call: Ask, api: MockApi) -> None:
    api.to("DELETE").answer("", status=502)
    api.to("DELETE").answer('{"code": 3, "message": "not found"}', status=404)
    settings = {**ONE_TRY, "retries": Retries(attempts=2, backoff=0.001)}
    assert await call("batches.stop", "213", settings=settings) is None
    assert len(api.sent) == 2


async def test_a_batchs_bytes_are_exact_on_a_real_socket(call: Ask, server: Server) -> None:
    server.script(server.answer(b'{"jobId": 213}'))
    assert await call("batches.start_balance", ["p"], base_url=server.base_url) == "213"
    assert server.only.line == "POST /api/v3.0/integrations/batch HTTP/1.1"
    head, body = server.only.head, server.only.body
    assert body == b'{"method":"POST","operation":"balance","params":{},"body":{"playerUniqueIds":["p"]}}'
    assert [name for name, value in server.only.headers.items() if "key-12345" in value] == ["APIKey", "SecretKey"]
    assert head.count(b"key-12345") == 2


# --- waiting


@pytest.mark.parametrize("word", ["finished", "Completed", "stopped", "failed", "STOPPED"])
async def test_waiting_ends_on_every_word_for_the_end(call: Ask, api: MockApi, word: str) -> None:
    rows = {"successful": [{"playerUniqueId": "p"}], "failed": []}
    for answer in (state("queued"), state("never heard of"), state(word, response=rows), state("running")):
        api.answer(answer)
    reports: list[Batch] = []

    batch = await call("batches.wait", "213", on_progress=reports.append)

    assert batch == reports[-1]
    assert batch.batch_id == "213"
    assert batch.successful == (BatchRow(player_unique_id="p"),)
    assert [seen.status for seen in reports] == ["pending", "never heard of", BatchStatus(word)]
    assert [(sent.method, sent.target) for sent in api.sent] == [("GET", "/integrations/batch/213")] * 3


async def test_waiting_tells_nobody_when_nobody_asks(call: Ask, api: MockApi) -> None:
    api.answer(state("finished"))
    assert (await call("batches.wait", "213")).status is BatchStatus.FINISHED


async def test_the_waits_grow_from_half_a_second_to_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    async def read() -> int:
        return len(waits)

    monkeypatch.setattr(asyncio, "sleep", note)
    assert await poll(read, done=lambda n: n == 8, missed=(), waits=STANDARD) == 8
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


def test_progress_is_told_in_the_callers_own_thread(api: MockApi) -> None:
    api.answer(state("pending"))
    api.answer(state("finished"))
    threads: list[int] = []
    with with_waits(Gameball(**KEYS, base_url=BASE), QUICK_POLLS) as client:
        client.batches.wait("213", on_progress=lambda _: threads.append(threading.get_ident()))
    assert threads == [threading.get_ident()] * 2


async def test_progress_is_told_in_the_loops_thread_when_awaited(api: MockApi) -> None:
    api.answer(state("finished"))
    threads: list[int] = []
    async with with_waits(
        AsyncGameball("k", "s", base_url="https://api.gameball.test/api/v3.0"), QUICK_POLLS
    ) as client:
        await client.batches.wait("213", on_progress=lambda _: threads.append(threading.get_ident()))
    assert threads == [threading.get_ident()]


@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), TimeoutError("the database's"), ServerError("mine")])
async def test_an_error_of_the_progress_callback_comes_out_as_it_is(call: Ask, api: MockApi, error: Exception) -> None:
    def fail(_: Batch) -> None:
        raise error

    api.answer(state("pending"))
    with pytest.raises(type(error)) as caught:
        await call("batches.wait", "213", on_progress=fail)
    assert str(caught.value) == str(error)


async def test_waiting_times_out_cleanly(call: Ask, api: MockApi) -> None:
    api.get(re.compile("https://"), body=state("pending"), repeat=True)
    with pytest.raises(BatchTimeoutError) as caught:
        await call("batches.wait", "213", timeout=0.05)
    error = caught.value
    assert str(error) == "batch 213 was not done after 0.05 s; it goes on at the API (batches.wait)"
    assert error.outcome == "unknown"
    assert error.__cause__ is None
    assert error.__context__ is None
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 (just written)
    assert {sent.method for sent in api.sent} == {"GET"}


@pytest.mark.parametrize("word", ["pending", "processing", "cancelled", "completedWithErrors"])
async def test_waiting_ends_when_nothing_changes(call: Ask, api: MockApi, word: str) -> None:
    api.get(re.compile("https://"), body=state(word), repeat=True)
    with pytest.raises(BatchTimeoutError) as caught:
        await call("batches.wait", "213", waits=evolve(QUICK_POLLS, no_progress=0.1))
    status = BatchStatus(word).value
    assert f'batch 213 has had no progress for 0.1 s (its status is "{status}"); it goes on' in str(caught.value)
    assert caught.value.__context__ is None


async def test_the_timeout_ends_a_poll_that_hangs(call: Ask, sandbox: Sandbox) -> None:
    batch_id = await call("batches.start_balance", ["p"], settings=keys(sandbox))
    sandbox.faults.arm("batches.get", faults.Delay(5.0))
    began = asyncio.get_running_loop().time()
    with pytest.raises(BatchTimeoutError):
        await call("batches.wait", batch_id, timeout=0.2, settings=keys(sandbox))
    assert asyncio.get_running_loop().time() - began < 2


async def test_a_slow_progress_callback_does_not_break_the_timeout(call: Ask, api: MockApi) -> None:
    api.get(re.compile("https://"), body=state("pending"), repeat=True)
    with pytest.raises(BatchTimeoutError):
        await call("batches.wait", "213", timeout=0.05, on_progress=lambda _: threading.Event().wait(0.1))


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
async def test_a_timeout_must_be_positive(call: Ask, api: MockApi, timeout: float) -> None:
    with pytest.raises(InvalidRequestError, match=r"^timeout must be a positive number"):
        await call("batches.wait", "213", timeout=timeout)
    assert api.sent == []


# --- polls that fail


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 500),
        ("<html>", 502),
        ('{"code": 13, "message": "something wrong"}', 422),
        ("<html>", 200),
        ('{"status": "fini', 200),
        ("{}", 200),
        ('{"code": 1, "message": "too many requests"}', 429),
    ],
)
async def test_waiting_survives_a_lost_poll(call: Ask, api: MockApi, body: str, status: int) -> None:
    api.answer(state("pending"))
    api.answer(body, status=status)
    api.answer(state("finished"))
    reports: list[Batch] = []
    batch = await call("batches.wait", "213", settings=ONE_TRY, on_progress=reports.append)
    assert batch.status is BatchStatus.FINISHED
    assert len(reports) == 2


@pytest.mark.parametrize("fault", [faults.Reset(), faults.Close(), faults.Delay(3.0), faults.CutBody()])
async def test_waiting_survives_a_poll_that_the_network_lost(call: Ask, sandbox: Sandbox, fault: faults.Fault) -> None:
    settings = {**keys(sandbox), "retries": Retries(attempts=1), "timeouts": Timeouts(attempt=0.2)}
    batch_id = await call("batches.start_balance", ["p"], settings=settings)
    sandbox.faults.arm("batches.get", fault, nth=2)
    batch = await call("batches.wait", batch_id, settings=settings)
    assert batch.status is BatchStatus.FINISHED


async def test_waiting_is_given_up_after_three_polls_lost_in_a_row(call: Ask, api: MockApi) -> None:
    for _ in range(4):
        api.answer("", status=500)
    with pytest.raises(ServerError) as caught:
        await call("batches.wait", "213", settings=ONE_TRY)
    assert caught.value.operation == "batches.get"
    assert len(api.sent) == 3


async def test_a_poll_that_succeeds_forgives_those_lost_before(call: Ask, api: MockApi) -> None:
    for _ in range(3):
        api.answer("", status=500)
        api.answer("", status=500)
        api.answer(state("running"))
    api.answer(state("finished"))
    assert (await call("batches.wait", "213", settings=ONE_TRY)).status is BatchStatus.FINISHED


async def test_a_batch_that_does_not_exist_is_not_waited_for(call: Ask, api: MockApi) -> None:
    api.answer('{"code": 3, "message": "not found"}', status=404)
    with pytest.raises(NotFoundError):
        await call("batches.wait", "213")
    assert len(api.sent) == 1


# --- waits that are broken off

GOES_ON = r"^batch {} goes on at the API; batches\.stop\(\) would end it$"


def keys(sandbox: Sandbox) -> dict[str, Any]:
    return {"api_key": sandbox.api_key, "secret_key": sandbox.secret_key, "base_url": sandbox.base_url}


@pytest.fixture
def endless() -> Iterator[Sandbox]:
    """A sandbox whose batches are not done for a long time."""
    with Sandbox(batch_polls=10**6) as sandbox:
        yield sandbox


def never_stopped(sandbox: Sandbox) -> bool:
    return "batches.stop" not in [request.operation for request in sandbox.requests]


@pytest.mark.parametrize("polls", [0, 2])
async def test_a_cancelled_wait_leaves_the_batch_running_and_says_so(endless: Sandbox, polls: int) -> None:
    async with with_waits(AsyncGameball(**keys(endless)), QUICK_POLLS) as client:
        batch_id = await client.batches.start_balance(["p"])
        reports: list[Batch] = []
        waiting = asyncio.create_task(client.batches.wait(batch_id, on_progress=reports.append))
        while len(reports) < polls:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await waiting
        (note,) = caught.value.__notes__
        assert re.match(GOES_ON.format(batch_id), note)
        assert never_stopped(endless)
        assert not (await client.batches.get(batch_id)).status.terminal


@pytest.mark.parametrize("scope", [asyncio.timeout, anyio.fail_after])
async def test_a_deadline_around_the_wait_is_the_callers_own(endless: Sandbox, scope: Callable[[float], Any]) -> None:
    async def wait_with_a_deadline(client: AsyncGameball, batch_id: str) -> None:
        manager = scope(0.05)
        if hasattr(manager, "__aenter__"):
            async with manager:
                await client.batches.wait(batch_id, timeout=30)
        else:
            with manager:
                await client.batches.wait(batch_id, timeout=30)

    async with with_waits(AsyncGameball(**keys(endless)), QUICK_POLLS) as client:
        batch_id = await client.batches.start_balance(["p"])
        with pytest.raises(TimeoutError) as caught:
            await wait_with_a_deadline(client, batch_id)
        assert not isinstance(caught.value, GameballError)
        assert never_stopped(endless)


def test_ctrl_c_in_a_progress_callback_leaves_the_batch_running_and_says_so(endless: Sandbox) -> None:
    def interrupt(_: Batch) -> None:
        raise KeyboardInterrupt

    with with_waits(Gameball(**keys(endless)), QUICK_POLLS) as client:
        batch_id = client.batches.start_balance(["p"])
        with pytest.raises(KeyboardInterrupt) as caught:
            client.batches.wait(batch_id, on_progress=interrupt)
        (note,) = caught.value.__notes__
        assert re.match(GOES_ON.format(batch_id), note)
        assert never_stopped(endless)
        polls = len(endless.requests)
        assert not client.batches.get(batch_id).status.terminal
        assert len(endless.requests) == polls + 1


INTERRUPTED = """
import signal, sys
from gameball import Gameball

signal.signal(signal.SIGINT, signal.default_int_handler)
client = Gameball("sandbox-api-key", "sandbox-secret-key", base_url=sys.argv[1])
batch_id = client.batches.start_balance(["p"])
try:
    client.batches.wait(batch_id, on_progress=lambda batch: print("polled", flush=True))
except KeyboardInterrupt as error:
    print(*error.__notes__, client.batches.get(batch_id).status)
"""


@pytest.mark.thorough
def test_a_real_ctrl_c_leaves_the_batch_running_and_says_so(endless: Sandbox) -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", INTERRUPTED, endless.base_url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "polled\n"
        program.send_signal(signal.SIGINT)
        said, errors = program.communicate(timeout=20)
    assert (program.returncode, errors) == (0, "")
    (last,) = [line for line in said.splitlines() if line != "polled"]
    assert re.fullmatch(r"batch \d+ goes on at the API; batches\.stop\(\) would end it (pending|inProgress)", last)
    assert never_stopped(endless)


# --- in the sandbox


async def test_a_batch_runs_to_its_end(call: Ask, sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = keys(sandbox)
    batch_id = await call("batches.start_cashback", [payment(1), payment(2)], settings=settings)
    batch = await call("batches.wait", batch_id, settings=settings)
    assert (batch.operation, batch.total_count, batch.finished_count, batch.error_count) == ("cashback", 2, 2, 0)
    assert [row.points for row in batch.successful] == [20, 20]

    rows = [
        RedeemRequest(player_unique_id="player1", transaction_id="r1", redeemed_amount=0.05),
        RedeemRequest(player_unique_id="nobody", transaction_id="r2", redeemed_amount=1),
    ]
    batch = await call("batches.wait", await call("batches.start_redeem", rows, settings=settings), settings=settings)
    assert [row.redeemed_points for row in batch.successful] == [5]
    assert [(row.player_unique_id, bool(row.message)) for row in batch.failed] == [("nobody", True)]
    assert batch.status is BatchStatus.FINISHED

    batch_id = await call("batches.start_balance", ["player1"], settings=settings)
    await call("batches.stop", batch_id, settings=settings)
    assert (await call("batches.wait", batch_id, settings=settings)).status is BatchStatus.STOPPED
    assert "sandbox-secret-key" not in caplog.text


def test_a_resource_tells_its_face_and_no_key() -> None:
    assert repr(Gameball("api-key-12345", "secret-key-12345").batches) == "<Batches[Sync]>"
    assert repr(AsyncGameball("api-key-12345", "secret-key-12345").batches) == "<Batches[Async]>"

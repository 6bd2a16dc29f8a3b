"""No id, path or message that others wrote makes a line of its own in a log, an error or a report."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from gameball import APIError, AsyncGameball, Attempt, BadRequestError, CashbackRequest, Gameball, Replay, RowResult
from gameball.errors import printable
from tests.support.calls import NOTHING_LISTED, TRANSACTIONS
from tests.support.server import Server

Make = Callable[..., AsyncGameball]

HOSTILE = {
    "a line end": "t\n2026-01-01 INFO rewarded",
    "another line end": "t\r2026-01-01 INFO rewarded",
    "a line separator": "t\u2028INFO rewarded\u0085INFO rewarded",
    "an ANSI escape": "t\x1b[2J\x1b]0;owned\x07",
    "a C1 control": "t\x9b31m\x90q\x9c",
    "a right-to-left override": "t\u202e\u2066drawer",
    "a null": "t\x00\x7f",
    "what nobody sees": "t\u200b\ufeff\U000e0041",
}
EACH = pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "gameball")
    return caplog


def refusal_of(message: str, **particulars: Any) -> bytes:
    return Server.answer({"code": 7, "message": message, **particulars}, status=422)


@EACH
async def test_a_message_of_the_api_is_shown_with_its_escapes(server: Server, awaited: Make, hostile: str) -> None:
    server.script(refusal_of(f" {hostile}\n", requestId=hostile))
    with pytest.raises(APIError) as raised:
        await TRANSACTIONS["cashback"](awaited(server.base_url))

    assert raised.value.message == raised.value.request_id == printable(hostile)
    assert str(raised.value).isprintable()
    assert printable(hostile) in str(raised.value)


@pytest.mark.parametrize("blank", ["", " ", "\n", "\t \u2028"])
async def test_a_message_of_blanks_is_none(server: Server, awaited: Make, blank: str) -> None:
    server.script(refusal_of(blank, requestId=blank))
    with pytest.raises(BadRequestError) as raised:
        await TRANSACTIONS["cashback"](awaited(server.base_url))
    assert raised.value.message
    assert raised.value.message.isprintable()
    assert raised.value.request_id is None


@EACH
async def test_an_id_forges_no_log_line(
    server: Server, awaited: Make, log: pytest.LogCaptureFixture, hostile: str
) -> None:
    server.script("hang")
    operation = TRANSACTIONS["cashback"].operation(transaction_id=hostile)
    call = asyncio.ensure_future(awaited(server.base_url).send(operation))
    await server.wait_for(lambda: server.requests)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    (warning,) = [record.getMessage() for record in log.records if record.levelno == logging.WARNING]
    assert f"transaction_id={printable(hostile)}" in warning
    assert all(record.getMessage().isprintable() for record in log.records)


@EACH
async def test_a_path_forges_no_log_line(
    server: Server, awaited: Make, log: pytest.LogCaptureFixture, hostile: str
) -> None:
    attempts: list[Attempt] = []
    server.script(refusal_of("no"))
    client = awaited(server.base_url, observers=[attempts.append])
    with pytest.raises(APIError) as raised:
        await client.request("POST", f"/{hostile}", replay=Replay.NEVER)

    messages = [record.getMessage() for record in log.records]
    assert any(printable(f"POST /{hostile}: exchange 1: HTTP 422") in message for message in messages)
    assert all(message.isprintable() for message in [*messages, str(raised.value), repr(attempts)])


@EACH
async def test_the_words_of_a_bug_beneath_forge_no_log_line(
    server: Server, awaited: Make, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, hostile: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError(hostile)

    monkeypatch.setattr("aiohttp.ClientSession._request", broken)
    with pytest.raises(Exception, match="LookupError"):
        await TRANSACTIONS["cashback"](awaited(server.base_url))

    messages = [record.getMessage() for record in log.records]
    assert any(message.startswith("LookupError in ") for message in messages)
    assert all(message.isprintable() for message in messages)


@EACH
def test_a_row_that_the_api_refuses_is_reported_with_its_escapes(
    server: Server, plain: Callable[..., Gameball], hostile: str
) -> None:
    server.script(refusal_of(hostile))
    row = CashbackRequest(player_unique_id="p", transaction_id=hostile, amount=1)
    results: list[RowResult] = list(plain(server.base_url).bulk.stream([row]))

    (error,) = [result.error for result in results]
    assert error is not None
    assert str(error).isprintable()
    assert results[0].to_dict()["error"]["message"] == printable(hostile)
    assert results[0].to_dict()["request"]["transaction_id"] == hostile


@EACH
def test_a_row_that_a_batch_could_not_do_is_reported_with_its_escapes(
    server: Server, plain: Callable[..., Gameball], hostile: str
) -> None:
    row = CashbackRequest(player_unique_id="p", transaction_id="t1", amount=1)
    failed = [{"playerUniqueId": "p", "transactionId": "t1", "message": hostile}]
    server.script(
        server.answer({"batchId": 1}),
        server.answer({"status": "finished", "response": {"successful": [], "failed": failed}}),
        server.answer(NOTHING_LISTED),
    )
    (result,) = plain(server.base_url).bulk.stream([row], via="batches")

    assert result.error is not None
    assert printable(hostile) in str(result.error)
    assert str(result.error).isprintable()
    assert printable(hostile) in result.to_dict()["error"]["message"]

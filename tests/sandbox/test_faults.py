"""Faults: which call they strike, what they do to the ledger, and what they look like to a client."""

import asyncio
import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from gameball.sandbox import Sandbox, faults
from gameball.sandbox.arming import Effect
from tests.support.sandbox_api import Api

CASHBACK = "transactions.cashback"


async def raw(sandbox: Sandbox, transaction_id: str = "order", *, patience: float = 2.0) -> bytes:
    """All bytes that a cashback is answered with until the connection ends or patience does."""
    body = json.dumps(
        {
            "playerUniqueId": "player123",
            "transactionId": transaction_id,
            "transactionTime": datetime.now(UTC).isoformat(),
            "amount": 10,
        }
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    writer.write(
        "POST /api/v3.0/integrations/transaction/cashback HTTP/1.1\r\nHost: localhost\r\n"
        "Connection: close\r\n"
        f"APIKey: {sandbox.api_key}\r\nSecretKey: {sandbox.secret_key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    received: list[bytes] = []
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while piece := await reader.read(65536):
                    received.append(piece)
    finally:
        writer.close()
    return b"".join(received)


WHOLE = b'{"playerUniqueId":"player123","gameballTransactionId":1,"rewardedPoints":2}'


@pytest.mark.parametrize("effect", ["before", "after"])
@pytest.mark.parametrize(
    "fault",
    [
        faults.Status(503),
        faults.TooManyRequests("1"),
        faults.Redirect(),
        faults.Html(),
        faults.EmptyBody(),
        faults.HugeHeaders(),
        faults.Close(),
        faults.Garbage(),
        faults.CutBody(),
        faults.CutBody(with_length=False),
        faults.CutBody(keep=10_000),
        faults.Drip(interval=0.001),
        faults.Delay(0.01),
        faults.GzipBomb(megabytes=2),
        faults.EndlessBody(megabytes=2),
    ],
    ids=repr,
)
async def test_a_fault_strikes_before_or_after_the_ledger_is_written(
    sandbox: Sandbox, fault: faults.Fault, effect: Effect
) -> None:
    sandbox.faults.arm(CASHBACK, fault, effect=effect)
    received = await raw(sandbox, patience=0.3)

    assert len(sandbox.ledger.transactions()) == (1 if effect == "after" else 0)
    assert [strike.fault for strike in sandbox.faults.fired] == [fault]
    assert sandbox.faults.unfired == []
    whole_is_told = isinstance(fault, faults.Delay | faults.Drip | faults.HugeHeaders) and effect == "after"
    assert (WHOLE in received) == whole_is_told


async def test_a_reset_is_a_reset_and_a_close_is_none(sandbox: Sandbox) -> None:
    sandbox.faults.arm(CASHBACK, faults.Reset(), effect="after")
    sandbox.faults.arm(CASHBACK, faults.Close(), effect="after")

    with pytest.raises(ConnectionResetError):
        await raw(sandbox)
    assert await raw(sandbox, "second") == b""


async def test_a_cut_body_is_shorter_than_its_length_or_ends_without_one(sandbox: Sandbox) -> None:
    sandbox.faults.arm(CASHBACK, faults.CutBody(keep=9), effect="after")
    sandbox.faults.arm(CASHBACK, faults.CutBody(keep=9, with_length=False))

    head, _, body = (await raw(sandbox)).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(WHOLE)}".encode() in head
    assert body == WHOLE[:9]
    head, _, body = (await raw(sandbox)).partition(b"\r\n\r\n")
    assert b"Content-Length" not in head
    assert (b"Connection: close" in head, body) == (True, WHOLE[:9])


async def test_a_drip_comes_in_pieces_and_ends_in_time(sandbox: Sandbox) -> None:
    sandbox.faults.arm(CASHBACK, faults.Drip(size=1, interval=0.05, seconds=0.15), effect="after")
    started = time.monotonic()
    _, _, body = (await raw(sandbox)).partition(b"\r\n\r\n")

    assert body == WHOLE[:3]
    assert 0.1 < time.monotonic() - started < 1


async def test_a_delayed_answer_is_late_and_whole(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.arm(CASHBACK, faults.Delay(0.1), effect="after")
    started = time.monotonic()

    assert (await api.transact("cashback", amount=10)).status == 200
    assert time.monotonic() - started > 0.09


async def test_statuses_carry_bodies_and_headers(api: Api, sandbox: Sandbox) -> None:
    url = f"{sandbox.base_url}/integrations/transaction/list"
    for fault in (
        faults.Status(503, {"code": 5003, "message": "unavailable"}, {"X-Request-Id": "abc"}),
        faults.TooManyRequests("Wed, 21 Oct 2015 07:28:00 GMT"),
        faults.TooManyRequests(),
        faults.Redirect("http://127.0.0.1:9/x", 302),
        faults.Html(502),
    ):
        sandbox.faults.arm("transactions.list", fault)

    answers = [await api.session.get(url, allow_redirects=False) for _ in range(5)]

    assert [answer.status for answer in answers] == [503, 429, 429, 302, 502]
    assert (await answers[0].json())["code"] == 5003
    assert answers[0].headers["X-Request-Id"] == "abc"
    assert answers[1].headers["Retry-After"] == "Wed, 21 Oct 2015 07:28:00 GMT"
    assert "Retry-After" not in answers[2].headers
    assert answers[3].headers["Location"] == "http://127.0.0.1:9/x"
    assert answers[4].content_type == "text/html"


async def test_a_gzip_bomb_is_small_until_it_is_read(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.arm("transactions.list", faults.GzipBomb(megabytes=8))
    url = f"{sandbox.base_url}/integrations/transaction/list"
    async with api.session.get(url) as answer:
        assert int(answer.headers["Content-Length"]) < 10_000
        inflated = 0
        async for piece in answer.content.iter_any():
            inflated += len(piece)
    assert inflated == 8 * 1024 * 1024


async def test_an_endless_body_stops_when_nobody_listens(sandbox: Sandbox) -> None:
    sandbox.faults.arm(CASHBACK, faults.EndlessBody())
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    keys = f"APIKey: {sandbox.api_key}\r\nSecretKey: {sandbox.secret_key}"
    path = "/api/v3.0/integrations/transaction/cashback"
    writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{keys}\r\nContent-Length: 0\r\n\r\n".encode())
    assert len(await reader.readexactly(3_000_000)) == 3_000_000
    writer.close()


async def test_an_endless_body_stops_when_its_time_is_up(sandbox: Sandbox) -> None:
    sandbox.faults.arm(CASHBACK, faults.EndlessBody(megabytes=100_000, seconds=0.05))

    assert (await raw(sandbox, patience=60)).startswith(b"HTTP/1.1 200 OK")


async def test_a_drip_stops_when_nobody_listens(sandbox: Sandbox) -> None:
    sandbox.faults.arm(CASHBACK, faults.Drip(interval=0.02), effect="after")
    await raw(sandbox, patience=0.03)
    await asyncio.sleep(0.1)

    assert (await raw(sandbox, "second")).endswith(b'"rewardedPoints":2}')


async def test_the_effect_later_does_the_work_after_the_fault(sandbox: Sandbox) -> None:
    sandbox.faults.arm(CASHBACK, faults.Close(), effect="later", later=60)
    began = asyncio.get_running_loop().time()

    assert await raw(sandbox) == b""
    assert sandbox.ledger.balance("player123") == 0
    [handle] = sandbox._server._delayed
    assert handle.when() >= began + 60
    handle._run()
    assert sandbox.ledger.balance("player123") == 2


async def test_the_effect_later_comes_by_itself(sandbox: Sandbox) -> None:
    sandbox.faults.arm(CASHBACK, faults.Close(), effect="later", later=0.01)

    assert await raw(sandbox) == b""
    async with asyncio.timeout(10):
        while sandbox.ledger.balance("player123") == 0:
            await asyncio.sleep(0.01)
    sandbox.ledger.assert_balance("player123", 2)


async def test_a_fault_waits_for_its_operation_its_transaction_and_its_turn(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.arm(CASHBACK, faults.Status(500), transaction_id="b", nth=2, times=2)
    sandbox.faults.arm("transactions.list", faults.Status(501), transaction_id="b")
    [by_id, listed] = sandbox.faults.unfired

    async def status(path: str, **options: Any) -> int:
        url = f"{sandbox.base_url}/integrations/transaction/{path}"
        async with api.session.request("GET" if path == "list" else "POST", url, **options) as answer:
            return answer.status

    statuses = [await status("cashback", json={"transactionId": name}) for name in "babbb"]
    assert statuses == [400, 400, 500, 500, 400]
    assert sandbox.faults.unfired == [listed]
    assert by_id.fired == 2
    assert await status("list", params={"transactionId": "a"}) == 200
    assert await status("list", params={"transactionId": "b"}) == 501


async def test_faults_armed_one_after_the_other_strike_one_after_the_other(sandbox: Sandbox) -> None:
    sandbox.faults.arm(CASHBACK, faults.Status(500))
    sandbox.faults.arm("*", faults.Status(501))

    statuses = [(await raw(sandbox, patience=0.05)).split()[1] for _ in range(3)]
    assert statuses == [b"500", b"501", b"200"]


@pytest.mark.parametrize(
    "wrong", [{"operation": "transactions.cashbak"}, {"nth": 0}, {"times": 0}, {"effect": "afterwards"}], ids=str
)
def test_arming_nonsense_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"operation|count|effect"):
        Sandbox().faults.arm(**{"operation": CASHBACK, "fault": faults.Close(), **wrong})


def test_a_drip_that_would_never_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="interval"):
        faults.Drip(interval=0)


async def test_an_id_that_is_none_matches_no_fault(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.arm(CASHBACK, faults.Status(500, {"share": 0.5}), transaction_id="order")

    for body in ({"transactionId": ["order"]}, {}, ["order"]):
        assert (await api.call("POST", "transaction/cashback", json=body)).status == 400
    assert (await api.call("POST", "transaction/cashback", json={"transactionId": "order"})).json == {
        "share": Decimal("0.5")
    }


async def storm(seed: int) -> tuple[list[str], int]:
    """Twenty payments through random faults: what struck, and how many were booked."""
    async with Sandbox() as sandbox:
        sandbox.faults.random(rate=0.5, seed=seed)
        for number in range(20):
            with suppress(ConnectionError):
                await raw(sandbox, str(number), patience=0.1)
        assert sandbox.faults.unfired == []
        return [repr(strike) for strike in sandbox.faults.fired], len(sandbox.ledger.transactions())


@pytest.mark.thorough
async def test_random_faults_are_the_same_for_the_same_seed() -> None:
    assert await storm(7) == await storm(7)
    assert (await storm(7))[0] != (await storm(8))[0]


async def test_random_faults_leave_reads_alone_and_can_be_ended(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.random(rate=1.0)
    assert (await api.get("transaction/list")).status == 200
    sandbox.faults.random(rate=0)
    assert (await api.transact("cashback", amount=10)).status == 200


async def test_requests_are_remembered_byte_by_byte_without_keys(api: Api, sandbox: Sandbox) -> None:
    body = b'{"playerUniqueId":  "p"}'
    await api.call("POST", "transaction/cashback", data=body)
    sandbox.clock.advance(minutes=10)
    await api.call("GET", "transaction/list?transactionId=a%2Bb", headers={"Authorization": "Bearer abc"})
    await api.call("GET", "nothing")

    first, second, third = sandbox.requests
    assert (first.operation, first.method, first.body) == (CASHBACK, "POST", body)
    assert second.path == "/api/v3.0/integrations/transaction/list?transactionId=a%2Bb"
    assert (second.time - first.time).total_seconds() >= 600
    assert third.operation is None
    assert second.headers["apikey"] == second.headers["secretkey"] == second.headers["authorization"] == "****"
    assert sandbox.secret_key not in repr(list(sandbox.requests))


@pytest.mark.parametrize(
    "fault",
    [
        faults.Delay(60),
        faults.Drip(interval=1),
        faults.EndlessBody(),
        faults.Close(),
    ],
    ids=repr,
)
async def test_a_sandbox_stops_at_once_with_faults_in_flight(fault: faults.Fault) -> None:
    async with Sandbox() as sandbox:
        sandbox.faults.arm(CASHBACK, fault, effect="later", later=60)
        reading = asyncio.create_task(raw(sandbox, patience=60))
        await asyncio.sleep(0.05)
        started = time.monotonic()
    assert time.monotonic() - started < 1
    with suppress(ConnectionError):
        await asyncio.wait_for(reading, 5)


def test_a_sandbox_of_a_thread_stops_at_once_with_faults_in_flight() -> None:
    with Sandbox() as sandbox:
        sandbox.faults.arm(CASHBACK, faults.Delay(60))

        async def hang_up() -> None:
            with suppress(TimeoutError, aiohttp.ServerDisconnectedError):
                await asyncio.wait_for(raw(sandbox), 0.05)

        asyncio.run(hang_up())
        started = time.monotonic()
    assert time.monotonic() - started < 1


async def test_what_is_armed_can_be_taken_away_and_what_has_struck_stays_known(sandbox: Sandbox, api: Api) -> None:
    sandbox.faults.arm(CASHBACK, faults.Status(503, {}))
    sandbox.faults.arm(CASHBACK, faults.Status(503, {}), nth=9)
    sandbox.faults.random(1.0, choices=[(faults.Status(500, {}), "before")])
    assert [(await api.transact("cashback", amount=1)).status for _ in range(2)] == [503, 500]
    assert [armed.fired for armed in sandbox.faults.armed] == [1, 0]

    sandbox.faults.clear()

    assert (await api.transact("cashback", amount=1)).status == 200
    assert (sandbox.faults.armed, sandbox.faults.unfired) == ([], [])
    assert len(sandbox.faults.fired) == 2


@pytest.mark.parametrize("later", [-1, 90_000, float("nan")])
def test_work_is_put_off_for_a_day_at_most(later: float) -> None:
    with pytest.raises(ValueError, match="later must be a number of seconds from 0 to 86400"):
        Sandbox().faults.arm(CASHBACK, faults.Close(), effect="later", later=later)

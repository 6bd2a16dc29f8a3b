"""What must not get out, and what must not get in: keys in errors and logs, bombs in memory, jumps of the clock.

That no secret shows is checked in every test of this folder; here are the places where it is most tempted to.
"""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from gameball import AsyncGameball, GameballError, RedeemRequest, Timeouts
from gameball.sandbox import Sandbox, faults
from tests.support.canaries import API_KEY, OTP, SECRET_KEY, Net
from tests.support.server import Part, Server
from tests.support.till import Till, effect_of, operation

Make = Callable[..., AsyncGameball]
BOTH = f"{API_KEY} {SECRET_KEY}"


# --- the net itself holds


def caused(cause: Exception) -> GameballError:
    error = GameballError("no")
    error.__cause__ = cause
    return error


def noted(note: str) -> GameballError:
    error = GameballError("no")
    error.add_note(note)
    return error


@pytest.mark.parametrize(
    "leak",
    [
        lambda _: logging.getLogger("anything").debug("with %s", API_KEY),
        lambda _: logging.getLogger("gameball").debug("quietly", extra={"header": SECRET_KEY}),
        lambda net: net.errors.append(GameballError(f"no {OTP}")),
        lambda net: net.errors.append(GameballError("no", request_id=API_KEY)),
        lambda net: net.errors.append(caused(ValueError(API_KEY))),
        lambda net: net.errors.append(noted("canary@example.com")),
    ],
    ids=["a log line", "a log record's extra", "a message", "a field", "a cause", "a note"],
)
def test_the_net_catches(net: Net, leak: Callable[[Net], object]) -> None:
    leak(net)
    caught = net.catch()
    net.said.clear()
    net.errors.clear()

    assert caught


# --- places where a secret is tempted to show


ECHOES: dict[str, faults.Fault] = {
    "a refusal": faults.Status(422, {"code": 7, "message": f"invalid value {BOTH} {OTP}"}),
    "a long refusal": faults.Status(422, {"code": 7, "message": "x" * 290 + BOTH + OTP}),
    "refused keys": faults.Status(401, {"code": 1000, "message": f"bad key {API_KEY}"}),
    "HTML": faults.Status(200, f"<html>{BOTH} {OTP}</html>".encode()),
    "HTML 500": faults.Status(500, f"<html>{BOTH} {OTP}</html>".encode()),
    "a wrong shape": faults.Status(200, {"gameballTransactionId": {API_KEY: OTP}, "transactions": SECRET_KEY}),
    "headers": faults.Status(500, headers={"X-Request-Id": API_KEY, "Set-Cookie": f"a={SECRET_KEY}"}),
    "a request id": faults.Status(422, {"code": 7, "message": "no", "requestId": f"{BOTH}"}),
    "a Retry-After": faults.TooManyRequests(API_KEY),
    "a redirect": faults.Redirect(f"http://127.0.0.1:9/?key={API_KEY}&otp={OTP}"),
    "garbage": faults.Garbage(BOTH.encode() + b"\r\n\r\n"),
    "a status line": faults.Garbage(f"HTTP/1.1 422 {BOTH} {OTP}\r\nContent-Length: 0\r\n\r\n".encode()),
    "a spoilt header": faults.Garbage(f"HTTP/1.1 200 OK\r\n{BOTH}\r\n\r\n".encode()),
    "a spoilt chunk": faults.Garbage(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{API_KEY}\r\n".encode()),
    "an encoding": faults.Status(200, b"?", {"Content-Encoding": API_KEY}),
    "cut JSON": faults.Status(200, b'{"gameballTransactionId": "' + API_KEY.encode()),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
async def test_a_server_that_repeats_our_keys_does_not_get_them_into_errors_or_logs(
    till: Till, net: Net, echo: faults.Fault
) -> None:
    await till.open(timeouts=Timeouts(attempt=0.2, total=0.2))
    till.arm("redeem", echo, times=10_000)
    till.arm("list", echo, times=10_000)
    with pytest.raises(GameballError):
        await till.client.send(operation("redeem"))

    assert any("exchange 1" in said for said in net.said)


async def test_a_one_time_password_in_a_batch_is_masked_too(sandbox: Sandbox, make: Make) -> None:
    sandbox.faults.arm("batches.start", ECHOES["a refusal"])
    row = RedeemRequest(player_unique_id="p", transaction_id="t1", redeemed_amount=3, otp=OTP)
    with pytest.raises(GameballError):
        await make(sandbox.base_url).batches.start_redeem([row])


async def test_a_one_time_password_in_a_request_of_ones_own_is_masked_too(sandbox: Sandbox, make: Make) -> None:
    sandbox.faults.arm("transactions.redeem", ECHOES["a refusal"])
    with pytest.raises(GameballError):
        await make(sandbox.base_url).request("POST", "/integrations/transaction/redeem", json={"otp": OTP})


async def test_a_loop_in_debug_mode_tells_no_secret_either(till: Till, keyed: str) -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    await till.open()
    till.arm(keyed, faults.Reset(), effect="after")
    await till.client.send(operation(keyed))
    loop.set_debug(False)


async def test_an_observer_that_fails_is_logged_without_a_secret(sandbox: Sandbox, net: Net) -> None:
    def observer(attempt: object) -> None:
        raise ValueError(f"cannot take {attempt!r}")

    async with AsyncGameball(API_KEY, SECRET_KEY, base_url=sandbox.base_url, observers=[observer]) as client:
        await client.send(operation("cashback"))

    assert any("an observer failed" in said for said in net.said)


# --- memory

BOMBED = """
import asyncio, json, resource, sys
from gameball import AsyncGameball, GameballError, Retries

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

async def main():
    async with AsyncGameball("canary-api-key-5f1c9be2", "canary-secret-key-a7d03e44", base_url=sys.argv[1],
                             retries=Retries(attempts=1)) as client:
        await client.transactions.list()
        before = peak()
        errors = []
        for call in (
            lambda: client.transactions.list(),
            lambda: client.transactions.hold(player_unique_id="p", hold_points=5),
        ):
            try:
                await call()
            except GameballError as error:
                errors.append([type(error).__name__, error.outcome, str(error)])
        print(json.dumps([peak() - before, errors]))

asyncio.run(main())
"""


@pytest.mark.thorough
def test_a_gzip_bomb_of_300_megabytes_costs_less_than_64_and_ends_as_an_error(tmp_path: Path) -> None:
    script = tmp_path / "bombed.py"
    script.write_text(BOMBED)
    with Sandbox(api_key=API_KEY, secret_key=SECRET_KEY) as sandbox:
        sandbox.faults.arm("transactions.list", faults.GzipBomb(300), nth=2)
        sandbox.faults.arm("transactions.hold", faults.GzipBomb(300))
        ran = subprocess.run(
            [sys.executable, str(script), sandbox.base_url],
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert not ran.stderr
    grown, (read, written) = json.loads(ran.stdout)

    assert grown < 64 * 1024 * 1024
    assert read[0] == "UnexpectedAnswerError"
    assert written[:2] == ["OutcomeUnknownError", "unknown"]
    assert "larger than 8 MiB" in read[2]


async def test_endless_answers_side_by_side_end_as_errors(till: Till) -> None:
    await till.open()
    till.arm("hold", faults.EndlessBody(30, seconds=2), times=3)
    results = await asyncio.gather(*(till.client.send(operation("hold")) for _ in range(3)), return_exceptions=True)

    assert [getattr(result, "outcome", result) for result in results] == ["unknown"] * 3


# --- the wall clock jumps


class Jumping(datetime):
    """A wall clock that is years off at every look, back and forth."""

    looks = 0

    @classmethod
    def now(cls, tz: Any = None) -> Self:
        cls.looks += 1
        return super().now(tz) + timedelta(days=3650 * (-1) ** cls.looks)


async def test_a_wall_clock_that_jumps_changes_no_wait_and_no_outcome(
    till: Till, monkeypatch: pytest.MonkeyPatch, keyed: str
) -> None:
    await till.open()
    for module in ("delivery", "timestamps"):
        monkeypatch.setattr(f"gameball.core.{module}.datetime", Jumping)
    monkeypatch.setattr("time.time", lambda: Jumping.now(UTC).timestamp())
    till.arm(keyed, faults.TooManyRequests("0"))
    till.arm(keyed, faults.Reset())
    till.arm(keyed, faults.Reset(), effect="after")
    async with asyncio.timeout(3):
        delivered = await till.client.deliver(operation(keyed))

    assert effect_of(keyed, delivered.value) == till.original()
    assert delivered.attempts == 3
    assert len(set(till.sent(keyed))) == 1


async def test_a_date_in_retry_after_is_not_measured_against_our_own_clock(
    till: Till, net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    await till.open()
    monkeypatch.setattr("gameball.core.delivery.datetime", Jumping)
    headers = {"Retry-After": "Sat, 21 Nov 2015 10:00:01 GMT", "Date": "Sat, 21 Nov 2015 10:00:00 GMT"}
    till.arm("cashback", faults.Status(429, headers=headers))
    await till.client.send(operation("cashback"))

    assert net.attempts[-2].wait == 1.0


async def test_a_clock_that_stands_still_or_goes_back_never_stamps_the_same_time_twice(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    await till.open()

    class Still(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Self:
            return cls(2020, 1, 1, tzinfo=tz)

    monkeypatch.setattr("gameball.core.timestamps.datetime", Still)
    calls = [operation("cashback", f"tra_{number}") for number in range(30)]
    await asyncio.gather(*(till.client.send(call) for call in calls))

    assert len({call.body.transaction_time for call in calls}) == 30
    assert len(till.sent("cashback")) == 30


# --- the keep-alive race, for whole calls


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("kind", ["hold", "list"])
async def test_a_kept_connection_that_dies_upon_the_call(make: Make, server: Server, kind: str, end: Part) -> None:
    page = b'HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"transactions": [],"count":0,"total":0}'
    server.script(page, end, page)
    client = make(server.base_url)
    await client.transactions.list()
    if kind == "list":
        assert (await client.deliver(operation(kind))).attempts == 2
    else:
        with pytest.raises(GameballError) as raised:
            await client.send(operation(kind))
        assert (raised.value.outcome, raised.value.attempts) == ("unknown", 1)

    assert len(server.requests) == (3 if kind == "list" else 2)

"""What is kept of requests: nothing of a stranger's, and no more than fits."""

from datetime import UTC, datetime
from io import BytesIO

import aiohttp
import pytest

from gameball.sandbox import Sandbox, faults
from gameball.sandbox.requests import KEPT_BYTES, Request, RequestLog
from tests.support.sandbox_api import Api


def request(size: int) -> Request:
    body = bytes(size - 1)
    return Request(number=1, operation=None, method="GET", path="/", body=body, headers={}, time=datetime.now(UTC))


def test_the_oldest_requests_give_way_when_there_are_too_many() -> None:
    log = RequestLog(kept=3)
    requests = [request(size) for size in range(1, 6)]
    for one in requests:
        log.append(one)

    assert list(log) == log[:] == requests[2:]
    assert (len(log), log[0], log[-1]) == (3, requests[2], requests[4])


def test_the_oldest_requests_give_way_when_there_are_too_many_bytes_of_them() -> None:
    log = RequestLog(kept_bytes=100)
    for size in (50, 50, 1, 99, 40):
        log.append(request(size))

    assert [one.size for one in log] == [40]
    log.append(request(60))
    assert [one.size for one in log] == [40, 60]
    log.append(request(101))
    assert list(log) == []
    log.append(request(100))
    log.clear()
    log.append(request(100))
    assert [one.size for one in log] == [100]


async def test_large_bodies_and_headers_never_exceed_what_is_kept(api: Api, sandbox: Sandbox) -> None:
    for _ in range(6):
        body = BytesIO(b" " * (7 * 1024 * 1024))
        await api.call("POST", "batch", data=body, headers={"X-Filler": "x" * 1000})

    assert len(sandbox.requests) == 4
    assert sum(len(one.body) for one in sandbox.requests) < KEPT_BYTES


@pytest.mark.parametrize("path", ["transaction/cashback", "nothing"])
@pytest.mark.parametrize("keys", [{}, {"APIKey": "sandbox-api-key"}, {"APIKey": "x", "SecretKey": "y"}], ids=str)
async def test_nothing_is_kept_and_no_fault_is_used_up_before_the_keys_are_good(
    sandbox: Sandbox, keys: dict[str, str], path: str
) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Reset())
    url = f"{sandbox.base_url}/integrations/{path}"
    async with aiohttp.ClientSession(headers=keys) as session, session.post(url, data=b"x" * 5000) as answer:
        assert answer.status == (404 if path == "nothing" else 401)

    assert (len(sandbox.requests), len(sandbox.faults.fired)) == (0, 0)


@pytest.mark.parametrize("host", ["rebound.example", "127.0.0.1.rebound.example:80", "10.0.0.1", "sandbox"])
async def test_a_host_that_is_not_this_machine_is_refused_whatever_the_keys(
    api: Api, sandbox: Sandbox, host: str
) -> None:
    reply = await api.call("POST", "transaction/cashback", json={}, headers={"Host": host})

    assert (reply.status, reply.code) == (421, 10)
    assert list(sandbox.requests) == []

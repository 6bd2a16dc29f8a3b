"""Runs at an address where the API is not: stopped at once, nothing spent, and the journal is still anybody's."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web

from gameball import (
    AsyncGameball,
    BulkStoppedError,
    CashbackRequest,
    JournalError,
    NotFoundError,
    RedeemRequest,
    Timeouts,
)
from gameball.bulk.journal import JournalReader
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Delay, Html, Status
from tests.support.bulk_api import QUICK, Api, Response, pays
from tests.support.waits import with_waits

pytestmark = pytest.mark.usefixtures("quick_looks")

STRANGERS: Final = {
    "404 in HTML": (404, "<html>no</html>"),
    "405 in HTML": (405, "<html>no</html>"),
    "404 of another API": (404, '{"detail": "Not Found"}'),
    "404 without a word": (404, ""),
    "404 with an empty object": (404, "{}"),
    "405 with a message alone": (405, '{"message": "no"}'),
    "no endpoint": (404, '{"code": 3, "message": "no endpoint"}'),
    "no endpoint, with another status": (422, '{"code": 3, "message": "no endpoint"}'),
}


class Stranger:
    """Answers everything in the same way, and counts what would move money."""

    def __init__(self, status: int, body: str) -> None:
        self._status, self._body = status, body
        self.writes = 0
        self.base_url = ""

    async def respond(self, request: web.Request) -> web.Response:
        self.writes += request.method == "POST"
        kind = "application/json" if self._body.startswith("{") else "text/html"
        return web.Response(status=self._status, text=self._body, content_type=kind)


@pytest.fixture
async def stranger(request: pytest.FixtureRequest) -> AsyncIterator[Stranger]:
    running = Stranger(*getattr(request, "param", (404, "")))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", running.respond)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    running.base_url = f"http://{host}:{port}"
    yield running
    await runner.cleanup()


@pytest.fixture
async def astray(sandbox: Sandbox, stranger: Stranger) -> AsyncIterator[AsyncGameball]:
    """A client of the sandbox's account that has a wrong address."""
    keys = sandbox.api_key, sandbox.secret_key
    async with AsyncGameball(*keys, base_url=stranger.base_url, retries=QUICK) as made:
        yield with_waits(made)


async def stopped(client: AsyncGameball, path: Path | None, **options: Any) -> BulkStoppedError:
    with pytest.raises(BulkStoppedError) as caught:
        await client.bulk.run(pays(100), journal=path, concurrency=4, **options)
    return caught.value


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS, indirect=True)
@pytest.mark.parametrize("via", ["calls", "batches"])
async def test_a_run_at_a_wrong_address_stops_at_once_and_goes_on_at_the_right_one(
    stranger: Stranger, astray: AsyncGameball, client: AsyncGameball, tmp_path: Path, via: str
) -> None:
    error = await stopped(astray, tmp_path / "rewards.db", via=via)

    assert "what answers at base_url is not the API" in str(error)
    assert "check base_url" in str(error)
    assert (error.report.settled, error.report.left) == (0, 100)
    assert stranger.writes <= 4

    report = await client.bulk.resume(tmp_path / "rewards.db", lookup_time=0.05)
    assert (report.applied, report.left) == (100, 0)


async def test_a_journal_is_bound_to_nobody_by_a_wrong_address_and_then_by_the_right_one(
    stranger: Stranger, astray: AsyncGameball, client: AsyncGameball, tmp_path: Path
) -> None:
    path = tmp_path / "rewards.db"
    await stopped(astray, path)
    with JournalReader(path) as journal:
        assert journal.contents.sending
        assert not journal.contents.bound

    await client.bulk.resume(path)
    with pytest.raises(JournalError, match=f"belongs to .*, not to {stranger.base_url}"):
        await astray.bulk.resume(path)


async def test_rows_that_a_stranger_took_are_looked_up_before_they_are_sent(
    sandbox: Sandbox, astray: AsyncGameball, client: AsyncGameball, tmp_path: Path
) -> None:
    """A gateway that says 404 to everything may have let the writes through."""
    await stopped(astray, tmp_path / "rewards.db")
    for row in list(pays(4)):
        await client.transactions.cashback(
            player_unique_id=row.player_unique_id, transaction_id=row.transaction_id, amount=row.amount
        )
    report = await client.bulk.resume(tmp_path / "rewards.db")

    assert report.applied == 100
    assert len(sandbox.ledger.transactions()) == 100


async def test_rows_in_doubt_keep_a_journal_bound_when_a_gateway_answers_a_later_run(
    sandbox: Sandbox, client: AsyncGameball, tmp_path: Path
) -> None:
    path = tmp_path / "rewards.db"
    sandbox.faults.arm("transactions.cashback", Delay(30.0), times=999)
    running = asyncio.create_task(client.bulk.run(pays(100), journal=path, concurrency=4))
    while len(sandbox.requests) < 4:
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    sandbox.faults.clear()
    for operation in ("transactions.cashback", "transactions.list"):
        sandbox.faults.arm(operation, Html(404), times=999)
    with pytest.raises(BulkStoppedError):
        await client.with_options(timeouts=Timeouts(total=1.0)).bulk.resume(path)

    with JournalReader(path) as journal:
        assert journal.contents.bound


async def test_a_journal_whose_rows_have_ended_stays_bound(
    sandbox: Sandbox, astray: AsyncGameball, client: AsyncGameball, tmp_path: Path
) -> None:
    path = tmp_path / "rewards.db"
    sandbox.faults.arm("transactions.cashback", Status(404, {"code": 3}), nth=5, times=999)
    error = await stopped(client, path)

    assert error.report.applied == 4
    with pytest.raises(JournalError, match="belongs to"):
        await astray.bulk.resume(path)
    sandbox.faults.clear()
    assert (await client.bulk.resume(path)).applied == 100


async def test_without_a_journal_rows_that_may_have_been_applied_need_a_review(astray: AsyncGameball) -> None:
    error = await stopped(astray, None)

    assert (error.report.applied, error.report.rejected) == (0, 0)
    assert error.report.needs_review <= 4


async def test_codes_of_the_api_for_what_a_row_lacks_do_not_stop_a_run(api: Api, caller: AsyncGameball) -> None:
    async def no_player(_: str) -> Response:
        return 404, {"code": 101, "message": "player not found"}

    api.answer = no_player
    report = await caller.bulk.run(pays(10))

    assert report.rejected == 10
    assert all(isinstance(problem.error, NotFoundError) for problem in report.problems)


@pytest.mark.parametrize("status", [404, 405])
async def test_look_ups_of_a_batch_that_another_server_answers_stop_the_run(
    sandbox: Sandbox, client: AsyncGameball, status: int
) -> None:
    sandbox.faults.arm("batches.get", Html(status), times=999)
    sandbox.faults.arm("transactions.list", Html(status), times=999)
    rows = [
        CashbackRequest(player_unique_id="p0", transaction_id="t0", amount=1),
        RedeemRequest(player_unique_id="p1", transaction_id="t1", redeemed_amount=1),
    ]
    with pytest.raises(BulkStoppedError, match="what answers at base_url is not the API") as caught:
        await client.bulk.run(rows, via="batches")

    assert (caught.value.report.needs_review, caught.value.report.rejected) == (2, 0)

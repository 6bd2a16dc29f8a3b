"""How a sandbox starts, serves and stops."""

import ast
import asyncio
import json
import socket
import sqlite3
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import gameball.sandbox
from gameball.sandbox import Sandbox
from tests.support.sandbox_api import Api


def pay(sandbox: Sandbox, transaction_id: str = "order") -> Any:
    body = {
        "playerUniqueId": "player123",
        "amount": 99.98,
        "transactionId": transaction_id,
        "transactionTime": datetime.now(UTC).isoformat(),
    }
    request = urllib.request.Request(  # noqa: S310 - always our own http
        f"{sandbox.base_url}/integrations/transaction/cashback",
        json.dumps(body).encode(),
        {"APIKey": sandbox.api_key, "SecretKey": sandbox.secret_key, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - the same
        return json.load(answer)


def test_plain_code_is_served_from_a_thread_of_the_sandbox() -> None:
    with Sandbox() as sandbox:
        assert sandbox.base_url.startswith("http://127.0.0.1:")
        assert sandbox.base_url.endswith("/api/v3.0")
        assert pay(sandbox)["rewardedPoints"] == 20
        assert sandbox.ledger.balance("player123") == 20
    assert "gameball-sandbox" not in {thread.name for thread in threading.enumerate()}


async def test_an_awaited_sandbox_is_served_from_the_running_loop(api: Api, sandbox: Sandbox) -> None:
    assert (await api.transact("cashback", amount=10)).status == 200
    assert sandbox.ledger.balance("player123") == 2
    assert "gameball-sandbox" not in {thread.name for thread in threading.enumerate()}


def test_two_sandboxes_know_nothing_of_each_other() -> None:
    with Sandbox() as one, Sandbox() as other:
        pay(one)
        assert other.ledger.transactions() == []


def test_a_file_keeps_the_ledger_from_one_run_to_the_next(tmp_path: Path) -> None:
    for run, _ in enumerate(("first", "second"), start=1):
        with Sandbox(db=tmp_path / "points.db") as sandbox:
            assert pay(sandbox, f"order{run}")["gameballTransactionId"] == run
            assert sandbox.ledger.balance("player123") == 20 * run


def test_a_sandbox_can_be_stopped_and_started_again_at_the_same_address(tmp_path: Path) -> None:
    sandbox = Sandbox(db=tmp_path / "points.db")
    with sandbox:
        address = sandbox.base_url
        pay(sandbox)
    with pytest.raises(urllib.error.URLError):
        pay(sandbox)
    with sandbox:
        assert sandbox.base_url == address
        assert sandbox.ledger.balance("player123") == 20


def test_a_file_is_one_sandboxs_at_a_time(tmp_path: Path) -> None:
    with Sandbox(db=tmp_path / "points.db"), pytest.raises(sqlite3.OperationalError, match="locked"):
        Sandbox(db=tmp_path / "points.db").__enter__()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, None], ids=["garbage", "somebody else's"])
def test_a_file_that_is_no_ledger_is_left_as_it_is(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "points.db"
    if content is None:
        other = sqlite3.connect(path)
        other.execute("create table theirs (name text)")
        other.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()

    with pytest.raises(sqlite3.DatabaseError, match="not a"):
        Sandbox(db=path).__enter__()
    assert path.read_bytes() == before


def test_a_taken_port_is_an_error_and_leaves_nothing_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Sandbox(port=taken.getsockname()[1]).__enter__()
    assert "gameball-sandbox" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.com"])  # noqa: S104 - to see it refused
def test_only_this_machine_is_served_without_allow_remote(host: str) -> None:
    with pytest.raises(ValueError, match="allow_remote"):
        Sandbox(host=host)
    assert Sandbox(host=host, allow_remote=True).host == host


def test_the_sandbox_shares_no_code_with_the_client() -> None:
    imported = set()
    for source in Path(gameball.sandbox.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported.add(str(node.module))
            elif isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}

    foreign = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not f"{name}.".startswith("gameball.sandbox.")} == {"aiohttp", "jinja2"}


def test_a_sandbox_has_no_ledger_before_it_is_entered() -> None:
    with pytest.raises(RuntimeError, match="entered"):
        _ = Sandbox().ledger


def test_the_clock_runs_and_can_be_advanced() -> None:
    sandbox = Sandbox()
    before = sandbox.clock.now()
    assert abs(datetime.now(UTC) - before) < timedelta(seconds=5)

    assert sandbox.clock.advance(minutes=10) - before >= timedelta(minutes=10)
    assert sandbox.clock.now() - before < timedelta(minutes=10, seconds=5)
    with pytest.raises(ValueError, match="forwards"):
        sandbox.clock.advance(seconds=-1)


def test_the_clock_can_be_set_to_a_moment_to_come() -> None:
    sandbox = Sandbox()
    moment = datetime(2100, 1, 1, tzinfo=UTC)
    assert timedelta() <= sandbox.clock.set(moment) - moment < timedelta(seconds=5)
    with pytest.raises(ValueError, match="must not go back"):
        sandbox.clock.set(moment - timedelta(days=1))
    with pytest.raises(ValueError, match="timezone-aware"):
        sandbox.clock.set(datetime(2200, 1, 1))  # noqa: DTZ001 - to see it refused
    with pytest.raises(ValueError, match="the year 9000"):
        sandbox.clock.set(datetime(9500, 1, 1, tzinfo=UTC))


def test_a_reset_empties_a_file_too_and_needs_a_running_sandbox(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="entered"):
        Sandbox().reset()
    with Sandbox(db=tmp_path / "points.db") as sandbox:
        pay(sandbox)
        sandbox.reset()
        assert sandbox.ledger.transactions() == []
    with Sandbox(db=tmp_path / "points.db") as sandbox:
        assert sandbox.ledger.transactions() == []
        assert pay(sandbox)["gameballTransactionId"] == 1


async def test_a_sandbox_stops_at_once_although_somebody_listens_to_its_events() -> None:
    async with aiohttp.ClientSession() as session:
        async with Sandbox() as sandbox:
            events = await session.get(f"http://127.0.0.1:{sandbox.port}/_sandbox/api/events")
            await events.content.readline()
            started = time.monotonic()
        assert time.monotonic() - started < 1
        events.close()


async def test_a_sandbox_stops_at_once_although_connections_are_open() -> None:
    async with Sandbox() as sandbox:
        host, port = sandbox.base_url.split("/")[2].split(":")
        writers = [(await asyncio.open_connection(host, port))[1] for _ in range(3)]
        writers[0].write(b"POST /api/v3.0/integrations/transaction/cashback HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")
        await asyncio.sleep(0.01)
        started = time.monotonic()
    assert time.monotonic() - started < 1
    for writer in writers:
        writer.close()

"""The pytest plugin, seen from a project that uses it, and the page of the docs about it."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gameball import AsyncGameball, CashbackRequest, Gameball, InvalidRequestError
from gameball.core.transport import Transport
from gameball.sandbox import Sandbox, faults

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/testing.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = [code for language, code in BLOCK.findall(PAGE) if language == "python"]

ASYNCIO = ("-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function")
AUTO = (*ASYNCIO, "-o", "asyncio_mode=auto")
ANYIO = ("-p", "anyio.pytest_plugin")


def run_pytest(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_theirs.py").write_text(source, encoding="utf-8")
    # Without autoload each plugin is named exactly once, be the package installed or not.
    always = ("-p", "gameball.testing", "-p", "no:cacheprovider", "-W", "error")
    return run_python(folder, "-m", "pytest", *always, *options, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")


def run_python(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


# --- the page of the docs


def test_the_examples_of_the_page_pass_but_for_the_one_that_shows_a_failure(tmp_path: Path) -> None:
    """The block of text is what pytest shows of that one, but for its times."""
    run = run_pytest(tmp_path, "\n\n".join(EXAMPLES), *ASYNCIO, *ANYIO)
    tests = sum(len(re.findall(r"^ *(?:async )?def test_", code, re.MULTILINE)) for code in EXAMPLES)

    (failure,) = (text for language, text in BLOCK.findall(PAGE) if language == "text")
    assert lines_without_times(failure) in lines_without_times(run.stdout), run.stdout
    assert "in assertions" not in run.stdout
    assert f"1 failed, {tests} passed" in run.stdout  # one runs twice, by its parameters, and one is to fail


def lines_without_times(text: str) -> str:
    return "\n".join(re.sub(r"2\S+Z$", "TIME", line.rstrip()) for line in text.splitlines())


def test_the_examples_for_unittest_need_no_pytest(tmp_path: Path) -> None:
    head = EXAMPLES[0].replace("def test_", "def shown_")
    (example,) = (code for code in EXAMPLES if "unittest.IsolatedAsyncioTestCase" in code)
    (tmp_path / "test_shop.py").write_text(f"{head}\n\n{example}", encoding="utf-8")
    run = run_python(tmp_path, "-X", "dev", "-W", "error", "-m", "unittest")

    assert "Ran 2 tests" in run.stderr
    assert "OK" in run.stderr
    assert "Warning" not in run.stderr


def test_the_page_names_every_fault_and_every_assertion() -> None:
    with Sandbox() as sandbox:
        names = {name for name in dir(sandbox.ledger) if name.startswith("assert_")}
    names |= {name for name, kind in vars(faults).items() if hasattr(kind, "respond")} - {"Fault"}
    assert len(names) > 20
    assert {name for name in names if not re.search(rf"`{name}\b", PAGE)} == set()


# --- plugins that others have


REWARDED_ONCE_EACH = """
async def buy(client):
    await client.transactions.cashback(player_unique_id="ada", transaction_id="order", amount=100)

async def test_first(gameball_sandbox, gameball_async_client):
    await buy(gameball_async_client)
    gameball_sandbox.ledger.assert_balance("ada", 20)

async def test_second(gameball_sandbox, gameball_async_client, gameball_client):
    await buy(gameball_async_client)
    gameball_client.transactions.manual(
        player_unique_id="ada", transaction_id="gift", username="ops", reason="thanks", points=5)
    gameball_sandbox.ledger.assert_balance("ada", 25)

def test_without_a_loop_of_a_plugin(gameball_sandbox, gameball_async_client):
    import asyncio
    for _ in range(2):
        asyncio.run(buy(gameball_async_client))
    gameball_sandbox.ledger.assert_rewarded_once("order")
"""


@pytest.mark.parametrize(
    ("head", "options"),
    [
        pytest.param("", AUTO, id="pytest-asyncio in auto mode"),
        pytest.param("", (*AUTO, "-p", "xdist", "-n", "2"), id="the same under xdist", marks=pytest.mark.thorough),
        pytest.param(
            "import pytest\npytestmark = pytest.mark.asyncio(loop_scope='module')\n",
            (*ASYNCIO, "-o", "asyncio_mode=strict", "-k", "not without"),
            id="pytest-asyncio in strict mode with a loop that outlives tests",
        ),
        pytest.param(
            "import pytest\npytestmark = pytest.mark.anyio\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n",
            ANYIO,
            id="anyio alone",
        ),
    ],
)
def test_the_awaited_client_works_under_any_plugin(head: str, options: tuple[str, ...], tmp_path: Path) -> None:
    run = run_pytest(tmp_path, head + REWARDED_ONCE_EACH, *options)

    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{2 if 'not without' in options else 3} passed" in run.stdout
    assert "Unclosed" not in run.stdout + run.stderr


def test_having_the_plugin_loads_nothing_of_the_sandbox(tmp_path: Path) -> None:
    run = run_pytest(
        tmp_path,
        "import sys\n"
        "def test_modules():\n"
        "    assert 'gameball.testing' in sys.modules\n"
        "    assert not {'aiohttp', 'sqlite3', 'gameball.client', 'gameball.sandbox'} & set(sys.modules)\n",
    )

    assert "1 passed" in run.stdout, run.stdout + run.stderr


def test_a_fault_that_never_struck_fails_the_test_that_armed_it_and_the_next_finds_no_guard(tmp_path: Path) -> None:
    run = run_pytest(
        tmp_path,
        "from gameball.core.delivery import Delivery\n"
        "from gameball.sandbox import faults\n"
        "def test_armed(gameball_sandbox):\n"
        "    assert Delivery.check.__module__ == 'gameball.testing'\n"
        "    gameball_sandbox.faults.arm('transactions.cashback', faults.Reset(), nth=3)\n"
        "def test_no_fixture():\n"
        "    assert Delivery.check.__module__ == 'gameball.core.delivery'\n",
    )

    assert "2 passed, 1 error" in run.stdout, run.stdout + run.stderr
    assert "armed faults that never struck: [Armed(operation='transactions.cashback'" in run.stdout


# --- clients of a test


@pytest.mark.parametrize("fixture", ["gameball_client", "gameball_async_client"])
def test_the_clients_have_the_keys_of_a_shop_and_of_a_partner(fixture: str, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue(fixture)
    client._delivery.credentials.require("api_key", "secret_key", "partner_token")


def test_the_keys_are_those_of_the_sandbox(gameball_client: Gameball) -> None:
    keys = gameball_client.clients.create(
        name="Shop", email="a@shop.example", mobile="1", store_name="Shop", domain="shop.example", country="EG",
        currency="EGP", time_zone="Africa/Cairo",
    )  # fmt: skip
    assert keys.api_key.reveal()
    gameball_client.configurations.get()


async def test_a_developers_own_settings_do_not_reach_them(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    for name in ("API_KEY", "SECRET_KEY", "PARTNER_TOKEN"):
        monkeypatch.setenv(f"GAMEBALL_{name}", "of-the-live-account")
    monkeypatch.setenv("GAMEBALL_BASE_URL", "https://api.gameball.co/api/v3.0")
    client: AsyncGameball = request.getfixturevalue("gameball_async_client")
    assert (await client.configurations.cashback()).is_cashback_active


# --- this machine only


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of what is handed to the transport, which is all that opens a connection."""
    seen: list[str] = []
    exchange = Transport.exchange

    async def noting(transport: Transport, *given: Any) -> Any:
        seen.append(transport.base_url)
        return await exchange(transport, *given)

    monkeypatch.setattr(Transport, "exchange", noting)
    return seen


PAYMENT = CashbackRequest(player_unique_id="ada", transaction_id="order", amount=100)
CALLS: dict[str, Callable[[Any], Any]] = {
    "a reward": lambda client: client.transactions.cashback(player_unique_id="ada", transaction_id="order", amount=100),
    "a read": lambda client: client.configurations.cashback(),
    "any endpoint": lambda client: client.request("GET", "/integrations/player/ada"),
    "a batch": lambda client: client.batches.start_cashback([PAYMENT]),
    "a bulk run": lambda client: client.bulk.run([PAYMENT]),
    "a bulk run by batches": lambda client: client.bulk.run([PAYMENT], via="batches"),
    "another client of it": lambda client: client.with_options(headers={"X-Shop": "1"}).configurations.get(),
}


@pytest.mark.usefixtures("gameball_sandbox")
@pytest.mark.parametrize("kind", [AsyncGameball, Gameball])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_live_api_is_refused_before_anything_is_sent(
    call: Callable[[Any], Any], kind: type[AsyncGameball] | type[Gameball], sent: list[str]
) -> None:
    client = kind("live-api-key", "live-secret-key")

    async def awaited() -> Any:
        return await call(client)

    with pytest.raises(InvalidRequestError) as refused:
        asyncio.run(awaited()) if isinstance(client, AsyncGameball) else call(client)
    assert str(refused.value).startswith(
        "base_url must be gameball_sandbox.base_url, or of this machine at least, while a test uses that fixture; "
        "this client would call https://api.gameball.co/api/v3.0"
    )
    assert "\n" not in str(refused.value)
    assert refused.value.outcome == "not_applied"
    assert sent == []


@pytest.mark.usefixtures("gameball_client")
@pytest.mark.parametrize(
    "address", ["https://127.0.0.1.example.com/api/v3.0", "https://10.0.0.1/api/v3.0", "http://sandbox:8765/api/v3.0"]
)
def test_what_only_looks_like_this_machine_is_refused_too(address: str, sent: list[str]) -> None:
    with (
        Gameball("some-api-key", "some-secret-key", base_url=address, allow_http=True) as client,
        pytest.raises(InvalidRequestError, match=re.escape(f"would call {address}")),
    ):
        client.configurations.cashback()
    assert sent == []


@pytest.mark.usefixtures("gameball_async_client")
async def test_a_proxy_elsewhere_is_refused_without_its_password(sent: list[str]) -> None:
    async with AsyncGameball(
        "some-api-key",
        "some-secret-key",
        base_url="https://localhost/api/v3.0",
        proxy="http://me:password@proxy.example:3128",
    ) as client:
        with pytest.raises(InvalidRequestError) as refused:
            await client.configurations.cashback()
    assert str(refused.value).startswith("proxy must be of this machine while a test uses the fixture gameball_sandbox")
    assert "proxy.example" in str(refused.value)
    assert "password" not in str(refused.value)
    assert sent == []


@pytest.mark.usefixtures("gameball_sandbox")
async def test_other_servers_of_this_machine_and_other_traffic_are_left_alone(sent: list[str]) -> None:
    with Sandbox(host="localhost") as other:
        async with AsyncGameball(other.api_key, other.secret_key, base_url=other.base_url) as client:
            await client.transactions.cashback(player_unique_id="ada", transaction_id="order", amount=100)
        async with aiohttp.ClientSession() as session, session.get(other.console_url) as page:
            assert page.status == 200
        other.ledger.assert_rewarded_once("order")
    assert sent == [other.base_url]


@pytest.mark.usefixtures("gameball_sandbox")
def test_a_plan_sends_nothing_and_so_is_no_call() -> None:
    assert Gameball("live-api-key", "live-secret-key").bulk.plan([PAYMENT]).rows == 1

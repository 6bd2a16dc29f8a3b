"""The pytest plugin, seen from a project that uses it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

A_PLAIN_AND_AN_ASYNC_TEST = """
import json, urllib.request
import aiohttp, pytest

BODY = {"playerUniqueId": "p", "transactionId": "t", "transactionTime": "2024-01-01T00:00:00Z", "amount": 10}

def headers(sandbox):
    return {"APIKey": sandbox.api_key, "SecretKey": sandbox.secret_key, "Content-Type": "application/json"}

def test_plain(gameball_sandbox):
    url = gameball_sandbox.base_url + "/integrations/transaction/cashback"
    request = urllib.request.Request(url, json.dumps(BODY).encode(), headers(gameball_sandbox))
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["rewardedPoints"] == 2
    assert gameball_sandbox.ledger.balance("p") == 2

@pytest.mark.asyncio
async def test_async_with_a_fresh_ledger(gameball_sandbox):
    url = gameball_sandbox.base_url + "/integrations/transaction/cashback"
    async with aiohttp.ClientSession(headers=headers(gameball_sandbox)) as session:
        async with session.post(url, json=BODY) as answer:
            assert answer.status == 200
    assert gameball_sandbox.ledger.balance("p") == 2
"""


def run_pytest(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_theirs.py").write_text(source)
    # Without autoload the plugin is named exactly once, be the package installed or not.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    plugins = ("-p", "gameball.testing", "-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider")
    options = ("-W", "error", "-o", "asyncio_default_fixture_loop_scope=function")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_fixture_serves_plain_and_async_tests_each_with_an_empty_ledger(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, A_PLAIN_AND_AN_ASYNC_TEST)

    assert "2 passed" in run.stdout, run.stdout + run.stderr
    assert run.returncode == 0


def test_having_the_plugin_loads_nothing_of_the_sandbox(tmp_path: Path) -> None:
    run = run_pytest(
        tmp_path,
        "import sys\n"
        "def test_modules():\n"
        "    assert 'gameball.testing' in sys.modules\n"
        "    assert not {'aiohttp', 'sqlite3', 'gameball.sandbox'} & set(sys.modules)\n",
    )

    assert "1 passed" in run.stdout, run.stdout + run.stderr


def test_a_fault_that_never_struck_fails_the_test_that_armed_it(tmp_path: Path) -> None:
    run = run_pytest(
        tmp_path,
        "from gameball.sandbox import faults\n"
        "def test_armed(gameball_sandbox):\n"
        "    gameball_sandbox.faults.arm('transactions.cashback', faults.Reset(), nth=3)\n",
    )

    assert "1 passed, 1 error" in run.stdout, run.stdout + run.stderr
    assert "armed faults that never struck: [Armed(operation='transactions.cashback'" in run.stdout

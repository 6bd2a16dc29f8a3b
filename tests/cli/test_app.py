import os
import signal
import subprocess
import sys
import urllib.request
from dataclasses import fields
from pathlib import Path

import pytest

from gameball.cli import COMMANDS
from gameball.sandbox.__main__ import Options
from tests.support.programs import gameball

pytestmark = pytest.mark.many_cases

COMMAND = (sys.executable, "-c", "import sys; from gameball.cli import main; sys.exit(main())")


def test_help_names_the_commands() -> None:
    shown = gameball("--help")
    assert shown.returncode == 0
    words = " ".join(shown.stdout.replace("│", " ").split())
    for name, (_, summary) in COMMANDS.items():
        assert f"{name} {summary}" in words


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_help_of_its_own(name: str) -> None:
    shown = gameball(name, "--help")
    assert shown.returncode == 0
    assert f"Usage: gameball {name}" in shown.stdout


def test_the_help_of_bulk_says_what_its_exit_codes_mean() -> None:
    assert "Exit codes: 0 all applied" in " ".join(gameball("bulk", "--help").stdout.split())


def test_a_command_loads_nothing_of_the_others() -> None:
    code = "import sys, gameball.cli.bulk; print('aiohttp.web' in sys.modules, 'gameball.sandbox' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == (
        "False False\n"
    )


def test_version_prints_the_version() -> None:
    assert gameball("--version").stdout == "3.0.0\n"


def test_the_demo_runs_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("player_unique_id,transaction_id,amount\nada,o1,99.98\n", encoding="utf-8")
    shown = gameball("demo", str(path))
    assert shown.returncode == 0
    assert "Proved" in shown.stdout
    assert shown.stderr == ""


@pytest.mark.parametrize("arguments", [("bogus",), ("demo", "a.csv", "b.csv"), ("demo", "/absent/orders.csv")])
def test_wrong_usage_and_a_wrong_file_exit_with_2(arguments: tuple[str, ...]) -> None:
    refused = gameball(*arguments)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr + refused.stdout


@pytest.mark.thorough
def test_the_demo_stays_to_be_looked_at_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("player_unique_id,transaction_id,amount\nada,order-1,100\n", encoding="utf-8")
    with subprocess.Popen([*COMMAND, "demo", "--keep", str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown: list[str] = []
        for line in process.stdout:
            shown.append(line)
            if "/_sandbox/" in line:
                break
        assert "Proved: every order was rewarded exactly once.\n" in shown
        address = next(word for word in shown[-1].split() if word.startswith("http"))
        with urllib.request.urlopen(f"{address}players") as page:  # noqa: S310 (our own http)
            assert "ada" in page.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_without_the_extra_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    hidden = tmp_path / "cyclopts.py"
    hidden.write_text("raise ModuleNotFoundError\n", encoding="utf-8")
    shown = subprocess.run(
        [*COMMAND, "demo"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.returncode == 2
    assert shown.stderr == "gameball: this command needs its extra: pip install 'gameball[cli]'\n"


def test_the_sandbox_serves_until_it_is_interrupted() -> None:
    with subprocess.Popen([*COMMAND, "sandbox", "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "127.0.0.1" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_the_sandbox_takes_the_options_of_its_module() -> None:
    as_command = gameball("sandbox", "--help").stdout
    assert "╭─ Parameters" in as_command
    as_module = subprocess.run(
        [sys.executable, "-m", "gameball.sandbox", "--help"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    for option in fields(Options):
        flag = f"--{option.name.replace('_', '-')}"
        assert flag in as_command
        assert flag in as_module
        for shown in (as_command, as_module):
            assert option.metadata["help"] in " ".join(shown.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--port", "70000"), "a port is a number from 0 to 65535"),
        (("--port", "http"), "http"),
        (("--host", "192.0.2.1"), "--allow-remote permits that"),
        (("--prot", "1"), "--prot"),
    ],
)
def test_a_sandbox_that_cannot_start_says_why(arguments: tuple[str, ...], sentence: str) -> None:
    refused = gameball("sandbox", *arguments)
    assert refused.returncode == 2
    assert sentence in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr

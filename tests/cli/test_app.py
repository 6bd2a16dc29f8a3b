import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-c", "import sys; from gameball.cli import main; sys.exit(main())")


def gameball(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_help_names_the_commands() -> None:
    told = gameball("--help")
    assert told.returncode == 0
    assert "bulk" in told.stdout
    assert "demo" in told.stdout
    assert "sandbox" in told.stdout


def test_the_version_is_told() -> None:
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


def test_without_the_extra_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    hidden = tmp_path / "cyclopts.py"
    hidden.write_text("raise ModuleNotFoundError\n", encoding="utf-8")
    told = subprocess.run(
        [*COMMAND, "demo"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 2
    assert told.stderr == "gameball: this command needs its extra: pip install 'gameball[cli]'\n"


def test_the_sandbox_serves_until_it_is_interrupted() -> None:
    with subprocess.Popen([*COMMAND, "sandbox", "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "127.0.0.1" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0

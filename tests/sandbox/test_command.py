"""`python -m gameball.sandbox`, run as a program."""

import io
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from gameball.sandbox import Sandbox
from gameball.sandbox.__main__ import main

pytestmark = pytest.mark.many_cases

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gameball.sandbox", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_how_to_use_it_and_serves_until_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    with start("--port", "0", "--db", str(tmp_path / "points.db")) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first, _, *exports = [process.stdout.readline().strip() for _ in range(6)]
        base_url = first.split()[3].rstrip(";")
        assert exports == [
            f"export GAMEBALL_BASE_URL={base_url}",
            "export GAMEBALL_API_KEY=sandbox-api-key",
            "export GAMEBALL_SECRET_KEY=sandbox-secret-key",
            "export GAMEBALL_PARTNER_TOKEN=sandbox-partner-token",
        ]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(base_url)  # noqa: S310 - always our own http

        process.send_signal(number)
        assert process.wait(timeout=5) == 0
        assert process.stderr.read() == ""


def test_the_command_returns_0_after_a_signal_and_leaves_signals_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)

    class Terminal(io.StringIO):
        def flush(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)

    assert main(["--port", "0"]) == 0
    assert terminal.getvalue().startswith("Gameball sandbox at http://127.0.0.1:")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_taken_port_is_reported_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"gameball sandbox: cannot listen on 127.0.0.1:{port}: Address already in use."
    ]


def test_a_file_that_cannot_be_used_is_reported_in_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n" * 100)

    assert main(["--port", "0", "--db", str(tmp_path / "notes.txt")]) == 2
    assert main(["--port", "0", "--db", str(tmp_path / "no" / "such" / "folder.db")]) == 2
    damaged = tmp_path / "points.db"
    with Sandbox(db=damaged):
        pass
    pages = damaged.read_bytes()
    damaged.write_bytes(pages[:8192] + b"rust" * 1024 + pages[12288:])
    assert main(["--port", "0", "--db", str(damaged)]) == 2
    corrupt, missing, rusty = capsys.readouterr().err.splitlines()
    assert "points.db as a ledger: " in rusty
    assert corrupt.endswith("notes.txt as a ledger: file is not a database.")
    assert missing.endswith("folder.db as a ledger: unable to open database file.")


def test_another_machines_host_needs_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "0.0.0.0"]) == 2  # noqa: S104 - to see it refused
    assert "--allow-remote" in capsys.readouterr().err


def test_a_wrong_argument_is_refused_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    for port in ("70000", "-1"):
        assert main([f"--port={port}"]) == 2
        assert capsys.readouterr().err == "gameball sandbox: a port is a number from 0 to 65535.\n"
    with pytest.raises(SystemExit, match="2"):
        main(["--port=http"])
    assert "invalid int value: 'http'" in capsys.readouterr().err


@pytest.mark.thorough
@pytest.mark.parametrize(("arguments", "status"), [([], 200), (["--no-control"], 404)])
def test_control_can_be_left_out(arguments: list[str], status: int) -> None:
    with start("--port", "0", *arguments) as process:
        assert process.stdout is not None
        origin = process.stdout.readline().split()[3].removesuffix("/api/v3.0;")
        try:
            with urllib.request.urlopen(f"{origin}/_sandbox/api/state") as response:  # noqa: S310 - our own http
                answered = response.status
        except urllib.error.HTTPError as error:
            answered = error.code
            error.close()
        process.terminate()
        process.communicate(timeout=5)
    assert answered == status


WALK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_shell_with_curl_alone_does_what_the_page_on_control_says() -> None:
    """It arms a fault, pays, reads the ledger and moves the clock of a sandbox in a process of its own."""
    script = "\n".join(WALK.findall((ROOT / "docs" / "console.md").read_text(encoding="utf-8")))
    with start("--port", "0") as process:
        assert process.stdout is not None
        origin = process.stdout.readline().split()[3].removesuffix("/api/v3.0;")
        script = script.replace("http://127.0.0.1:8765", origin)
        try:
            walked = subprocess.run(
                ["/bin/sh", "-eu", "-c", script], capture_output=True, text=True, timeout=30, check=False
            )
        finally:
            process.terminate()
            process.communicate(timeout=5)
    assert (walked.returncode, walked.stderr) == (0, "")

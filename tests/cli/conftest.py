"""What the tests of the command share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gameball.sandbox import Sandbox
from tests.cli.commands import Bulk, Command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(batch_polls=1) as running:
        yield running


@pytest.fixture
def here(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, and the keys of the sandbox."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAMEBALL_API_KEY", sandbox.api_key)
    monkeypatch.setenv("GAMEBALL_SECRET_KEY", sandbox.secret_key)
    monkeypatch.setenv("GAMEBALL_BASE_URL", sandbox.base_url)
    return tmp_path


@pytest.fixture
def bulk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bulk:
    return Bulk(monkeypatch, capsys)


@pytest.fixture
def ping(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)

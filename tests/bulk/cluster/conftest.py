"""What the tests of a cluster share: a sandbox with its keys in the environment, a shared directory, quick waits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gameball.sandbox import Sandbox
from tests.bulk.cluster.waits import shorten


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox; its keys and address are in the environment."""
    with Sandbox(batch_polls=1) as running:
        monkeypatch.setenv("GAMEBALL_API_KEY", running.api_key)
        monkeypatch.setenv("GAMEBALL_SECRET_KEY", running.secret_key)
        monkeypatch.setenv("GAMEBALL_BASE_URL", running.base_url)
        yield running


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The shared directory, which is not there yet."""
    return tmp_path / "rewards"


@pytest.fixture(autouse=True)
def quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks, leases and look-ups that hardly wait, where a run is in this process."""
    shorten(monkeypatch)

"""What the tests of a cluster share: a sandbox with its keys in the environment, a shared directory, quick waits."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from gameball.core.delivery import Delivery
from gameball.sandbox import Sandbox
from tests.support.waits import SHORT


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
    for name, seconds in {
        "lease.LOOK": 0.05,
        "lease.HOLDS": 0.3,
        "dispatch.HOLDS": 0.3,
        "dispatch.SETTLES": 0.02,
        "dispatch.TICK": 0.02,
        "dispatch.PROGRESS": 0.05,
        "worker.OFTEN": 0.1,
    }.items():
        monkeypatch.setattr(f"gameball.bulk.cluster.{name}", seconds)
    monkeypatch.setattr("gameball.bulk.cluster.worker.Delivery", partial(Delivery, waits=SHORT))

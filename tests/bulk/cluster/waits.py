"""The waits of a run on a cluster, shortened."""

from functools import partial

import pytest

from gameball.core.delivery import Delivery
from tests.support.waits import SHORT


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have looks, leases and look-ups hardly wait, for workers in this process."""
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

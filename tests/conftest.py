"""What all tests share."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own keys must not reach a test."""
    for name in [name for name in os.environ if name.startswith("GAMEBALL_")]:
        monkeypatch.delenv(name)

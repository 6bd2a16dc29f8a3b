"""A few small seeds of the stress, and that it notices a client that breaks a promise."""

import pytest

from gameball.core.waits import Waits
from tests.stress import scenarios
from tests.stress.__main__ import run
from tests.stress.scenarios import SCENARIOS

pytestmark = pytest.mark.many_cases

SCALE = 0.3


@pytest.mark.thorough
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_seed_breaks_a_promise(name: str) -> None:
    result = run(name, 1, SCALE)

    assert result.violations == []
    assert result.drawn.total() > 3, "too little went wrong to prove anything"
    assert result.outcomes["applied"] > result.outcomes.total() / 3


@pytest.mark.thorough
def test_a_client_that_believes_absence_too_soon_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios, "WAITS", Waits(first_lookup=0.0, between_lookups=0.001))
    violations = [violation for seed in range(1, 4) for violation in scenarios.plain(seed, SCALE).violations]

    assert {violation.partition(":")[0] for violation in violations} & {"double", "false outcome"}

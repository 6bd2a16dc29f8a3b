"""A pytest plugin: the sandbox as a fixture, for the tests of whoever uses this package.

Like this::

    def test_a_purchase_earns_points(gameball_sandbox):
        with Gameball("sandbox-api-key", "sandbox-secret-key", base_url=gameball_sandbox.base_url) as client:
            ...
        assert gameball_sandbox.ledger.balance("player123") == 20

What goes wrong is armed the same way::

    gameball_sandbox.faults.arm("transactions.cashback", faults.Reset(), effect="after")

Installing the package registers it; nothing else is to be done.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameball.sandbox import Sandbox


@pytest.fixture
def gameball_sandbox() -> "Iterator[Sandbox]":
    """A running sandbox with an empty ledger, for plain and async tests alike.

    A fault that the test armed and that never struck fails the test: it proved less than it seems to.
    """
    # Every pytest run loads this module: what it does not import costs nobody time, nor coverage its start.
    from gameball.sandbox import Sandbox  # noqa: PLC0415 - as said

    with Sandbox() as sandbox:
        yield sandbox
        unfired = sandbox.faults.unfired
    if unfired:
        pytest.fail(f"armed faults that never struck: {unfired}", pytrace=False)

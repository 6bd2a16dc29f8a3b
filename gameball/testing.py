"""A pytest plugin: a local Gameball and clients of it as fixtures, for the tests of whoever uses this package.

Like this::

    def test_a_purchase_earns_points(gameball_sandbox, gameball_client):
        checkout(gameball_client, order="tra_1", paid=100)
        gameball_sandbox.ledger.assert_rewarded_once("tra_1")

`gameball_async_client` is the awaited client, under pytest-asyncio and anyio's plugin alike. As long as a test uses one
of the three, no client in its process calls anything but this machine: an application that still has the API's own
address is refused before anything is sent.

What goes wrong is armed the same way::

    gameball_sandbox.faults.arm("transactions.cashback", faults.Reset(), effect="after")

Installing the package registers it; nothing else is to be done.
"""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from gameball.client import AsyncGameball, Gameball
    from gameball.core.delivery import Delivery
    from gameball.core.operation import Signature
    from gameball.core.transport import Transport
    from gameball.sandbox import Sandbox

# Every pytest run loads this module: what it does not import costs nobody time, nor coverage its start.
# ruff: noqa: PLC0415


@pytest.fixture
def gameball_sandbox() -> "Iterator[Sandbox]":
    """A running sandbox with an empty ledger, for plain and async tests alike.

    Meanwhile every client in this process refuses to call anything but this machine. A fault that the test armed and
    that never struck fails the test: it proved less than it seems to.
    """
    from gameball.sandbox import Sandbox

    with _this_machine_only(), Sandbox() as sandbox:
        yield sandbox
        unfired = sandbox.faults.unfired
    if unfired:
        pytest.fail(f"armed faults that never struck: {unfired}", pytrace=False)


@pytest.fixture
def gameball_client(gameball_sandbox: "Sandbox") -> "Iterator[Gameball]":
    """A plain client of `gameball_sandbox`, with all keys, closed after the test."""
    from gameball.client import Gameball

    with Gameball(
        gameball_sandbox.api_key,
        gameball_sandbox.secret_key,
        partner_token=gameball_sandbox.partner_token,
        base_url=gameball_sandbox.base_url,
    ) as client:
        yield client


@pytest.fixture
def gameball_async_client(gameball_sandbox: "Sandbox") -> "AsyncGameball":
    """An awaited client of `gameball_sandbox`, with all keys.

    A plain fixture, so that no plugin for async fixtures is needed: its connections belong to the event loops that
    the test awaits it in, and are closed with them.
    """
    from gameball.client import AsyncGameball

    return AsyncGameball(
        gameball_sandbox.api_key,
        gameball_sandbox.secret_key,
        partner_token=gameball_sandbox.partner_token,
        base_url=gameball_sandbox.base_url,
    )


@contextmanager
def _this_machine_only() -> "Generator[None]":
    """Have every client refuse to begin a call, or a bulk run, that would leave this machine."""
    from gameball.core.delivery import Delivery

    check = Delivery.check

    def check_address_first(delivery: "Delivery", signature: "Signature") -> None:
        _refuse_others(delivery.transport)
        check(delivery, signature)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Delivery, "check", check_address_first)
        yield


def _refuse_others(transport: "Transport") -> None:
    from urllib.parse import urlsplit

    from gameball.models.shared import refuse
    from gameball.settings import is_loopback

    if not is_loopback(transport.base_url):
        raise refuse(
            "base_url",
            "must be gameball_sandbox.base_url, or of this machine at least, while a test uses that fixture; "
            f"this client would call {transport.base_url}",
        )
    if transport.proxy is not None and not is_loopback(transport.proxy.reveal()):
        host = urlsplit(transport.proxy.reveal()).hostname
        raise refuse(
            "proxy",
            f"must be of this machine while a test uses the fixture gameball_sandbox; this client would call {host}",
        )

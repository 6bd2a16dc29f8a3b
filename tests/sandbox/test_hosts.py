"""Which `Host` headers name this machine."""

import socket

import pytest

from gameball.sandbox.hosts import names_this_machine

EVERYWHERE = "0.0.0.0"  # noqa: S104 - the header's check is for it too


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8765", "127.0.0.1", "localhost:8765", "LocalHost", "localhost.", "[::1]:8765", "[::1]", "127.1.2.3:80"],
)
@pytest.mark.parametrize("given", ["127.0.0.1", "::1", "localhost", "10.1.2.3", EVERYWHERE])
def test_loopback_always_names_this_machine(host: str, given: str) -> None:
    assert names_this_machine(host, given)


@pytest.mark.parametrize(
    ("host", "given"),
    [
        ("sandbox:8765", "sandbox"),
        ("Sandbox.:8765", "sandbox"),
        ("10.1.2.3:8765", "10.1.2.3"),
        ("[fd00:0::1]:8765", "fd00::1"),
        ("10.9.9.9:8765", EVERYWHERE),
        ("[fd00::1]", "::"),
        (f"{socket.gethostname()}:8765", EVERYWHERE),
        ("sandbox:8765", EVERYWHERE),
        ("sandbox", "::"),
    ],
)
def test_what_is_listened_on_names_this_machine(host: str, given: str) -> None:
    assert names_this_machine(host, given)


@pytest.mark.parametrize("given", ["127.0.0.1", "localhost", "sandbox", "10.1.2.3", EVERYWHERE, "::"])
@pytest.mark.parametrize(
    "host",
    [
        *("rebound.example:8765", "127.0.0.1.rebound.example", "localhost.rebound.example:8765", "", ":8765"),
        *("evil@127.0.0.1", "127.0.0.1:8765:80", "127.0.0.1 ", "127.0.0.1/", "[::1", "::1", "[rebound.example]"),
        *("sandbox.rebound.example", "127.0.0.1:port", "localhost,rebound.example"),
    ],
)
def test_any_other_name_does_not_name_this_machine(host: str, given: str) -> None:
    assert not names_this_machine(host, given)


@pytest.mark.parametrize("given", ["127.0.0.1", "sandbox", "10.1.2.4"])
def test_an_address_that_is_not_listened_on_does_not_name_this_machine(given: str) -> None:
    assert not names_this_machine("10.1.2.3:8765", given)

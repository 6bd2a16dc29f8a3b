"""What all tests share."""

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import settings

from tests.support.server import Server

MANY = 8
"""Cases of one test, by which it has many."""

settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=100, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="run all tests: what takes long, and all of many cases")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("thorough" if config.getoption("--thorough") else "quick")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that starts the tests in the background leaves Ctrl-C ignored, for the programs they start as well.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, unless `--thorough` is given, what takes long, and three of four cases of a test that has many."""
    if config.getoption("--thorough"):
        return
    cases = Counter(item.nodeid.partition("[")[0] for item in items)
    seen = set[str]()
    left_out = list[pytest.Item]()
    for item in items:
        function = item.nodeid.partition("[")[0]
        # Chosen by the name, not by its place: cases that alternate would be left out all of one sort.
        chosen = crc32(item.nodeid.encode()) % 4 == 0 or function not in seen
        many = cases[function] > MANY or item.get_closest_marker("many_cases")
        if item.get_closest_marker("thorough") or (many and not chosen):
            left_out.append(item)
        seen.add(function)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


# Programs that tests start find what they import compiled, even where the environment forbids to keep it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

NAMED = {Path(__file__).parent / name for name in ("browser", "recipes")}
"""The folders of tests that need more than Python and the extra `dev`: a browser, web servers, redis."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave those out, unless they are named: `pytest tests/browser`."""
    if collection_path not in NAMED:
        return None
    arguments = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    return None if any(argument.is_relative_to(collection_path) for argument in arguments) else True


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own keys must not reach a test."""
    for name in [name for name in os.environ if name.startswith("GAMEBALL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that rewards, until it is given another script."""
    with Server() as running:
        yield running


@pytest.fixture
def another_server() -> Iterator[Server]:
    """Another host, which mostly must see nothing."""
    with Server() as running:
        yield running


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def black_hole() -> Iterator[socket.socket]:
    """A listening socket whose queue is full: connecting to it neither succeeds nor fails."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)  # noqa: FBT003 (the socket's own signature)
            caller.connect_ex(full.getsockname())
        time.sleep(0.02)
        yield full

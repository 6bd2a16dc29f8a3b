"""What the recipes share: a page's programs in a folder of their own, and a sandbox behind them."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gameball.sandbox import Sandbox
from tests.recipes.recipe import Recipe, Server, free_port, listens, until


def pytest_collection_modifyitems() -> None:
    missing = [name for name in ("celery", "django", "flask", "gunicorn", "rq", "uvicorn") if find_spec(name) is None]
    if missing:
        raise pytest.UsageError(f"not installed: {', '.join(missing)}; pip install -e '.[recipes]'")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def recipe(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Recipe:
    """The page that the test's module is named after."""
    return Recipe(request.path.stem.removeprefix("test_").replace("_", "-"), tmp_path, sandbox)


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    """The URL of a redis of these tests' own, which keeps nothing."""
    with TemporaryDirectory() as folder:
        port = free_port()
        server = Server(
            f"redis-server --port {port} --bind 127.0.0.1 --save '' --dir {folder}", Path(folder), os.environ
        )
        try:
            until(lambda: listens(port), "redis listens")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.stop()

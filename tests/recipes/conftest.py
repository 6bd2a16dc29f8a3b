"""What the recipes share: a page's programs in a folder of their own, and a sandbox behind them."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from gameball.sandbox import Sandbox
from tests.recipes.recipe import Recipe


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

"""The matrix: `nox -f .ci/noxfile.py`, or one of it with `-s`: tests-3.13, lowest, package."""

from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parents[1]
DIRECT = ("tests/models", "tests/resources", "tests/core", "tests/sandbox", "tests/test_client.py")
"""The tests of what touches the dependencies."""


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run all tests."""
    session.chdir(ROOT)
    session.install("--editable", ".[dev,lint]")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session(python=["3.11", "3.13"])
def recipes(session: nox.Session) -> None:
    """Run the recipes of the docs, Django's on 5.2 and on 6; needs redis-server."""
    session.chdir(ROOT)
    session.install("--editable", ".[recipes]")
    session.run("pytest", "tests/recipes", *session.posargs)


@nox.session(python="3.11", venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Run the tests of what touches the dependencies, with the oldest releases that are allowed."""
    session.chdir(ROOT)
    session.install("--resolution", "lowest-direct", "--editable", ".[dev]")
    session.run("pytest", "-n", "2", *(session.posargs or DIRECT))


@nox.session
def package(session: nox.Session) -> None:
    """Build the wheel and the source archive, and check what is in them."""
    session.chdir(ROOT)
    built = session.create_tmp()
    session.install("build", "check-wheel-contents", "twine")
    session.run("python", "-m", "build", "--outdir", built)
    files = sorted(str(file) for file in Path(built).iterdir())
    session.run("twine", "check", "--strict", *files)
    session.run("check-wheel-contents", *(file for file in files if file.endswith(".whl")))

"""Type checkers read tests/typing as a user's code, each in a process of its own.

What must be flagged there carries an ignore, and an ignore without an error is an error: so a clean run proves
both the right types and the flagged mistakes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="the extra lint is not installed")
pytest.importorskip("pyright")

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[1]
USAGE = ROOT / "tests" / "typing"
FILES = sorted(USAGE.glob("*.py"))


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=50, check=False, cwd=ROOT
    )


def pyright(folder: Path, sources: Path) -> list[str]:
    """Run pyright in a project of its own, where it does not heed the ignores that are mypy's."""
    (folder / "pyrightconfig.json").write_text(
        json.dumps(
            {
                "include": [os.path.relpath(sources, folder)],
                "extraPaths": [os.path.relpath(ROOT, folder)],
                "pythonVersion": "3.11",
                "typeCheckingMode": "strict",
                "enableTypeIgnoreComments": False,
                "reportUnnecessaryTypeIgnoreComment": "error",
            }
        )
    )
    ended = run("pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(folder))
    report = json.loads(ended.stdout)
    assert report["summary"]["filesAnalyzed"] == len(list(sources.glob("*.py"))), ended.stderr
    return [f"{Path(found['file']).name}: {found['message']}" for found in report["generalDiagnostics"]]


def mypy(folder: Path, sources: Path) -> list[str]:
    found = run("mypy", "--strict", "--cache-dir", str(folder), *map(str, sources.glob("*.py")))
    assert found.returncode in (0, 1), found.stderr + found.stdout
    return [line for line in found.stdout.splitlines() if ": error: " in line]


def test_there_is_usage_of_both_faces_and_of_the_package() -> None:
    assert [file.stem for file in FILES] == ["awaited", "names", "plain"]


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_usage_passes_and_its_mistakes_are_flagged(checker: Callable[[Path, Path], list[str]], tmp_path: Path) -> None:
    assert checker(tmp_path, USAGE) == []


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_checker_that_no_longer_flags_a_mistake_fails_here(
    checker: Callable[[Path, Path], list[str]], tmp_path: Path
) -> None:
    """The method itself: an ignore over a faultless line has to be reported."""
    sources = tmp_path / "sources"
    sources.mkdir()
    faultless = "  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]"
    (sources / "faultless.py").write_text(f"answer: int = 42{faultless}\n")
    (found,) = checker(tmp_path, sources)
    assert "ignore" in found

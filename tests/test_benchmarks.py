"""`python -m benchmarks`, run as users run it. What it measures is for people to read; no figure is asserted."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import pytest

from benchmarks import server
from benchmarks.answers import ROUTES
from benchmarks.measure import Contender, Effort, Figure, Work, repeated, side_by_side
from benchmarks.table import Table, Target, text

pytestmark = pytest.mark.thorough

BRIEF = Effort(rounds=3, seconds=0.001, quick=True)


def benchmarks(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_quick_run_prints_a_table_with_ratios_and_targets() -> None:
    run = benchmarks("plain", "--quick")
    assert run.returncode == 0, run.stderr
    assert "### plain" in run.stdout
    assert "| CPU ratio | wall ratio |" in run.stdout


def test_json_is_one_document_with_every_figure_by_its_name() -> None:
    run = benchmarks("page", "--quick", "--json")
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    assert document["surroundings"]["Python"] == sys.version.split()[0]
    (page,) = document["tables"]
    assert page["rows"][0]["CPU ratio"] == 1
    assert {"what", "measured", "sense", "limit", "unit", "met"} == set(page["targets"][0])


def test_a_plan_is_measured_beside_one_by_hand() -> None:
    run = benchmarks("plan", "--quick")
    assert run.returncode == 0, run.stderr
    assert "### plan: a file of 1,000 cashbacks with times" in run.stdout
    assert "| csv and sets, by hand" in run.stdout


def test_an_unknown_name_is_refused_in_one_sentence_that_names_the_known_ones() -> None:
    run = benchmarks("plain", "nonsense")
    assert run.returncode == 2
    assert run.stdout == ""
    (sentence,) = run.stderr.splitlines()
    assert sentence.startswith("There is no scenario 'nonsense'; there are typed, call, plain, ")


def test_without_valgrind_instructions_are_not_counted_and_one_sentence_says_so(tmp_path: Path) -> None:
    run = benchmarks("call", "--instructions", PATH=str(tmp_path))
    assert run.returncode == 0, run.stderr
    assert "- valgrind is not installed" in run.stdout


def test_what_cannot_be_counted_is_refused_in_a_sentence_that_names_what_can() -> None:
    run = benchmarks("memory", "--instructions")
    assert run.returncode == 2
    assert run.stderr == "There is no scenario 'memory'; there are call, plain.\n"


def test_a_peer_that_is_not_installed_is_left_out() -> None:
    nap = partial(time.sleep, BRIEF.seconds)

    @contextmanager
    def missing() -> Iterator[Work]:
        raise ModuleNotFoundError(name="grequests")
        yield

    comparison = side_by_side([Contender("here", repeated(nap)), Contender("gone", missing)], BRIEF)
    assert [one.name for one in comparison.measured] == ["here"]
    assert comparison.absent == ["grequests"]


def test_a_missed_target_is_reported_in_words() -> None:
    targets = [Target("CPU", Figure(0.95, 0.9, 1.0), "at most", 0.9), Target("rows", 6.0, "at least", 5)]
    *_, missed, met = text(Table("figures", ("", "CPU"), [("ours", 1.0)], targets)).splitlines()
    assert missed == "- CPU: 0.95x (0.90x to 1.00x), at most 0.90x: NOT met"
    assert met == "- rows: 6.00x, at least 5.00x: met"


@pytest.mark.parametrize("program", [server.program, lambda: server.IN_PYTHON], ids=["built", "in Python"])
def test_the_server_answers_each_address_and_holds_answers_back(
    program: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "program", program)
    with server.serving(latency=0.05) as address:
        start = time.perf_counter()
        for route, body in ROUTES.items():
            with urlopen(address + route, data=b"{}" * 50_000) as answer:  # noqa: S310 (it is ours)
                assert answer.read() == body
        assert time.perf_counter() - start >= 0.05 * len(ROUTES)

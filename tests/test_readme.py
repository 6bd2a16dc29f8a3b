"""The examples of README and docs/ run as they stand, in the order of their page, against a local Gameball."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout, suppress
from datetime import datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient

from gameball import cli, errors
from gameball.codes import CODES
from gameball.sandbox import Sandbox
from tests.support.pages import examples, programs

ROOT = Path(__file__).parents[1]
PAGES = {
    str(file.relative_to(ROOT)): file.read_text(encoding="utf-8")
    for file in [
        *(ROOT / "README.md", ROOT / "SECURITY.md", ROOT / ".github/CONTRIBUTING.md", ROOT / "benchmarks/README.md"),
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
}
SECTIONS: Mapping[str, str] = dict(
    re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGES["README.md"], re.MULTILINE | re.DOTALL)
)
BLOCK = re.compile(r"^```(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    return [block for kind, block in BLOCK.findall(text) if kind == language]


def run(section: str) -> dict[str, Any]:
    """Run the examples of a section of README, which follow on one another; the names that they leave."""
    names: dict[str, Any] = {"__name__": section}
    execute("\n".join(blocks(SECTIONS[section], "python")), section, names)
    return names


def execute(code: str, name: str, names: dict[str, Any]) -> None:
    exec(compile(code, name, "exec", dont_inherit=True), names)  # noqa: S102 (ours)


@pytest.fixture(scope="module")
def local_gameball() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def keys_in_the_environment(local_gameball: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    point_to(local_gameball, monkeypatch)


def point_to(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEBALL_API_KEY", sandbox.api_key)
    monkeypatch.setenv("GAMEBALL_SECRET_KEY", sandbox.secret_key)
    monkeypatch.setenv("GAMEBALL_BASE_URL", sandbox.base_url)


# --- README, section by section


def test_the_awaited_example_prints_the_points_and_the_transaction(capsys: pytest.CaptureFixture[str]) -> None:
    run("Awaited")
    points, transaction = capsys.readouterr().out.splitlines()
    assert points == "20"
    assert transaction.endswith("PaymentReward 20")


def test_the_plain_example_redeems_what_it_held(local_gameball: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    run("Plain")
    assert capsys.readouterr().out == "200\n"
    assert local_gameball.ledger.balance("player123") == 20 + 500 - 200


async def test_the_fastapi_example_rewards_through_its_route(local_gameball: Sandbox) -> None:
    app = run("FastAPI")["app"]
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=ASGITransport(app), base_url="http://shop") as browser,
    ):
        answer = await browser.post("/orders/tra_9/reward", params={"player": "player9", "paid": "99.98"})
    assert answer.json() == {"points": "20"}
    assert local_gameball.ledger.balance("player9") == 20


def test_the_error_example_shows_a_duplicate_and_a_computed_float(capsys: pytest.CaptureFixture[str]) -> None:
    run("When something goes wrong")
    duplicate, computed = capsys.readouterr().out.splitlines()
    assert duplicate.startswith("305 ")
    assert "transaction_id=tra_1, HTTP 422" in duplicate
    assert computed.startswith("amount must have at most 15 significant digits")


def test_the_example_of_many_rows_rewards_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("orders.csv").write_text("order_no,player_unique_id,amount\nA-1,player0,20.50\n", encoding="utf-8")
    (command,) = commands(SECTIONS["Many rows"])
    monkeypatch.setattr(sys, "argv", command)
    assert cli.main() == 0
    assert "1 applied" in capsys.readouterr().out
    run("Many rows")
    assert capsys.readouterr().out == "20 rewarded, 0 rejected, 0 to review\n"


RUN = {"Awaited", "Plain", "FastAPI", "When something goes wrong", "Many rows"}


def test_no_example_of_readme_is_left_out() -> None:
    assert {name for name, text in SECTIONS.items() if blocks(text, "python") or blocks(text, "console")} == RUN


@pytest.mark.parametrize("section", ["Try it", "Test it"])
def test_a_newcomer_needs_one_command(section: str) -> None:
    (block,) = blocks(SECTIONS[section], "sh")
    assert len(block.splitlines()) == 1


def test_readme_is_read_in_one_go() -> None:
    assert len(PAGES["README.md"].splitlines()) < 250


# --- docs/, page by page


def commands(text: str) -> list[list[str]]:
    """The command lines of the console blocks."""
    return [line.split()[1:] for block in blocks(text, "console") for line in block.splitlines() if line[:2] == "$ "]


DOCS = [name for name in PAGES if name.startswith("docs/")]
RUN_ELSEWHERE = {
    "docs/cluster.md": "tests/cli/test_workers.py",
    "docs/testing.md": "tests/test_testing.py",
    "docs/tables.md": "tests/ecosystem/test_tables.py",
    "docs/how-to/jupyter.md": "tests/ecosystem/test_jupyter.py",
    "docs/how-to/observability.md": "tests/ecosystem/test_observability.py",
}
"""Pages whose examples need pytest, a notebook, or what not everybody has, and what runs them."""
WITH_CODE = [name for name in DOCS if examples(PAGES[name]) and name not in RUN_ELSEWHERE]


def test_what_is_not_run_here_is_run_elsewhere() -> None:
    for page, tests in RUN_ELSEWHERE.items():
        assert page in PAGES
        assert Path(page).name in (ROOT / tests).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", WITH_CODE)
def test_a_page_of_the_docs_prints_what_it_says(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example runs after those above it; a block of text directly below it is what it prints."""
    with Sandbox() as sandbox:
        point_to(sandbox, monkeypatch)
        names: dict[str, Any] = {"__name__": page}
        for code, expected in examples(PAGES[page]):
            with redirect_stdout(StringIO()) as printed:
                execute(code, page, names)
            assert printed.getvalue() == expected, code


@pytest.mark.thorough
def test_the_story_of_a_file_runs_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the commands print is on the page, but for the interrupt, the rate and the time."""
    monkeypatch.chdir(tmp_path)
    page = PAGES["docs/bulk.md"]
    (titles, *first_orders) = blocks(page, "csv")[0].splitlines()
    orders = list(map(order, range(3000)))
    assert orders[:2] == first_orders
    Path("orders.csv").write_text("\n".join([titles, *orders]) + "\n", encoding="utf-8")

    written = without_times(page).splitlines()
    for command, code in zip(commands(page), (3, 3, 0), strict=True):
        monkeypatch.setattr(sys, "argv", command)
        assert cli.main() == code
        printed = without_times(capsys.readouterr().out).splitlines()
        assert [line for line in printed if line not in written and "/s," not in line] == []
    assert json.loads(Path("report.json").read_text(encoding="utf-8"))["applied"] == 2998


def order(number: int) -> str:
    """One every 20 seconds, but for two that claim the time of an earlier one of their player."""
    seconds = 20 * (number - 700 if number in (2741, 2742) else number)
    time = datetime(2026, 3, 1, 9, tzinfo=timezone(timedelta(hours=1))) + timedelta(seconds=seconds)
    return f"A-{10001 + number},player{number % 700},{20 + number % 130}.50,{time.isoformat()},{number % 4}"


def without_times(text: str) -> str:
    return re.sub(r"\d:\d\d:\d\d,", "TIME,", text)


WITH_COMMANDS = [
    name for name in DOCS if blocks(PAGES[name], "console") and name not in {"docs/bulk.md", *RUN_ELSEWHERE}
]


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_commands_print_what_their_page_says(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A block below the name of a file is that file."""
    monkeypatch.chdir(tmp_path)
    for name, content in re.findall(r"`(\S+)`:\n\n```csv\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL):
        Path(name).write_text(content, encoding="utf-8")
    for console in blocks(PAGES[page], "console"):
        for command, expected in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", console, re.MULTILINE):
            monkeypatch.setattr(sys, "argv", command.split())
            with suppress(SystemExit):
                cli.main()
            printed = capsys.readouterr()
            assert printed.out + printed.err == expected


WITH_PROGRAMS = [name for name in DOCS if programs(PAGES[name])]


def test_every_page_of_programs_has_its_recipe() -> None:
    """The tests of `tests/recipes/` start them on the real servers, each page in the module of its name."""
    modules = {file.stem for file in (ROOT / "tests/recipes").glob("test_*.py")}
    assert modules == {f"test_{Path(page).stem.replace('-', '_')}" for page in WITH_PROGRAMS}


@pytest.mark.parametrize("page", [name for name in DOCS if name.startswith("docs/how-to/")])
def test_every_page_that_says_how_to_is_run(page: str) -> None:
    assert page in {*WITH_PROGRAMS, *WITH_CODE, *WITH_COMMANDS, *RUN_ELSEWHERE, "docs/how-to/index.md"}


def test_every_error_and_every_code_is_in_the_table_of_errors() -> None:
    page = PAGES["docs/errors.md"]
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert {name for name in kinds if f"| `{name}`" not in page} == {"GameballError"}
    for code in CODES:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{code.error.__name__}`")]
        numbers = re.findall(r"\d+", row)
        assert {str(number) for number in (code.v3, code.v4) if number is not None} <= set(numbers)


# --- the site


def test_the_index_for_language_models_names_every_page() -> None:
    written = (ROOT / "docs/llms.txt").read_text(encoding="utf-8")
    pages = {str(file.relative_to(ROOT / "docs").with_suffix("")) for file in (ROOT / "docs").rglob("*.md")}
    named = set(re.findall(r"\]\((.*)\.html\)", written))
    assert named <= pages
    assert {page for page in pages - named if not page.startswith("decisions/")} == {"index"}


# --- all pages


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_block_that_nothing_reads(page: str) -> None:
    """Python and console blocks run, csv is read, text is what was printed; sh is for a person to paste."""
    known = {"python", "console", "csv", "text", "sh", "{eval-rst}"}
    assert {language for language, _ in BLOCK.findall(PAGES[page])} <= known


@pytest.mark.parametrize("page", PAGES)
def test_a_page_refers_only_to_what_is_there(page: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", PAGES[page]) if "://" not in link]
    named = re.findall(r"`((?:gameball|tests|docs|benchmarks|\.github)/[^`<…*]*)`", PAGES[page])
    missing = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    assert missing + [name for name in named if not ROOT.joinpath(name).exists()] == []

"""The house, and which way its imports point."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "gameball"

GROUND = {"version", "errors", "codes", "settings", "models"}
ON_CORE = GROUND | {"core"}
ON_RESOURCES = ON_CORE | {"resources"}
ON_BULK = ON_RESOURCES | {"bulk"}
ON_CLIENT = ON_BULK | {"client"}

MAY_IMPORT = {
    "version": set(),
    "errors": {"version"},
    "codes": {"errors", "version"},
    "settings": {"errors", "version"},
    "models": {"settings", "errors", "version"},
    "core": GROUND,
    "resources": ON_CORE,
    "bulk": ON_RESOURCES,
    "client": ON_BULK,
    "telemetry": ON_CLIENT,
    "cli": ON_CLIENT | {"sandbox"},
    "sandbox": set(),
    "testing": ON_CLIENT | {"sandbox"},
    "the package": ON_CLIENT,
}
"""Each part of the house, and the parts it may know. `the package` is gameball/__init__.py, which hands names on."""

PURE = [
    *("errors", "models", "resources"),
    *(f"core.{name}" for name in ("operation", "http", "scalars", "converter", "codec", "retry", "timestamps")),
]
"""Modules that do no I/O: not so much as a socket, a loop or a file in their imports."""

SOCKETS = {"core.transport", "core.sessions"}
"""The modules that know aiohttp."""

IO = {"aiohttp", "anyio", "asyncio", "concurrent", "pathlib", "selectors", "socket", "sqlite3", "ssl", "subprocess"}


def name_of(file: Path) -> str:
    """A module's name below gameball; "" for the package itself."""
    return ".".join(part for part in file.relative_to(HOUSE).with_suffix("").parts if part != "__init__")


MODULES = {name_of(file): file for file in sorted(HOUSE.rglob("*.py"))}


def part_of(module: str) -> str:
    return module.partition(".")[0] or "the package"


@cache
def imports(module: str, *, for_types: bool = True) -> tuple[str, ...]:
    """All that a module imports, wherever in it: at its top, in a function, or for the type checkers only."""
    here = ["gameball", *module.split(".")] if module else ["gameball"]
    package = here if MODULES[module].name == "__init__.py" else here[:-1]
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    left_out = set() if for_types else {part for node in ast.walk(tree) for part in below_type_checking(node)}
    return tuple(name for node in ast.walk(tree) if node not in left_out for name in imported(node, package))


def imported(node: ast.AST, package: list[str]) -> Iterator[str]:
    """What one statement of a module of that package imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        source = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            submodule = f"{source}.{alias.name}"
            yield submodule if submodule.removeprefix("gameball.") in MODULES else source


def below_type_checking(node: ast.AST) -> Iterator[ast.AST]:
    """What runs for the type checkers only."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        for statement in node.body:
            yield from ast.walk(statement)


def inside(module: str) -> set[str]:
    """The modules of the house that a module imports."""
    names = {name for name in imports(module) if name.split(".")[0] == "gameball"}
    return {name.removeprefix("gameball").removeprefix(".") for name in names}


def outside(module: str) -> set[str]:
    """The top-level packages of others that a module imports."""
    return {name.split(".")[0] for name in imports(module)} - {"gameball"}


def modules_of(part: str) -> list[str]:
    return [module for module in MODULES if module == part or module.startswith(f"{part}.")]


def test_every_part_of_the_house_has_its_rule() -> None:
    assert {part_of(module) for module in MODULES} <= set(MAY_IMPORT)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "gameball")
def test_imports_point_one_way(module: str) -> None:
    part = part_of(module)
    known = {part_of(other) for other in inside(module)} - {part}
    assert known <= MAY_IMPORT[part], f"{part} may not import {', '.join(known - MAY_IMPORT[part])}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "gameball")
def test_only_the_transport_and_the_sandbox_import_aiohttp(module: str) -> None:
    if "aiohttp" in {name.split(".")[0] for name in imports(module, for_types=False)}:
        assert module in SOCKETS or part_of(module) == "sandbox"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "gameball")
def test_beyond_them_only_the_client_names_one_of_its_types(module: str) -> None:
    """A session of the user's own is an argument of the client."""
    if "aiohttp" in outside(module):
        assert module in {*SOCKETS, "client"} or part_of(module) == "sandbox"


def test_the_transport_does_import_aiohttp() -> None:
    assert "aiohttp" in outside("core.transport")


@pytest.mark.parametrize("part", PURE)
def test_what_is_called_pure_imports_nothing_that_does_io(part: str) -> None:
    for module in modules_of(part):
        assert not outside(module) & IO
        assert not inside(module) & {"core.transport", "core.delivery", "core.loop_thread"}


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    """The package itself hands names on: it may be imported by the command, imports all, and is left out."""
    house = {module: inside(module) - {module, ""} for module in MODULES if module}
    try:
        TopologicalSorter(house).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_sandbox_needs_nothing_but_aiohttp_and_python() -> None:
    """Neither attrs nor cattrs nor msgspec: it is a second reading of the API's pages, made by other means."""
    others = {package for module in modules_of("sandbox") for package in outside(module)}
    assert others - sys.stdlib_module_names == {"aiohttp", "jinja2"}
    assert [module for module in modules_of("sandbox") if "jinja2" in outside(module)] == ["sandbox.console.pages"]


def test_a_sandbox_starts_without_the_console_s_templates() -> None:
    code = "import sys; from gameball.sandbox import Sandbox\nwith Sandbox(): print('jinja2' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert ended.stdout == "False\n"


LONGEST = 400
PAGES_OF_THEIR_OWN = {"models/transactions.py", "resources/transactions.py"}
"""One API page is one file, however long the page is."""


@pytest.mark.parametrize("file", MODULES.values(), ids=lambda file: str(file.relative_to(HOUSE)))
def test_a_file_is_read_in_one_go(file: Path) -> None:
    if str(file.relative_to(HOUSE)) not in PAGES_OF_THEIR_OWN:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST


FORMER_WORDS = [
    re.split(r"\s{2,}", line)[0]
    for line in (ROOT / ".github" / "former-words.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
"""What things were called before they had the field's own names: see the words in .github/CONTRIBUTING.md."""


def test_a_thing_goes_by_one_name() -> None:
    former = re.compile(rf"\b({'|'.join(FORMER_WORDS)})\b")
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for folder in ("gameball", "tests")
        for file in sorted((ROOT / folder).rglob("*"))
        if file.suffix in (".py", ".md")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if former.search(line)
    ]
    assert found == []

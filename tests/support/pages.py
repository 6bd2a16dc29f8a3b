"""The pages for people, and what of them can be run."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HOW_TO: Final = ROOT / "docs" / "how-to"

_FILE: Final = re.compile(r"^`(\S+)`:\n\n```(\S*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def files(text: str) -> dict[str, str]:
    """The files of a page, by name: a block below a name is the file of that name."""
    return {name: content for name, _, content in _FILE.findall(text)}


def programs(text: str) -> dict[str, str]:
    """Those that are Python. A page with one is run by tests/recipes, in the module of its name."""
    return {name: content for name, language, content in _FILE.findall(text) if language == "python"}


def without_programs(text: str) -> str:
    """The page with its examples alone, which follow on one another."""
    return _FILE.sub(lambda found: "" if found[2] == "python" else found[0], text)


def examples(text: str) -> list[tuple[str, str]]:
    """The examples of a page, each with what it prints: the block of text directly below it."""
    blocks = re.findall(r"^```(\S*)\n(.*?)^```", without_programs(text), re.MULTILINE | re.DOTALL)
    return [
        (code, printed if next_language == "text" else "")
        for (language, code), (next_language, printed) in pairwise([*blocks, ("", "")])
        if language == "python"
    ]


def commands(text: str) -> list[str]:
    """What a person types to run the programs."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]

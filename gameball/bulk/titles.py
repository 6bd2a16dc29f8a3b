"""The titles of columns: which field each one is, and what is said where they do not fit."""

import re
import shlex
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from attrs import frozen

from gameball.bulk.columns import API_NAMES, COLUMNS, NAMES, OPERATION, REQUIRED
from gameball.errors import InvalidRequestError, printable

CACHED: Final = 1000
"""Titles that are kept; rows with keys of their own may have any number of them."""


@frozen
class Wording:
    """How messages speak of rows and their titles.

    Attributes:
        unit: What a row is counted in: "line" or "row".
        option: What maps titles to fields.
        example: The option for some titles, each with its field.
        titles: What comes before a list of titles.
    """

    unit: str
    option: str
    example: Callable[[Mapping[str, str]], str]
    titles: str


class Names(dict[str, str]):
    """Our names of columns by their titles; a mapped title may be given as messages show it.

    Attributes:
        operation: That of rows which do not name theirs.
        mapped: The titles that were mapped to a field.
        known: Every title that is a field's.
    """

    def __init__(self, operation: str, columns: Mapping[str, str] | None) -> None:
        """Check what is mapped.

        Raises:
            InvalidRequestError: There is no such field.
        """
        self.operation = operation
        self.mapped = {title: NAMES.get(field, field) for title, field in (columns or {}).items()}
        super().__init__(NAMES | self.mapped)
        self.known = frozenset((*self, *self.values()))
        for title, field in self.mapped.items():
            if field != OPERATION and field not in COLUMNS[operation]:
                known = ", ".join(COLUMNS[operation])
                near = nearest(field, COLUMNS[operation])
                raise InvalidRequestError(
                    f"column {title} cannot be mapped to {field}: the fields of a {operation} are {known}"
                    f"{f'; perhaps {near} is meant' if near else ''}",
                    field="columns",
                )

    def __missing__(self, title: str) -> str:
        name = self.get(printable(title), title)
        if len(self) < CACHED:
            self[title] = name
        return name

    def fault(self, titles: Sequence[str], wording: Wording, hint: str = "") -> str:
        """What is wrong with the titles of all rows: one is needed, or there twice; "" if nothing is."""
        shown = listed(titles)
        for theirs in self.mapped:
            if theirs not in titles and theirs not in map(printable, titles):
                near = nearest(theirs, titles)
                guess = f"; perhaps {listed([near])} is meant" if near else ""
                return f"has no column '{theirs}', which {wording.option} names, but {shown}{guess}"
        named = [self[title] for title in titles]
        for name in {OPERATION, *NAMES.values()}:
            if named.count(name) > 1:
                return f"has the column {name} twice"
        missing = [name for name in REQUIRED[self.operation] if name not in named]
        if OPERATION in named or not missing:  # with operations it depends on the row
            return ""
        return f"lacks the column {missing[0]}; {wording.titles} {shown}{hint}; {_suggestion(missing, titles, wording)}"


def listed(titles: Iterable[str]) -> str:
    """Titles as they were read, hidden characters shown; the first 20."""
    shown = [f"'{printable(title)}'" for title in titles]
    return ", ".join([*shown[:20], *(["..."] if len(shown) > 20 else [])])  # noqa: PLR2004 (what a reader looks through)


def options(columns: Mapping[str, str]) -> str:
    """The options of the command that map titles to fields."""
    return " ".join(f"--map {shlex.quote(f'{title}={field}')}" for title, field in columns.items())


def nearest(name: str, others: Iterable[str]) -> str | None:
    """The one of the others that is most like a name, if one is."""
    by_word = {_word(other): other for other in others}
    return next((by_word[word] for word in get_close_matches(_word(name), by_word, n=1, cutoff=0.75)), None)


def _suggestion(missing: Sequence[str], titles: Sequence[str], wording: Wording) -> str:
    """What would name the columns which are missing, by the titles that are most like theirs."""
    near = {name: nearest(name, titles) or nearest(API_NAMES[name], titles) for name in missing}
    found = {printable(title): name for name, title in near.items() if title}
    if found:
        return f"perhaps {wording.example(found)}"
    return f"{wording.example({'their title': missing[0]})} names a column that is called otherwise"


def _word(title: str) -> str:
    """A title without case, spaces, accents, punctuation and hidden characters."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKD", title)).casefold()

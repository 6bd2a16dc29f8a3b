"""Values that are allowed and look wrong: spreadsheets and exports change ids, add up rows, and are cut short."""

import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from attrs import define, field

from gameball.bulk.rows import Request
from gameball.errors import printable

NAMED: Final = 5
"""Places of a kind that are named; the others are counted."""

LONGEST: Final = 60
"""Characters of a value that are shown."""

KINDS: Final = {
    "scientific": "in scientific notation, as a spreadsheet writes long numbers",
    "decimal": "ending in .0, as a column of numbers is exported",
    "error": "that is an error of a spreadsheet",
    "empty": "that stands for an empty cell",
    "formula": "that begins with =, as a spreadsheet protects text",
    "apostrophe": "that begins with ', as a spreadsheet marks text",
    "invisible": "with invisible characters",
    "rounded": "of more than 15 digits, which a spreadsheet rounds",
    "padded": "that its spreadsheet shows with zeros before it",
}
"""What an id can look like, and the words for it."""

PATTERN: Final = re.compile(
    r"(?P<scientific>[+-]?\d+(?:[.,]\d+)?e[+-]?\d+)"
    r"|(?P<decimal>[+-]?\d+\.0+)"
    r"|(?P<error>#[A-Z]+(?:/[A-Z0])?[!?]?|##+)"
    r"|(?P<empty>null|nan|none|nil|n/a|na|nat|undefined|<na>|<null>|\(null\)|\\n)"
    r"|(?P<formula>=.*)"
    r"|(?P<apostrophe>'.*)",
    re.IGNORECASE | re.DOTALL,
)

TOTAL: Final = re.compile(r"tota|\bsum|somme|gesamt|итог|всего|[合总總][计計]", re.IGNORECASE)
"""What the last row of an export that adds up may be called."""

MANY: Final = 10
"""Rows whose sum is the amount of another one by no accident."""

OLDEST: Final = 2000
"""The year before which no order was paid."""


@define
class Doubts:
    """What looks wrong in the rows of a file so far.

    Attributes:
        unit: What a row is counted in: "line" or "row".
        ends_open: Whether the last line has no end, as in a file that was cut short.
    """

    unit: str = "line"
    ends_open: bool = False
    _counts: Counter[str] = field(factory=Counter[str])
    _places: dict[str, list[str]] = field(factory=dict[str, list[str]])
    _rows: int = 0
    _total: str | None = None
    """The last row, where it is the sum of the others."""

    def check_text(self, place: int, title: str, text: str, *, private: bool, kind: str | None = None) -> None:
        """Look at an id, an address or a number; what is `private` is not repeated, and a `kind` is known already."""
        if kind is not None:
            pass
        elif not text.isprintable():
            kind = "invisible"
        elif (match := PATTERN.fullmatch(text)) is not None and match.lastgroup is not None:
            kind = match.lastgroup
        else:
            return
        shown = "" if private else f" {printable(text[:LONGEST])}"
        self._note(f"a value {KINDS[kind]}", f"{self.unit} {place}, {printable(title)}{shown}")

    def check_row(
        self, place: int, request: Request, amount: Decimal | int, before: Decimal | int, cells: Iterable[object]
    ) -> None:
        """Look at a whole row; `before` is the amount of all earlier ones."""
        time = request.transaction_time
        if time is not None and time.year < OLDEST:
            self._note(f"a transaction time before {OLDEST}", f"{self.unit} {place}, {time.isoformat()}")
        self._total = None
        if amount == before and amount:
            called_so = any(isinstance(cell, str) and TOTAL.search(cell) for cell in cells)
            self._total = f"{self.unit} {place}" if called_so or self._rows >= MANY else None
        self._rows += 1

    def sentences(self) -> list[str]:
        """What looks wrong, one sentence for each kind."""
        said = [self._sentence(kind, number) for kind, number in self._counts.items()]
        if self._total is not None:
            said.append(f"the last row ({self._total}) is the sum of all others: is it a total?")
        if self.ends_open:
            said.append("the last line has no end: was the file cut short?")
        return said

    def _note(self, kind: str, place: str) -> None:
        self._counts[kind] += 1
        places = self._places.setdefault(kind, [])
        if len(places) < NAMED:
            places.append(place)

    def _sentence(self, kind: str, number: int) -> str:
        more = "; ..." if number > NAMED else ""
        return f"{number:,} {'cell has' if number == 1 else 'cells have'} {kind}: {'; '.join(self._places[kind])}{more}"

"""The fields that a caller gave to the control API or to a page of the console, each read by its rule."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gameball.sandbox.books import Part
from gameball.sandbox.fields import numeral

T = TypeVar("T")
LARGEST_PAGE = 1000
"""Rows."""


class Given:
    """The fields of a query or a body; each is taken once, and one that nobody takes is refused."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)
        self._known: list[str] = []

    def take(self, name: str, read: Callable[[Any], T]) -> T | None:
        """The field as `read` reads it; None if it is absent or null.

        Raises:
            ValueError: naming the field and the rule that it breaks.
        """
        self._known.append(name)
        value = self._values.pop(name, None)
        if value is None:
            return None
        return ruled(name, lambda: read(value))

    def required(self, name: str, read: Callable[[Any], T]) -> T:
        """The same for a field that must be there."""
        value = self.take(name, read)
        if value is None:
            raise ValueError(f"{name} is required")
        return value

    def rest(self) -> dict[str, Any]:
        """All that was not taken yet, as it was given."""
        rest, self._values = self._values, {}
        return rest

    def end(self) -> None:
        """Refuse what was not taken."""
        for name in self._values:
            raise ValueError(f"{name} is not known here; there are: {', '.join(self._known) or 'no fields'}")


def ruled(name: str, work: Callable[[], T]) -> T:
    """What `work` gives; the rule that it breaks is put behind the field's name."""
    try:
        return work()
    except ValueError as rule:
        raise ValueError(f"{name} {rule}") from None


def part_of(given: Given) -> Part:
    """Which part of a list is wanted: `page` and `limit`."""
    page, limit = given.take("page", numeral(1)), given.take("limit", numeral(1, LARGEST_PAGE))
    asked = {"page": page, "limit": limit}
    return Part(**{name: value for name, value in asked.items() if value is not None})

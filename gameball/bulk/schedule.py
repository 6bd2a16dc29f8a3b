"""Which row may go next: a player's rows in order and one at a time, those of different players side by side."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from gameball.bulk.rows import Request

LOOK_AHEAD: Final = 10_000
"""Rows that are held while they wait for an earlier one of their player."""


class PlayerQueue:
    """Rows that have been taken in and are not settled yet."""

    def __init__(self) -> None:
        self._ready: deque[tuple[int, Request]] = deque()
        self._behind: dict[str, deque[tuple[int, Request]]] = {}
        """Of every player that has a row ready or on its way: the rows that wait for it."""
        self._held = 0
        self._taken_in = 0

    @property
    def ready(self) -> int:
        """Rows that may go now."""
        return len(self._ready)

    @property
    def full(self) -> bool:
        """Whether no more rows should be taken in."""
        return self._held >= LOOK_AHEAD

    @property
    def taken_in(self) -> int:
        """Rows so far."""
        return self._taken_in

    def add(self, requests: Iterable[Request]) -> None:
        """Take rows in."""
        for request in requests:
            row = (self._taken_in, request)
            self._taken_in += 1
            self._held += 1
            behind = self._behind.get(request.player_unique_id)
            if behind is None:
                self._behind[request.player_unique_id] = deque()
                self._ready.append(row)
            else:
                behind.append(row)

    def take(self, most: int) -> list[tuple[int, Request]]:
        """Give out rows that may go now."""
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]

    def settled(self, request: Request) -> None:
        """A row has ended: its player's next one may go."""
        self._held -= 1
        behind = self._behind[request.player_unique_id]
        if behind:
            self._ready.append(behind.popleft())
        else:
            del self._behind[request.player_unique_id]

"""A ledger that takes every write as often as it comes, and shows it only after a while."""

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One effect. Holds have no id of their own: `key` is their amount, which no two calls share."""

    key: str
    number: int
    kind: str
    player: str
    points: int
    amount: Decimal | None
    reverses: str | None
    applied_at: float
    """Seconds, on the clock of `time.monotonic`; effects may lie ahead."""
    visible_at: float


@dataclass
class Ledger:
    """Effects in the order of their arrival. Any thread may read it."""

    _entries: list[Entry] = field(default_factory=list)
    _by_key: defaultdict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def apply(self, kind: str, body: dict[str, Any], *, key: str, after: float, lag: float) -> Entry:
        """Add the effect of a write, `after` so many seconds; the list shows it `lag` seconds later.

        Nothing is put off by a timer, which a busy machine would call late: an effect is there from its time on.
        """
        amount = body.get("amount", body.get("redeemedAmount"))
        applied_at = time.monotonic() + after
        with self._lock:
            entry = Entry(
                key=key,
                number=len(self._entries) + 1,
                kind=kind,
                player=body["playerUniqueId"],
                points=body.get("points") or int(amount or 0),
                amount=None if amount is None else Decimal(str(amount)),
                reverses=body.get("reverseTransactionId"),
                applied_at=applied_at,
                visible_at=applied_at + lag,
            )
            self._entries.append(entry)
            self._by_key[key].append(entry)
        return entry

    def shown(self, key: str) -> Sequence[Entry]:
        """What the list has of an id by now."""
        now = time.monotonic()
        with self._lock:
            return [entry for entry in self._by_key[key] if entry.visible_at <= now]

    def order(self, key: str) -> Sequence[Entry]:
        """What is shown of an order: its transaction and what takes it back."""
        now = time.monotonic()
        with self._lock:
            return [entry for entry in self._entries if key in {entry.key, entry.reverses} and entry.visible_at <= now]

    def of(self, key: str) -> Sequence[Entry]:
        """Every effect of an id, shown or not, past or to come."""
        with self._lock:
            return list(self._by_key[key])

"""What a run would do, found out without sending anything."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from attrs import define, field

from gameball.bulk.distinct import Seen
from gameball.bulk.rows import KEPT, KINDS, BulkPlan, Request, amount_of
from gameball.settings import RateLimit


@define
class Planner:
    """Takes rows in, chunk by chunk, and tells the plan; needs no more memory for many rows than for few."""

    _seen: Seen
    _now: datetime = field(factory=lambda: datetime.now(UTC))
    _rows: int = 0
    _amount: Decimal = Decimal(0)
    _duplicates: list[str] = field(factory=list[str])
    _clashes: list[str] = field(factory=list[str])
    _future: list[str] = field(factory=list[str])
    _left_out: int = 0

    def add(self, requests: Iterable[Request]) -> None:
        """Look at rows."""
        for request in requests:
            index, self._rows = self._rows, self._rows + 1
            self._amount += amount_of(request) or 0
            if self._seen.first("id", KINDS[type(request)], request.transaction_id, at=index) != index:
                self._tell(self._duplicates, request)
            if request.transaction_time is not None:
                time = request.transaction_time.isoformat()
                if self._seen.first("time", request.player_unique_id, time, at=index) != index:
                    self._tell(self._clashes, request)
                if request.transaction_time > self._now:
                    self._tell(self._future, request)

    def plan(self, limit: RateLimit | None) -> BulkPlan:
        """The plan for all rows so far."""
        return BulkPlan(
            rows=self._rows,
            total_amount=self._amount,
            duplicates=tuple(self._duplicates),
            clashes=tuple(self._clashes),
            future=tuple(self._future),
            left_out=self._left_out,
            seconds=max(self._rows / most * seconds for most, seconds in limit.windows) if limit else None,
        )

    def _tell(self, ids: list[str], request: Request) -> None:
        if len(ids) < KEPT:
            ids.append(request.transaction_id)
        else:
            self._left_out += 1

"""What a run's exchanges come to: the figures of its report, and whether the API was heard in any of them."""

import asyncio
from collections.abc import Sequence
from typing import Final

from gameball.bulk.breaker import CircuitBreaker
from gameball.bulk.report import BulkReport
from gameball.bulk.rows import Row
from gameball.bulk.sender import ABSENT
from gameball.core.http import Failure, Response

LOOK_UP: Final = "transactions.list"
READS: Final = (LOOK_UP, "transactions.for_order", "batches.get")
"""What a run sends beside its writes."""


class Tally:
    """Keeps a report's figures that come from exchanges."""

    def __init__(self, report: BulkReport, breaker: CircuitBreaker) -> None:
        self.exchanges = 0
        self.elsewhere = True
        """Whether all that was answered was answered as servers do that are not the API."""
        self.report = report
        self._breaker = breaker
        self._unanswered = 0
        """Writes on their way, as long as all is elsewhere; those that were cancelled on it stay counted."""
        self._pauses, self._paused = report.pauses, report.paused
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock() - report.seconds

    @property
    def unheard(self) -> bool:
        """Whether every write, and whatever else was sent, was answered as servers do that are not the API."""
        return self.elsewhere and self._unanswered == 0

    def begin(self, rows: Sequence[Row]) -> None:
        """Count the writes that these rows begin with: one for each kind that has not been sent yet."""
        self._unanswered += len({type(row.request) for row in rows if not row.in_doubt})

    def note(self, operation: str, result: Response | Failure) -> None:
        """Count an exchange that has ended."""
        self._breaker.note(operation, result)
        self.exchanges += 1
        if self.elsewhere:
            self.elsewhere = isinstance(result, Response) and result.status in ABSENT
            self._unanswered -= operation not in READS
        if operation not in READS:
            self.report.sent += 1
        elif operation == LOOK_UP:
            self.report.looked_up += 1

    def update(self) -> None:
        """Bring what the breaker and the clock know up to date."""
        self.report.pauses = self._pauses + self._breaker.pauses
        self.report.paused = self._paused + self._breaker.paused
        self.report.limit = self._breaker.limit
        self.report.slowed_by = self._breaker.slowed_by
        self.report.seconds = self._clock() - self._began

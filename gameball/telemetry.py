"""OpenTelemetry: a span for each call and each bulk run, and metrics of both. It needs the extra `otel`.

No key, player, email, mobile or one-time password is in them, and no text of the API's.
"""

import time
from collections.abc import Sequence
from contextvars import Token
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from attrs import define, field, frozen

from gameball.bulk.report import BulkReport
from gameball.bulk.rows import RowResult
from gameball.client import AsyncGameball, Gameball
from gameball.core.observers import Attempt, Call, Observers
from gameball.errors import Outcome
from gameball.version import __version__

try:
    from opentelemetry import context, metrics, trace
    from opentelemetry.util.types import AttributeValue
except ModuleNotFoundError as missing:
    raise ImportError("gameball.telemetry needs its extra: pip install 'gameball[otel]'", name=missing.name) from None

Client = TypeVar("Client", AsyncGameball, Gameball)

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 90.0)
"""Bounds of the histograms, up to what a call takes by default at the most."""

NAMED: Final = 50
"""Rows of a run that were rejected or need a review, each an event of its span; the rest is counted. By default
OpenTelemetry keeps 128 events of a span."""

RUN: Final = context.create_key("gameball.bulk.run")
"""Where a context has the bulk run that it is of."""


def instrument(
    client: Client,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
) -> Client:
    """Have spans and metrics made of all that a client does from now on, and give the client.

    Each call is a span `gameball transactions.cashback`, and so on, below the caller's; the HTTP requests that
    OpenTelemetry's instrumentation of aiohttp shows are below it. A bulk run is one span, `gameball bulk.run`, whose
    rows have none of their own. Clients that are made of this one by `with_options()` from now on are instrumented
    too. A second time replaces the first.

    Args:
        client: Of either class.
        tracer_provider: Makes the spans; the global one without it.
        meter_provider: Makes the metrics; the global one without it.
    """
    mine: Any = client
    address: str = mine._address  # noqa: SLF001 (one of us)
    observers: Observers = mine._delivery.observers  # noqa: SLF001 (the same)
    telemetry = Telemetry(
        tracer=trace.get_tracer("gameball", __version__, tracer_provider),
        instruments=Instruments.of(metrics.get_meter("gameball", __version__, meter_provider)),
        address=urlsplit(address).hostname or "",
    )
    # First: what others observe is below its spans.
    observers.set([telemetry, *(other for other in observers if not isinstance(other, Telemetry))])
    return client


@frozen(kw_only=True)
class Instruments:
    """What is measured."""

    duration: metrics.Histogram
    attempts: metrics.Counter
    lookups: metrics.Counter
    in_doubt: metrics.Counter
    queued: metrics.Histogram
    rows: metrics.Counter

    @classmethod
    def of(cls, meter: metrics.Meter) -> "Instruments":
        """Make them."""
        return cls(
            duration=meter.create_histogram(
                "gameball.client.duration",
                unit="s",
                description="How long calls take, with all their tries, waits and look-ups.",
                explicit_bucket_boundaries_advisory=SECONDS,
            ),
            attempts=meter.create_counter(
                "gameball.client.attempts", unit="{attempt}", description="How often requests of calls were tried."
            ),
            lookups=meter.create_counter(
                "gameball.client.lookups", unit="{lookup}", description="How often transactions were looked up."
            ),
            in_doubt=meter.create_counter(
                "gameball.client.in_doubt",
                unit="{call}",
                description="Writes that may have been applied without an answer that said so, by their final outcome.",
            ),
            queued=meter.create_histogram(
                "gameball.client.rate_limit.wait",
                unit="s",
                description="How long requests waited for their turn in the client's rate limit.",
                explicit_bucket_boundaries_advisory=SECONDS,
            ),
            rows=meter.create_counter(
                "gameball.bulk.rows", unit="{row}", description="Rows of bulk runs that ended, by state."
            ),
        )


@define(eq=False)
class _Started:
    """A call on its way; in a run it has no span."""

    span: trace.Span = trace.INVALID_SPAN
    token: Token[context.Context] | None = None
    """Takes the span out of the context."""
    time: float = field(factory=time.perf_counter)


@define(eq=False)
class _StartedRun(_Started):
    """A bulk run on its way."""

    report: BulkReport = field(kw_only=True)
    pauses: int = field(kw_only=True)
    """Of the report, those that need no event any more."""
    failed: int = 0
    """Rows that have an event."""


class Telemetry:
    """The observer that makes spans and metrics of calls and runs."""

    def __init__(self, *, tracer: trace.Tracer, instruments: Instruments, address: str) -> None:
        self._tracer = tracer
        self._instruments = instruments
        self._address = address

    # Calls.

    def started(self, call: Call) -> _Started:
        """Open the call's span, below the current one."""
        if context.get_value(RUN) is not None:
            return _Started()
        about: dict[str, AttributeValue] = {"gameball.operation": call.operation, "server.address": self._address}
        if call.transaction_id is not None:
            about["gameball.transaction_id"] = call.transaction_id
        span = self._tracer.start_span(f"gameball {call.operation}", kind=trace.SpanKind.CLIENT, attributes=about)
        return _Started(span, context.attach(trace.set_span_in_context(span)))

    def exchanged(self, attempt: Attempt) -> None:
        """Measure the wait for the rate limit; in a run, note a pause."""
        if attempt.queued:
            self._instruments.queued.record(attempt.queued, {"gameball.operation": attempt.operation})
        run = context.get_value(RUN)
        if isinstance(run, _StartedRun):
            _note_pause(run)

    def ended(self, call: Call, outcome: Outcome, started: _Started) -> None:
        """Close the call's span, and measure the call."""
        kind: dict[str, AttributeValue] = {"gameball.operation": call.operation}
        end: dict[str, AttributeValue] = {"gameball.outcome": outcome}
        if call.error is not None:
            end["error.type"] = _type_of(call.error)
        self._instruments.duration.record(time.perf_counter() - started.time, {**kind, **end})
        self._instruments.attempts.add(call.attempts, kind)
        self._instruments.lookups.add(call.lookups, kind)
        if call.in_doubt or outcome == "unknown":
            self._instruments.in_doubt.add(1, {**kind, "gameball.outcome": outcome})
        end.update({"gameball.attempts": call.attempts, "gameball.lookups": call.lookups})
        if call.settled_by is not None:
            end["gameball.settled_by"] = call.settled_by
        if call.status is not None:
            end["http.response.status_code"] = call.status
        _close(started, end, call.error)

    # Bulk runs.

    def run_started(self, report: BulkReport) -> _StartedRun:
        """Open the run's span, below the current one."""
        span = self._tracer.start_span(
            "gameball bulk.run", attributes={"gameball.operation": "bulk.run", "server.address": self._address}
        )
        run = _StartedRun(span, report=report, pauses=report.pauses)
        run.token = context.attach(context.set_value(RUN, run, trace.set_span_in_context(span)))
        return run

    def rows_ended(self, results: Sequence[RowResult], run: _StartedRun) -> None:
        """Count rows by state; the first that failed are events."""
        for result in results:
            self._instruments.rows.add(1, {"gameball.bulk.state": result.state.value})
            if result.error is not None and run.failed < NAMED:
                run.failed += 1
                about: dict[str, AttributeValue] = {
                    "gameball.bulk.row": result.index + 1,
                    "gameball.bulk.state": result.state.value,
                    "gameball.transaction_id": result.request.transaction_id,
                    "error.type": _type_of(result.error),
                }
                run.span.add_event("gameball.bulk.row", about)

    def run_ended(self, report: BulkReport, error: BaseException | None, run: _StartedRun) -> None:
        """Close the run's span, with the figures of its report."""
        _note_pause(run)
        figures = ("rows", "applied", "already_applied", "rejected", "needs_review", "sent", "looked_up", "pauses")
        end: dict[str, AttributeValue] = {f"gameball.bulk.{name}": getattr(report, name) for name in figures}
        if error is not None:
            end["error.type"] = _type_of(error)
        _close(run, end, error)


def _note_pause(run: _StartedRun) -> None:
    if run.report.pauses > run.pauses:
        run.pauses = run.report.pauses
        reason = run.report.slowed_by
        run.span.add_event("gameball.bulk.pause", {"error.type": _type_of(reason)} if reason is not None else None)


def _close(started: _Started, end: dict[str, AttributeValue], error: BaseException | None) -> None:
    started.span.set_attributes(end)
    if error is not None:
        started.span.set_status(trace.StatusCode.ERROR)
    if started.token is not None:
        context.detach(started.token)
    started.span.end()


def _type_of(error: BaseException) -> str:
    return type(error).__qualname__

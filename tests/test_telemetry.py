"""Spans and metrics of calls and bulk runs, by OpenTelemetry's own SDK, against real sockets."""

import asyncio
import contextvars
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from opentelemetry import context, trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gameball import (
    AsyncGameball,
    Attempt,
    BulkStoppedError,
    CashbackRequest,
    DuplicateTransactionError,
    Gameball,
    GameballError,
    OutcomeUnknownError,
    RateLimit,
    RedeemRequest,
    Retries,
    RowResult,
    Timeouts,
)
from gameball.resources import transactions
from gameball.sandbox import Sandbox, faults
from gameball.telemetry import NAMED, instrument
from tests.support.canaries import API_KEY, EMAIL, OTP, SECRET_KEY
from tests.support.waits import with_waits

QUICK: Final = Retries(backoff=0.002, cap=0.004)
MOBILE: Final = "+2010987654321"
ORDER: Final = {"player_unique_id": "p", "transaction_id": "t1", "amount": 10}

Mode = Literal["awaited", "plain"]
CLIENTS: Final[Mapping[Mode, Callable[..., Any]]] = {"awaited": AsyncGameball, "plain": Gameball}


class Watched:
    """What was exported, and a tracer for the spans of the caller."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meter_provider = MeterProvider([self._reader])
        self.tracer = self.tracer_provider.get_tracer("shop")

    def instrument(self, client: Any) -> Any:
        return instrument(client, self.tracer_provider, self.meter_provider)

    def close(self) -> None:
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def only(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def below(self, parent: ReadableSpan) -> list[ReadableSpan]:
        return [span for span in self.spans if span.parent is not None and span.parent.span_id == id_of(parent)]

    def metrics(self) -> dict[str, list[tuple[Mapping[str, Any], Any]]]:
        """By name: the attributes and the value of each data point; of histograms the count."""
        found: dict[str, list[tuple[Mapping[str, Any], Any]]] = {}
        for name, points in self.points().items():
            found[name] = [
                (point["attributes"], point["value"] if "value" in point else point["count"]) for point in points
            ]
        return found

    def points(self) -> dict[str, list[Any]]:
        data = self._reader.get_metrics_data()
        written = json.loads(data.to_json()) if data is not None else {"resource_metrics": []}
        return {
            metric["name"]: metric["data"]["data_points"]
            for resource in written["resource_metrics"]
            for scope in resource["scope_metrics"]
            if scope["scope"]["name"] == "gameball"
            for metric in scope["metrics"]
        }

    def text(self) -> str:
        """All that was exported."""
        data = self._reader.get_metrics_data()
        return "\n".join([*(span.to_json() for span in self.spans), data.to_json() if data is not None else ""])


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.close()


@pytest.fixture
def http_spans(watched: Watched) -> Iterator[None]:
    """OpenTelemetry's own instrumentation of aiohttp, as users switch it on."""
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=watched.tracer_provider, meter_provider=watched.meter_provider)
    yield
    instrumentor.uninstrument()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


class Caller:
    """One client, called from plain code in either mode."""

    def __init__(self, client: Gameball | AsyncGameball) -> None:
        self.client = client
        self._runner = asyncio.Runner() if isinstance(client, AsyncGameball) else None

    def __call__(self, method: str, *args: Any, **arguments: Any) -> Any:
        called = attrgetter(method)(self.client)(*args, **arguments)
        return called if self._runner is None else self._runner.run(called, context=contextvars.copy_context())

    def stream(self, rows: Any) -> list[RowResult]:
        async def results() -> list[RowResult]:
            return [result async for result in self.client.bulk.stream(rows)]  # type: ignore[union-attr]

        if self._runner is None:
            return list(self.client.bulk.stream(rows))  # type: ignore[arg-type]
        return self._runner.run(results(), context=contextvars.copy_context())

    def close(self) -> None:
        if self._runner is None:
            self("close")
        else:
            self("aclose")
            self._runner.close()


@pytest.fixture(params=["awaited", "plain"])
def mode(request: pytest.FixtureRequest) -> Mode:
    found: Mode = request.param
    return found


Make = Callable[..., Caller]


@pytest.fixture
def make(mode: Mode, sandbox: Sandbox, watched: Watched) -> Iterator[Make]:
    """Makes instrumented clients of the sandbox, in either mode."""
    made: list[Caller] = []

    def client(**settings: Any) -> Caller:
        settings = {"base_url": sandbox.base_url, "retries": QUICK, **settings}
        new = CLIENTS[mode](sandbox.api_key, sandbox.secret_key, **settings)
        made.append(Caller(watched.instrument(with_waits(new))))
        return made[-1]

    yield client
    for caller in made:
        caller.close()


def cashbacks(count: int) -> list[CashbackRequest]:
    return [CashbackRequest(player_unique_id=f"p{n % 5}", transaction_id=f"t{n}", amount=10) for n in range(count)]


# --- spans of calls


@pytest.mark.usefixtures("http_spans")
def test_a_call_is_a_span_below_the_callers_and_above_the_http_requests(make: Make, watched: Watched) -> None:
    caller = make()
    with watched.tracer.start_as_current_span("checkout") as checkout:
        caller("transactions.cashback", **ORDER)
        assert trace.get_current_span() is checkout

    call = watched.only("gameball transactions.cashback")
    assert watched.below(watched.only("checkout")) == [call]
    assert [span.name for span in watched.below(call)] == ["POST"]
    assert call.kind is trace.SpanKind.CLIENT
    assert call.status.status_code is trace.StatusCode.UNSET
    assert dict(call.attributes or {}) == {
        "gameball.operation": "transactions.cashback",
        "gameball.outcome": "applied",
        "gameball.settled_by": "answer",
        "gameball.attempts": 1,
        "gameball.lookups": 0,
        "gameball.transaction_id": "t1",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
    }


@pytest.mark.usefixtures("http_spans")
def test_an_answer_that_never_came_and_its_look_up_are_in_one_span(
    make: Make, watched: Watched, sandbox: Sandbox
) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Reset(), effect="after")
    make()("transactions.cashback", **ORDER)

    call = watched.only("gameball transactions.cashback")
    assert call.attributes is not None
    assert call.attributes["gameball.settled_by"] == "lookup"
    assert (call.attributes["gameball.attempts"], call.attributes["gameball.lookups"]) == (1, 1)
    assert [span.name for span in watched.below(call)] == ["POST", "GET"]
    assert watched.metrics()["gameball.client.in_doubt"] == [
        ({"gameball.operation": "transactions.cashback", "gameball.outcome": "applied"}, 1)
    ]


def test_tries_are_counted(make: Make, watched: Watched, sandbox: Sandbox) -> None:
    sandbox.faults.arm("transactions.cashback", faults.TooManyRequests("0.01"), times=2)
    make()("transactions.cashback", **ORDER)

    attributes = watched.only("gameball transactions.cashback").attributes
    assert attributes is not None
    assert (attributes["gameball.attempts"], attributes["gameball.outcome"]) == (3, "applied")
    assert watched.metrics()["gameball.client.attempts"] == [({"gameball.operation": "transactions.cashback"}, 3)]
    assert "gameball.client.in_doubt" not in watched.metrics()


def test_a_refusal_is_an_error_by_its_class_and_status(make: Make, watched: Watched) -> None:
    caller = make()
    caller("transactions.cashback", **ORDER)
    with pytest.raises(DuplicateTransactionError):
        caller("transactions.cashback", **{**ORDER, "amount": 11})

    _, refused = watched.named("gameball transactions.cashback")
    assert refused.status.status_code is trace.StatusCode.ERROR
    assert dict(refused.attributes or {}) == {
        "gameball.operation": "transactions.cashback",
        "gameball.outcome": "not_applied",
        "gameball.attempts": 1,
        "gameball.lookups": 1,
        "gameball.transaction_id": "t1",
        "error.type": "DuplicateTransactionError",
        "http.response.status_code": 422,
        "server.address": "127.0.0.1",
    }


def test_an_outcome_that_stays_unknown_says_so_in_span_and_metrics(
    make: Make, watched: Watched, sandbox: Sandbox
) -> None:
    sandbox.faults.arm("transactions.hold", faults.Close(), effect="after")
    caller = make()
    caller("transactions.cashback", **ORDER)
    with pytest.raises(OutcomeUnknownError):
        caller("transactions.hold", player_unique_id="p", hold_points=1)

    hold = watched.only("gameball transactions.hold").attributes
    assert hold is not None
    assert (hold["gameball.outcome"], hold["error.type"]) == ("unknown", "OutcomeUnknownError")
    assert not {"gameball.transaction_id", "gameball.settled_by", "http.response.status_code"} & set(hold)
    assert watched.metrics()["gameball.client.in_doubt"] == [
        ({"gameball.operation": "transactions.hold", "gameball.outcome": "unknown"}, 1)
    ]


async def test_a_cancelled_call_closes_its_span_and_leaves_the_callers_current(
    sandbox: Sandbox, watched: Watched
) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Delay(5.0))
    async with AsyncGameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url) as client:
        watched.instrument(client)
        with watched.tracer.start_as_current_span("checkout") as checkout:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=10)
            assert trace.get_current_span() is checkout

    call = watched.only("gameball transactions.cashback")
    assert watched.below(watched.only("checkout")) == [call]
    assert call.attributes is not None
    assert (call.attributes["error.type"], call.attributes["gameball.outcome"]) == ("CancelledError", "unknown")


def test_each_of_ten_threads_has_its_calls_below_its_own_span(sandbox: Sandbox, watched: Watched) -> None:
    def check_out(number: int) -> None:
        with watched.tracer.start_as_current_span(f"checkout {number}"):
            for order in range(3):
                client.transactions.cashback(
                    player_unique_id=f"p{number}", transaction_id=f"{number}-{order}", amount=10
                )

    with (
        watched.instrument(Gameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url)) as client,
        ThreadPoolExecutor(10) as threads,
    ):
        list(threads.map(check_out, range(10)))

    for number in range(10):
        calls = watched.below(watched.only(f"checkout {number}"))
        found = [(call.attributes or {})["gameball.transaction_id"] for call in calls]
        assert found == [f"{number}-{order}" for order in range(3)]


async def test_calls_side_by_side_are_siblings(sandbox: Sandbox, watched: Watched) -> None:
    async with watched.instrument(
        AsyncGameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url)
    ) as client:
        with watched.tracer.start_as_current_span("checkout"):
            await asyncio.gather(*(client.send(transactions.cashback(row)) for row in cashbacks(5)))

    assert len(watched.below(watched.only("checkout"))) == 5


@pytest.mark.usefixtures("http_spans")
def test_pages_of_a_list_are_spans_beside_one_another(make: Make, watched: Watched) -> None:
    caller = make()
    for row in cashbacks(3):
        caller("send", transactions.cashback(row))

    async def ids_of_all() -> list[str | None]:
        return [each.transaction_id async for each in caller.client.transactions.iterate(page_size=2)]  # type: ignore[union-attr]

    with watched.tracer.start_as_current_span("audit"):
        if isinstance(caller.client, Gameball):
            ids = [each.transaction_id for each in caller.client.transactions.iterate(page_size=2)]
        else:
            ids = caller._runner.run(ids_of_all(), context=contextvars.copy_context())  # type: ignore[union-attr]

    assert len(ids) == 3
    pages = watched.below(watched.only("audit"))
    assert [page.name for page in pages] == ["gameball transactions.list"] * 2


def test_what_other_observers_do_is_below_the_span(make: Make) -> None:
    current: list[str] = []

    def note(_: Attempt) -> None:
        current.append(getattr(trace.get_current_span(), "name", ""))

    make(observers=[note])("transactions.cashback", **ORDER)
    assert current == ["gameball transactions.cashback"]


def test_a_second_time_replaces_the_first(make: Make, watched: Watched) -> None:
    caller = make()
    kept = caller.client.transactions
    watched.instrument(caller.client)
    caller("transactions.cashback", **ORDER)
    assert len(watched.named("gameball transactions.cashback")) == 1
    assert kept is caller.client.transactions


def test_clients_made_of_an_instrumented_one_are_instrumented(make: Make, watched: Watched) -> None:
    caller = make()
    caller.client = caller.client.with_options(headers={"X-Shop": "1"})
    caller("transactions.cashback", **ORDER)
    assert len(watched.named("gameball transactions.cashback")) == 1


# --- metrics


def test_calls_are_measured_by_operation_outcome_and_error(make: Make, watched: Watched) -> None:
    caller = make()
    caller("transactions.cashback", **ORDER)
    with pytest.raises(GameballError):
        caller("transactions.cashback", **{**ORDER, "amount": 11})

    found = watched.metrics()
    operation = {"gameball.operation": "transactions.cashback"}
    assert found["gameball.client.duration"] == [
        ({**operation, "gameball.outcome": "applied"}, 1),
        ({**operation, "gameball.outcome": "not_applied", "error.type": "DuplicateTransactionError"}, 1),
    ]
    assert found["gameball.client.attempts"] == [(operation, 2)]
    assert found["gameball.client.lookups"] == [(operation, 1)]
    (first, _) = watched.points()["gameball.client.duration"]
    assert 0 < first["sum"] < 10
    assert len(first["explicit_bounds"]) == 13


def test_waits_for_the_rate_limit_are_measured(make: Make, watched: Watched) -> None:
    caller = make(rate_limit=RateLimit((1, 0.1)))
    for row in cashbacks(3):
        caller("send", transactions.cashback(row))

    (point,) = watched.points()["gameball.client.rate_limit.wait"]
    assert point["count"] == 3
    assert 0.05 < point["sum"] < 5.0
    assert point["attributes"] == {"gameball.operation": "transactions.cashback"}


def test_a_turn_that_does_not_come_in_time_is_measured_too(make: Make, watched: Watched) -> None:
    caller = make(rate_limit=RateLimit((1, 30.0)), timeouts=Timeouts(total=0.2))
    first, second = cashbacks(2)
    caller("send", transactions.cashback(first))
    with pytest.raises(GameballError):
        caller("send", transactions.cashback(second))

    (point,) = watched.points()["gameball.client.rate_limit.wait"]
    assert point["max"] > 0.1


# --- bulk runs


@pytest.mark.usefixtures("http_spans")
def test_a_bulk_run_is_one_span_with_the_figures_of_its_report(make: Make, watched: Watched) -> None:
    caller = make()
    with watched.tracer.start_as_current_span("night") as night:
        caller("bulk.run", cashbacks(20))
        assert trace.get_current_span() is night

    run = watched.only("gameball bulk.run")
    assert watched.below(watched.only("night")) == [run]
    assert watched.named("gameball transactions.cashback") == []
    assert {span.name for span in watched.below(run)} == {"POST"}
    assert dict(run.attributes or {}) == {
        "gameball.operation": "bulk.run",
        "server.address": "127.0.0.1",
        "gameball.bulk.rows": 20,
        "gameball.bulk.applied": 20,
        "gameball.bulk.already_applied": 0,
        "gameball.bulk.rejected": 0,
        "gameball.bulk.needs_review": 0,
        "gameball.bulk.sent": 20,
        "gameball.bulk.looked_up": 0,
        "gameball.bulk.pauses": 0,
    }
    found = watched.metrics()
    assert found["gameball.bulk.rows"] == [({"gameball.bulk.state": "applied"}, 20)]
    assert found["gameball.client.attempts"] == [({"gameball.operation": "transactions.cashback"}, 20)]


def test_rows_that_fail_are_events_of_the_run(make: Make, watched: Watched) -> None:
    caller = make()
    rows = [*cashbacks(3), RedeemRequest(player_unique_id="nobody", transaction_id="r1", redeemed_amount=5)]
    caller("bulk.run", rows)

    (event,) = watched.only("gameball bulk.run").events
    assert event.name == "gameball.bulk.row"
    assert dict(event.attributes or {}) == {
        "gameball.bulk.row": 4,
        "gameball.bulk.state": "rejected",
        "gameball.transaction_id": "r1",
        "error.type": "PlayerNotFoundError",
    }
    assert watched.metrics()["gameball.bulk.rows"] == [
        ({"gameball.bulk.state": "applied"}, 3),
        ({"gameball.bulk.state": "rejected"}, 1),
    ]


def test_only_the_first_failed_rows_are_events(make: Make, watched: Watched) -> None:
    rows = [
        RedeemRequest(player_unique_id=f"nobody{n}", transaction_id=f"r{n}", redeemed_amount=5)
        for n in range(NAMED + 10)
    ]
    make()("bulk.run", rows)

    assert len(watched.only("gameball bulk.run").events) == NAMED
    assert watched.metrics()["gameball.bulk.rows"] == [({"gameball.bulk.state": "rejected"}, NAMED + 10)]


def test_a_pause_is_an_event_that_says_why(make: Make, watched: Watched, sandbox: Sandbox) -> None:
    sandbox.faults.arm("transactions.cashback", faults.TooManyRequests("0.6"))
    make()("bulk.run", cashbacks(3))

    run = watched.only("gameball bulk.run")
    assert [(event.name, dict(event.attributes or {})) for event in run.events] == [
        ("gameball.bulk.pause", {"error.type": "RateLimitedError"})
    ]


def test_a_run_that_is_stopped_ends_its_span_with_the_error(make: Make, watched: Watched, sandbox: Sandbox) -> None:
    refused = faults.Status(401, {"code": 1000, "message": "bad key"})
    sandbox.faults.arm("transactions.cashback", refused, times=10_000)
    with pytest.raises(BulkStoppedError):
        make()("bulk.run", cashbacks(5))

    run = watched.only("gameball bulk.run")
    sandbox.faults.clear()
    assert run.status.status_code is trace.StatusCode.ERROR
    assert (run.attributes or {})["error.type"] == "BulkStoppedError"


def test_a_resumed_run_counts_its_own_rows_only(make: Make, watched: Watched, tmp_path: Path) -> None:
    caller = make()
    caller("bulk.run", cashbacks(4), journal=tmp_path / "j.db")
    caller("bulk.resume", tmp_path / "j.db")

    assert watched.metrics()["gameball.bulk.rows"] == [({"gameball.bulk.state": "applied"}, 4)]
    first, second = watched.named("gameball bulk.run")
    assert (first.attributes or {})["gameball.bulk.applied"] == 4
    assert (second.attributes or {})["gameball.bulk.applied"] == 4


def test_a_run_by_batches_is_one_span_too(make: Make, watched: Watched) -> None:
    make()("bulk.run", cashbacks(10), via="batches")

    assert [span.name for span in watched.spans] == ["gameball bulk.run"]
    assert watched.metrics()["gameball.bulk.rows"] == [({"gameball.bulk.state": "applied"}, 10)]


def test_rows_are_read_below_the_callers_span(make: Make, watched: Watched) -> None:
    current: list[str] = []

    def rows() -> Iterator[CashbackRequest]:
        for row in cashbacks(5):
            current.append(getattr(trace.get_current_span(), "name", ""))
            yield row

    with watched.tracer.start_as_current_span("night"):
        results = make().stream(rows())

    assert len(results) == 5
    assert current == ["night"] * 5
    assert watched.below(watched.only("night")) == [watched.only("gameball bulk.run")]


async def test_a_stream_that_is_left_early_ends_its_span_without_an_error(sandbox: Sandbox, watched: Watched) -> None:
    async with watched.instrument(
        AsyncGameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url)
    ) as client:
        results = client.bulk.stream(cashbacks(300), concurrency=2)
        async for _ in results:
            assert trace.get_current_span() is trace.INVALID_SPAN
            break
        await results.aclose()

    run = watched.only("gameball bulk.run")
    assert run.status.status_code is trace.StatusCode.UNSET
    (count,) = [value for _, value in watched.metrics()["gameball.bulk.rows"]]
    assert (run.attributes or {})["gameball.bulk.applied"] == count == len(sandbox.ledger.transactions())


# --- what must not show


ECHO: Final = faults.Status(
    422,
    {"code": 7, "message": f"no {API_KEY} {SECRET_KEY} {OTP} {EMAIL} {MOBILE}", "requestId": API_KEY},
    {"X-Request-Id": SECRET_KEY},
)


@pytest.mark.thorough
@pytest.mark.usefixtures("http_spans")
@pytest.mark.parametrize("effect", ["refused", "applied", "broken"])
def test_no_key_and_nothing_private_is_exported(mode: Mode, watched: Watched, effect: str) -> None:
    with Sandbox(api_key=API_KEY, secret_key=SECRET_KEY) as sandbox:
        client = CLIENTS[mode](API_KEY, SECRET_KEY, base_url=sandbox.base_url, retries=QUICK)
        caller = Caller(watched.instrument(with_waits(client)))
        private: dict[str, Any] = {"email": EMAIL, "mobile": MOBILE}
        caller("transactions.cashback", player_unique_id="p", transaction_id="t0", amount=1000, **private)
        spoilt: dict[str, faults.Fault] = {"refused": ECHO, "broken": faults.Reset()}
        for operation in ("redeem", "cashback", "hold") if effect in spoilt else ():
            sandbox.faults.arm(f"transactions.{operation}", spoilt[effect], times=1000, effect="before")
        rows = [
            RedeemRequest(player_unique_id="p", transaction_id="r1", redeemed_amount=1, otp=OTP, **private),
            CashbackRequest(player_unique_id="p", transaction_id="t2", amount=10, **private),
        ]
        redemption = {"player_unique_id": "p", "transaction_id": "r0", "redeemed_amount": 1, "otp": OTP}
        for method, args, arguments in (
            ("transactions.redeem", (), redemption),
            ("transactions.hold", (), {"player_unique_id": "p", "hold_points": 1, **private}),
            ("bulk.run", (rows,), {"patience": 0.0}),
        ):
            try:
                caller(method, *args, **arguments)
            except GameballError:
                assert effect != "applied"
        caller.close()

    exported = watched.text()
    assert len(watched.spans) > 4
    assert [word for word in (API_KEY, SECRET_KEY, OTP, EMAIL, MOBILE) if word in exported] == []


# --- unused, missing, and beside Sentry


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_nothing_of_opentelemetry_is_loaded_unless_it_is_used(sandbox: Sandbox) -> None:
    code = """
import sys
import gameball
client = gameball.Gameball()
client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=10)
client.bulk.run([gameball.CashbackRequest(player_unique_id="p", transaction_id="t2", amount=10)])
print([name for name in sys.modules if "opentelemetry" in name or name == "gameball.telemetry"])
"""
    ended = python(
        code,
        GAMEBALL_API_KEY=sandbox.api_key,
        GAMEBALL_SECRET_KEY=sandbox.secret_key,
        GAMEBALL_BASE_URL=sandbox.base_url,
    )
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


def test_a_missing_extra_is_one_sentence_that_names_it() -> None:
    ended = python("import sys; sys.modules['opentelemetry'] = None; import gameball.telemetry")
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last == "ImportError: gameball.telemetry needs its extra: pip install 'gameball[otel]'"


def test_without_a_provider_of_ones_own_the_global_ones_are_used_and_cost_nothing(sandbox: Sandbox) -> None:
    with instrument(Gameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url)) as client:
        client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=10)
        report = client.bulk.run([RedeemRequest(player_unique_id="q", transaction_id="t2", redeemed_amount=10)])
    assert report.rejected == 1
    assert context.get_current() == {}


WITH_SENTRY = """
import json
import sentry_sdk
from opentelemetry.sdk.trace import TracerProvider
from sentry_sdk.integrations.opentelemetry import SentrySpanProcessor
from sentry_sdk.transport import Transport
from gameball import Gameball
from gameball.telemetry import instrument

class Kept(Transport):
    def capture_envelope(self, envelope):
        for item in envelope.items:
            event = item.get_transaction_event()
            print(json.dumps([event["transaction"], [span["description"] for span in event["spans"]]]))

sentry_sdk.init(
    "http://key@127.0.0.1:9/1", transport=Kept, instrumenter="otel", traces_sample_rate=1.0,
    default_integrations=False, auto_enabling_integrations=False,
)
provider = TracerProvider()
provider.add_span_processor(SentrySpanProcessor())
with instrument(Gameball(), provider) as client:
    with provider.get_tracer("shop").start_as_current_span("checkout"):
        client.transactions.cashback(player_unique_id="p", transaction_id="t1", amount=10)
"""


@pytest.mark.thorough
def test_sentry_shows_calls_below_its_transactions(sandbox: Sandbox) -> None:
    ended = python(
        WITH_SENTRY,
        GAMEBALL_API_KEY=sandbox.api_key,
        GAMEBALL_SECRET_KEY=sandbox.secret_key,
        GAMEBALL_BASE_URL=sandbox.base_url,
    )
    assert ended.stderr == ""
    assert json.loads(ended.stdout) == ["checkout", ["gameball transactions.cashback"]]

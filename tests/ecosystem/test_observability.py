"""The page on structlog and Prometheus, with both of them, and what their observers never show."""

from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any
from urllib.request import urlopen

import pytest

from gameball import AsyncGameball, Gameball, GameballError
from gameball.sandbox import Sandbox, faults
from tests.support.pages import HOW_TO, examples

structlog = pytest.importorskip("structlog")
prometheus = pytest.importorskip("prometheus_client")

PAGE = examples((HOW_TO / "observability.md").read_text(encoding="utf-8"))


@pytest.fixture
def page(gameball_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The names that the page's examples leave, after each has printed what stands below it."""
    monkeypatch.setenv("GAMEBALL_API_KEY", gameball_sandbox.api_key)
    monkeypatch.setenv("GAMEBALL_SECRET_KEY", gameball_sandbox.secret_key)
    monkeypatch.setenv("GAMEBALL_BASE_URL", gameball_sandbox.base_url)
    names: dict[str, Any] = {"__name__": "observability"}
    known = set(prometheus.REGISTRY._collector_to_names)
    try:
        for code, expected in PAGE:
            with redirect_stdout(StringIO()) as printed:
                exec(compile(code, "observability", "exec", dont_inherit=True), names)  # noqa: S102 (ours)
            assert printed.getvalue() == expected
        yield names
    finally:
        structlog.reset_defaults()
        for collector in set(prometheus.REGISTRY._collector_to_names) - known:
            prometheus.REGISTRY.unregister(collector)


@pytest.mark.usefixtures("page")
def test_a_scrape_finds_the_calls_and_rows_of_the_page() -> None:
    server, thread = prometheus.start_http_server(0, addr="127.0.0.1")
    try:
        with urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=10) as answer:
            scraped = answer.read().decode()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert 'gameball_call_seconds_count{operation="transactions.cashback",outcome="applied"} 3.0' in scraped
    assert 'gameball_requests_total{operation="transactions.cashback",status="200"} 3.0' in scraped
    assert 'gameball_bulk_rows_total{state="applied"} 3.0' in scraped


def test_an_answer_that_does_not_come_is_a_line_and_a_count(page: dict[str, Any], gameball_sandbox: Sandbox) -> None:
    registry = prometheus.CollectorRegistry()
    gameball_sandbox.faults.arm("transactions.cashback", faults.Close(), effect="after")
    with (
        Gameball(observers=[page["CallLog"](), page["Metrics"](registry)]) as client,
        structlog.testing.capture_logs() as lines,
    ):
        client.transactions.cashback(player_unique_id="ada", transaction_id="A-2", amount=100)
    again, call = lines
    assert (again["event"], again["log_level"], again["next"]) == ("gameball.again", "warning", "look_up")
    assert (call["log_level"], call["settled_by"], call["lookups"]) == ("info", "lookup", 1)

    def count(name: str, **labels: str) -> float | None:
        value: float | None = registry.get_sample_value(name, labels)
        return value

    assert count("gameball_in_doubt_total", operation="transactions.cashback") == 1
    assert count("gameball_requests_total", operation="transactions.cashback", status="none") == 1
    assert count("gameball_requests_total", operation="transactions.list", status="200") == 1
    assert count("gameball_call_seconds_count", operation="transactions.cashback", outcome="applied") == 1


async def test_a_call_that_failed_is_an_error_with_the_context_of_its_caller(page: dict[str, Any]) -> None:
    async with AsyncGameball(observers=[page["CallLog"]()]) as client:
        with (
            structlog.contextvars.bound_contextvars(order="A-3"),
            redirect_stdout(StringIO()) as printed,
            pytest.raises(GameballError),
        ):
            await client.transactions.hold(player_unique_id="nobody", hold_points=5)
    assert "level='error'" in printed.getvalue()
    assert "order='A-3'" in printed.getvalue()
    assert "error='PlayerNotFoundError'" in printed.getvalue()


def test_nothing_private_is_logged_or_counted(page: dict[str, Any], gameball_sandbox: Sandbox) -> None:
    registry = prometheus.CollectorRegistry()
    private: dict[str, Any] = {"email": "ada@shop.example", "mobile": "+201000000000"}
    with (
        Gameball(observers=[page["CallLog"](), page["Metrics"](registry)]) as client,
        structlog.testing.capture_logs() as lines,
    ):
        client.transactions.cashback(player_unique_id="ada", transaction_id="A-4", amount=100, **private)
        client.transactions.redeem(player_unique_id="ada", transaction_id="A-5", redeemed_amount=0.1, otp="814253")
        with pytest.raises(GameballError):
            client.transactions.redeem(player_unique_id="ada", transaction_id="A-6", redeemed_amount=10**6)
    shown = repr(lines) + prometheus.generate_latest(registry).decode()
    assert "A-6" in shown
    for word in (*private.values(), "814253", gameball_sandbox.api_key, gameball_sandbox.secret_key):
        assert word not in shown

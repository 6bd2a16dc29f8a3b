"""How fast a run goes: the rate of late, and the bars of a minute."""

import io

import pytest
from rich.console import Console

from gameball import RateLimit
from gameball.cli.throughput import Sparkline, Throughput, least_seconds


def noted(*moments: tuple[float, int]) -> Throughput:
    throughput = Throughput()
    for seconds, settled in moments:
        throughput.note(seconds, settled)
    return throughput


@pytest.mark.parametrize(
    ("moments", "rate"),
    [
        ([], None),
        ([(7.0, 100)], None),
        ([(7.0, 100), (7.0, 150)], 0.0),
        ([(7.0, 100), (7.1, 110)], pytest.approx(100)),
        ([(0.0, 0), (5.0, 1000), (15.0, 1010)], 1.0),  # the burst was more than ten seconds ago
        ([(0.0, 0), (60.0, 60), (120.0, 180)], 2.0),  # moments far apart, as in the journal of a long run
        ([(float(n), 500) for n in range(12)], 0.0),
    ],
)
def test_the_rate_is_that_of_the_last_ten_seconds(moments: list[tuple[float, int]], rate: float | None) -> None:
    assert noted(*moments).rate == rate


def test_each_second_has_a_bar_and_a_minute_is_kept() -> None:
    throughput = noted(*((n / 10, n * n // 100) for n in range(1001)))
    assert throughput.rates == [2 * n + 1 for n in range(40, 100)]


@pytest.mark.parametrize(
    ("values", "columns", "drawn"),
    [([], 10, ""), ([0, 0], 10, "▁▁"), ([0, 7, 3.5], 10, "▁█▅"), ([9, 9, 0, 7], 2, "▁█"), ([5], 10, "█")],
)
def test_a_sparkline_shows_the_last_values_that_fit(values: list[float], columns: int, drawn: str) -> None:
    output = io.StringIO()
    Console(file=output, width=columns).print(Sparkline(values), end="")
    assert output.getvalue() == drawn


def test_requests_take_as_long_as_the_narrowest_window_lets_them() -> None:
    assert least_seconds(RateLimit((30, 1.0), (360, 30.0)), 3600) == 300
    assert least_seconds(RateLimit((30, 1.0), (9000, 30.0)), 3600) == 120
    assert least_seconds(None, 3600) == 0

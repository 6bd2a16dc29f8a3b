"""The stamp that no two calls share."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from gameball.core import timestamps
from gameball.core.timestamps import stamp, stamped
from gameball.models.transactions import HoldRequest


def test_a_stamp_is_now_in_utc() -> None:
    before = datetime.now(UTC)
    time = stamp()

    assert time.tzinfo is UTC
    # Earlier tests may have run the clock ahead by a microsecond for each stamp in a burst.
    assert before - timedelta(seconds=1) < time < datetime.now(UTC) + timedelta(seconds=1)


def test_no_two_stamps_are_alike_and_they_only_go_up() -> None:
    stamps = [stamp() for _ in range(20_000)]

    assert all(earlier < later for earlier, later in itertools.pairwise(stamps))


def test_not_even_from_many_threads() -> None:
    with ThreadPoolExecutor(16) as pool:
        bunches = list(pool.map(lambda _: [stamp() for _ in range(500)], range(32)))

    assert len({time for bunch in bunches for time in bunch}) == 32 * 500


def set_to(monkeypatch: pytest.MonkeyPatch, time: datetime) -> None:
    class Set(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            assert tz is UTC
            return time

    monkeypatch.setattr(timestamps, "datetime", Set)


def test_a_clock_that_is_nudged_back_does_not_repeat_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = stamp()
    set_to(monkeypatch, first - timedelta(seconds=30))

    assert stamp() == first + timedelta(microseconds=1)
    assert stamp() == first + timedelta(microseconds=2)


def test_a_clock_that_was_far_wrong_is_followed_when_it_is_right_again(monkeypatch: pytest.MonkeyPatch) -> None:
    right = stamp()
    monkeypatch.setattr(timestamps, "_last", right + timedelta(days=3650))
    set_to(monkeypatch, right + timedelta(seconds=1))

    assert stamp() == right + timedelta(seconds=1)
    assert stamp() == right + timedelta(seconds=1, microseconds=1)


def test_a_request_is_stamped_unless_it_tells_its_own_time() -> None:
    own = datetime(2019, 9, 19, tzinfo=UTC)
    given = HoldRequest(player_unique_id="p", amount=1, transaction_time=own)
    untold = HoldRequest(player_unique_id="p", amount=1)

    assert stamped(given) is given
    first, second = stamped(untold), stamped(untold)
    assert first.transaction_time is not None
    assert second.transaction_time is not None
    assert first.transaction_time < second.transaction_time
    assert untold.transaction_time is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_forked_while_the_lock_was_held_can_still_stamp() -> None:
    with timestamps._lock:
        child = os.fork()
        if child == 0:
            try:
                free = timestamps._lock.acquire(timeout=5)
            finally:
                os._exit(0 if free else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0


def test_the_lock_is_renewed_for_a_child() -> None:
    held = timestamps._lock

    timestamps._renew_lock()

    assert timestamps._lock is not held
    assert stamp() < stamp()

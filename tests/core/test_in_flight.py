"""The warning of a call that is cut off: once, with its words, and only where it may have changed something."""

import pytest

from gameball.core import in_flight


class Interrupted:
    """A call that says this of itself."""

    def __init__(self, words: str | None) -> None:
        self._words = words

    def interruption(self) -> str | None:
        return self._words


WRITE, READ = Interrupted("t1 was given up"), Interrupted(None)


@pytest.fixture(autouse=True)
def _on_their_way() -> None:
    in_flight.enter(WRITE)
    in_flight.enter(READ)


def test_a_write_that_is_cut_off_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    assert in_flight.cut_off(WRITE) == "t1 was given up"
    assert in_flight.cut_off(WRITE) == "t1 was given up"
    assert caplog.messages == ["t1 was given up"]


def test_a_read_that_is_cut_off_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert in_flight.cut_off(READ) is None
    assert caplog.messages == []


def test_the_end_of_the_interpreter_cuts_off_all_that_is_on_its_way(caplog: pytest.LogCaptureFixture) -> None:
    in_flight._cut_off_all()
    in_flight._cut_off_all()
    assert caplog.messages == ["t1 was given up"]


def test_what_has_ended_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    in_flight.leave(WRITE)
    in_flight._cut_off_all()
    assert caplog.messages == []

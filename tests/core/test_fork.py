import os
from collections.abc import Callable

import pytest

from gameball.core import fork, sessions


def test_a_child_that_is_forked_has_it_called(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[Callable[[], None]] = []

    def register(*, after_in_child: Callable[[], None]) -> None:
        registered.append(after_in_child)

    monkeypatch.setattr(os, "register_at_fork", register)
    fork.in_child(pytest.fail)
    assert registered == [pytest.fail]


def test_where_there_is_no_fork_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "register_at_fork")
    fork.in_child(pytest.fail)


def test_a_child_leaves_the_sessions_of_its_parent_alone_and_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    parents: set[sessions.LoopSessions] = set()
    kept: list[object] = []
    monkeypatch.setattr(sessions, "_open", parents)
    monkeypatch.setattr(fork, "_kept", kept)
    sessions._leave_to_the_parent()
    assert sessions._open is not parents
    assert kept[0] is parents

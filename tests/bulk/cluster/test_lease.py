"""A lease holds until there is a newer one, and a request only leaves while a look at it is fresh."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

pytest.importorskip("distributed", reason="needs the extra dask")

from gameball.bulk.cluster import lease
from gameball.bulk.cluster.lease import FencedTransport, Lease, View, Watch
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.errors import JournalError


@pytest.fixture
def shared(tmp_path: Path) -> SharedDirectory:
    return SharedDirectory(tmp_path / "run")


def test_the_newest_lease_holds(shared: SharedDirectory) -> None:
    assert Lease.newest(shared, 3) is None
    first = Lease.take(shared, 3, None, "calls")
    assert Lease.newest(shared, 3) == first
    second = Lease.take(shared, 3, first, "batches")
    assert Lease.newest(shared, 3) == second
    assert (first.by_batches, second.by_batches) == (False, True)
    assert Lease.newest(shared, 4) is None


def test_two_that_take_a_shard_at_the_same_time_are_seen_by_the_later_one(shared: SharedDirectory) -> None:
    first = Lease.take(shared, 0, None, "calls")
    assert first.others_since(shared, 0, None) == []
    second = Lease.take(shared, 0, None, "calls")  # it had looked before the first one wrote
    assert second.others_since(shared, 0, None) == [first]
    assert Lease.newest(shared, 0) in (first, second)


def test_a_file_that_is_still_being_written_is_no_lease(shared: SharedDirectory) -> None:
    shared.write("leases/00000/.half", b"")
    assert Lease.newest(shared, 0) is None


class Looks:
    """Views and failures, one after the other; the last one for ever."""

    def __init__(self, *views: View | JournalError) -> None:
        self._views: Iterator[View | JournalError] = iter(views)
        self._last = views[-1]
        self.count = 0

    def __call__(self) -> View:
        self.count += 1
        view = next(self._views, self._last)
        if isinstance(view, JournalError):
            raise view
        return view


UNREADABLE = JournalError("the directory cannot be read")


async def test_requests_wait_until_a_look_is_fresh() -> None:
    watch = Watch(Looks("held"))
    waiting = asyncio.create_task(watch.hold())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await watch.look()
    await waiting
    await watch.hold()  # at once, as long as the look holds


async def test_a_look_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "HOLDS", 0.02)
    watch = Watch(Looks("held"))
    await watch.look()
    await asyncio.sleep(0.03)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watch.hold(), 0.02)


async def test_after_a_takeover_nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LOOK", 0.005)
    monkeypatch.setattr(lease, "HOLDS", 0.02)
    left: list[str] = []
    looks = Looks("held", "held", "taken", "held")
    watch = Watch(looks)
    await watch.run(lambda: left.append("left"))
    assert (looks.count, left) == (3, [])
    await asyncio.sleep(0.02)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watch.hold(), 0.02)


async def test_a_stop_lets_what_is_in_flight_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LOOK", 0.005)
    left: list[str] = []
    watch = Watch(Looks("held", "stopping", "stopping", "taken"))
    await watch.look()
    await watch.run(lambda: left.append("left"))
    assert left == ["left", "left"]
    await watch.hold()


async def test_a_directory_that_cannot_be_read_for_too_long_ends_the_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LOOK", 0.005)
    monkeypatch.setattr(lease, "PATIENCE", 0.5)
    left = asyncio.Event()
    looks = Looks(UNREADABLE, UNREADABLE, "held", UNREADABLE)
    watching = asyncio.create_task(Watch(looks).run(left.set))
    await left.wait()
    assert looks.count > 3  # a look that succeeds begins the time anew
    watching.cancel()


async def test_a_fenced_transport_sends_after_it_may() -> None:
    sent: list[Any] = []

    class Transport:
        async def exchange(self, *arguments: Any) -> str:
            sent.append(arguments)
            return "response"

    watch = Watch(Looks("held"))
    request = cast("Any", "request")
    sending = asyncio.create_task(
        FencedTransport(cast("Any", Transport()), watch).exchange(request, 1.0, cast("Any", None))
    )
    await asyncio.sleep(0.01)
    assert sent == []
    await watch.look()
    assert cast("Any", await sending) == "response"
    assert sent == [("request", 1.0, None)]

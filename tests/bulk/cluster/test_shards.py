"""Rows parted by player: stable, in order, each with its time."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs the extra dask")

from gameball import InvalidRequestError, RedeemRequest
from gameball.bulk.cluster.manifest import Manifest
from gameball.bulk.cluster.shards import read_shard, shard_of
from gameball.errors import JournalError
from tests.bulk.cluster.planned import planned
from tests.support.bulk_api import pay, pays

pytestmark = pytest.mark.usefixtures("sandbox")


def test_a_player_is_in_the_same_shard_on_every_machine() -> None:
    assert [shard_of(f"player{number}", 7) for number in range(6)] == [1, 0, 2, 1, 0, 2]


def test_each_row_is_in_one_shard_and_a_player_s_rows_in_order(directory: Path) -> None:
    shared = planned(directory, pays(300, players=40), shards=8)
    manifest = Manifest.read(shared)
    assert manifest is not None
    assert manifest.rows == 300
    shards = [read_shard(shared, shard, rows) for shard, rows in enumerate(manifest.shards)]
    assert sorted(row[0] for rows in shards for row in rows) == list(range(300))
    for shard, rows in enumerate(shards):
        assert {shard_of(row[3], 8) for row in rows} <= {shard}
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)


def test_a_row_without_a_time_gets_one_and_another_keeps_its_own(directory: Path) -> None:
    time = datetime(2026, 3, 1, 9, tzinfo=UTC)
    rows = read_shard(planned(directory, [pay(0), pay(1, transaction_time=time), pay(2)]), 0, 3)
    times = [json.loads(row[4])["transactionTime"] for row in rows]
    assert times[1] == "2026-03-01T09:00:00.000Z"
    assert len(set(times)) == 3


def test_a_row_that_is_there_twice_is_sent_once(directory: Path) -> None:
    shared = planned(directory, [pay(0), pay(1), pay(0)])
    assert [row[0] for row in read_shard(shared, 0, 2)] == [0, 1]


def test_two_rows_with_one_id_are_refused_before_anything_is_written(directory: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"^rows\[1\]\.transaction_id is the same as in rows\[0\], and"):
        planned(directory, [pay(0), pay(0, amount=99)])
    assert not directory.exists()


def test_a_one_time_password_is_refused_before_anything_is_written(directory: Path) -> None:
    row = RedeemRequest(player_unique_id="p", transaction_id="t", redeemed_amount=5, otp="1234")
    with pytest.raises(InvalidRequestError, match=r"^rows\[0\]\.otp is a one-time password"):
        planned(directory, [row])
    assert not directory.exists()


def test_more_shards_than_players_leave_some_empty(directory: Path) -> None:
    shared = planned(directory, pays(20, players=1), shards=5)
    manifest = Manifest.read(shared)
    assert manifest is not None
    assert sorted(manifest.shards) == [0, 0, 0, 0, 20]
    assert read_shard(shared, manifest.shards.index(0), 0) == []


@pytest.mark.parametrize("damage", [b"", b'[1,"cashback"', b"[]\n", None])
def test_a_shard_that_is_not_as_it_was_written_is_refused(damage: bytes | None, directory: Path) -> None:
    shared = planned(directory, pays(3))
    file = directory / "shards/00000.jsonl"
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    with pytest.raises(JournalError, match=r"is damaged: shards/00000\.jsonl is not as it was written$"):
        read_shard(shared, 0, 3)

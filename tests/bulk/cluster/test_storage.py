"""The shared directory: on a file system, and on a storage that fsspec knows by its URL."""

import stat
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="needs the extra dask")

from gameball import InvalidRequestError
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.errors import JournalError


@pytest.fixture(params=["path", "URL of a path", "URL"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> SharedDirectory:
    places: dict[str, str | Path] = {
        "path": tmp_path / "run",
        "URL of a path": f"file://{tmp_path}/run",
        "URL": f"memory://{tmp_path.name}",
    }
    return SharedDirectory(places[request.param])


def test_what_was_written_is_read_and_listed(shared: SharedDirectory) -> None:
    assert shared.read("a.json") is None
    assert shared.names("some/folder") == []
    shared.write_json("a.json", {"b": 1})
    shared.write("some/folder/two", b"2")
    shared.write("some/folder/one", b"1")
    shared.write("some/folder/one", b"one")
    assert shared.read_as("a.json", dict[str, int]) == {"b": 1}
    assert shared.read("some/folder/one") == b"one"
    assert shared.names("some/folder") == ["one", "two"]


def test_its_address_names_it_from_everywhere(
    shared: SharedDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.write("a", b"1")
    monkeypatch.chdir(tmp_path)
    assert SharedDirectory(shared.address).read("a") == b"1"
    assert SharedDirectory("run").address == str(tmp_path / "run")


def test_a_file_that_is_cut_short_counts_as_none(shared: SharedDirectory) -> None:
    shared.write("a.json", b'{"b": ')
    assert shared.read_as("a.json", dict[str, int]) is None


def test_only_their_owner_reads_the_files(tmp_path: Path) -> None:
    SharedDirectory(tmp_path / "run").write("some/file", b"")
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "run/some/file").stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gameball.bulk.cluster.storage.os.fsync", full)
    with pytest.raises(JournalError, match=r"run cannot be used: No space left on device$"):
        SharedDirectory(tmp_path / "run").write("a", b"1")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_file_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    shared = SharedDirectory(tmp_path / "run")
    assert shared.read("manifest.json") is None
    with pytest.raises(JournalError, match=r"run cannot be used: File exists$"):
        shared.write("manifest.json", b"")


def test_a_storage_that_fails_is_named(shared: SharedDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the bucket is gone")

    for name in ("cat_file", "ls"):
        monkeypatch.setattr(shared._files, name, fail, raising=True)
    with pytest.raises(JournalError, match=r"cannot be used: RuntimeError: the bucket is gone$"):
        shared.read("a")
    with pytest.raises(JournalError, match=r"cannot be used: RuntimeError: the bucket is gone$"):
        shared.names("a")


@pytest.mark.parametrize(
    ("place", "rule"),
    [
        ("", "directory must not be empty"),
        (7, "directory must be a str, not int"),
        ("nowhere://bucket/run", "directory cannot be used: Protocol not known: nowhere"),
        ("sftp://me:secret@host/run", "directory must not hold a password"),
    ],
)
def test_what_is_no_place_is_refused_in_a_sentence(place: Any, rule: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{rule}") as refused:
        SharedDirectory(place)
    assert refused.value.field == "directory"
    assert "secret" not in str(refused.value)

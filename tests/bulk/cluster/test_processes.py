"""Workers in processes of their own: killed, without keys, and watched for secrets."""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

distributed = pytest.importorskip("distributed", reason="needs the extra dask")

from gameball import CashbackRequest, CredentialsError
from gameball.bulk.cluster import run_on_cluster
from gameball.sandbox import Sandbox
from tests.bulk.cluster.kills import LIMIT, run_and_kill
from tests.cli.commands import Bulk


@pytest.mark.thorough
def test_workers_killed_at_random_apply_each_row_once() -> None:
    outcome = run_and_kill(rows=2000, kills=3)
    assert list(outcome.violations(LIMIT)) == []
    assert outcome.killed == 3
    assert outcome.resent > 0
    assert max(outcome.most_within(seconds) / most for most, seconds in LIMIT.windows) > 0.9, "the limit was not felt"


@pytest.mark.thorough
def test_workers_without_keys_fail_the_run_in_one_sentence(sandbox: Sandbox, directory: Path) -> None:
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", env={"GAMEBALL_API_KEY": ""}
        ) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(
            CredentialsError, match=r"^worker tcp://127\.0\.0\.1:\d+ cannot sign requests: no keys: "
        ) as failed,
    ):
        run_on_cluster(
            client, [CashbackRequest(player_unique_id="p", transaction_id="t", amount=5)], directory=directory
        )
    assert "\n" not in str(failed.value)
    assert len(sandbox.requests) == 0


PAGES = ("info/main/workers.html", "info/main/logs.html", "json/counts.json", "json/identity.json", "metrics", "health")


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What client and scheduler send or receive, where they are in this process, before or after its encryption."""
    seen: list[bytes] = []

    async def to_frames(message: Any, *arguments: Any, **options: Any) -> Any:
        made = await encode(message, *arguments, **options)
        seen.extend(bytes(frame) for frame in made)
        return made

    async def from_frames(received: Any, *arguments: Any, **options: Any) -> Any:
        seen.extend(bytes(frame) for frame in received)
        return await decode(received, *arguments, **options)

    tcp: Any = import_module("distributed.comm.tcp")
    encode, decode = tcp.to_frames, tcp.from_frames
    monkeypatch.setattr(tcp, "to_frames", to_frames)
    monkeypatch.setattr(tcp, "from_frames", from_frames)
    return seen


@pytest.mark.thorough
def test_no_key_and_no_row_reaches_the_scheduler_a_task_the_dashboard_or_the_folder(
    sandbox: Sandbox, directory: Path, frames: list[bytes]
) -> None:
    def rows() -> Iterator[CashbackRequest]:
        for number in range(40):
            yield CashbackRequest(
                player_unique_id=f"player{number}",
                email=f"somebody{number}@example.com",
                transaction_id=f"t{number}",
                amount=5,
            )

    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        distributed.Client(cluster) as client,
    ):
        report = run_on_cluster(client, rows(), directory=directory)
        shown = [repr(client.get_events()), repr(client.get_scheduler_logs()), repr(client.get_worker_logs())]
        shown += [_page(f"{client.dashboard_link.rpartition('/')[0]}/{page}") for page in PAGES]
    assert report.applied == 40
    _check_no_secrets(sandbox, directory, [*frames, *(text.encode() for text in shown)])


@pytest.mark.thorough
def test_no_key_and_no_row_leaves_the_workers_of_the_command(
    sandbox: Sandbox,
    directory: Path,
    frames: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Other users of the machine can neither connect to them nor listen: all of it is encrypted."""
    lines = [f"player{number},somebody{number}@example.com,t{number},5" for number in range(40)]
    orders = directory.with_name("orders.csv")
    orders.write_text("\n".join(["player_unique_id,email,transaction_id,amount", *lines, ""]), encoding="utf-8")
    connections: list[str] = []
    tcp: Any = import_module("distributed.comm.tcp")
    connect = tcp.TLSConnector._get_connect_args

    def noted(self: Any, **options: Any) -> Any:
        connections.append("encrypted")
        return connect(self, **options)

    monkeypatch.setattr(tcp.TLSConnector, "_get_connect_args", noted)
    monkeypatch.setattr(tcp.TCPConnector, "_get_connect_args", lambda *_, **__: connections.append("plain"))
    command = Bulk(monkeypatch, capsys)
    assert command("run", str(orders), "--workers", "1", "--journal", str(directory), "--yes") == 0
    assert "40 of 40 rows: 40 applied" in command.said
    assert set(connections) == {"encrypted"}
    assert directory.stat().st_mode & 0o077 == 0
    _check_no_secrets(sandbox, directory, [*frames, command.said.encode(), command.complained.encode()])


def _check_no_secrets(sandbox: Sandbox, directory: Path, seen: list[bytes]) -> None:
    """No key is in what was seen or in the directory, and of rows nothing is in what was seen."""
    files = [path.read_bytes() for path in directory.rglob("*") if path.is_file()]
    assert sum(b"gameball-1-" in content for content in seen) > 0, "no task was seen"
    assert any(b"somebody0@example.com" in content for content in files), "no row was seen"
    for key in (sandbox.api_key, sandbox.secret_key, os.environ["GAMEBALL_SECRET_KEY"]):
        assert not [content for content in (*seen, *files) if key.encode() in content]
    assert not [content for content in seen if b"somebody" in content]


def _page(url: str) -> str:
    assert url.startswith("http://127.0.0.1:")
    try:
        with urlopen(url) as answer:  # noqa: S310 (the line above)
            return str(answer.read().decode())
    except HTTPError as error:
        return str(error)

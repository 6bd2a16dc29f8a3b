"""One shard on a worker: sent once, whatever became of those that had it before."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("distributed", reason="needs the extra dask")

from functools import partial

from attrs import evolve

from gameball import CashbackRequest, Gameball, ManualRequest, RefundRequest
from gameball.bulk.cluster import lease
from gameball.bulk.cluster.lease import Lease
from gameball.bulk.cluster.results import Progress, Results, read_results
from gameball.bulk.cluster.shards import read_shard
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.cluster.worker import run_shard
from gameball.core.delivery import Delivery
from gameball.errors import AuthenticationError, CredentialsError, InvalidRequestError, JournalError
from gameball.resources.transactions import cashback
from gameball.sandbox import Sandbox, faults
from gameball.settings import RateLimit
from tests.bulk.cluster.planned import ask_to_stop, planned, submit
from tests.support.bulk_api import pay, pays
from tests.support.waits import SHORT

pytestmark = pytest.mark.usefixtures("sandbox")


def each_once(sandbox: Sandbox, count: int) -> bool:
    return sorted(entry.transaction_id or "" for entry in sandbox.ledger.transactions()) == sorted(
        f"t{number}" for number in range(count)
    )


def sent(sandbox: Sandbox) -> list[str]:
    """The ids that were sent, in order."""
    return [json.loads(request.body)["transactionId"] for request in sandbox.requests if request.method == "POST"]


def looked_up(sandbox: Sandbox) -> list[str]:
    return [
        parse_qs(urlsplit(request.path).query)["transactionId"][0]
        for request in sandbox.requests
        if request.operation == "transactions.list"
    ]


def progress_of(shared: SharedDirectory, shard: int = 0) -> Progress:
    progress = Progress.read(shared, shard)
    assert progress is not None
    return progress


def apply(sandbox: Sandbox, *numbers: int) -> None:
    """Do as a worker did that is gone: rows are applied, and nothing says so."""
    with Gameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url) as client:
        for number in numbers:
            client.send(cashback(pay(number)))
    sandbox.requests.clear()


def in_the_midst(sandbox: Sandbox, count: int, act: Callable[[], object]) -> threading.Thread:
    """A thread that acts once so many requests have come."""

    def wait() -> None:
        while len(sandbox.requests) < count:
            time.sleep(0.002)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


# --- a shard from its beginning


def test_a_shard_is_sent_and_its_results_are_in_the_directory(sandbox: Sandbox, directory: Path) -> None:
    shared = planned(directory, pays(50, players=20))
    assert run_shard(shared.address, 0) is None
    assert each_once(sandbox, 50)
    assert {state for _, state, *_ in read_results(shared, 0).values()} == {"applied"}
    progress = progress_of(shared)
    assert (progress.closed, progress.in_doubt) == (True, ())
    assert (progress.figures.applied, progress.figures.sent, progress.figures.looked_up) == (50, 50, 0)


def test_a_shard_that_has_ended_is_not_touched_again(sandbox: Sandbox, directory: Path) -> None:
    shared = planned(directory, pays(5))
    run_shard(shared.address, 0)
    taken = Lease.newest(shared, 0)
    assert run_shard(shared.address, 0) is None
    assert len(sandbox.requests) == 5
    assert Lease.newest(shared, 0) == taken


def test_nobody_begins_when_the_run_is_being_stopped(sandbox: Sandbox, directory: Path) -> None:
    shared = planned(directory, pays(5))
    ask_to_stop(shared)
    assert run_shard(shared.address, 0) is None
    assert (len(sandbox.requests), Lease.newest(shared, 0)) == (0, None)


def test_a_row_that_is_refused_has_its_error_in_the_results(directory: Path) -> None:
    refund = RefundRequest(player_unique_id="p", transaction_id="r", original_transaction_id="nothing", amount=5)
    shared = planned(directory, [pay(0), refund])
    assert run_shard(shared.address, 0) is None
    _, state, _, _, error = read_results(shared, 0)[1]
    assert state == "rejected"
    assert error is not None
    assert json.loads(error)[0] == "PlayerNotFoundError"


def test_its_journal_goes_with_it(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = tmp_path / "worker"
    monkeypatch.setattr("gameball.bulk.cluster.worker._worker", lambda: ("worker tcp://here", str(local)))
    assert run_shard(planned(directory, pays(5)).address, 0) is None
    assert list(local.iterdir()) == []


def test_a_worker_without_a_disk_says_so(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    local = tmp_path / "file/worker"
    monkeypatch.setattr("gameball.bulk.cluster.worker._worker", lambda: ("worker tcp://here", str(local)))
    shared = planned(directory, pays(5))
    assert str(run_shard(shared.address, 0)) == f"journal {local} cannot be used: Not a directory"
    assert Lease.newest(shared, 0) is None


# --- a shard whose worker is gone


def test_after_a_lost_worker_every_row_without_a_result_is_looked_up_first(sandbox: Sandbox, directory: Path) -> None:
    shared = planned(directory, pays(20, players=5))
    gone = Lease.take(shared, 0, None, "calls")
    apply(sandbox, *range(12))
    results = Results(shared, 0, gone.holder, ())
    for number in range(8):
        results.add((number, "applied", "5", "1", None))
    results.write()

    assert run_shard(shared.address, 0) is None
    assert each_once(sandbox, 20)
    assert set(looked_up(sandbox)) == {f"t{number}" for number in range(8, 20)}
    assert sorted(sent(sandbox)) == sorted(f"t{number}" for number in range(12, 20))
    assert set(read_results(shared, 0)) == set(range(20))
    assert progress_of(shared).figures.settled == 20


def test_rows_in_doubt_of_a_player_go_in_order_and_one_at_a_time(sandbox: Sandbox, directory: Path) -> None:
    rows = [
        CashbackRequest(player_unique_id="p", transaction_id="order", amount=50),
        RefundRequest(player_unique_id="p", transaction_id="back", original_transaction_id="order"),
        ManualRequest(player_unique_id="p", transaction_id="gift", points=5, username="u", reason="r"),
        pay(0),
    ]
    shared = planned(directory, rows)
    Lease.take(shared, 0, None, "calls")
    assert run_shard(shared.address, 0) is None
    assert [identity for identity in sent(sandbox) if identity != "t0"] == ["order", "back", "gift"]
    assert progress_of(shared).figures.applied == 4


def test_a_taker_waits_until_the_one_before_has_ended(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = planned(directory, pays(1))
    Lease.take(shared, 0, None, "calls")
    waits: list[float] = []
    monkeypatch.setattr("gameball.bulk.cluster.worker.time.sleep", waits.append)
    assert run_shard(shared.address, 0) is None
    assert waits == [lease.HOLDS]


def test_of_two_that_begin_at_the_same_time_the_later_one_trusts_nothing(
    sandbox: Sandbox, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = planned(directory, pays(4))
    apply(sandbox, 0, 1)

    def take_late(*arguments: object) -> Lease:
        take(shared, 0, None, "calls")  # the other one was faster, between the look and the lease
        mine = take(*arguments)  # type: ignore[arg-type]
        return mine if mine == Lease.newest(shared, 0) else take(shared, 0, mine, "calls")

    take = Lease.take
    monkeypatch.setattr(Lease, "take", take_late)
    assert run_shard(shared.address, 0) is None
    assert each_once(sandbox, 4)
    assert set(looked_up(sandbox)) == {"t0", "t1", "t2", "t3"}


def test_the_slower_of_two_takers_ends_before_it_sends(
    sandbox: Sandbox, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = planned(directory, pays(4))

    def take_and_be_overtaken(*arguments: object) -> Lease:
        mine = take(*arguments)  # type: ignore[arg-type]
        take(shared, 0, mine, "calls")
        return mine

    take = Lease.take
    monkeypatch.setattr(Lease, "take", take_and_be_overtaken)
    error = run_shard(shared.address, 0)
    assert str(error) == f"shard 0 of the run in {directory} was taken over by another worker"
    assert len(sandbox.requests) == 0


def test_a_worker_that_is_cut_off_stops_sending_and_loses_no_result(sandbox: Sandbox, directory: Path) -> None:
    shared = planned(directory, pays(120, players=4))
    thread = in_the_midst(sandbox, 20, lambda: Lease.take(shared, 0, Lease.newest(shared, 0), "calls"))
    error = run_shard(shared.address, 0)
    thread.join()
    assert isinstance(error, JournalError)
    assert str(error).endswith("was taken over by another worker")
    applied = len(sandbox.ledger.transactions())
    assert 20 <= applied < 120
    assert len(read_results(shared, 0)) >= applied - 8
    assert not progress_of(shared).closes(Lease.newest(shared, 0))
    assert run_shard(shared.address, 0) is None
    assert each_once(sandbox, 120)


def test_workers_of_an_earlier_submission_end(sandbox: Sandbox, directory: Path) -> None:
    shared = planned(directory, pays(120, players=4))
    thread = in_the_midst(sandbox, 20, lambda: submit(shared))
    assert isinstance(run_shard(shared.address, 0), JournalError)
    thread.join()
    assert run_shard(shared.address, 0) is None
    assert each_once(sandbox, 120)


def test_a_directory_that_cannot_be_read_for_a_while_holds_requests_back(sandbox: Sandbox, directory: Path) -> None:
    shared = planned(directory, pays(600, players=4))
    submission = (directory / "submission.json").read_bytes()
    counts: list[int] = []

    def damage() -> None:
        shared.write("submission.json", b"{")
        time.sleep(0.6)
        counts.append(len(sandbox.requests))
        time.sleep(0.2)
        counts.append(len(sandbox.requests))
        shared.write("submission.json", submission)

    thread = in_the_midst(sandbox, 20, damage)
    assert run_shard(shared.address, 0) is None
    thread.join()
    assert counts[0] == counts[1] < 600
    assert each_once(sandbox, 600)


# --- a shard that was stopped


def test_a_stopped_shard_says_which_rows_were_never_sent(sandbox: Sandbox, directory: Path) -> None:
    shared = planned(directory, pays(120, players=4))
    thread = in_the_midst(sandbox, 20, lambda: ask_to_stop(shared))
    assert run_shard(shared.address, 0) is None
    thread.join()
    progress = progress_of(shared)
    assert (progress.closed, progress.in_doubt) == (True, ())
    assert 20 <= progress.figures.settled < 120
    assert len(read_results(shared, 0)) == progress.figures.settled == len(sandbox.ledger.transactions())

    submit(shared)
    assert run_shard(shared.address, 0) is None
    assert each_once(sandbox, 120)
    assert looked_up(sandbox) == []
    assert progress_of(shared).figures.sent == 120


def test_what_a_stopped_shard_left_in_doubt_is_looked_up(
    sandbox: Sandbox, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gameball.bulk.cluster.worker.Delivery", partial(Delivery, waits=evolve(SHORT, leaving=0.1)))
    shared = planned(directory, pays(30))
    sandbox.faults.arm("transactions.cashback", faults.Delay(5.0), effect="after", transaction_id="t3")
    thread = in_the_midst(sandbox, 10, lambda: ask_to_stop(shared))
    assert run_shard(shared.address, 0) is None
    thread.join()
    assert progress_of(shared).in_doubt == ((3, None),)

    submit(shared)
    assert run_shard(shared.address, 0) is None
    assert each_once(sandbox, 30)
    assert looked_up(sandbox) == ["t3"]


def test_results_that_come_in_at_the_very_end_are_kept(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends after the run has shown its last results is in the journal alone."""

    async def show_nothing(runner: object, _: object) -> None:
        async for _ in runner.results():  # type: ignore[attr-defined]
            pass

    monkeypatch.setattr("gameball.bulk.cluster.worker._drain", show_nothing)
    shared = planned(directory, pays(10))
    assert run_shard(shared.address, 0) is None
    assert len(read_results(shared, 0)) == 10


def test_the_end_of_a_shard_is_tried_to_be_written_several_times(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([True, True, True])

    def write(self: Progress, directory: SharedDirectory, shard: int) -> None:
        if self.closed and next(failures, False):
            raise JournalError("the directory cannot be used")
        directory.write_json(f"progress/{shard:05}.json", self)

    monkeypatch.setattr(Progress, "write", write)
    monkeypatch.setattr("gameball.bulk.cluster.worker.AGAIN", 0.01)
    shared = planned(directory, pays(3))
    assert run_shard(shared.address, 0) is None
    assert progress_of(shared).closed


def test_an_end_that_cannot_be_written_is_reported_and_leaves_rows_in_doubt(
    sandbox: Sandbox, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise JournalError("the directory cannot be used")

    shared = planned(directory, pays(3))
    with monkeypatch.context() as failing:
        failing.setattr(Results, "write", fail)
        failing.setattr("gameball.bulk.cluster.worker.AGAIN", 0.01)
        assert str(run_shard(shared.address, 0)) == "the directory cannot be used"
    assert run_shard(shared.address, 0) is None
    assert each_once(sandbox, 3)
    assert sorted(looked_up(sandbox)) == ["t0", "t1", "t2"]


def test_what_ends_a_run_is_the_shard_s_answer(sandbox: Sandbox, directory: Path) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Status(401, {"code": 2, "message": "no"}), nth=5, times=100)
    shared = planned(directory, pays(50, players=2))
    assert isinstance(run_shard(shared.address, 0), AuthenticationError)
    progress = progress_of(shared)
    assert progress.closed
    assert progress.figures.settled == len(sandbox.ledger.transactions())


def test_a_journal_that_fails_is_the_shard_s_answer(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise JournalError("the disk is full")

    monkeypatch.setattr("gameball.bulk.journal.queue.JournalQueue.commit_and_claim", fail)
    assert "the disk is full" in str(run_shard(planned(directory, pays(3)).address, 0))


# --- by batches


@pytest.mark.usefixtures("quick_looks")
def test_a_shard_goes_by_batches(sandbox: Sandbox, directory: Path) -> None:
    shared = planned(directory, pays(30, players=15), via="batches")
    assert run_shard(shared.address, 0) is None
    assert each_once(sandbox, 30)
    assert {request.operation for request in sandbox.requests} == {"batches.start", "batches.get"}


@pytest.mark.usefixtures("quick_looks")
def test_rows_of_a_lost_batch_are_only_found_out_about_by_batches(sandbox: Sandbox, directory: Path) -> None:
    shared = planned(directory, pays(6))
    Lease.take(shared, 0, None, "batches")
    apply(sandbox, 0, 1)
    error = run_shard(shared.address, 0)
    assert isinstance(error, InvalidRequestError)
    assert str(error).startswith('via cannot be "calls" yet: rows of a batch are in doubt')
    submit(shared, via="batches")
    assert run_shard(shared.address, 0) is None
    assert each_once(sandbox, 6)
    assert set(looked_up(sandbox)) == {f"t{number}" for number in range(6)}


def test_rows_of_other_kinds_do_not_go_by_batches(directory: Path) -> None:
    manual = ManualRequest(player_unique_id="p", transaction_id="t", points=5, username="u", reason="r")
    shared = planned(directory, [manual], via="batches")
    assert str(run_shard(shared.address, 0)) == 'via cannot be "batches": the run has rows of other kinds'
    assert Lease.newest(shared, 0) is None
    submit(shared)
    assert run_shard(shared.address, 0) is None


# --- workers that cannot take part


def test_a_worker_without_keys_says_so(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = planned(directory, pays(3))
    monkeypatch.delenv("GAMEBALL_SECRET_KEY")
    error = run_shard(shared.address, 0)
    assert isinstance(error, CredentialsError)
    assert str(error) == "this process cannot sign requests: no secret_key: pass it, or set GAMEBALL_SECRET_KEY"
    assert Lease.newest(shared, 0) is None


def test_a_worker_of_another_account_says_so(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = planned(directory, pays(3))
    monkeypatch.setenv("GAMEBALL_API_KEY", "another-api-key")
    error = run_shard(shared.address, 0)
    assert isinstance(error, JournalError)
    assert str(error) == f"the run in {directory} belongs to another account: its API key is not this process's"
    assert Lease.newest(shared, 0) is None


def test_a_worker_that_would_send_elsewhere_says_so(
    sandbox: Sandbox, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = planned(directory, pays(3))
    monkeypatch.setenv("GAMEBALL_BASE_URL", "http://127.0.0.1:9")
    error = run_shard(shared.address, 0)
    assert (
        str(error) == f"the run in {directory} belongs to {sandbox.base_url}, and this process has http://127.0.0.1:9"
    )


def test_a_worker_that_does_not_reach_the_directory_says_so(directory: Path) -> None:
    error = run_shard(str(directory), 0)
    assert str(error) == f"this process finds no run in {directory}: it must be a directory that all workers reach"


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        (b"{", "is damaged: its manifest.json cannot be read"),
        (None, "was written by a newer version of gameball: upgrade gameball"),
    ],
)
def test_a_plan_that_cannot_be_read_is_refused(manifest: bytes | None, complaint: str, directory: Path) -> None:
    shared = planned(directory, pays(3))
    file = directory / "manifest.json"
    file.write_bytes(manifest or json.dumps({**json.loads(file.read_bytes()), "version": 2}).encode())
    assert str(run_shard(shared.address, 0)) == f"directory {directory} {complaint}"


# --- the rate limit


def test_the_shares_of_all_lanes_are_the_whole_limit(directory: Path) -> None:
    windows = ((30, 1.0), (361, 30.0))
    submission = submit(planned(directory, pays(1)), at_once=4, windows=windows)
    shares = [submission.share(shard) for shard in range(4)]
    assert shares[0] == RateLimit((8, 1.0), (91, 30.0))
    for number, (most, _) in enumerate(windows):
        assert sum(share.windows[number][0] for share in shares if share is not None) == most
    assert submission.share(6) == shares[2]


def test_a_lane_s_next_shard_takes_over_what_is_spent(sandbox: Sandbox, directory: Path) -> None:
    shared = planned(directory, pays(40), shards=2, windows=((30, 1.5),))
    assert run_shard(shared.address, 0) is None
    first = len(sandbox.requests)
    assert run_shard(shared.address, 1) is None
    times = sorted(request.time.timestamp() for request in sandbox.requests)
    assert len(times) == 40
    assert all(later - earlier >= 1.4 for earlier, later in zip(times, times[30:], strict=False))
    assert times[first] - times[first - 1] < 1.4  # there were places left


@pytest.mark.parametrize("begin", ["taken over", "another submission"])
def test_where_it_is_not_known_what_is_spent_a_whole_window_is_waited_for(
    begin: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "HOLDS", 0.1)
    shared = planned(directory, pays(3), windows=((30, 0.6),))
    if begin == "taken over":
        Lease.take(shared, 0, None, "calls")
    else:
        submit(shared, windows=((30, 0.6),))
    began = time.monotonic()
    assert run_shard(shared.address, 0) is None
    assert time.monotonic() - began > 0.6


def test_an_earlier_shard_of_another_submission_says_nothing_of_what_is_spent(directory: Path) -> None:
    windows = ((30, 0.5),)
    shared = planned(directory, pays(40), shards=2, windows=windows)
    assert run_shard(shared.address, 0) is None
    submit(shared, windows=windows)
    began = time.monotonic()
    assert run_shard(shared.address, 1) is None
    assert time.monotonic() - began > 0.5


def test_an_earlier_shard_that_did_not_end_well_says_nothing_of_what_is_spent(directory: Path) -> None:
    windows = ((30, 0.5),)
    shared = planned(directory, pays(40), shards=2, windows=windows)
    assert run_shard(shared.address, 0) is None
    Lease.take(shared, 0, Lease.newest(shared, 0), "calls")  # somebody went on with it, and is gone
    began = time.monotonic()
    assert run_shard(shared.address, 1) is None
    assert time.monotonic() - began > 0.5


def test_the_rows_of_a_shard_stay_as_they_were_planned(sandbox: Sandbox, directory: Path) -> None:
    """A resend is the same bytes wherever it runs."""
    shared = planned(directory, pays(3))
    run_shard(shared.address, 0)
    bodies = {json.loads(request.body)["transactionId"]: request.body for request in sandbox.requests}
    assert bodies == {row[2]: row[4].encode() for row in read_shard(shared, 0, 3)}

"""A run from the side of whoever starts it, on a cluster in this process, or on one that fails to order."""

import asyncio
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

distributed = pytest.importorskip("distributed", reason="needs the extra dask")

from gameball import (
    BulkReport,
    BulkStoppedError,
    CashbackRequest,
    InvalidRequestError,
    JournalError,
    RateLimit,
    RefundRequest,
)
from gameball.bulk.cluster import resume_on_cluster, run_on_cluster
from gameball.bulk.cluster.manifest import Submission
from gameball.bulk.cluster.report import ClusterReader
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.cluster.worker import run_shard
from gameball.bulk.rows import RowState
from gameball.errors import AuthenticationError, CredentialsError, GameballError
from gameball.sandbox import Sandbox, faults
from tests.bulk.cluster.planned import submit
from tests.support.bulk_api import pay, pays

pytestmark = pytest.mark.usefixtures("sandbox")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers in this process."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0", protocol="inproc://"
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


def each_once(sandbox: Sandbox, count: int) -> bool:
    return Counter(entry.transaction_id for entry in sandbox.ledger.transactions()) == Counter(
        f"t{number}" for number in range(count)
    )


# --- from the beginning to the end


def test_rows_are_sent_once_and_reported(cluster: Any, sandbox: Sandbox, directory: Path) -> None:
    report = run_on_cluster(cluster, pays(300, players=50), directory=directory)
    assert each_once(sandbox, 300)
    assert isinstance(report, BulkReport)
    assert (report.rows, report.applied, report.left, report.sent) == (300, 300, 0, 300)
    assert report.points == sum(entry.points for entry in sandbox.ledger.transactions())
    assert report.seconds > 0


async def test_it_is_awaited_where_the_client_is(sandbox: Sandbox, directory: Path) -> None:
    seen: list[int] = []

    async def rows() -> Any:
        for number in range(50):
            yield pay(number)

    async with (
        distributed.LocalCluster(
            n_workers=1, processes=False, dashboard_address="127.0.0.1:0", asynchronous=True, protocol="inproc://"
        ) as local,
        distributed.Client(local, asynchronous=True) as client,
    ):
        report = await run_on_cluster(
            client, rows(), directory=directory, on_progress=lambda report: seen.append(report.settled)
        )
        again = await resume_on_cluster(client, directory)
    assert each_once(sandbox, 50)
    assert (report.applied, again.applied, seen[-1]) == (50, 50, 50)


def test_rows_are_read_and_progress_is_reported_in_the_caller_s_thread(cluster: Any, directory: Path) -> None:
    threads: set[threading.Thread] = set()
    reports: list[BulkReport] = []

    def rows() -> Iterator[CashbackRequest]:
        threads.add(threading.current_thread())
        yield from pays(100)

    def show(report: BulkReport) -> None:
        threads.add(threading.current_thread())
        reports.append(report)

    run_on_cluster(cluster, rows(), directory=directory, on_progress=show)
    assert threads == {threading.current_thread()}
    assert [report.settled for report in reports] == sorted(report.settled for report in reports)
    assert {report.rows for report in reports} == {100}
    assert reports[-1].applied == 100


def test_no_rows_are_a_run_that_has_ended(cluster: Any, directory: Path) -> None:
    report = run_on_cluster(cluster, [], directory=directory)
    assert (report.rows, report.settled) == (0, 0)
    assert resume_on_cluster(cluster, directory).rows == 0


def test_the_same_rows_go_on_where_they_were_and_others_are_refused(
    cluster: Any, sandbox: Sandbox, directory: Path
) -> None:
    run_on_cluster(cluster, pays(20), directory=directory)
    assert run_on_cluster(cluster, pays(20), directory=directory).applied == 20
    assert len(sandbox.requests) == 20
    with pytest.raises(JournalError, match=r"was made of other rows: the input has changed since$"):
        run_on_cluster(cluster, pays(21), directory=directory)


def test_rows_that_failed_are_named_in_the_order_of_the_input(cluster: Any, directory: Path) -> None:
    def rows() -> Iterator[CashbackRequest | RefundRequest]:
        for number in range(60):
            refund = RefundRequest(
                player_unique_id=f"p{number}", transaction_id=f"r{number}", original_transaction_id="none"
            )
            yield refund if number % 3 == 0 else pay(number)

    report = run_on_cluster(cluster, rows(), directory=directory, shards=6)
    assert (report.applied, report.rejected, report.problems_left_out) == (40, 20, 0)
    assert [problem.index for problem in report.problems] == list(range(0, 60, 3))
    assert {type(problem.error).__name__ for problem in report.problems} == {"PlayerNotFoundError"}
    with ClusterReader(directory) as reader:
        assert [problem.request.transaction_id for problem in reader.problems(RowState.REJECTED)] == [
            f"r{number}" for number in range(0, 60, 3)
        ]
        assert list(reader.problems(RowState.NEEDS_REVIEW)) == []


def test_it_goes_by_batches(cluster: Any, sandbox: Sandbox, directory: Path) -> None:
    report = run_on_cluster(cluster, pays(40), directory=directory, via="batches", shards=2)
    assert each_once(sandbox, 40)
    assert report.applied == 40
    assert {request.operation for request in sandbox.requests} == {"batches.start", "batches.get"}


def test_a_rate_limit_holds_over_all_workers(cluster: Any, sandbox: Sandbox, directory: Path) -> None:
    run_on_cluster(cluster, pays(150), directory=directory, rate_limit=RateLimit((51, 0.6)), shards=6, at_once=2)
    times = sorted(request.time.timestamp() for request in sandbox.requests)
    assert len(times) == 150
    assert min(later - earlier for earlier, later in zip(times, times[51:], strict=False)) >= 0.6


# --- stopped, and gone on with


def stop_after(sandbox: Sandbox, count: int) -> threading.Event:
    """An event that is set once so many requests have come."""
    stop = threading.Event()

    def wait() -> None:
        while len(sandbox.requests) < count:
            time.sleep(0.002)
        stop.set()

    threading.Thread(target=wait).start()
    return stop


def test_a_run_that_is_stopped_settles_what_is_in_flight_and_is_resumed(
    cluster: Any, sandbox: Sandbox, directory: Path
) -> None:
    report = run_on_cluster(
        cluster, pays(300, players=8), directory=directory, concurrency=4, stop=stop_after(sandbox, 30)
    )
    assert 0 < report.left < 300
    assert report.settled == len(sandbox.ledger.transactions())
    submission = Submission.read(SharedDirectory(directory))
    assert submission is not None
    assert submission.state == "ended"

    report = resume_on_cluster(cluster, directory)
    assert (report.applied, report.left, report.looked_up) == (300, 0, 0)
    assert each_once(sandbox, 300)


def test_a_run_that_is_refused_by_the_api_ends_with_its_reason(cluster: Any, sandbox: Sandbox, directory: Path) -> None:
    refusal = faults.Status(401, {"code": 2, "message": "no"})
    sandbox.faults.arm("transactions.cashback", refusal, nth=40, times=1000)
    with pytest.raises(
        BulkStoppedError, match=r"^stopped with \d+ of 200 rows settled: .*HTTP 401\); resume it"
    ) as ended:
        run_on_cluster(cluster, pays(200, players=8), directory=directory)
    assert isinstance(ended.value.reason, AuthenticationError)
    assert ended.value.report.settled == len(sandbox.ledger.transactions()) == 39
    sandbox.faults.clear()
    assert resume_on_cluster(cluster, directory).applied == 200
    assert each_once(sandbox, 200)


def test_progress_that_raises_ends_the_run_after_what_is_in_flight(
    cluster: Any, sandbox: Sandbox, directory: Path
) -> None:
    def fail(report: BulkReport) -> None:
        if report.settled:
            raise ValueError("no terminal")

    with pytest.raises(BulkStoppedError, match="no terminal") as ended:
        run_on_cluster(cluster, pays(300, players=8), directory=directory, concurrency=4, on_progress=fail)
    assert isinstance(ended.value.reason, ValueError)
    assert ended.value.report.settled == len(sandbox.ledger.transactions())


def test_a_newer_run_in_the_directory_ends_the_older_one(cluster: Any, sandbox: Sandbox, directory: Path) -> None:
    shared = SharedDirectory(directory)
    submitted: list[Submission] = []

    def overtake(report: BulkReport) -> None:
        if report.settled and not submitted:
            submitted.append(submit(shared))

    with pytest.raises(BulkStoppedError, match=r"another run has started to work in|was taken over by another worker"):
        run_on_cluster(cluster, pays(120, players=4), directory=directory, concurrency=2, on_progress=overtake)
    latest = Submission.read(shared)
    assert latest is not None
    assert (latest.identity, latest.state) == (submitted[0].identity, "running")
    assert resume_on_cluster(cluster, directory).applied == 120
    assert each_once(sandbox, 120)


# --- workers and tasks that fail


class Future:
    """A task of the failing cluster, in a thread of its own."""

    status = "pending"

    def __init__(self, end: Callable[[], tuple[str, Any]]) -> None:
        self._run = end
        threading.Thread(target=self._work).start()

    def done(self) -> bool:
        return self.status != "pending"

    def result(self, _: float) -> Any:
        return self.value

    exception = result

    def _work(self) -> None:
        status, self.value = self._run()
        self.status = status


class Failing:
    """A cluster of one worker, whose tasks end as this list says, in turn, and then well."""

    asynchronous = False
    future = Future

    def __init__(self, *ends: Callable[[str, int], tuple[str, Any]]) -> None:
        self._ends = iter(ends)
        self.tasks: list[int] = []
        self.given_up: list[Any] = []

    def nthreads(self) -> dict[str, int]:
        return {"tcp://here": 1}

    def submit(self, function: Any, directory: str, shard: int, **_: Any) -> Future:
        assert function is run_shard
        self.tasks.append(shard)
        end = next(self._ends, work)
        return self.future(lambda: end(directory, shard))

    def cancel(self, futures: list[Any]) -> None:
        self.given_up += futures


def work(directory: str, shard: int) -> tuple[str, Any]:
    return "finished", run_shard(directory, shard)


def die(_: str, __: int) -> tuple[str, Any]:
    return "error", RuntimeError("its worker has died")


def vanish(_: str, __: int) -> tuple[str, Any]:
    return "cancelled", None


def never_end(_: str, __: int) -> tuple[str, Any]:
    return "pending", None


def refuse(error: GameballError) -> Callable[[str, int], tuple[str, Any]]:
    return lambda _, __: ("finished", error)


def test_a_shard_whose_worker_has_died_is_worked_on_again(sandbox: Sandbox, directory: Path) -> None:
    cluster = Failing(die, vanish, work, die)
    report = run_on_cluster(cluster, pays(40), directory=directory, shards=2)
    assert report.applied == 40
    assert each_once(sandbox, 40)
    assert cluster.tasks == [0, 0, 0, 1, 1]


def test_a_result_that_is_gone_with_its_worker_is_waited_for(sandbox: Sandbox, directory: Path) -> None:
    class LateFuture(Future):
        times = 0

        def result(self, seconds: float) -> Any:
            self.times += 1
            if self.times == 1:
                raise TimeoutError
            return super().result(seconds)

    class Gone(Failing):
        future = LateFuture

    assert run_on_cluster(Gone(), pays(10), directory=directory, shards=1).applied == 10
    assert each_once(sandbox, 10)


def test_a_shard_that_fails_on_every_worker_ends_the_run(sandbox: Sandbox, directory: Path) -> None:
    with pytest.raises(GameballError, match=r"^shard 0 fails on every worker: RuntimeError: its worker has died$"):
        run_on_cluster(Failing(*[die] * 9), pays(40), directory=directory, shards=2)
    assert len(sandbox.requests) == 0


def test_the_first_worker_that_cannot_take_part_ends_the_run(sandbox: Sandbox, directory: Path) -> None:
    no_keys = CredentialsError("worker tcp://there cannot sign requests: no api_key")
    with pytest.raises(CredentialsError, match=r"^worker tcp://there cannot sign requests: no api_key$"):
        run_on_cluster(Failing(refuse(no_keys)), pays(40), directory=directory, shards=2)
    assert len(sandbox.requests) == 0
    with pytest.raises(BulkStoppedError, match=r"^stopped with 10 of 20 rows settled: worker tcp://there cannot"):
        run_on_cluster(Failing(work, refuse(no_keys)), pays(20, players=2), directory=directory / "2", shards=2)


def test_a_cluster_that_is_gone_ends_the_run(directory: Path) -> None:
    class GoneCluster(Failing):
        def submit(self, *_: Any, **__: Any) -> Future:
            raise RuntimeError("the scheduler is closed")

        def cancel(self, _: list[Any]) -> None:
            raise RuntimeError("the scheduler is closed")

    with pytest.raises(GameballError, match=r"^the cluster takes no task: RuntimeError: the scheduler is closed$"):
        run_on_cluster(GoneCluster(), pays(4), directory=directory)


def test_a_cluster_whose_workers_do_not_come_back_ends_the_run(
    sandbox: Sandbox, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deserted(Failing):
        asked = 0

        def nthreads(self) -> dict[str, int]:
            self.asked += len(self.tasks) == 2
            if self.asked > 1:
                raise OSError("nobody answers")
            return {"tcp://here": 1}

    monkeypatch.setattr("gameball.bulk.cluster.dispatch.PATIENCE", 0.1)
    monkeypatch.setattr("gameball.bulk.cluster.dispatch.END", 0.1)
    cluster = Deserted(work, never_end)
    with pytest.raises(BulkStoppedError, match=r"^stopped with 10 of 20 rows settled: the cluster has had no workers"):
        run_on_cluster(cluster, pays(20, players=2), directory=directory, shards=2)
    assert cluster.asked >= 2, "as long as there were workers, they were waited for"
    assert run_on_cluster(Failing(), pays(20, players=2), directory=directory).applied == 20
    assert each_once(sandbox, 20)


def test_a_run_that_is_stopped_before_it_begins_sends_nothing(cluster: Any, sandbox: Sandbox, directory: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert run_on_cluster(cluster, pays(20), directory=directory, stop=stop).left == 20
    assert len(sandbox.requests) == 0
    assert resume_on_cluster(cluster, directory).applied == 20


def test_workers_that_do_not_end_are_given_up(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gameball.bulk.cluster.dispatch.END", 0.1)
    stop = threading.Event()

    def stop_and_never_end(directory: str, shard: int) -> tuple[str, Any]:
        stop.set()
        return never_end(directory, shard)

    cluster = Failing(stop_and_never_end)
    report = run_on_cluster(cluster, pays(4), directory=directory, shards=1, stop=stop)
    assert (report.settled, len(cluster.given_up)) == (0, 1)
    submission = Submission.read(SharedDirectory(directory))
    assert submission is not None
    assert submission.state == "stopping"


async def test_a_run_that_is_cancelled_asks_its_workers_to_stop(directory: Path) -> None:
    class Awaited(Failing):
        asynchronous = True

        async def nthreads(self) -> dict[str, int]:  # type: ignore[override]
            return {"tcp://here": 1}

    cluster = Awaited(never_end)
    run = asyncio.create_task(run_on_cluster(cluster, pays(4), directory=directory, shards=1))
    while not cluster.tasks:
        await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    submission = Submission.read(SharedDirectory(directory))
    assert submission is not None
    assert (submission.state, len(cluster.given_up)) == ("stopping", 1)


def test_a_directory_that_fails_ends_the_run(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise JournalError("the directory cannot be used")

    def fail_from_now_on(_: str, __: int) -> tuple[str, Any]:
        monkeypatch.setattr(Submission, "read", fail)
        return "pending", None

    monkeypatch.setattr("gameball.bulk.cluster.dispatch.END", 0.1)
    with pytest.raises(JournalError, match=r"^the directory cannot be used$"):
        run_on_cluster(Failing(fail_from_now_on), pays(4), directory=directory, shards=1)


# --- what is refused before anything is sent


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"cluster": "tcp://host:8786"}, "cluster must be a distributed.Client, not str"),
        ({"directory": ""}, "directory must not be empty"),
        ({"shards": 0}, "shards must be from 1 to 100000"),
        ({"at_once": 0}, "at_once must be from 1 to 10000"),
        ({"concurrency": 0}, "concurrency must be from 1 to 10000"),
        ({"via": "post"}, 'via must be "calls" or "batches"'),
        ({"rate_limit": (30, 1.0)}, "rate_limit must be a RateLimit, not tuple"),
        ({"rate_limit": RateLimit((2, 1.0)), "at_once": 3}, "at_once must be at most 2: the rate limit has no place"),
        ({"rows": "orders.csv"}, "rows must be an iterable or an async iterable of requests, not str"),
        ({"rows": [1]}, r"rows\[0\] must be one of CashbackRequest"),
    ],
)
def test_a_wrong_argument_is_refused_in_a_sentence(
    arguments: dict[str, Any], rule: str, sandbox: Sandbox, directory: Path
) -> None:
    given = {"cluster": Failing(), "rows": pays(3), "directory": directory, **arguments}
    with pytest.raises(InvalidRequestError, match=f"^{rule}"):
        run_on_cluster(given.pop("cluster"), given.pop("rows"), **given)
    assert len(sandbox.requests) == 0
    assert not directory.exists()


def test_without_the_extra_one_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.delitem(sys.modules, "gameball.bulk.cluster")
    with pytest.raises(
        ModuleNotFoundError, match=r"^gameball\.bulk\.cluster needs its extra: pip install 'gameball\[dask\]'$"
    ):
        import_module("gameball.bulk.cluster")


def test_resume_refuses_what_is_no_run(directory: Path) -> None:
    with pytest.raises(JournalError, match=f"^there is no run in {directory}$"):
        resume_on_cluster(Failing(), directory)
    with pytest.raises(JournalError, match=f"^there is no run in {directory}$"):
        ClusterReader(directory)
    with pytest.raises(InvalidRequestError, match=r'^via must be "calls" or "batches"$'):
        resume_on_cluster(Failing(), directory, via="post")  # type: ignore[arg-type]


def test_nobody_resumes_the_run_of_another_account(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_on_cluster(Failing(), pays(3), directory=directory)
    monkeypatch.setenv("GAMEBALL_API_KEY", "another-api-key")
    with pytest.raises(JournalError, match=r"belongs to another account: its API key is not this client's$"):
        resume_on_cluster(Failing(), directory)


def test_without_keys_nothing_begins(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAMEBALL_SECRET_KEY")
    with pytest.raises(CredentialsError, match=r"^no secret_key: pass it, or set GAMEBALL_SECRET_KEY$"):
        run_on_cluster(Failing(), pays(3), directory=directory)
    assert not directory.exists()


def test_as_many_shards_are_worked_on_as_the_rate_limit_has_places(directory: Path) -> None:
    class Many(Failing):
        def nthreads(self) -> dict[str, int]:
            return {f"tcp://{number}": 1 for number in range(50)}

    run_on_cluster(Many(), pays(8), directory=directory, rate_limit=RateLimit((3, 0.05)))
    submission = Submission.read(SharedDirectory(directory))
    assert submission is not None
    assert submission.at_once == 3


def test_a_plan_that_was_cut_short_is_made_anew(sandbox: Sandbox, directory: Path) -> None:
    (directory / "shards").mkdir(parents=True)
    (directory / "shards/00000.jsonl").write_text("[")
    (directory / "shards/00007.jsonl").write_text("[")
    assert run_on_cluster(Failing(), pays(5), directory=directory, shards=2).applied == 5
    assert each_once(sandbox, 5)


def test_what_is_left_of_another_run_is_not_taken_for_this_one_s(directory: Path) -> None:
    run_on_cluster(Failing(), pays(3), directory=directory)
    (directory / "manifest.json").unlink()
    with pytest.raises(JournalError, match=r"has what is left of another run: name another one$"):
        run_on_cluster(Failing(), pays(5), directory=directory)


def test_a_damaged_directory_is_reported_from_its_results(directory: Path, sandbox: Sandbox) -> None:
    run_on_cluster(Failing(), pays(6), directory=directory, shards=2)
    (directory / "progress/00000.json").write_bytes(b"{")
    with ClusterReader(directory) as reader:
        assert reader.report.applied == 6
    (directory / "shards/00000.jsonl").unlink()
    (results,) = (directory / "results/00000").iterdir()
    results.write_bytes(b'[0,"rejected",null,null,"[]"]\n')
    with pytest.raises(JournalError, match="is damaged"):
        ClusterReader(directory)
    assert len(sandbox.requests) == 6

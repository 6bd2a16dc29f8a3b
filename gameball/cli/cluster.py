"""Runs of `gameball bulk` whose rows the workers of a Dask cluster send: one of this machine, or one that is there."""

import logging
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, Final

from attrs import frozen

from gameball.bulk.cluster import resume_on_cluster, run_on_cluster
from gameball.bulk.cluster.manifest import Manifest
from gameball.bulk.cluster.report import ClusterReader
from gameball.bulk.cluster.storage import SharedDirectory
from gameball.bulk.journal import Account
from gameball.bulk.report import BulkReport
from gameball.bulk.start import Via
from gameball.cli.display import count
from gameball.cli.kept import Kept
from gameball.cli.output import say
from gameball.cli.rows_file import RowsFile
from gameball.cli.workers import Workers
from gameball.models.shared import refuse
from gameball.settings import RateLimit, base_url, credentials

_dask: Final[Any] = import_module("dask")
_distributed: Final[Any] = import_module("distributed")

CONFIGURATION: Final[dict[str, object]] = {
    "distributed.deploy.lost_worker_timeout": "1 day",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
"""Of the workers of this machine: they come back however long that takes, and none of them has pages to look at."""

NO_DASHBOARD: Final = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}

CONNECTS: Final = 10.0
"""Seconds that connecting to a scheduler may take."""


@frozen(kw_only=True)
class OnCluster:
    """The workers of a cluster send the rows; see `gameball.cli.run.Sender`."""

    connect: Callable[[], Any]
    """Gives the `distributed.Client`, and starts the workers where they are this command's own."""
    directory: Kept
    via: Via | None
    concurrency: int
    limit: RateLimit | None

    def show_before(self) -> None:
        """See `Sender`."""
        directory = SharedDirectory(self.directory)
        manifest = Manifest.read(directory)
        if manifest is not None:
            account = Account(api_key=credentials(None, None, None).api_key, base_url=base_url(None, allow_http=False))
            manifest.check(account, directory, "this command")
            with ClusterReader(self.directory) as reader:
                before = reader.report
            say(f"directory {self.directory}: {before.settled:,} of {before.rows:,} rows are done already")

    def run(self, rows: RowsFile, show: Callable[[BulkReport], object], stop: threading.Event) -> BulkReport:
        """See `Sender`."""
        report: BulkReport = run_on_cluster(
            self.connect(),
            rows,
            directory=self.directory,
            concurrency=self.concurrency,
            rate_limit=self.limit,
            via=self.via or "calls",
            on_progress=show,
            stop=stop,
        )
        return report

    def resume(self, show: Callable[[BulkReport], object], stop: threading.Event) -> BulkReport:
        """See `Sender`."""
        report: BulkReport = resume_on_cluster(
            self.connect(),
            self.directory,
            concurrency=self.concurrency,
            rate_limit=self.limit,
            via=self.via,
            on_progress=show,
            stop=stop,
        )
        return report


@contextmanager
def on_cluster(
    workers: Workers, directory: Kept, limit: RateLimit | None, *, via: Via | None, concurrency: int
) -> Generator[OnCluster]:
    """A sender whose cluster goes with it, if it is this command's own.

    One that is there is connected to at once; workers of this machine are started when they are needed.

    Raises:
        CredentialsError: One of the keys is missing.
        InvalidRequestError: The cluster cannot be reached.
    """
    credentials(None, None, None).require("api_key", "secret_key")
    with ExitStack() as stack:
        if workers.cluster is not None:
            client = stack.enter_context(_connected(workers.cluster))
            connect = lambda: client  # noqa: E731
        else:
            connect = lambda: stack.enter_context(_started(workers.workers or 1))  # noqa: E731
        yield OnCluster(connect=connect, directory=directory, via=via, concurrency=concurrency, limit=limit)


@contextmanager
def _connected(address: str) -> Generator[Any]:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = _distributed.Client(address, timeout=CONNECTS)
    except Exception as error:  # noqa: BLE001 (Dask's own, and those of its transports)
        reason = (str(error) or type(error).__name__).partition("\n")[0]
        raise refuse("--cluster", f"{address} cannot be reached: {reason}") from None
    with client:
        if not client.nthreads():
            say(f"{address} has no workers yet: the rows wait for them")
        yield client


@contextmanager
def _started(workers: int) -> Generator[Any]:
    """Workers of this machine: nobody else can connect to them, and signals of the terminal do not end them.

    One that dies is started again, however long a busy machine takes for it.
    """
    say(f"starting {count(workers, 'worker')}")
    with (
        _dask.config.set(CONFIGURATION),
        _distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,
            scheduler_kwargs=NO_DASHBOARD,
            silence_logs=logging.CRITICAL,
            security=True,
            preload=[__name__],
        ) as cluster,
        _distributed.Client(cluster) as client,
    ):
        yield client


def dask_setup(_: object) -> None:
    """Leave to the command, in each worker of this machine, the signals that go to all of them: it ends the run well.

    Dask calls it by its name.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)

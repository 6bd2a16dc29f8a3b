"""`Sandbox`: a local Gameball that starts, serves and stops."""

import asyncio
import ipaddress
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from gameball.sandbox.access import Access
from gameball.sandbox.arming import Faults
from gameball.sandbox.batches import Batches
from gameball.sandbox.books import Books
from gameball.sandbox.clock import Clock, steady
from gameball.sandbox.configurations import Configurations
from gameball.sandbox.console import CONSOLE_PATH, console_routes
from gameball.sandbox.control import control_routes
from gameball.sandbox.inspection import Inspection
from gameball.sandbox.ledger import Ledger, Scope
from gameball.sandbox.partners import Partners
from gameball.sandbox.program import Program
from gameball.sandbox.requests import RequestLog
from gameball.sandbox.routes import BASE_PATH, Pages
from gameball.sandbox.server import HTTP_LOG, Server
from gameball.sandbox.store import Store
from gameball.sandbox.traffic import Traffic
from gameball.sandbox.transactions import Transactions

_GRACE = 0.1
"""Seconds that requests in flight get when the sandbox stops."""


@dataclass(kw_only=True, eq=False)
class Sandbox:
    """A stand-in for Gameball's loyalty API v3.0 with a ledger of its own.

    `async with Sandbox() as sandbox:` serves in the running loop; `with Sandbox() as sandbox:` from a
    background thread, for plain code. Either way requests go to `sandbox.base_url`.

    Raises:
        ValueError: on construction, for a host that other machines can reach, without `allow_remote`.
        OSError: on entry, if the address is taken or does not exist.
        sqlite3.Error: on entry, if `db` is in use, cannot be written, or is not a sandbox's.
    """

    db: str | Path = ":memory:"
    """A file keeps the ledger from one run to the next."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes any free port."""
    allow_remote: bool = False
    api_key: str = field(default="sandbox-api-key", repr=False)
    secret_key: str = field(default="sandbox-secret-key", repr=False)
    partner_token: str = field(default="sandbox-partner-token", repr=False)
    refusal_status: int = 422
    """HTTP status of the codes 50, 51, 101 and 301 and up; no page publishes it."""
    id_scope: Scope = "account"
    """Within what a transactionId may be used once (305); not published."""
    time_scope: Scope = "player"
    """Within what a transactionTime may be used once (304); not published."""
    quirks: bool = False
    """Answer with the contradictions of the API's own pages: `quirks.py` lists them."""
    batch_polls: int = 2
    """How often a batch is asked about before it is finished: first pending, then in progress."""
    control: bool = True
    """Serve the control API and the console below `/_sandbox/`."""
    program: Program = field(default_factory=Program, repr=False)
    """The loyalty program's terms; a new value holds from the next request on."""
    clock: Clock = field(default_factory=Clock, init=False, repr=False)
    """Advance it, and ten minutes pass at once."""
    faults: Faults = field(default_factory=Faults, init=False, repr=False)
    """What goes wrong: `sandbox.faults.arm("transactions.cashback", faults.Reset(), effect="after")`."""
    requests: RequestLog = field(default_factory=RequestLog, init=False, repr=False)
    """The latest requests with good keys, oldest first."""
    _first_program: Program = field(init=False, repr=False)
    _ledger: Ledger | None = field(default=None, init=False, repr=False)
    _inspection: Inspection = field(init=False, repr=False)
    _store: Store = field(init=False, repr=False)
    _server: Server = field(init=False, repr=False)
    _runner: web.AppRunner = field(init=False, repr=False)
    _thread: "_LoopThread" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.allow_remote and not _is_loopback(self.host):
            raise ValueError(f"{self.host} can be reached from other machines; allow_remote=True permits that")
        self._first_program = self.program

    @property
    def ledger(self) -> Ledger:
        """The books, for reading: balances, holds and transactions."""
        if self._ledger is None:
            raise RuntimeError("the sandbox has no ledger before it is entered: with Sandbox() as sandbox: ...")
        return self._ledger

    @property
    def base_url(self) -> str:
        """Address of the API with its version, `/api/v3.0`."""
        return f"{self._origin}{BASE_PATH}"

    @property
    def console_url(self) -> str:
        """Where the console is, to be opened in a browser."""
        return f"{self._origin}{CONSOLE_PATH}/"

    @property
    def _origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def reset(self) -> None:
        """Start afresh: no player, no client, no batch, no fault, real time and the program of the start.

        What a fault has put off is never done. A `db` file is emptied too. Thread-safe, like all of this class.

        Raises:
            RuntimeError: before the sandbox is entered.
        """
        self.ledger.clear()
        self._inspection.forget()
        self._server.reset()
        self.faults.reset()
        self.requests.clear()
        self.clock.reset()
        self.program = self._first_program

    async def __aenter__(self) -> Self:
        self._store = Store(self.db)
        self._ledger = Ledger(self._store, self.clock, self._terms, id_scope=self.id_scope, time_scope=self.time_scope)
        self._server = self._assemble(self._ledger)
        self._runner = web.AppRunner(
            self._server.application(), access_log=None, logger=HTTP_LOG, shutdown_timeout=_GRACE
        )
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, self.host, self.port).start()
        except BaseException:
            await self._stop()
            raise
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    def _assemble(self, ledger: Ledger) -> Server:
        transactions = Transactions(ledger, self.clock)
        batches = Batches(transactions, ledger, self.clock, polls=self.batch_polls)
        clients = Partners(self._store)
        traffic = Traffic()
        self._inspection = Inspection(
            sandbox=self,
            ledger=ledger,
            books=Books(ledger, self.clock),
            batches=batches,
            partners=clients,
            traffic=traffic,
        )
        return Server(
            pages=Pages(
                transactions=transactions,
                batches=batches,
                clients=clients,
                configurations=Configurations(self._terms),
            ),
            access=Access(
                api_key=self.api_key,
                secret_key=self.secret_key,
                partner_token=self.partner_token,
                clients=clients.account,
            ),
            clock=self.clock,
            faults=self.faults,
            log=self.requests,
            traffic=traffic,
            host=self.host,
            refusal_status=self.refusal_status,
            quirks=self.quirks,
            beside=self._control_routes() if self.control else (),
        )

    def _control_routes(self) -> list[web.RouteDef]:
        return control_routes(self, self._inspection) + console_routes(self._inspection, host=self.host)

    def _terms(self) -> Program:
        return self.program

    async def _stop(self) -> None:
        try:
            await self._runner.cleanup()
        finally:
            self._server.close()
            self._store.close()

    def __enter__(self) -> Self:
        self._thread = _LoopThread(self)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.stop()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose timers run although a test has stopped the time of its program."""

    def time(self) -> float:
        return steady()


class _LoopThread:
    """A daemon thread whose loop serves one sandbox until it is stopped."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._thread = threading.Thread(target=self._run, name="gameball-sandbox", daemon=True)
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event

    def start(self) -> None:
        """Return once the sandbox serves; raise what kept it from starting."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self) -> None:
        """Stop serving and wait until the thread has ended."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        try:
            async with self._sandbox:
                self._started.set()
                await self._stopping.wait()
        except BaseException as failure:  # noqa: BLE001 - it is raised in the thread that waits for it
            self._failure = failure
            self._started.set()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

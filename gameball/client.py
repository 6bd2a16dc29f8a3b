"""The two clients: settings in, resources out."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeVar

from attrs import evolve

from gameball import settings
from gameball.core import loop_thread
from gameball.core.methods import Async, Mode, ResourceBase, Sync, endpoint
from gameball.core.operation import Operation, Replay
from gameball.core.rate_limiter import RateLimiter
from gameball.errors import InvalidRequestError
from gameball.models.shared import check_whole
from gameball.resources.batches import Batches
from gameball.resources.clients import Clients
from gameball.resources.configurations import Configurations
from gameball.resources.raw import raw
from gameball.resources.transactions import Transactions
from gameball.settings import RateLimit, Retries, Secret, Timeouts

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from gameball.bulk.resource import Bulk
    from gameball.core.delivery import Delivered, Delivery
    from gameball.core.observers import Observer

T = TypeVar("T")


class _Client(ResourceBase[Mode]):
    """What both clients are made of."""

    _of_mode: ClassVar[type[Async] | type[Sync]]

    if not TYPE_CHECKING:  # the instance has values of these classes; mocks made of a class look for them there
        transactions, batches, clients, configurations = Transactions, Batches, Clients, Configurations

    def _open(
        self,
        api_key: str | Secret | None,
        secret_key: str | Secret | None,
        partner_token: str | Secret | None,
        base_url: str | None,
        *,
        allow_http: bool,
        timeouts: Timeouts,
        retries: Retries,
        rate_limit: RateLimit | None,
        connections: int,
        session: "ClientSession | None",
        proxy: str | Secret | None,
        ssl: SSLContext | None,
        observers: Sequence["Observer"],
    ) -> None:
        # aiohttp is loaded with the first client, not with the package; and on the caller's thread, before the
        # loop thread exists: a fork in the midst of an import would leave its lock held.
        from gameball.core.delivery import Delivery  # noqa: PLC0415
        from gameball.core.transport import Transport  # noqa: PLC0415

        loop_thread.prepare()
        check_whole("connections", connections, 1, 2**31 - 1)
        _check_kind("timeouts", timeouts, Timeouts)
        _check_kind("retries", retries, Retries)
        if rate_limit is not None:
            _check_kind("rate_limit", rate_limit, RateLimit)
        if ssl is not None:
            _check_kind("ssl", ssl, SSLContext)
        keys = settings.credentials(api_key, secret_key, partner_token)
        self._address = settings.base_url(base_url, allow_http=allow_http)
        transport = Transport(
            self._address,
            keys,
            timeouts,
            connections,
            session=session,
            proxy=settings.proxy(proxy, base_url=self._address, allow_http=allow_http),
            tls=ssl,
        )
        self._furnish(
            Delivery(
                transport=transport,
                credentials=keys,
                timeouts=timeouts,
                retries=retries,
                observers=observers,
                rate_limiter=RateLimiter(rate_limit) if rate_limit is not None else None,
            )
        )

    def _furnish(self, delivery: "Delivery") -> None:
        super().__init__(self._of_mode)
        self._delivery = delivery
        self.transactions: Transactions[Mode] = Transactions(self._of_mode, delivery)
        self.batches: Batches[Mode] = Batches(self._of_mode, delivery)
        self.clients: Clients[Mode] = Clients(self._of_mode, delivery)
        self.configurations: Configurations[Mode] = Configurations(self._of_mode, delivery)
        vars(self).pop("bulk", None)

    @cached_property
    def bulk(self) -> "Bulk[Mode]":
        """Many rows in one run."""
        from gameball.bulk.resource import Bulk  # noqa: PLC0415 (most programs never need it)

        return Bulk(self._of_mode, self._delivery, self._address)

    def with_options(
        self,
        *,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        rate_limit: RateLimit | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """The same client with other options: it shares connections, the retry budget and the rate limit with this one.

        Args:
            timeouts: Instead of this client's.
            retries: Instead of this client's.
            rate_limit: Instead of this client's, and counted apart from it.
            headers: Sent with every request, beside this client's own. Those that sign or frame a request cannot be
                set.

        Raises:
            InvalidRequestError: An option breaks its rule.
        """
        if timeouts is not None:
            _check_kind("timeouts", timeouts, Timeouts)
        if retries is not None:
            _check_kind("retries", retries, Retries)
        if rate_limit is not None:
            _check_kind("rate_limit", rate_limit, RateLimit)
        mine = self._delivery
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))  # what a subclass keeps stays
        other._furnish(  # noqa: SLF001 (it is one of us)
            evolve(
                mine,
                timeouts=timeouts or mine.timeouts,
                retries=retries or mine.retries,
                rate_limiter=RateLimiter(rate_limit) if rate_limit is not None else mine.rate_limiter,
                headers={**mine.headers, **settings.free_headers(headers or {})},
            )
        )
        return other

    @endpoint
    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        replay: Replay | None = None,
    ) -> Any:
        """Ask an endpoint that this package does not know, and give its answer as plain JSON.

        Numbers with a fraction come as Decimal. All keys that there are sign the request.

        Args:
            method: GET, HEAD, POST, PUT, PATCH or DELETE.
            path: Below the base URL, as in "/integrations/player/player123"; what is escaped in it stays so.
            query: Names and values; None values are left out.
            json: The body, as plain JSON.
            replay: What may be done when no answer comes. By default GET and HEAD are repeated, the rest is not.

        Raises:
            GameballError: Whatever went wrong; its `outcome` tells what became of the request.
        """
        return await self._delivery.send(raw(method, path, query=query, json=json, replay=replay))

    def __repr__(self) -> str:
        # A debugger may ask before __init__ is done.
        return f"{type(self).__name__}(base_url={getattr(self, '_address', None)!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a client cannot be pickled or copied: it holds keys and connections; make one where it is used"
        )


def _check_kind(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise InvalidRequestError(f"{name} must be a {kind.__name__}, not {type(value).__name__}", field=name)


class AsyncGameball(_Client[Async]):
    """The awaited client of Gameball's API v3.0, for FastAPI, aiohttp and everything else on asyncio.

    Make one and keep it: it opens connections at its first call and shares them. It may serve several event loops
    in turn, each with connections of its own. Leave it by `async with`, or by `aclose()`; a later call opens new
    connections.
    """

    _of_mode = Async

    def __init__(
        self,
        api_key: str | Secret | None = None,
        secret_key: str | Secret | None = None,
        *,
        partner_token: str | Secret | None = None,
        base_url: str | None = None,
        allow_http: bool = False,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 (frozen)
        retries: Retries = Retries(),  # noqa: B008 (frozen)
        rate_limit: RateLimit | None = None,
        connections: int = 100,
        session: "ClientSession | None" = None,
        proxy: str | None = None,
        ssl: SSLContext | None = None,
        observers: Sequence["Observer"] = (),
    ) -> None:
        """Settings in, resources out; nothing is opened before the first call.

        Args:
            api_key: The account's APIKey; or GAMEBALL_API_KEY, or the file that GAMEBALL_API_KEY_FILE names.
            secret_key: The account's SecretKey; from the environment likewise.
            partner_token: A partner's access token; from the environment likewise.
            base_url: The API's address with its version; or GAMEBALL_BASE_URL; or the live API.
            allow_http: Take a plain http address that is not this machine's.
            timeouts: For a connection, an exchange, and the whole call, in seconds.
            retries: How often a request is tried, and how long to wait in between.
            rate_limit: How many requests may be sent in how many seconds; further ones wait for their turn.
            connections: The most requests at one time; further calls wait for their turn.
            session: An aiohttp session of yours to send with. It is never closed here, and serves its own loop only;
                its middlewares are passed over.
            proxy: The address of a proxy; the environment's are never used.
            ssl: How to verify the API's certificate, instead of the system's way.
            observers: Plain callables that get an Attempt after every exchange, or objects with any of the methods
                `started(call)`, `exchanged(attempt)` and `ended(call, outcome, token)`, or for bulk runs
                `run_started(report)`, `rows_ended(results, token)` and `run_ended(report, error, token)`; on the
                event loop's thread.

        Raises:
            CredentialsError: There are no keys, or one of them cannot be used.
            InvalidRequestError: A setting breaks its rule.
        """
        # What records the locals of a traceback's frames must not find them here.
        api_key, secret_key, partner_token = map(settings.sealed, (api_key, secret_key, partner_token))
        proxy = settings.sealed(proxy)
        self._open(
            api_key,
            secret_key,
            partner_token,
            base_url,
            allow_http=allow_http,
            timeouts=timeouts,
            retries=retries,
            rate_limit=rate_limit,
            connections=connections,
            session=session,
            proxy=proxy,
            ssl=ssl,
            observers=observers,
        )

    async def send(self, operation: Operation[T]) -> T:
        """Carry out an operation and give its value, as every resource method does."""
        return await self._delivery.send(operation)

    async def deliver(self, operation: Operation[T]) -> "Delivered[T]":
        """Carry out an operation and say how it went: the value, the attempts, the answer itself."""
        return await self._delivery.deliver(operation)

    async def aclose(self) -> None:
        """Close the connections of the running event loop. Twice is fine; a later call opens new ones."""
        await self._delivery.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


class Gameball(_Client[Sync]):
    """The plain client of Gameball's API v3.0, for Django, Celery and scripts: the same calls without await.

    Make one and share it between threads. Its calls run on one background event loop per process; a forked child
    starts its own. Leave it by `with`, or by `close()`, or simply end the program; a later call opens new
    connections.

    Inside a running event loop (a notebook, say) calls work, but block that loop until they are done: prefer
    AsyncGameball there.
    """

    _of_mode = Sync

    def __init__(
        self,
        api_key: str | Secret | None = None,
        secret_key: str | Secret | None = None,
        *,
        partner_token: str | Secret | None = None,
        base_url: str | None = None,
        allow_http: bool = False,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 (frozen)
        retries: Retries = Retries(),  # noqa: B008 (frozen)
        rate_limit: RateLimit | None = None,
        connections: int = 100,
        proxy: str | None = None,
        ssl: SSLContext | None = None,
        observers: Sequence["Observer"] = (),
    ) -> None:
        """Settings in, resources out; nothing is opened before the first call.

        Args:
            api_key: The account's APIKey; or GAMEBALL_API_KEY, or the file that GAMEBALL_API_KEY_FILE names.
            secret_key: The account's SecretKey; from the environment likewise.
            partner_token: A partner's access token; from the environment likewise.
            base_url: The API's address with its version; or GAMEBALL_BASE_URL; or the live API.
            allow_http: Take a plain http address that is not this machine's.
            timeouts: For a connection, an exchange, and the whole call, in seconds.
            retries: How often a request is tried, and how long to wait in between.
            rate_limit: How many requests may be sent in how many seconds; further ones wait for their turn.
            connections: The most requests at one time; further calls wait for their turn.
            proxy: The address of a proxy; the environment's are never used.
            ssl: How to verify the API's certificate, instead of the system's way.
            observers: Plain callables that get an Attempt after every exchange, or objects with any of the methods
                `started(call)`, `exchanged(attempt)` and `ended(call, outcome, token)`, or for bulk runs
                `run_started(report)`, `rows_ended(results, token)` and `run_ended(report, error, token)`; on the
                background loop's thread: do not make a plain call there.

        Raises:
            CredentialsError: There are no keys, or one of them cannot be used.
            InvalidRequestError: A setting breaks its rule.
        """
        # What records the locals of a traceback's frames must not find them here.
        api_key, secret_key, partner_token = map(settings.sealed, (api_key, secret_key, partner_token))
        proxy = settings.sealed(proxy)
        self._open(
            api_key,
            secret_key,
            partner_token,
            base_url,
            allow_http=allow_http,
            timeouts=timeouts,
            retries=retries,
            rate_limit=rate_limit,
            connections=connections,
            session=None,
            proxy=proxy,
            ssl=ssl,
            observers=observers,
        )

    def send(self, operation: Operation[T]) -> T:
        """Carry out an operation and give its value, as every resource method does."""
        return loop_thread.run(lambda: self._delivery.send(operation))

    def deliver(self, operation: Operation[T]) -> "Delivered[T]":
        """Carry out an operation and say how it went: the value, the attempts, the answer itself."""
        return loop_thread.run(lambda: self._delivery.deliver(operation))

    def close(self) -> None:
        """Close the connections. Twice is fine; a later call opens new ones."""
        if self._delivery.transport.opened:
            loop_thread.run(self._delivery.transport.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

"""The two clients: settings in, resources out."""

from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from gameball import settings
from gameball.core import portal
from gameball.core.faces import Awaiting, Face, Faced, Waiting
from gameball.core.operation import Operation
from gameball.errors import InvalidRequestError
from gameball.resources.transactions import Transactions
from gameball.settings import Retries, Secret, Timeouts

if TYPE_CHECKING:
    from gameball.core.delivery import Delivered

T = TypeVar("T")


class _Client(Faced[Face]):
    """What both clients are made of."""

    _of_face: ClassVar[type[Awaiting] | type[Waiting]]

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
        connections: int = 100,
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
            connections: The most requests at one time; further calls wait for their turn.

        Raises:
            CredentialsError: There are no keys, or one of them cannot be used.
            InvalidRequestError: A setting breaks its rule.
        """
        # aiohttp is loaded with the first client, not with the package; and on the caller's thread, before the
        # loop thread exists: a fork in the midst of an import would leave its lock held.
        from gameball.core.delivery import Delivery  # noqa: PLC0415
        from gameball.core.transport import Transport  # noqa: PLC0415

        super().__init__(self._of_face)
        if isinstance(connections, bool) or not isinstance(connections, int) or connections < 1:
            raise InvalidRequestError("connections must be a whole number from 1", field="connections")
        keys = settings.credentials(api_key, secret_key, partner_token)
        address = settings.base_url(base_url, allow_http=allow_http)
        self._delivery = Delivery(Transport(address, keys, timeouts, connections), keys, timeouts, retries)
        self._address = address
        self.transactions: Transactions[Face] = Transactions(self._of_face, self._delivery)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._address!r})"


class AsyncGameball(_Client[Awaiting]):
    """The awaited client of Gameball's API v3.0, for FastAPI, aiohttp and everything else on asyncio.

    Make one and keep it: it opens connections at its first call and shares them. It may serve several event loops
    in turn, each with connections of its own. Leave it by `async with`, or by `aclose()`.
    """

    _of_face = Awaiting

    async def send(self, operation: Operation[T]) -> T:
        """Carry out an operation and give its value, as every resource method does."""
        return await self._delivery.send(operation)

    async def deliver(self, operation: Operation[T]) -> "Delivered[T]":
        """Carry out an operation and tell how it went: the value, the attempts, the answer itself."""
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


class Gameball(_Client[Waiting]):
    """The plain client of Gameball's API v3.0, for Django, Celery and scripts: the same calls without await.

    Make one and share it between threads. Its calls run on one background event loop per process; a forked child
    starts its own. Leave it by `with`, or by `close()`, or simply end the program.

    Inside a running event loop (a notebook, say) calls work, but block that loop until they are done: prefer
    AsyncGameball there.
    """

    _of_face = Waiting

    def send(self, operation: Operation[T]) -> T:
        """Carry out an operation and give its value, as every resource method does."""
        return portal.run(self._delivery.send, operation)

    def deliver(self, operation: Operation[T]) -> "Delivered[T]":
        """Carry out an operation and tell how it went: the value, the attempts, the answer itself."""
        return portal.run(self._delivery.deliver, operation)

    def close(self) -> None:
        """Close the connections. Twice is fine; a later call opens new ones."""
        if self._delivery.transport.opened:
            portal.run(self._delivery.transport.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

"""Carries out an operation: drives the transport as the policy says, until there is a value or an error."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Generic, Literal, TypeVar

from attrs import field, frozen

from gameball.core import codec, policy
from gameball.core.operation import Operation, Signature
from gameball.core.transport import Transport
from gameball.core.wire import Answer, Failure
from gameball.errors import CredentialsError, GameballError
from gameball.settings import Credentials, Retries, Timeouts

T = TypeVar("T")

logger: Final = logging.getLogger("gameball")
logger.addHandler(logging.NullHandler())

SettledBy = Literal["answer"]


@frozen(kw_only=True)
class Delivered(Generic[T]):
    """How a call went.

    Attributes:
        value: What the resource method returns.
        settled_by: What told the outcome: "answer", the answer to the request itself.
        attempts: How many times the request was tried.
        status, headers, body: Of the last answer.
    """

    value: T
    settled_by: SettledBy
    attempts: int
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The answer as plain JSON, numbers with a fraction as Decimal; None where it is no JSON."""
        try:
            return codec.parse(self.body)
        except codec.UnreadableError:
            return None


class Delivery:
    """The one way from an operation to its value."""

    def __init__(self, transport: Transport, credentials: Credentials, timeouts: Timeouts, retries: Retries) -> None:
        self.transport = transport
        self._credentials = credentials
        self._timeouts = timeouts
        self._retries = retries

    async def send(self, operation: Operation[T]) -> T:
        """The value of the call."""
        return (await self.deliver(operation)).value

    async def deliver(self, operation: Operation[T]) -> Delivered[T]:
        """The value of the call, and how it went.

        Raises:
            GameballError: Whatever went wrong; its `outcome` tells what became of the call.
        """
        self._require_keys(operation)
        request = codec.encode(operation)
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._timeouts.total
        attempt = 0
        while True:
            attempt += 1
            began = clock()
            result = await self.transport.exchange(request, deadline)
            _log(operation, attempt, result, clock() - began)
            problem: GameballError | Failure
            if isinstance(result, Failure):
                problem = result
            else:
                try:
                    value = codec.decode(operation, result)
                except GameballError as error:
                    problem = error
                    problem.retry_after = policy.retry_after(result.headers, datetime.now(UTC))
                else:
                    return Delivered(
                        value=value,
                        settled_by="answer",
                        attempts=attempt,
                        status=result.status,
                        headers=result.headers,
                        body=result.body,
                    )
            left = deadline - clock()
            step = policy.next_step(operation, problem, attempt=attempt, left=left, retries=self._retries)
            if isinstance(step, policy.GiveUp):
                break
            await asyncio.sleep(step.wait)
        raise self._complete(step.error, operation, attempt)

    def _require_keys(self, operation: Operation[Any]) -> None:
        needed = {
            Signature.BOTH_KEYS: ("api_key", "secret_key"),
            Signature.API_KEY: ("api_key",),
            Signature.PARTNER: ("partner_token",),
        }[operation.signature]
        for name in needed:
            if getattr(self._credentials, name) is None:
                raise self._complete(
                    CredentialsError(f"no {name}: pass it, or set GAMEBALL_{name.upper()}"), operation, 0
                )

    def _complete(self, error: GameballError, operation: Operation[Any], attempts: int) -> GameballError:
        """Tell the error which call it belongs to, and take out of its words what must not be seen."""
        otp = getattr(operation.body, "otp", None)
        message = error.message.replace(otp, "****") if otp else error.message
        error.message = self._credentials.redact(message)
        error.args = (error.message,)
        error.operation = operation.name
        error.method = operation.method
        error.path = operation.path
        error.transaction_id = operation.transaction_id
        error.attempts = attempts
        return error


def _log(operation: Operation[Any], attempt: int, result: Answer | Failure, seconds: float) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        end = result.reason if isinstance(result, Failure) else f"HTTP {result.status}"
        logger.debug("%s: try %d: %s after %.3f s", operation.name, attempt, end, seconds)

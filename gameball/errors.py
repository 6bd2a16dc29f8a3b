"""What can go wrong, as a tree of errors. The API's own numbers for it are in `gameball/codes.py`.

Every error says in `outcome` what became of the call: `"applied"`, `"not_applied"` or `"unknown"`. Errors hold
plain data only, never headers, keys or a live response, so they can be logged, pickled and kept.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

Outcome = Literal["applied", "not_applied", "unknown"]


def printable(text: str) -> str:
    r"""The text in one line, its control and invisible characters shown as escapes, as in `\x1b`, `\n` or `\u200b`.

    For whatever others wrote (ids, titles, the API's messages) on its way to a terminal, a log line or a report.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _restore(cls: "type[GameballError]", state: dict[str, Any]) -> "GameballError":
    error = cls.__new__(cls)
    error.__dict__.update(state)
    return error


class GameballError(Exception):
    """The root of all errors of this package.

    Attributes:
        message: What happened, in one line, without the particulars below.
        outcome: Whether the call took effect: "applied", "not_applied" or "unknown".
        operation: The call's name, as in "transactions.cashback".
        method, path: Of the request, the path without its query.
        attempts: How many times the request was tried.
        transaction_id: The id of the caller's own transaction, for the calls that have one.
        retry_after: Seconds after which trying again makes sense, where the API said so.
        request_id: The API's name for the request, where it gave one.
    """

    outcome: Outcome = "not_applied"

    _fields: ClassVar[tuple[str, ...]] = (
        "outcome",
        "operation",
        "method",
        "path",
        "attempts",
        "transaction_id",
        "retry_after",
        "request_id",
    )

    def __init__(
        self,
        message: str = "",
        state: Mapping[str, Any] | None = None,
        /,
        *,
        outcome: Outcome | None = None,
        operation: str | None = None,
        method: str | None = None,
        path: str | None = None,
        attempts: int = 0,
        transaction_id: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__()  # what is in `args` is never out of date
        self.message = message
        if outcome is not None:
            self.outcome = outcome
        self.operation = operation
        self.method = method
        self.path = path
        self.attempts = attempts
        self.transaction_id = transaction_id
        self.retry_after = retry_after
        self.request_id = request_id
        self._resume(state)

    @property
    def args(self) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]  # never out of date
        """The message, and everything else as a dict of plain values: `type(error)(*error.args)` is the error again.

        Task queues (Celery's JSON results, say) carry no more of an error than its class and its args.
        """
        state = {"outcome": self.outcome, **vars(self)}
        return self.message, {name: state[name] for name in self._fields if state.get(name) is not None}

    @args.setter
    def args(self, value: tuple[Any, ...]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Take over the message and the state of other args."""
        self._replace(*value[:2])

    def _replace(self, message: object = "", state: object = None) -> None:
        self.message = str(message)
        self._resume(state)

    def _resume(self, state: object) -> None:
        """Take over what `args` kept; what a carrier has turned into something else is passed over."""
        if isinstance(state, Mapping):
            vars(self).update({name: state[name] for name in self._fields if name in state})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __str__(self) -> str:
        about = [part for part in (self.operation, self._transaction(), *self._particulars()) if part]
        return printable(f"{self._headline()} ({', '.join(about)})" if about else self._headline())

    def __reduce__(self) -> tuple[Callable[..., "GameballError"], tuple[Any, ...]]:
        """Errors cross process borders (Celery, multiprocessing) whole, whatever their constructors ask for."""
        return _restore, (type(self), self.__dict__)

    def _headline(self) -> str:
        return self.message

    def _transaction(self) -> str | None:
        return f"transaction_id={self.transaction_id}" if self.transaction_id is not None else None

    def _particulars(self) -> tuple[str, ...]:
        return (f"request_id={self.request_id}",) if self.request_id is not None else ()


class CredentialsError(GameballError):
    """There is nothing to sign with, or a key cannot be used (white space inside, not plain ASCII)."""


class InvalidRequestError(GameballError, ValueError):  # pyright: ignore[reportIncompatibleVariableOverride] (args)
    """Refused before anything was sent: `field` breaks the rule that the message tells."""

    _fields = (*GameballError._fields, "field")

    def __init__(
        self,
        message: str = "",
        state: Mapping[str, Any] | None = None,
        /,
        *,
        field: str | None = None,
        **particulars: Any,
    ) -> None:
        self.field = field
        super().__init__(message, state, **particulars)


class ConnectionFailedError(GameballError):
    """The request never left: no connection could be made. Nothing was applied."""


class OutcomeUnknownError(GameballError):
    """The request may have been applied and no answer settled it. `code` is the API's last word, if any."""

    outcome = "unknown"

    _fields = (*GameballError._fields, "code")

    def __init__(
        self,
        message: str = "",
        state: Mapping[str, Any] | None = None,
        /,
        *,
        code: int | None = None,
        **particulars: Any,
    ) -> None:
        self.code = code
        super().__init__(message, state, **particulars)


class UnexpectedAnswerError(GameballError):
    """The answer is not the API's: HTML from a proxy, cut JSON, a redirect, a wrong shape."""

    _fields = (*GameballError._fields, "status")

    def __init__(
        self,
        message: str = "",
        state: Mapping[str, Any] | None = None,
        /,
        *,
        status: int | None = None,
        **particulars: Any,
    ) -> None:
        self.status = status
        super().__init__(message, state, **particulars)

    def _particulars(self) -> tuple[str, ...]:
        http = (f"HTTP {self.status}",) if self.status is not None else ()
        return (*http, *super()._particulars())


class TimedOutError(GameballError, TimeoutError):  # pyright: ignore[reportIncompatibleVariableOverride] (args)
    """`Timeouts.total` ran out on a read, or before anything of a write was sent."""


class BatchTimeoutError(GameballError):
    """A batch was not done in the time given; the batch goes on at the API."""

    outcome = "unknown"


class JournalError(GameballError):
    """A bulk run's journal cannot be used: another account's or input's, in use, broken, newer, or out of space."""


class BulkStoppedError(GameballError):
    """A bulk run was stopped; all that was in flight has been settled and saved, and the rest was not sent.

    Attributes:
        report: What became of the rows so far (a BulkReport).
        reason: The error that stopped it.
    """

    def __init__(
        self,
        message: str = "",
        state: Mapping[str, Any] | None = None,
        report: Any = None,
        reason: BaseException | None = None,
        **particulars: Any,
    ) -> None:
        self.report: Any = report
        self.reason: BaseException | None = reason
        super().__init__(message, state, **particulars)

    @property
    def args(self) -> tuple[Any, ...]:
        """Those of every error, then the report and the reason: a carrier of plain JSON keeps their text only."""
        return *super().args, self.report, self.reason

    @args.setter
    def args(self, value: tuple[Any, ...]) -> None:
        """Take over the message and the state of other args."""
        self.report, self.reason = (*value[2:4], None, None)[:2]
        self._replace(*value[:2])


class APIError(GameballError):
    """The API said no.

    Attributes:
        status: The HTTP status.
        code: The API's own number for the refusal, None where the body held none.
        from_api: Whether the answer had the API's form. A gateway's page or an empty body has not: whatever wrote
            it, it proves nothing about a write.
    """

    _fields = (*GameballError._fields, "status", "code", "from_api")

    def __init__(
        self,
        message: str = "",
        state: Mapping[str, Any] | None = None,
        /,
        *,
        status: int | None = None,
        code: int | None = None,
        from_api: bool = True,
        **particulars: Any,
    ) -> None:
        self.status = status
        self.code = code
        self.from_api = from_api
        super().__init__(message, state, **particulars)

    def _headline(self) -> str:
        return self.message if self.code is None else f"{self.code} {self.message}"

    def _particulars(self) -> tuple[str, ...]:
        http = (f"HTTP {self.status}",) if self.status is not None else ()
        return (*http, *super()._particulars())


class AuthenticationError(APIError):
    """The keys or the token were not accepted (HTTP 401)."""


class PermissionDeniedError(APIError):
    """The account may not do this: inactive, or the feature is not in its plan (HTTP 403)."""


class NotFoundError(APIError):
    """What the call names does not exist (HTTP 404)."""


class PlayerNotFoundError(NotFoundError):
    """The account has no player with this id."""


class TransactionNotFoundError(NotFoundError):
    """The account has no transaction with this id."""


class HoldNotFoundError(NotFoundError):
    """The hold does not exist: never made, expired, redeemed or reversed."""


class BadRequestError(APIError):
    """The API found the request wrong in itself."""


class DuplicateTransactionError(APIError):
    """A transaction with this id exists already."""


class TransactionTimeTakenError(APIError):
    """A transaction with this very time exists already.

    Attributes:
        not_found: Whether two look-ups found no transaction under the call's id; a list that lags may still hide one.
    """

    not_found: bool = False

    _fields = (*APIError._fields, "not_found")


class AlreadyCancelledError(APIError):
    """The transaction was cancelled before."""


class NotReversibleError(APIError):
    """Transactions of this type cannot be refunded."""


class InsufficientBalanceError(APIError):
    """The player has too few points."""


class ProgramDisabledError(APIError):
    """Gameball, or its cashback programme, is switched off for the account."""


class ConcurrentRequestError(APIError):
    """Another request for the same player is being worked on."""


class RateLimitedError(APIError):
    """Too many requests; `retry_after` tells how many seconds to wait, where the API said so (HTTP 429)."""


class ServerError(APIError):
    """The API failed (HTTP 5xx, 408, 425, 499, or code 13)."""

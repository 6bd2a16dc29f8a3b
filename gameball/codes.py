"""The API's own numbers for what can go wrong, and the error that stands for each."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from gameball.errors import (
    AlreadyCancelledError,
    APIError,
    AuthenticationError,
    BadRequestError,
    ConcurrentRequestError,
    DuplicateTransactionError,
    HoldNotFoundError,
    InsufficientBalanceError,
    NotFoundError,
    NotReversibleError,
    PermissionDeniedError,
    PlayerNotFoundError,
    ProgramDisabledError,
    RateLimitedError,
    ServerError,
    TransactionNotFoundError,
    TransactionTimeTakenError,
)


@frozen
class Code:
    """One of the API's numbers, in v3.0's and v4's counting, its meaning and the error that stands for it."""

    v3: int | None
    v4: int | None
    meaning: str
    error: type[APIError] = field(default=BadRequestError)


CODES: Final[tuple[Code, ...]] = (
    Code(3, None, "not found", NotFoundError),
    Code(4, 3000, "missing arguments"),
    Code(5, 3001, "null arguments"),
    Code(7, 3003, "invalid value"),
    Code(10, None, "forbidden", PermissionDeniedError),
    Code(11, None, "hash invalid", AuthenticationError),
    Code(12, None, "name length"),
    Code(13, 4500, "something went wrong", ServerError),
    Code(14, None, "name exists"),
    Code(15, None, "email exists"),
    Code(16, None, "inactive", PermissionDeniedError),
    Code(17, None, "levelling method"),
    Code(50, 6000, "Gameball is disabled", ProgramDisabledError),
    Code(51, 6001, "cashback is disabled", ProgramDisabledError),
    Code(101, 7000, "player not found", PlayerNotFoundError),
    Code(151, None, "already referred"),
    Code(152, None, "referral code not found", NotFoundError),
    Code(301, 9000, "type not reversible", NotReversibleError),
    Code(302, 9001, "already cancelled", AlreadyCancelledError),
    Code(303, 9002, "transaction not found", TransactionNotFoundError),
    Code(304, 9003, "transaction time already exists", TransactionTimeTakenError),
    Code(305, 9004, "transaction id already exists", DuplicateTransactionError),
    Code(306, 9005, "reversed transaction not found", TransactionNotFoundError),
    Code(307, 9006, "hold reference not found", HoldNotFoundError),
    Code(308, 9007, "invalid time"),
    Code(309, 9008, "insufficient balance", InsufficientBalanceError),
    Code(None, 1000, "credentials", AuthenticationError),
    Code(None, 1001, "credentials", AuthenticationError),
    Code(None, 1002, "credentials", AuthenticationError),
    Code(None, 2001, "concurrent request for the same player", ConcurrentRequestError),
    Code(None, 5003, "unavailable", ServerError),
    Code(None, 8000, "feature not in the plan", PermissionDeniedError),
)
"""The v3.0 numbers, and the v4 numbers that a v3.0 account may answer with."""

_BY_NUMBER: Final[Mapping[int, Code]] = MappingProxyType(
    {number: code for code in CODES for number in (code.v3, code.v4) if number is not None}
)

_BY_STATUS: Final[Mapping[int, type[APIError]]] = MappingProxyType(
    {
        401: AuthenticationError,
        403: PermissionDeniedError,
        404: NotFoundError,
        429: RateLimitedError,
        # A server or a proxy that gave up says nothing about what happened behind it.
        408: ServerError,
        425: ServerError,
        499: ServerError,
    }
)


def api_error(status: int, code: int | None, message: str | None) -> APIError:
    """The error for a refusal: by its code first, by its HTTP status second.

    429 and the failures of a server or a proxy (5xx, 408, 425, 499) keep their class whatever the body says: what
    may be done next hangs on them.
    """
    known = _BY_NUMBER.get(code) if code is not None else None
    by_status = ServerError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _BY_STATUS.get(status, BadRequestError)
    kind = by_status if known is None or by_status in (ServerError, RateLimitedError) else known.error
    if by_status is AuthenticationError and kind is PermissionDeniedError:
        kind = AuthenticationError  # "forbidden" under a 401 is about who asks, not about the request
    text = message or (known.meaning if known else f"HTTP {status} without a reason")
    return kind(text, status=status, code=code)

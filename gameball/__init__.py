"""The Python SDK for Gameball's loyalty API v3.0: awaited or called plainly, and never rewarding twice.

`AsyncGameball` is awaited, `Gameball` called plainly. Every public name is importable from here, and loaded when it
is first asked for: importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gameball.client import AsyncGameball as AsyncGameball, Gameball as Gameball
    from gameball.core.delivery import Delivered as Delivered
    from gameball.core.operation import Operation as Operation, Replay as Replay
    from gameball.errors import (
        AlreadyCancelledError as AlreadyCancelledError,
        APIError as APIError,
        AuthenticationError as AuthenticationError,
        BadRequestError as BadRequestError,
        ConcurrentRequestError as ConcurrentRequestError,
        ConnectionFailedError as ConnectionFailedError,
        CredentialsError as CredentialsError,
        DuplicateTransactionError as DuplicateTransactionError,
        GameballError as GameballError,
        HoldNotFoundError as HoldNotFoundError,
        InsufficientBalanceError as InsufficientBalanceError,
        InvalidRequestError as InvalidRequestError,
        NotFoundError as NotFoundError,
        NotReversibleError as NotReversibleError,
        OutcomeUnknownError as OutcomeUnknownError,
        PermissionDeniedError as PermissionDeniedError,
        PlayerNotFoundError as PlayerNotFoundError,
        ProgramDisabledError as ProgramDisabledError,
        RateLimitedError as RateLimitedError,
        ServerError as ServerError,
        TimedOutError as TimedOutError,
        TransactionNotFoundError as TransactionNotFoundError,
        TransactionTimeTakenError as TransactionTimeTakenError,
        UnexpectedAnswerError as UnexpectedAnswerError,
    )
    from gameball.models.shared import Branch as Branch, Merchant as Merchant, Points as Points
    from gameball.models.transactions import (
        CashbackRequest as CashbackRequest,
        CashbackReward as CashbackReward,
        Coupon as Coupon,
        CouponType as CouponType,
        Direction as Direction,
        Hold as Hold,
        LineItem as LineItem,
        ManualRequest as ManualRequest,
        ManualTransaction as ManualTransaction,
        OrderTransaction as OrderTransaction,
        OrderTransactions as OrderTransactions,
        RedeemRequest as RedeemRequest,
        Redemption as Redemption,
        RefundRequest as RefundRequest,
        Transaction as Transaction,
        TransactionPage as TransactionPage,
        TransactionStatus as TransactionStatus,
        TransactionType as TransactionType,
    )
    from gameball.settings import Retries as Retries, Secret as Secret, Timeouts as Timeouts
    from gameball.version import __version__ as __version__

_HOMES = {
    "AsyncGameball": "gameball.client",
    "Gameball": "gameball.client",
    "Delivered": "gameball.core.delivery",
    "Operation": "gameball.core.operation",
    "Replay": "gameball.core.operation",
    "APIError": "gameball.errors",
    "AlreadyCancelledError": "gameball.errors",
    "AuthenticationError": "gameball.errors",
    "BadRequestError": "gameball.errors",
    "ConcurrentRequestError": "gameball.errors",
    "ConnectionFailedError": "gameball.errors",
    "CredentialsError": "gameball.errors",
    "DuplicateTransactionError": "gameball.errors",
    "GameballError": "gameball.errors",
    "HoldNotFoundError": "gameball.errors",
    "InsufficientBalanceError": "gameball.errors",
    "InvalidRequestError": "gameball.errors",
    "NotFoundError": "gameball.errors",
    "NotReversibleError": "gameball.errors",
    "OutcomeUnknownError": "gameball.errors",
    "PermissionDeniedError": "gameball.errors",
    "PlayerNotFoundError": "gameball.errors",
    "ProgramDisabledError": "gameball.errors",
    "RateLimitedError": "gameball.errors",
    "ServerError": "gameball.errors",
    "TimedOutError": "gameball.errors",
    "TransactionNotFoundError": "gameball.errors",
    "TransactionTimeTakenError": "gameball.errors",
    "UnexpectedAnswerError": "gameball.errors",
    "Branch": "gameball.models.shared",
    "Merchant": "gameball.models.shared",
    "Points": "gameball.models.shared",
    "CashbackRequest": "gameball.models.transactions",
    "CashbackReward": "gameball.models.transactions",
    "Coupon": "gameball.models.transactions",
    "CouponType": "gameball.models.transactions",
    "Direction": "gameball.models.transactions",
    "Hold": "gameball.models.transactions",
    "LineItem": "gameball.models.transactions",
    "ManualRequest": "gameball.models.transactions",
    "ManualTransaction": "gameball.models.transactions",
    "OrderTransaction": "gameball.models.transactions",
    "OrderTransactions": "gameball.models.transactions",
    "RedeemRequest": "gameball.models.transactions",
    "Redemption": "gameball.models.transactions",
    "RefundRequest": "gameball.models.transactions",
    "Transaction": "gameball.models.transactions",
    "TransactionPage": "gameball.models.transactions",
    "TransactionStatus": "gameball.models.transactions",
    "TransactionType": "gameball.models.transactions",
    "Retries": "gameball.settings",
    "Secret": "gameball.settings",
    "Timeouts": "gameball.settings",
    "__version__": "gameball.version",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
